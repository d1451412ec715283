"""The containers during a restore: those it touches down, of these the database alone, all up again and well."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.host import CONSOLE_CONTAINER, DATABASE_CONTAINER, STOP_SECONDS, Container
from hermes_backup_core.domain.touched import service_of
from hermes_backup_core.ports import Clock, Stack
from hermes_backup_core.services.console import Console
from hermes_backup_core.services.containers import Containers
from hermes_backup_core.services.mariadb import MariaDB
from hermes_backup_core.services.nextcloud import Nextcloud
from hermes_backup_core.services.postfix import MailQueue

HEALTH_PATIENCE = 180.0
"""Seconds that the containers get to become healthy."""


@frozen
class Host:
    """What a restore does to the containers. Every method may be called again after it was broken off."""

    stack: Stack
    containers: Containers
    database: MariaDB
    nextcloud: Nextcloud
    console: Console
    clock: Clock
    queue: MailQueue

    def stop(self, spared: Collection[str]) -> None:
        """Stop every container that runs, less those called ``spared``, which may go on."""
        if running := self._running(spared):
            self.containers.stop(running)

    def have_database_alone(self, spared: Collection[str]) -> None:
        """Have the database server up and answering, and nothing else but those called ``spared``."""
        running = self._running(spared)
        if others := [container for container in running if container.name != DATABASE_CONTAINER]:
            self.containers.stop(others)
        if len(others) == len(running):
            self.stack.start([found for found in self.stack.containers() if found.name == DATABASE_CONTAINER])
        self.await_database()

    def await_database(self) -> None:
        """Wait until the database server answers; raises `DatabaseUnreachable` where it does not."""
        self.database.wait_until_ready(self.clock, STOP_SECONDS)

    def start(self, names: Sequence[str]) -> None:
        """Start the containers ``names``."""
        self.containers.start(tuple(names))

    def create(self, spared: Collection[str]) -> None:
        """Make the containers, less those called ``spared``, what Compose's files say now, without starting any."""
        found = self.stack.containers()
        going_on = dict.fromkeys(service_of(container) for container in found if container.name in spared)
        made = dict.fromkeys(service_of(container) for container in found if container.name not in spared)
        self.stack.create(list(made), list(going_on))

    def _running(self, spared: Collection[str]) -> list[Container]:
        return [container for container in self.stack.containers() if container.runs and container.name not in spared]

    def ailments(self, names: Sequence[str], *, end_maintenance: bool) -> Iterator[str]:
        """Wait until all of ``names`` are well, and yield a sentence for each thing that is not."""
        unwell = self.containers.await_healthy(tuple(names), HEALTH_PATIENCE)
        for word in unwell:
            yield f"{word} is not well: look at `docker logs {word.partition(' ')[0]}`"
        if CONSOLE_CONTAINER in names and not self.console.answers():
            yield f"the admin console does not answer: look at `docker logs {CONSOLE_CONTAINER}`"
        if end_maintenance:
            try:
                self.nextcloud.end_maintenance_when_ready(self.clock)
            except HermesBackupError as err:
                yield str(err)
