from __future__ import annotations

import io
import itertools
import os
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.tar_stream import TarMeter, TarStreamError, end_marker, pax_records
from tests.unit.archive.judge import tar

FORMATS: st.SearchStrategy[Literal[0, 1, 2]] = st.sampled_from(
    [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]
)
SIZES = st.sampled_from([0, 1, 511, 512, 513, 5000])
NAMES = st.text("abö size=\n", min_size=1, max_size=200)


def archive(files: Iterable[tuple[str, int]], kind: Literal[0, 1, 2] = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as made:
        for name, size in files:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = size, 1.5 if kind == tarfile.PAX_FORMAT else 1
            made.addfile(info, io.BytesIO(b"\0" * size))
    return out.getvalue()


def split(data: bytes, cuts: Sequence[int]) -> Iterable[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[start:end] for start, end in itertools.pairwise(edges))


def body(meter: TarMeter, chunks: Iterable[bytes]) -> bytes:
    return b"".join(piece for chunk in chunks for piece in meter.feed(chunk))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAMES, SIZES), max_size=6), FORMATS, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_the_end_is_found_however_the_stream_is_cut(
    files: list[tuple[str, int]], kind: Literal[0, 1, 2], cuts: list[int]
) -> None:
    files = [(name[:40] if kind == tarfile.USTAR_FORMAT else name, size) for name, size in files]
    data = archive(files, kind)
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        last = max((info.offset_data + -(-info.size // 512) * 512 for info in found), default=0)
    meter = TarMeter()
    assert body(meter, split(data, cuts)) == data[:last]
    assert meter.ended
    assert (meter.entries, meter.content_bytes) == (len(files), sum(size for _, size in files))
    assert meter.body_bytes == last


def test_streams_joined_without_their_end_markers_are_one_archive() -> None:
    meters = [TarMeter(), TarMeter()]
    joined = body(meters[0], [archive([("a", 600), ("b", 3)])]) + body(meters[1], [archive([("c", 7)])])
    joined += end_marker(len(joined))
    assert tar("-tf", "-", stdin=joined) == b"a\nb\nc\n"
    assert len(joined) % 10_240 == 0


def test_sparse_files_of_gnu_tar_are_followed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Path(folder, "holes").open("wb") as file:
            for at in range(40):
                file.seek(at << 20)
                file.write(b"data")
            file.truncate(100 << 20)
        Path(folder, "plain").write_bytes(b"x" * 700)
        data = tar("-C", folder, "--format=posix", "--sparse", "-cf", "-", "holes", "plain")
    assert len(data) < 1 << 20
    meter = TarMeter()
    pieces = body(meter, split(data, range(0, len(data), 333)))
    assert (meter.ended, meter.entries) == (True, 2)
    assert meter.content_bytes < 1 << 20
    assert tar("-tf", "-", stdin=pieces + end_marker(len(pieces))) == b"holes\nplain\n"


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_sizes_over_8_gib_are_read_in_base_256_and_from_pax(kind: Literal[1, 2]) -> None:
    size, chunk = (9 << 30) + 5, bytes(64 << 20)
    info = tarfile.TarInfo("large")
    info.size = size
    meter = TarMeter()
    assert body(meter, [info.tobuf(kind)])
    left = size + -size % 512
    while left:
        step = min(left, len(chunk))
        assert sum(map(len, meter.feed(chunk if step == len(chunk) else chunk[:step]))) == step
        left -= step
    assert not meter.ended
    assert body(meter, [archive([("after", 3)])]).count(b"after") >= 1
    assert (meter.ended, meter.entries, meter.content_bytes) == (True, 2, size + 3)


def test_a_size_in_a_global_header_holds_until_the_file_has_its_own() -> None:
    record = b"12 size=700\n"
    info = tarfile.TarInfo("pax_global_header")
    info.type, info.size = tarfile.XGLTYPE, len(record)
    stream = info.tobuf(tarfile.USTAR_FORMAT) + record + bytes(512 - len(record))
    entry = tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT) + bytes(1024)
    meter = TarMeter()
    assert body(meter, [stream, entry, bytes(1024)]) == stream + entry
    assert (meter.ended, meter.content_bytes) == (True, 700)


def test_a_name_that_looks_like_a_size_is_a_name() -> None:
    data = archive([("ö 13 size=700\n13 size=700\n", 3)])
    meter = TarMeter()
    body(meter, [data])
    assert (meter.ended, meter.entries, meter.content_bytes) == (True, 1, 3)


def test_long_names_of_the_old_gnu_kind_are_no_entries() -> None:
    meter = TarMeter()
    body(meter, [archive([("n" * 200, 3)], tarfile.GNU_FORMAT)])
    assert (meter.ended, meter.entries, meter.content_bytes) == (True, 1, 3)


def test_links_and_folders_have_no_data() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a").write_bytes(b"x" * 1000)
        os.link(Path(folder, "a"), Path(folder, "b"))
        Path(folder, "c").symlink_to("a")
        os.mkfifo(Path(folder, "d"))
        meter = TarMeter()
        body(meter, [tar("-C", folder, "-cf", "-", ".")])
    assert (meter.ended, meter.entries, meter.content_bytes) == (True, 5, 1000)


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"no tar at all" * 100, "out of step"),
        (archive([("a", 0)])[-9000:-8000] + b"x" * 512, "out of step"),
        (
            archive([("a", 0)], tarfile.USTAR_FORMAT)[:124] + b"12zz\0" + archive([("a", 0)])[129:600],
            "damaged",
        ),
    ],
)
def test_what_is_no_tar_stream_is_refused(stream: bytes, reason: str) -> None:
    if reason == "out of step" and stream.startswith(b"\0"):
        stream = stream.lstrip(b"\0") + bytes(512)
    with pytest.raises(TarStreamError, match=reason):
        body(TarMeter(), [stream])


@pytest.mark.parametrize("records", [b"12 size=1", b"size=1\n", b"9 nothing", b"8 size=1\n9"])
def test_damaged_extended_headers_are_refused(records: bytes) -> None:
    with pytest.raises(TarStreamError, match="damaged"):
        list(pax_records(records))


def test_an_absurd_extended_header_is_refused() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    with pytest.raises(TarStreamError, match="extended header of 1073741824 bytes"):
        body(TarMeter(), [info.tobuf(tarfile.USTAR_FORMAT)])


def test_old_gnu_sparse_files_are_refused() -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(TarStreamError, match="old GNU kind"):
        body(TarMeter(), [info.tobuf(tarfile.USTAR_FORMAT)])


def test_nothing_is_taken_for_the_archive_behind_its_end() -> None:
    meter = TarMeter()
    first = body(meter, [archive([("a", 1)])])
    assert body(meter, [b"anything", first]) == b""
