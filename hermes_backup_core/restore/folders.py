"""Tiers and slapd's files: unpacked beside, exchanged by renames, put back, removed."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator

from attrs import evolve, frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.paths import is_within, join, relative, shown
from hermes_backup_core.domain.restore_steps import TierPlan
from hermes_backup_core.domain.swap import Ground, Move, Side, Stage, Swap, plan_swap
from hermes_backup_core.restore_ports import TierTarget, Trees

_SHAPED = "shaped"
"""An empty folder in a stage: the shapes of both sides are kept, and the moves may have begun."""

Content = Callable[[], Iterable[bytes]]


@frozen
class KeptIsGone(HermesBackupError):
    """What a restore kept of the old state is not where it was put."""

    path: str
    kept: str

    def __str__(self) -> str:
        return (
            f"what was at {shown(self.path)} should be at {shown(self.kept)}, and is not: bring it back there "
            "(a disk that is not mounted, or something that is mounted over it?)"
        )


@frozen
class StagedIsGone(HermesBackupError):
    """What a restore had staged is not there any more; taken for an empty tier, it would empty the live one."""

    folder: str

    def __str__(self) -> str:
        return f"what was staged in {shown(self.folder)} is gone; the tier is as it was: run the restore again"


@frozen
class Folders:
    """What a restore does to folders of the host. Every method may be called again after it was broken off."""

    trees: Trees
    target: TierTarget

    def unpack(self, plan: TierPlan, content: Content) -> None:
        """Unpack the tar stream that ``content`` gives into the stages of ``plan``."""
        self.remove(plan.stages)
        for stage in plan.stages:
            folder = join(stage.folder, Side.STAGED.value)
            self.trees.make_folder(folder)
            below = "" if plan.synced else relative(stage.at, plan.selection.root)
            elsewhere = () if plan.synced else _mounted_below(plan, stage)
            self.target.unpack(content(), folder, excluded=(*plan.excluded, *elsewhere), below=below)
            self.trees.flush(folder)

    def swap_of(self, plan: TierPlan) -> Swap:
        """Return how the staged copy of ``plan`` takes the tier's place, as both lie there now."""
        self._have_staged(plan.stages)
        ground = Ground(
            root=plan.selection.root,
            stages=plan.stages,
            owns=plan.selection.holds,
            leads=plan.selection.leads,
            pinned=plan.pinned,
            stays=plan.stays,
            at_once=plan.at_once,
        )
        return plan_swap(ground, self.trees.names, self.trees.is_folder)

    def swap_inside(self, folder: str, stage: Stage) -> Swap:
        """Return how all that is staged takes the place of all in ``folder``, which itself stays as it is."""
        self._have_staged((stage,))
        ground = Ground(folder, (stage,), owns=lambda _: True, leads=lambda _: False)
        return evolve(plan_swap(ground, self.trees.names, self.trees.is_folder), shaped=())

    def exchange(self, swap: Swap) -> None:
        """Put what is staged in place, and what was there aside."""
        self._keep_shapes(swap)
        for move in swap.moves:
            self._move(swap, move)
        self._shape(swap, Side.STAGED_SHAPE)
        self._flush(swap)

    def put_back(self, swap: Swap) -> None:
        """Put what was there back in place, and what was staged aside; raises `KeptIsGone` before that if it is."""
        for move in swap.moves:
            self._have_kept(swap, move)
        for move in reversed(swap.moves):
            self._move_back(swap, move)
        if self.trees.exists(self._mark(swap)):
            self._shape(swap, Side.KEPT_SHAPE)
        self._flush(swap)

    def sync(self, plan: TierPlan) -> None:
        """Bring the tier of ``plan`` in line with its copy on another disk."""
        self._have_staged(plan.stages)
        copy = join(plan.stages[0].folder, Side.STAGED.value)
        stays = (*plan.stays, *(join(plan.selection.root, name) for name in plan.selection.left_out))
        for folder in plan.selection.folders:
            target = join(plan.selection.root, folder)
            if self.trees.exists(join(copy, folder)):
                below = tuple(sorted({path for path in stays if is_within(path, target) and path != target}))
                self.target.sync(join(copy, folder), target, stays=below)
        self.trees.flush(plan.selection.root)

    def remove(self, stages: Iterable[Stage]) -> None:
        """Remove the hidden folders ``stages`` with all in them."""
        for stage in stages:
            self.trees.remove(stage.folder)

    def whereabouts(self, swap: Swap) -> Iterator[str]:
        """Yield a sentence for each entry of ``swap`` that is not where it was before."""
        for move in swap.moves:
            kept = swap.place(move.path, Side.KEPT)
            staged = swap.place(move.path, Side.STAGED)
            if move.leaves and self.trees.exists(kept):
                yield f"what was at {shown(move.path)} is at {shown(kept)}"
            elif move.comes and not move.leaves and self.trees.exists(move.path) and not self.trees.exists(staged):
                yield f"{shown(move.path)} is the backup's, and was not there before"

    def _have_staged(self, stages: Iterable[Stage]) -> None:
        for stage in stages:
            if not self.trees.is_folder(folder := join(stage.folder, Side.STAGED.value)):
                raise StagedIsGone(folder)

    def _keep_shapes(self, swap: Swap) -> None:
        """Keep owner, mode and times of the folders that stay, and of their staged copies: renames change these."""
        if self.trees.exists(self._mark(swap)):
            return
        shapes = [
            (swap.place(folder, shape), pattern)
            for folder in swap.shaped
            for shape, pattern in (
                (Side.KEPT_SHAPE, folder),
                (Side.STAGED_SHAPE, swap.place(folder, Side.STAGED)),
            )
            if self.trees.is_folder(pattern)
        ]
        for shape, _ in shapes:
            self.trees.make_folder(shape)
        # Only when all are made, since a new folder changes the times of the one above.
        for shape, pattern in shapes:
            self.trees.shape_like(shape, pattern)
        self.trees.make_folder(self._mark(swap))

    def _shape(self, swap: Swap, side: Side) -> None:
        for folder in swap.shaped:
            if self.trees.is_folder(shape := swap.place(folder, side)):
                self.trees.shape_like(folder, shape)

    def _move(self, swap: Swap, move: Move) -> None:
        staged, kept = swap.place(move.path, Side.STAGED), swap.place(move.path, Side.KEPT)
        if move.leaves:
            self.trees.make_folder(posixpath.dirname(kept))
        if move.at_once:
            self.trees.replace(staged, move.path, kept)
            return
        if move.leaves and not self.trees.exists(kept):
            self.trees.rename(move.path, kept)
        if move.comes and self.trees.exists(staged):
            self.trees.rename(staged, move.path)

    def _have_kept(self, swap: Swap, move: Move) -> None:
        """Raise where what was at the place of ``move`` is neither there nor kept."""
        kept, staged = swap.place(move.path, Side.KEPT), swap.place(move.path, Side.STAGED)
        if not move.leaves or self.trees.exists(kept):
            return
        is_exchanged = move.comes and not move.at_once and not self.trees.exists(staged)
        if is_exchanged or not self.trees.exists(move.path):
            raise KeptIsGone(move.path, kept)

    def _move_back(self, swap: Swap, move: Move) -> None:
        staged, kept = swap.place(move.path, Side.STAGED), swap.place(move.path, Side.KEPT)
        if move.at_once:
            if self.trees.exists(kept):
                self.trees.replace(kept, move.path, staged)
            return
        if move.comes and not self.trees.exists(staged) and self.trees.exists(move.path):
            self.trees.rename(move.path, staged)
        if move.leaves and self.trees.exists(kept):
            self.trees.rename(kept, move.path)

    def _mark(self, swap: Swap) -> str:
        return join(swap.stages[0].folder, _SHAPED)

    def _flush(self, swap: Swap) -> None:
        for stage in swap.stages:
            self.trees.flush(stage.at)


def _mounted_below(plan: TierPlan, stage: Stage) -> tuple[str, ...]:
    """Return, as archives name them, the folders below ``stage`` that are unpacked on file systems of their own."""
    root = plan.selection.root
    others = (other.at for other in plan.stages if other.at != stage.at and is_within(other.at, stage.at))
    return tuple(prefix + relative(path, root) for path in others for prefix in ("./", ""))
