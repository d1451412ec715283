"""What each step of a restore does, and how it is taken back. Each may be begun anew wherever it was broken off."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from attrs import define, field

from hermes_backup_core.archive.gunzip import inflated
from hermes_backup_core.archive.reader import BackupReader
from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.env_file import read_env, with_values_of
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.host import MAIL_CONTAINER
from hermes_backup_core.domain.paths import is_within, join, relative
from hermes_backup_core.domain.restore_plan import RestorePlan
from hermes_backup_core.domain.restore_steps import (
    AwaitStack,
    DirectoryPlan,
    DropKept,
    FitAccounts,
    KeepDatabases,
    LoadDatabase,
    LoadDirectory,
    RestoreStep,
    ServeDatabase,
    StartStack,
    StopDatabase,
    StopStack,
    SwapDatabases,
    SwapDirectory,
    SwapTier,
    TierPlan,
    UnpackTier,
)
from hermes_backup_core.domain.scope import LDAP_MEMBER, MOUNT_KEYS, Tier
from hermes_backup_core.domain.swap import Side
from hermes_backup_core.ports import Files, Reporter
from hermes_backup_core.restore.credentials import Credentials
from hermes_backup_core.restore.databases import Databases
from hermes_backup_core.restore.errors import Unsettled
from hermes_backup_core.restore.folders import Folders
from hermes_backup_core.restore.host import Host
from hermes_backup_core.restore.ledger import Ledger
from hermes_backup_core.services.containers import NotRunning
from hermes_backup_core.services.ldap_restore import DirectoryLoader

_LDAP = "ldap"
_DATA_FILE = "data.mdb"

_DatabaseStep = KeepDatabases | SwapDatabases | FitAccounts
_Exchange = StopStack | StopDatabase | ServeDatabase | _DatabaseStep | SwapDirectory | SwapTier


@define
class Steps:
    """The steps of one restore. ``contents`` is what the backup holds; None where all is staged already."""

    ledger: Ledger
    host: Host
    folders: Folders
    databases: Databases
    loader: DirectoryLoader
    files: Files
    reporter: Reporter
    contents: Contents | None = None
    remarks: list[str] = field(factory=list, init=False)

    @property
    def plan(self) -> RestorePlan:
        """What is being done."""
        return self.ledger.record.plan

    def do(self, step: RestoreStep) -> None:
        """Do ``step``, or the rest of it."""
        match step:
            case UnpackTier(plan=plan):
                self._unpack(plan)
            case LoadDatabase(database=database):
                self._load(database)
            case LoadDirectory(plan=directory):
                self._load_directory(directory)
            case StartStack(create=create):
                self._start(create=create)
            case AwaitStack():
                self._settle(step)
            case DropKept():
                self._drop()
            case _:
                self._exchange(step)

    def _exchange(self, step: _Exchange) -> None:
        match step:
            case StopStack() | StopDatabase():
                self._stop()
            case ServeDatabase():
                self.host.have_database_alone(self.plan.untouched)
            case KeepDatabases() | SwapDatabases() | FitAccounts():
                self.host.have_database_alone(self.plan.untouched)
                self._change_database(step)
            case SwapDirectory(plan=directory):
                self._stop()
                self._swap_directory(directory)
            case _:
                self._stop()
                self._swap_tier(step.plan)

    def undo(self, step: RestoreStep) -> None:
        """Take back ``step``, or what was done of it."""
        match step:
            case UnpackTier(plan=plan):
                self.folders.remove(plan.stages)
            case LoadDatabase(database=database):
                self.databases.schemas.forget((database,))
            case LoadDirectory(plan=directory):
                self.folders.remove((directory.stage,))
            case StopStack():
                self._start_what_ran()
                self._await_database()
            case StartStack():
                self._stop()
            case KeepDatabases() | SwapDatabases() | FitAccounts():
                self.host.have_database_alone(self.plan.untouched)
                self._change_database_back(step)
            case SwapDirectory():
                self._put_back(_LDAP)
            case SwapTier(plan=plan):
                self._take_tier_back(plan)
            # What the other steps change, those before or after them put right.

    def whereabouts(self) -> Iterator[str]:
        """Yield a sentence for everything that is not where it was before."""
        for swap in self.ledger.record.swaps.values():
            yield from self.folders.whereabouts(swap)
        for tier in self.plan.tiers:
            if tier.synced:
                yield f"{tier} was staged on another disk, so what it held before is not kept"

    # While mail flows

    def _unpack(self, plan: TierPlan) -> None:
        with self._reader() as reader:
            self.folders.unpack(plan, lambda: self._content(reader, plan.tier.member, plan.content_bytes))
        if plan.tier is Tier.CONFIG and self.plan.keep_mounts:
            self._keep_mounts(plan)

    def _keep_mounts(self, plan: TierPlan) -> None:
        """Let the staged `.env` have this host's four paths: else the stack would come up on another host's."""
        host = read_env(self.files.read(join(self.plan.root, ".env")))
        staged = join(self._staged_root(plan), ".env")
        values = {key: host[key] for key in MOUNT_KEYS.values() if key in host}
        self.folders.trees.write(staged, with_values_of(self.files.read(staged), values))

    def _load(self, database: str) -> None:
        with self._reader() as reader:
            if database == next(iter(self.plan.tables)):
                self.databases.keep_accounts(reader)
            with self.reporter.progress(f"loading {database}", None):
                self.databases.load(database, self._contents().dumps[database], reader)

    def _load_directory(self, plan: DirectoryPlan) -> None:
        new = join(plan.stage.folder, Side.STAGED.value)
        self.folders.remove((plan.stage,))
        self.folders.trees.make_folder(new)
        with self._reader() as reader, reader.open_member(LDAP_MEMBER) as file:
            self.loader.load(plan, self._future_config(plan), inflated(file))
        pattern = join(plan.folder, _DATA_FILE)
        self.folders.trees.own_like(new, pattern if self.folders.trees.exists(pattern) else plan.folder)
        self.folders.trees.flush(new)

    def _future_config(self, plan: DirectoryPlan) -> str:
        """Return slapd's configuration that will be in force: the staged one, where that is restored as well."""
        config = next((tier for tier in self.plan.tiers if tier.tier is Tier.CONFIG), None)
        if config and is_within(plan.config, config.selection.root):
            staged = join(self._staged_root(config), relative(plan.config, config.selection.root))
            return staged if self.folders.trees.is_folder(staged) else plan.config
        return plan.config

    # With what is touched down

    def _stop(self) -> None:
        self.host.stop(self.plan.untouched)

    def _change_database(self, step: _DatabaseStep) -> None:
        match step:
            case KeepDatabases(databases=databases):
                self.databases.keep(databases)
            case SwapDatabases(databases=databases):
                self.databases.exchange(databases)
            case _:
                self._fit_accounts()

    def _change_database_back(self, step: _DatabaseStep) -> None:
        match step:
            case KeepDatabases():
                self.databases.accounts.forget()
            case SwapDatabases(databases=databases):
                self.databases.go_back(databases)
            case _:
                self.databases.accounts.go_back()

    def _fit_accounts(self) -> None:
        config = next(tier for tier in self.plan.tiers if tier.tier is Tier.CONFIG)
        credentials = Credentials(self._staged_root(config), self.files)
        self.remarks += self.databases.make_accounts()
        for sentence in self.databases.fit_accounts(credentials.users(), credentials.root_password()):
            self.reporter.info(sentence)

    def _swap_directory(self, plan: DirectoryPlan) -> None:
        if _LDAP not in self.ledger.record.swaps:
            self.ledger.swap(_LDAP, self.folders.swap_inside(plan.folder, plan.stage))
        self.folders.exchange(self.ledger.record.swaps[_LDAP])

    def _swap_tier(self, plan: TierPlan) -> None:
        if plan.synced:
            with self.reporter.progress(f"copying the {plan.tier.value} tier", None):
                self.folders.sync(plan)
            return
        name = plan.tier.value
        if name not in self.ledger.record.swaps:
            self.ledger.swap(name, self.folders.swap_of(plan))
        self.folders.exchange(self.ledger.record.swaps[name])

    def _start(self, *, create: bool) -> None:
        if create:
            self.host.create(self.plan.untouched)
        try:
            self._start_what_ran()
        except NotRunning as err:  # all data is in place: what does not run is told when the stack is waited for
            self.reporter.warn(str(err))

    def _start_what_ran(self) -> None:
        # What goes on runs, unless the power failed since.
        self.host.start(self.plan.running)

    # With the stack up again

    def _settle(self, step: AwaitStack) -> None:
        with self.reporter.progress("waiting for the stack", None):
            problems = tuple(self.host.ailments(step.containers, end_maintenance=step.end_maintenance))
        if problems:
            raise Unsettled(problems)
        if self.plan.stopping and MAIL_CONTAINER in self.plan.going_on:
            self.host.queue.deliver_now(self.reporter)
        if self.plan.tables:
            self.remarks += self.databases.schemas.missing_definers(tuple(self.plan.tables))

    def _drop(self) -> None:
        if self.plan.tables:
            self.databases.forget(self.plan.tables)
        if self.plan.directory:
            self.folders.remove((self.plan.directory.stage,))
        for tier in self.plan.tiers:
            self.folders.remove(tier.stages)

    # Back

    def _await_database(self) -> None:
        """Give the database that was just started time to answer, since what was loaded is to be taken out again."""
        if self.plan.tables:
            with suppress(HermesBackupError):  # who asks it next says so
                self.host.await_database()

    def _put_back(self, name: str) -> None:
        self._stop()
        if swap := self.ledger.record.swaps.get(name):
            self.folders.put_back(swap)

    def _take_tier_back(self, plan: TierPlan) -> None:
        if plan.synced:
            self.reporter.warn(f"{plan} was brought in line by copying, which cannot be undone: it is the backup's now")
            return
        self._put_back(plan.tier.value)
        if plan.tier is Tier.CONFIG:
            self.host.create(self.plan.untouched)

    def _contents(self) -> Contents:
        if self.contents is None:
            raise ValueError("what is staged already is not staged anew")
        return self.contents

    def _staged_root(self, plan: TierPlan) -> str:
        return posixpath.join(plan.stages[0].folder, Side.STAGED.value)

    @contextmanager
    def _reader(self) -> Iterator[BackupReader]:
        with BackupReader(self.plan.request.path) as reader:
            yield reader

    def _content(self, reader: BackupReader, member: str, total: int) -> Iterator[bytes]:
        done = 0
        with reader.open_member(member) as file, self.reporter.progress(f"unpacking {member}", total) as advance:
            for chunk in inflated(file):
                yield chunk
                done += len(chunk)
                advance(done)
