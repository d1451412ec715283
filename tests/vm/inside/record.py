"""Keep what LVM's tools, mount(8) and the kernel say, in the situations that a backup meets.

    python3 -m tests.vm.inside.record FOLDER DISK

One file of JSON for each situation: a list of commands in their order, each with what came of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

from hermes_backup_core.adapters.snapshots import lvm

REPORT = (*lvm._REPORT, ",".join(lvm._COLUMNS))
# More than an adapter needs, for whoever asks himself what a volume was.
MORE = "vg_name,lv_name,lv_attr,lv_size,pool_lv,origin,data_percent,lv_dm_path,segtype,lv_kernel_major,lv_kernel_minor"
EVERYTHING = (*lvm._REPORT, MORE)
GROUPS = (
    "vgs",
    "--reportformat",
    "json",
    "--units",
    "b",
    "--nosuffix",
    "--options",
    "vg_name,vg_size,vg_free,vg_extent_size",
)
STATE = (*lvm._REPORT, "lv_attr")
NAME = "hermes-backup-snapshot-20260601T103000Z-12345678-1"
MAKING = ("lvcreate", "--snapshot", "--permission", "r", "--setactivationskip", "n", "--name", NAME)
PLACE = "/run/snapshot"
MIB = 1 << 20


@define
class Situation:
    """The commands of one situation so far."""

    said: list[dict[str, object]] = field(factory=list)

    def run(self, *argv: str) -> int:
        """Run ``argv`` as a backup does, and keep what came of it."""
        done = subprocess.run(argv, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}, check=False)
        self.said.append({"command": argv, "stdout": done.stdout, "stderr": done.stderr, "code": done.returncode})
        return done.returncode

    def look(self) -> None:
        """Keep what there is: all volumes and groups, what is mounted, and the kernel's name of a device."""
        self.run(*REPORT)
        self.run(*EVERYTHING)
        self.run(*GROUPS)
        self.run("grep", "/dev/mapper", "/proc/self/mountinfo")
        self.run("sh", "-c", "grep . /sys/dev/block/*/dm/uuid")

    def snapshot(self, *making: str, of: str) -> int:
        return self.run(*MAKING, *making, of)

    def mount(self, filesystem: str, options: str) -> int:
        os.makedirs(PLACE, exist_ok=True)
        device = f"/dev/vg/{NAME}"
        return self.run("mount", "--types", filesystem, "--options", options, device, PLACE)


def quiet(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def fill(place: str, mib: int) -> None:
    """Write ``mib`` MiB below ``place``, all the way to the disk."""
    with Path(place).open("wb", buffering=0) as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())


@contextmanager
def volumes(disk: str) -> Iterator[None]:
    """A volume group with one classic volume each of ext4 and xfs, and a thin one of ext4, all mounted."""
    quiet("vgcreate", "--yes", "vg", disk)
    quiet("lvcreate", "--yes", "--size", "400m", "--name", "mail", "vg")
    quiet("lvcreate", "--yes", "--size", "400m", "--name", "archive", "vg")
    quiet("lvcreate", "--yes", "--type", "thin-pool", "--size", "400m", "--name", "pool", "vg")
    quiet("lvcreate", "--yes", "--thin", "--virtualsize", "800m", "--name", "files", "vg/pool")
    for name, filesystem in (("mail", "ext4"), ("archive", "xfs"), ("files", "ext4")):
        quiet(f"mkfs.{filesystem}", "-q", f"/dev/vg/{name}")
        os.makedirs(f"/mnt/{name}")
        quiet("mount", f"/dev/vg/{name}", f"/mnt/{name}")
        fill(f"/mnt/{name}/before", 2)
    yield
    for name in ("mail", "archive", "files"):
        quiet("umount", f"/mnt/{name}")
    quiet("vgremove", "--yes", "vg")


def served(of: str, filesystem: str, options: str, *room: str) -> Situation:
    """From the look at the volume to the end of its snapshot, written to meanwhile."""
    seen = Situation()
    seen.look()
    seen.snapshot(*room, of=of)
    if not room:
        seen.run("lvchange", "--activate", "y", "--ignoreactivationskip", f"vg/{NAME}")
    fill(f"/mnt/{of.removeprefix('vg/')}/after", 4)
    if options != "ro":
        # What is said where a plain `ro` is not enough.
        seen.mount(filesystem, "ro")
    seen.mount(filesystem, options)
    seen.look()
    seen.run("ls", PLACE)
    seen.run(*STATE, f"vg/{NAME}")
    seen.run("lvremove", "--yes", f"vg/{NAME}")  # in use
    seen.run("umount", PLACE)
    seen.run(*lvm._REPORT, "lv_name", f"vg/{NAME}")
    seen.run("lvremove", "--yes", f"vg/{NAME}")
    seen.run(*lvm._REPORT, "lv_name", f"vg/{NAME}")  # gone
    seen.run("lvremove", "--yes", f"vg/{NAME}")
    return seen


def overflowed() -> Situation:
    """A snapshot that more was written to than it keeps, while it is mounted."""
    seen = Situation()
    seen.snapshot("--size", f"{16 * MIB}b", of="vg/mail")
    seen.mount("ext4", "ro")
    seen.run(*STATE, f"vg/{NAME}")
    fill("/mnt/mail/much", 40)
    seen.look()
    seen.run(*STATE, f"vg/{NAME}")
    seen.run("cat", f"{PLACE}/before")
    seen.said[-1]["stdout"] = ""
    seen.run("umount", PLACE)
    seen.mount("ext4", "ro")
    seen.run("lvremove", "--yes", f"vg/{NAME}")
    return seen


def refused() -> Situation:
    """No room, a name that is taken, and what is not there."""
    seen = Situation()
    seen.snapshot("--size", f"{100_000 * MIB}b", of="vg/mail")
    seen.snapshot("--size", f"{16 * MIB}b", of="vg/mail")
    seen.snapshot("--size", f"{16 * MIB}b", of="vg/mail")
    seen.run(*MAKING[:-1], "second", "--size", f"{16 * MIB}b", f"vg/{NAME}")
    seen.run("lvremove", "--yes", f"vg/{NAME}")
    quiet("lvcreate", "--yes", "--extents", "100%FREE", "--name", "filler", "vg")
    seen.snapshot("--size", f"{16 * MIB}b", of="vg/mail")
    quiet("lvremove", "--yes", "vg/filler")
    seen.snapshot("--size", f"{16 * MIB}b", of="vg/absent")
    seen.run(*lvm._REPORT, "lv_name", f"absent/{NAME}")
    seen.run("lvremove", "--yes", f"absent/{NAME}")
    return seen


def main(folder: Path, disk: str) -> None:
    folder.mkdir()
    with volumes(disk):
        room = ("--size", f"{64 * MIB}b")
        found = {
            "classic-ext4": served("vg/mail", "ext4", "ro", *room),
            "classic-xfs": served("vg/archive", "xfs", "ro,nouuid,norecovery", *room),
            "thin-ext4": served("vg/files", "ext4", "ro"),
            "overflow": overflowed(),
            "refused": refused(),
        }
    for name, situation in found.items():
        (folder / f"{name}.json").write_text(json.dumps(situation.said, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
