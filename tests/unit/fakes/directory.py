"""The fake of what loads an LDIF into files of slapd's."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

from hermes_backup_core.domain.paths import is_below, join
from hermes_backup_core.domain.restore_steps import DirectoryPlan
from hermes_backup_core.domain.swap import Side
from hermes_backup_core.services.ldap_restore import DirectoryLoader, DirectoryNotLoaded
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.stack import MemoryStack


@define(init=False)
class MemoryLoader(DirectoryLoader):
    """Writes ``data.mdb``, whose content is the LDIF itself; a configuration that is not there is an error."""

    host: MemoryHost

    def __init__(self, host: MemoryHost) -> None:
        super().__init__(MemoryStack(host))
        self.host = host

    def load(self, plan: DirectoryPlan, config: str, chunks: Iterable[bytes]) -> int:
        folder = plan.stage.place(plan.folder, Side.STAGED)
        ldif = b"".join(chunks)
        with self.host.port("loader.load"):
            if not any(is_below(path, config) for path in self.host.files):
                raise DirectoryNotLoaded(f"slapadd: bad configuration directory {config}")
            if not self.host.is_folder(folder) or self.host.below(folder):
                raise DirectoryNotLoaded(f"slapadd: {folder} is no empty folder")
            self.host.files[join(folder, "data.mdb")] = ldif[: len(ldif) // 2]
        with self.host.port("loader.load.rest"):
            if self.host.load_trouble:
                raise DirectoryNotLoaded(self.host.load_trouble)
            self.host.files[join(folder, "data.mdb")] = ldif
        entries = (b"\n" + ldif).count(b"\ndn:")
        if entries != plan.entries:
            raise DirectoryNotLoaded(f"{entries} of {plan.entries} entries are there after loading")
        return entries
