"""Loading an LDIF beside the live directory: in a throw-away container, into a folder that slapd does not know yet."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, frozen

from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError, last_lines
from hermes_backup_core.domain.host import LDAP_CONTAINER
from hermes_backup_core.domain.restore_steps import DirectoryPlan
from hermes_backup_core.domain.scope import LDAP_SUFFIX
from hermes_backup_core.domain.swap import Side
from hermes_backup_core.ports import Stack

# Arguments: where slapd finds its entries, its configuration, the suffix. Whatever is said on the way goes to stderr,
# since stdout is for the number of entries alone. -q syncs nothing, which is fine for a folder that is thrown away when
# anything goes wrong, and is made good at the end. The files get the folder's owner, for slapd to open them.
_SCRIPT = """\
set -u
folder=$1 config=$2 suffix=$3
facts=$(slapcat -F "$config" -n 0 -o ldif-wrap=no -a "(olcSuffix=$suffix)") || exit
found=$(printf '%s\\n' "$facts" | sed -n 's/^olcDbDirectory: //p')
if [ "${found%/}" != "$folder" ]; then
    echo "slapd's configuration keeps $suffix in ${found:-no folder}, and not in $folder" >&2
    exit 1
fi
slapadd -q -F "$config" -b "$suffix" >&2 || exit
[ "$(id -u)" != 0 ] || chown "$(stat -c %u:%g "$folder")" "$folder"/* || exit
sync "$folder" "$folder"/* || sync
slapcat -F "$config" -b "$suffix" -o ldif-wrap=no | grep -c '^dn:' || [ $? = 1 ]
"""


@frozen
class DirectoryNotLoaded(HermesBackupError):
    """The backup's LDIF cannot be loaded, or not all of it was."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the backup's LDAP entries cannot be loaded beside the live directory: {self.reason}. Check that slapd's "
            "configuration knows what they need (restoring the scope `system` brings the backup's), then run the "
            "restore again."
        )


@define
class DirectoryLoader:
    """Loads a directory with the programs of the image of ``hermes_ldap``."""

    stack: Stack

    def load(self, plan: DirectoryPlan, config: str, chunks: Iterable[bytes]) -> int:
        """Load the LDIF ``chunks`` into the empty staged folder of ``plan``; return how many entries are in there.

        ``config`` is the host's folder with slapd's configuration that will be in force. Raises
        `DirectoryNotLoaded` with slapadd's words, or where the entries are not as many as ``plan`` says.
        """
        staged = plan.stage.place(plan.folder, Side.STAGED)
        argv = ("sh", "-c", _SCRIPT, "sh", plan.inside, plan.config_inside, LDAP_SUFFIX)
        mounts = {plan.inside: staged, plan.config_inside: config}
        try:
            answer = self.stack.run_once(LDAP_CONTAINER, argv, chunks, mounts=mounts)
        except CommandFailed as err:
            raise DirectoryNotLoaded(last_lines(err.stderr, 3) or f"exit code {err.exit_code}") from err
        entries = int(answer.decode().strip() or 0)
        if entries != plan.entries:
            raise DirectoryNotLoaded(f"{entries:,} of {plan.entries:,} entries are there after loading")
        return entries
