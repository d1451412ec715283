"""How a restore can end other than well. Each tells what state the host is in, and what to type."""

from __future__ import annotations

from attrs import frozen

from hermes_backup_core.domain.errors import Ended, HermesBackupError

CHOICES = "run this again with --finish to go on, or with --undo to go back to the old state"


@frozen
class Unsettled(HermesBackupError):
    """The data is restored and the stack was started, but not all of it is well; the old state is kept."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        what = "; ".join(self.problems)
        return (
            f"the data is restored, but {what}. What was there before is kept: mend this and run this again with "
            "--finish, or go back to the old state with --undo"
        )


@frozen
class EndedUnsettled(Ended):
    """A signal ended the run when the data had been restored already."""

    def __str__(self) -> str:
        return f"ended by {self.name} when the data was restored; what was there before is kept: {CHOICES}"


@frozen
class EndedUnfinished(Ended):
    """A signal ended a run that went on with an interrupted restore; nothing was taken back."""

    def __str__(self) -> str:
        return f"ended by {self.name} before the restore was through, and the stack may be stopped: {CHOICES}"


@frozen
class NotFinished(HermesBackupError):
    """Going on with an interrupted restore failed; nothing was taken back."""

    step: str
    reason: str

    def __str__(self) -> str:
        return f"the restore could not go on ({self.step}: {self.reason}); mend that, then {CHOICES}"


@frozen
class UndoFailed(HermesBackupError):
    """Going back to the old state failed: the stack is stopped, and the operator must know what is where.

    ``places`` tell what is where, one sentence each.
    """

    step: str
    reason: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(
            (
                f"the old state could not be put back ({self.step}: {self.reason}). What was stopped is left stopped.",
                *(f"  - {place}" for place in self.places),
                "Mend what is named above, then run this again with --undo.",
            )
        )


@frozen
class NotCleared(HermesBackupError):
    """The restore is through and all is well, but what was kept of the old state could not all be removed."""

    reason: str

    def __str__(self) -> str:
        return (
            f"all is restored and runs, but what was there before could not be removed ({self.reason}): mend that, "
            "then run this again with --finish"
        )


@frozen
class NotCleanedUp(HermesBackupError):
    """A restore failed before it touched anything, and not all that it had staged could be removed."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"nothing of the host was changed, but what was staged could not all be removed ({'; '.join(self.problems)}"
            "): mend that, then run this again with --undo"
        )


@frozen
class CannotFinish(HermesBackupError):
    """``--finish`` was asked for before all was staged."""

    def __str__(self) -> str:
        return "the interrupted restore had not staged everything, so it cannot be finished: run this with --undo"


@frozen
class CannotGoBack(HermesBackupError):
    """``--undo`` was asked for when the old state was being removed already."""

    def __str__(self) -> str:
        return "the interrupted restore was removing the old state already, so it cannot be undone: use --finish"
