from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermes_backup_core.adapters.tar_walks import Walk, plan_walks, with_other_links
from hermes_backup_core.domain.selection import TierSelection


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("app/data/deep", "dovecot/logs", "dovecot/sieve", "amavis"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def plan(root: Path, folders: tuple[str, ...], left_out: tuple[str, ...] = ()) -> list[Walk]:
    return plan_walks(TierSelection(str(root), folders, left_out))[0]


def test_everything_is_one_walk_from_the_root(root: Path) -> None:
    assert plan(root, ("",), ("amavis",)) == [Walk((), (".",), ("./amavis",))]


def test_folders_come_behind_the_entries_above_them(root: Path) -> None:
    assert plan(root, ("app/data/deep", "dovecot")) == [
        Walk((".", "./app", "./app/data"), ("./app/data/deep", "./dovecot"), ())
    ]


def test_a_folder_that_another_brings_along_is_not_packed_twice(root: Path) -> None:
    assert plan(root, ("app", "app/data", "app"), ("amavis",)) == [Walk((".",), ("./app",), ("./amavis",))]


def test_a_folder_below_one_left_out_gets_a_walk_of_its_own(root: Path) -> None:
    folders, left_out = ("", "dovecot/logs", "dovecot/sieve"), ("amavis", "dovecot", "dovecot/sieve/x")
    assert plan(root, folders, left_out) == [
        Walk((), (".",), ("./amavis", "./dovecot", "./dovecot/sieve/x")),
        Walk(("./dovecot",), ("./dovecot/logs",), ()),
        Walk((), ("./dovecot/sieve",), ("./dovecot/sieve/x",)),
    ]


def test_folders_that_do_not_exist_are_named(root: Path) -> None:
    walks, missing = plan_walks(TierSelection(str(root), ("app", "redis")))
    assert walks == [Walk((".",), ("./app",), ())]
    assert missing == ("redis",)


def test_files_that_are_gone_have_no_other_names(root: Path) -> None:
    names = [b"./gone", b"./gone too"]
    assert with_other_links(names, [Walk((), (".",), ())], os.fsencode(root), "tag") == names


def test_folders_that_are_gone_are_passed_over(root: Path) -> None:
    (root / "app" / "a").write_bytes(b"")
    os.link(root / "app" / "a", root / "dovecot" / "b")
    (root / "dovecot" / "c").write_bytes(b"")
    walks = [Walk((), ("./gone", "./app", "./dovecot"), ())]
    found = with_other_links([b"./app/a"], walks, os.fsencode(root), "tag")
    assert sorted(found) == [b"./app/a", b"./dovecot/b"]


@pytest.mark.parametrize(
    ("path", "packed"),
    [
        ("/t", True),
        ("/t/nginx/x", True),
        ("/t/dovecot", False),
        ("/t/dovecot/mail", False),
        ("/t/dovecot/logs/x", True),
        ("/t/dovecot2", True),
        ("/other", False),
    ],
)
def test_the_nearest_folder_decides_what_a_selection_holds(path: str, packed: bool) -> None:
    selection = TierSelection("/t", folders=("", "dovecot/logs"), left_out=("dovecot",))
    assert selection.holds(path) is packed
