"""The question before a run, and what a terminal gets to see."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.fake_host import FakeHost, at_terminal


def asking(host: FakeHost) -> tuple[str, ...]:
    return ("-P", str(host.output), "-B", "vmail")


def test_yes_makes_the_backup(host: FakeHost) -> None:
    with at_terminal(host, *asking(host)) as terminal:
        terminal.wait_for("Go on? [y/N] ")
        assert host.made(".partial") == []
        terminal.type("y\n")
        assert terminal.end() == 0
    assert len(host.made(".tar")) == 1
    # The plan stands before the question, and whatever is done after it.
    assert terminal.text.index("== Plan ==") < terminal.text.index("Go on?") < terminal.text.index("== Backup ==")


@pytest.mark.parametrize("answer", ["n\n", "\n", "nonsense\n", "\x04"], ids=["n", "enter", "nonsense", "end of input"])
def test_any_other_answer_is_a_no_and_nothing_is_done(host: FakeHost, answer: str) -> None:
    with at_terminal(host, *asking(host), "--notify-email=a@example.com") as terminal:
        terminal.wait_for("Go on? [y/N] ")
        terminal.type(answer)
        assert terminal.end() == 0
    assert "nothing was done" in terminal.text
    assert host.made(".tar") == host.made(".partial") == []
    assert host.engine.hermes.mails == []


def test_ctrl_c_at_the_question_ends_the_run(host: FakeHost) -> None:
    with at_terminal(host, *asking(host)) as terminal:
        terminal.wait_for("Go on? [y/N] ")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "ended by SIGINT" in terminal.text
    assert host.made(".tar") == []


def test_ctrl_c_while_a_program_works_reaches_the_script_alone_which_cleans_up(host: FakeHost) -> None:
    gate = host.engine.hold("--directory=")
    with at_terminal(host, *asking(host), "-y") as terminal:
        terminal.running.reach(gate)
        terminal.type("\x03")
        assert terminal.end() == 130
    assert host.made(".tar") == host.made(".partial") == []
    assert host.processes() == []


def test_without_a_terminal_and_without_yes_it_is_an_error_and_the_mail_goes_out(host: FakeHost) -> None:
    done = host.run(*asking(host), "--notify-email=a@example.com")
    assert done.code == 1
    assert "ERROR: there is no terminal to ask at: add --yes to run unattended" in done.err
    assert host.made(".tar") == []
    (mail,) = host.engine.hermes.mails
    assert b"Reason:    there is no terminal to ask at" in mail


def test_an_answer_on_a_pipe_is_none(host: FakeHost) -> None:
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as yes:
        done = host.run(*asking(host), stdin=yes.stdout)
        yes.kill()
    assert done.code == 1
    assert host.made(".tar") == []


def test_a_terminal_gets_colour_a_live_line_and_each_error_once(host: FakeHost) -> None:
    gate = host.engine.hold("--directory=")
    host.engine.fail("--directory=", says="tar: disk is broken", code=2)
    with at_terminal(host, *asking(host), "-y") as terminal:
        terminal.wait_for("vmail.tar.gz: under way for ")
        gate.open()
        assert terminal.end() == 1
    assert "\x1b[31m" in terminal.screen
    assert terminal.text.count("ERROR: ") == 1
    # The live line is the screen's alone.
    (log,) = host.made(".log")
    assert "under way" not in log.read_text()
    assert "\x1b" not in log.read_text()


def test_errors_reach_a_stderr_that_is_no_terminal(host: FakeHost) -> None:
    errors = host.base / "err.txt"
    with (
        errors.open("wb") as stderr,
        at_terminal(host, "-P", "/nowhere", "-B", "vmail", "-n", stderr=stderr) as terminal,
    ):
        assert terminal.end() == 1
    assert "ERROR: -P /nowhere" in Path(errors).read_text()
    assert "ERROR: -P /nowhere" in terminal.text
