"""SIGKILL, as a power cut would end a restore: nothing else goes on before the operator chose, and both ways work.

Every day at moments inside of some steps; with HERMES_ALL_KILLS=1 before and after each entry of the journal, and each
time both ways.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from hermes_backup_core.domain.restore_record import Direction, RestoreRecord
from hermes_backup_core.domain.restore_steps import DropKept, Phase, RestoreStep, StartStack, SwapDatabases, UnpackTier
from hermes_backup_core.domain.restore_steps import SwapTier as Swap
from tests.stack.failures.host import LONGEST, Run
from tests.stack.failures.restores import FORGETTING, RECORDING, REMOVING, RENAMING, UNPACKING, Restores, alter
from tests.stack.picture import Picture

UNDO, FINISH = "--undo", "--finish"
# The steps of a restore of `system`, and the three sets of renames, each recorded before its first.
ENTRIES = 24
ALL = os.environ.get("HERMES_ALL_KILLS") == "1"
Moment = Callable[[Restores], Run]


def at(place: str, number: int) -> Moment:
    """When the run comes to a function for the so-manieth time."""

    def moment(restores: Restores) -> Run:
        run = restores.begin("system", strike=f"{place}@{number}=SIGSTOP")
        run.until_held()
        return run

    return moment


def within(step: type[RestoreStep], *words: str) -> Moment:
    """When the run has a program at work in a step."""

    def moment(restores: Restores) -> Run:
        run = restores.begin("system")
        restores.until_step(run, step)
        run.until_child(*words)
        return run

    return moment


CASES: tuple[tuple[type[RestoreStep], Moment, str], ...] = (
    (UnpackTier, at(UNPACKING, 2), UNDO),
    (SwapDatabases, within(SwapDatabases, "docker", "exec"), FINISH),
    (Swap, at(RENAMING, 8), UNDO),
    (StartStack, within(StartStack, "docker", "start"), FINISH),
    (DropKept, at(REMOVING, 5), FINISH),
)


@pytest.mark.parametrize(("step", "moment", "way"), CASES, ids=[step.__name__ for step, *_ in CASES])
def test_killed_within_a_step(restores: Restores, step: type[RestoreStep], moment: Moment, way: str) -> None:
    before = alter(restores.hermes)
    run = moment(restores)
    run.kill()
    record = restores.after_kill()
    assert isinstance(record.step, step)
    settle(restores, record, before, way)


def settle(restores: Restores, record: RestoreRecord, before: Picture, way: str) -> None:
    """Go the way where it is open, and else be refused and go the other one; all is then as it must be."""
    closed = FINISH if not record.is_staged else UNDO if not record.can_go_back else None
    if way == closed:
        refused = restores.run(way)
        assert refused.code == 1
        way = UNDO if closed == FINISH else FINISH
        assert way in refused.error
        assert restores.record() == record
    ended = restores.well(restores.run(way))
    assert f"pid {record.pid}" in ended.stdout
    if way == UNDO:
        restores.check_as(before)
    else:
        restores.check_restored("system", before)


def test_an_undo_that_is_killed_can_be_undone_and_nothing_else_starts_before(restores: Restores) -> None:
    before, running = alter(restores.hermes, files_only=True), restores.host.running()
    record = restores.killed("vmail", strike=f"{RENAMING}@3=SIGKILL")
    assert record.step.phase is Phase.SWAP
    for other in (restores.host.backup("-B", "vmail"), restores.run("vmail")):
        assert other.code == 1
        assert "an interrupted restore must be dealt with first" in other.error
        assert UNDO in other.error
        assert f"pid {record.pid}" in other.stdout
    assert not list(restores.host.output.glob("*.tar"))
    assert restores.record() == record

    record = restores.killed(UNDO, strike=f"{RENAMING}@2=SIGKILL")
    assert record.direction is Direction.BACK
    restores.undo()
    assert restores.host.running() == running
    restores.check_as(before)


def test_a_kill_while_staging_is_put_right_by_the_next_restore(restores: Restores) -> None:
    before = alter(restores.hermes, files_only=True)
    record = restores.killed("vmail", strike=f"{UNPACKING}@1=SIGKILL")
    assert not record.is_staged
    ended = restores.well(restores.run("vmail"))
    assert f"pid {record.pid}" in ended.stdout
    assert "everything is as it was before the restore" in ended.stdout
    restores.check_restored("vmail", before)


@pytest.mark.skipif(not ALL, reason="takes an hour: `nox -s kills`")
@pytest.mark.parametrize("way", [UNDO, FINISH])
@pytest.mark.parametrize("edge", [f"{number}{after}" for number in range(2, ENTRIES + 1) for after in ("", "+")])
def test_killed_before_and_after_each_entry(restores: Restores, edge: str, way: str) -> None:
    before = alter(restores.hermes)
    record = restores.killed("system", strike=f"{RECORDING}@{edge}=SIGKILL")
    settle(restores, record, before, way)


@pytest.mark.skipif(not ALL, reason="takes an hour: `nox -s kills`")
def test_killed_around_the_last_deed(restores: Restores) -> None:
    """The last entry is there until all is done, and is gone after it."""
    before = alter(restores.hermes)
    record = restores.killed("system", strike=f"{FORGETTING}@1=SIGKILL")
    assert len(record.plan.steps) + len(record.swaps) == ENTRIES
    settle(restores, record, before, UNDO)

    before = alter(restores.hermes)
    run = restores.begin("system", strike=f"{FORGETTING}@1+=SIGKILL")
    assert run.process.wait(LONGEST) == -signal.SIGKILL
    restores.without_orphans()
    assert restores.record() is None
    assert restores.run(FINISH).code == 1
    restores.check_restored("system", before)
