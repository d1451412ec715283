"""The private engine and the image once a session, and a maker of Hermes for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from tests.stack.miniature import Engine, Miniature, ensure_engine, ensure_image
from tests.stack.miniature.engine import exclusive


class Maker(Protocol):
    """Makes a Hermes; `up=False` leaves its containers unmade."""

    def __call__(self, *, layout: str = ..., root_password: bool = ..., up: bool = ...) -> Miniature: ...


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine with its image, ours until the session's end; what is up makes room and comes back."""
    with exclusive():
        started = ensure_engine()
        ensure_image(started)
        set_aside = Miniature.that_is_up(started)
        if set_aside:
            set_aside.down()
        shutil.rmtree(bytes(started.home / "tests"), ignore_errors=True)
        yield started
        started.clear()
        if set_aside:
            set_aside.up()


@pytest.fixture(scope="session")
def folders(engine: Engine) -> Iterator[Path]:
    """Names of new folders, on the engine's disk: the system's temporary folder may know no user xattrs."""
    return (engine.home / "tests" / str(number) for number in count())


@pytest.fixture
def miniature(engine: Engine, folders: Iterator[Path]) -> Iterator[Maker]:
    """Call it for a Hermes (layout "separate" unless said otherwise); it is gone after the test."""
    made: list[Miniature] = []

    def make(*, layout: str = "separate", root_password: bool = False, up: bool = True) -> Miniature:
        hermes = Miniature.create(next(folders), layout=layout, root_password=root_password, engine=engine)
        made.append(hermes)
        if up:
            hermes.up()
        return hermes

    yield make
    for hermes in made:
        hermes.remove()
