"""gzip data read to its last byte: gzip itself is the judge of what is whole."""

from __future__ import annotations

import errno
import gzip
import io
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.databases import stored
from hermes_backup_core.archive.gunzip import GarbledGzip, inflated
from hermes_backup_core.archive.gzip_stream import GzipStream

TEXT = b"".join(b"line %d\n" % number for number in range(3000))
MEMBER = gzip.compress(TEXT, mtime=0)


def content(data: bytes, chunk_bytes: int = 1 << 20) -> bytes:
    return b"".join(inflated(io.BytesIO(data), chunk_bytes))


def gzip_finds_it_whole(data: bytes) -> bool:
    return subprocess.run(["gzip", "-t"], input=data, capture_output=True, check=False).returncode == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(max_size=3000), min_size=1, max_size=5),
    st.sampled_from([gzip.compress, stored]),
    st.integers(1, 5000),
)
def test_members_in_a_row_are_one_text_however_it_is_read(
    texts: list[bytes], pack: type[bytes], chunk_bytes: int
) -> None:
    assert content(b"".join(map(pack, texts)), chunk_bytes) == b"".join(texts)


def test_what_this_program_writes_is_read_back() -> None:
    out = io.BytesIO()
    with GzipStream(out, 2) as stream:
        stream.write(TEXT * 50)
    chunks = list(inflated(io.BytesIO(out.getvalue())))
    assert b"".join(chunks) == TEXT * 50
    assert max(map(len, chunks)) <= 1 << 20


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2 * len(MEMBER) - 1).filter(lambda end: end != len(MEMBER)))
def test_data_that_breaks_off_anywhere_is_noticed(end: int) -> None:
    with pytest.raises(GarbledGzip):
        content((MEMBER + MEMBER)[:end])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(MEMBER) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_noticed_wherever_gzip_notices_it(at: int, bit: int) -> None:
    data = bytearray(MEMBER)
    data[at] ^= 1 << bit
    try:
        assert content(bytes(data)) == TEXT
    except GarbledGzip:
        assert not gzip_finds_it_whole(bytes(data))


@pytest.mark.parametrize("zeros", [1, 2, 511, 100_000])
def test_zeros_behind_the_end_are_none_of_its_content(zeros: int) -> None:
    assert content(MEMBER + bytes(zeros)) == TEXT


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"no gzip at all, but text", "Not a gzipped file"),
        (MEMBER[:2] + b"\7" + MEMBER[3:], "compression method"),
        (MEMBER[:10] + b"\6" + MEMBER[11:], "Invalid deflate block"),
        (MEMBER[:-8] + b"1234" + MEMBER[-4:], "CRC"),
        (MEMBER[:-4] + b"1234", "length"),
        (MEMBER[:-1], "breaks off"),
        (MEMBER + b"x", "breaks off"),
        (MEMBER + b"garbage that is long enough", "Not a gzipped file"),
        (MEMBER + bytes(9) + b"garbage that is long enough", "Not a gzipped file"),
        (MEMBER + MEMBER[:-9], "breaks off"),
    ],
)
def test_whatever_is_wrong_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(GarbledGzip, match=reason):
        content(data)


def test_what_came_before_the_damage_has_come_out() -> None:
    chunks = inflated(io.BytesIO(MEMBER + MEMBER[:-9]), 1000)
    got = b""
    with pytest.raises(GarbledGzip, match=r"^the gzip data is damaged \(it breaks off\): copy the backup here again"):
        for chunk in chunks:
            got += chunk
    assert got.startswith(TEXT)


def test_a_disk_that_fails_is_no_damage_of_the_backup() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        def readinto(self, buffer: object, /) -> int:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        list(inflated(Failing(MEMBER)))
