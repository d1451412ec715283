"""The one door to other programs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.errors import CommandFailed, Ended

PYTHON = (sys.executable, "-IS", "-c")


def test_a_program_gets_the_environment_that_was_given_and_of_ours_only_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OURS", "1")
    seen = Door({"THEIRS": "1"}).run(("env",)).decode().split()
    assert {line.split("=")[0] for line in seen} == {"THEIRS", "PATH"}


def test_a_program_is_looked_for_where_the_given_path_leads(tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    assert Door({"PATH": f"{tmp_path}:/bin"}).run(("greet",)) == b"hello\n"


def test_it_runs_in_the_folder_that_was_given(tmp_path: Path) -> None:
    assert Door({}, str(tmp_path)).run(("pwd",)) == os.fsencode(tmp_path) + b"\n"


def test_stdin_goes_in_and_any_bytes_come_out() -> None:
    data = bytes(range(256)) * 1000
    assert Door({}).run(("cat",), stdin=data) == data


def test_an_exit_code_that_does_not_count_as_fine_is_a_failure_with_the_end_of_stderr() -> None:
    with pytest.raises(CommandFailed) as failed:
        Door({}).run(("sh", "-c", "printf 'caf\\351 is full\\n' >&2; exit 3"))
    assert failed.value.exit_code == 3
    assert "exit code 3: caf\\xe9 is full" in str(failed.value)
    assert Door({}).run(("sh", "-c", "echo out; exit 3"), fine=(0, 3)) == b"out\n"


def test_a_program_that_a_signal_ended_is_a_failure_that_names_it() -> None:
    with pytest.raises(CommandFailed, match="ended with signal 15: it said nothing"):
        Door({}).run(("sh", "-c", "kill -TERM $$"))


def test_a_program_that_is_not_there_is_a_failure_that_says_to_install_it() -> None:
    with pytest.raises(CommandFailed, match="there is no program nothing-like-it; install it") as failed:
        Door({}).run(("nothing-like-it", "--version"))
    assert failed.value.exit_code == 127


def test_a_program_that_gives_no_answer_in_time_is_killed(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no answer after 0 s"):
        Door({}).run(("sh", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 1000"), timeout=0.3)
    assert_gone(tmp_path)


def test_a_stream_is_handed_on_as_it_comes_and_stderr_never_blocks() -> None:
    chunks: list[bytes] = []
    script = "import sys; sys.stderr.write('x' * 300000 + '\\n'); sys.stdout.write('y' * 300000)"
    Door({}).stream((*PYTHON, script), chunks.append)
    assert b"".join(chunks) == b"y" * 300000
    assert len(chunks) > 1


def test_a_stream_that_fails_keeps_the_end_of_stderr() -> None:
    script = "import sys; sys.stderr.write('early\\n' + 'x' * 70000 + '\\nlast words\\n'); sys.exit(2)"
    with pytest.raises(CommandFailed) as failed:
        Door({}).stream((*PYTHON, script), lambda _: None)
    assert failed.value.stderr.endswith("last words\n")
    assert "early" not in failed.value.stderr


def test_a_sink_that_raises_ends_the_program(tmp_path: Path) -> None:
    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Door({}).stream(("sh", "-c", f"echo $$ >{tmp_path}/pid; echo out; exec sleep 1000"), full)
    assert_gone(tmp_path)


def test_a_signal_ends_the_program_that_is_waited_for(tmp_path: Path, raising: None) -> None:
    script = f"echo $$ >{tmp_path}/pid; kill -HUP $PPID; exec sleep 1000"
    with pytest.raises(Ended):
        Door({}).run(("sh", "-c", script))
    assert_gone(tmp_path)


def test_a_program_that_must_not_be_cut_short_ends_by_itself_and_then_the_signal_counts(
    tmp_path: Path, raising: None
) -> None:
    script = f"kill -HUP $PPID; cat {tmp_path}/opened >&2; echo a; echo done >{tmp_path}/done; echo b"
    os.mkfifo(tmp_path / "opened")
    writer = Thread(target=(tmp_path / "opened").write_text, args=("x" * 100,))
    writer.start()
    with pytest.raises(Ended):
        Door({}).run(("sh", "-c", script), to_its_end=True)
    writer.join()
    assert (tmp_path / "done").read_text() == "done\n"


def test_even_such_a_program_has_its_time(tmp_path: Path, raising: None) -> None:
    script = f"echo $$ >{tmp_path}/pid; kill -HUP $PPID; exec sleep 1000"
    with pytest.raises(Ended):
        Door({}).run(("sh", "-c", script), to_its_end=True, timeout=0.3)
    assert_gone(tmp_path)


def test_a_signal_while_a_program_is_being_started_does_not_leave_it_to_itself(
    tmp_path: Path, raising: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.close

    def interrupted(descriptor: int) -> None:
        """The parent's ends of the pipes are closed when the program runs already."""
        real(descriptor)
        signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(os, "close", interrupted)
    before = children()
    with pytest.raises(Ended):
        Door({}).run(("sleep", "1000"))
    monkeypatch.undo()
    assert children() == before


def test_a_program_that_is_started_by_another_thread_is_none_of_the_signals_business() -> None:
    said: list[bytes] = []
    thread = Thread(target=lambda: said.append(Door({}).run(("echo", "hello"))))
    thread.start()
    thread.join()
    assert said == [b"hello\n"]


def test_a_program_is_in_a_session_of_its_own_where_no_ctrl_c_reaches_it() -> None:
    script = "import os; print(os.getsid(0) == os.getpid())"
    assert Door({}).run((*PYTHON, script)) == b"True\n"


def assert_gone(folder: Path) -> None:
    assert not Path("/proc", (folder / "pid").read_text().strip()).exists()


def children() -> str:
    """The processes that this one has, ended or not."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@pytest.fixture
def raising() -> Iterator[None]:
    """SIGHUP raises `Ended`, as the script's signals do."""

    def handler(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Ended("SIGHUP", number)

    before = signal.signal(signal.SIGHUP, handler)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_program_is_fed_with_chunks_as_they_come_and_answers_with_any_bytes() -> None:
    chunks = [bytes(range(256)) * 1000] * 20
    assert Door({}).feed(("cat",), iter(chunks)) == b"".join(chunks)
    assert Door({}).feed(("cat",), ()) == b""


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65536


@pytest.mark.parametrize("code", [0, 3])
def test_one_that_ends_before_it_has_read_all_is_a_failure_with_its_words(code: int) -> None:
    with pytest.raises(CommandFailed, match="I am full") as failed:
        Door({}).feed(("sh", "-c", f"echo I am full >&2; exit {code}"), endless())
    assert failed.value.exit_code == code


def test_one_that_ends_so_without_a_word_is_told_to_have_read_too_little() -> None:
    with pytest.raises(CommandFailed, match="did not read all"):
        Door({}).feed(("true",), endless())


def test_a_chunk_that_nobody_reads_is_missed_at_the_end_as_well() -> None:
    def late() -> Iterator[bytes]:
        time.sleep(0.3)
        yield b"x"

    with pytest.raises(CommandFailed, match="did not read all"):
        Door({}).feed(("sh", "-c", "exec <&-"), late())


def test_chunks_that_raise_end_the_program_and_pass_through() -> None:
    class Broken(Exception):
        pass

    def breaking() -> Iterator[bytes]:
        yield b"x" * 65536
        raise Broken

    started = time.monotonic()
    with pytest.raises(Broken):
        Door({}).feed(("sleep", "60"), breaking())
    assert time.monotonic() - started < 10


def test_a_door_knows_more_for_some_programs_alone() -> None:
    door = Door({"A": "1", "B": "1"})
    assert b"B=2" in door.knowing({"B": "2", "C": "3"}).run(("env",)).splitlines()
    assert b"C=3" not in door.run(("env",)).splitlines()
