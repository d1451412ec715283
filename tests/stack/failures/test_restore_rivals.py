"""A backup and a restore at once: whoever comes second is told who is there, and does nothing."""

from __future__ import annotations

from tests.stack.failures.restores import UNPACKING, Restores, files_alone


def test_a_backup_under_way_keeps_a_restore_out(restores: Restores) -> None:
    before = files_alone(restores.hermes)
    backup = restores.host.begin("-B", "vmail")
    backup.until(backup.journal, "the backup's journal")
    backup.freeze()
    for argv in (("vmail",), ("--undo",), ("--finish",)):
        ended = restores.run(*argv)
        assert ended.code == 1
        assert f"another run is under way on this host: pid {backup.process.pid}, " in ended.error
        assert "system_backup.py" in ended.error
    backup.go_on()
    assert backup.ended().code == 0
    restores.check_as(before)
    restores.check_nothing_left()


def test_a_restore_under_way_keeps_all_others_out(restores: Restores) -> None:
    run = restores.begin("vmail", strike=f"{UNPACKING}@1=SIGSTOP")
    run.until_held()
    others = (restores.host.backup("-B", "vmail"), restores.run("vmail"), restores.run("--undo"))
    for ended in others:
        assert ended.code == 1
        assert f"another run is under way on this host: pid {run.process.pid}, " in ended.error
    assert not list(restores.host.output.glob("*.tar"))
    run.go_on()
    restores.well(run.ended())
