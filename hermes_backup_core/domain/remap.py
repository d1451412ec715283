"""A pair of ``--remap-tiers``: where a tier lay on the backup's host, and where it goes on this one."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.paths import normalised, shown
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.topology import Topology

_NAMES = tuple(tier.value for tier in Tier)


@frozen
class RemapUnclear(HermesBackupError):
    """A pair does not tell which two tiers it is about."""

    text: str
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.text)!r} {self.reason}: give OLD:NEW, each an absolute path or one of {', '.join(_NAMES)}"


@frozen
class Remap:
    """One pair. Each side is a tier's name, or an absolute path, normalised; a name stands for the tier's path.

    It is about every tier that the backup's host had at ``old`` and that this host has at ``new``.
    """

    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Remap:
        """Return the pair that ``text`` holds as ``OLD:NEW``; raises `RemapUnclear`.

        A path may hold colons, so the pair is split where both sides are a path or a name, if that is one place only.
        """
        pairs = list(_splits(text))
        if not pairs:
            raise RemapUnclear(text, "is no pair")
        if len(pairs) > 1:
            raise RemapUnclear(text, "can be split at more than one of its colons")
        return cls(*map(_side, pairs[0]))

    def tiers(self, there: Topology, here: Topology) -> tuple[Tier, ...]:
        """Return the tiers that it is about, of a backup from ``there`` that comes ``here``; both normalised."""
        old, new = self.old_path(there), self.new_path(here)
        return tuple(tier for tier in Tier if (there.path(tier), here.path(tier)) == (old, new))

    def old_path(self, there: Topology) -> str:
        """Return the path that the tier had."""
        return _path(self.old, there)

    def new_path(self, here: Topology) -> str:
        """Return the path that the tier gets."""
        return _path(self.new, here)

    def __str__(self) -> str:
        return shown(f"{self.old}:{self.new}")


def _splits(text: str) -> Iterator[tuple[str, str]]:
    for at, character in enumerate(text):
        old, new = text[:at], text[at + 1 :]
        if character == ":" and _is_side(old) and _is_side(new):
            yield old, new


def _is_side(text: str) -> bool:
    return text in _NAMES or text.startswith("/")


def _side(text: str) -> str:
    return text if text in _NAMES else normalised(text)


def _path(side: str, topology: Topology) -> str:
    return topology.path(Tier(side)) if side in _NAMES else side
