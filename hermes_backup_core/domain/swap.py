"""A tier or a directory exchanged for its staged copy by renames: which, in what order, and how to go back.

What is staged lies in a hidden folder on the same file system; what was there moves into another one beside.
So putting in place takes as long for a million files as for one. Some folders cannot be renamed: those that
something is mounted on or from (a container would go on looking at the folder that was moved away), and
those that hold what must stay. These are entered, and their entries exchanged one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import frozen

from hermes_backup_core.domain.paths import is_below, is_within, join, relative

HIDDEN = ".hermes-restore-"
"""How the folders begin in which a restore keeps what is to come and what was there."""


class Side(Enum):
    """What a hidden folder holds: what is to come, what was there, and empty folders that keep the shapes of both."""

    STAGED = "new"
    KEPT = "old"
    STAGED_SHAPE = "new-shape"
    KEPT_SHAPE = "old-shape"


@frozen
class Stage:
    """The hidden folder of one file system. ``at`` is the folder (absolute) it lies in, ``name`` its own name."""

    at: str
    name: str

    @property
    def folder(self) -> str:
        """Where it lies."""
        return join(self.at, self.name)

    def place(self, path: str, side: Side) -> str:
        """Return where ``path``, which lies at or below ``at``, is on that ``side``."""
        return join(join(self.folder, side.value), relative(path, self.at))


@frozen
class Move:
    """One entry that is exchanged. ``path`` is where it belongs.

    ``leaves`` where something lies there before, ``comes`` where something is staged for it. ``at_once``: it
    is never missing in between, as a rename over the other sees to.
    """

    path: str
    leaves: bool
    comes: bool
    at_once: bool = False


@frozen
class Swap:
    """All that is exchanged for one tier (or for slapd's files): data, worked out before anything moves.

    ``stages`` has the hidden folder of each file system concerned, the outermost first. ``shaped`` are the
    folders that stay, outermost first, and take over owner, mode, ACL and times of their staged copies.
    """

    root: str
    stages: tuple[Stage, ...]
    shaped: tuple[str, ...]
    moves: tuple[Move, ...]

    def place(self, path: str, side: Side) -> str:
        """Return where what belongs to ``path`` lies on that ``side``."""
        return stage_of(self.stages, path).place(path, side)


def stage_of(stages: tuple[Stage, ...], path: str) -> Stage:
    """Return the innermost of ``stages`` above ``path``; a mount point's own entry belongs to what is mounted."""
    return max((stage for stage in stages if is_within(path, stage.at)), key=lambda stage: len(stage.at))


@frozen
class Ground:
    """What a swap must know of the ground it works on; all paths absolute, links resolved.

    ``owns`` tells whether a path belongs to what is exchanged (see `TierSelection.holds`), ``leads`` whether
    something below it does. ``pinned`` are the folders that keep their inode, ``stays`` the paths that are
    left as they are with all below them, ``at_once`` the files that may never be missing.
    """

    root: str
    stages: tuple[Stage, ...]
    owns: Callable[[str], bool]
    leads: Callable[[str], bool]
    pinned: frozenset[str] = frozenset()
    stays: frozenset[str] = frozenset()
    at_once: frozenset[str] = frozenset()


def plan_swap(
    ground: Ground,
    names: Callable[[str], frozenset[str]],
    is_folder: Callable[[str], bool],
) -> Swap:
    """Return how what is staged takes the place of what lies at ``ground.root``.

    ``names`` gives a folder's entries, none where there is no such folder; ``is_folder`` does not follow links.
    """
    planner = _Planner(ground, names, is_folder)
    planner.enter(ground.root)
    return Swap(ground.root, ground.stages, tuple(planner.shaped), tuple(planner.moves))


class _Planner:
    def __init__(
        self, ground: Ground, names: Callable[[str], frozenset[str]], is_folder: Callable[[str], bool]
    ) -> None:
        self.ground = ground
        self.names = names
        self.is_folder = is_folder
        self.shaped: list[str] = []
        self.moves: list[Move] = []

    def enter(self, folder: str) -> None:
        # A folder that only leads to what is exchanged is another tier's.
        if folder == self.ground.root or self.ground.owns(folder):
            self.shaped.append(folder)
        stages = self.ground.stages
        here = self.names(folder)
        coming = self.names(stage_of(stages, folder).place(folder, Side.STAGED))
        for name in sorted(here | coming):
            path = join(folder, name)
            # Where tiers share a root, the stages of all of them lie in it: none takes another's along.
            if not is_hidden(name) and not self._stays(path):
                self._exchange(path, leaves=name in here, comes=name in coming)

    def _stays(self, path: str) -> bool:
        if any(is_within(path, kept) for kept in self.ground.stays):
            return True
        return not self.ground.owns(path) and not self.ground.leads(path)

    def _exchange(self, path: str, *, leaves: bool, comes: bool) -> None:
        if leaves and self.is_folder(path) and self._must_stay(path):
            self.enter(path)
        elif self.ground.owns(path) or comes:
            self.moves.append(Move(path, leaves, comes, path in self.ground.at_once and leaves and comes))

    def _must_stay(self, path: str) -> bool:
        """Whether the folder ``path`` cannot be renamed: it is pinned, or holds what is or what stays."""
        ground = self.ground
        fixed = {*ground.pinned, *(stage.at for stage in ground.stages), *ground.stays}
        return not ground.owns(path) or any(is_within(other, path) for other in fixed)


def is_hidden(name: str) -> bool:
    """Whether an entry called ``name`` is one in which a restore keeps what it works on."""
    return name.startswith(HIDDEN)


def stages_for(root: str, name: str, mount_points: tuple[str, ...]) -> tuple[Stage, ...]:
    """Return the stages of ``root``: one there, and one on each of the ``mount_points`` below it."""
    below = sorted({point for point in mount_points if is_below(point, root)}, key=len)
    return tuple(Stage(at, f"{HIDDEN}{name}") for at in (root, *below))
