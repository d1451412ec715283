"""Mail goes on being delivered while a restore stages, and every mail that was taken is there as long as it may be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.failures.host import Host
from tests.stack.failures.processes import adopting
from tests.stack.failures.restores import RECORDING, UNPACKING, Originals, Restores
from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.command import MiniatureError
from tests.stack.script import standing

USER = "u2@example.com"
# The entries of a restore of `vmail`: unpacking, stopping, the exchange and its renames, starting, waiting, removing.
WAITING = 6


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@pytest.fixture(scope="module")
def originals(hermes: Miniature) -> Originals:
    return Originals.of(hermes, "vmail")


@pytest.fixture
def restores(hermes: Miniature, originals: Originals, folders: Iterator[Path]) -> Iterator[Restores]:
    hermes.up()
    folder = next(folders)
    folder.mkdir(parents=True)
    made = Restores(Host(hermes, folder), originals)
    with adopting():
        yield made
        made.rescue()
        made.host.close()


def test_no_mail_is_turned_away_before_the_stack_goes_down(restores: Restores) -> None:
    hermes = restores.hermes
    before = hermes.mailbox(USER)
    # Held in the middle of unpacking, and right before the first container is stopped.
    run = restores.begin("vmail", strike=f"{UNPACKING}@1=SIGSTOP {RECORDING}@2=SIGSTOP")
    for delivered in (3, 6):
        run.until_held()
        hermes.deliver(3, to=USER)
        assert len(hermes.mailbox(USER)) == len(before) + delivered
        run.go_on()
    while run.process.poll() is None:
        try:
            hermes.deliver(1, to=USER)
        except MiniatureError:
            # From then on it stays in the queue of whoever sends it.
            record = restores.record()
            assert record is None or record.is_staged
            break
    restores.well(run.ended())
    hermes.wait_until_ready()
    assert hermes.mailbox(USER) == before


def test_what_arrived_meanwhile_comes_back_with_an_undo(restores: Restores) -> None:
    hermes = restores.hermes
    run = restores.begin("vmail", strike=f"{UNPACKING}@1=SIGSTOP {RECORDING}@{WAITING}+=SIGKILL")
    run.until_held()
    hermes.deliver(3, to=USER)
    before = hermes.mailbox(USER)
    run.go_on()
    run.process.wait()
    restores.after_kill()
    hermes.wait_until_ready()
    assert not set(before[-3:]) & set(hermes.mailbox(USER))
    restores.undo()
    hermes.wait_until_ready()
    assert hermes.mailbox(USER) == before
