from __future__ import annotations

import hashlib
import io

import pytest

from hermes_backup_core.archive.watched import WatchedFile

DATA = bytes(range(256)) * 20


@pytest.mark.parametrize("read", [0, 1, 1000, len(DATA), None])
def test_the_digest_is_that_of_the_whole_file_however_little_of_it_was_read(read: int | None) -> None:
    seen: list[int] = []
    watched = WatchedFile(io.BytesIO(DATA), seen.append)
    file = io.BufferedReader(watched, 512)
    assert file.read(read) == DATA[:read]
    assert file.tell() == (len(DATA) if read is None else read)
    assert watched.sha256() == hashlib.sha256(DATA).hexdigest()
    assert watched.sha256() == hashlib.sha256(DATA).hexdigest()
    assert sum(seen) == len(DATA)


def test_what_the_watcher_raises_comes_through() -> None:
    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        io.BufferedReader(WatchedFile(io.BytesIO(DATA), stop)).read()
