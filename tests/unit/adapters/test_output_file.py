"""The output file is a plain file to whoever writes it, and on its way to the disk meanwhile."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hermes_backup_core.adapters import output_file
from hermes_backup_core.adapters.output_file import opened


def test_it_is_made_for_this_user_alone_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.partial"
    with opened(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        opened(str(path))


def test_what_is_written_patched_and_read_back_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_file, "_FLUSH_EVERY", 1000)
    pieces = [os.urandom(size) for size in (999, 1, 5000, 0, 30)]
    path = tmp_path / "b.tar.partial"
    with opened(str(path)) as file:
        assert [file.write(piece) for piece in pieces] == [len(piece) for piece in pieces]
        file.seek(10)
        file.write(b"patched")
        file.seek(0)
        expected = b"".join(pieces)
        expected = expected[:10] + b"patched" + expected[17:]
        assert file.read() == expected
    assert path.read_bytes() == expected


def test_each_stretch_is_handed_to_the_kernel_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(output_file, "_FLUSH_EVERY", 1000)
    monkeypatch.setattr(output_file, "_start_writing", lambda _, offset, length: begun.append((offset, length)))
    with opened(str(tmp_path / "f")) as file:
        for size in (600, 600, 100, 2000):
            file.write(bytes(size))
    assert begun == [(0, 1200), (1200, 2100)]


def test_a_kernel_that_has_no_such_call_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_file, "_FLUSH_EVERY", 1)
    monkeypatch.setattr(output_file, "_LIBC", object())
    with opened(str(tmp_path / "f")) as file:
        assert file.write(b"12") == 2
