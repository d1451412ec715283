"""The machine's image once a session, and a machine for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.image import Image, ensure, home
from tests.vm.machine import IN_MACHINE, Machine

# Tests that the machine itself runs, when one here starts it.
collect_ignore = [] if IN_MACHINE in os.environ else ["inside"]


@pytest.fixture(scope="session")
def image() -> Image:
    return ensure()


@pytest.fixture
def machine(image: Image) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="test-", dir=home()) as folder:
        yield Machine(image, Path(folder))
