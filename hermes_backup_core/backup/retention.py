"""Retention: looking at the backups in a folder, and removing those that no rule keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve, frozen

from hermes_backup_core.archive.backup_file import Backup, read_backup
from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.paths import join, shown
from hermes_backup_core.domain.retention import Candidate, RetentionPlan, RetentionPolicy, plan_retention
from hermes_backup_core.domain.scope import Scope
from hermes_backup_core.ports import Files, Reporter


@frozen
class NotReadBack(HermesBackupError):
    """The backup that was just made does not read as a whole one, so nothing may go for its sake."""

    path: str

    def __str__(self) -> str:
        return f"{shown(self.path)} does not read as the backup that it was made as; look at it, and at its disk"


@frozen
class Retention:
    """Keeps what a policy keeps, of the backups of one scope in one folder. ``read`` says what a backup holds.

    Looked at are regular files that bear a backup's name; nothing else in the folder is ever touched.
    """

    files: Files
    reporter: Reporter
    read: Callable[[str], Backup] = read_backup

    def look(
        self,
        policy: RetentionPolicy,
        scope: Scope,
        folder: str,
        *,
        new: BackupName | None = None,
        restoring: str | None = None,
    ) -> RetentionPlan:
        """Return what becomes of the backups of ``scope`` in ``folder``; changes nothing.

        ``new`` was just made, or is about to be: where it is not there yet, it counts as if it were, and whole.
        ``restoring`` is a backup that an interrupted restore may still need. Raises `OSError` where the folder
        cannot be listed.
        """
        found = {candidate.name: candidate for candidate in self._candidates(scope, folder, restoring)}
        if new:
            found[new] = evolve(found.get(new, Candidate(new)), new=True)
        return plan_retention(policy, found.values(), scope)

    def tell(self, plan: RetentionPlan) -> None:
        """Tell what stays, and by which rules, and what counts for nothing."""
        for kept in plan.kept:
            self.reporter.info(str(kept))
        for left in plan.left:
            self.reporter.warn(str(left))

    def carry_out(self, policy: RetentionPolicy, made: str) -> None:
        """Remove what ``policy`` does not keep beside the backup ``made``, which was just made; tell of each.

        That backup is a success whatever happens here: what goes wrong is a warning.
        """
        self.reporter.section("Retention")
        folder, _, entry = made.rpartition("/")
        name = BackupName.parse(entry)
        try:
            if name is None or self._problem(name, made):
                raise NotReadBack(made)
            plan = self.look(policy, name.scope, folder or "/", new=name)
        except (NotReadBack, OSError) as err:
            self.reporter.warn(f"no older backup was removed: {err}")
            return
        self.tell(plan)
        # The oldest first: whatever breaks this off, the newest are the last to go.
        for gone in reversed(plan.gone):
            self._remove(gone, folder or "/")

    def _remove(self, name: BackupName, folder: str) -> None:
        """Remove the tarball, then its logs: one that cannot go keeps them."""
        path = join(folder, name.tarball)
        try:
            if name.pin in self.files.names(folder):
                self.reporter.info(f"{name.tarball} stays: pinned meanwhile")
                return
            for path in (join(folder, file) for file in (name.tarball, name.log, name.restore_log)):
                self.files.remove(path)
        except OSError as err:
            self.reporter.warn(f"{shown(path)} could not be removed ({err.strerror}): remove it by hand")
        else:
            self.reporter.info(f"removed {name.tarball} and its logs")

    def _candidates(self, scope: Scope, folder: str, restoring: str | None) -> Iterator[Candidate]:
        names = self.files.names(folder)
        for entry in sorted(names):
            name, path = BackupName.parse(entry), join(folder, entry)
            if name and name.scope is scope and self.files.is_file(path):
                in_use = restoring is not None and self.files.resolve(path) == self.files.resolve(restoring)
                yield Candidate(name, self._problem(name, path), pinned=name.pin in names, in_use=in_use)

    def _problem(self, name: BackupName, path: str) -> str | None:
        """Return why the file cannot be taken for the whole backup that its name promises, or None."""
        try:
            manifest = self.read(path).manifest
        except OSError as err:
            return f"it cannot be read ({err.strerror}); look at its mode and its disk"
        except HermesBackupError as err:
            return str(err)
        if (manifest.scope, manifest.timestamp) == (name.scope, name.stamp):
            return None
        return f"it holds a backup of scope {manifest.scope.value}, {shown(manifest.timestamp)}; give it that name back"
