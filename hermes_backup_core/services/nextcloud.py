"""Nextcloud's maintenance mode, through `occ` in its container."""

from __future__ import annotations

from attrs import define, frozen

from hermes_backup_core.domain.errors import HermesBackupError, reason_of
from hermes_backup_core.domain.host import NEXTCLOUD_CONTAINER
from hermes_backup_core.ports import Clock, Stack

_OCC = ("php", "/var/www/html/occ", "maintenance:mode")
_OCC_PATIENCE = 60.0
_LOOK_EVERY = 1.0


@frozen
class StillInMaintenance(HermesBackupError):
    """Nextcloud could not be taken out of maintenance mode. ``reason`` is what `occ` or the engine said last."""

    reason: str

    def __str__(self) -> str:
        return (
            f"Nextcloud is still in maintenance mode ({self.reason}): run "
            f"`docker exec -u www-data {NEXTCLOUD_CONTAINER} php /var/www/html/occ maintenance:mode --off`"
        )


@define
class Nextcloud:
    """The Nextcloud in ``hermes_nextcloud``. Every method raises `CommandFailed` where `occ` fails."""

    stack: Stack

    def in_maintenance(self) -> bool:
        """Whether its users see the maintenance page now."""
        return "enabled" in self._occ()

    def begin_maintenance(self) -> None:
        """Show the maintenance page to its users."""
        self._occ("--on")

    def end_maintenance(self) -> None:
        """Let its users in again."""
        self._occ("--off")

    def end_maintenance_when_ready(self, clock: Clock) -> None:
        """Let its users in again, trying until the container is ready; raises `StillInMaintenance` after a minute."""
        deadline = clock.monotonic() + _OCC_PATIENCE
        while True:
            try:
                return self.end_maintenance()
            except HermesBackupError as err:
                if clock.monotonic() >= deadline:
                    raise StillInMaintenance(reason_of(err)) from err
                clock.sleep(_LOOK_EVERY)

    def _occ(self, *options: str) -> str:
        # `occ` refuses to run for anyone but the owner of its config.php. And one that switches on after we have
        # switched off, because a signal ended the waiting for it, would have the last word.
        output = self.stack.run(NEXTCLOUD_CONTAINER, (*_OCC, *options), user="www-data", to_its_end=True)
        return output.decode("utf-8", "replace")
