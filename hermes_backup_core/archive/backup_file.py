"""A backup as a file: what it says of itself, and whether that is true."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import field, frozen

from hermes_backup_core.archive.reader import BackupReader, DamagedBackup
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.scope import MANIFEST_MEMBER

_VERIFIED = object()


@frozen
class Backup:
    """A backup whose manifest has been read, and whose members are those that it lists, with these sizes."""

    path: str
    manifest: Manifest


@frozen
class VerifiedBackup(Backup):
    """A backup every byte of which is what its manifest says; made by `verify_backup` only."""

    _proof: object = field(repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if self._proof is not _VERIFIED:
            raise TypeError("a VerifiedBackup comes out of verify_backup")


def read_backup(path: str) -> Backup:
    """Return what the backup at ``path`` says of itself; its content is not read.

    Raises `NotABackup`, `DamagedBackup`, `ManifestError`, or `OSError` where the file cannot be read.
    """
    with BackupReader(path) as reader:
        return Backup(path, _consistent_manifest(path, reader))


def verify_backup(path: str, progress: Callable[[int], object] = lambda _: None) -> VerifiedBackup:
    """Return the backup at ``path`` after comparing the SHA-256 of every member with the manifest.

    ``progress`` is told of bytes as they are read. Raises as `read_backup` does.
    """
    with BackupReader(path) as reader:
        manifest = _consistent_manifest(path, reader)
        wrong = [name for name, entry in manifest.members.items() if reader.digest(name, progress) != entry.sha256]
    if wrong:
        raise DamagedBackup(path, f"the checksum of {', '.join(wrong)} is not what the manifest says")
    return VerifiedBackup(path, manifest, proof=_VERIFIED)


def _consistent_manifest(path: str, reader: BackupReader) -> Manifest:
    manifest = Manifest.parse(reader.manifest_bytes())
    if problems := list(differences(manifest, reader)):
        raise DamagedBackup(path, "; ".join(problems))
    return manifest


def differences(manifest: Manifest, reader: BackupReader) -> Iterator[str]:
    """Yield how the members of a backup are not those that its manifest lists, with these sizes."""
    listed, found = set(manifest.members), set(reader.members) - {MANIFEST_MEMBER}
    for name in sorted(listed - found):
        yield f"it lacks {name}, which its manifest lists"
    for name in sorted(found - listed):
        yield f"it holds {shown(name)}, which its manifest does not list"
    for name in sorted(listed & found):
        said, actual = manifest.members[name].size_bytes, reader.members[name].size_bytes
        if said != actual:
            yield f"{name} has {actual} bytes and its manifest says {said}"
