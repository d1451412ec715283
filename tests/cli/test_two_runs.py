"""Two runs at once, and a run after one that was killed."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.cli.fake_host import FakeHost
from tests.cli.fake_host.inside import Hermes


def kill_at(host: FakeHost, arguments: tuple[str, ...], *words: str) -> int:
    """Kill a run where it makes the call that has ``words``; return its process id."""
    gate = host.engine.hold(*words)
    running = host.start(*host.command(*arguments))
    running.reach(gate)
    running.send(signal.SIGKILL)
    assert running.finish().code == -signal.SIGKILL
    host.engine.mend()
    return running.process.pid


def test_the_second_run_names_the_first_and_does_nothing(host: FakeHost) -> None:
    gate = host.engine.hold("--directory=")
    first = host.start(*host.command("vmail"))
    first.reach(gate)
    link = host.base / "same"
    link.symlink_to(host.root)
    second = host.run(*host.command("system", "--notify-email=a@example.com"), environ={"HERMES_ROOT": str(link)})
    assert second.code == 1
    said = re.search(r"another run is under way on this host: pid (\d+), `(.*)`, since ([-\d]+ [:\d]+)\.", second.err)
    assert said is not None  # narrows the type for the claims below
    assert int(said[1]) == first.process.pid
    assert "system_backup.py -P" in said[2]
    assert said[2].endswith("-B vmail --yes")
    assert b"another run is under way" in host.engine.hermes.mails[0]
    gate.open()
    assert first.finish().code == 0
    assert len(host.made(".tar")) == 1


def test_another_install_root_has_a_lock_of_its_own(host: FakeHost) -> None:
    other = host.base / "opt" / "other"
    other.mkdir()
    for name in ("docker-compose.yml", ".env"):
        (other / name).write_bytes((host.root / name).read_bytes())
    gate = host.engine.hold("--directory=")
    first = host.start(*host.command("vmail"))
    first.reach(gate)
    second = host.start(*host.command("archive"), environ={"HERMES_ROOT": str(other)})
    gate.open()
    assert (first.finish().code, second.finish().code) == (0, 0)


def test_a_killed_run_is_put_right_by_the_next_one_which_says_so(host: FakeHost) -> None:
    pid = kill_at(host, ("nextcloud",), "--directory=")
    (partial,) = host.made(".partial")
    assert host.engine.hermes.maintenance
    dry = host.run(*host.command("vmail", "-n"))
    assert dry.code == 0
    assert f"WARN: the run of pid {pid} (" in dry.out
    assert partial.exists()
    done = host.run(*host.command("vmail"))
    assert done.code == 0
    assert done.text[0] == "== Leftovers of an earlier run =="
    assert re.match(rf"WARN: the run of pid {pid} \(`.*-B nextcloud --yes`, .*\) was killed", done.text[1])
    assert done.text[2:4] == [f"removed {partial}", "switched Nextcloud's maintenance mode off"]
    assert host.made(".partial") == []
    assert host.engine.hermes == Hermes()  # in maintenance no more
    assert host.run(*host.command("vmail", "-n")).text[0] != done.text[0]


def test_a_stack_that_a_killed_run_left_stopped_is_started_even_if_the_new_run_is_refused(host: FakeHost) -> None:
    before = host.engine.running()
    kill_at(host, ("system", "--cold"), "slapcat", "-b")
    assert host.engine.running() == {"hermes_db_server", "hermes_ldap"}
    done = host.run("-P", str(host.base / "nowhere"), "-B", "vmail", "--yes")
    assert done.code == 1
    assert host.engine.running() == before
    assert "started hermes_commandbox, hermes_nextcloud, hermes_postfix_dkim" in done.out


def test_a_journal_that_cannot_be_read_is_a_failure_and_not_forgotten(host: FakeHost) -> None:
    kill_at(host, ("vmail",), "--directory=")
    (journal,) = Path(host.base / "state").glob("*/journal.json")
    journal.write_text("{")
    done = host.run(*host.command("vmail"))
    assert done.code == 1
    assert "the record of an earlier run cannot be read" in done.err
    assert journal.read_text() == "{"


def test_the_lock_of_a_killed_run_is_free(host: FakeHost) -> None:
    kill_at(host, ("vmail",), "--directory=")
    (lock,) = Path(host.base / "state").glob("*/lock")
    assert json.loads(lock.read_text())["pid"] > 0
    assert host.run(*host.command("vmail")).code == 0
    assert lock.read_text() == ""


@pytest.mark.parametrize("state", ["a file in the way", "a link in the way"])
def test_where_no_state_can_be_kept_nothing_is_begun(host: FakeHost, state: str) -> None:
    place = host.base / "state"
    if state == "a file in the way":
        place.touch()
    else:
        assert host.run(*host.command("vmail")).code == 0
        (lock,) = place.glob("*/lock")
        lock.unlink()
        os.symlink(host.base / "elsewhere", lock)
    calls = len(host.engine.calls)
    assert host.run(*host.command("vmail")).code == 1
    assert len(host.engine.calls) == calls
    assert not (host.base / "elsewhere").exists()
