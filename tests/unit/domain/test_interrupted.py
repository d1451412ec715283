"""An interrupted restore in words: how far it came, what that leaves, and what can be typed."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.interrupted import RestoreInterrupted, describe_interrupted, what_to_type
from hermes_backup_core.domain.restore_record import Direction
from hermes_backup_core.domain.restore_steps import (
    AwaitStack,
    DropKept,
    KeepDatabases,
    LoadDirectory,
    RestoreStep,
    StartStack,
    StopStack,
    SwapDatabases,
    SwapTier,
    UnpackTier,
)
from tests.unit.cli.restores import PATH, record_at

UNDO = "run `system_restore.sh --undo` to go back to the state before"
FINISH = "run `system_restore.sh --finish` to carry the restore to its end"


def test_it_names_what_was_restored_from_where_since_when_by_whom_and_the_step() -> None:
    text = describe_interrupted(record_at(UnpackTier))
    assert f"restore of scope system from {PATH}" in text
    assert "pid 4711, `system_restore.sh -F x.tar`, since 2026-06-01 12:30:00" in text
    assert "Under way was step 1 of 21: unpack config.tar.gz" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("step", "left"),
    [
        (UnpackTier, "the stack is as it was"),
        (LoadDirectory, "the stack is as it was"),
        (StopStack, "live data is untouched, but containers are stopped"),
        (KeepDatabases, "live data is untouched, but containers are stopped"),
        (SwapDatabases, "The stack is down, and old and restored data are partly exchanged"),
        (SwapTier, "The stack is down, and old and restored data are partly exchanged"),
        (StartStack, "The restored data is in place, the old state is still kept"),
        (AwaitStack, "The stack was started with the restored data"),
        (DropKept, "The stack is up with the restored data"),
    ],
)
def test_each_step_leaves_the_host_in_a_state_of_its_own(step: type[RestoreStep], left: str) -> None:
    assert left in describe_interrupted(record_at(step))


def test_where_others_went_on_not_all_of_the_stack_is_down() -> None:
    record = record_at(SwapTier)
    record = evolve(record, plan=evolve(record.plan, untouched=record.plan.running[:1]))
    assert "What it stopped is down, and old and restored data are partly exchanged" in describe_interrupted(record)


@pytest.mark.parametrize(
    ("step", "typed"),
    [
        (LoadDirectory, UNDO),
        (StopStack, f"{UNDO}, or {FINISH.removeprefix('run ')}"),
        (AwaitStack, f"{UNDO}, or {FINISH.removeprefix('run ')}"),
        (DropKept, f"{FINISH} (there is no way back any more)"),
    ],
)
def test_what_can_be_typed_is_the_last_sentence_and_what_the_error_says(step: type[RestoreStep], typed: str) -> None:
    record = record_at(step)
    assert what_to_type(record) == typed
    assert describe_interrupted(record).endswith(f" R{typed[1:]}.")
    assert str(RestoreInterrupted(record)) == f"an interrupted restore must be dealt with first: {typed}"


def test_an_undo_that_was_interrupted_is_called_one() -> None:
    text = describe_interrupted(record_at(SwapTier, direction=Direction.BACK))
    assert "It was being undone, and was taking back step " in text
