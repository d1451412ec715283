"""Containers stopped so that nothing is torn, and started so that all of them run for good."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress

from attrs import frozen

from hermes_backup_core.domain.errors import HermesBackupError, reason_of
from hermes_backup_core.domain.host import DATABASE_CONTAINER, LDAP_CONTAINER, Container
from hermes_backup_core.domain.order import start_order
from hermes_backup_core.ports import Clock, Reporter, Stack

START_PATIENCE = 150.0
"""Seconds that the containers get to run again."""

_STOP_SLACK = 10.0  # seconds between the engine's last word to a container and its end
_LOOK_EVERY = 1.0
_KILLED = 137  # 128 + SIGKILL, which the engine sends where a stop takes too long
_DATABASES = (DATABASE_CONTAINER, LDAP_CONTAINER)


@frozen
class NotStopped(HermesBackupError):
    """A database did not end by itself within its time, so its files may be torn. ``patience`` is seconds."""

    container: str
    patience: int

    def __str__(self) -> str:
        return (
            f"{self.container} did not stop within {self.patience} s and was killed, so its files may be torn: "
            f"look at `docker logs {self.container}`, then run this again"
        )


@frozen
class NotRunning(HermesBackupError):
    """Containers that ran before do not run again. ``reason`` is what the engine said, if it said anything."""

    containers: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        names = " ".join(self.containers)
        said = f" ({self.reason})" if self.reason else ""
        return (
            f"{names} did not start again{said}: look at `docker logs {self.containers[0]}`, "
            f"then run `docker start {names}`"
        )


@frozen
class Containers:
    """The containers of ``stack``; ``reporter``, where there is one, is told what is stopped."""

    stack: Stack
    clock: Clock
    reporter: Reporter | None = None

    def stop(
        self,
        containers: Sequence[Container],
        announce: Callable[[tuple[str, ...], float], None] = lambda _names, _ends: None,
    ) -> None:
        """Stop ``containers``, dependents first; raises `NotStopped` where a database had to be killed.

        ``announce`` is called before each group with its names and when the engine will have stopped it
        (seconds since 1970), whoever waits; and with no names when all are stopped.
        """
        names = tuple(container.name for container in containers)
        ends = 0.0
        self._info(f"stopping {listed(names)}")
        with self._progress("stopping"):
            for group in reversed(start_order(containers)):
                patience = max(container.patience for container in group)
                ends = self.clock.now().timestamp() + patience + _STOP_SLACK
                announce(tuple(container.name for container in group), ends)
                self.stack.stop(group)
        announce((), ends)
        self._judge(names)

    def start(
        self, names: Collection[str], *, stopping: Collection[str] = (), stop_ends: float = 0.0
    ) -> tuple[str, ...]:
        """Start the containers ``names`` until all run; return those that did not run at first.

        Those in ``stopping`` may still run only because the engine has not stopped them yet, which it may do
        until ``stop_ends`` (seconds since 1970); they are waited for. Raises `NotRunning` that names what
        does not run `START_PATIENCE` seconds after that.
        """
        first = _idle(self.stack.containers(), names)
        wait = max(0.0, stop_ends - self.clock.now().timestamp())
        unsettled, settled_at = set(stopping), self.clock.monotonic() + wait
        deadline = settled_at + START_PATIENCE
        trouble: HermesBackupError | None = None
        # Twice in a row, since a container that dies at its start runs at first.
        calm = 0
        while calm < 2:
            idle = _idle(self.stack.containers(), names)
            unsettled -= {container.name for container in idle}
            settled = not unsettled or self.clock.monotonic() >= settled_at
            calm = calm + 1 if settled and not idle else 0
            if idle and self.clock.monotonic() > deadline:
                raise NotRunning(
                    tuple(container.name for container in idle), reason_of(trouble) if trouble else ""
                ) from trouble
            if idle:
                trouble = self._start(idle) or trouble
            if calm < 2:
                self.clock.sleep(_LOOK_EVERY)
        return tuple(container.name for container in first)

    def await_healthy(self, names: Collection[str], patience: float) -> tuple[str, ...]:
        """Wait until each of ``names`` runs, healthy where it can tell; return what is not within ``patience``.

        ``patience`` is seconds; what is returned reads like ``hermes_ldap (unhealthy)``.
        """
        deadline = self.clock.monotonic() + patience
        # Twice in a row, for the same reason.
        calm = 0
        while True:
            ailing = _ailing(self.stack.containers(), names)
            calm = 0 if ailing else calm + 1
            if calm == 2 or (ailing and self.clock.monotonic() >= deadline):
                return ailing
            self.clock.sleep(_LOOK_EVERY)

    def _judge(self, names: Collection[str]) -> None:
        """Say which of ``names`` were killed, or raise where one of them is a database."""
        for container in self.stack.containers():
            if container.name not in names or container.exit_code != _KILLED:
                continue
            if container.name in _DATABASES:
                raise NotStopped(container.name, container.patience)
            if self.reporter:
                self.reporter.warn(f"{container.name} did not end by itself and was killed")

    def _start(self, idle: list[Container]) -> HermesBackupError | None:
        """Start ``idle``, and all that can be where one cannot; return what stood in the way."""
        try:
            self.stack.start(idle)
            return None
        except HermesBackupError as err:
            trouble = err
        for container in idle if len(idle) > 1 else ():
            with suppress(HermesBackupError):
                self.stack.start([container])
        return trouble

    def _info(self, text: str) -> None:
        if self.reporter:
            self.reporter.info(text)

    def _progress(self, task: str) -> AbstractContextManager[object]:
        return self.reporter.progress(task, None) if self.reporter else nullcontext()


def listed(names: Collection[str]) -> str:
    """Return ``names`` for people."""
    return ", ".join(names) or "nothing"


def _idle(containers: tuple[Container, ...], names: Collection[str]) -> list[Container]:
    """Return those that ``names`` names and that do not run; one that is gone for good cannot be started."""
    return [container for container in containers if container.name in names and not container.runs]


def _ailing(containers: tuple[Container, ...], names: Collection[str]) -> tuple[str, ...]:
    """Return those of ``names`` that do not run, or not well, each with how it is."""
    found = {container.name: container for container in containers}
    states = ((name, _state(found.get(name))) for name in names)
    return tuple(f"{name} ({state})" for name, state in states if state not in ("running", "healthy"))


def _state(container: Container | None) -> str:
    if container is None:
        return "missing"
    return container.state if container.state != "running" else container.health or "running"
