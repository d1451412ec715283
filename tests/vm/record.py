"""Record anew what `tests/unit/adapters/recorded/lvm` holds: `python -m tests.vm.record`, as root."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.stack.miniature.command import run, say
from tests.vm import image
from tests.vm.machine import CHECKOUT, Machine

RECORDED = CHECKOUT / "tests/unit/adapters/recorded/lvm"
SCRIPT = "python3 -m tests.vm.inside.record recorded /dev/vdc\n"


def main() -> None:
    booted = image.ensure()
    with tempfile.TemporaryDirectory(prefix="record-", dir=image.home()) as folder:
        machine = Machine(booted, Path(folder))
        with machine.boot(SCRIPT, machine.disk("disk", "3G")) as boot:
            boot.finish()
            run(["debugfs", "-R", f"rdump recorded {folder}", boot.work])
        for file in sorted(Path(folder, "recorded").iterdir()):
            shutil.copyfile(file, RECORDED / file.name)
            say(f"recorded {file.name}")


if __name__ == "__main__":
    main()
