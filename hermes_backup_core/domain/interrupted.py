"""A restore that never ended, told to the operator: what it was doing, what that leaves, what can be typed."""

from __future__ import annotations

from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.restore_record import Direction, RestoreRecord
from hermes_backup_core.domain.restore_steps import DropKept, KeepDatabases, Phase, ServeDatabase, StartStack, StopStack

SCRIPT = "system_restore.sh"


@frozen
class RestoreInterrupted(HermesBackupError):
    """An earlier restore never ended, and nothing else may start before the operator has chosen."""

    record: RestoreRecord

    def __str__(self) -> str:
        return f"an interrupted restore must be dealt with first: {what_to_type(self.record)}"


def describe_interrupted(record: RestoreRecord) -> str:
    """Return one paragraph: what was being restored, how far it came, what that leaves, what can be typed."""
    plan = record.plan
    return (
        f"A restore of scope {plan.scope.value} from {shown(plan.request.path)} (backup of {plan.hostname}, "
        f"{plan.timestamp}) was interrupted: pid {record.pid}, `{record.command}`, since {record.since}. "
        f"{_under_way(record)} {_left(record)} {_sentence(what_to_type(record))}"
    )


def what_to_type(record: RestoreRecord) -> str:
    """Return what the operator can type next, as a sentence without its capital letter and full stop."""
    undo = f"run `{SCRIPT} --undo` to go back to the state before"
    finish = f"run `{SCRIPT} --finish` to carry the restore to its end"
    if not record.is_staged:
        return undo
    if not record.can_go_back:
        return f"{finish} (there is no way back any more)"
    return f"{undo}, or {finish.removeprefix('run ')}"


def _under_way(record: RestoreRecord) -> str:
    number, count = record.begun + 1, len(record.plan.steps)
    doing = "It was being undone, and was taking back" if record.direction is Direction.BACK else "Under way was"
    return f"{doing} step {number} of {count}: {record.step}."


def _left(record: RestoreRecord) -> str:
    step = record.step
    if step.phase is Phase.STAGE:
        return "The live data is untouched and the stack is as it was; what was staged beside takes room."
    if isinstance(step, DropKept):
        return "The stack is up with the restored data; only what was kept of the old state is still being removed."
    if step.phase is Phase.SETTLE:
        return "The stack was started with the restored data; the old state is still kept beside it."
    if isinstance(step, (StopStack, ServeDatabase, KeepDatabases)):
        return "The live data is untouched, but containers are stopped."
    if isinstance(step, StartStack):
        return "The restored data is in place, the old state is still kept beside it; containers may be stopped."
    down = "What it stopped is down" if record.plan.going_on else "The stack is down"
    return f"{down}, and old and restored data are partly exchanged: do not start it by hand."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
