"""`--dry-run` tells what would be done, for whoever asks, and changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hermes_backup_core.wiring import run_state
from tests.stack.miniature import Engine, Miniature
from tests.stack.script import SCRIPTS, TIERS, Call, environment, new_folder, standing

NOBODY = 65534
# An interpreter below /root serves nobody but root: all is imported first, then the rights are given up.
AS_NOBODY = f"""
import os, sys
import docker, requests, rich.console, rich.live
from hermes_backup_core.cli.backup import main
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
sys.exit(main(sys.argv[1:], called_as={str(SCRIPTS / "system_backup.py")!r}))
"""


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@dataclass(frozen=True)
class State:
    """All that a run could change on the host."""

    folders: dict[str, dict[bytes, tuple[int, ...]]]
    containers: list[dict[str, Any]]
    volumes: bytes
    own_state: bool
    maintenance: bool


def state(hermes: Miniature, temporary: Path, output: Path) -> State:
    folders = {"config": hermes.root, **hermes.tiers, "temporary": temporary, "output": output}
    # The live files of the database move by themselves.
    found = {name: dict(entries(bytes(path), leave_out=b"dbase")) for name, path in folders.items()}
    names = hermes.engine.docker("ps", "-aq").decode().split()
    inspected = json.loads(hermes.engine.docker("inspect", *names))
    containers = [{"Name": one["Name"], **started(one["State"])} for one in inspected]
    own = run_state(str(hermes.root), {}).folder
    volumes = hermes.engine.docker("volume", "ls", "-q")
    return State(found, containers, volumes, own.exists(), hermes.maintenance())


def entries(top: bytes, *, leave_out: bytes) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """Each name below `top`, and what any change of it would change."""
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != leave_out]
        for path in (folder, *(os.path.join(folder, name) for name in (*folders, *files))):
            found = os.lstat(path)
            yield path, (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def started(found: dict[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("Status", "StartedAt", "FinishedAt", "Pid")}


def dry_run(hermes: Miniature, scope: str, *options: str, output: Path, environ: dict[str, str]) -> Call:
    argv = [str(SCRIPTS / "system_backup.py"), "-P", str(output), "-B", scope, "--dry-run", *options]
    done = subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return Call(done.returncode, done.stdout, done.stderr, output)


@pytest.mark.parametrize("options", [(), ("--cold",)])
@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_changes(hermes: Miniature, options: tuple[str, ...], stopped: bool) -> None:
    """Neither with the stack up nor with its database stopped: hot, that is then told as a refusal."""
    output, temporary = new_folder(hermes.base / "backups"), new_folder(hermes.base / "temporary")
    environ = environment(hermes, {"TMPDIR": str(temporary)})
    # The real place of the lock and the journal is looked at.
    del environ["HERMES_BACKUP_STATE"]
    if stopped:
        hermes.engine.docker("stop", "hermes_db_server")
    try:
        before = state(hermes, temporary, output)
        call = dry_run(hermes, "all", *options, output=output, environ=environ)
        after = state(hermes, temporary, output)
    finally:
        hermes.up()

    assert after == before
    assert not before.own_state
    assert call.code == int(stopped and not options), call.stderr
    for tier in TIERS["all"]:
        assert f"{tier}.tar.gz" in call.stdout
    assert ("with the stack stopped" in call.stdout) == bool(options)
    assert ("dry run: nothing was changed" in call.stdout) == (call.code == 0)


def test_the_plan_names_what_would_stop_and_what_stays_out(hermes: Miniature) -> None:
    output = new_folder(hermes.base / "backups")
    call = dry_run(hermes, "all", "--cold", output=output, environ=environment(hermes))

    assert call.code == 0, call.stderr
    for name in hermes.running():
        assert name in call.stdout
    for left_out in ("dbase", "ldap/data", "mail_filter/data/clamav", "install-logs", ".git"):
        assert left_out in call.stdout


@pytest.fixture(params=[True, False], ids=["may use the engine", "may not use the engine"])
def nobody_may(request: pytest.FixtureRequest, hermes: Miniature) -> Iterator[bool]:
    """Whether the user is let in at the engine's socket."""
    socket, folder = hermes.engine.socket, hermes.engine.run
    group, mode, above = socket.stat().st_gid, socket.stat().st_mode & 0o777, folder.stat().st_mode & 0o777
    if request.param:
        os.chown(socket, -1, NOBODY)
        socket.chmod(0o660)
        folder.chmod(0o711)
    yield request.param
    os.chown(socket, -1, group)
    socket.chmod(mode)
    folder.chmod(above)


@pytest.mark.parametrize("scope", ["all", "vmail"])
def test_a_user_who_is_not_root_is_told_as_well(hermes: Miniature, nobody_may: bool, scope: str) -> None:
    """The whole plan, less figures of what only root may read; who may not use the engine is told that, too."""
    output, temporary = new_folder(hermes.base / "backups"), new_folder(hermes.base / "temporary")
    environ = environment(hermes, {"TMPDIR": str(temporary), "HOME": str(temporary)})
    for folder in (output, temporary):
        os.chown(folder, NOBODY, NOBODY)
    before = state(hermes, temporary, output)
    argv = [sys.executable, "-c", AS_NOBODY, "-P", str(output), "-B", scope, "-n"]
    done = subprocess.run(
        argv, cwd=SCRIPTS.parent, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert state(hermes, temporary, output) == before
    assert "fault of this tool" not in done.stdout
    assert done.returncode == 0, done.stderr
    assert "vmail.tar.gz" in done.stdout
    assert "dry run: nothing was changed" in done.stdout
    warnings = [line for line in done.stdout.splitlines() if "WARN: " in line]
    assert bool([line for line in warnings if "Docker engine does not answer" in line]) == (not nobody_may), warnings
    assert ("build v260119" in done.stdout) == nobody_may


def test_a_live_run_of_that_user_is_refused(hermes: Miniature) -> None:
    output = new_folder(hermes.base / "backups")
    os.chown(output, NOBODY, NOBODY)
    argv = [sys.executable, "-c", AS_NOBODY, "-P", str(output), "-B", "archive", "--yes"]
    done = subprocess.run(
        argv, cwd=SCRIPTS.parent, env=environment(hermes), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"root" in done.stderr
    assert not list(output.glob("*.tar*"))
