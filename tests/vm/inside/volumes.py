"""Logical volumes of the virtual machine, made for a test and gone after it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.fake_host import FakeHost

GROUP = "vg"
DISK = "/dev/vdc"
SNAPSHOT = "hermes-backup-snapshot-"
MIB = 1 << 20


def command(*argv: str) -> str:
    """Run ``argv`` and return its stdout; a failure is one of the test's surroundings."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def make(name: str, kind: str, mib: int = 300) -> str:
    """Make the volume ``name`` (``kind``: ext4, xfs, thin-ext4, thin-xfs) with a file system, and return its device."""
    thin, _, filesystem = kind.rpartition("-")
    if thin:
        # A third of its volumes' size, as thin pools are.
        command("lvcreate", "--yes", "--type=thin-pool", f"--size={mib}m", f"--name=pool_{name}", GROUP)
        command("lvcreate", "--yes", "--thin", f"--virtualsize={mib * 3}m", f"--name={name}", f"{GROUP}/pool_{name}")
    else:
        command("lvcreate", "--yes", f"--size={mib}m", f"--name={name}", GROUP)
    command(f"mkfs.{filesystem}", "-q", f"/dev/{GROUP}/{name}")
    return f"/dev/{GROUP}/{name}"


@contextmanager
def moved_to(folder: Path, name: str, kind: str, mib: int = 300) -> Iterator[Path]:
    """Have ``folder``, with all that is in it, on a volume of its own; all volumes must be in the end as they were."""
    before = volumes()
    device = make(name, kind, mib)
    aside = folder.rename(folder.with_name(f"{folder.name}.aside"))
    folder.mkdir()
    command("mount", device, str(folder))
    command("cp", "-a", f"{aside}/.", str(folder))
    shutil.rmtree(aside)
    try:
        yield folder
        assert snapshots() == []
    finally:
        command("umount", str(folder))
        for made in sorted(volumes() - before, key=lambda volume: volume.startswith("pool_")):
            command("lvremove", "--yes", f"{GROUP}/{made}")


@contextmanager
def filled_up() -> Iterator[None]:
    """Leave 20 MiB of the volume group."""
    free = int(float(command("vgs", "--noheadings", "--nosuffix", "--units=m", "--options=vg_free", GROUP)))
    command("lvcreate", "--yes", f"--size={free - 20}m", "--name=filler", GROUP)
    try:
        yield
    finally:
        command("lvremove", "--yes", f"{GROUP}/filler")


def volumes() -> set[str]:
    """The names of all volumes, pools and snapshots."""
    return set(command("lvs", "--noheadings", "--options=lv_name", GROUP).split())


def snapshots() -> list[str]:
    """The names of the snapshots that a backup made."""
    return sorted(name for name in volumes() if name.startswith(SNAPSHOT))


def origins() -> list[str]:
    """What each snapshot is of."""
    content = json.loads(command("lvs", "--reportformat=json", "--options=lv_name,origin", GROUP))
    found = content["report"][0]["lv"]
    return sorted(volume["origin"] for volume in found if volume["lv_name"].startswith(SNAPSHOT))


def traces() -> list[str]:
    """What this machine still has of snapshots: volumes, devices, folders and mounts, of any process."""
    places = [*Path("/run").glob(f"*{SNAPSHOT}*"), *Path("/dev/mapper").glob("*hermes--backup*")]
    mounts = [
        line for file in Path("/proc").glob("[0-9]*/mountinfo") for line in lines(file) if "hermes--backup" in line
    ]
    return [*snapshots(), *map(str, places), *mounts]


def lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []  # a process that has ended meanwhile


def write(place: Path, mib: int) -> None:
    """Write ``mib`` MiB of noise to ``place``, all the way to the disk."""
    with place.open("wb", buffering=0) as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())


def names(tarball: Path, tier: str) -> set[str]:
    """The files in the archive of a tier, by GNU tar."""
    return {name.removeprefix("./") for name in _tar(tarball, tier, "-tz").decode().splitlines() if name[-1] != "/"}


def content(tarball: Path, tier: str, name: str) -> bytes:
    """What the archive of a tier holds of a file."""
    return _tar(tarball, tier, "-xzO", f"./{name}")


def _tar(tarball: Path, tier: str, *arguments: str) -> bytes:
    outer = subprocess.run(["tar", "-xOf", tarball, f"{tier}.tar.gz"], check=True, capture_output=True).stdout
    return subprocess.run(["tar", *arguments], input=outer, check=True, capture_output=True).stdout


def mail(host: FakeHost, name: str) -> Path:
    return host.tiers["vmail"] / "dovecot" / name
