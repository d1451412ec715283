"""Proving a backup: every byte of it is read, and everything that is wrong with it is told at once."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed

from attrs import define, evolve, field

from hermes_backup_core.archive.backup_file import differences
from hermes_backup_core.archive.gunzip import inflated
from hermes_backup_core.archive.reader import BackupReader
from hermes_backup_core.archive.tier_content import small_files
from hermes_backup_core.archive.watched import WatchedFile
from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.paths import normalised, shown
from hermes_backup_core.domain.scope import LDAP_MEMBER, Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.ports import Reporter
from hermes_backup_core.restore.member_checks import Check, Found, check_text, checks_of, is_small_file

# Inflating and hashing leave other threads alone; the walk through a tar does not.
_AT_ONCE = 2
_BUFFER_BYTES = 1 << 20


def read_manifest(path: str) -> Manifest:
    """Return what the backup at ``path`` says of itself; nothing of it is proven.

    Raises `NotABackup`, `DamagedBackup`, `ManifestError`, or `OSError` where the file cannot be read.
    """
    with BackupReader(path) as reader:
        return Manifest.parse(reader.manifest_bytes())


def prove(path: str, selections: Mapping[Tier, TierSelection], reporter: Reporter) -> Contents:
    """Return what the backup at ``path`` holds, and all that is wrong with it, after reading every byte.

    ``selections`` are what each tier of the backup's scope owns on this host. Raises as `read_manifest` does.
    """
    with BackupReader(path) as reader:
        manifest = Manifest.parse(reader.manifest_bytes())
        wrong = (*_path_problems(manifest.topology), *differences(manifest, reader))
        proof = _Proof(reader, manifest, checks_of(_sources(manifest), selections))
        with reporter.progress("checking the backup", proof.total) as advance:
            found = proof.of_members(advance)
        files = _small_files(reader) if _is_sound(found.get(Tier.CONFIG.member)) else {}
    return Contents(
        manifest=manifest,
        problems=(*wrong, *(problem for member in found.values() for problem in member.problems)),
        tiers={tier: held for member in found.values() for tier, held in member.tiers.items()},
        dumps={name: held for member in found.values() for name, held in member.dumps.items()},
        ldap_entries=found[LDAP_MEMBER].ldap_entries if LDAP_MEMBER in found else None,
        files=files,
    )


class _Stopped(Exception):
    """Another member could not be read, or the run ends; nobody sees this."""


@define
class _Proof:
    """The members of one backup under examination, a few at once, the largest first."""

    reader: BackupReader
    manifest: Manifest
    checks: Mapping[str, Check]
    _stopped: threading.Event = field(factory=threading.Event, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)
    _done: int = field(default=0, init=False)

    @property
    def names(self) -> list[str]:
        """The members that are there with the size that the manifest says; the others are told of already."""
        held = self.reader.members
        entries = self.manifest.members.items()
        return [name for name, entry in entries if name in held and held[name].size_bytes == entry.size_bytes]

    @property
    def total(self) -> int:
        return sum(self.reader.members[name].size_bytes for name in self.names)

    def of_members(self, advance: Callable[[int], None]) -> dict[str, Found]:
        """Return what each member holds; ``advance`` is told of the bytes read so far, by one thread at a time."""
        largest_first = sorted(self.names, key=lambda name: -self.reader.members[name].size_bytes)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = {name: pool.submit(self._of_member, name, advance) for name in largest_first}
            try:
                for future in as_completed(futures.values()):
                    future.result()
            except BaseException:
                self._stopped.set()
                raise
        return {name: futures[name].result() for name in self.names}

    def _of_member(self, name: str, advance: Callable[[int], None]) -> Found:
        def seen(count: int) -> None:
            if self._stopped.is_set():
                raise _Stopped
            with self._lock:
                self._done += count
                advance(self._done)

        with self.reader.open_member(name) as member:
            watched = WatchedFile(member, seen)
            found = self.checks.get(name, check_text)(io.BufferedReader(watched, _BUFFER_BYTES))
            problems = tuple(f"{name}: {problem}" for problem in found.problems)
            if watched.sha256() != self.manifest.members[name].sha256:
                # What else is wrong with it follows from that.
                problems = (f"the checksum of {name} is not what the manifest says",)
            return evolve(found, problems=problems)


def _sources(manifest: Manifest) -> dict[Tier, TierSelection]:
    topology = manifest.topology.map(normalised)
    return {tier: topology.select(tier) for tier in manifest.scope.tiers}


def _path_problems(topology: Topology) -> Iterator[str]:
    for tier in Tier:
        path = topology.path(tier)
        if not path.startswith("/") or {".", ".."} & set(path.split("/")):
            yield f"the manifest says that the {tier.value} tier lay at '{shown(path)}', which is no absolute path"


def _is_sound(found: Found | None) -> bool:
    return found is not None and not found.problems


def _small_files(reader: BackupReader) -> dict[str, bytes]:
    with reader.open_member(Tier.CONFIG.member) as member:
        return small_files(inflated(member), is_small_file)
