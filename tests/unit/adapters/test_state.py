"""The lock and the journal."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from hermes_backup_core.adapters.state import Busy, RestoreState, RunState
from hermes_backup_core.domain.record import RecordError, RunRecord
from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
from hermes_backup_core.domain.restore_record import Direction, RestoreRecord, RestoreRecordError
from hermes_backup_core.domain.scope import Scope

HOLDER = RunRecord(4711, "system_backup.sh -P /b\udce9 -B all", "2026-06-01 12:30:00")

PLAN = RestorePlan(
    request=RestoreRequest("/b/\udce9.tar"),
    root="/srv/hermes",
    scope=Scope.SYSTEM,
    build_no="1",
    hostname="mail",
    timestamp="20260601T123000Z",
    tiers=(),
    tables={},
    directory=None,
    running=("hermes_ldap",),
)
RESTORE = RestoreRecord(4711, "system_restore.sh -F /b\udce9", "2026-06-01 12:30:00", PLAN)


@pytest.fixture
def state(tmp_path: Path) -> RunState:
    (tmp_path / "hermes").mkdir()
    return RunState.of(str(tmp_path / "hermes"), str(tmp_path / "deep" / "state"))


def test_one_root_has_one_state_by_whatever_path_it_is_called(tmp_path: Path, state: RunState) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "hermes")
    base = str(tmp_path / "deep" / "state")
    assert RunState.of(str(tmp_path / "link"), base) == RunState.of(f"{tmp_path}/hermes/", base) == state
    (tmp_path / "other" / "hermes").mkdir(parents=True)
    assert RunState.of(str(tmp_path / "other" / "hermes"), base) != state


def test_while_one_holds_the_lock_another_is_told_who_does(state: RunState) -> None:
    with state.locked(HOLDER):
        with pytest.raises(Busy) as busy, state.locked(RunRecord(1, "other", "now")):
            pass
        said = "another run is under way on this host: pid 4711, `system_backup.sh -P /b\udce9 -B all`, since 2026"
        assert str(busy.value).startswith(said)
    with state.locked(HOLDER):
        pass


def test_the_lock_is_let_go_when_the_body_raises(state: RunState) -> None:
    with pytest.raises(ZeroDivisionError), state.locked(HOLDER):
        raise ZeroDivisionError
    with state.locked(HOLDER):
        assert b"4711" in (state.folder / "lock").read_bytes()
    assert (state.folder / "lock").read_bytes() == b""


def test_a_holder_that_has_not_named_itself_yet_is_told_as_such(state: RunState) -> None:
    state.folder.mkdir(parents=True)
    with (state.folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Busy, match="it has not said yet which"), state.locked(HOLDER):
            pass


def test_a_longer_holder_before_leaves_nothing_in_the_file(state: RunState) -> None:
    with state.locked(RunRecord(1, "x" * 1000, "now")):
        pass
    with state.locked(HOLDER):
        assert RunRecord.parse((state.folder / "lock").read_bytes()) == HOLDER


def test_all_is_for_root_alone_and_not_written_through_links(state: RunState, tmp_path: Path) -> None:
    with state.locked(HOLDER):
        state.write(HOLDER)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state.folder, *state.folder.iterdir())}
    assert modes == {state.folder.name: 0o700, "lock": 0o600, "journal.json": 0o600}
    (state.folder / "journal.json.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        state.write(HOLDER)
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_written_is_read_until_it_is_cleared(state: RunState) -> None:
    state.folder.mkdir(parents=True)
    assert state.read() is None
    state.write(HOLDER)
    record = RunRecord(1, "b", "c", partial="/x/caf\udce9", maintenance=True, stopped=("a", "b"), serving=("c",))
    state.write(record)
    assert state.read() == record
    state.clear()
    assert state.read() is None
    state.clear()


def test_a_damaged_journal_is_an_error_and_not_no_journal(state: RunState) -> None:
    state.folder.mkdir(parents=True)
    (state.folder / "journal.json").write_bytes(b"")
    with pytest.raises(RecordError):
        state.read()


def test_a_full_disk_leaves_the_record_that_was_there(state: RunState, monkeypatch: pytest.MonkeyPatch) -> None:
    state.folder.mkdir(parents=True)
    state.write(HOLDER)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state.write(RunRecord(1, "b", "c"))
    assert state.read() == HOLDER


class TestRestoreState:
    @pytest.fixture
    def restore(self, tmp_path: Path, state: RunState) -> RestoreState:
        state.folder.mkdir(parents=True)
        return RestoreState.of(f"{tmp_path}/hermes/", str(tmp_path / "deep" / "state"))

    def test_it_lies_beside_the_lock_that_guards_it(self, restore: RestoreState, state: RunState) -> None:
        assert restore.folder == state.folder
        state.write(HOLDER)
        restore.write(RESTORE)
        restore.keep("programs.sql", b"x")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.folder.iterdir()}
        assert modes == dict.fromkeys(("journal.json", "restore.json", "restore-programs.sql"), 0o600)
        restore.clear()
        assert state.read() == HOLDER

    def test_what_is_written_and_kept_is_there_until_it_is_cleared(self, restore: RestoreState) -> None:
        assert (restore.read(), restore.kept("a")) == (None, None)
        restore.keep("a", b"first")
        restore.write(RESTORE)
        restore.write(RESTORE.at(1, Direction.BACK))
        restore.keep("a", b"\xff\0")
        restore.keep("b", b"")
        assert restore.read() == RESTORE.at(1, Direction.BACK)
        assert (restore.kept("a"), restore.kept("b"), restore.kept("c")) == (b"\xff\0", b"", None)
        restore.clear()
        restore.clear()
        assert (restore.read(), restore.kept("a"), restore.kept("b")) == (None, None, None)
        assert list(restore.folder.iterdir()) == []

    @pytest.mark.parametrize("then", ["write", "keep", "kept", "clear"])
    def test_what_a_clearing_that_was_broken_off_left_is_never_taken_for_the_next_one_s(
        self, restore: RestoreState, monkeypatch: pytest.MonkeyPatch, then: str
    ) -> None:
        restore.write(RESTORE)
        restore.keep("a", b"old")
        with monkeypatch.context() as broken:
            broken.setattr(Path, "unlink", broken_off)
            with pytest.raises(KeyboardInterrupt):
                restore.clear()
        assert restore.read() is None
        next_call = {
            "write": lambda: restore.write(RESTORE),
            "keep": lambda: restore.keep("b", b"new"),
            "kept": lambda: restore.kept("b"),
            "clear": restore.clear,
        }
        next_call[then]()
        assert restore.kept("a") is None
        assert restore.read() == (RESTORE if then == "write" else None)
        assert restore.kept("b") == (b"new" if then == "keep" else None)

    def test_a_damaged_journal_is_an_error_and_not_no_journal(self, restore: RestoreState) -> None:
        (restore.folder / "restore.json").write_bytes(b"")
        with pytest.raises(RestoreRecordError):
            restore.read()


def broken_off(_: Path) -> None:
    raise KeyboardInterrupt
