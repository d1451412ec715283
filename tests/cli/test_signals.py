"""A run that a signal ends, at its several moments: everything is as before, and nothing survives."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli.fake_host import FakeHost, Running

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

MOMENTS = {
    "while the host is looked at": (("system",), ("compose", "config")),
    "during a dump": (("system",), ("mariadb-dump", "djigzo")),
    "while Nextcloud is in maintenance": (("nextcloud",), ("--directory=",)),
    "while a tier is packed": (("vmail",), ("--directory=",)),
    "while the database starts for the dumps": (("system", "--cold"), ("docker", "start", "hermes_db_server")),
    "during a cold dump": (("system", "--cold"), ("slapcat", "-b")),
    "while a tier is packed cold": (("vmail", "--cold"), ("--directory=",)),
}


def await_delivery(running: Running, number: int) -> None:
    """Wait until the script has taken the signal, as proc(5) tells."""
    while is_pending(Path(f"/proc/{running.process.pid}/status").read_text(), number):
        os.sched_yield()


def is_pending(status: str, number: int) -> bool:
    pending = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("ShdPnd"))
    return bool(pending >> (number - 1) & 1)


def assert_all_is_as_before(host: FakeHost, before: set[str]) -> None:
    assert host.made(".tar") == host.made(".partial") == []
    assert {path.suffix for path in host.made("")} == {".log"}
    assert host.engine.running() == before
    assert not host.engine.hermes.maintenance
    assert host.processes() == []
    assert list((host.base / "state").glob("*/journal.json")) == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [(moment, (TERM, INT, HUP)[index % 3]) for index, moment in enumerate(MOMENTS)],
)
def test_the_host_is_left_as_it_was(host: FakeHost, moment: str, number: signal.Signals) -> None:
    arguments, words = MOMENTS[moment]
    before = host.engine.running()
    gate = host.engine.hold(*words)
    running = host.start(*host.command(*arguments, "--notify-email=a@example.com"))
    running.reach(gate)
    running.send(number)
    await_delivery(running, number)
    host.engine.mend()
    done = running.finish()
    assert done.code == 128 + number
    assert f"ERROR: ended by {number.name}" in done.err
    assert_all_is_as_before(host, before)
    (mail,) = host.engine.hermes.mails
    assert b"[FAILURE]" in mail


def test_a_stop_that_is_under_way_is_waited_for_before_all_starts_again(host: FakeHost) -> None:
    before = host.engine.running()
    gate = host.engine.hold("docker", "stop", "hermes_db_server")
    running = host.start(*host.command("vmail", "--cold"))
    running.reach(gate)
    running.send(TERM)
    await_delivery(running, TERM)
    gate.open()
    assert running.finish().code == 128 + TERM
    assert_all_is_as_before(host, before)


def test_more_signals_during_the_clean_up_change_nothing(host: FakeHost) -> None:
    before = host.engine.running()
    packing = host.engine.hold("--directory=")
    starting = host.engine.hold("docker", "start", "hermes_db_server")
    running = host.start(*host.command("vmail", "--cold"), measured=False)
    running.reach(packing)
    running.send(INT)
    running.reach(starting)
    for number in (INT, TERM, HUP, INT):
        running.send(number)
        await_delivery(running, number)
    host.engine.mend()
    done = running.finish()
    assert done.code == 128 + INT
    assert "SIGTERM" not in done.out + done.err
    assert_all_is_as_before(host, before)


def test_a_key_that_is_held_down_ends_the_run_once(host: FakeHost) -> None:
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command("vmail"), measured=False)
    running.reach(gate)
    while running.process.poll() is None:
        running.send(INT)
    assert running.finish().code == 128 + INT
    assert host.made(".tar") == host.made(".partial") == []


def test_a_signal_when_the_backup_is_whole_comes_too_late(host: FakeHost) -> None:
    gate = host.engine.hold("sendmail")
    running = host.start(*host.command("vmail", "--notify-email=a@example.com", "--notify-on-success"))
    running.reach(gate)
    running.send(TERM)
    await_delivery(running, TERM)
    gate.open()
    assert running.finish().code == 0
    assert len(host.made(".tar")) == 1
    assert b"[SUCCESS]" in host.engine.hermes.mails[0]


def test_under_nohup_a_hangup_does_nothing(host: FakeHost) -> None:
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command("vmail"), through=("nohup",))
    running.reach(gate)
    running.send(HUP)
    gate.open()
    assert running.finish().code == 0
    assert len(host.made(".tar")) == 1


def test_a_signal_in_a_dry_run_sends_no_mail_and_leaves_nothing(host: FakeHost) -> None:
    before = host.everything()
    gate = host.engine.hold("compose", "config")
    running = host.start(*host.command("vmail", "-n", "--notify-email=a@example.com"))
    running.reach(gate)
    running.send(HUP)
    done = running.finish()
    assert done.code == 128 + HUP
    assert host.engine.hermes.mails == []
    assert host.everything() == before
