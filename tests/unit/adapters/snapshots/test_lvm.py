"""Snapshots of logical volumes, by what LVM's tools print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve, frozen

from hermes_backup_core.adapters.mounts import MountLine, Sight
from hermes_backup_core.adapters.snapshots import lvm, namespace
from hermes_backup_core.adapters.snapshots.lvm import Lvm
from hermes_backup_core.domain.errors import CommandFailed, SnapshotLeft
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.snapshots import Ground, Reserve, Snapshot, SnapshotKind, Volume
from tests.unit.adapters.programs import Programs, programs
from tests.unit.fakes.host import MemoryHost, plain_host
from tests.unit.fakes.watching import MemoryClock

MIB = 1 << 20
NAME = "hermes-backup-snapshot-20260601T103000Z-12345678-1"
TOOLS = ("lvs", "lvcreate", "lvchange", "lvremove", "mount", "umount")
RECORDED = Path(__file__).parents[1] / "recorded/lvm"


def volume(**changes: str) -> dict[str, str]:
    plain = {
        "vg_name": "vg",
        "lv_name": "mail",
        "lv_attr": "-wi-ao----",
        "lv_size": str(2000 * MIB),
        "vg_free": str(300 * MIB),
        "vg_extent_size": str(4 * MIB),
        "pool_lv": "",
        "origin": "",
        "lv_kernel_major": "253",
        "lv_kernel_minor": "4",
    }
    return plain | changes


def report(*volumes: dict[str, str]) -> str:
    return json.dumps({"report": [{"lv": list(volumes)}], "log": []})


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Programs]:
    with programs(tmp_path / "bin", *TOOLS) as made:
        yield made


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    for device, uuid in (("253:4", "LVM-abcdef"), ("253:5", "CRYPT-LUKS2-abcdef")):
        (tmp_path / "block" / device / "dm").mkdir(parents=True)
        (tmp_path / "block" / device / "dm/uuid").write_text(f"{uuid}\n")
    return tmp_path / "block"


@pytest.fixture
def host() -> MemoryHost:
    return plain_host()


@pytest.fixture
def maker(host: MemoryHost, devices: Path) -> Lvm:
    return Lvm(MemoryClock(host), str(devices))


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Snapshot(SnapshotKind.LVM, "vg/mail", f"vg/{NAME}", f"{tmp_path}/{NAME}", (Tier.VMAIL,), 200 * MIB, "ext4")


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The process keeps the mounts that it has; what is kept is that it was asked for others."""
    entered: list[str] = []
    monkeypatch.setattr(lvm, "enter_private_mounts", lambda: entered.append("private"))
    return entered


def seen(filesystem: str = "ext4", device: str = "253:4", root: str = "/") -> tuple[Sight, ...]:
    return (Sight(MountLine("36", device, root, "/mnt/mail", filesystem, "/dev/mapper/vg-mail"), "/mnt/mail/vmail"),)


def test_a_volume_is_found_by_its_device_and_takes_a_tenth_of_its_size(maker: Lvm, tools: Programs) -> None:
    tools.say("lvs", report(volume(lv_name="other", lv_kernel_minor="3"), volume()))
    assert maker.look(seen()) == Ground(
        Volume(
            SnapshotKind.LVM,
            "vg/mail",
            "lvm vg/mail",
            "/mnt/mail",
            "vmail",
            reserve=Reserve("vg", 200 * MIB, 300 * MIB),
            filesystem="ext4",
        )
    )


@pytest.mark.parametrize(
    ("size", "extent", "needed"),
    [(100, 4, 64), (40, 4, 40), (42, 4, 44), (2001, 4, 204), (10_000, 32, 1024)],
    ids=["at least 64", "never more than the volume", "whole extents", "a tenth", "large extents"],
)
def test_the_room_is_a_share_in_whole_extents(maker: Lvm, tools: Programs, size: int, extent: int, needed: int) -> None:
    tools.say("lvs", report(volume(lv_size=str(size * MIB), vg_extent_size=str(extent * MIB))))
    found = maker.look(seen()).volume
    assert found
    assert found.reserve == Reserve("vg", needed * MIB, 300 * MIB)


def test_a_thin_volume_takes_no_room(maker: Lvm, tools: Programs) -> None:
    tools.say("lvs", report(volume(pool_lv="pool", lv_attr="Vwi-aotz--", vg_free="0")))
    found = maker.look(seen("xfs")).volume
    assert found
    assert (found.reserve, found.filesystem) == (None, "xfs")


def test_the_place_is_that_in_the_file_system_not_below_the_mount_point(maker: Lvm, tools: Programs) -> None:
    tools.say("lvs", report(volume()))
    found = maker.look(seen(root="/data")).volume
    assert found
    assert found.inside == "data/vmail"


@pytest.mark.parametrize(
    ("filesystem", "device", "said"),
    [
        ("ext4", "8:1", "it lies on ext4 without LVM"),
        ("xfs", "253:5", "it lies on xfs without LVM"),
        ("f2fs", "253:4", "it lies on f2fs, whose snapshots cannot be mounted safely"),
    ],
)
def test_what_cannot_be_had_is_told_without_asking_lvm(maker: Lvm, filesystem: str, device: str, said: str) -> None:
    assert said in maker.look(seen(filesystem, device)).problem


def test_only_root_is_told(maker: Lvm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root" in maker.look(seen()).unknown
    assert "without LVM" in maker.look(seen(device="8:1")).problem


def test_a_snapshot_has_no_snapshot_and_a_device_that_lvm_does_not_know_neither(maker: Lvm, tools: Programs) -> None:
    tools.say("lvs", report(volume(lv_attr="swi-aos---", origin="mail")))
    tools.say("lvs", report(volume(lv_kernel_minor="9")))
    assert maker.look(seen()).problem == "it lies on vg/mail, which is a snapshot itself"
    assert "does not list the volume /dev/mapper/vg-mail" in maker.look(seen()).problem


def test_without_the_program_it_says_which_package_has_it(maker: Lvm, tmp_path: Path) -> None:
    with programs(tmp_path / "bin"):
        assert maker.look(seen()).problem == "`lvs` is not there, which the package lvm2 has"


def test_a_classic_snapshot_is_made_with_its_room_and_mounted_for_this_process_alone(
    maker: Lvm, tools: Programs, snapshot: Snapshot, private: list[str]
) -> None:
    tools.say("lvcreate", f'  Logical volume "{NAME}" created.\n')
    tools.say("mount")
    maker.take(snapshot)
    made = f"lvcreate --snapshot --permission r --setactivationskip n --name {NAME} --size 209715200b vg/mail"
    mount = f"mount --types ext4 --options ro /dev/vg/{NAME} {snapshot.place}"
    assert tools.commands() == [made, mount]
    assert private == ["private"]
    assert os.stat(snapshot.place).st_mode & 0o777 == 0o700


def test_a_thin_snapshot_is_activated_whatever_the_host_is_configured_to_skip(
    maker: Lvm, tools: Programs, snapshot: Snapshot, private: list[str]
) -> None:
    for program in ("lvcreate", "lvchange", "mount"):
        tools.say(program)
    maker.take(evolve(snapshot, reserved=0, filesystem="xfs"))
    create, activate, mount = tools.commands()
    assert "--size" not in create
    assert activate == f"lvchange --activate y --ignoreactivationskip vg/{NAME}"
    assert "--types xfs --options ro,nouuid,norecovery" in mount


def test_a_journal_that_cannot_be_replayed_is_passed_over(
    maker: Lvm, tools: Programs, snapshot: Snapshot, private: list[str]
) -> None:
    tools.say("lvcreate")
    tools.say("options ro /dev", err="mount: cannot mount /dev/vg/x read-only.\n", code=32)
    tools.say("options ro,noload")
    maker.take(snapshot)
    assert len(tools.calls) == 3


def test_a_snapshot_that_cannot_be_mounted_is_a_failure(
    maker: Lvm, tools: Programs, snapshot: Snapshot, private: list[str]
) -> None:
    tools.say("lvcreate")
    tools.say("mount", err="mount: wrong fs type, bad option, bad superblock\n", code=32)
    with pytest.raises(CommandFailed, match="wrong fs type"):
        maker.take(snapshot)


@pytest.mark.parametrize(("attr", "is_void"), [("sri-a-s---", False), ("sri-I-s---", True), ("sri-S-s---", True)])
def test_a_snapshot_that_ran_full_is_void(
    maker: Lvm, tools: Programs, snapshot: Snapshot, attr: str, is_void: bool
) -> None:
    tools.say("lvs", report({"lv_attr": attr}))
    problem = maker.problem(snapshot)
    said = "it ran full, as more than the 200.0 MiB kept for changes were written to vg/mail while it was read"
    assert problem == (said if is_void else None)


def test_one_that_is_in_use_for_a_while_is_tried_again(
    maker: Lvm, host: MemoryHost, tools: Programs, snapshot: Snapshot
) -> None:
    for _ in range(2):
        tools.say("lvremove", err=f"  Logical volume vg/{NAME} contains a filesystem in use.\n", code=5)
    tools.say("lvremove", f'  Logical volume "{NAME}" successfully removed.\n')
    assert maker.remove(snapshot) is True
    assert host.now == 2.0


def test_one_that_stays_in_use_is_told_with_what_to_type(
    maker: Lvm, host: MemoryHost, tools: Programs, snapshot: Snapshot
) -> None:
    tools.say("lvremove", err="  contains a filesystem in use.\n", code=5)
    with pytest.raises(SnapshotLeft, match=rf"in use\.\): run `lvremove --yes vg/{NAME}`"):
        maker.remove(snapshot)
    assert 10.0 <= host.now <= 30.0


def test_a_folder_that_something_lies_in_is_told_too(maker: Lvm, tools: Programs, snapshot: Snapshot) -> None:
    os.makedirs(f"{snapshot.place}/something")
    with pytest.raises(SnapshotLeft, match="Directory not empty"):
        maker.remove(snapshot)


# What was recorded of LVM 2.03 in a virtual machine: see the folder.


@pytest.mark.parametrize("name", ["classic-ext4", "classic-xfs", "thin-ext4"])
def test_what_lvm_prints_is_understood(name: str, devices: Path, tools: Programs, snapshot: Snapshot) -> None:
    recording = recorded(name, tools, snapshot)
    device, filesystem = recording.mount
    (devices / device / "dm").mkdir(parents=True, exist_ok=True)
    (devices / device / "dm/uuid").write_text(recording.uuids[device])
    maker = Lvm(MemoryClock(plain_host()), str(devices))
    found = maker.look((Sight(MountLine("1", device, "/", "/mnt/x", filesystem, "/dev/x"), "/mnt/x"),)).volume
    assert found
    assert found.name == recording.origin
    assert (found.reserve is None) == (name == "thin-ext4")
    taken = evolve(
        snapshot, of=found.name, reserved=found.reserve.needed if found.reserve else 0, filesystem=filesystem
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lvm, "enter_private_mounts", lambda: None)
        maker.take(taken)
    assert maker.problem(taken) is None
    host = plain_host()
    maker = Lvm(MemoryClock(host), str(devices))
    # The recording tried to remove it while it was mounted, too, and once more when it was gone.
    assert maker.remove(taken) is True
    assert host.now == 1.0
    assert maker.remove(taken) is False


def test_a_recorded_overflow_is_known(maker: Lvm, tools: Programs, snapshot: Snapshot) -> None:
    recorded("overflow", tools, snapshot)
    states = [maker.problem(snapshot) for _ in range(2)]
    assert states[0] is None
    assert states[1]
    assert "it ran full" in states[1]


def test_a_group_that_is_not_there_is_not_taken_for_one_without_the_snapshot(
    maker: Lvm, host: MemoryHost, tools: Programs, snapshot: Snapshot
) -> None:
    recorded("refused", tools, snapshot)
    absent = evolve(snapshot, of="absent/mail", name=f"absent/{NAME}")
    with pytest.raises(SnapshotLeft, match='Volume group "absent" not found'):
        maker.remove(absent)
    assert host.now == 0.0


def test_a_look_that_fails_says_what_lvm_said(maker: Lvm, tools: Programs) -> None:
    log = [{"log_type": "error", "log_message": "Cannot process volume group vg"}]
    tools.say("lvs", json.dumps({"report": [{"lv": []}], "log": log}), code=5)
    assert maker.look(seen()).problem.endswith("ended with exit code 5: Cannot process volume group vg")


def test_a_group_that_cannot_be_read_is_no_matter_where_the_volume_is_in_another(maker: Lvm, tools: Programs) -> None:
    log = [{"log_type": "error", "log_message": "Cannot process volume group other"}]
    tools.say("lvs", json.dumps({"report": [{"lv": [volume()]}], "log": log}), code=5)
    assert maker.look(seen()).problem == ""


@frozen
class Recording:
    """What was recorded: the volume that was meant, what it lies on, and the kernel's word of each device."""

    origin: str
    mount: tuple[str, str]
    uuids: dict[str, str]


def recorded(name: str, tools: Programs, snapshot: Snapshot) -> Recording:
    """Have the tools say what was recorded under ``name``, at this test's place instead of that one's."""
    entries = json.loads((RECORDED / f"{name}.json").read_text())
    for entry in entries:
        if entry["command"][0] in TOOLS:
            words = [snapshot.place if word == "/run/snapshot" else word for word in entry["command"]]
            tools.say(" ".join(words), entry["stdout"], entry["stderr"], entry["code"])
    origin = next(entry["command"][-1] for entry in entries if entry["command"][0] == "lvcreate")
    lines = next((entry["stdout"] for entry in entries if entry["command"][0] == "grep"), "").splitlines()
    fields = [line.split() for line in lines if line.endswith(origin.replace("/", "-")) or f"-{origin[3:]} " in line]
    uuids = next((entry["stdout"] for entry in entries if entry["command"][0] == "sh"), "").splitlines()
    parts = [line.partition("/dm/uuid:") for line in uuids]
    mount = (fields[0][2], fields[0][fields[0].index("-") + 1]) if fields else ("", "")
    return Recording(origin, mount, {path.rpartition("/")[2]: uuid for path, _, uuid in parts})


def test_a_report_that_is_none_is_a_failure(maker: Lvm, tools: Programs) -> None:
    tools.say("lvs", "  WARNING: something\n")
    assert "its report is no JSON: WARNING: something" in maker.look(seen()).problem


MOUNTS_ALONE = """
import os, subprocess, sys, threading
from hermes_backup_core.adapters.snapshots.namespace import enter_private_mounts
view = lambda: os.readlink("/proc/thread-self/ns/mnt")
others, leave = [], threading.Event()
def look():
    others.append(view())
    leave.wait()
    others.append(view())
other = threading.Thread(target=look)
other.start()
before = view()
enter_private_mounts()
inside = view()
enter_private_mounts()
subprocess.run(["mount", "-t", "tmpfs", "none", sys.argv[1]], check=True)
leave.set()
other.join()
assert os.path.ismount(sys.argv[1])
assert before != inside == view()
assert others == [before, before]
"""


def test_mounts_of_this_thread_are_seen_by_no_other(tmp_path: Path) -> None:
    """In a process of its own, since it never comes back from there."""
    subprocess.run([sys.executable, "-c", MOUNTS_ALONE, str(tmp_path)], check=True)
    assert not os.path.ismount(tmp_path)


def test_where_no_mounts_of_its_own_can_be_had_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "_NEW_MOUNTS", -1)
    with pytest.raises(OSError, match="no mounts of its own can be had: Invalid argument"):
        namespace.enter_private_mounts()
