"""The file system that the virtual machine starts from: Debian 13 with LVM, Python and this project's packages.

Made once from the package mirror that this machine itself uses, and kept under a key of what it is made of; the
machine never writes to it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path

from attrs import frozen

from tests.stack.miniature import debian, image
from tests.stack.miniature.command import run, say

SUITE = "trixie"
PYTHON = "3.13"
PACKAGES = (
    *("linux-image-cloud-amd64", "initramfs-tools", "systemd-sysv", "udev", "kmod", "python3", "procps"),
    *("lvm2", "thin-provisioning-tools", "e2fsprogs", "xfsprogs", "mount", "tar", "acl", "attr", "rsync"),
)
LOCK = Path(__file__).parents[2] / "requirements-dev.lock"
RUNNER = Path(__file__).parent / "hermes-vm.service"
NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
}
LIBRARIES = "/opt/packages"
"""Where the machine has what the lock names."""
SIZE = "2G"
DEFAULT_HOME = "/var/lib/hermes-vm"


@frozen
class Image:
    """What a machine boots: the files ``root``, ``kernel`` and ``initrd``."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"


def home() -> Path:
    """The folder below which everything of the machine lies (HERMES_VM_HOME)."""
    return Path(os.environ.get("HERMES_VM_HOME") or DEFAULT_HOME).absolute()


def key() -> str:
    made_of = (Path(__file__), RUNNER, LOCK)
    return image.digest([*(file.read_bytes() for file in made_of), *(words.encode() for words in image.LEFT_OUT)])


def ensure() -> Image:
    """Have the image, and return it; those of other keys are deleted."""
    debian.require_root()
    debian.need(NEEDED)
    made = Image(home() / f"image-{key()}")
    home().mkdir(parents=True, exist_ok=True)
    with (home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.folder.exists():
            for old in (*home().glob("image-*"), *home().glob("making-*")):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(prefix="making-", dir=home()) as folder:
                _make(Path(folder))
    return made


def _make(folder: Path) -> None:
    say("Making the virtual machine's file system from Debian packages (once; it takes about a minute)")
    root, packages = folder / "root", folder / "packages"
    _install_packages(packages)
    run(_mmdebstrap(root, packages), data=_sources().encode())
    fresh = Image(folder / "image")
    fresh.folder.mkdir()
    for name, place in (("vmlinuz", fresh.kernel), ("initrd.img", fresh.initrd)):
        shutil.copy((root / "boot").joinpath(name) if (root / "boot" / name).exists() else root / name, place)
    run(["mke2fs", "-q", "-t", "ext4", "-d", root, fresh.root, SIZE])
    fresh.folder.rename(home() / f"image-{key()}")


def _install_packages(target: Path) -> None:
    """Put what the lock names into ``target``, for the machine's Python and not for ours."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    pip += ["--no-deps", "--require-hashes", "--only-binary=:all:", f"--python-version={PYTHON}", "--no-compile"]
    run([*pip, "--target", target, "--requirement", LOCK])


def _mmdebstrap(root: Path, packages: Path) -> list[str]:
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=directory", f"--include={','.join(PACKAGES)}"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in image.LEFT_OUT]
    argv += [
        f'--customize-hook=mkdir "$1{LIBRARIES}"',
        f"--customize-hook=sync-in {packages} {LIBRARIES}",
        f"--customize-hook=upload {RUNNER} /etc/systemd/system/{RUNNER.name}",
    ]
    inside = [
        f"systemctl enable {RUNNER.name}",
        # What waits for a network that is not there, for a terminal, or for its hour.
        "systemctl mask getty.target apt-daily.timer apt-daily-upgrade.timer systemd-timesyncd.service",
        # Some packages bring files along that are not meant to compile.
        f"python3 -m compileall -q {LIBRARIES} >/dev/null || true",
    ]
    argv += [f"--customize-hook=chroot \"$1\" sh -c '{command}'" for command in inside]
    return [*argv, SUITE, str(root), "-"]


def _sources() -> str:
    """The machine's `sources.list`: the repositories of this one, for the machine's suite."""
    host = debian.os_codename()
    lines = {
        f"deb [signed-by={debian.KEYRING}] {mirror.uri} {mirror.suite.replace(host, SUITE)} main"
        for mirror in debian.debian_mirrors()
        if mirror.component == "main"
    }
    return "\n".join(sorted(lines)) + "\n"
