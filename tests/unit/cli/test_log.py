"""What a run says, where it goes, and that nothing which refuses it ends the run."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from attrs import define, field

from hermes_backup_core.cli.log import Log, open_closed_streams

NOW = datetime(2026, 6, 1, 10, 30, tzinfo=timezone.utc)
STAMP = f"[{NOW.astimezone():%Y-%m-%d %H:%M:%S}]"


class Screen(io.StringIO):
    """A terminal, as far as whoever writes to it can tell."""

    def isatty(self) -> bool:
        return True


class Refusing(io.StringIO):
    """A stream behind which nobody reads any more."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@define
class Watched:
    """A log and what it writes to."""

    out: io.StringIO = field(factory=io.StringIO)
    err: io.StringIO = field(factory=io.StringIO)
    log: Log = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.log = Log(self.out, self.err, lambda: NOW)


@pytest.fixture
def seen() -> Iterator[Watched]:
    """A log whose file is closed afterwards."""
    watched = Watched()
    yield watched
    watched.log.end()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_lines_have_stamps_marks_and_sections_have_none() -> None:
    seen = Watched()
    seen.log.section("Checks")
    seen.log.info("one\ntwo")
    seen.log.info("")
    seen.log.warn("three")
    seen.log.error("four\nfive")
    assert seen.out.getvalue().splitlines() == [
        "== Checks ==",
        f"{STAMP} one",
        f"{STAMP} two",
        f"{STAMP} ",
        f"{STAMP} WARN: three",
        f"{STAMP} ERROR: four",
        f"{STAMP} ERROR: five",
    ]
    assert seen.err.getvalue() == "ERROR: four\nERROR: five\n"
    assert seen.log.warnings == ["three"]


def test_a_terminal_has_colour_and_one_terminal_gets_an_error_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = Watched(Screen(), Screen())
    seen.log.error("[red]literal[/red] :smile: " + "x" * 300)
    assert seen.out.getvalue().startswith("\x1b[31m")
    # Neither markup nor emoji, and no line break that was not there.
    assert f"ERROR: [red]literal[/red] :smile: {'x' * 300}" in seen.out.getvalue()
    assert seen.err.getvalue() == ""
    seen = Watched(Screen())
    seen.log.error("elsewhere")
    assert seen.err.getvalue() == "ERROR: elsewhere\n"


def test_the_file_has_what_was_said_before_it_was_opened(tmp_path: Path, seen: Watched) -> None:
    seen.log.section("Checks")
    seen.log.open_file(str(tmp_path), "a.log")
    seen.log.info("caf\udce9")
    seen.log.only_file("half\ndone")
    path = tmp_path / "a.log"
    assert seen.log.path == str(path)
    lines = ["== Checks ==", f"{STAMP} caf\\udce9", f"{STAMP} half", f"{STAMP} done"]
    assert path.read_text().splitlines() == lines
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "half" not in seen.out.getvalue()
    assert len(seen.log.tail) == len(lines)


@pytest.mark.parametrize("obstacle", ["taken", "link", "missing"])
def test_where_the_file_cannot_be_made_it_lies_in_the_temporary_folder(
    tmp_path: Path, temporary: Path, obstacle: str, seen: Watched
) -> None:
    folder = tmp_path / "missing" if obstacle == "missing" else tmp_path
    if obstacle == "taken":
        (tmp_path / "a-b.log").write_text("mine")
    if obstacle == "link":
        (tmp_path / "a-b.log").symlink_to(tmp_path / "elsewhere")
    seen.log.open_file(str(folder), "a-b.log")
    (path,) = temporary.iterdir()
    assert path.name.startswith("a-b.")
    assert path.suffix == ".log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"WARN: no log can be written to {folder} (" in path.read_text()
    assert f"it is {path}" in seen.out.getvalue()
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_is_there_is_extended_where_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for text in ("one", "two"):
        if path.exists():
            path.chmod(0o644)
        seen = Watched()
        seen.log.info(text)
        seen.log.open_file(str(tmp_path), "a.log", append=True)
        seen.log.end()
    assert path.read_text() == f"{STAMP} one\n{STAMP} two\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["link", "pipe", "second name", "somebody's", "folder"])
def test_what_is_no_file_of_our_own_is_never_extended(
    tmp_path: Path, temporary: Path, kind: str, seen: Watched
) -> None:
    path, other = tmp_path / "a.log", tmp_path / "other"
    other.write_text("mine")
    match kind:
        case "link":
            path.symlink_to(other)
        case "pipe":
            os.mkfifo(path)
        case "second name":
            path.hardlink_to(other)
        case "folder":
            path.mkdir()
        case _:
            path.write_text("mine")
            os.chown(path, 65534, 65534)
    seen.log.open_file(str(tmp_path), "a.log", append=True)
    assert seen.log.path.startswith(str(temporary))
    assert other.read_text() == "mine"
    assert seen.log.warnings


def test_a_file_is_renamed_where_it_lies_but_never_over_another(tmp_path: Path, seen: Watched) -> None:
    seen.log.rename_file("none.log")
    seen.log.open_file(str(tmp_path), "a.log")
    seen.log.rename_file("b.log")
    seen.log.info("more")
    assert seen.log.path == str(tmp_path / "b.log")
    assert "more" in (tmp_path / "b.log").read_text()
    (tmp_path / "c.log").write_text("mine")
    seen.log.rename_file("c.log")
    assert seen.log.path == str(tmp_path / "b.log")
    assert (tmp_path / "c.log").read_text() == "mine"


def test_the_mail_gets_the_last_fifty_lines() -> None:
    seen = Watched()
    for number in range(60):
        seen.log.info(str(number))
    assert list(seen.log.tail) == [f"{STAMP} {number}" for number in range(10, 60)]


def test_a_screen_that_takes_no_more_ends_nothing(tmp_path: Path) -> None:
    seen = Watched(Refusing(), Refusing())
    seen.log.open_file(str(tmp_path), "a.log")
    seen.log.error("told all the same")
    seen.log.end()
    assert "told all the same" in (tmp_path / "a.log").read_text()


def test_a_disk_that_is_full_ends_nothing(tmp_path: Path, seen: Watched) -> None:
    seen.log.info("early")
    seen.log.open_file(str(tmp_path), "a.log")
    full = os.open("/dev/full", os.O_WRONLY)
    assert seen.log._file is not None
    os.dup2(full, seen.log._file.fileno())
    os.close(full)
    seen.log.info("late")
    assert "late" in seen.out.getvalue()
    assert (tmp_path / "a.log").read_text() == f"{STAMP} early\n"


def test_what_the_screen_never_took_is_dropped_at_the_end() -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        log = Log(full, full, lambda: NOW)
        full.write("not flushed yet")
        log.end()
        full.flush()
        log.end()


def test_a_stream_without_a_file_is_let_go_as_well() -> None:
    closed = io.StringIO()
    log = Log(closed, io.StringIO(), lambda: NOW)
    closed.close()
    log.info("nobody reads this")
    log.end()


@pytest.fixture
def streams() -> Iterator[None]:
    """The standard streams are as before, whatever becomes of them."""
    before = sys.stdin, sys.stdout, sys.stderr
    yield
    sys.stdin, sys.stdout, sys.stderr = before


def test_streams_that_the_caller_closed_lead_to_nowhere(streams: None, monkeypatch: pytest.MonkeyPatch) -> None:
    here = sys.stderr
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, None)
    open_closed_streams()
    assert sys.stdin.read() == ""
    assert not sys.stdin.isatty()
    sys.stdout.write("gone")
    assert sys.stderr is here
    sys.stdin.close()
    sys.stdout.close()
