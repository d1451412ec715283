"""Looking at the ground of a tier: what of it keeps its place whatever is exchanged, and what room there is."""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Iterator, Sequence

from attrs import frozen

from hermes_backup_core.domain.host import ComposeProject, Container, Room
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.paths import is_within, join, shown
from hermes_backup_core.domain.restore_facts import Place
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.swap import is_hidden
from hermes_backup_core.restore_ports import Trees
from hermes_backup_core.survey.look import HostLook

_LAUNCHER = re.compile(r"system_(backup|restore)\.(sh|py)(\.orig(\.[0-9]+)?)?")
_ENDINGS = (".restore.log", ".log", ".tar.partial", ".tar")


@frozen
class GroundLook:
    """Looks at where the tiers lie. ``keeps`` are paths that stay wherever they lie in a tier: this tool's own."""

    host: HostLook
    trees: Trees
    keeps: tuple[str, ...] = ()

    def sources(self, *projects: ComposeProject, containers: Sequence[Container] = ()) -> frozenset[str]:
        """Return every path of the host that a service of ``projects`` or one of ``containers`` mounts, by every way.

        So none of them ever looks at a folder that was moved away, whether it goes on or not.
        """
        mounting: tuple[ComposeProject | Container, ...] = (*projects, *containers)
        mounts = {mount.source for one in mounting for mount in one.mounts}
        volumes = {device for project in projects for device in project.volumes.values()}
        return frozenset(way for source in {*mounts, *volumes} - {""} for way in self.host.files.ways(source))

    def place(self, tier: Tier, project: ComposeProject, sources: frozenset[str], backup: str) -> Place:
        """Return what a restore out of the file ``backup`` must know of the ground of ``tier``."""
        found = self.host.tier(tier, project)
        if not (found.is_folder and found.is_readable):
            return Place(found)
        root = found.selection.root
        points = self.trees.mount_points(root)
        stays = frozenset(self._stays(tier, found.selection, backup))
        exchanged = [point for point in points if found.selection.holds(point) and not _is_among(point, stays)]
        fixed = {path for path in {*sources, *points} if is_within(path, root)}
        return Place(
            found=found,
            pinned=frozenset(filter(self.host.files.is_folder, fixed)),
            mount_points=tuple(exchanged),
            stays=stays,
            hidden=tuple(path for at in (root, *exchanged) for path in self._hidden(at)),
            rooms=dict(self._rooms((root, *exchanged))),
        )

    def remarks(self, place: Place, backup: str) -> Iterator[str]:
        """Yield a warning where more than backups stays in place because the file ``backup`` lies there."""
        for folder in self._around(place.found.selection.root, backup):
            names = self.host.names(folder) or frozenset()
            others = [name for name in names if not _is_of_backups(name) and join(folder, name) != self._file(backup)]
            if folder in place.stays and others:
                yield (
                    f"all that lies in {shown(folder)} stays as it is now, as the backup itself lies there: move the "
                    f"backup elsewhere if that is to be restored too"
                )

    def _stays(self, tier: Tier, selection: TierSelection, backup: str) -> Iterator[str]:
        left_out = (join(selection.root, folder) for folder in selection.left_out)
        yield from (path for path in left_out if self.trees.exists(path) and not selection.leads(path))
        for folder in self._around(selection.root, backup):
            yield from self._beside(selection, folder, posixpath.basename(self._file(backup)))
        ways = (way for path in self.keeps for way in self.host.files.ways(path))
        yield from (way for way in ways if is_within(way, selection.root) and self.trees.exists(way))
        if tier is Tier.CONFIG:
            yield from self._launchers(selection.root)

    def _file(self, backup: str) -> str:
        return self.host.files.resolve(backup)

    def _around(self, root: str, backup: str) -> Iterator[str]:
        """Yield the folder of ``backup``, as it is called below ``root``, by whatever way it lies there."""
        ways = self.host.files.ways(posixpath.dirname(self._file(backup)))
        yield from (way for way in ways if is_within(way, root))

    def _beside(self, selection: TierSelection, folder: str, backup: str) -> Iterator[str]:
        """Yield what stays of ``folder``, which has the ``backup`` in it: all of it, where it is no tier's own."""
        own = {selection.root, *(join(selection.root, name) for name in selection.folders)}
        if folder not in own and not selection.leads(folder):
            yield folder
            return
        log = f"{backup.removesuffix('.tar')}.restore.log"
        kept = {name for name in self.host.names(folder) or () if name in (backup, log) or _is_of_backups(name)}
        yield from (join(folder, name) for name in {backup, log, *kept})

    def _launchers(self, root: str) -> Iterator[str]:
        scripts = join(root, "scripts")
        if self.trees.is_folder(scripts):
            names = self.host.names(scripts) or frozenset()
            yield from (join(scripts, name) for name in names if _LAUNCHER.fullmatch(name))

    def _hidden(self, folder: str) -> Iterator[str]:
        names = self.host.names(folder) or frozenset()
        yield from (join(folder, name) for name in sorted(names) if is_hidden(name))

    def _rooms(self, folders: tuple[str, ...]) -> Iterator[tuple[str, Room]]:
        for folder in folders:
            with contextlib.suppress(OSError):
                yield folder, self.host.files.room(folder)


def _is_among(path: str, folders: frozenset[str]) -> bool:
    return any(is_within(path, folder) for folder in folders)


def _is_of_backups(name: str) -> bool:
    """Whether a file called ``name`` is a backup, a part of one, or the log of one."""
    stems = (name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending))
    return any(BackupName.parse(f"{stem}.tar") for stem in stems)
