"""The restore script's body over a scripted job: what it asks for, in what order, and how it ends."""

from __future__ import annotations

import io
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker  # noqa: F401 - nobody may be unable to read what it imports
import pytest

from hermes_backup_core.adapters.state import RunState
from hermes_backup_core.cli.restore import main
from hermes_backup_core.domain.gates import Gate, GateResult
from hermes_backup_core.domain.interrupted import describe_interrupted
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_steps import (
    DropKept,
    LoadDirectory,
    RestoreStep,
    StopStack,
    SwapTier,
    UnpackTier,
)
from hermes_backup_core.wiring import run_record
from tests.backups import lay_down
from tests.unit.cli.restores import plan_of, record_at, restored
from tests.unit.cli.scripted_restore import GATES, Session

NOBODY = 65534
KILLED = RunRecord(99, "system_backup.sh", "2026-06-01 12:00:00")
REFUSED = GateResult(Gate.VERSION, ("the builds differ",))


@pytest.fixture
def session() -> Iterator[Session]:
    """A host with a backup on it, for everyone to see; the handlers of signals are as before afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with tempfile.TemporaryDirectory(prefix="hermes-restore-") as base:
        Path(base).chmod(0o755)
        yield Session(Path(base))
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be another user than root for a while."""
    os.setresuid(NOBODY, NOBODY, 0)
    yield
    os.setresuid(0, 0, 0)


class Person(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


def test_a_backup_is_restored_and_the_log_lies_beside_it(session: Session) -> None:
    assert session.restore("--yes") == 0
    assert session.job.calls == ["prepare", "carry out"]
    assert session.text[0] == "== Checks =="
    assert session.text[1:5] == ["integrity: ok", "version: ok", "topology: ok", "host: ok"]
    assert session.text[5:7] == ["== Plan ==", "scope system, build v1, made on mail.example.com at 20260601T103000Z"]
    assert next(plan_of().describe()) in session.text
    done = session.text.index("== Done ==")
    assert session.text[done + 1].startswith("restored ")
    assert session.text[-1] == f"log:      {session.log}"
    assert session.log.read_text() == session.out
    assert stat.S_IMODE(session.log.stat().st_mode) == 0o600
    assert session.err == ""


def test_a_second_restore_of_the_same_file_adds_to_its_log(session: Session) -> None:
    assert session.restore("--yes") == 0
    first = session.out
    assert session.restore("--yes") == 0
    assert session.log.read_text() == first + session.out


def test_a_backup_by_another_name_has_a_log_by_that_name(session: Session) -> None:
    odd = session.base / "saved.tar.copy"
    odd.touch()
    assert session.run("-F", str(odd), "-y") == 0
    assert (session.base / "saved.tar.copy.restore.log").exists()


def test_warnings_and_the_checklist_stand_before_the_question(session: Session) -> None:
    session.job.gates = (*GATES, GateResult(Gate.HOST, warnings=("no room to spare",)))
    session.job.checklist = ("by hand:", "run system_rehost.sh")
    assert session.restore("--yes", environ={"FORCE_REMAP": "yes"}) == 0
    assert "WARN: FORCE_REMAP=yes does not count: only FORCE_REMAP=1 does" in session.text
    assert "WARN: no room to spare" in session.text
    plan = session.text[session.text.index("== Plan ==") : session.text.index("== Done ==")]
    assert plan[-2:] == ["by hand:", "  1. run system_rehost.sh"]


def test_the_variables_reach_the_request(session: Session) -> None:
    assert session.restore("-y", environ={"FORCE_REMAP": "1", "FORCE_VERSION_MISMATCH": "1"}) == 0
    assert session.job.request is not None
    assert (session.job.request.force_remap, session.job.request.force_version) == (True, True)


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_yes_goes_on(session: Session, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Person(answer))
    assert session.restore() == 0
    assert session.job.calls == ["prepare", "carry out"]


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_any_other_answer_is_a_no_and_nothing_is_done(
    session: Session, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Person(answer))
    assert session.restore() == 0
    assert session.job.calls == ["prepare"]
    assert session.text[-1] == "nothing was done"


def test_without_a_terminal_and_without_yes_nothing_is_begun(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert session.restore() == 1
    assert session.job.calls == []
    assert "there is no terminal to ask at: add --yes" in session.err


def test_all_refusals_are_told_at_once_and_nothing_is_done(session: Session) -> None:
    session.job.gates = (GATES[0], REFUSED, GateResult(Gate.TOPOLOGY, ("the mounts differ",)))
    assert session.restore("--yes") == 1
    assert session.job.calls == ["prepare"]
    assert session.text[1:4] == ["integrity: ok", "version: refused", "topology: refused"]
    assert session.err.splitlines() == [
        "ERROR: 2 things stand in the way:",
        "ERROR:   - the builds differ",
        "ERROR:   - the mounts differ",
    ]
    assert "== Plan ==" not in session.text
    assert "the builds differ" in session.log.read_text()


def test_what_could_not_be_looked_at_stands_in_the_way(session: Session) -> None:
    session.job.gates = (GateResult(Gate.HOST, unknown=("the engine does not answer",)),)
    assert session.restore("--yes") == 1
    assert session.text[1] == "host: not looked at in full"
    assert "the engine does not answer" in session.err


def test_a_restore_after_which_not_all_is_well_is_a_failure(session: Session) -> None:
    session.job.result = restored(problems=("hermes_ldap is not healthy", "the console does not answer"))
    assert session.restore("--yes") == 1
    assert session.err.endswith(" is restored, but hermes_ldap is not healthy; the console does not answer\n")
    assert session.text[-1] == f"log: {session.log}"


@pytest.mark.parametrize("typed", [("-F", "{}/nothing.tar", "-y"), ("-F", "{}/root", "-y"), ("-F", "{}/x.tar", "-n")])
def test_what_is_no_file_is_refused_and_has_no_log(session: Session, typed: tuple[str, ...]) -> None:
    before = sorted(session.base.rglob("*"))
    assert session.run(*(word.format(session.base) for word in typed)) == 1
    assert "is not there or is no file: give it the path of a backup's tarball" in session.err
    assert sorted(session.base.rglob("*")) == before
    assert session.job.calls == []


def test_a_killed_backup_is_put_right_first(session: Session) -> None:
    session.job.leftovers = KILLED
    assert session.restore("--yes") == 0
    assert session.job.calls == ["put right 99", "prepare", "carry out"]


def test_only_root_restores(session: Session, nobody: None) -> None:
    assert session.restore("--yes") == 1
    assert "needs root: use sudo, or --dry-run" in session.err
    assert session.job.calls == []


def test_while_another_run_is_under_way_nothing_is_begun(session: Session) -> None:
    state = RunState.of(str(session.base / "root"), str(session.base / "state"))
    with state.locked(run_record("system_backup.sh -B all")):
        assert session.restore("--yes") == 1
    assert "another run is under way on this host" in session.err
    assert "`system_backup.sh -B all`" in session.err
    assert session.job.calls == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_its_own_code(session: Session, number: signal.Signals) -> None:
    session.job.during = lambda: signal.raise_signal(number)
    assert session.restore("--yes") == 128 + number
    assert f"ended by {number.name}" in session.err


def test_a_fault_of_the_tool_has_its_trace_in_the_log_alone(session: Session) -> None:

    def broken() -> None:
        raise KeyError("nothing")

    session.job.during = broken
    assert session.restore("--yes") == 1
    assert "a fault of this tool, please report it with its log: KeyError('nothing')" in session.err
    assert "Traceback" not in session.out + session.err
    assert "Traceback" in session.log.read_text()


def test_an_interrupted_staging_is_undone_by_an_unattended_run_which_goes_on(session: Session) -> None:
    record = session.job.record = record_at(LoadDirectory)
    assert session.restore("--yes") == 0
    assert session.job.calls == ["undo", "prepare", "carry out"]
    assert f"WARN: {describe_interrupted(record)}" in session.text


def test_a_signal_may_end_the_undo_of_what_was_only_staged(session: Session) -> None:
    session.job.record = record_at(LoadDirectory)
    session.job.during = lambda: signal.raise_signal(signal.SIGTERM)
    assert session.restore("--yes") == 128 + signal.SIGTERM
    assert session.job.calls == ["undo"]


@pytest.mark.parametrize("step", [StopStack, SwapTier, DropKept])
def test_an_interrupted_exchange_is_the_operators_to_decide(session: Session, step: type[RestoreStep]) -> None:
    record = session.job.record = record_at(step)
    assert session.restore("--yes") == 1
    assert session.job.calls == []
    assert f"WARN: {describe_interrupted(record)}" in session.text
    assert "an interrupted restore must be dealt with first: run `system_restore.sh --" in session.err


def test_a_person_decides_on_an_interrupted_staging_too(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Person("y\n"))
    session.job.record = record_at(UnpackTier)
    assert session.restore() == 1
    assert session.job.calls == []
    assert session.err.endswith("run `system_restore.sh --undo` to go back to the state before\n")


def test_undo_takes_back_and_its_log_is_the_interrupted_restores(session: Session) -> None:
    record = session.job.record = record_at(SwapTier, plan_of(str(session.backup)))
    session.job.leftovers = KILLED
    assert session.run("--undo") == 0
    assert session.job.calls == ["put right 99", "undo"]
    assert session.text == [
        f"WARN: {describe_interrupted(record)}",
        f"the host is as before the restore of {session.backup}",
        f"log: {session.log}",
    ]
    assert session.log.read_text() == session.out


def test_finish_goes_on_and_reports(session: Session) -> None:
    session.job.record = record_at(DropKept, plan_of(str(session.backup)))
    assert session.run("--finish") == 0
    assert session.job.calls == ["finish"]
    assert "duration: 1m04s" in session.text
    assert session.log.exists()


@pytest.mark.parametrize(
    ("typed", "step", "said"),
    [
        ("--finish", LoadDirectory, "had not staged everything, so it cannot be finished"),
        ("--undo", DropKept, "was removing the old state already, so it cannot be undone"),
        ("--undo", None, "there is no interrupted restore on this host"),
        ("--finish", None, "there is no interrupted restore on this host"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("-n",)], ids=["live", "dry"])
def test_what_cannot_be_undone_or_finished_is_refused(
    session: Session, typed: str, step: type[RestoreStep] | None, said: str, dry: tuple[str, ...]
) -> None:
    session.job.record = record_at(step) if step else None
    assert session.run(typed, *dry) == 1
    assert said in session.err
    assert session.job.calls == []


def test_a_dry_run_shows_the_same_checks_and_plan_and_leaves_nothing(session: Session) -> None:
    before = sorted(session.base.rglob("*"))
    assert session.restore("-n") == 0
    assert session.job.calls == ["prepare"]
    dry = session.text
    assert dry[-1] == "dry run: nothing was changed"
    assert sorted(session.base.rglob("*")) == before
    assert session.restore("-y") == 0
    assert dry[:-1] == session.text[: len(dry) - 1]


def test_a_dry_run_is_refused_like_a_live_one_and_writes_no_log(session: Session) -> None:
    before = sorted(session.base.rglob("*"))
    session.job.gates = (REFUSED,)
    assert session.restore("-n") == 1
    assert session.err == "ERROR: the builds differ\n"
    assert sorted(session.base.rglob("*")) == before


def test_a_dry_run_needs_no_root_and_passes_over_what_only_root_may_see(session: Session, nobody: None) -> None:
    session.job.leftovers = session.job.record = PermissionError(13, "Permission denied")
    session.job.gates = (GateResult(Gate.HOST, unknown=("the engine does not answer",)),)
    assert session.restore("-n") == 0
    assert "WARN: not looked at: the engine does not answer" in session.text
    assert session.run("--undo", "-n") == 1
    assert "only root may look at an interrupted restore: use sudo" in session.err


def test_a_dry_run_warns_of_what_a_live_one_would_deal_with_first(session: Session) -> None:
    record = session.job.record = record_at(SwapTier)
    session.job.leftovers = KILLED
    assert session.restore("-n") == 0
    assert session.job.calls == ["prepare"]
    assert session.text[:2] == [
        "WARN: the run of pid 99 (2026-06-01 12:00:00) was killed; a live run puts that right first",
        f"WARN: {describe_interrupted(record)}",
    ]


def test_a_dry_undo_and_a_dry_finish_list_their_steps(session: Session) -> None:
    record = session.job.record = record_at(UnpackTier).at(1)
    first, second = record.plan.steps[:2]
    assert session.run("--undo", "-n") == 0
    assert session.text[1:] == [
        "== Plan ==",
        f"take back: {second}",
        f"take back: {first}",
        "dry run: nothing was changed",
    ]
    record = session.job.record = record_at(DropKept)
    assert session.run("--finish", "-n") == 0
    assert session.text[1:] == ["== Plan ==", str(record.step), "dry run: nothing was changed"]
    assert session.job.calls == []


def test_help_and_usage_errors_come_before_anything_else(capsys: pytest.CaptureFixture[str]) -> None:
    umask = os.umask(0o022)
    assert main(["--help"], called_as="x") == 0
    assert main(["--undo", "--finish"], called_as="x") == 1
    os.umask(umask)
    said = capsys.readouterr()
    assert said.out.startswith("usage: system_restore.sh -F PATH")
    assert said.err.splitlines() == [
        "ERROR: -F, --undo, --finish, --pin and --unpin exclude each other",
        "usage: system_restore.sh -F PATH [options] | --undo | --finish | --pin FILE | --unpin FILE",
    ]


def test_a_backup_is_pinned_and_unpinned_without_a_look_at_the_host_or_a_log(session: Session) -> None:
    path = lay_down(session.base, "20260601T103000Z")
    assert session.run("--pin", str(path)) == 0
    assert session.text == [f"{path}.keep is made: no retention removes the backup any more"]
    assert session.run("--unpin", str(path)) == 0
    assert session.text == [f"{path}.keep is removed: the backup is not pinned any more"]
    before = set(session.base.iterdir())
    assert session.run("--pin", f"{session.base}/typo.tar") == 1
    assert f"ERROR: --pin {session.base}/typo.tar is not there" in session.err
    assert (session.job.calls, set(session.base.iterdir())) == ([], before)
