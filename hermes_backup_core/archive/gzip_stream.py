"""gzip on all cores, in one stream and in order."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, final

from attrs import frozen
from isal import isal_zlib

# Chosen with `python -m tests.bench levels`: size as a multiple of what `gzip -6` makes, and speed on one core.
#   level   mail with attachments   mail in words   SQL text   shared libraries
#   0       1.34   395 MB/s         1.23            1.25       1.29
#   1       1.03   370 MB/s         1.08            1.10       1.14
#   2       1.01   310 MB/s         1.05            1.07       1.13
#   3       1.01   180 MB/s         1.03            1.06       1.11
FILES_LEVEL = 2
"""For tiers: the fastest level that stays within 5 % of ``gzip -6`` on mail."""
TEXT_LEVEL = 2
"""For dumps and LDIF: the database server is slower than any level, and 2 beats 1 on text."""

DENSE_LEVEL = 1
"""For what hardly shrinks, such as attachments in base64: a higher level gains next to nothing there."""
DENSE_RATIO = 0.62
"""What a block must at least keep of its size to be dense: mail in words keeps 0.5, base64 0.76."""

BLOCK_BYTES = 1 << 20  # half of it costs 4 % of the time, for dictionaries; twice as much is hardly faster
MOST_THREADS = 8  # one tar cannot feed more, and each holds some MB
_SPARE_BLOCKS = 4  # enough that no core waits while tar or the disk stumbles
_WINDOW_BYTES = 32 << 10  # how far back deflate can refer (RFC 1951)
_MANY_CHUNKS = 32

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time, unknown system (RFC 1952)
_LAST_BLOCK = b"\x03\x00"  # an empty final block

Data = bytes | bytearray | memoryview


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take all of ``data``, or raise."""
        ...


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


@final
class GzipStream:
    """Compress what is written into one gzip member, on all cores.

    Blocks are deflated by a few threads, each with the end of the block before as its dictionary, and
    joined in order. ``level`` is for what shrinks well: a block gets `DENSE_LEVEL` where one some way before
    it did not. The same bytes make the same member on however many cores.

    The calling thread alone writes to the sink, so an error there surfaces from `write` or `close` as
    itself. As a context manager it finishes the member, or after an exception only stops: then no further
    byte goes to the sink. No thread is left in either case.
    """

    def __init__(self, sink: ByteSink, level: int, *, threads: int | None = None) -> None:
        threads = threads or min(usable_cores(), MOST_THREADS)
        self._sink = sink
        self._level = level
        self._deflaters = _Deflaters(threads)
        self._most_in_flight = min(threads, MOST_THREADS) + _SPARE_BLOCKS
        self._in_flight: deque[Future[_Deflated]] = deque()
        # Of blocks that have been emitted by then on any number of cores.
        self._dense: deque[bool] = deque([False] * (MOST_THREADS + _SPARE_BLOCKS))
        self._chunks: list[memoryview] = []
        self._pending = 0
        self._window = b""
        self._crc = 0
        self.bytes_in = 0
        self.bytes_out = 0
        try:
            self._emit(_HEADER)
        except BaseException:
            self.stop()
            raise

    def write(self, data: Data, /) -> int:
        """Take all of ``data``; waits while the cores are behind. Returns its length."""
        chunk = memoryview(data if isinstance(data, bytes) else bytes(data))
        for start in range(0, len(chunk), BLOCK_BYTES):
            self._take(chunk[start : start + BLOCK_BYTES])
        return len(chunk)

    def close(self) -> None:
        """Finish the member and stop the threads."""
        try:
            self._submit()
            while self._in_flight:
                self._emit_oldest()
            trailer = self._crc.to_bytes(4, "little") + (self.bytes_in & 0xFFFFFFFF).to_bytes(4, "little")
            self._emit(_LAST_BLOCK + trailer)
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop the threads and write nothing more; the member stays as it is."""
        self._deflaters.stop()
        self._in_flight.clear()
        self._chunks.clear()

    def __enter__(self) -> GzipStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.stop()

    def _take(self, chunk: memoryview) -> None:
        self._chunks.append(chunk)
        self._pending += len(chunk)
        self.bytes_in += len(chunk)
        if self._pending >= BLOCK_BYTES:
            self._submit()

    def _submit(self) -> None:
        if not self._pending:
            return
        while len(self._in_flight) >= self._most_in_flight:
            self._emit_oldest()
        chunks, self._chunks, self._pending = self._chunks, [], 0
        level = min(self._level, DENSE_LEVEL) if self._dense.popleft() else self._level
        self._in_flight.append(self._deflaters.submit(_Block(chunks, self._window, level)))
        self._window = _end_of(chunks, self._window)

    def _emit_oldest(self) -> None:
        block = self._in_flight.popleft().result()
        self._crc = isal_zlib.crc32_combine(self._crc, block.crc, block.size)
        self._dense.append(len(block.data) > DENSE_RATIO * block.size)
        self._emit(block.data)

    def _emit(self, data: bytes) -> None:
        self._sink.write(data)
        self.bytes_out += len(data)


@frozen
class _Block:
    """What one thread deflates at a time: chunks in a row, and what comes right before them."""

    chunks: Sequence[Data]
    window: bytes
    level: int

    def deflate(self) -> _Deflated:
        chunks = self.chunks if len(self.chunks) <= _MANY_CHUNKS else [b"".join(self.chunks)]
        deflater = isal_zlib.compressobj(self.level, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS, zdict=self.window)
        pieces, crc = [], 0
        for chunk in chunks:
            pieces.append(deflater.compress(chunk))
            crc = isal_zlib.crc32(chunk, crc)
        pieces.append(deflater.flush(isal_zlib.Z_SYNC_FLUSH))
        return _Deflated(b"".join(pieces), crc, sum(map(len, chunks)))


@frozen
class _Deflated:
    """A block as deflate data that ends on a whole byte, with the CRC and the size of what it holds."""

    data: bytes
    crc: int
    size: int


class _Deflaters:
    """Threads that deflate blocks. (An executor may lose a thread that a signal's exception strikes.)"""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[tuple[_Block, Future[_Deflated]] | None] = SimpleQueue()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"gzip-{number}", daemon=True) for number in range(count)
        ]
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:
            self.stop()
            raise

    def submit(self, block: _Block) -> Future[_Deflated]:
        future: Future[_Deflated] = Future()
        self._jobs.put((block, future))
        return future

    def stop(self) -> None:
        """End the threads; blocks that none has begun are dropped."""
        self._stopped = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            with contextlib.suppress(RuntimeError):  # it was never started
                thread.join()

    def _work(self) -> None:
        while job := self._jobs.get():
            if self._stopped:
                continue
            block, future = job
            try:
                future.set_result(block.deflate())
            except BaseException as err:  # noqa: BLE001 - raised again where the result is asked for
                future.set_exception(err)


def _end_of(chunks: Sequence[Data], before: bytes) -> bytes:
    """Return the last bytes of `before` and `chunks`, as many as deflate can refer to."""
    end = b""
    for chunk in reversed([before, *chunks]):
        if len(end) < _WINDOW_BYTES:
            end = bytes(chunk[-(_WINDOW_BYTES - len(end)) :]) + end
    return end
