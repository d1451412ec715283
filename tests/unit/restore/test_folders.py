"""Tiers exchanged by renames: what is kept of both sides, that each can be broken off, and what is told of it."""

from __future__ import annotations

import io
import tarfile

import pytest

from hermes_backup_core.domain.restore_steps import TierPlan
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.swap import Stage, Swap, stages_for
from hermes_backup_core.restore.folders import Folders, KeptIsGone, StagedIsGone
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.state import State
from tests.unit.fakes.target import MemoryTarget
from tests.unit.fakes.trees import MemoryTrees

MAIL = "/mnt/vmail"
HIDDEN = f"{MAIL}/.hermes-restore-vmail"
DISK = f"{MAIL}/disk"


def folders_of(host: MemoryHost) -> Folders:
    return Folders(MemoryTrees(host), MemoryTarget(host))


def stopped_host(*files: str, disk: str | None = None) -> MemoryHost:
    """A host with nothing but these files of mail, each in a folder of its owner's; ``disk`` is mounted in it."""
    host = MemoryHost()
    for box in host.boxes.values():
        box.state = "exited"
    for name in files:
        host.add(f"{MAIL}/{name}", b"old")
    host.devices = {MAIL: 1, **({disk: 2} if disk else {})}
    host.shapes = {**dict.fromkeys(host.folders, "5000:5000 0700"), **dict.fromkeys(host.files, "5000:5000 0600")}
    return host


def archive(*files: str) -> bytes:
    """A tar with files that hold ``new``, and the folders above them, owned by another."""
    stream = io.BytesIO()
    names = {name[:end] for name in files for end, char in enumerate(name) if char == "/"}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("", *sorted({*names, *files})):
            info = tarfile.TarInfo(f"./{name}")
            info.uid, info.gid, info.mode = 6000, 6000, 0o750
            info.type, info.size = (tarfile.REGTYPE, 3) if name in files else (tarfile.DIRTYPE, 0)
            tar.addfile(info, io.BytesIO(b"new"[: info.size]))
    return stream.getvalue()


def plan_of(host: MemoryHost, selection: TierSelection | None = None, **changes: object) -> TierPlan:
    chosen = selection or TierSelection(MAIL)
    return TierPlan(
        **{  # type: ignore[arg-type]
            "tier": Tier.VMAIL,
            "path": MAIL,
            "selection": chosen,
            "source": chosen,
            "stages": stages_for(MAIL, "vmail", MemoryTrees(host).mount_points(MAIL)),
            **changes,
        }
    )


def unpacked(host: MemoryHost, plan: TierPlan, *files: str) -> None:
    folders_of(host).unpack(plan, lambda: [archive(*files)])


def contents(host: MemoryHost) -> dict[str, bytes]:
    return {path[len(MAIL) + 1 :]: content for path, content in host.files.items() if "/.hermes" not in path}


def at_every_call(host: MemoryHost, swap: Swap, way: str) -> list[State]:
    """Exchange or put back, and return what each end of a call would have left."""
    states: list[State] = []
    host.hook = lambda moment, number, call: states.append(host.state())
    getattr(folders_of(host), way)(swap)
    host.hook = None
    return states


def test_the_backups_files_take_the_place_of_what_is_there_and_that_is_kept() -> None:
    host = stopped_host("bob/1", "gone/2")
    before, plan = host.state(), plan_of(host)
    unpacked(host, plan, "bob/9", "fresh/3")
    swap = folders_of(host).swap_of(plan)
    folders_of(host).exchange(swap)
    assert contents(host) == {"bob/9": b"new", "fresh/3": b"new"}
    assert host.files[f"{HIDDEN}/old/bob/1"] == b"old"
    assert host.shapes[MAIL] == "6000:6000 0750"
    assert host.violations == []
    folders_of(host).put_back(swap)
    assert host.state().differences(before) == []
    folders_of(host).remove(plan.stages)
    assert host.state().leftovers == ()


@pytest.mark.parametrize("disk", [None, DISK])
def test_an_exchange_can_be_broken_off_anywhere_both_ways(disk: str | None) -> None:
    """Also one with a folder that is entered, one with a disk in it, and one with a file that is never missing."""
    host = stopped_host("bob/1", "pinned/deep/2", "pinned/3", "disk/4", "one", disk=disk)
    before = host.state()
    plan = plan_of(host, pinned=frozenset({f"{MAIL}/pinned"}), at_once=frozenset({f"{MAIL}/one"}))
    unpacked(host, plan, "bob/9", "pinned/deep/8", "pinned/fresh/7", "disk/6/x", "one", "two")
    swap = folders_of(host).swap_of(plan)
    began = host.state()
    forward = at_every_call(host, swap, "exchange")
    after = host.state()
    backward = at_every_call(host, swap, "put_back")
    for state in (began, *forward, *backward):
        host.restore(state)
        folders_of(host).exchange(swap)
        assert host.state().differences(after) == []
        host.restore(state)
        folders_of(host).put_back(swap)
        assert host.state().differences(before) == []
        assert f"{MAIL}/one" in state.files
    assert host.violations == []


def test_folders_that_stay_have_the_shape_of_the_backups_and_get_their_own_again() -> None:
    host = stopped_host("pinned/1", "other/2")
    host.shapes[f"{MAIL}/pinned"] = "7:7 0711"
    plan = plan_of(host, pinned=frozenset({f"{MAIL}/pinned", f"{MAIL}/other"}))
    unpacked(host, plan, "pinned/9")
    swap = folders_of(host).swap_of(plan)
    folders_of(host).exchange(swap)
    assert (host.shapes[f"{MAIL}/pinned"], host.shapes[f"{MAIL}/other"]) == ("6000:6000 0750", "5000:5000 0700")
    folders_of(host).put_back(swap)
    assert host.shapes[f"{MAIL}/pinned"] == "7:7 0711"


def test_before_the_shapes_are_kept_there_is_nothing_to_put_back() -> None:
    host = stopped_host("bob/1")
    plan = plan_of(host)
    unpacked(host, plan, "bob/9")
    swap = folders_of(host).swap_of(plan)
    before = host.state()
    folders_of(host).put_back(swap)
    assert host.state().differences(before) == []
    assert "trees.shape_like" not in host.calls


def test_each_disk_has_its_own_part_unpacked_on_it() -> None:
    host = stopped_host("bob/1", "disk/4", disk=DISK)
    plan = plan_of(host, excluded=("./bob/secret",))
    unpacked(host, plan, "bob/9", "bob/secret", "disk/6/x")
    hidden = {path for path in host.files if "/.hermes-restore-" in path}
    assert hidden == {f"{HIDDEN}/new/bob/9", f"{DISK}/.hermes-restore-vmail/new/6/x"}


def test_a_copy_on_another_disk_is_unpacked_whole_and_brought_in_line_around_what_stays() -> None:
    host = stopped_host("a/1", "a/kept/2", "b/left/3", "b/4", "c/5", disk=DISK)
    host.add_folder("/spare")
    selection = TierSelection(MAIL, folders=("a", "b", "c"), left_out=("b/left",))
    plan = plan_of(
        host,
        selection,
        stages=(Stage("/spare", ".hermes-restore-vmail"),),
        stays=frozenset({f"{MAIL}/a/kept"}),
        synced=True,
    )
    unpacked(host, plan, "a/9", "b/8")
    folders_of(host).sync(plan)
    assert contents(host) == {
        "a/9": b"new",
        "a/kept/2": b"old",
        "b/8": b"new",
        "b/left/3": b"old",
        # What the backup lacks altogether stays as it is.
        "c/5": b"old",
    }


def test_what_is_not_where_it_was_is_told_for_each_entry() -> None:
    host = stopped_host("both", "gone", "waits")
    plan = plan_of(host)
    unpacked(host, plan, "both", "fresh", "late")
    swap = folders_of(host).swap_of(plan)
    assert list(folders_of(host).whereabouts(swap)) == []
    folders_of(host).exchange(swap)
    host.files[f"{HIDDEN}/new/late"] = host.files.pop(f"{MAIL}/late")
    host.files[f"{MAIL}/waits"] = host.files.pop(f"{HIDDEN}/old/waits")
    assert list(folders_of(host).whereabouts(swap)) == [
        f"what was at {MAIL}/both is at {HIDDEN}/old/both",
        f"{MAIL}/fresh is the backup's, and was not there before",
        f"what was at {MAIL}/gone is at {HIDDEN}/old/gone",
    ]


@pytest.mark.parametrize("kept", ["bob", "gone", "pinned/2"])
def test_nothing_is_put_back_where_something_of_what_was_kept_is_gone(kept: str) -> None:
    """Or the restored copy would be put aside, and removed, with nothing to take its place."""
    host = stopped_host("bob/1", "gone/1", "pinned/2")
    plan = plan_of(host, pinned=frozenset({f"{MAIL}/pinned"}))
    unpacked(host, plan, "bob/9", "pinned/2")
    swap = folders_of(host).swap_of(plan)
    folders_of(host).exchange(swap)
    MemoryTrees(host).rename(f"{HIDDEN}/old/{kept}", f"{HIDDEN}/away")
    before = host.state()
    with pytest.raises(KeptIsGone) as error:
        folders_of(host).put_back(swap)
    assert (error.value.path, error.value.kept) == (f"{MAIL}/{kept}", f"{HIDDEN}/old/{kept}")
    assert f"should be at {HIDDEN}/old/{kept}, and is not: bring it back" in str(error.value)
    assert host.state().differences(before) == []
    MemoryTrees(host).rename(f"{HIDDEN}/away", f"{HIDDEN}/old/{kept}")
    folders_of(host).put_back(swap)
    assert contents(host) == {"bob/1": b"old", "gone/1": b"old", "pinned/2": b"old"}


@pytest.mark.parametrize("way", ["swap_of", "sync"])
def test_a_staged_copy_that_is_gone_is_not_taken_for_an_empty_tier(way: str) -> None:
    host = stopped_host("bob/1")
    plan = plan_of(host)
    unpacked(host, plan, "bob/9")
    folders_of(host).remove(plan.stages)
    with pytest.raises(StagedIsGone, match=r"\.hermes-restore-vmail/new is gone; the tier is as it was"):
        getattr(folders_of(host), way)(plan)
    assert contents(host) == {"bob/1": b"old"}


def test_files_that_were_staged_for_a_folder_and_are_gone_are_missed() -> None:
    host = stopped_host("data.mdb")
    with pytest.raises(StagedIsGone):
        folders_of(host).swap_inside(MAIL, Stage(MAIL, ".hermes-restore-ldap"))
