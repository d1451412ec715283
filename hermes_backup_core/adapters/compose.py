"""The real stack: the engine's API to look, `docker compose` to resolve, `docker` to act."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import groupby
from threading import Thread
from typing import Any

from attrs import define, field

from hermes_backup_core.adapters.compose_config import project_of
from hermes_backup_core.adapters.compose_creating import creating
from hermes_backup_core.adapters.compose_volumes import diverged
from hermes_backup_core.adapters.engine_containers import (
    ONE_OFF_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    containers_of,
)
from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.errors import CommandFailed, ComposeUnusable, EngineUnreachable, last_lines
from hermes_backup_core.domain.host import ComposeProject, Container
from hermes_backup_core.domain.order import start_order
from hermes_backup_core.domain.scope import MOUNT_KEYS
from hermes_backup_core.ports import Clock

_ANSWER_SECONDS = 300.0
"""How long a short command in a container, or Compose itself, may take."""
_HEALTH_SECONDS = 60.0
_STOP_SLACK = 60.0
_NOTHING: Mapping[str, str] = {}


_APART = (
    *("--network", "none", "--pull", "never", "--log-driver", "none"),
    # An image that Compose built has its labels, and hands them on to whatever is made of it.
    *("--label", f"{PROJECT_LABEL}=", "--label", f"{SERVICE_LABEL}=", "--label", f"{ONE_OFF_LABEL}=True"),
)
"""What keeps a throw-away container from the network, from the registry, and from passing for one of the stack."""

_QUESTION = "data will be lost"
"""What Compose says when it asks whether to make a volume anew."""


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
            # The engine's client is needed next, and takes as long to load as Compose to answer.
            Thread(target=import_module, args=("docker",), daemon=True).start()
            try:
                output = self._docker("compose", "config", "--format", "json", timeout=_ANSWER_SECONDS)
            except CommandFailed as err:
                raise ComposeUnusable(self.root, last_lines(err.stderr, 3)) from err
            self._project = project_of(output)
        return self._project

    def containers(self) -> tuple[Container, ...]:
        """Return every container of the project, less one-off ones; raises `EngineUnreachable`."""
        return containers_of(self._found(), self.project())

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
        environ: Mapping[str, str] = _NOTHING,
        to_its_end: bool = False,
    ) -> bytes:
        """Run ``argv`` inside ``container`` and return its stdout; wait for it whatever comes where ``to_its_end``."""
        as_user = ("--user", user) if user else ()
        command = ("docker", "exec", "--interactive", *as_user, *_names_of(environ), container, *argv)
        door = self._door.knowing(environ)
        return door.run(command, stdin=stdin, timeout=_ANSWER_SECONDS, to_its_end=to_its_end)

    def feed(
        self,
        container: str,
        argv: Sequence[str],
        chunks: Iterable[bytes],
        *,
        environ: Mapping[str, str] = _NOTHING,
    ) -> bytes:
        """Run ``argv`` inside ``container`` with ``chunks`` as its stdin, as they come; return its stdout.

        Where ``chunks`` raises, the command finds its stdin at an end, and nobody hears any more what it says.
        """
        command = ("docker", "exec", "--interactive", *_names_of(environ), container, *argv)
        return self._door.knowing(environ).feed(command, chunks)

    def run_once(
        self, container: str, argv: Sequence[str], chunks: Iterable[bytes], *, mounts: Mapping[str, str]
    ) -> bytes:
        """Run ``argv`` in a throw-away container of the image of ``container``, and return its stdout."""
        # Always the same name, so that the next run takes away what a killed one left.
        name = f"hermes-restore-{container}"
        command = ("docker", "run", "--rm", "--interactive", "--name", name, *_APART, *_bound(mounts))
        image = self._image(container)
        self._take_away(name)
        try:
            return self._door.feed((*command, "--entrypoint", argv[0], image, *argv[1:]), chunks)
        finally:
            self._take_away(name)

    def configured_by(self, compose_file: bytes, env_file: bytes) -> ComposeProject:
        """Return what Compose would make of the install root with these two files in it.

        Of Compose's own variables (``COMPOSE_…``) only those in ``env_file`` count.
        """
        environ = {key: value for key, value in self._door.environ.items() if not key.startswith("COMPOSE_")}
        with tempfile.TemporaryDirectory(prefix="hermes-restore-") as folder:
            given = {"env-file": os.path.join(folder, ".env"), "file": os.path.join(folder, "docker-compose.yml")}
            for path, content in zip(given.values(), (env_file, compose_file), strict=True):
                with open(path, "xb") as file:
                    file.write(content)
            options = [word for name, path in given.items() for word in (f"--{name}", path)]
            argv = ("docker", "compose", "--project-directory", self.root, *options, "config", "--format", "json")
            try:
                return project_of(Door(environ, self.root).run(argv, timeout=_ANSWER_SECONDS))
            except CommandFailed as err:
                said = last_lines(err.stderr, 3).replace(f"{folder}/", "")
                raise ComposeUnusable(self.root, said) from err

    def lacking_images(self, project: ComposeProject) -> tuple[str, ...]:
        """Return the images that services of ``project`` run and that the engine does not have."""
        return tuple(image for image in sorted(set(project.images.values())) if not self._has_image(image))

    def create(self, services: Sequence[str], spared: Collection[str] = ()) -> None:
        """Make the containers of ``services`` what Compose's files say now, without starting any.

        Those of the services ``spared`` stay what they are, whoever needs them. A service that Compose's files do
        not have is passed over. Where a volume is not what they say any more, Compose asks what to do, or (2.26, say)
        mounts what is there without a word. Either is `CommandFailed`.
        """
        self._project = None
        known = [service for service in services if service in self.project().images]
        found = self._found() if spared else []
        command = ("docker", "compose", *creating(known, spared, self.project(), found, self._door))
        if others := diverged(self.project(), self._door):
            raise CommandFailed(command, 1, "; ".join(others))
        if not known:
            return  # Compose would take no name for all of them
        # With nothing on its stdin Compose takes a question for answered with no, and goes on.
        said = self._door.run(command, timeout=_ANSWER_SECONDS).decode("utf-8", "replace")
        if _QUESTION in said:
            raise CommandFailed(command, 0, said)

    def stream(self, container: str, argv: Sequence[str], sink: Callable[[bytes], object]) -> None:
        """Run ``argv`` inside ``container`` and hand its stdout to ``sink`` as it comes."""
        self._door.stream(("docker", "exec", container, *argv), sink)

    def _image(self, container: str) -> str:
        """Return the image that ``container`` was made of, or that of its service where there is no such container."""
        for attrs in self._found():
            if _name(attrs) == container and attrs.get("Image"):
                return str(attrs["Image"])
        if image := self.project().images.get(container):
            return image
        raise CommandFailed(("docker", "run", container), 1, f"there is no container and no service {container}")

    def _take_away(self, name: str) -> None:
        with suppress(CommandFailed):
            argv = ("docker", "rm", "--force", "--volumes", name)
            self._door.run(argv, timeout=_ANSWER_SECONDS, to_its_end=True)

    def _has_image(self, image: str) -> bool:
        try:
            self._docker("image", "inspect", "--format", "{{.Id}}", image, timeout=_ANSWER_SECONDS)
        except CommandFailed as err:
            if "no such image" in err.stderr.lower():
                return False
            raise
        return True

    def _docker(self, *argv: str, timeout: float, stdin: bytes = b"") -> bytes:
        return self._door.run(("docker", *argv), stdin=stdin, timeout=timeout)

    def _found(self) -> list[dict[str, Any]]:
        """Return what the engine tells of each container of the project."""
        # Imported here: it takes longer than all the rest, and a dry run on a broken host needs no engine.
        import docker
        import docker.errors
        from requests.exceptions import RequestException

        label = f"{PROJECT_LABEL}={self.project().name}"
        try:
            client = docker.DockerClient(base_url=self._engine(), version="auto", timeout=int(_ANSWER_SECONDS))
            try:
                found = client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
            finally:
                client.close()
        except (docker.errors.DockerException, RequestException) as err:
            raise EngineUnreachable(str(err)) from err
        return [container.attrs for container in found]

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


def _names_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options that hand ``environ`` on: names only, since every user may read a program's arguments."""
    return tuple(word for name in environ for word in ("--env", name))


def _bound(mounts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options that mount each folder of the host where it is to be; their values are rows of CSV."""
    words: list[str] = []
    for target, source in mounts.items():
        row = io.StringIO()
        csv.writer(row, lineterminator="").writerow(("type=bind", f"source={source}", f"target={target}"))
        words += ["--mount", row.getvalue()]
    return tuple(words)


def _name(attrs: dict[str, Any]) -> str:
    return str(attrs["Name"]).lstrip("/")
