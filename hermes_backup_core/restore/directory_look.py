"""Finding where slapd keeps its files and its configuration: in its container, and on the host."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.host import LDAP_CONTAINER, ComposeProject
from hermes_backup_core.domain.paths import is_below, join, relative, shown
from hermes_backup_core.domain.restore_facts import DirectoryFacts
from hermes_backup_core.domain.scope import LDAP_SUFFIX
from hermes_backup_core.domain.slapd_config import database_folder
from hermes_backup_core.ports import Files
from hermes_backup_core.restore.outside import mount_over, outside

CONFIG_INSIDE = "/etc/ldap/slapd.d"


@frozen
class DirectoryUnknown(HermesBackupError):
    """Where slapd's files lie on the host cannot be told."""

    reason: str

    def __str__(self) -> str:
        return f"where {LDAP_CONTAINER} keeps the directory cannot be told: {self.reason}"


@frozen
class DirectoryLook:
    """Looks for slapd's folders. ``project`` says what its service mounts; ``root`` is the install root, resolved.

    ``restored`` are the small files of the install root that a restore will put there, by their path in it.
    """

    files: Files
    project: ComposeProject
    root: str
    restored: Mapping[str, bytes]

    def look(self) -> DirectoryFacts:
        """Return where the folders are; raises `DirectoryUnknown`, and `OSError` where this user may not look."""
        config = self._outside(CONFIG_INSIDE)
        inside = database_folder(self._restored(config) or self._there(config), LDAP_SUFFIX)
        if inside is None:
            raise DirectoryUnknown(
                f"no database in {shown(config)} has the suffix {LDAP_SUFFIX} and an olcDbDirectory: look at its "
                "cn=config/olcDatabase=*.ldif"
            )
        folder = self._outside(inside)
        return DirectoryFacts(folder, inside, config, CONFIG_INSIDE, self.files.room(folder))

    def _outside(self, inside: str) -> str:
        """Return the folder of the host that slapd finds at ``inside``."""
        mount = mount_over(self.project, LDAP_CONTAINER, inside)
        if mount is None:
            raise DirectoryUnknown(f"nothing is mounted at {shown(inside)}: give it a folder in docker-compose.yml")
        if not mount.source:
            raise DirectoryUnknown(
                f"the volume at {shown(mount.target)} is no folder of the host: bind it to one in docker-compose.yml"
            )
        folder = self.files.resolve(outside(mount, inside))
        if not self.files.is_folder(folder):
            raise DirectoryUnknown(f"{shown(folder)} is not there: is its disk mounted?")
        return folder

    def _restored(self, config: str) -> dict[str, bytes]:
        """Return slapd's files as a restore will have them, where their folder lies in the install root."""
        folder = join(config, "cn=config")
        files = {join(self.root, name): content for name, content in self.restored.items()}
        return {relative(path, folder): content for path, content in files.items() if is_below(path, folder)}

    def _there(self, config: str) -> dict[str, bytes]:
        folder = join(config, "cn=config")
        # Whether it is there can be told only by who may look into the folder above.
        names = sorted(self.files.names(folder)) if "cn=config" in self.files.names(config) else []
        return {name: self.files.read(join(folder, name)) for name in names if name.endswith(".ldif")}
