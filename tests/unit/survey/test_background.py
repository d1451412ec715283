"""Work that goes on meanwhile: its result and its errors come out where they are asked for, and nobody has to ask."""

from __future__ import annotations

from threading import Event

import pytest

from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.survey.background import in_background


def test_it_has_begun_before_its_result_is_asked_for() -> None:
    begun = Event()

    def work() -> int:
        begun.set()
        return 42

    result = in_background(work)
    assert begun.wait(10)
    assert result() == 42


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    def work() -> None:
        raise Refused(("no",))

    result = in_background(work)
    with pytest.raises(Refused):
        result()


def test_whoever_does_not_ask_is_not_held_up() -> None:
    never, ended = Event(), Event()

    def work() -> None:
        never.wait(10)
        ended.set()

    in_background(work)
    assert not ended.is_set()
    never.set()
    assert ended.wait(10)
