"""Long steps, as they are told."""

from __future__ import annotations

import io
import re
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest

from hermes_backup_core.cli.log import Log
from hermes_backup_core.cli.progress import ProgressLog


class Listening(io.StringIO):
    """A stream that tells when something was written to it."""

    def __init__(self, terminal: bool = False) -> None:
        super().__init__()
        self.terminal = terminal
        self.count = 0
        self.written = threading.Condition()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str, /) -> int:
        with self.written:
            self.count += 1
            self.written.notify_all()
            return super().write(text)

    def later(self) -> str:
        """Return what was written last, when that was begun after this call."""
        with self.written:
            enough = self.count + 4
            self.written.wait_for(lambda: self.count >= enough)
            return self.getvalue().splitlines()[-1]


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_a_long_step_says_every_so_often_how_far_it_is() -> None:
    out = Listening()
    reporter = ProgressLog(Log(out, io.StringIO(), now), every=0.01)
    with reporter.progress("vmail.tar.gz", 4 << 20) as advance:
        assert re.search(r"\] vmail\.tar\.gz: under way for [\d.]+s$", out.later())
        advance(1 << 20)
        told = r"vmail\.tar\.gz: 1\.0 MiB of 4\.0 MiB \(25 %\), [\d.]+ \w+/s, [\d.]+s left$"
        assert re.search(told, out.later())
        # The tier has grown, or nobody knew its size: then there is nothing to say about the rest.
        advance(5 << 20)
        assert re.search(r"vmail\.tar\.gz: 5\.0 MiB in [\d.]+s, [\d.]+ \w+/s$", out.later())
    assert "progress" not in [thread.name for thread in threading.enumerate()]


def test_a_step_of_unknown_size_tells_bytes_and_rate() -> None:
    out = Listening()
    with ProgressLog(Log(out, io.StringIO(), now), every=0.01).progress("dump of hermes", None) as advance:
        advance(2048)
        assert re.search(r"dump of hermes: 2\.0 KiB in [\d.]+s, [\d.]+ \w+/s$", out.later())


def test_a_short_step_says_nothing() -> None:
    out = Listening()
    with ProgressLog(Log(out, io.StringIO(), now)).progress("a", 1) as advance:
        advance(1)
    assert out.getvalue() == ""


def test_the_thread_ends_when_the_step_fails() -> None:
    out = Listening()
    with pytest.raises(ZeroDivisionError), ProgressLog(Log(out, io.StringIO(), now), every=0.01).progress("a", 1):
        raise ZeroDivisionError
    assert "progress" not in [thread.name for thread in threading.enumerate()]


def test_on_a_terminal_there_is_one_live_line_and_the_log_file_gets_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Listening(terminal=True)
    log = Log(out, io.StringIO(), now)
    log.open_file(str(tmp_path), "a.log")
    reporter = ProgressLog(log, every=0.01)
    with reporter.progress("vmail.tar.gz", 4096) as advance:
        advance(1024)
        assert "vmail.tar.gz: 1.0 KiB of 4.0 KiB (25 %)" in out.later()
    log.end()
    kept = (tmp_path / "a.log").read_text()
    assert re.search(r"^\[[-\d]+ [:\d]+\] vmail\.tar\.gz: 1\.0 KiB of 4\.0 KiB", kept, re.MULTILINE)
    assert "\x1b" not in kept
    # A stamped line of the kind that other outputs get is not on the screen.
    assert "] vmail.tar.gz" not in out.getvalue()


def test_facts_go_straight_through() -> None:
    out = Listening()
    log = Log(out, io.StringIO(), now)
    reporter = ProgressLog(log)
    reporter.section("Checks")
    reporter.info("one")
    reporter.warn("two")
    lines = out.getvalue().splitlines()
    assert (lines[0], lines[1][22:], lines[2][22:]) == ("== Checks ==", "one", "WARN: two")
    assert log.warnings == ["two"]
