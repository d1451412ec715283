"""Signals as one exception."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from hermes_backup_core.cli.signals import Signals
from hermes_backup_core.domain.errors import Ended

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers are as before, whatever becomes of them."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_raises_and_later_ones_do_not(number: signal.Signals) -> None:
    with Signals():
        with pytest.raises(Ended) as ended:
            signal.raise_signal(number)
        for later in ENDING:
            signal.raise_signal(later)
    assert (ended.value.name, ended.value.number) == (number.name, number)
    # And none of them can change how the process ends.
    assert {signal.getsignal(later) for later in ENDING} == {signal.SIG_IGN}


def test_once_told_to_ignore_none_raises() -> None:
    with Signals() as signals:
        signals.ignore()
        for number in ENDING:
            signal.raise_signal(number)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_where_none_came_the_handlers_are_as_before() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with Signals():
        assert [signal.getsignal(number) for number in ENDING] != before
    assert [signal.getsignal(number) for number in ENDING] == before


def test_one_that_was_ignored_before_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Signals():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        with pytest.raises(Ended):
            signal.raise_signal(signal.SIGTERM)
