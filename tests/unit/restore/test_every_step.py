"""Whatever step of a restore fails, or is where a signal or SIGKILL comes: there is a way to one of both ends.

The ends are the host as it was before, and the host as the backup has it; whichever a run promises is reached
with nothing left of the restore, and nothing done on the way that running containers would notice.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import pytest
from attrs import frozen

from hermes_backup_core.domain.errors import CommandFailed, Ended
from hermes_backup_core.domain.scope import Scope
from hermes_backup_core.restore.errors import (
    EndedUnfinished,
    EndedUnsettled,
    NotCleanedUp,
    NotCleared,
    NotFinished,
    UndoFailed,
    Unsettled,
)
from tests.unit.fakes.host import Hook, MemoryHost
from tests.unit.fakes.state import State
from tests.unit.restore.restores import Case, Killed, case_of, nothing

NoneType = type(None)
FAILS_AS_OS = ("trees.", "files.", "journal.")
UNFINISHED = (NotFinished, EndedUnfinished)
RESTORED = (Unsettled, EndedUnsettled, NotCleared)


@frozen
class Setting:
    """A restore to break off: at every ``every``-th of its calls, at every ``rarely``-th where breaks are nested."""

    case: Case
    after: State
    every: int
    rarely: int

    def goal(self, way: Callable[[], None]) -> State:
        return self.case.before if way.__name__ == "undo" else self.after


def mixed(host: MemoryHost) -> None:
    """Not all ran before, Nextcloud is in maintenance, a disk is mounted in the mail, and one database is missing."""
    host.boxes["hermes_dovecot"].state = "exited"
    host.maintenance = True
    host.devices["/mnt/vmail/example.com"] = 9
    host.database.boots_for = 2
    del host.database.tables["opendmarc"], host.database.programs["opendmarc"], host.database.defaults["opendmarc"]


@cache
def setting(name: str) -> Setting:
    scope, change, every, rarely = {
        "vmail": (Scope.VMAIL, nothing, 1, 9),
        "system": (Scope.SYSTEM, nothing, 5, 103),
        "all": (Scope.ALL, mixed, 11, 149),
    }[name]
    case = case_of(scope, last=change)
    case.begin()
    case.carry_out()
    assert case.host.violations == []
    assert case.host.state().leftovers == ()
    return Setting(case, case.host.state(), every, rarely)


@pytest.fixture(params=["vmail", "system", "all"])
def broken(request: pytest.FixtureRequest) -> Setting:
    return setting(request.param)


def calls_of(case: Case, work: Callable[[], None], state: State | None = None) -> list[tuple[int, str]]:
    """The calls of ``work`` by number; of those that are equal and in a row, the first and the last."""
    case.begin(state)
    work()
    calls = list(case.host.calls)
    around = zip(["", *calls], calls, [*calls[1:], ""], strict=False)
    return [(number, call) for number, (last, call, following) in enumerate(around) if {last, following} != {call}]


def killed_in(case: Case, work: Callable[[], None], every: int, state: State | None = None) -> Sequence[Killed]:
    """What SIGKILL would have left: at every ``every``-th end of a call that is not one of many in a row."""
    return thinned(case.watched(work, state))[::every]


def thinned(states: Iterable[Killed]) -> list[Killed]:
    found = list(states)
    calls = [killed.where.split(" ", 2)[2] for killed in found]
    return [
        killed
        for number, killed in enumerate(found)
        if number < 2 or calls[number] != calls[number - 2] or calls[number] not in calls[number + 1 : number + 3]
    ]


def error_of(call: str) -> BaseException:
    """What a port's call raises where it cannot do what it was asked for."""
    return OSError(errno.EIO, "Input/output error") if call.startswith(FAILS_AS_OS) else CommandFailed((call,), 1, "no")


def failing_at(at: int, moment: str) -> Hook:
    def hook(now: str, number: int, call: str) -> None:
        if (now, number) == (moment, at) and call != "clock.sleep":
            raise error_of(call)

    return hook


def ending_at(host: MemoryHost, at: int, moment: str) -> Hook:
    def hook(now: str, number: int, call: str) -> None:
        if (now, number) == (moment, at) and not host.shielded:
            raise Ended("SIGTERM", 15)

    return hook


def astray(setting: Setting, state: State) -> list[str]:
    """What goes wrong on the ways from ``state``, which a run that was broken off left: both end well, if allowed."""
    case = setting.case
    case.begin(state)
    wrong = []
    for way in case.ways_on():
        case.begin(state)
        error = case.outcome(way)
        if error or case.wrong(setting.goal(way)):
            wrong.append(f"{way.__name__}: {error!r:.300} {case.wrong(setting.goal(way))[:3]}")
    if not case.begin(state).restore_journal:
        wrong += ends_of(setting)
    return wrong


def ends_of(setting: Setting) -> list[str]:
    """What is wrong of a host that has no restore under way: it is at one end, with nothing left."""
    wrong = setting.case.wrong(setting.case.before)
    return wrong[:3] if wrong and setting.case.wrong(setting.after) else []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_step_that_fails_takes_everything_back_or_keeps_both_ways_open(broken: Setting, moment: str) -> None:
    case, wrong = broken.case, {}
    for number, call in calls_of(case, case.carry_out)[moment == "after" :: broken.every]:
        case.begin()
        error = case.outcome(case.carry_out, failing_at(number, moment))
        violations = list(case.host.violations)
        if isinstance(error, RESTORED):
            bad = [*case.host.state().differences(broken.after), *astray(broken, case.host.state())]
            # What is there of the containers and of maintenance depends on what went wrong: data does not.
            bad = [line for line in bad if not line.startswith(("running", "maintenance"))]
        else:
            bad = case.wrong(case.before if error else broken.after)
        if bad or violations:
            wrong[number, call] = f"{error!r:.300} {bad[:3]} {violations}"
    assert wrong == {}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_signal_at_any_step_takes_everything_back_or_keeps_both_ways_open(broken: Setting, moment: str) -> None:
    case, wrong, ended = broken.case, {}, 0
    for number, call in calls_of(case, case.carry_out)[moment == "before" :: broken.every]:
        case.begin()
        error = case.outcome(case.carry_out, ending_at(case.host, number, moment))
        ended += isinstance(error, Ended)
        violations = list(case.host.violations)
        if isinstance(error, EndedUnsettled):
            bad = astray(broken, case.host.state())
        else:
            bad = case.wrong(case.before if error else broken.after)
        if bad or violations or (error and not isinstance(error, Ended)):
            wrong[number, call] = f"{error!r:.300} {bad[:3]} {violations}"
    assert wrong == {}
    assert ended > 20


def test_what_a_killed_restore_left_goes_on_to_the_new_state_and_back_to_the_old_one(broken: Setting) -> None:
    wrong = {
        killed.where: bad
        for killed in killed_in(broken.case, broken.case.carry_out, broken.every)
        if (bad := astray(broken, killed.state))
    }
    assert wrong == {}


@pytest.mark.parametrize("way", ["undo", "finish"])
def test_a_kill_on_the_way_on_is_no_other(broken: Setting, way: str) -> None:
    """Nor is one on the way back from a kill: each run can be followed by either."""
    case, wrong, tried = broken.case, {}, 0
    for first in killed_in(case, case.carry_out, broken.rarely):
        case.begin(first.state)
        if getattr(case, way) not in case.ways_on():
            continue
        for second in killed_in(case, getattr(case, way), broken.rarely // 3, first.state):
            tried += 1
            if bad := astray(broken, second.state):
                wrong[first.where, second.where] = bad
    assert wrong == {}
    assert tried > 10


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_undo_that_fails_can_be_run_again(broken: Setting, moment: str) -> None:
    """Where the stack was down already, it is left stopped; where only what was staged is left, it runs on."""
    case, wrong, kinds = broken.case, {}, set()
    for first in killed_in(case, case.carry_out, broken.rarely):
        case.begin(first.state)
        if case.undo not in case.ways_on():
            continue
        for number, call in calls_of(case, case.undo, first.state)[:: broken.rarely // 3]:
            case.begin(first.state)
            error = case.outcome(case.undo, failing_at(number, moment))
            kinds.add(type(error))
            still = case.host.running() - case.host.may_run if isinstance(error, UndoFailed) else ()
            bad = [*case.host.violations, *still]
            bad += astray(broken, case.host.state())
            if bad or not isinstance(error, (UndoFailed, NotCleanedUp, OSError, NoneType)):
                wrong[first.where, number, call] = f"{error!r:.300} {bad[:3]}"
    assert wrong == {}
    assert UndoFailed in kinds


@pytest.mark.parametrize("moment", ["before", "after"])
def test_going_on_that_fails_takes_nothing_back_and_keeps_both_ways_open(broken: Setting, moment: str) -> None:
    case, wrong, kinds = broken.case, {}, set()
    for first in killed_in(case, case.carry_out, broken.rarely):
        case.begin(first.state)
        if case.finish not in case.ways_on():
            continue
        for number, call in calls_of(case, case.finish, first.state)[:: broken.rarely // 3]:
            for hook in (failing_at(number, moment), ending_at(case.host, number, moment)):
                case.begin(first.state)
                error = case.outcome(case.finish, hook)
                kinds.add(type(error))
                violations = list(case.host.violations)
                bad = astray(broken, case.host.state())
                if bad or violations or not isinstance(error, (*UNFINISHED, *RESTORED, OSError, NoneType)):
                    wrong[first.where, number, call] = f"{error!r:.300} {bad[:3]} {violations}"
    assert wrong == {}
    assert set(UNFINISHED) <= kinds


def test_the_journal_tells_of_a_restore_before_anything_of_the_host_is_changed(broken: Setting) -> None:
    for killed in broken.case.watched(broken.case.carry_out):
        if not killed.state.same_for_users(broken.case.before) and not killed.state.same_for_users(broken.after):
            assert killed.state.restore_journal is not None, killed.where
