"""A restore going forward, back, and how it ends where neither went well: what the operator is told and left with."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from attrs import evolve

from hermes_backup_core.domain.errors import CommandFailed, Ended
from hermes_backup_core.domain.restore_record import Direction
from hermes_backup_core.domain.restore_steps import AwaitStack, DropKept, RestoreStep, SwapTier
from hermes_backup_core.domain.scope import Scope, Tier
from hermes_backup_core.restore.errors import (
    CannotFinish,
    CannotGoBack,
    EndedUnfinished,
    EndedUnsettled,
    NotCleanedUp,
    NotCleared,
    NotFinished,
    UndoFailed,
    Unsettled,
)
from tests.unit.fakes.host import Hook
from tests.unit.fakes.state import State
from tests.unit.fakes.watching import MemoryReporter
from tests.unit.restore.restores import RESTORE, Case, case_of

BROKEN = OSError(errno.EIO, "Input/output error")


@pytest.fixture(scope="module")
def system() -> Case:
    return case_of(Scope.SYSTEM)


@pytest.fixture
def case(system: Case) -> Case:
    system.begin()
    return system


def failing(call: str, error: BaseException = BROKEN) -> Hook:
    """Fail every call of that name."""

    def hook(moment: str, number: int, now: str) -> None:
        if (moment, now) == ("before", call):
            raise error

    return hook


def failing_in(case: Case, kind: type[RestoreStep], error: BaseException = BROKEN) -> Hook:
    """Fail the first call of that kind of step, when the journal has it."""

    def hook(moment: str, number: int, call: str) -> None:
        record = case.host.restore_journal
        if moment == "before" and record and call != "journal.restore.write":
            case.host.hook = None
            if isinstance(case.record().step, kind):
                raise error
            case.host.hook = hook

    return hook


def killed_in(case: Case, kind: type[RestoreStep], call: str) -> State:
    """What SIGKILL leaves after the first ``call`` of that kind of step."""
    for killed in case.watched(case.carry_out):
        if killed.state.restore_journal and killed.where.startswith("after") and killed.where.endswith(call):
            case.begin(killed.state)
            if isinstance(case.record().step, kind):
                return killed.state
    raise AssertionError(call)


def test_all_that_a_backup_holds_comes_back_and_the_stack_is_down_for_less_than_it_all_takes() -> None:
    case = case_of(Scope.ALL)
    case.host.takes = {"target.unpack": 60.0, "trees.rename": 0.01, "stack.run mariadb": 0.5}
    case.begin()
    result = case.job().carry_out(case.prospect, RESTORE, case.host.shield)
    assert case.wrong(case.original) == []
    assert [tier for tier, _, _ in result.tiers] == list(Scope.ALL.tiers)
    assert (result.tables, result.ldap_entries) == (13, 2)
    assert result.seconds > 5 * 60 > result.stack_down > 1
    assert case.host.lines("section") == [
        "Staging, while mail flows",
        "Exchanging, with 6 containers stopped",
        "Settling, with the stack up again",
    ]
    assert case.host.lines("warn") == []
    assert case.host.shielded


def test_nothing_starts_before_all_is_in_place(case: Case) -> None:
    case.carry_out()
    after = case.host.state()
    assert case.host.started_with
    for state in case.host.started_with:
        assert not [line for line in state.differences(after) if not line.startswith("running")]


def test_what_fails_is_told_before_the_way_back_and_raised_after_it(case: Case) -> None:
    trouble = CommandFailed(("tar",), 2, "tar: short read")
    error = case.outcome(case.carry_out, failing("target.unpack", trouble))
    assert error is trouble
    assert case.host.lines("section")[-1] == "Going back"
    assert case.host.lines("warn") == [str(trouble).splitlines()[0]]
    assert case.host.lines("info")[-1] == "everything is as it was before the restore"
    assert case.wrong(case.before) == []


def test_an_error_without_words_is_told_all_the_same(case: Case) -> None:
    case.outcome(case.carry_out, failing("target.unpack", OSError()))
    assert case.host.lines("warn") == ["OSError()"]


def test_where_the_journal_cannot_be_written_nothing_is_done(case: Case) -> None:
    assert case.outcome(case.carry_out, failing("journal.restore.write")) is BROKEN
    assert case.wrong(case.before) == []
    assert not {"stack.stop", "target.unpack", "schemas.stage.load"} & set(case.host.calls)


def test_a_stack_that_is_not_well_keeps_the_old_state_for_either_way(case: Case) -> None:
    case.host.console_boots_for = 1e6
    error = case.outcome(case.carry_out)
    case.host.console_boots_for = 0.0
    assert isinstance(error, Unsettled)
    assert "the admin console does not answer" in str(error)
    assert "--finish" in str(error)
    assert "--undo" in str(error)
    assert not case.host.shielded
    state = case.host.state()
    assert len(state.leftovers) > 5
    case.begin(state)
    case.finish()
    assert case.host.state().leftovers == ()
    case.begin(state)
    case.undo()
    assert case.wrong(case.before) == []


def test_whatever_fails_while_the_stack_is_waited_for_keeps_the_old_state(case: Case) -> None:
    error = case.outcome(case.carry_out, failing("schemas.missing_definers"))
    assert isinstance(error, Unsettled)
    assert error.problems == (str(BROKEN),)
    assert len(case.ways_on()) == 2


def test_a_signal_while_the_stack_is_waited_for_keeps_the_old_state(case: Case) -> None:
    error = case.outcome(case.carry_out, failing_in(case, AwaitStack, Ended("SIGTERM", 15)))
    assert isinstance(error, EndedUnsettled)
    assert (error.name, error.number) == ("SIGTERM", 15)
    assert "--finish" in str(error)
    assert len(case.ways_on()) == 2


@pytest.mark.parametrize("trouble", [Ended("SIGTERM", 15), OSError(errno.ENOSPC, "No space left on device")])
def test_what_comes_when_the_stack_is_well_again_takes_nothing_back(case: Case, trouble: BaseException) -> None:
    class Telling(MemoryReporter):
        def info(self, text: str) -> None:
            if text.startswith("wait until"):
                raise trouble

    job = evolve(case.job(), reporter=Telling(case.host))

    def work() -> None:
        job.carry_out(case.prospect, RESTORE, case.host.shield)

    error = case.outcome(work)
    assert isinstance(error, EndedUnsettled if isinstance(trouble, Ended) else Unsettled)
    case.finish()
    assert case.host.state().leftovers == ()


def test_what_cannot_be_removed_at_the_end_is_removed_by_going_on_and_cannot_be_undone(case: Case) -> None:
    error = case.outcome(case.carry_out, failing_in(case, DropKept))
    assert isinstance(error, NotCleared)
    assert str(error) == (
        "all is restored and runs, but what was there before could not be removed ([Errno 5] Input/output error): "
        "mend that, then run this again with --finish"
    )
    with pytest.raises(CannotGoBack, match="use --finish"):
        case.undo()
    case.finish()
    assert case.host.state().leftovers == ()


def test_what_is_not_all_staged_cannot_be_finished(case: Case) -> None:
    state = next(killed.state for killed in case.watched(case.carry_out) if "schemas.stage.load" in killed.where)
    case.begin(state)
    with pytest.raises(CannotFinish, match="run this with --undo"):
        case.finish()
    case.undo()
    assert case.wrong(case.before) == []


def test_what_was_staged_and_cannot_be_removed_is_told_once_and_removed_by_an_undo(case: Case) -> None:
    trouble = CommandFailed(("slapadd",), 1, "no")

    def hook(moment: str, number: int, call: str) -> None:
        if (moment, call) == ("before", "loader.load"):
            case.host.hook = failing("trees.remove")
            raise trouble

    error = case.outcome(case.carry_out, hook)
    assert isinstance(error, NotCleanedUp)
    assert error.problems == (str(BROKEN),)
    assert str(error).startswith("nothing of the host was changed, but what was staged could not all be removed")
    assert case.record().direction is Direction.BACK
    assert case.host.state().differences(case.before) == []
    case.undo()
    assert case.wrong(case.before) == []


def test_where_the_journal_cannot_be_closed_an_undo_closes_it(case: Case) -> None:
    def hook(moment: str, number: int, call: str) -> None:
        if (moment, call) == ("before", "target.unpack"):
            case.host.hook = failing("journal.restore.clear")
            raise CommandFailed(("tar",), 2, "no")

    assert isinstance(case.outcome(case.carry_out, hook), NotCleanedUp)
    case.undo()
    assert case.wrong(case.before) == []


def test_an_undo_that_fails_tells_what_is_where_and_leaves_the_stack_stopped(case: Case) -> None:
    case.begin(killed_in(case, SwapTier, "trees.rename"))
    error = case.outcome(case.undo, failing("trees.rename"))
    assert isinstance(error, UndoFailed)
    assert case.host.running() == case.host.may_run
    lines = str(error).splitlines()
    assert lines[0].startswith("the old state could not be put back (exchange the ")
    assert lines[0].endswith("What was stopped is left stopped.")
    assert any(line.startswith("  - what was at /") and "/.hermes-restore-" in line for line in lines)
    assert lines[-1] == "Mend what is named above, then run this again with --undo."
    case.undo()
    assert case.wrong(case.before) == []


def test_a_stack_that_cannot_even_be_stopped_does_not_hide_why_the_undo_failed(case: Case) -> None:
    case.begin(killed_in(case, SwapTier, "trees.rename"))

    def hook(moment: str, number: int, call: str) -> None:
        if call in ("trees.rename", "stack.stop"):
            raise BROKEN
        if call == "journal.restore.write" and moment == "after":
            case.host.boxes["hermes_dovecot"].state = "running"

    error = case.outcome(case.undo, hook)
    assert isinstance(error, UndoFailed)
    assert error.reason == str(BROKEN)


def test_a_container_that_does_not_start_any_more_is_told_and_takes_nothing_back(case: Case) -> None:
    case.host.boxes["hermes_dovecot"].start = "refuses"
    error = case.outcome(case.carry_out)
    assert isinstance(error, Unsettled)
    assert [problem.partition(" ")[0] for problem in error.problems] == ["hermes_dovecot"]
    assert case.host.running() == case.before.running - {"hermes_dovecot"}
    assert "hermes_dovecot did not start again" in case.host.lines("warn")[-1]
    case.host.boxes["hermes_dovecot"].start = "runs"
    case.finish()
    assert (case.host.running(), case.host.state().leftovers) == (case.before.running, ())


def test_a_stack_that_does_not_start_on_the_old_state_is_left_stopped_when_all_is_back(case: Case) -> None:
    case.begin(killed_in(case, SwapTier, "trees.rename"))
    case.host.boxes["hermes_dovecot"].start = "refuses"
    error = case.outcome(case.undo)
    assert isinstance(error, UndoFailed)
    assert "hermes_dovecot did not start again" in error.reason
    assert error.places == ()
    assert case.host.running() == case.host.may_run
    assert {line.partition(":")[0] for line in case.host.state().differences(case.before)} == {"running"}
    case.host.boxes["hermes_dovecot"].start = "runs"
    case.undo()
    assert case.wrong(case.before) == []


def test_going_on_that_fails_tells_the_step_and_both_ways(case: Case) -> None:
    case.begin(killed_in(case, SwapTier, "trees.rename"))
    error = case.outcome(case.finish, failing("trees.rename"))
    assert isinstance(error, NotFinished)
    assert str(error).startswith("the restore could not go on (exchange the ")
    assert str(error).endswith("--finish to go on, or with --undo to go back to the old state")


def test_a_signal_while_going_on_tells_that_the_stack_may_be_stopped_and_both_ways(case: Case) -> None:
    case.begin(killed_in(case, SwapTier, "trees.rename"))
    error = case.outcome(case.finish, failing("trees.rename", Ended("SIGINT", 2)))
    assert isinstance(error, EndedUnfinished)
    assert (error.name, error.number) == ("SIGINT", 2)
    assert "the stack may be stopped: run this again with --finish to go on, or with --undo" in str(error)
    assert len(case.ways_on()) == 2


def test_a_finish_that_does_not_become_well_is_unsettled(case: Case) -> None:
    case.begin(killed_in(case, SwapTier, "trees.rename"))
    case.host.console_boots_for = 1e6
    error = case.outcome(case.finish)
    case.host.console_boots_for = 0.0
    assert isinstance(error, Unsettled)


def test_whoever_goes_on_is_named_in_the_journal(case: Case) -> None:
    case.begin(killed_in(case, SwapTier, "trees.rename"))
    other = evolve(RESTORE, pid=99, command="system_restore.sh --undo")
    host, record, job = case.host, case.record(), case.job()
    host.hook = failing("trees.rename")
    with pytest.raises(UndoFailed):
        job.undo(record, other)
    host.hook = None
    assert (case.record().pid, case.record().command) == (99, "system_restore.sh --undo")


def test_an_undo_shields_itself_and_a_finish_does_so_at_its_end(case: Case) -> None:
    state = killed_in(case, SwapTier, "trees.rename")
    shielded: dict[str, bool] = {}

    def hook(moment: str, number: int, call: str) -> None:
        shielded.setdefault(call, case.host.shielded)

    ways: tuple[tuple[Callable[[], None], bool], ...] = ((case.undo, True), (case.finish, False))
    for way, expected in ways:
        shielded.clear()
        case.begin(state)
        case.outcome(way, hook)
        assert shielded["trees.rename"] is expected
        assert case.host.shielded


def test_another_tiers_data_is_never_touched() -> None:
    case = case_of(Scope.VMAIL)
    case.begin()
    case.carry_out()
    changed = [line.split(":")[0] for line in case.host.state().differences(case.before)]
    assert [line for line in changed if "/mnt/vmail" not in line] == ["folders"]
    wanted = [line for line in case.host.state().differences(case.original) if "/mnt/vmail" in line.split(":")[0]]
    assert (wanted, case.prospect.plan and case.prospect.plan.tiers[0].tier) == ([], Tier.VMAIL)
