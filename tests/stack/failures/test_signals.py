"""SIGINT, SIGTERM and SIGHUP, at different moments: the run ends, and nothing of it is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.stack.failures.breaking import large_table
from tests.stack.failures.host import Host, Run

pytestmark = pytest.mark.usefixtures("heavy")

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
Moment = Callable[[Host, Run], object]


def in_a_dump(host: Host, run: Run) -> object:
    return run.until_dumping("hermes")


def in_maintenance(host: Host, run: Run) -> object:
    pid = run.until_packing(host.hermes.tiers["nextcloud"])
    assert host.state().maintenance
    return pid


def while_stopping(host: Host, run: Run) -> object:
    return run.until_child("docker", "stop")


def while_stopped(host: Host, run: Run) -> object:
    pid = run.until_packing(host.hermes.tiers["vmail"])
    assert host.running() == set()
    return pid


def while_starting(host: Host, run: Run) -> object:
    run.until(lambda: "] vmail.tar.gz " in run.said(), "the last tier's end")
    return run.until_child("docker", "start")


SYSTEM, NEXTCLOUD, VMAIL = ("-B", "system"), ("-B", "nextcloud"), ("-B", "vmail", "--cold")
CASES: tuple[tuple[tuple[str, ...], Moment, signal.Signals], ...] = (
    (SYSTEM, in_a_dump, signal.SIGINT),
    (SYSTEM, in_a_dump, signal.SIGTERM),
    (NEXTCLOUD, in_maintenance, signal.SIGINT),
    (NEXTCLOUD, in_maintenance, signal.SIGHUP),
    (VMAIL, while_stopping, signal.SIGINT),
    (VMAIL, while_stopped, signal.SIGTERM),
    (VMAIL, while_starting, signal.SIGHUP),
)


@pytest.mark.parametrize(
    ("argv", "moment", "number"), CASES, ids=[f"{n.name} {moment.__name__}" for _, moment, n in CASES]
)
def test_a_signal_ends_the_run_and_leaves_nothing_of_it(
    host: Host, argv: tuple[str, ...], moment: Moment, number: signal.Signals
) -> None:
    before = host.state()
    with large_table(host.hermes, megabytes=16 if argv == SYSTEM else 1):
        run = host.begin(*argv)
        moment(host, run)
        run.process.send_signal(number)
        ended = host.check_failed(run, before, code=CODES[number])
    assert ended.error.startswith(f"ended by {number.name}. ")


def test_a_ctrl_c_that_the_whole_process_group_gets_is_no_different(host: Host) -> None:
    before = host.state()
    run = host.begin("-B", "nextcloud", "--notify-email=admin@example.com")
    in_maintenance(host, run)
    os.killpg(run.process.pid, signal.SIGINT)
    ended = host.check_failed(run, before, code=130)
    assert "switched Nextcloud's maintenance mode off" in ended.stdout
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"ended by SIGINT" in mail


def test_an_impatient_operator_who_presses_ctrl_c_again_does_not_stop_the_clean_up(host: Host) -> None:
    before = host.state()
    run = host.begin("-B", "vmail", "--cold")
    while_stopped(host, run)
    os.killpg(run.process.pid, signal.SIGINT)
    run.until(lambda: not list(host.output.glob("*.partial")), "the clean-up")
    os.killpg(run.process.pid, signal.SIGINT)
    run.until_child("docker", "start")
    os.killpg(run.process.pid, signal.SIGTERM)
    ended = host.check_failed(run, before, code=130)
    assert ended.error.startswith("ended by SIGINT. ")


def test_a_signal_that_came_ignored_stays_so(host: Host) -> None:
    """As `nohup` does it."""
    run = host.begin("-B", "nextcloud", through=("sh", "-c", 'trap "" HUP; exec "$@"', "sh"))
    in_maintenance(host, run)
    run.process.send_signal(signal.SIGHUP)
    assert run.ended().code == 0
    host.whole_backup()
    host.check_nothing_left()
