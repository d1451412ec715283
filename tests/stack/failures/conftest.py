"""One Hermes that all of these tests break and mend, and the script as a process on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.failures.breaking import big_file
from tests.stack.failures.host import Host
from tests.stack.failures.processes import adopting
from tests.stack.failures.restores import Originals, Restores
from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.miniature import project_folders

MEGABYTES = 60
PLACES = {
    "data": "nginx/logs/big",
    "archive": "amavis/big",
    "vmail": "dovecot/example.com/big",
    "nextcloud": "app/data/admin/files/big",
}


@pytest.fixture(scope="package")
def shared(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    hermes = Miniature.create(next(folders), engine=engine)
    yield hermes
    hermes.remove()


@pytest.fixture
def host(shared: Miniature, folders: Iterator[Path]) -> Iterator[Host]:
    """A Hermes that is up and healthy, and was before; whatever a test did to its containers is undone."""
    bring_up(shared)
    folder = next(folders)
    folder.mkdir(parents=True)
    made = Host(shared, folder)
    with adopting():
        try:
            yield made
        finally:
            made.close()
            shutil.rmtree(folder)
    bring_up(shared)


def bring_up(hermes: Miniature) -> None:
    services = set(hermes.compose("config", "--services").decode().split())
    if project_folders(hermes.engine) != [hermes.root] or hermes.running() != services:
        hermes.up()
    if hermes.maintenance():
        hermes.occ("maintenance:mode", "--off")
    shutil.rmtree(hermes.base / "received-mail/all", ignore_errors=True)


@pytest.fixture(scope="module")
def heavy(shared: Miniature) -> Iterator[None]:
    """Every tier takes so long to pack that each moment of it can be met."""
    files = [shared.tiers[tier] / place for tier, place in PLACES.items()] + [shared.root / "config/big"]
    for file in files:
        big_file(file, MEGABYTES)
    yield
    for file in files:
        file.unlink()


@pytest.fixture(scope="package")
def originals(shared: Miniature) -> Originals:
    """Backups that all tests of restores begin with."""
    bring_up(shared)
    return Originals.of(shared, "system", "vmail")


@pytest.fixture
def restores(host: Host, originals: Originals) -> Iterator[Restores]:
    made = Restores(host, originals)
    try:
        yield made
    finally:
        made.rescue()
