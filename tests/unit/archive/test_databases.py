from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.databases import DatabasesArchive, stored
from hermes_backup_core.archive.outer import OuterTar, header
from tests.unit.archive.judge import FullDisk, gzip_test, gzip_threads, tar

MTIME = 1_780_000_000
NAMES = st.text("abcdefghijklmnopqrstuvwxyzS_", min_size=1, max_size=30)
SIZES = st.sampled_from([0, 1, 511, 512, 513, 10_239, 10_240, 600_000])
DUMPS = st.lists(st.one_of(st.binary(max_size=200), SIZES.map(lambda size: b"-- text\n" * (size // 8))), max_size=4)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, DUMPS, max_size=4))
def test_gzip_gnu_tar_and_python_all_read_it(dumps: dict[str, list[bytes]]) -> None:
    file = io.BytesIO()
    outer = OuterTar(file, mtime=MTIME)
    with outer.member("databases.tar.gz") as sink, DatabasesArchive(sink, mtime=MTIME) as archive:
        for database, chunks in dumps.items():
            with archive.dump(database) as stream:
                for chunk in chunks:
                    stream.write(chunk)
    outer.finish(b"{}")
    data = tar("-xOf", "-", "databases.tar.gz", stdin=file.getvalue())
    wanted = {f"./{database}.sql": b"".join(chunks) for database, chunks in dumps.items()}

    assert sink.record.sha256 == hashlib.sha256(data).hexdigest()
    assert archive.entries == len(dumps)
    assert archive.content_bytes == sum(map(len, wanted.values()))
    gzip_test(data)
    assert tar("-tzf", "-", stdin=data).decode().split() == list(wanted)
    with tempfile.TemporaryDirectory() as folder:
        tar("-C", folder, "-xzf", "-", stdin=data)
        assert {f"./{path.name}": path.read_bytes() for path in Path(folder).iterdir()} == wanted
        assert {path.stat().st_mode & 0o777 for path in Path(folder).iterdir()} <= {0o600}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as found:
        assert found.getnames() == list(wanted)
    assert len(gzip.decompress(data)) % 10_240 == 0


def test_a_dump_that_fails_leaves_nothing_and_can_be_tried_again() -> None:
    outer = OuterTar(file := io.BytesIO(), mtime=MTIME)
    with outer.member("databases.tar.gz") as sink, DatabasesArchive(sink, mtime=MTIME) as archive:
        with archive.dump("hermes") as stream:
            stream.write(b"whole\n")
        size = sink.size_bytes
        for _ in range(2):
            with pytest.raises(KeyError), archive.dump("nextcloud") as stream:
                stream.write(b"half" * 400_000)
                raise KeyError
            assert sink.size_bytes == size
        with archive.dump("nextcloud") as stream:
            stream.write(b"whole at last\n")
    outer.finish(b"{}")
    data = tar("-xOf", "-", "databases.tar.gz", stdin=file.getvalue())
    assert tar("-xzOf", "-", "./nextcloud.sql", stdin=data) == b"whole at last\n"
    assert tar("-xzOf", "-", "./hermes.sql", stdin=data) == b"whole\n"
    assert tar("-tzf", "-", stdin=data) == b"./hermes.sql\n./nextcloud.sql\n"
    assert gzip_threads() == []


@pytest.mark.parametrize("room", range(66_560, 66_560 + 2500, 100))
def test_a_full_disk_surfaces_wherever_it_strikes_and_the_member_is_gone(room: int) -> None:
    outer = OuterTar(file := FullDisk(room), mtime=MTIME)
    noise = hashlib.shake_128(b"seed").digest(3000)
    with (
        pytest.raises(OSError, match="No space left"),
        outer.member("databases.tar.gz") as sink,
        DatabasesArchive(sink, mtime=MTIME) as archive,
        archive.dump("hermes") as stream,
    ):
        stream.write(noise)
    assert len(file.getvalue()) == 66_048
    assert gzip_threads() == []


def test_a_header_can_be_patched_since_its_length_never_changes() -> None:
    small = stored(header("./Syslog.sql", 0, MTIME))
    large = stored(header("./Syslog.sql", 9 << 30, MTIME))
    assert len(small) == len(large) == 512 + 23
    gzip_test(large)
    info = tarfile.TarInfo.frombuf(gzip.decompress(large), "utf-8", "strict")
    assert (info.name, info.size) == ("./Syslog.sql", 9 << 30)
