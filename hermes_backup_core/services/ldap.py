"""The LDAP directory in its container: an export that is whole and holds entries."""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import define, field

from hermes_backup_core.domain.errors import CommandFailed, DirectoryExportFailed, last_lines
from hermes_backup_core.domain.host import LDAP_CONTAINER
from hermes_backup_core.domain.scope import LDAP_SUFFIX
from hermes_backup_core.ports import Stack
from hermes_backup_core.services.programs import missing_programs

# Without -F the image falls back to a slapd.conf that nothing keeps up to date.
_SLAPCAT = ("slapcat", "-F", "/etc/ldap/slapd.d", "-b", LDAP_SUFFIX)


@define
class EntryCounter:
    """Counts the entries of an LDIF that goes by; continued lines begin with a blank, so none is mistaken."""

    entries: int = field(default=0, init=False)
    _tail: bytes = field(default=b"\n", init=False)

    _ENTRY = re.compile(rb"\ndn:")

    def feed(self, chunk: bytes) -> None:
        """Look at the next piece."""
        text = self._tail + chunk
        self.entries += len(self._ENTRY.findall(text))
        self._tail = text[-3:]


@define
class Directory:
    """The directory that slapd in ``hermes_ldap`` serves."""

    stack: Stack

    def missing_tools(self) -> tuple[str, ...]:
        """Return the programs that a backup needs and that the image lacks."""
        return missing_programs(self.stack, LDAP_CONTAINER, ("slapcat",))

    def export(self, write: Callable[[bytes], object]) -> int:
        """Hand the directory as LDIF to ``write``; return how many entries it holds.

        Raises `DirectoryExportFailed` where slapcat fails or gives no entry.
        """
        counter = EntryCounter()

        def keep(chunk: bytes) -> None:
            counter.feed(chunk)
            write(chunk)

        try:
            self.stack.stream(LDAP_CONTAINER, _SLAPCAT, keep)
        except CommandFailed as err:
            raise DirectoryExportFailed(last_lines(err.stderr, 3) or str(err)) from err
        if counter.entries == 0:
            raise DirectoryExportFailed(f"slapcat gave no entry of {LDAP_SUFFIX}")
        return counter.entries
