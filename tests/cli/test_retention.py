"""Retention as the operator sees it: after a backup, in a dry run, and never after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_backup_core import BackupRequest, RetentionPolicy, Scope, plan_backup, plan_retention, run_backup
from hermes_backup_core.domain.restore_steps import StopStack
from hermes_backup_core.wiring import restore_journal, run_record, run_state
from tests.backups import cut_short, lay_down
from tests.cli.fake_host import AS_NOBODY, FakeHost, Finished
from tests.unit.cli.restores import plan_of, record_at

STAMPS = ("20200603T010000Z", "20200602T010000Z", "20200601T010000Z")


def retention(done: Finished) -> list[str]:
    """The lines of the part on retention."""
    lines = done.text[done.text.index("== Retention ==") + 1 :]
    return lines[: next((number for number, line in enumerate(lines) if line.startswith(("==", "dry run"))), None)]


def older(host: FakeHost, scope: Scope = Scope.VMAIL) -> list[Path]:
    return [lay_down(host.output, stamp, scope=scope) for stamp in STAMPS]


def with_logs(path: Path) -> set[Path]:
    return {path, path.with_suffix(".log"), path.with_suffix(".restore.log")}


def test_after_a_success_the_older_ones_go_with_their_logs(host: FakeHost) -> None:
    first, second, third = older(host)
    others = set(older(host, Scope.ALL))
    note = host.output / "note.txt"
    note.touch()
    done = host.run(*host.command("vmail", "--retain-last=2", "--notify-email=a@example.com", "--notify-on-success"))
    assert (done.code, done.err) == (0, "")
    (new,) = set(host.made(".tar")) - {first} - others
    assert set(host.made("")) == {
        *{file for path in (first, *others) for file in with_logs(path)},
        *(note, new, new.with_suffix(".log")),
    }
    assert retention(done) == [
        f"{new.name} stays: the new one, last 1 of 2",
        f"{first.name} stays: last 2 of 2",
        f"removed {third.name} and its logs",
        f"removed {second.name} and its logs",
    ]
    headers = [line for line in done.out.splitlines() if line.startswith("==")]
    assert headers[-3:] == ["== Backup ==", "== Retention ==", "== Done =="]
    assert "after a success, remove older backups of this scope but last 2" in done.text
    assert f"removed {third.name} and its logs" in new.with_suffix(".log").read_text()


def test_a_damaged_one_is_left_and_the_mail_names_it(host: FakeHost) -> None:
    first, second, third = older(host)
    cut_short(first)
    done = host.run(*host.command("vmail", "--retain-last=2", "--notify-email=a@example.com", "--notify-on-success"))
    assert done.code == 0
    assert [path.exists() for path in (first, second, third)] == [True, True, False]
    assert f"WARN: {first.name} is left and counts for nothing: {first} is damaged" in done.out
    assert first.name.encode() in host.engine.hermes.mails[0]


@pytest.mark.parametrize("through", [(), AS_NOBODY])
def test_a_dry_run_tells_what_would_go_and_what_keeps_the_others(host: FakeHost, through: tuple[str, ...]) -> None:
    first, second, third = older(host)
    pin = Path(f"{third}.keep")
    pin.touch()
    before = host.everything()
    options = ("--retain-last=1", "--keep-monthly=2", "-n")
    done = host.run("-P", str(host.output), "-B", "vmail", *options, through=through)
    assert (done.code, done.err) == (0, "")
    new, *others = retention(done)
    assert new.partition(" stays: the new one, last 1 of 1, monthly ")[1]
    assert others == [
        f"{first.name} stays: monthly 2020-06",
        f"{third.name} stays: pinned",
        f"{second.name} would go, with its logs",
    ]
    assert host.everything() == before


def test_a_dry_run_names_the_one_that_an_interrupted_restore_needs(host: FakeHost) -> None:
    *_, third = older(host)
    with run_state(str(host.root), host.environ).locked(run_record("system_restore.sh")):
        restore_journal(str(host.root), host.environ).write(record_at(StopStack, plan_of(str(third))))
    done = host.run(*host.command("vmail", "--retain-last=1", "-n"))
    assert done.code == 0
    assert f"{third.name} stays: being restored" in retention(done)


def test_after_a_failure_nothing_goes(host: FakeHost) -> None:
    older(host)
    before = set(host.made(""))
    host.engine.fail("--directory=", says="tar: disk is broken", code=2)
    done = host.run(*host.command("vmail", "--retain-last=1"))
    assert done.code == 1
    assert "== Retention ==" not in done.text
    assert before <= set(host.made(""))


def test_without_a_rule_nothing_goes(host: FakeHost) -> None:
    older(host)
    before = set(host.made(""))
    done = host.run(*host.command("vmail"))
    assert done.code == 0
    assert "== Retention ==" not in done.text
    assert before < set(host.made(""))


def test_the_library_does_the_same(host: FakeHost) -> None:
    first, second, third = older(host)
    policy = RetentionPolicy(last=1, daily=2)
    plan = plan_retention(policy, Scope.VMAIL, str(host.output))
    assert [name.tarball for name in plan.gone] == [third.name]
    prepared = plan_backup(str(host.root), BackupRequest(Scope.VMAIL, str(host.output)), environ=host.environ)
    result = run_backup(prepared, retention=policy)
    assert set(host.made(".tar")) == {Path(result.path), first}
    assert not second.exists()
