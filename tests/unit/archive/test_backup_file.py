from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes_backup_core.archive.backup_file import VerifiedBackup, read_backup, verify_backup
from hermes_backup_core.archive.outer import OuterTar
from hermes_backup_core.archive.reader import BackupReader, DamagedBackup
from hermes_backup_core.domain.manifest import ArchiveEntry, Manifest, ManifestError
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.domain.topology import Topology

SAMPLE = Path(__file__).parents[2] / "samples" / "hermes-backup-vmail-v260119-20261124T230101Z.tar"
TOPOLOGY = Topology("/opt/hermes", "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")

Change = Callable[[dict[str, Any]], object]


def unchanged(_manifest: dict[str, Any]) -> None:
    """Leave the manifest as it is."""


def made(path: Path, *, members: tuple[str, ...] = ("vmail.tar.gz",), change: Change = unchanged) -> str:
    """Write a backup of scope vmail with ``members``, and with a manifest that ``change`` was let at."""
    with path.open("x+b") as file:
        outer = OuterTar(file, mtime=1)
        entries = {}
        for name in members:
            with outer.member(name) as sink:
                sink.write(name.encode() * 1000)
            entries[name] = ArchiveEntry(sink.record.sha256, sink.record.size_bytes)
        vmail = {"vmail.tar.gz": entries.get("vmail.tar.gz", ArchiveEntry("0" * 64, 1))}
        stamp = "20260601T103000Z"
        manifest = json.loads(Manifest("v1", Scope.VMAIL, Mode.HOT, stamp, "mail", TOPOLOGY, vmail).render())
        change(manifest)
        outer.finish(json.dumps(manifest).encode())
    return str(path)


def test_what_was_written_is_verified(tmp_path: Path) -> None:
    path = made(tmp_path / "b.tar")
    seen: list[int] = []
    verified = verify_backup(path, seen.append)
    assert verified.path == path
    assert verified.manifest == read_backup(path).manifest
    assert sum(seen) == 12_000


def test_what_the_shell_scripts_wrote_is_verified() -> None:
    assert verify_backup(str(SAMPLE)).manifest.scope is Scope.VMAIL


def test_a_single_flipped_bit_is_found(tmp_path: Path) -> None:
    path = made(tmp_path / "b.tar")
    with BackupReader(path) as reader:
        offset = reader.members["vmail.tar.gz"].offset + 7000
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, bytes([os.pread(descriptor, 1, offset)[0] ^ 1]), offset)
    os.close(descriptor)
    read_backup(path)
    with pytest.raises(DamagedBackup, match=r"the checksum of vmail\.tar\.gz is not what the manifest says"):
        verify_backup(path)


@pytest.mark.parametrize(
    ("members", "change", "said"),
    [
        ((), unchanged, "it lacks vmail.tar.gz, which its manifest lists"),
        (("vmail.tar.gz", "data.tar.gz"), unchanged, "it holds data.tar.gz, which its manifest does not list"),
        (
            ("vmail.tar.gz",),
            lambda manifest: manifest["archives"]["vmail.tar.gz"].update(size_bytes=3),
            "vmail.tar.gz has 12000 bytes and its manifest says 3",
        ),
    ],
)
def test_a_file_that_is_not_what_its_manifest_says_is_damaged(
    tmp_path: Path, members: tuple[str, ...], change: Change, said: str
) -> None:
    path = made(tmp_path / "b.tar", members=members, change=change)
    with pytest.raises(DamagedBackup, match=said):
        read_backup(path)


def test_a_manifest_of_another_generation_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "b.tar", change=lambda manifest: manifest.update(manifest_version="2.0"))
    with pytest.raises(ManifestError, match=r"its version is 2\.0"):
        verify_backup(path)


def test_nobody_but_the_verification_makes_a_verified_backup(tmp_path: Path) -> None:
    backup = read_backup(made(tmp_path / "b.tar"))
    with pytest.raises(TypeError, match="comes out of verify_backup"):
        VerifiedBackup(backup.path, backup.manifest, proof=object())
