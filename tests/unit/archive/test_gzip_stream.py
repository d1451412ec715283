from __future__ import annotations

import errno
import gzip
import io
import random
import signal
import threading
import zlib
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.gzip_stream import BLOCK_BYTES, FILES_LEVEL, MOST_THREADS, TEXT_LEVEL, GzipStream
from tests.bench.samples import mail_sample, sql_sample
from tests.unit.archive.judge import FullDisk, gzip_test, gzip_threads

_NOISE = random.Random(7).randbytes(BLOCK_BYTES)
SIZES = st.sampled_from([0, 1, 100, 40_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
CHUNKS = st.one_of(
    st.binary(max_size=300),
    SIZES.map(lambda size: (b"the same line again and again\n" * (size // 30 + 1))[:size]),
    SIZES.map(lambda size: (_NOISE * 4)[:size]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CHUNKS, max_size=6), st.sampled_from([0, 1, 2, 3]), st.sampled_from([1, 2, 3]))
def test_any_chunks_come_back_as_they_went_in(chunks: list[bytes], level: int, threads: int) -> None:
    sink = io.BytesIO()
    with GzipStream(sink, level, threads=threads) as stream:
        for chunk in chunks:
            assert stream.write(chunk) == len(chunk)
    assert gzip.decompress(sink.getvalue()) == b"".join(chunks)
    assert (stream.bytes_in, stream.bytes_out) == (sum(map(len, chunks)), len(sink.getvalue()))
    assert gzip_threads() == []


def test_gzip_finds_it_whole_and_buffers_may_be_reused() -> None:
    sink, buffer = io.BytesIO(), bytearray(1000)
    with GzipStream(sink, TEXT_LEVEL) as stream:
        for number in range(3000):
            buffer[:] = number.to_bytes(2, "big") * 500
            stream.write(memoryview(buffer))
    gzip_test(sink.getvalue())
    assert gzip.decompress(sink.getvalue()) == b"".join(n.to_bytes(2, "big") * 500 for n in range(3000))


def test_a_block_refers_to_what_came_before_it() -> None:
    sink = io.BytesIO()
    noise, blank = _NOISE[:3000], bytes(BLOCK_BYTES - 3000)
    with GzipStream(sink, TEXT_LEVEL) as stream:
        for chunk in (blank, noise, noise, blank):
            stream.write(chunk)
    assert len(noise) < len(sink.getvalue()) < 2 * len(noise)


@pytest.mark.parametrize("room", [0, 5, 10, 100, 300_000, 2_000_000, 3_000_000])
def test_a_full_disk_surfaces_as_itself_and_no_thread_stays(room: int) -> None:
    with pytest.raises(OSError, match="No space left") as caught, GzipStream(FullDisk(room), 1) as stream:
        for _ in range(6):
            stream.write(_NOISE)
    assert caught.value.errno == errno.ENOSPC
    assert gzip_threads() == []


def test_the_last_byte_may_be_the_one_too_many() -> None:
    sink = io.BytesIO()
    with GzipStream(sink, 1) as stream:
        stream.write(b"x")
    with (
        pytest.raises(OSError, match="No space left"),
        GzipStream(FullDisk(len(sink.getvalue()) - 1), 1) as stream,
    ):
        stream.write(b"x")
    assert gzip_threads() == []


def test_after_an_exception_in_the_body_nothing_more_is_written() -> None:
    sink = io.BytesIO()
    with pytest.raises(KeyError), GzipStream(sink, 1, threads=2) as stream:
        for _ in range(8):
            stream.write(_NOISE)
        written = sink.getvalue()
        raise KeyError
    assert sink.getvalue() == written
    assert gzip_threads() == []


def test_an_exception_raised_by_a_signal_leaves_no_thread() -> None:
    class Ended(Exception):
        pass

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    before = signal.signal(signal.SIGALRM, end)
    try:
        for delay in (0.001, 0.005, 0.02, 0.05):
            with pytest.raises(Ended), GzipStream(io.BytesIO(), 3) as stream:
                signal.setitimer(signal.ITIMER_REAL, delay)
                while True:
                    stream.write(_NOISE)
            assert gzip_threads() == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_block_that_cannot_be_deflated_is_an_error_where_it_was_written() -> None:
    with pytest.raises(ValueError, match="level"), GzipStream(io.BytesIO(), 17) as stream:
        stream.write(_NOISE)
    assert gzip_threads() == []


def test_a_machine_out_of_threads_is_an_error_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    started: list[str] = []

    def reluctant(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", reluctant)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        GzipStream(io.BytesIO(), 1, threads=3)
    assert started
    assert gzip_threads() == []


def test_only_the_calling_thread_writes_to_the_sink() -> None:
    class Witness(io.BytesIO):
        def write(self, data: object, /) -> int:
            writers.add(threading.current_thread())
            return super().write(data)  # type: ignore[arg-type]

    writers: set[threading.Thread] = set()
    with GzipStream(Witness(), 1, threads=3) as stream:
        for _ in range(8):
            stream.write(_NOISE)
    assert writers == {threading.current_thread()}


def _ratio(data: bytes, level: int) -> float:
    sink = io.BytesIO()
    with GzipStream(sink, level) as stream:
        stream.write(data)
    return len(sink.getvalue()) / len(gzip.compress(data, 6))


def test_the_levels_stay_close_to_gzip_6() -> None:
    assert _ratio(mail_sample(4 << 20), FILES_LEVEL) < 1.05
    assert _ratio(sql_sample(4 << 20), TEXT_LEVEL) < 1.2


def _packed(data: bytes, level: int, threads: int) -> bytes:
    sink = io.BytesIO()
    with GzipStream(sink, level, threads=threads) as stream:
        stream.write(data)
    return sink.getvalue()


def test_a_run_of_dense_blocks_gets_the_fast_level_and_stays_close_to_gzip_6() -> None:
    attachments = mail_sample(24 << 20)
    assert len(_packed(attachments, 2, 1)) > 1.003 * 4 * len(_packed(attachments[: 6 << 20], 2, 1))
    assert _ratio(attachments, FILES_LEVEL) < 1.05


def test_text_keeps_its_level_however_long_it_is() -> None:
    text = sql_sample(16 << 20)
    assert len(_packed(text, 2, 1)) < 1.003 * 4 * len(_packed(text[: 4 << 20], 2, 1))


def test_the_same_bytes_make_the_same_member_on_any_number_of_cores() -> None:
    mixed = mail_sample(16 << 20) + sql_sample(8 << 20) + _NOISE * 16
    assert len({_packed(mixed, FILES_LEVEL, threads) for threads in (1, 2, 5, MOST_THREADS)}) == 1


def test_the_crc_is_that_of_the_whole() -> None:
    sink = io.BytesIO()
    with GzipStream(sink, 1) as stream:
        stream.write(_NOISE)
        stream.write(_NOISE[:12_345])
    trailer = sink.getvalue()[-8:]
    assert trailer[:4] == zlib.crc32(_NOISE + _NOISE[:12_345]).to_bytes(4, "little")
    assert trailer[4:] == (BLOCK_BYTES + 12_345).to_bytes(4, "little")
