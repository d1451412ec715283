"""Tiers staged on another disk, as their own has no room for both copies: brought in line by copying."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stack.damage import damage
from tests.stack.failures.breaking import big_file, command, ext4, tmpfs
from tests.stack.failures.host import Host
from tests.stack.failures.processes import adopting
from tests.stack.failures.restores import RECORDING, Originals, Restores, alter, files_alone
from tests.stack.miniature import Engine, Miniature
from tests.stack.picture import WITH_DUMPS, differences, parts_of

DISK_MEGABYTES, MAIL_MEGABYTES = 48, 22
# The entries of a restore of `system` up to that of waiting for the stack: all steps but the last, and a set of
# renames, that of the directory.
WAITING = 21


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    """Its mail lies on a disk of its own, which is more than half full."""
    made = Miniature.create(next(folders), engine=engine)
    try:
        with own_disk(made.tiers["vmail"]):
            big_file(made.tiers["vmail"] / "dovecot/example.com/big", MAIL_MEGABYTES)
            made.up()
            yield made
            made.down()
    finally:
        made.remove()


@contextmanager
def own_disk(tier: Path) -> Iterator[None]:
    away = tier.with_name(f"{tier.name}.away")
    tier.rename(away)
    with ext4(tier, megabytes=DISK_MEGABYTES):
        (tier / "lost+found").rmdir()
        command("cp", "-a", f"{away}/.", str(tier))
        shutil.rmtree(bytes(away))
        yield


@pytest.fixture(scope="module")
def originals(hermes: Miniature) -> Originals:
    return Originals.of(hermes, "vmail", "system")


@pytest.fixture
def restores(hermes: Miniature, originals: Originals, folders: Iterator[Path]) -> Iterator[Restores]:
    folder = next(folders)
    folder.mkdir(parents=True)
    made = Restores(Host(hermes, folder), originals)
    with adopting():
        yield made
        made.rescue()
        made.host.close()


@pytest.fixture
def stage(restores: Restores) -> Iterator[Path]:
    with tmpfs(restores.host.folder / "stage", size="256m") as place:
        yield place


def test_a_tier_without_room_is_copied_in_place(restores: Restores, stage: Path) -> None:
    hermes = restores.hermes
    damage(hermes)
    before = files_alone(hermes)
    refused = restores.run("vmail")
    assert refused.code == 1
    assert "not enough room beside the live data" in refused.error
    assert " missing" in refused.error
    assert "--stage-dir" in refused.error
    restores.check_as(before)

    ended = restores.well(restores.run("vmail", "--stage-dir", stage))
    assert "by rsync (this cannot be undone)" in ended.stdout
    restores.check_restored("vmail", before)
    assert list(stage.iterdir()) == []


def test_what_lies_in_the_servers_can_be_undone_and_the_tiers_cannot(restores: Restores, stage: Path) -> None:
    before = alter(restores.hermes)
    restores.killed("system", "--stage-dir", stage, strike=f"{RECORDING}@{WAITING}=SIGKILL")
    ended = restores.undo()
    for tier in ("config", "data"):
        assert [line for line in ended.warnings_about("cannot be undone") if f"the {tier} tier" in line]
    due = before.with_parts_of(restores.originals.portrait, *(set(parts_of("system")) - {*WITH_DUMPS}))
    restores.check_as(due)
    assert list(stage.iterdir()) == []
    assert differences(before.of(*WITH_DUMPS), due.of(*WITH_DUMPS)) == []
