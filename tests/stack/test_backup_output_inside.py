"""-P inside a tier: what lies there is in no backup, whatever path leads to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.command import run
from tests.stack.script import back_up, opened, standing

OLD = "hermes-backup-vmail-v1-20200101T000000Z.tar"


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@contextmanager
def plain(folder: Path, other: Path) -> Iterator[Path]:
    yield folder


@contextmanager
def linked(folder: Path, other: Path) -> Iterator[Path]:
    other.symlink_to(folder)
    try:
        yield other
    finally:
        other.unlink()


@contextmanager
def linked_above(folder: Path, other: Path) -> Iterator[Path]:
    """The link is a folder above the output, and its target is a link again."""
    again = other.with_name("again")
    again.symlink_to(folder.parent)
    other.symlink_to(again)
    try:
        yield other / folder.name
    finally:
        other.unlink()
        again.unlink()


@contextmanager
def bound(folder: Path, other: Path) -> Iterator[Path]:
    """The same folder, mounted at a place that says nothing of the tier."""
    other.mkdir()
    run(["mount", "--bind", folder, other])
    try:
        yield other
    finally:
        run(["umount", other])
        other.rmdir()


Way = Callable[[Path, Path], AbstractContextManager[Path]]


@pytest.mark.parametrize(
    ("way", "scope", "tier", "below"),
    [
        (plain, "vmail", "vmail", "backups"),
        (linked, "vmail", "vmail", "backups"),
        (linked_above, "vmail", "vmail", "dovecot/backups"),
        (bound, "vmail", "vmail", "backups"),
        (plain, "system", "data", "nginx/kept backups [1]"),
        (bound, "system", "data", "nginx/kept backups [1]"),
        (linked, "system", "config", "backups"),
    ],
)
def test_older_backups_and_the_one_under_way_are_left_out(
    hermes: Miniature, way: Way, scope: str, tier: str, below: str
) -> None:
    """And the operator is told that another disk would be safer."""
    top = hermes.root if tier == "config" else hermes.tiers[tier]
    folder = top / below
    folder.mkdir(exist_ok=True)
    (folder / OLD).write_bytes(b"an older backup")
    (folder.parent / f"{folder.name} not").mkdir(exist_ok=True)
    (folder.parent / f"{folder.name} not" / "file").write_text("belongs to the tier\n")

    with way(folder, hermes.base / "other way") as output:
        call = back_up(hermes, scope, output=output)
        assert call.code == 0, call.stderr
        backup = opened(call.tarball, hermes.base / "opened" / f"{way.__name__} {tier}")
        made = {file.name for file in folder.iterdir()}
    shutil.rmtree(folder)

    names = set(backup.names(tier))
    inside = bytes(folder.relative_to(top))
    assert not [name for name in names if name == inside or name.startswith(inside + b"/")]
    assert not [name for name in names if b"hermes-backup-" in name]
    assert inside + b" not/file" in names
    assert made == {OLD, call.tarball.name, call.tarball.with_suffix(".log").name}
    assert [text for text in call.warnings if f"inside the {tier} tier" in text], call.warnings


@pytest.mark.parametrize(
    ("way", "tier"), [(plain, "vmail"), (linked, "vmail"), (linked_above, "vmail"), (bound, "vmail"), (plain, "data")]
)
def test_the_tier_itself_is_refused(hermes: Miniature, way: Way, tier: str) -> None:
    """It would leave nothing to back up; nothing of the attempt stays in the tier but its log."""
    folder = hermes.tiers[tier]
    with way(folder, hermes.base / "other way") as output:
        call = back_up(hermes, {"vmail": "vmail", "data": "system"}[tier], output=output)

    assert call.code == 1
    assert "itself" in call.stderr
    left = [file.name for file in folder.iterdir() if file.name.startswith("hermes-backup-")]
    assert [name for name in left if not name.endswith(".log")] == []
