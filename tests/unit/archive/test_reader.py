from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from hermes_backup_core.archive.outer import OuterTar
from hermes_backup_core.archive.reader import BackupReader, DamagedBackup, NotABackup
from tests.unit.archive.judge import tar

SAMPLE = Path(__file__).parents[2] / "samples" / "hermes-backup-vmail-v260119-20261124T230101Z.tar"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours.tar"
    with path.open("x+b") as file:
        outer = OuterTar(file, mtime=1)
        for name, size in (("vmail.tar.gz", 3_000_000), ("config.tar.gz", 512)):
            with outer.member(name) as sink:
                sink.write(name.encode() * (size // len(name)))
        outer.finish(b'{"scope": "all"}\n')
    return path


def test_ours_is_read_in_place(ours: Path) -> None:
    with BackupReader(str(ours)) as reader:
        assert list(reader.members) == ["backup_manifest.json", "vmail.tar.gz", "config.tar.gz"]
        assert json.loads(reader.manifest_bytes()) == {"scope": "all"}
        seen: list[int] = []
        digest = reader.digest("vmail.tar.gz", seen.append)
        assert digest == hashlib.sha256(b"vmail.tar.gz" * 250_000).hexdigest()
        assert digest == reader.digest("vmail.tar.gz")
        assert sum(seen) == reader.members["vmail.tar.gz"].size_bytes == 3_000_000
        with pytest.raises(KeyError):
            reader.open_member("nextcloud.tar.gz")


def test_several_members_are_read_at_once_and_sought_in(ours: Path) -> None:
    with BackupReader(str(ours)) as reader:
        first, second = reader.open_member("vmail.tar.gz"), reader.open_member("config.tar.gz")
        assert first.read(5) + second.read(6) + first.read(4) == b"vmailconfig.tar"
        assert first.seek(-3, io.SEEK_END) == 2_999_997
        assert first.read() == b".gz"
        assert first.read() == b""
        first.seek(100, io.SEEK_CUR)
        assert first.read() == b""
        with pytest.raises(ValueError, match="cannot seek"):
            first.seek(-1)


def test_what_the_shell_scripts_wrote_is_read() -> None:
    with BackupReader(str(SAMPLE)) as reader:
        assert set(reader.members) == {"vmail.tar.gz", "backup_manifest.json"}
        manifest = json.loads(reader.manifest_bytes())
        for name, entry in manifest["archives"].items():
            assert reader.digest(name) == entry["sha256"]
            assert reader.members[name].size_bytes == entry["size_bytes"]
        with tarfile.open(fileobj=reader.open_member("vmail.tar.gz"), mode="r:gz") as inner:
            assert inner.getnames()[0] == "."


def test_members_may_come_in_any_order_with_or_without_dots(tmp_path: Path) -> None:
    for name in ("z.tar.gz", "backup_manifest.json"):
        (tmp_path / name).write_bytes(b"{}")
    path = tmp_path / "x.tar"
    path.write_bytes(tar("-C", tmp_path, "-cf", "-", "z.tar.gz", "./backup_manifest.json"))
    with BackupReader(str(path)) as reader:
        assert list(reader.members) == ["z.tar.gz", "backup_manifest.json"]


@pytest.mark.parametrize("keep", [100, 511, 512, 40_000, 66_048, 66_500, 1_000_000, 3_066_880, 3_067_500])
def test_a_backup_that_breaks_off_is_damaged(ours: Path, keep: int) -> None:
    ours.write_bytes(ours.read_bytes()[:keep])
    with pytest.raises((DamagedBackup, NotABackup), match=r"ours\.tar is (damaged|no backup): it"):
        BackupReader(str(ours))


def test_a_garbled_header_is_damage_and_not_the_end(ours: Path) -> None:
    data = bytearray(ours.read_bytes())
    at = data.index(b"vmail.tar.gz")
    data[at : at + 512] = b"\xff" * 512
    ours.write_bytes(data)
    with pytest.raises(DamagedBackup, match="breaks off before the end"):
        BackupReader(str(ours))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (gzip.compress(b"x" * 5000), "it is compressed"),
        (b"plain text\n" * 100, "no tar file"),
        (b"short", "no tar file"),
        (bytes(10_240), "no tar file"),
    ],
)
def test_what_is_no_tarball_is_named_for_what_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(NotABackup, match=reason):
        BackupReader(str(path))


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf() + bytes(-(-size // 512) * 512)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (entry("vmail.tar.gz"), "holds no backup_manifest.json"),
        (entry("backup_manifest.json") + entry("./backup_manifest.json"), "holds backup_manifest.json twice"),
        (entry("backup_manifest.json") + entry("x", tarfile.SYMTYPE), "holds x, which no backup does"),
        (entry("backup_manifest.json") + entry("x", tarfile.CHRTYPE), "holds x, which"),
        (entry("backup_manifest.json") + entry("a", tarfile.DIRTYPE), "holds a, which"),
        (entry("backup_manifest.json") + entry("a/b"), "holds a/b, which"),
        (entry("backup_manifest.json") + entry("../b"), r"holds \.\./b, which"),
        (entry("backup_manifest.json") + entry("a", tarfile.CONTTYPE), "holds a, which"),
    ],
)
def test_what_no_backup_holds_is_refused(tmp_path: Path, entries: bytes, reason: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(entries + bytes(1024))
    with pytest.raises((NotABackup, DamagedBackup), match=reason):
        BackupReader(str(path))


def test_a_manifest_of_absurd_length_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(entry("backup_manifest.json", size=17 << 20) + bytes(1024))
    with BackupReader(str(path)) as reader, pytest.raises(DamagedBackup, match="too long to be one"):
        reader.manifest_bytes()


def test_a_file_that_is_not_there_is_the_systems_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        BackupReader(str(tmp_path / "none.tar"))
