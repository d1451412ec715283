"""The installer puts the tool into use in an install root, and a cron line that stood there before goes on working."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.failures.host import CHECKOUT, Host
from tests.stack.miniature import Miniature

NAMES = ("system_backup.sh", "system_backup.py")


@pytest.fixture
def installed(host: Host) -> Iterator[dict[str, bytes]]:
    """What stood in the install root's `scripts` before."""
    before = contents(host.hermes)
    install(host.hermes)
    yield before
    install(host.hermes, "--uninstall")


def test_the_cron_line_works_as_it_stands(host: Host, installed: dict[str, bytes]) -> None:
    script = host.hermes.root / "scripts/system_backup.sh"
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/root",
        "DOCKER_HOST": host.hermes.engine.host,
        "HERMES_BACKUP_STATE": str(host.state_folder),
    }
    line = f"{script} -P {host.output} -B system --yes >> {host.folder}/cron.log 2>&1"
    done = subprocess.run(["/bin/sh", "-c", line], env=environ, cwd="/", check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (host.folder / "cron.log").read_text()
    host.whole_backup()
    host.check_nothing_left()
    assert f"output {host.output}/hermes-backup-system-" in (host.folder / "cron.log").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_each_name_can_be_called_and_finds_the_install_root_by_itself(
    host: Host, installed: dict[str, bytes], name: str
) -> None:
    environ = {key: value for key, value in host.environ.items() if key != "HERMES_ROOT"}
    argv = [str(host.hermes.root / "scripts" / name), "-P", str(host.output), "-B", "vmail", "--dry-run"]
    done = subprocess.run(argv, env=environ, cwd="/", check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"of {host.hermes.tiers['vmail']} to vmail.tar.gz" in done.stdout


def test_what_stood_there_is_kept_beside_and_comes_back_byte_for_byte(host: Host) -> None:
    before = contents(host.hermes)
    assert "system_backup.sh" in before
    install(host.hermes)
    install(host.hermes)
    now = contents(host.hermes)
    assert now["system_backup.sh.orig"] == before["system_backup.sh"]
    assert now["system_backup.sh"] != before["system_backup.sh"]
    install(host.hermes, "--uninstall")
    assert contents(host.hermes) == before


def contents(hermes: Miniature) -> dict[str, bytes]:
    """Names, modes and bytes of the install root's scripts."""
    files: list[Path] = sorted((hermes.root / "scripts").iterdir())
    return {file.name: b"%o " % file.stat().st_mode + file.read_bytes() for file in files}


def install(hermes: Miniature, *options: str) -> None:
    argv = ["bash", str(CHECKOUT / "scripts/install.sh"), "--root", str(hermes.root), *options]
    done = subprocess.run(argv, env=dict(os.environ), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
