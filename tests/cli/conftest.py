"""The host that the scripts run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.fake_host import FakeHost


@pytest.fixture
def host() -> Iterator[FakeHost]:
    """A host whose stack runs. The engine must have known an answer to everything that it was asked."""
    with FakeHost.running() as host:
        yield host
    assert host.engine.surprises == []
