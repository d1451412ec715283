"""Retention over backups of a real stack, by the commands that an operator types."""

from __future__ import annotations

from pathlib import Path

from hermes_backup_core import Scope, read_backup, verify_backup
from tests.backups import cut_short, lay_down
from tests.stack.conftest import Maker
from tests.stack.miniature import Miniature
from tests.stack.script import SCRIPTS, Call, back_up, called, environment, new_folder

OLD, OLDER = "20200102T030405Z", "20200101T030405Z"


def pinned(hermes: Miniature, path: Path, flag: str = "--pin") -> Call:
    return called([str(SCRIPTS / "system_restore.sh"), flag, str(path)], path.parent, environment(hermes))


def with_log(path: Path) -> set[Path]:
    return {path, path.with_suffix(".log")}


def test_the_newest_two_stay_and_what_is_pinned_or_damaged(miniature: Maker) -> None:
    hermes = miniature()
    folder = new_folder(hermes.base / "backups")
    first, second, third = (back_up(hermes, "vmail", output=folder).tarball for _ in range(3))
    damaged, old = lay_down(folder, OLD), lay_down(folder, OLDER)
    other = back_up(hermes, "archive", output=folder).tarball
    cut_short(damaged)
    assert pinned(hermes, first).code == 0
    assert pinned(hermes, damaged).code == 1

    before = {path: path.read_bytes() for path in folder.iterdir()}
    dry = back_up(hermes, "vmail", "--retain-last=2", "--dry-run", output=folder)
    assert dry.code == 0, dry.stderr
    told = dry.stdout.partition("== Retention ==")[2]
    assert f"{first.name} stays: pinned" in told
    assert f"{third.name} stays: last 2 of 2" in told
    assert [line.split()[2] for line in told.splitlines() if "would go" in line] == [second.name, old.name]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

    live = back_up(hermes, "vmail", "--retain-last=2", output=folder)
    new = live.tarball
    stay = {file for path in (first, third, new, other) for file in with_log(path)}
    with_its_logs = {damaged, damaged.with_suffix(".log"), damaged.with_suffix(".restore.log")}
    assert set(folder.iterdir()) == stay | with_its_logs | {Path(f"{first}.keep")}
    assert [text for text in live.warnings if "sockets" not in text] == [
        text for text in dry.warnings if "sockets" not in text and "is left" in text
    ]
    assert any(damaged.name in text for text in live.warnings)
    for path in (first, third, new, other):
        verify_backup(str(path))

    assert pinned(hermes, first, "--unpin").code == 0
    last = back_up(hermes, "vmail", "--retain-last=1", output=folder).tarball
    assert set(folder.glob("*-vmail-*.tar")) == {last, damaged}


def test_a_run_that_fails_removes_nothing(miniature: Maker) -> None:
    hermes = miniature()
    folder = new_folder(hermes.base / "backups")
    old = {lay_down(folder, stamp, scope=Scope.SYSTEM) for stamp in (OLD, OLDER)}
    assert all(read_backup(str(path)).manifest.scope is Scope.SYSTEM for path in old)
    hermes.compose("stop", "hermes_db_server")
    failed = back_up(hermes, "system", "--retain-last=1", output=folder)
    assert failed.code == 1
    assert old <= set(folder.iterdir())
