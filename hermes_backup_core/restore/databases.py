"""The databases of a restore: loaded beside, exchanged by renames, put back; and the accounts that go with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from hermes_backup_core.archive.dump_sections import programs_part, tables_part
from hermes_backup_core.archive.dumps import dump_texts
from hermes_backup_core.archive.gunzip import inflated
from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.scope import ACCOUNTS_MEMBER, DATABASES_MEMBER
from hermes_backup_core.restore_ports import AccountSwap, RestoreJournal, SchemaSwap
from hermes_backup_core.services.accounts import AccountsNotMade

if TYPE_CHECKING:
    from hermes_backup_core.archive.reader import BackupReader
    from hermes_backup_core.domain.contents import DumpContents

_OLD_PROGRAMS = "old-programs.sql"
_OLD_DEFAULTS = "old-defaults.json"
_ACCOUNTS = "accounts.sql"


@frozen
class NotKept(HermesBackupError):
    """What was kept for later is not there any more."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}, which this restore kept for later, is gone from its state folder: use --undo"


@frozen
class Databases:
    """What a restore does to the databases. Every method may be called again after it was broken off."""

    schemas: SchemaSwap
    accounts: AccountSwap
    journal: RestoreJournal

    def load(self, database: str, contents: DumpContents, reader: BackupReader) -> None:
        """Load the tables of a dump into the schema beside, and keep what is to follow at the swap."""
        self.journal.keep(f"{database}-defaults", contents.defaults.encode())
        self.journal.keep(f"{database}-programs.sql", b"".join(programs_part(_dump(reader, database))))
        self.schemas.stage(database, contents.defaults, tables_part(_dump(reader, database)))
        self.schemas.check(database, contents.tables)

    def keep_accounts(self, reader: BackupReader) -> None:
        """Keep the backup's list of accounts for the swap, where it has one."""
        if ACCOUNTS_MEMBER in reader.members:
            with reader.open_member(ACCOUNTS_MEMBER) as file:
                self.journal.keep(_ACCOUNTS, b"".join(inflated(file)))

    def keep(self, databases: Iterable[str]) -> None:
        """Keep all of the live databases and accounts that a swap destroys or changes."""
        present = [database for database in databases if database in self.schemas.present()]
        dump = self.schemas.keep(present) if present else b""
        self.journal.keep(_OLD_PROGRAMS, b"".join(programs_part([dump], naming=True)) if dump else b"")
        self.journal.keep(_OLD_DEFAULTS, json.dumps(self.schemas.defaults(present)).encode())
        self.accounts.keep()

    def exchange(self, databases: Iterable[str]) -> None:
        """Exchange the live tables for the loaded ones, and make the dumps' views and programs."""
        self.schemas.exchange([self._loaded(database) for database in databases])

    def go_back(self, databases: Iterable[str]) -> None:
        """Put the old tables, views and programs back."""
        old = json.loads(self._kept(_OLD_DEFAULTS))
        self.schemas.go_back({database: old.get(database, "") for database in databases}, [self._kept(_OLD_PROGRAMS)])

    def make_accounts(self) -> tuple[str, ...]:
        """Make the backup's accounts, where it lists them; return a sentence for each that the server refused."""
        try:
            if sql := self.journal.kept(_ACCOUNTS):
                self.accounts.apply(sql)
        except AccountsNotMade as err:  # a right on a table that is gone must not keep all else from coming back
            return err.problems
        return ()

    def fit_accounts(self, credentials: Mapping[str, str], root_password: str | None) -> tuple[str, ...]:
        """Let every user of the credential files in; return a sentence for each account that was changed."""
        return self.accounts.fit(credentials, root_password)

    def forget(self, databases: Iterable[str]) -> None:
        """Remove the loaded and the old copies, and the kept accounts."""
        self.schemas.forget(tuple(databases))
        self.accounts.forget()

    def _loaded(self, database: str) -> Loaded:
        defaults, programs = self._kept(f"{database}-defaults"), self._kept(f"{database}-programs.sql")
        return Loaded(database, defaults.decode(), [programs])

    def _kept(self, name: str) -> bytes:
        content = self.journal.kept(name)
        if content is None:
            raise NotKept(name)
        return content


def _dump(reader: BackupReader, database: str) -> Iterator[bytes]:
    """Yield the text of a database's dump."""
    with reader.open_member(DATABASES_MEMBER) as file:
        for name, text in dump_texts(file):
            if name == database:
                yield from text
                return
