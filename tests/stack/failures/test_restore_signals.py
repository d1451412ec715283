"""SIGINT, SIGTERM and SIGHUP while a restore stages and in the middle of its exchange: the host is as before."""

from __future__ import annotations

import os
import signal

import pytest

from tests.stack.failures.restores import RENAMING, UNPACKING, Restores, alter, files_alone
from tests.stack.restoring import containers_as_they_run

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_signal_while_a_tier_is_unpacked(restores: Restores, number: signal.Signals) -> None:
    """As a terminal does it, tar gets it as well."""
    before, running = files_alone(restores.hermes), containers_as_they_run(restores.hermes)
    run = restores.begin("vmail", strike=f"{UNPACKING}@1=SIGSTOP")
    run.until_held()
    os.killpg(run.process.pid, number)
    run.go_on()
    ended = run.ended()
    assert ended.code == CODES[number]
    assert f"ended by {number.name}" in ended.error
    assert containers_as_they_run(restores.hermes) == running
    restores.check_as(before)
    restores.check_nothing_left()


CASES = (
    ("vmail", f"{RENAMING}@3", signal.SIGINT),
    ("vmail", "hermes_backup_core.restore.host:Host.stop@1", signal.SIGHUP),
    ("system", "hermes_backup_core.services.schemas:Schemas.exchange@1+", signal.SIGTERM),
)


@pytest.mark.parametrize(("scope", "place", "number"), CASES, ids=[number.name for *_, number in CASES])
def test_a_signal_with_the_stack_down(restores: Restores, scope: str, place: str, number: signal.Signals) -> None:
    hermes = restores.hermes
    before, running = alter(hermes, files_only=scope == "vmail"), restores.host.running()
    ended = restores.run(scope, strike=f"{place}={number.name}")
    assert ended.code == CODES[number]
    assert f"ended by {number.name}" in ended.error
    assert "everything is as it was before the restore" in ended.stdout
    assert restores.host.running() == running
    hermes.wait_until_ready()
    restores.check_as(before)
    restores.check_nothing_left()


def test_an_impatient_operator_does_not_stop_the_way_back(restores: Restores) -> None:
    before = alter(restores.hermes, files_only=True)
    run = restores.begin("vmail", strike=f"{RENAMING}@3=SIGINT")
    run.until(lambda: "== Going back ==" in run.said(), "the way back")
    os.killpg(run.process.pid, signal.SIGINT)
    run.until_child("docker", "start")
    os.killpg(run.process.pid, signal.SIGTERM)
    assert run.ended().code == CODES[signal.SIGINT]
    restores.check_as(before)
    restores.check_nothing_left()
