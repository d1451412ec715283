"""The virtual machine: disks, a script that it runs, what came of it, and a power cut."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define

from tests.stack.miniature.command import MiniatureError, run
from tests.vm.image import LIBRARIES, PYTHON, Image

CHECKOUT = Path(__file__).parents[2]
# What the machine gets of the checkout.
TAKEN_ALONG = ("hermes_backup_core", "scripts", "tests", "pyproject.toml", "docs")
MEMORY = "1024"  # MiB
PATIENCE = 1800.0  # seconds; a boot alone takes 30
IN_MACHINE = "HERMES_IN_VM"
# In what the machine runs, Python finds what the lock names, whatever the environment says.
BOOT = f"echo {LIBRARIES} >/usr/local/lib/python{PYTHON}/dist-packages/hermes.pth\n"
BOOT += "cd /work\nsh ./script >out 2>&1\necho $? >code\n"
WORK_SIZE = "512M"


@define
class Boot:
    """A machine that runs. ``work`` is the disk with its script and what came of that."""

    process: subprocess.Popen[bytes]
    work: Path
    console: Path

    def said(self) -> str:
        """What the machine wrote on its serial line so far; also what a script writes to /dev/ttyS0."""
        return self.console.read_text(errors="replace")

    def wait_for(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until ``words`` stand on the serial line."""
        end = time.monotonic() + seconds
        while words not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                raise MiniatureError(f"{words!r} was never said, but: {self.said()[-3000:]} {self.output()}")
            time.sleep(0.2)

    def cut_power(self) -> None:
        """End the machine between two instructions, as a power cut does."""
        self.process.kill()
        self.process.wait()

    def finish(self, seconds: float = PATIENCE) -> str:
        """Wait until the machine has switched itself off; return the output of its script, which must end well."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.cut_power()
            raise MiniatureError(f"the machine did not end: {self.said()[-3000:]}") from None
        output = self.output()
        if self.fetch("code").strip() != "0":
            raise MiniatureError(f"the machine's script failed: {output[-20000:]} {self.said()[-2000:]}")
        return output

    def output(self) -> str:
        return self.fetch("out")

    def fetch(self, name: str) -> str:
        """Return the content of the file ``name`` on the disk with the script; "" where there is none."""
        return run(["debugfs", "-R", f"cat {name}", self.work]).decode(errors="replace")


@define
class Machine:
    """A machine whose files lie in ``folder``; its disks are as many as ``sizes`` are given, and stay as they are."""

    image: Image
    folder: Path
    _boots: int = 0

    def disk(self, name: str, size: str) -> Path:
        """Have an empty disk of ``size`` (as truncate(1) takes it)."""
        place = self.folder / f"{name}.img"
        run(["truncate", f"--size={size}", place])
        return place

    @contextmanager
    def boot(self, script: str, *disks: Path) -> Iterator[Boot]:
        """Start the machine with ``disks`` as /dev/vdc and on; it runs ``script`` (sh) in a copy of the checkout."""
        self._boots += 1
        work, console = self.folder / f"work{self._boots}.img", self.folder / f"console{self._boots}"
        _make_work(work, script)
        console.touch()
        process = subprocess.Popen(
            _command(self.image, work, console, disks), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            yield Boot(process, work, console)
        finally:
            process.kill()
            process.wait()


def script_of(test: str, *options: str) -> str:
    """Return the script that runs ``test`` (a file of `tests/vm/inside`, or one test in it)."""
    words = ["python3", "-m", "pytest", "-v", "--color=no", *options, f"tests/vm/inside/{test}"]
    return f"export {IN_MACHINE}=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1\n{shlex.join(words)}\n"


def _make_work(place: Path, script: str) -> None:
    content = place.with_suffix(".content")
    try:
        content.mkdir()
        for name in TAKEN_ALONG:
            source = CHECKOUT / name
            if source.is_dir():
                shutil.copytree(source, content / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
            else:
                shutil.copy(source, content / name)
        (content / "boot").write_text(BOOT)
        (content / "script").write_text(script)
        run(["mke2fs", "-q", "-t", "ext4", "-d", content, place, WORK_SIZE])
    finally:
        shutil.rmtree(content, ignore_errors=True)


def _command(image: Image, work: Path, console: Path, disks: Sequence[Path]) -> list[str]:
    kernel = "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0 mitigations=off net.ifnames=0"
    # Whatever ends the tests ends the machine as well.
    argv = [
        "setpriv",
        "--pdeathsig=KILL",
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "Nehalem",
        "-smp",
        "1",
        "-m",
        MEMORY,
    ]
    argv += ["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot", "-serial", f"file:{console}"]
    argv += ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", kernel]
    # The first disk is everybody's: what is written to it is forgotten.
    argv += ["-drive", f"file={image.root},format=raw,if=virtio,snapshot=on"]
    for disk in (work, *disks):
        # What the machine was told to be on the disk is there after it was killed, and nothing else.
        argv += ["-drive", f"file={disk},format=raw,if=virtio,cache=writeback"]
    return argv
