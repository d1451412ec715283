from __future__ import annotations

import errno
import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.outer import SLOT_BYTES, ManifestTooLong, OuterTar
from hermes_backup_core.archive.reader import BackupReader
from tests.unit.archive.judge import FullDisk, ShortWrites, tar

MTIME = 1_780_000_000
NAMES = st.text("abcdefghijklmnopqrstuvwxyz.-_ ", min_size=1, max_size=60).filter(
    lambda name: name.strip(". ") == name and not name.startswith("-") and name != "backup_manifest.json"
)
SIZES = st.sampled_from([0, 1, 511, 512, 513, 1024, 10_240, 70_001])
CHUNKS = st.lists(st.one_of(st.binary(max_size=2000), SIZES.map(lambda size: b"\xa5" * size)), max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, CHUNKS, max_size=5))
def test_gnu_tar_extracts_every_member_as_it_was_written(contents: dict[str, list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "outer.tar")
        with path.open("x+b") as file:
            outer = OuterTar(file, mtime=MTIME)
            for name, chunks in contents.items():
                with outer.member(name) as sink:
                    assert sum(sink.write(chunk) for chunk in chunks) == sink.size_bytes
                whole = b"".join(chunks)
                assert (sink.record.name, sink.record.size_bytes) == (name, len(whole))
                assert sink.record.sha256 == hashlib.sha256(whole).hexdigest()
            outer.finish(b"{}")
        assert tar("--quoting-style=literal", "-tf", path).decode().splitlines() == [
            "backup_manifest.json",
            *contents,
        ]
        tar("-C", folder, "-xf", path)
        for name, chunks in contents.items():
            assert Path(folder, name).read_bytes() == b"".join(chunks)


def test_the_manifest_comes_first_and_reads_as_json(tmp_path: Path) -> None:
    path = tmp_path / "outer.tar"
    with path.open("x+b") as file:
        outer = OuterTar(file, mtime=MTIME)
        with outer.member("x.tar.gz") as sink:
            sink.write(b"data")
        outer.finish(b'{\n  "scope": "vmail"\n}\n')
    slot = tar("-xOf", path, "backup_manifest.json")
    assert json.loads(slot) == {"scope": "vmail"}
    assert len(slot) == SLOT_BYTES
    assert slot.endswith(b" \n")


def test_members_belong_to_root_alone(tmp_path: Path) -> None:
    file = io.BytesIO()
    outer = OuterTar(file, mtime=MTIME)
    with outer.member("x.tar.gz") as sink:
        sink.write(bytearray(b"data"))
        sink.write(memoryview(b"more"))
    outer.finish(b"{}")
    file.seek(0)
    with tarfile.open(fileobj=file) as found:
        for info in found:
            assert (info.mode, info.uid, info.gid, info.mtime) == (0o600, 0, 0, MTIME)
    assert len(file.getvalue()) % 10_240 == 0


def test_a_manifest_that_fills_its_slot_fits_and_a_longer_one_is_named() -> None:
    outer = OuterTar(io.BytesIO(), mtime=MTIME, slot_bytes=1000)
    outer.finish(b"x" * 1000)
    with pytest.raises(ManifestTooLong, match="1001 bytes and its slot has 1000"):
        outer.finish(b"x" * 1001)


def test_a_member_of_more_than_8_gib_is_read_by_gnu_tar_and_by_us(tmp_path: Path) -> None:
    path, size = tmp_path / "outer.tar", (9 << 30) + 5
    with path.open("x+b") as file:
        outer = OuterTar(file, mtime=MTIME)
        with outer.member("vmail.tar.gz") as sink:
            file.seek(size, io.SEEK_CUR)  # a hole stands for what would take a minute to write
            sink.size_bytes = size
        with outer.member("after") as sink:
            sink.write(b"what comes after")
        outer.finish(b"{}")
    assert path.stat().st_blocks * 512 < 1 << 20
    listed = tar("-tvf", path).decode().splitlines()
    assert f" {size} " in listed[1]
    assert tar("-xOf", path, "after") == b"what comes after"
    with BackupReader(str(path)) as reader:
        assert reader.members["vmail.tar.gz"].size_bytes == size
        assert reader.open_member("after").read() == b"what comes after"


def test_a_member_whose_body_raises_leaves_no_byte() -> None:
    file = io.BytesIO()
    outer = OuterTar(file, mtime=MTIME)
    with outer.member("first") as sink:
        sink.write(b"1" * 700)
    before = file.getvalue()
    with pytest.raises(KeyError), outer.member("second") as sink:
        sink.write(b"2" * 7000)
        raise KeyError
    assert file.getvalue() == before
    with pytest.raises(ValueError, match="still being written"):
        _ = sink.record
    with outer.member("third") as sink:
        sink.write(b"3")
    outer.finish(b"{}")
    file.seek(0)
    with tarfile.open(fileobj=file) as found:
        assert found.getnames() == ["backup_manifest.json", "first", "third"]


@pytest.mark.parametrize("room", range(66_048, 66_048 + 3000, 300))
def test_a_full_disk_surfaces_as_itself_wherever_it_strikes(room: int) -> None:
    file = FullDisk(room)
    outer = OuterTar(file, mtime=MTIME)
    with pytest.raises(OSError, match="No space left") as caught, outer.member("x") as sink:
        for _ in range(10):
            sink.write(b"x" * 300)
    assert caught.value.errno == errno.ENOSPC
    assert len(file.getvalue()) == 512 + SLOT_BYTES


def test_a_rollback_that_fails_does_not_hide_the_first_cause() -> None:
    class Stuck(io.BytesIO):
        def truncate(self, size: int | None = None, /) -> int:
            raise OSError(errno.EIO, "Input/output error")

    outer = OuterTar(Stuck(), mtime=MTIME)
    with pytest.raises(KeyError), outer.member("x"):
        raise KeyError


def test_an_unbuffered_file_that_takes_less_than_it_is_given_gets_all() -> None:
    file = ShortWrites()
    outer = OuterTar(file, mtime=MTIME)
    with outer.member("x") as sink:
        sink.write(bytes(range(256)) * 9)
    outer.finish(b"{}")
    assert tar("-xOf", "-", "x", stdin=file.getvalue()) == bytes(range(256)) * 9


def test_a_patched_and_cut_member_has_the_digest_of_what_lies_there() -> None:
    file = io.BytesIO()
    outer = OuterTar(file, mtime=MTIME)
    with outer.member("x") as sink:
        sink.write(b"0123456789")
        sink.patch(2, b"ab")
        sink.truncate(6)
        sink.write(b"end")
    assert sink.record.sha256 == hashlib.sha256(b"01ab45end").hexdigest()
    outer.finish(b"{}")
    assert tar("-xOf", "-", "x", stdin=file.getvalue()) == b"01ab45end"


@pytest.mark.parametrize(("offset", "data"), [(-1, b"x"), (9, b"xx"), (11, b"")])
def test_what_was_never_written_cannot_be_patched(offset: int, data: bytes) -> None:
    outer = OuterTar(io.BytesIO(), mtime=MTIME)
    with outer.member("x") as sink:
        sink.write(b"0123456789")
        with pytest.raises(ValueError, match="nothing was written"):
            sink.patch(offset, data)
        with pytest.raises(ValueError, match="cannot be cut"):
            sink.truncate(11)


def test_a_disk_that_lost_data_is_noticed_when_reading_back() -> None:
    file = io.BytesIO()
    outer = OuterTar(file, mtime=MTIME)
    with pytest.raises(OSError, match="reads back shorter"), outer.member("x") as sink:
        sink.write(b"0123456789")
        sink.patch(0, b"x")
        sink.size_bytes = 5000


def test_a_name_too_long_for_one_header_is_refused() -> None:
    outer = OuterTar(io.BytesIO(), mtime=MTIME)
    with pytest.raises(ValueError, match="too long a name"), outer.member("n" * 101):
        raise AssertionError
