"""The restore script as a process on a Hermes: struck at exact moments; and what must hold afterwards."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.restore_steps import RestoreStep
from tests.stack.damage import damage_directory
from tests.stack.failures.host import CHECKOUT, LONGEST, Ended, Host, Run
from tests.stack.failures.processes import wait_for
from tests.stack.miniature import Miniature
from tests.stack.miniature.content.databases import DATABASES
from tests.stack.picture import (
    DUMP,
    ROOT_ACCOUNT,
    SQL,
    Picture,
    accounts,
    differences,
    directory,
    files,
    parts_of,
    root_password,
)
from tests.stack.restoring import check_nothing_left
from tests.stack.script import back_up

SCRIPT = CHECKOUT / "scripts" / "system_restore.py"
# The whole script, with numbers of seconds in it changed first, and a signal that it sends to itself when it comes
# to a function for the so-manieth time (with a plus: when it is through with that).
STRUCK = """\
import importlib, os, signal, sys


def place(given, sign):
    where, _, value = given.partition(sign)
    module, _, path = where.rpartition(":") if ":" in where else where.rpartition(".")
    owner = importlib.import_module(module)
    *above, name = path.split(".")
    for step in above:
        owner = getattr(owner, step)
    return owner, name, value


def strike(owner, name, number, after, blow):
    real, calls = getattr(owner, name), [0]

    def striking(*args, **named):
        calls[0] += 1
        now = calls[0] == number
        if now and not after:
            os.kill(os.getpid(), blow)
        result = real(*args, **named)
        if now and after:
            os.kill(os.getpid(), blow)
        return result

    setattr(owner, name, striking)


for given in sys.argv.pop(1).split():
    owner, name, value = place(given, "=")
    assert isinstance(getattr(owner, name), (int, float)), given
    setattr(owner, name, type(getattr(owner, name))(value))
for given in sys.argv.pop(1).split():
    owner, name, value = place(given, "@")
    number, _, blow = value.partition("=")
    strike(owner, name, int(number.rstrip("+")), number.endswith("+"), signal.Signals[blow])
from hermes_backup_core.cli.restore import main
sys.exit(main(sys.argv[2:], called_as=sys.argv[1]))
"""
UNPACKING = "hermes_backup_core.adapters.tier_target:_written"
RENAMING = "hermes_backup_core.adapters.trees:HostTrees.rename"
REMOVING = "hermes_backup_core.adapters.trees:HostTrees.remove"
RECORDING = "hermes_backup_core.adapters.state:RestoreState.write"
FORGETTING = "hermes_backup_core.adapters.state:RestoreState.clear"

LATER = """
CREATE TABLE IF NOT EXISTS hermes.later (id INT PRIMARY KEY);
REPLACE INTO hermes.later VALUES (1);
UPDATE hermes.system_settings SET value = 'later' WHERE parameter <> 'build_no';
CREATE OR REPLACE VIEW hermes.later_view AS SELECT COUNT(*) AS n FROM hermes.later;
CREATE OR REPLACE PROCEDURE authelia.later() SELECT 'later';
TRUNCATE Syslog.SystemEvents;
SET PASSWORD FOR 'authelia'@'%' = PASSWORD('later');
GRANT SELECT ON `Syslog`.* TO 'rsyslog'@'%';
"""


@dataclass(frozen=True)
class Originals:
    """Backups of a Hermes by scope, and what it was like when they were made."""

    backups: Mapping[str, Path]
    portrait: Picture

    @classmethod
    def of(cls, hermes: Miniature, *scopes: str) -> Originals:
        return cls({scope: back_up(hermes, scope).tarball for scope in scopes}, portrait(hermes))


@dataclass
class Restores:
    """Restores on a host; what a test that broke off leaves interrupted is taken back in the end."""

    host: Host
    originals: Originals

    @property
    def hermes(self) -> Miniature:
        return self.host.hermes

    def begin(self, *argv: str | Path, strike: str = "", seconds: str = "") -> Run:
        """Start the script with `--yes`; the first of `argv` is a backup, or its scope, or begins with a dash.

        `strike` is `module:Class.function@2=SIGKILL` (`@2+` when it has returned); `seconds` is as `Host.begin` has it.
        """
        first, *more = argv
        if not str(first).startswith("-"):
            more = ["-F", self.originals.backups.get(str(first), first), *more]
        else:
            more = [first, *more]
        words = [sys.executable, "-c", STRUCK, seconds, strike, str(SCRIPT), *map(str, more), "--yes"]
        return self.host.launch(words, output=self.host.output)

    def run(self, *argv: str | Path, strike: str = "", seconds: str = "") -> Ended:
        """Run the script to its end."""
        return self.begin(*argv, strike=strike, seconds=seconds).ended()

    def undo(self) -> Ended:
        """Take an interrupted restore back, which must end well and leave nothing."""
        return self.well(self.run("--undo"))

    def finish(self) -> Ended:
        """Carry an interrupted restore to its end, which must be a good one and leave nothing."""
        return self.well(self.run("--finish"))

    def well(self, ended: Ended) -> Ended:
        assert ended.code == 0, ended.stdout + ended.stderr
        self.check_nothing_left()
        return ended

    def killed(self, *argv: str | Path, strike: str) -> RestoreRecord:
        """Run the script until it kills itself as `strike` says; returns what it had recorded."""
        run = self.begin(*argv, strike=strike)
        assert run.process.wait(LONGEST) == -signal.SIGKILL, run.said() + run.stderr.read_text()
        return self.after_kill()

    def after_kill(self) -> RestoreRecord:
        self.without_orphans()
        record = self.record()
        assert record is not None  # narrows the type for the claims below
        return record

    def without_orphans(self) -> None:
        """Wait for the programs that a killed run was using: they end when they find it gone."""
        wait_for(lambda: not self.host.orphans(), lambda: f"processes that survived: {self.host.orphans()}")

    def record(self) -> RestoreRecord | None:
        for file in self.host.state_folder.glob("*/restore.json"):
            try:
                return RestoreRecord.parse(file.read_bytes())
            except FileNotFoundError:  # cleared just now
                return None
        return None

    def until_step(self, run: Run, kind: type[RestoreStep]) -> None:
        """Wait until a step of that kind is recorded as begun."""

        def begun() -> bool:
            record = self.record()
            return record is not None and isinstance(record.step, kind)

        run.until(begun, f"the step {kind.__name__}")

    def check_nothing_left(self) -> None:
        check_nothing_left(self.hermes, self.host.state_folder)
        self.host.check_nothing_left()

    def check_as(self, before: Picture) -> None:
        """The host is as it was; all of it, or just its files, as they are what `before` shows."""
        now = portrait(self.hermes) if before.of(SQL).things else files_alone(self.hermes)
        assert differences(before, now) == []

    def check_restored(self, scope: str, before: Picture) -> None:
        """The host is as the backup has it in all that belongs to the scope, and as it was in all else."""
        due = before.with_parts_of(self.originals.portrait, *parts_of(scope)).but(ROOT_ACCOUNT)
        now = portrait(self.hermes) if before.of(SQL).things else files_alone(self.hermes)
        assert differences(due, now.but(ROOT_ACCOUNT)) == []

    def rescue(self) -> None:
        """Have no restore interrupted any more, whatever a test left."""
        for run in self.host.runs:
            if run.process.poll() is None:
                run.kill()
        if self.record():
            self.without_orphans()
            if self.run("--undo").code:
                self.run("--finish")


def portrait(hermes: Miniature) -> Picture:
    """What a Hermes is, asked in as few questions as can be."""
    argv = (*DUMP, *DATABASES)
    dump = hermes.exec("hermes_db_server", *argv, password=root_password(hermes)).decode("utf-8", "replace")
    whole = ((SQL, "all databases"), tuple(dump.splitlines()))
    return Picture(dict((whole, *accounts(hermes), *directory(hermes), *files(hermes))))


def files_alone(hermes: Miniature) -> Picture:
    """What the files of a Hermes are."""
    return Picture(dict(files(hermes)))


def alter(hermes: Miniature, *, files_only: bool = False) -> Picture:
    """Make something of everything different from what backups have that were made before; returns how it is then."""
    for tier, place in PLACES.items():
        folder = hermes.tiers[tier] / place
        (folder / "later").write_text("later\n")
    added = hermes.tiers["vmail"] / "dovecot/later.example/box"
    added.mkdir(parents=True, exist_ok=True)
    if files_only:
        return files_alone(hermes)
    (hermes.creds / "authelia_password").write_text("later")
    (hermes.root / "config/later").write_text("later\n")
    if "LATER=1" not in hermes.env_file.read_text():
        with hermes.env_file.open("a") as file:
            file.write("LATER=1\n")
    hermes.sql(LATER)
    damage_directory(hermes)
    return portrait(hermes)


PLACES = {
    "data": "nginx/logs",
    "archive": "amavis",
    "vmail": "dovecot/example.com",
    "nextcloud": "app/data/admin/files",
}
