"""The commands of the operator's guide and of the page on the format, typed by a reader on one real host.

Each block of shell is one that a person pastes: it is run whole, its first failure ends it, and what it sets and
where it goes holds for those after it. Standard input is a terminal at which somebody says yes.
"""

from __future__ import annotations

import hashlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.restore_steps import StartStack, SwapTier
from tests.documentation import Block, blocks, replaced
from tests.stack.miniature import Engine, Miniature
from tests.stack.restoring import check_nothing_left, hidden_folders
from tests.stack.script import back_up
from tests.stack.snapshots.disks import standing_on_btrfs

CHECKOUT = Path(__file__).parents[2]
GUIDE, FORMAT = "operator-guide.md", "format.md"
BACKUP_OF_THE_FORMAT = "/mnt/backups/hermes-backup-all-v260119-20260601T103000Z.tar"
# Disks that the reader has, beside those of the tiers.
DISKS = ("backups", "offsite", "spare")
# The block, and what a shell keeps from one to the next: variables in small letters, and the folder.
READER = r"""
. "$1" >/dev/null
set -euo pipefail
. "$2"
set +u
{ declare -p $(compgen -v | grep -E '^[a-z][a-z_]*$'); printf 'cd %q\n' "$PWD"; } >"$1"
"""
CRON = {"PATH": "/usr/bin:/bin", "HOME": "/root", "SHELL": "/bin/sh", "LANG": "C"}
# Has mail that no backup holds.
LATE = "late@example.com"
LONGEST = 120.0


@dataclass(frozen=True)
class Reader:
    """Somebody at the shell of a Hermes host, whose paths are a miniature's."""

    hermes: Miniature

    @property
    def places(self) -> dict[str, str]:
        base = self.hermes.base
        ours = {path: f"{base}{path}" for path in ("/opt/hermes-seg-docker-gl", "/opt/hermes-backup", "/mnt")}
        return {**ours, "/var/lib/hermes-backup": str(base / "state"), "/var/log": str(base / "log")}

    @property
    def environ(self) -> dict[str, str]:
        environ = {key: value for key, value in self.hermes.environ.items() if key != "HERMES_ROOT"}
        return environ | {"HERMES_BACKUP_STATE": str(self.hermes.base / "state")}

    @property
    def restore_script(self) -> str:
        return str(self.hermes.root / "scripts/system_restore.sh")

    @property
    def backups(self) -> Path:
        return self.hermes.base / "mnt/backups"

    def newest(self, scope: str) -> Path:
        return max(self.backups.glob(f"hermes-backup-{scope}-*.tar"))

    def types(self, page: str, block: Block, places: Mapping[str, str] | None = None) -> str:
        """Run the block, which must end well; return all that it says."""
        kept = self.hermes.base / "reader"
        kept.touch()
        text = self.hermes.base / "block"
        text.write_text(replaced(block.text, {**(places or {}), **self.places}))
        argv = ["bash", "-c", READER, "reader", str(kept), str(text)]
        with somebody_who_says_yes() as terminal:
            done = run_to_its_end(argv, stdin=terminal, environ=self.environ)
        assert done.returncode == 0, f"{page}, line {block.line}:\n{block.text}\n{done.stdout}"
        return done.stdout

    def has_cron_run(self, line: str) -> None:
        """Run a crontab's command as cron does."""
        environ = CRON | {key: self.environ[key] for key in ("DOCKER_HOST", "HERMES_BACKUP_STATE")}
        argv = ["/bin/sh", "-c", replaced(line, self.places)]
        done = run_to_its_end(argv, stdin=subprocess.DEVNULL, environ=environ)
        assert done.returncode == 0, f"{line}\n{(self.hermes.base / 'log/hermes-backup.log').read_text()}"


def run_to_its_end(argv: list[str], *, stdin: int, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environ,
        cwd="/",
        encoding="utf-8",
        errors="replace",
        timeout=LONGEST,
        check=False,
    )


@contextmanager
def somebody_who_says_yes() -> Iterator[int]:
    near, far = pty.openpty()
    try:
        os.write(near, b"y\n" * 4)
        yield far
    finally:
        os.close(far)
        os.close(near)


@pytest.fixture(scope="module")
def reader(engine: Engine, folders: Iterator[Path]) -> Iterator[Reader]:
    # On btrfs, where snapshots can be had.
    with standing_on_btrfs(engine, next(folders)) as hermes:
        for disk in DISKS:
            (hermes.base / "mnt" / disk).mkdir()
        (hermes.base / "log").mkdir()
        lay_down_checkout(hermes.base / "opt/hermes-backup")
        yield Reader(hermes)


def lay_down_checkout(place: Path) -> None:
    """A checkout whose environment the installer takes for whole: it has the packages of the one that runs this."""
    for folder in ("scripts", "hermes_backup_core"):
        shutil.copytree(CHECKOUT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "requirements.lock", place)
    environment = place / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    paths = sysconfig.get_paths(vars={"base": str(environment), "platbase": str(environment)})
    Path(paths["purelib"], "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    lock = hashlib.sha256((place / "requirements.lock").read_bytes()).hexdigest()
    mark = f"{sys.version_info[0]} {sys.version_info[1]} {environment} {lock}  -\n"
    (environment / ".made-from").write_text(mark)


# What must have happened before a block is typed, and what it must have come to; by a piece of the block.


def a_restore_is_killed(reader: Reader) -> None:
    """Nothing of it gets to run any more, when the tier is exchanged and the stack is about to come up."""
    newest = reader.newest("vmail")
    reader.hermes.deliver(1, to=LATE)
    argv = [reader.restore_script, "-F", str(newest), "--yes"]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        argv, env=reader.environ, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    end = time.monotonic() + LONGEST
    while not isinstance(step_of(reader), (SwapTier, StartStack)):
        assert process.poll() is None, "the restore ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert hidden_folders(reader.hermes)


def step_of(reader: Reader) -> object:
    for file in (reader.hermes.base / "state").glob("*/restore.json"):
        return RestoreRecord.parse(file.read_bytes()).step
    return None


def all_is_settled(reader: Reader, said: str) -> None:
    check_nothing_left(reader.hermes)
    assert reader.hermes.running() == set(reader.hermes.compose("config", "--services").decode().split())
    del said


def late_mail_is_there(reader: Reader) -> bool:
    return (reader.hermes.tiers["vmail"] / "dovecot/example.com/late").is_dir()


def it_is_undone(reader: Reader, said: str) -> None:
    all_is_settled(reader, said)
    assert late_mail_is_there(reader)


def it_is_finished(reader: Reader, said: str) -> None:
    all_is_settled(reader, said)
    assert not late_mail_is_there(reader)


def two_mails_arrive(reader: Reader, said: str) -> None:
    subjects = b"\n".join(reader.hermes.received_mail(at_least=2))
    assert subjects.count(b"\nSubject: [TEST] ") == 2
    del said


def says(*words: str) -> Callable[[Reader, str], None]:
    def check(reader: Reader, said: str) -> None:
        assert [word for word in words if word not in said] == [], said

    return check


BEFORE: dict[str, Callable[[Reader], None]] = {
    "--undo --dry-run": a_restore_is_killed,
    "--finish --yes": a_restore_is_killed,
}
AFTER: dict[str, Callable[[Reader, str], None]] = {
    "install.sh --root": says("system_backup.sh", "system_restore.sh"),
    "-B vmail --dry-run": says("dry run: nothing was changed"),
    "--test-notify": two_mails_arrive,
    "--retain-last=14 --dry-run": says("stays: "),
    "--pin": says(".keep is made", ".keep is removed"),
    "--remap-tiers": says("topology: ok", "dry run: nothing was changed"),
    '-F "$copy" --dry-run': says("integrity: ok", "dry run: nothing was changed"),
    '-F "$backup"\n': all_is_settled,
    "--undo --dry-run": says("take back: "),
    "--undo --yes": it_is_undone,
    "--finish --yes": it_is_finished,
    "--stage-dir": all_is_settled,
    "${backup%.keep}": all_is_settled,
}


def test_the_guide_is_one_story_on_one_host(reader: Reader) -> None:
    told: set[str] = set()
    for block in blocks(GUIDE, "sh", "cron"):
        for line in block.command_lines if block.kind == "cron" else ():
            reader.has_cron_run(line)
        if block.kind == "sh":
            told |= go_through(reader, block)
    assert told == BEFORE.keys() | AFTER.keys()
    assert not [file for file in (reader.hermes.root / "scripts").iterdir() if file.name.endswith(".orig")]


def go_through(reader: Reader, block: Block) -> set[str]:
    """Run a block with all that belongs to it; return which pieces it was known by."""
    due = {piece for piece in BEFORE if piece in block.text}
    for piece in due:
        BEFORE[piece](reader)
    said = reader.types(GUIDE, block)
    known = {piece for piece in AFTER if piece in block.text}
    for piece in known:
        AFTER[piece](reader, said)
    return due | known


def test_the_page_on_the_format_works_with_tar_gzip_and_mariadb_alone(reader: Reader) -> None:
    own = {BACKUP_OF_THE_FORMAT: str(back_up(reader.hermes, "all", output=reader.backups).tarball)}
    said = "".join(reader.types(FORMAT, block, own) for block in blocks(FORMAT, "sh"))
    assert said.count(".gz: OK\n") == 8
    assert "-- Dump completed" in said
    assert "build_no" in said
    assert "dn: uid=u1,ou=users,dc=hermes,dc=local" in said
    assert "GRANT ALL PRIVILEGES ON `authelia`.* TO" in said
    assert "IDENTIFIED BY PASSWORD" not in said
    opened = reader.hermes.base / "mnt/spare/opened"
    assert list((opened / "mailbox/dovecot/example.com/u1").rglob("u.1"))
    assert (opened / "vmail/dovecot").stat().st_uid == (reader.hermes.tiers["vmail"] / "dovecot").stat().st_uid
    assert "from_backup" not in reader.hermes.sql("SHOW DATABASES")
