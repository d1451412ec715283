"""The real stack: the engine's API to look, `docker compose` to resolve, `docker` to act."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import define, field

from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.errors import CommandFailed, ComposeUnusable, EngineUnreachable, last_lines
from hermes_backup_core.domain.host import ComposeProject, Container, Dependency
from hermes_backup_core.domain.order import start_order
from hermes_backup_core.domain.scope import MOUNT_KEYS
from hermes_backup_core.ports import Clock

_ANSWER_SECONDS = 300.0
"""How long a short command in a container, or Compose itself, may take."""
_HEALTH_SECONDS = 60.0
_STOP_SLACK = 60.0

_PROJECT_LABEL = "com.docker.compose.project"
_SERVICE_LABEL = "com.docker.compose.service"
_ONE_OFF_LABEL = "com.docker.compose.oneoff"
_DEPENDS_LABEL = "com.docker.compose.depends_on"


@define
class ComposeStack:
    """The Compose project whose files lie in ``root``."""

    root: str
    environ: Mapping[str, str]
    clock: Clock
    _door: Door = field(init=False)
    _project: ComposeProject | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        # Compose would let variables of the caller win over `.env`, which is where a host's paths stand.
        environ = {key: value for key, value in self.environ.items() if key not in MOUNT_KEYS.values()}
        self._door = Door(environ, self.root)

    def project(self) -> ComposeProject:
        """Return Compose's resolved configuration; asked for once."""
        if self._project is None:
            try:
                output = self._docker("compose", "config", "--format", "json", timeout=_ANSWER_SECONDS)
            except CommandFailed as err:
                raise ComposeUnusable(self.root, last_lines(err.stderr, 3)) from err
            self._project = _project(json.loads(output))
        return self._project

    def containers(self) -> tuple[Container, ...]:
        """Return every container of the project, less one-off ones; raises `EngineUnreachable`."""
        # Imported here: it takes longer than all the rest, and a dry run on a broken host needs no engine.
        import docker
        import docker.errors
        from requests.exceptions import RequestException

        label = f"{_PROJECT_LABEL}={self.project().name}"
        try:
            client = docker.DockerClient(base_url=self._engine(), version="auto", timeout=int(_ANSWER_SECONDS))
            try:
                found = client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
            finally:
                client.close()
        except (docker.errors.DockerException, RequestException) as err:
            raise EngineUnreachable(str(err)) from err
        return _containers([container.attrs for container in found])

    def stop(self, containers: Sequence[Container]) -> None:
        """Stop ``containers``, each within its own patience, dependents first."""
        for group in reversed(start_order(containers)):
            for patience, equals in groupby(sorted(group, key=_patience), key=_patience):
                argv = ("docker", "stop", "-t", str(patience), *(container.name for container in equals))
                # The engine goes on stopping when its client is gone, and would stop what was started again.
                self._door.run(argv, timeout=patience + _STOP_SLACK, to_its_end=True)

    def start(self, containers: Sequence[Container]) -> None:
        """Start ``containers`` and nothing else, each after those of them that it depends on.

        One that cannot start is raised when all the others have been tried.
        """
        trouble: CommandFailed | None = None
        for group in start_order(containers):
            self._await_health(group, containers)
            try:
                self._docker("start", *(container.name for container in group), timeout=_ANSWER_SECONDS)
            except CommandFailed as err:
                trouble = trouble or err
        if trouble:
            raise trouble

    def run(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str | None = None,
        stdin: bytes = b"",
        to_its_end: bool = False,
    ) -> bytes:
        """Run ``argv`` inside ``container`` and return its stdout; wait for it whatever comes where ``to_its_end``."""
        as_user = ("--user", user) if user else ()
        command = ("docker", "exec", "--interactive", *as_user, container, *argv)
        return self._door.run(command, stdin=stdin, timeout=_ANSWER_SECONDS, to_its_end=to_its_end)

    def stream(self, container: str, argv: Sequence[str], sink: Callable[[bytes], object]) -> None:
        """Run ``argv`` inside ``container`` and hand its stdout to ``sink`` as it comes."""
        self._door.stream(("docker", "exec", container, *argv), sink)

    def _docker(self, *argv: str, timeout: float, stdin: bytes = b"") -> bytes:
        return self._door.run(("docker", *argv), stdin=stdin, timeout=timeout)

    def _engine(self) -> str:
        """Return the address of the engine that the `docker` command talks to, by whatever it was told which."""
        if address := self.environ.get("DOCKER_HOST"):
            return address
        template = "{{.Endpoints.docker.Host}}"
        argv = ("docker", "context", "inspect", "--format", template)
        return self._door.run(argv, timeout=_ANSWER_SECONDS).decode().strip()

    def _await_health(self, group: Sequence[Container], containers: Sequence[Container]) -> None:
        """Wait until those of ``containers`` that ``group`` wants healthy are, or a minute is over."""
        wanted = {needed.name for container in group for needed in container.depends_on if needed.healthy}
        wanted &= {container.name for container in containers}
        deadline = self.clock.monotonic() + _HEALTH_SECONDS
        while wanted and self.clock.monotonic() < deadline:
            wanted -= {found.name for found in self.containers() if not found.runs or found.health in (None, "healthy")}
            if wanted:
                self.clock.sleep(0.5)


def _patience(container: Container) -> int:
    return container.patience


def _project(config: dict[str, Any]) -> ComposeProject:
    devices = {
        name: (volume.get("driver_opts") or {}).get("device", "")
        for name, volume in (config.get("volumes") or {}).items()
    }
    return ComposeProject(
        name=config["name"], volumes={name: device for name, device in devices.items() if device.startswith("/")}
    )


def _containers(found: Sequence[dict[str, Any]]) -> tuple[Container, ...]:
    own = [attrs for attrs in found if _labels(attrs).get(_ONE_OFF_LABEL, "False") != "True"]
    names = {_labels(attrs).get(_SERVICE_LABEL, ""): _name(attrs) for attrs in own}
    return tuple(sorted((_container(attrs, names) for attrs in own), key=lambda container: container.name))


def _container(attrs: dict[str, Any], names: Mapping[str, str]) -> Container:
    state = attrs["State"]
    return Container(
        name=_name(attrs),
        state=state["Status"],
        exit_code=state["ExitCode"],
        health=(state.get("Health") or {}).get("Status"),
        depends_on=tuple(_dependencies(_labels(attrs).get(_DEPENDS_LABEL, ""), names)),
        stop_seconds=attrs["Config"].get("StopTimeout"),
    )


def _dependencies(label: str, names: Mapping[str, str]) -> list[Dependency]:
    """Return what a label like ``db:service_healthy:false,ldap:service_started:false`` says."""
    parts = [part.split(":") for part in label.split(",") if part]
    return [
        Dependency(names[service], healthy=condition == "service_healthy")
        for service, condition, *_ in parts
        if service in names
    ]


def _name(attrs: dict[str, Any]) -> str:
    return str(attrs["Name"]).lstrip("/")


def _labels(attrs: dict[str, Any]) -> dict[str, str]:
    return attrs["Config"].get("Labels") or {}
