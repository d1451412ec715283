"""A restore that was interrupted, as both scripts find it: nothing else starts before the operator has chosen."""

from __future__ import annotations

import re

import pytest

from hermes_backup_core import RestoreInterrupted, plan_backup, run_backup
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.restore_steps import DropKept, SwapTier, UnpackTier
from hermes_backup_core.domain.scope import Scope
from hermes_backup_core.wiring import restore_journal, run_record, run_state
from tests.cli.fake_host import RESTORE, FakeHost
from tests.unit.cli.restores import plan_of, record_at


def interrupted(host: FakeHost, kind: type[SwapTier | DropKept | UnpackTier] = SwapTier) -> RestoreRecord:
    """Leave the journal of a restore of the vmail tier there, as a power failure would."""
    record = record_at(kind, plan_of(str(host.output / "b.tar"), scope=Scope.VMAIL))
    root = str(host.root)
    with run_state(root, host.environ).locked(run_record("system_restore.sh")):
        restore_journal(root, host.environ).write(record)
    return record


def test_a_backup_tells_of_it_and_does_nothing(host: FakeHost) -> None:
    interrupted(host)
    calls = len(host.engine.calls)
    done = host.run(*host.command("vmail", "--notify-email=a@example.com"))
    assert done.code == 1
    assert re.match(r"WARN: A restore of scope vmail from .*b\.tar .* was interrupted: pid 4711, ", done.text[0])
    assert "ERROR: an interrupted restore must be dealt with first: run `system_restore.sh --undo`" in done.err
    assert "or `system_restore.sh --finish`" in done.err
    assert host.made(".tar") == []
    assert [call.words[-3] for call in host.engine.calls[calls:]] == ["sendmail"]
    assert b"an interrupted restore must be dealt with first" in host.engine.hermes.mails[0]


def test_a_dry_run_of_a_backup_warns_of_it(host: FakeHost) -> None:
    interrupted(host)
    done = host.run(*host.command("vmail", "-n"))
    assert done.code == 0
    assert "WARN: A restore of scope vmail from " in done.out


def test_a_backup_from_the_library_is_refused_too(host: FakeHost) -> None:
    record = interrupted(host)
    request = BackupRequest(Scope.VMAIL, str(host.output))
    prepared = plan_backup(str(host.root), request, environ=host.environ)
    with pytest.raises(RestoreInterrupted) as error:
        run_backup(prepared)
    assert error.value.record == record
    assert host.made(".tar") == []


def test_another_restore_is_refused_with_what_can_be_typed(host: FakeHost) -> None:
    interrupted(host, DropKept)
    (host.output / "other.tar").touch()
    done = host.run("-F", f"{host.output}/other.tar", "--yes", script=RESTORE)
    assert done.code == 1
    assert "was interrupted: pid 4711" in done.out
    assert "run `system_restore.sh --finish` to carry the restore to its end (there is no way back" in done.err
    assert "was interrupted: pid 4711" in (host.output / "other.restore.log").read_text()


def test_what_was_only_staged_cannot_be_finished(host: FakeHost) -> None:
    interrupted(host, UnpackTier)
    done = host.run("--finish", script=RESTORE)
    assert done.code == 1
    assert "cannot be finished" in done.err


def test_a_dry_run_shows_what_an_undo_would_take_back(host: FakeHost) -> None:
    record = interrupted(host)
    before = host.everything()
    done = host.run("--undo", "-n", script=RESTORE)
    assert done.code == 0
    steps = reversed(record.plan.steps[: record.begun + 1])
    assert done.text[1:] == ["== Plan ==", *(f"take back: {step}" for step in steps), "dry run: nothing was changed"]
    assert host.everything() == before
