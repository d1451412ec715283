"""Carrying a backup plan out, step by step, into the one output file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from attrs import define, evolve, field

from hermes_backup_core.archive.databases import DatabasesArchive
from hermes_backup_core.archive.gzip_stream import FILES_LEVEL, TEXT_LEVEL, GzipStream
from hermes_backup_core.archive.outer import SLOT_BYTES
from hermes_backup_core.backup.output import Member, Output
from hermes_backup_core.backup.result import BackupResult, MemberResult
from hermes_backup_core.backup.switches import Switches
from hermes_backup_core.domain.backup_steps import (
    DropSnapshots,
    DumpDatabase,
    ExportAccounts,
    ExportDirectory,
    PackTier,
    Step,
    TakeSnapshots,
    WhileNextcloudInMaintenance,
    WhileServing,
    WhileStackStopped,
    flattened,
)
from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError, SnapshotFailed
from hermes_backup_core.domain.figures import duration, rate, size
from hermes_backup_core.domain.host import STOP_SECONDS
from hermes_backup_core.domain.manifest import ChangedFiles, ComposeRecord, Manifest
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.plan import BackupPlan
from hermes_backup_core.domain.scope import ACCOUNTS_MEMBER, DATABASES, DATABASES_MEMBER, LDAP_MEMBER, Tier
from hermes_backup_core.domain.selection import PackReport
from hermes_backup_core.domain.snapshots import Snapshot, SnapshotPolicy
from hermes_backup_core.ports import Clock, Files, Reporter, TierSource
from hermes_backup_core.services.ldap import Directory
from hermes_backup_core.services.mariadb import MariaDB, SnapshotBroken

_DUMP_TRIES = 3
_NAMES_IN_LOG = 10
# What the manifest's slot keeps for names of changed files; the rest of it is far below the other half.
_NAMES_BYTES = SLOT_BYTES // 2

Write = Callable[[bytes], object]


@define
class BackupRun:
    """One run of a plan. What it switches off, ``switches`` puts back whatever happens."""

    plan: BackupPlan
    switches: Switches
    database: MariaDB
    directory: Directory
    tiers: TierSource
    files: Files
    clock: Clock
    reporter: Reporter
    _build_no: str = field(init=False)
    _output: Output = field(init=False)
    _changed: dict[str, ChangedFiles] = field(factory=dict, init=False)
    # The snapshots that stand, by the tiers that are packed from them.
    _snapshots: dict[Tier, Snapshot] = field(factory=dict, init=False)
    _dumps: DatabasesArchive | None = field(default=None, init=False)
    # Holds the databases' archive open from the first dump to the last, whatever steps lie between.
    _dumps_open: ExitStack = field(factory=ExitStack, init=False)

    def carry_out(self) -> BackupResult:
        """Make the backup and return what it is; on any error nothing of it is left, and the host is as before."""
        began = self.clock.monotonic()
        self._build_no = self.plan.build_no
        self._output = Output(self.plan.request.output, self.plan.name, self.files, self.clock)
        with self.switches:
            self.switches.announce_partial(self._output.partial)
            with self._output.opened(), self._dumps_open:
                self._take(self.plan.steps)
                manifest = self._manifest()
                name = BackupName.make(manifest.scope, self._build_no, self.plan.name.moment)
                with self.reporter.progress("bringing the backup to the disk", None):
                    path = self._output.publish(manifest.render(), name, self.switches.uninterruptible)
        return self._result(path, manifest, self.clock.monotonic() - began)

    def _take(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case WhileStackStopped(steps=inner, untouched=untouched):
                    with self.switches.stack_stopped(untouched):
                        self._take(inner)
                case WhileServing(containers=names, steps=inner):
                    with self.switches.serving(names):
                        self._await_database()
                        self._take(inner)
                case WhileNextcloudInMaintenance(steps=inner):
                    with self.switches.nextcloud_in_maintenance():
                        self._take(inner)
                case _:
                    self._do(step)

    def _do(self, step: Step) -> None:
        """Carry out a step that encloses no others."""
        match step:
            case ExportDirectory():
                self._export_directory()
            case ExportAccounts():
                self._export_accounts()
            case DumpDatabase(database=database):
                self._dump(database)
            case TakeSnapshots():
                self._take_snapshots(step)
            case DropSnapshots(snapshots=snapshots):
                self.switches.drop_snapshots(snapshots)
            case PackTier():
                self._pack(step)

    def _await_database(self) -> None:
        self.database.wait_until_ready(self.clock, STOP_SECONDS)
        self._build_no = self.database.build_no() or self._build_no

    def _export_directory(self) -> None:
        with self._compressed(LDAP_MEMBER, TEXT_LEVEL) as (member, write):
            member.entries = self.directory.export(write)
        self._tell(member, f"{member.entries:,} LDAP entries")

    def _export_accounts(self) -> None:
        with self._compressed(ACCOUNTS_MEMBER, TEXT_LEVEL) as (member, write):
            write(self.database.accounts().encode("utf-8", "surrogateescape"))
        self._tell(member)

    def _dump(self, database: str) -> None:
        if self._dumps is None:
            self._dumps = self._dumps_open.enter_context(self._databases_archive())
        for tries_left in reversed(range(_DUMP_TRIES)):
            try:
                self._dump_once(self._dumps, database)
                return
            except SnapshotBroken as err:
                if not tries_left:
                    raise
                self.reporter.warn(f"a table of {database} was altered meanwhile, so it is dumped again: {err.reason}")

    def _dump_once(self, archive: DatabasesArchive, database: str) -> None:
        began = self.clock.monotonic()
        with archive.dump(database) as stream, self._progress(f"dump of {database}", None, stream.write) as write:
            self.database.dump(database, write)
        self._tell_rate(f"database {database}", stream.bytes_in, self.clock.monotonic() - began)
        if database == DATABASES[-1]:
            self._dumps_open.close()

    @contextmanager
    def _databases_archive(self) -> Iterator[DatabasesArchive]:
        with self._output.member(DATABASES_MEMBER) as member:
            with DatabasesArchive(member.sink, mtime=int(self.plan.name.moment.timestamp())) as archive:
                yield archive
            member.entries, member.content_bytes = archive.entries, archive.content_bytes
        self._tell(member)

    def _take_snapshots(self, step: TakeSnapshots) -> None:
        for snapshot in step.snapshots:
            try:
                self.switches.take_snapshot(snapshot)
                self._snapshots.update(dict.fromkeys(snapshot.tiers, snapshot))
            except SnapshotFailed as err:
                if self.plan.request.snapshot is SnapshotPolicy.REQUIRED:
                    raise
                names = ", ".join(tier.value for tier in snapshot.tiers)
                self.reporter.warn(f"{err} So this is packed as it lies there: {names}")
        for packing in flattened(self.plan.steps):
            if isinstance(packing, PackTier) and packing.tier in {*step.now_or_never} - {*self._snapshots}:
                self._pack(packing)

    def _pack(self, step: PackTier) -> None:
        if any(member.name == step.tier.member for member in self._output.members):
            return  # packed early, as it was now or never
        snapshot, selection = self._snapshots.get(step.tier), step.selection
        if snapshot is None:
            selection = evolve(selection, seen_at=None)
        tag = self.plan.name.partial
        with self._compressed(step.tier.member, FILES_LEVEL, step.content_bytes) as (member, write):
            with self._trusted(snapshot):
                report = self.tiers.pack(selection, write, tag=tag)
            member.entries, member.content_bytes = report.entries, report.content_bytes
        self._tell(member, f"{report.entries:,} entries")
        self._tell_of_files(step, report)

    @contextmanager
    def _trusted(self, snapshot: Snapshot | None) -> Iterator[None]:
        """Raise `SnapshotFailed` where the snapshot has not held through the body, which may have failed for that."""
        try:
            yield
        except (HermesBackupError, OSError) as err:
            with suppress(CommandFailed):  # which tells less than what has failed already
                if snapshot and (problem := self.switches.snapshot_problem(snapshot)):
                    raise SnapshotFailed(shown(snapshot.of), problem) from err
            raise
        if snapshot and (problem := self.switches.snapshot_problem(snapshot)):
            raise SnapshotFailed(shown(snapshot.of), problem)

    @contextmanager
    def _compressed(self, name: str, level: int, total: int | None = None) -> Iterator[tuple[Member, Write]]:
        """Give the member ``name``, and what writes its content; ``total`` is about how many bytes that has."""
        with (
            self._output.member(name) as member,
            GzipStream(member.sink, level) as stream,
            self._progress(name, total, stream.write) as write,
        ):
            yield member, write
            member.content_bytes = member.content_bytes or stream.bytes_in

    @contextmanager
    def _progress(self, task: str, total: int | None, write: Write) -> Iterator[Write]:
        """Give ``write`` with every byte that passes through it told to the reporter."""
        done = 0
        with self.reporter.progress(task, total) as advance:

            def counted(chunk: bytes) -> None:
                nonlocal done
                write(chunk)
                done += len(chunk)
                advance(done)

            yield counted

    def _tell(self, member: Member, what: str = "") -> None:
        packed = member.sink.record.size_bytes
        text = f"{member.name} {size(packed)} from {size(member.content_bytes)} in {duration(member.seconds)}"
        self.reporter.info(f"{text} ({', '.join(filter(None, [what, rate(member.content_bytes, member.seconds)]))})")

    def _tell_rate(self, what: str, content: int, seconds: float) -> None:
        self.reporter.info(f"{what}: {size(content)} in {duration(seconds)} ({rate(content, seconds)})")

    def _tell_of_files(self, step: PackTier, report: PackReport) -> None:
        """Name what did not come out as it lay there."""
        for names, tell, told in (
            (report.sockets, self.reporter.warn, "sockets left out, which no archive can hold"),
            (report.vanished, self.reporter.info, "files went away before they were read"),
            (report.arrived, self.reporter.info, "entries came or moved while the tier was read, and were added"),
            (report.packed_again, self.reporter.info, "files changed while they were read, and were read again"),
        ):
            if names:
                tell(f"{step.tier.value}: {len(names)} {told}: {_first(names)}")
        if report.missing:
            self.reporter.warn(f"{step.tier.value} has no {', '.join(map(shown, report.missing))}")
        for remark in report.remarks:
            self.reporter.warn(f"{step.tier.value}: {shown(remark)}")
        if report.torn:
            self.reporter.warn(
                f"{step.tier.value}: {len(report.torn)} files were being written each time they were read and may "
                f"be torn in this backup: {_first(report.torn)}"
            )
            self._changed[step.tier.value] = ChangedFiles(len(report.torn), _fitting(report.torn))

    def _manifest(self) -> Manifest:
        plan, entries = self.plan, {member.name: member.entry for member in self._output.members}
        project = plan.project
        return Manifest(
            build_no=self._build_no,
            scope=plan.request.scope,
            mode=plan.request.mode,
            timestamp=plan.name.stamp,
            hostname=plan.hostname,
            topology=plan.topology,
            archives={name: entries[name] for name in plan.request.scope.members},
            accounts={ACCOUNTS_MEMBER: entries[ACCOUNTS_MEMBER]} if ACCOUNTS_MEMBER in entries else {},
            compose=ComposeRecord(project.name, project.volumes),
            changed_files=self._changed,
            snapshots={tier.value: snapshot.kind.value for tier, snapshot in self._snapshots.items()},
        )

    def _result(self, path: str, manifest: Manifest, seconds: float) -> BackupResult:
        return BackupResult(
            path=path,
            size_bytes=self._output.size_bytes,
            manifest=manifest,
            members=tuple(
                MemberResult(member.name, member.sink.record.size_bytes, member.content_bytes, member.seconds)
                for member in self._output.members
            ),
            seconds=seconds,
            stack_down=self.switches.stack_down,
            in_maintenance=self.switches.in_maintenance,
            problems=self.switches.problems,
        )


def _first(names: Sequence[bytes]) -> str:
    more = f" and {len(names) - _NAMES_IN_LOG} more" if len(names) > _NAMES_IN_LOG else ""
    return ", ".join(map(shown, names[:_NAMES_IN_LOG])) + more


def _fitting(names: Sequence[bytes]) -> tuple[str, ...]:
    """Return as many of ``names`` as the manifest's slot has room for, in any spelling that JSON may choose."""
    room, fitting = _NAMES_BYTES, []
    for name in map(shown, names):
        room -= 6 * len(name) + 4
        if room < 0:
            break
        fitting.append(name)
    return tuple(fitting)
