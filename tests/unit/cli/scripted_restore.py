"""A restore's job that does nothing, and finds what a test has laid down."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar, cast

from attrs import define, field

from hermes_backup_core.cli.log import Log
from hermes_backup_core.cli.restore import RestoreCommand
from hermes_backup_core.cli.restore_arguments import parse_restore
from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.gates import Gate, GateResult, verdict_of
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.ports import Reporter
from hermes_backup_core.restore.job import Prospect, RestoreJob
from hermes_backup_core.restore.result import RestoreResult
from tests.unit.cli.restores import plan_of, restored
from tests.unit.cli.results import TOPOLOGY

NOW = datetime(2026, 6, 1, 10, 30, tzinfo=timezone.utc)
MANIFEST = Manifest("v1", Scope.SYSTEM, Mode.HOT, "20260601T103000Z", "mail.example.com", TOPOLOGY, archives={})
GATES = tuple(GateResult(gate) for gate in Gate)
Found = TypeVar("Found")


@define
class ScriptedJob:
    """Keeps what it was asked for in ``calls``.

    ``record`` is the interrupted restore and ``leftovers`` the killed backup that it finds; an exception instead
    is raised. ``during`` is done in the middle of whatever changes the host.
    """

    record: RestoreRecord | BaseException | None = None
    leftovers: RunRecord | BaseException | None = None
    gates: tuple[GateResult, ...] = GATES
    checklist: tuple[str, ...] = ()
    result: RestoreResult = field(factory=restored)
    during: Callable[[], None] = lambda: None
    calls: list[str] = field(factory=list)
    request: RestoreRequest | None = None

    def interrupted(self) -> RestoreRecord | None:
        return _found(self.record)

    def backup_leftovers(self) -> RunRecord | None:
        return _found(self.leftovers)

    def put_right(self, record: RunRecord) -> None:
        self.calls.append(f"put right {record.pid}")

    def prepare(self, request: RestoreRequest) -> Prospect:
        self.calls.append("prepare")
        self.request = request
        verdict = verdict_of(self.gates)
        plan = None if verdict.refusals else plan_of(request.path, checklist=self.checklist)
        return Prospect(request, Contents(MANIFEST), self.gates, verdict, plan)

    def carry_out(self, prospect: Prospect, run: RunRecord, uninterruptible: Callable[[], None]) -> RestoreResult:
        self.calls.append("carry out")
        self.during()
        return self.result

    def undo(self, record: RestoreRecord, run: RunRecord, uninterruptible: Callable[[], None] = lambda: None) -> None:
        self.calls.append("undo")
        self.record = None
        self.during()

    def finish(self, record: RestoreRecord, run: RunRecord, uninterruptible: Callable[[], None]) -> RestoreResult:
        self.calls.append("finish")
        self.during()
        return self.result


@define
class Session:
    """The restore script on a host below ``base``, whose job is a scripted one."""

    base: Path
    job: ScriptedJob = field(factory=ScriptedJob)
    out: str = ""
    err: str = ""

    def __attrs_post_init__(self) -> None:
        (self.base / "root").mkdir()
        (self.base / "root" / "docker-compose.yml").touch()
        self.backup.touch()

    @property
    def backup(self) -> Path:
        """The file that is restored."""
        return self.base / "b.tar"

    @property
    def log(self) -> Path:
        """Where the log belongs."""
        return self.base / "b.restore.log"

    @property
    def environ(self) -> dict[str, str]:
        """What the script finds in its environment."""
        return {"HERMES_ROOT": str(self.base / "root"), "HERMES_BACKUP_STATE": str(self.base / "state")}

    def run(self, *typed: str, environ: Mapping[str, str] = {}) -> int:
        """Run the script with what was typed behind its name; return the exit code, and keep what it said."""
        out, err = io.StringIO(), io.StringIO()
        log = Log(out, err, lambda: NOW)
        changed = {**self.environ, **environ}
        options = parse_restore(typed, changed)
        command = RestoreCommand(options, changed, "x", "x", NOW, log, job_of=self._job_of)
        code = command.run()
        log.end()
        self.out, self.err = out.getvalue(), err.getvalue()
        return code

    def restore(self, *typed: str, environ: Mapping[str, str] = {}) -> int:
        """Run the script on the backup."""
        return self.run("-F", str(self.backup), *typed, environ=environ)

    @property
    def text(self) -> list[str]:
        """The lines of the screen, less their stamps."""
        return [line[22:] if line.startswith("[") else line for line in self.out.splitlines()]

    def _job_of(self, root: str, environ: Mapping[str, str], reporter: Reporter) -> RestoreJob:
        assert root == str(self.base / "root")
        return cast("RestoreJob", self.job)


def _found(what: Found | BaseException | None) -> Found | None:
    if isinstance(what, BaseException):
        raise what
    return what
