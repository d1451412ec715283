"""What a backup and a restore both ask of the host: where its tiers lie, what they are like, what runs."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from hermes_backup_core.domain.env_file import read_env
from hermes_backup_core.domain.errors import Refused, StackUnreachable
from hermes_backup_core.domain.host import ComposeProject, Container, MountOnHost, TierFacts
from hermes_backup_core.domain.paths import is_below, join, normalised, relative, shown
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.snapshots import is_snapshot
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.ports import Files, Stack

UNKNOWN_PROJECT = ComposeProject("", {})


def read_topology(root: str, files: Files) -> Topology:
    """Return where the tiers of the install root ``root`` lie, as its `.env` says.

    Raises `Refused` where `.env` cannot be read, or a path in it cannot be a tier's.
    """
    return Topology.from_env(root, _read_env(root, files))


def _read_env(root: str, files: Files) -> Mapping[str, str]:
    path = posixpath.join(root, ".env")
    try:
        return read_env(files.read(path))
    except OSError as err:
        raise Refused((f"{path} cannot be read ({err.strerror}): is {root} the install root?",)) from err


@frozen
class HostLook:
    """Looks at one host, and changes nothing. ``env`` is what its `.env` sets; raises `Refused` as `read_topology`."""

    root: str
    stack: Stack
    files: Files
    env: Mapping[str, str] = field(init=False)
    topology: Topology = field(init=False)

    @env.default
    def _env(self) -> Mapping[str, str]:
        return _read_env(self.root, self.files)

    @topology.default
    def _topology(self) -> Topology:
        return Topology.from_env(self.root, self.env)

    def resolved(self) -> Topology:
        """Return where the tiers lie with all links resolved."""
        return self.topology.map(self.files.resolve)

    def project(self) -> tuple[ComposeProject, str | None]:
        """Return the project, and why it cannot be looked at where it cannot."""
        try:
            return self.stack.project(), None
        except StackUnreachable as err:
            return UNKNOWN_PROJECT, str(err)

    def containers(self) -> tuple[tuple[Container, ...], str | None]:
        """Return the project's containers, and why they cannot be looked at where they cannot."""
        try:
            return self.stack.containers(), None
        except StackUnreachable as err:
            return (), str(err)

    def mounts(self, project: ComposeProject, containers: Sequence[Container]) -> tuple[MountOnHost, ...]:
        """Return where on the host everything lies that a service of ``project`` mounts, or one of ``containers``."""
        found = {
            (mount.service, mount.source, mount.read_only): mount
            for mount in (*project.mounts, *(mount for container in containers for mount in container.mounts))
            if mount.source
        }
        ways = {source: self.files.ways(source) for source in {mount.source for mount in found.values()}}
        return tuple(
            MountOnHost(mount.service, ways[source], mount.read_only, self.files.is_file(ways[source][0]))
            for (_, source, _), mount in found.items()
        )

    def names(self, folder: str) -> frozenset[str] | None:
        """Return what lies in ``folder``, or None where this user may not look (which root always may)."""
        try:
            return self.files.names(folder)
        except PermissionError:
            return None

    def tier(self, tier: Tier, project: ComposeProject, left_out: str | None = None) -> TierFacts:
        """Return the facts of ``tier``, less its size.

        The folder ``left_out`` (absolute, links resolved) stays out of the selection, where that would hold it.
        """
        resolved = self.resolved()
        path = resolved.path(tier)
        nothing = TierFacts(tier, self.topology.path(tier), resolved.select(tier), is_folder=False, is_empty=True)
        if not self.files.is_folder(path):
            return nothing
        names = self.names(path)
        if names is None:
            return evolve(nothing, is_folder=True, is_empty=False, is_readable=False)
        devices = tuple(self.files.resolve(device) for device in project.volumes.values())
        selection = resolved.select(tier, self._live_folders(tier, path, devices))
        for own in (*([left_out] if left_out else []), *(join(path, name) for name in names if is_snapshot(name))):
            selection = selection.without(own)
        return TierFacts(
            tier=tier,
            path=self.topology.path(tier),
            selection=selection,
            is_folder=True,
            is_empty=all(map(is_snapshot, names)),
            missing=tuple(self._missing(tier, resolved, devices)),
            linked_away=tuple(self._linked_away(tier, resolved, project, selection)),
            unmounted=self.files.unmounted(path),
            ways=self.files.ways(path)[1:],
        )

    def unclaimed(self) -> Iterator[str]:
        """Yield a warning for what lies on a shared path and belongs to no tier, since no backup holds it."""
        resolved = self.resolved()
        for path in sorted({resolved.path(tier) for tier in Tier if resolved.shares(tier)}):
            if not self.files.is_folder(path):
                continue
            owned = [folder for tier in Tier for folder in resolved.folders(tier)]
            names = (name for name in sorted(self.names(path) or ()) if not is_snapshot(name))
            strays = [name for name in names if not _is_claimed(join(path, name), owned)]
            if strays:
                yield f"in no backup, because no tier owns it: {', '.join(map(shown, strays))} in {shown(path)}"

    def forgotten(self, tier: Tier) -> Iterator[str]:
        """Yield a warning for each snapshot of a backup's that lies at the root of ``tier``."""
        path = self.resolved().path(tier)
        for name in sorted(self.names(path) or ()) if self.files.is_folder(path) else ():
            if is_snapshot(name):
                yield (
                    f"another backup left its snapshot {shown(name)} in {shown(path)}: if none is under way, run "
                    f"`btrfs subvolume delete {shown(join(path, name))}`"
                )

    def _missing(self, tier: Tier, resolved: Topology, devices: tuple[str, ...]) -> Iterator[str]:
        """Yield the folders that a volume of ``tier`` is bound to, or that the tier is, and that are not there."""
        needed = {device for device in devices if resolved.owner(device) is tier}
        needed |= set(resolved.folders(tier)[:1])
        yield from sorted(folder for folder in needed if not self.files.is_folder(folder))

    def _linked_away(
        self, tier: Tier, resolved: Topology, project: ComposeProject, selection: TierSelection
    ) -> Iterator[tuple[str, str]]:
        """Yield the folders of ``tier`` that lie elsewhere by way of a link, each with where that is."""
        below = self.topology.path(tier)
        devices = {normalised(device) for device in project.volumes.values()}
        places = {join(resolved.path(tier), relative(device, below)) for device in devices if is_below(device, below)}
        for place in sorted({*places, *resolved.folders(tier)}):
            target = self.files.resolve(place)
            if selection.holds(place) and resolved.owner(target) is not tier:
                yield place, target

    def _live_folders(self, tier: Tier, path: str, devices: tuple[str, ...]) -> tuple[str, ...]:
        """Return the folders of the data tier that MariaDB's or slapd's files lie in, wherever a host has them."""
        if tier is not Tier.DATA:
            return ()
        candidates = {*(device for device in devices if is_below(device, path)), join(path, "ldap")}
        return tuple(sorted(folder for folder in candidates if self._is_live(folder)))

    def _is_live(self, folder: str) -> bool:
        if not self.files.is_folder(folder):
            return False
        return any(name == "ibdata1" or name.endswith(".mdb") for name in self.names(folder) or ())


def _is_claimed(path: str, owned: list[str]) -> bool:
    return any(path == folder or is_below(path, folder) or is_below(folder, path) for folder in owned)
