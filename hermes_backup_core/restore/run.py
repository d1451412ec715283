"""A restore going forward, step by step, and back again from wherever it was broken off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from attrs import define, field

from hermes_backup_core.domain.errors import Ended, HermesBackupError
from hermes_backup_core.domain.figures import duration
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_record import Direction
from hermes_backup_core.domain.restore_steps import AwaitStack, DropKept, Phase, RestoreStep, StartStack
from hermes_backup_core.ports import Clock, Reporter
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
from hermes_backup_core.restore.ledger import Ledger
from hermes_backup_core.restore.steps import Steps

_TITLES = {
    Phase.STAGE: "Staging, while mail flows",
    Phase.SWAP: "Exchanging",
    Phase.SETTLE: "Settling, with the stack up again",
}


@define
class RestoreRun:
    """One run over the steps of a restore. ``uninterruptible`` is called when signals must no longer raise.

    ``seconds`` and ``stack_down`` are what it took; the latter from the first step that has the stack down
    to the end of the one that starts it.
    """

    steps: Steps
    ledger: Ledger
    clock: Clock
    reporter: Reporter
    uninterruptible: Callable[[], None]
    seconds: float = field(default=0.0, init=False)
    stack_down: float = field(default=0.0, init=False)

    def carry_out(self) -> None:
        """Do all of it. A failure before the stack is up again takes everything back, and is raised."""
        try:
            self._go_on_from(0)
        except (Unsettled, NotCleared, EndedUnsettled):
            raise  # the data is restored: whether to keep it is the operator's decision
        except BaseException as err:
            if self.ledger.record.step.phase is Phase.SETTLE:
                raise _unsettled(err) from err
            self.uninterruptible()
            self.reporter.section("Going back")
            self.reporter.warn(str(err).splitlines()[0] if str(err) else repr(err))
            self._go_back()
            raise

    def finish(self, run: RunRecord) -> None:
        """Go on, as ``run``, from the step that an earlier run had begun; a failure takes nothing back."""
        if not self.ledger.record.is_staged:
            raise CannotFinish
        first = self.ledger.record.begun
        if isinstance(self.ledger.record.step, AwaitStack):
            first -= 1  # what has not started then, or has ended since, is started once more
        try:
            self.ledger.own(run.pid, run.command, run.since)
            self._go_on_from(first)
        except (Unsettled, NotCleared, EndedUnsettled):
            raise
        except Ended as err:
            raise EndedUnfinished(err.name, err.number) from err
        except (HermesBackupError, OSError) as err:
            raise NotFinished(str(self.ledger.record.step), str(err)) from err

    def go_back(self, run: RunRecord) -> None:
        """Take everything back, as ``run``, that an earlier run has done."""
        if not self.ledger.record.can_go_back:
            raise CannotGoBack
        with suppress(OSError):
            self.ledger.own(run.pid, run.command, run.since)
        self._go_back()

    def _go_on_from(self, first: int) -> None:
        began, phase, down_since = self.clock.monotonic(), None, None
        for number, step in list(enumerate(self.steps.plan.steps))[first:]:
            if step.phase is not phase:
                phase = step.phase
                self.reporter.section(self._title(phase))
            started = self.clock.monotonic()
            if phase is Phase.SWAP and down_since is None:
                down_since = started
            self._take(number, step)
            self.reporter.info(f"{step} ({duration(self.clock.monotonic() - started)})")
            if isinstance(step, StartStack) and down_since is not None:
                self.stack_down = self.clock.monotonic() - down_since
        self.seconds = self.clock.monotonic() - began

    def _title(self, phase: Phase) -> str:
        down = f", {self.steps.plan.down_title.removesuffix(':')}" if phase is Phase.SWAP else ""
        return f"{_TITLES[phase]}{down}"

    def _take(self, number: int, step: RestoreStep) -> None:
        match step:
            case DropKept():
                self.uninterruptible()
                try:
                    self.ledger.begin(number)
                    self.steps.do(step)
                    self.ledger.close()
                except (HermesBackupError, OSError) as err:
                    raise NotCleared(str(err)) from err
            case AwaitStack():
                try:
                    self.ledger.begin(number)
                    self.steps.do(step)
                except Unsettled:
                    raise
                except (Ended, HermesBackupError, OSError) as err:
                    raise _unsettled(err) from err
            case _:
                self.ledger.begin(number)
                self.steps.do(step)

    def _go_back(self) -> None:
        problems: list[str] = []
        steps = self.steps.plan.steps
        for number in range(self.ledger.record.begun, -1, -1):
            # Every step can be taken back twice, so a journal that cannot be written is no reason to stop. It stays
            # at the first step that could not be taken back: there the next undo begins.
            if not problems:
                with suppress(OSError):
                    self.ledger.begin(number, Direction.BACK)
            try:
                self.steps.undo(steps[number])
            except (HermesBackupError, OSError) as err:
                if steps[number].phase is not Phase.STAGE:
                    raise self._undo_failed(steps[number], err) from err
                problems.append(str(err))
        if problems:
            raise NotCleanedUp(tuple(dict.fromkeys(problems)))
        try:
            self.ledger.close()
        except OSError as err:
            raise NotCleanedUp((str(err),)) from err
        self.reporter.info("everything is as it was before the restore")

    def _undo_failed(self, step: RestoreStep, err: Exception) -> UndoFailed:
        with suppress(HermesBackupError, OSError):
            self.steps.host.stop(self.steps.plan.untouched)
        return UndoFailed(str(step), str(err), tuple(self.steps.whereabouts()))


def _unsettled(err: BaseException) -> BaseException:
    """Return what tells that ``err`` came when the data was restored already."""
    return EndedUnsettled(err.name, err.number) if isinstance(err, Ended) else Unsettled((str(err),))
