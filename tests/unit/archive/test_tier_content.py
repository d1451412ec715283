"""What a tier's archive would make on a host: GNU tar makes the archives, and unpacks them to be compared."""

from __future__ import annotations

import gc
import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.gunzip import inflated
from hermes_backup_core.archive.tar_entries import GarbledTar, tar_entries
from hermes_backup_core.archive.tier_content import MOST_PROBLEMS, TierContent, check_tier, small_files
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.selection import TierSelection
from tests.unit.archive.judge import tar

BACKUP = TierSelection("/srv/backup")
HOST = TierSelection("/mnt/host")

COMPONENTS = st.sampled_from(
    [b"a", b"b", b"dbase", b"\xff\xfe", "ü".encode(), b"*", b"a b", b"\\x", b"[ab]", b"\n", b"long" * 40]
)
PATHS = st.lists(COMPONENTS, min_size=1, max_size=3).map(b"/".join)
FOLDERS = st.lists(PATHS.map(os.fsdecode), max_size=3).map(tuple)


def selection(root: str, folders: tuple[str, ...] = ("",), left_out: tuple[str, ...] = ()) -> TierSelection:
    return TierSelection(root, folders, left_out)


def member(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, len(content)
    info.pax_headers = {"comment": content.decode()} if content else {}
    return info


def archive(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        for info in members:
            made.addfile(info, io.BytesIO(info.pax_headers.get("comment", "").encode()))
    return out.getvalue()


def split(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


def check(*members: tarfile.TarInfo, host: TierSelection = HOST) -> TierContent:
    return check_tier([archive(*members)], BACKUP, host)


# What is taken: GNU tar is the judge


def make(folder: bytes, files: Iterable[bytes]) -> None:
    for name in files:
        path = os.path.join(folder, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Path(os.fsdecode(path)).write_bytes(b"x" * len(name))
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            continue


def names_in(folder: bytes) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        for name in folders + files:
            yield os.fsdecode(os.path.relpath(os.path.join(here, name), folder))


def below(root: str, name: str) -> str:
    return os.path.join(root, name)


@settings(max_examples=50, deadline=None)
@given(
    st.sets(PATHS, max_size=8),
    FOLDERS,
    FOLDERS,
    FOLDERS,
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 1 << 20), max_size=5),
)
def test_excluding_the_named_leaves_exactly_what_both_selections_hold(
    files: set[bytes],
    packed: tuple[str, ...],
    left_out: tuple[str, ...],
    left_out_here: tuple[str, ...],
    whole: bool,
    dotted: bool,
    cuts: list[int],
) -> None:
    backup = selection(BACKUP.root, ("",) if whole or not packed else packed, left_out)
    host = selection(HOST.root, backup.folders, left_out_here)
    with tempfile.TemporaryDirectory() as base:
        source, unpacked = os.fsencode(base) + b"/source", os.fsencode(base) + b"/unpacked"
        os.mkdir(source)
        os.mkdir(unpacked)
        make(source, files)
        names = ["."] if dotted or not files else [os.fsdecode(name) for name in os.listdir(source)]
        data = tar("-C", os.fsdecode(source), "--format=gnu", "-cf", "-", *names)
        content = check_tier(split(data, cuts), backup, host)
        excluding = [f"--exclude={name}" for name in content.excluded]
        tar("-C", os.fsdecode(unpacked), "-xf", "-", "--anchored", "--no-wildcards", *excluding, stdin=data)
        there = list(names_in(source))
        taken = {
            name for name in there if backup.holds(below(backup.root, name)) and host.holds(below(host.root, name))
        }
        leading = {
            name
            for name in there
            if all(s.holds(below(s.root, name)) or s.leads(below(s.root, name)) for s in (backup, host))
        }
        assert set(names_in(unpacked)) == taken | leading
        regular = [name for name in taken if os.path.isfile(os.path.join(source, os.fsencode(name)))]
        assert content.content_bytes == sum(len(os.fsencode(name)) for name in regular)
        root_is_taken = names == ["."] and backup.holds(backup.root) and host.holds(host.root)
        assert content.entries == len(taken) + root_is_taken
        assert (content.problems, content.damage) == ((), None)
        assert len(set(content.excluded)) == len(content.excluded)


def test_an_archive_of_several_tiers_gives_each_its_own() -> None:
    host = selection(HOST.root, ("amavis", "config/deep"), ("amavis/mysql",))
    names = ["./amavis/mysql/x", "./amavis/y", "./config/deep/z", "./config/shallow", "./vmail/new/mail", "./vmail/a"]
    content = check(*map(member, names), host=host)
    assert content.entries == 2
    assert content.excluded == ("./amavis/mysql", "./config/shallow", "./vmail")


def test_the_root_alone_is_no_more_than_leading() -> None:
    content = check(member(".", tarfile.DIRTYPE), host=selection(HOST.root, ()))
    assert content == TierContent(0, 0)
    assert check(member("./", tarfile.DIRTYPE)).entries == 1


def test_a_name_that_is_packed_twice_counts_twice() -> None:
    content = check(member("./a", content=b"first"), member("./a", content=b"second"))
    assert (content.entries, content.content_bytes) == (2, 11)


def test_names_without_the_dot_are_excluded_as_they_are_written() -> None:
    content = check(member("dbase/x"), member("./dbase/x"), host=selection(HOST.root, ("",), ("dbase",)))
    assert content.excluded == ("dbase", "./dbase")


def test_holes_are_no_content() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Path(folder, "holes").open("wb") as file:
            file.seek(1 << 20)
            file.write(b"x" * 4096)
            file.truncate(5 << 20)
        data = tar("-C", folder, "--format=posix", "--sparse", "-cf", "-", ".")
    assert 4096 <= check_tier([data], BACKUP, HOST).content_bytes < 1 << 17


# Honest entries


def test_what_mail_gateways_hold_is_no_problem() -> None:
    setuid = member("./bin/su", content=b"x")
    setuid.mode = 0o4755
    content = check(
        member("./fifo", tarfile.FIFOTYPE),
        member("./link", tarfile.SYMTYPE, target="/etc/../anywhere"),
        setuid,
        member("./bin/hard", tarfile.LNKTYPE, target="./bin/su"),
        member("./" + "long/" * 60 + "name", content=b"x"),
        member("./...", content=b"x"),
        member("./..a/b..", content=b"x"),
    )
    assert (content.problems, content.entries) == ((), 7)


# Problems


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (member("/etc/passwd"), "is an absolute name"),
        (member("./a/../../b"), "leads out of the tier with `..`"),
        (member(".."), "leads out of the tier with `..`"),
        (member("./a//b"), "is not written as tar writes names"),
        (member("./a/./b"), "is not written as tar writes names"),
        (member("././b"), "is not written as tar writes names"),
        (member("./sda", tarfile.BLKTYPE), "is a device"),
        (member("./null\n", tarfile.CHRTYPE), "is a device"),
        (member("./h", tarfile.LNKTYPE, target="/etc/x"), "is a hard link to /etc/x, which is an absolute name"),
        (
            member("./h", tarfile.LNKTYPE, target="../x"),
            "is a hard link to ../x, which leads out of the tier with `..`",
        ),
        (member("./v", b"V"), "is of a type that no backup holds (b'V')"),
        (member("./.hermes-restore-data", tarfile.DIRTYPE), "belongs to a restore that was under way"),
        (member("./a/.hermes-restore-x/new/b"), "belongs to a restore that was under way"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_backup_holds_is_named(entry: tarfile.TarInfo, problem: str) -> None:
    content = check(member("./before"), entry)
    assert content.problems == (f"{shown(entry.name)} {problem}",)
    assert content.damage is None


@pytest.mark.parametrize("order", [1, -1])
def test_nothing_may_lie_below_a_link_in_whichever_order(order: int) -> None:
    entries = [member("./a/link", tarfile.SYMTYPE, target="/etc"), member("./a/link/deep/passwd")]
    assert check(*entries[::order]).problems == ("a/link is a symbolic link, and other entries lie below it",)


@pytest.mark.parametrize("order", [1, -1])
def test_no_hard_link_may_lead_through_a_symbolic_one(order: int) -> None:
    entries = [
        member("./link", tarfile.SYMTYPE, target="/etc"),
        member("./hard", tarfile.LNKTYPE, target="./link/passwd"),
    ]
    assert check(*entries[::order]).problems == (
        "./hard is a hard link to ./link/passwd, which lies below a symbolic link",
    )


def test_a_hard_link_to_a_link_is_honest() -> None:
    link, hard = member("./l", tarfile.SYMTYPE, target="/etc"), member("./h", tarfile.LNKTYPE, target="./l")
    assert check(link, hard).problems == ()


def test_a_hard_link_that_is_taken_needs_what_it_is_linked_to() -> None:
    host = selection(HOST.root, ("",), ("dbase",))
    first = member("./dbase/x", content=b"x")
    assert check(first, member("./y", tarfile.LNKTYPE, target="./dbase/x"), host=host).problems == (
        "./y is a hard link to ./dbase/x, which is not restored",
    )
    assert check(first, member("./dbase/y", tarfile.LNKTYPE, target="./dbase/x"), host=host).problems == ()


def test_problems_of_what_is_left_in_the_archive_count_but_for_hidden_folders() -> None:
    host = selection(HOST.root, ("",), ("other",))
    hidden = member("./other/.hermes-restore-x/new")
    device = member("./other/null", tarfile.CHRTYPE)
    assert check(hidden, device, host=host).problems == ("./other/null is a device",)


def test_a_file_that_only_speaks_of_restores_is_honest() -> None:
    assert check(member("./how.hermes-restore-works")).problems == ()


def test_no_more_than_a_few_problems_are_told() -> None:
    content = check(*(member(f"./{number}", tarfile.CHRTYPE) for number in range(100)))
    assert len(content.problems) == MOST_PROBLEMS


# Damage

SOUND = archive(member("./a", content=b"x" * 700), member("./b", content=b"y" * 10))
GARBLED = SOUND[:3072] + SOUND[3072:].replace(b"PaxHeader", b"PaxReader")


def damage_of(data: bytes) -> str | None:
    return check_tier([data], BACKUP, HOST).damage


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1 << 20), max_size=12))
def test_it_does_not_matter_how_the_stream_is_cut(cuts: list[int]) -> None:
    assert check_tier(split(SOUND, cuts), BACKUP, HOST) == TierContent(2, 710)
    assert check_tier(split(SOUND + b"x", cuts), BACKUP, HOST).damage == "something follows the end of the archive"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, SOUND.rindex(b"y") + 1), st.lists(st.integers(0, 1 << 20), max_size=3))
def test_an_archive_that_breaks_off_is_damaged(end: int, cuts: list[int]) -> None:
    assert check_tier(split(SOUND[:end], cuts), BACKUP, HOST).damage


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive at all",
        b"no archive at all" * 100,
        b"g" * 1024 + SOUND,
        SOUND[:2048] + b"g" * 512 + SOUND[2048:],
        GARBLED,
        SOUND.rstrip(b"\0"),
        SOUND[: SOUND.rindex(b"y") // 512 * 512 + 512],
        SOUND + SOUND,
        SOUND[:-1] + b"x",
    ],
)
def test_garbage_anywhere_is_damage(data: bytes) -> None:
    assert damage_of(data)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=40))
def test_no_garbage_makes_it_fail_in_any_other_way(at: int, garbage: bytes) -> None:
    damage_of(SOUND[:at] + garbage + SOUND[at + len(garbage) :])


def test_what_came_before_the_damage_is_told() -> None:
    packed = gzip.compress(SOUND + os.urandom(3 << 20))
    content = check_tier(inflated(io.BytesIO(packed[: 1 << 21])), BACKUP, HOST)
    assert content.damage
    assert check_tier(inflated(io.BytesIO(gzip.compress(SOUND)[:-4])), BACKUP, HOST).damage == "it breaks off"


def test_entries_that_were_seen_are_not_kept() -> None:
    data = archive(*(member(f"./{number}") for number in range(300)))
    for entry in tar_entries([data]):
        if entry.name == "./299":
            assert sum(isinstance(kept, tarfile.TarInfo) for kept in gc.get_objects()) < 100


# Small files


def wanted(*names: str) -> dict[str, bytes]:
    data = archive(
        member("./.env", content=b"first"),
        member("./config/.env", content=b"deep"),
        member("docker-compose.yml", content=b"services:"),
        member("./.env", content=b"last"),
        member("./large", content=b"x" * 5000),
        member("./folder", tarfile.DIRTYPE),
        member("./replaced", content=b"x"),
        member("./replaced", tarfile.SYMTYPE, target="/etc/passwd"),
    )
    return small_files(split(data, [700, 5000]), lambda name: name in names, 4999)


def test_small_files_are_read_in_one_pass_and_the_last_one_counts() -> None:
    assert wanted(".env", "docker-compose.yml", "config/.env") == {
        ".env": b"last",
        "docker-compose.yml": b"services:",
        "config/.env": b"deep",
    }


def test_what_is_no_small_file_is_passed_over() -> None:
    assert wanted("large", "folder", "replaced", "nowhere") == {}


def test_small_files_of_a_damaged_archive_are_none() -> None:
    with pytest.raises(GarbledTar, match=r"\(no sound header at byte 3072\): copy the backup here again, or take"):
        small_files([GARBLED], lambda _: True)
