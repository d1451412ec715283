"""Which backups of a scope stay when a new one is there, and by which rule; counted as restic's `forget` counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import attrs
from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.scope import Scope


class KeepsNothing(HermesBackupError):
    """A policy without a rule, or with one that keeps less than one backup."""

    def __str__(self) -> str:
        return "retention without a rule, or with one that keeps nothing, is none: give each a whole number from 1 on"


@frozen
class RetentionPolicy:
    """How many backups of a scope stay; None is a rule that does not count. Raises `KeepsNothing`.

    ``last`` are the newest. ``daily``, ``weekly`` and ``monthly`` are the newest of each of so many days, ISO
    weeks and months of UTC, counted from the last one back; those without a backup are passed over.
    """

    last: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None

    def __attrs_post_init__(self) -> None:
        if min(self._rules.values(), default=0) < 1:
            raise KeepsNothing

    @property
    def _rules(self) -> dict[str, int]:
        return {name: count for name, count in attrs.asdict(self).items() if count is not None}

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self._rules.items())

    def reasons(self, names: Sequence[BackupName]) -> Iterator[tuple[BackupName, str]]:
        """Yield each of ``names``, newest first, that a rule keeps, with that rule; once for each rule."""
        for number, name in enumerate(names[: self.last or 0], 1):
            yield name, f"last {number} of {self.last}"
        for rule, count in self._rules.items():
            if rule in _PERIODS:
                newest = {_PERIODS[rule](name): name for name in reversed(names)}
                for period in sorted(newest, reverse=True)[:count]:
                    yield newest[period], f"{rule} {period}"


@frozen
class Candidate:
    """A backup in the folder, as it was found. ``problem`` is why it cannot be taken for a whole one.

    ``in_use`` is one that is being restored, ``new`` the one that was just made, or is about to be.
    """

    name: BackupName
    problem: str | None = None
    pinned: bool = False
    in_use: bool = False
    new: bool = False

    @property
    def whole(self) -> bool:
        """Whether it counts."""
        return self.problem is None


@frozen
class Kept:
    """A backup that stays, and every rule by which it does."""

    name: BackupName
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name.tarball} stays: {', '.join(self.reasons)}"


@frozen
class Left:
    """A backup that no rule was asked about, as it is not whole."""

    name: BackupName
    problem: str

    def __str__(self) -> str:
        return f"{self.name.tarball} is left and counts for nothing: {self.problem}"


@frozen
class RetentionPlan:
    """What becomes of the backups of one scope, each part from the newest to the oldest."""

    kept: tuple[Kept, ...]
    gone: tuple[BackupName, ...]
    left: tuple[Left, ...]


def plan_retention(policy: RetentionPolicy, candidates: Iterable[Candidate], scope: Scope) -> RetentionPlan:
    """Return what becomes of those of ``candidates`` that are of ``scope``."""
    own = sorted((found for found in candidates if found.name.scope is scope), key=_age, reverse=True)
    whole = [found for found in own if found.whole]
    reasons: dict[BackupName, list[str]] = {found.name: list(_own_reasons(found)) for found in whole}
    if len(whole) == 1:
        reasons[whole[0].name].append("the last whole one")
    for name, reason in policy.reasons(list(reasons)):
        reasons[name].append(reason)
    return RetentionPlan(
        kept=tuple(Kept(name, tuple(found)) for name, found in reasons.items() if found),
        gone=tuple(name for name, found in reasons.items() if not found),
        left=tuple(Left(found.name, found.problem) for found in own if found.problem is not None),
    )


def _age(candidate: Candidate) -> tuple[str, str]:
    """Return what sorts by time; a second with two builds has to have an order, too."""
    return candidate.name.stamp, candidate.name.build


def _own_reasons(candidate: Candidate) -> Iterator[str]:
    if candidate.new:
        yield "the new one"
    if candidate.pinned:
        yield "pinned"
    if candidate.in_use:
        yield "being restored"


def _day(name: BackupName) -> str:
    return f"{_month(name)}-{name.stamp[6:8]}"


def _week(name: BackupName) -> str:
    year, week, _ = name.moment.isocalendar()
    return f"{year:04}-W{week:02}"


def _month(name: BackupName) -> str:
    return f"{name.stamp[:4]}-{name.stamp[4:6]}"


_PERIODS: dict[str, Callable[[BackupName], str]] = {"daily": _day, "weekly": _week, "monthly": _month}
