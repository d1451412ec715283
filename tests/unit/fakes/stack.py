"""The fake of the stack: containers with states, and programs in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from attrs import define

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.host import DATABASE_CONTAINER, ComposeProject, Container, Service
from tests.unit.fakes.host import ROOT, MemoryHost
from tests.unit.fakes.programs import execute, execute_once
from tests.unit.fakes.state import Box

_NOTHING: Mapping[str, str] = {}


@define
class MemoryStack:
    """The Compose project of the host."""

    host: MemoryHost

    def containers(self) -> tuple[Container, ...]:
        with self.host.port("stack.containers"):
            return tuple(
                Container(
                    name=name,
                    state=box.state,
                    exit_code=box.exit_code,
                    depends_on=self.host.depends.get(name, ()),
                    mounts=self.host.mounted.get(name, ()),
                )
                for name, box in sorted(self.host.boxes.items())
            )

    def project(self) -> ComposeProject:
        with self.host.port("stack.project"):
            return self._present()

    def configured_by(self, compose_file: bytes, env_file: bytes) -> ComposeProject:
        with self.host.port("stack.configured_by"):
            if self.host.future_trouble:
                raise CommandFailed(("docker", "compose", "config"), 1, self.host.future_trouble)
            return self.host.future or self._present()

    def lacking_images(self, project: ComposeProject) -> tuple[str, ...]:
        with self.host.port("stack.lacking_images"):
            return self.host.lacking_images

    def create(self, services: Sequence[str], spared: Collection[str] = ()) -> None:
        with self.host.port("stack.create"):
            if self.host.create_trouble:
                raise CommandFailed(("docker", "compose", "create"), 1, self.host.create_trouble)
            self.host.created.append(tuple(services))
            if both := set(services) & set(spared):
                self.host.violations.append(f"made {both} anew, which were to go on")
            for service in services:
                box = self.host.boxes.setdefault(service, Box("created"))
                self._make(service, box)

    def stop(self, containers: Sequence[Container]) -> None:
        with self.host.port("stack.stop"):
            for container in containers:
                if container.name in self.host.may_run:
                    self.host.violations.append(f"stopped {container.name}, which was to go on")
                box = self.host.boxes[container.name]
                box.state, box.exit_code = "exited", box.ends_with

    def start(self, containers: Sequence[Container]) -> None:
        with self.host.port("stack.start"):
            if any(container.name != DATABASE_CONTAINER for container in containers):
                self.host.started_with.append(self.host.state())
            for container in containers:
                box = self.host.boxes[container.name]
                if box.start == "refuses":
                    argv = ("docker", "start", container.name)
                    raise CommandFailed(argv, 1, "Error response from daemon: driver failed programming port 25")
                if box.state != "running":
                    box.state, box.since = ("exited" if box.start == "dies" else "running"), self.host.now

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
        with self.host.port(f"stack.run {_name(argv)}"):
            return b"".join(execute(self.host, container, argv, user, stdin, environ))

    def feed(
        self,
        container: str,
        argv: Sequence[str],
        chunks: Iterable[bytes],
        *,
        environ: Mapping[str, str] = _NOTHING,
    ) -> bytes:
        with self.host.port(f"stack.feed {_name(argv)}"):
            return b"".join(execute(self.host, container, argv, None, b"".join(chunks), environ))

    def run_once(
        self, container: str, argv: Sequence[str], chunks: Iterable[bytes], *, mounts: Mapping[str, str]
    ) -> bytes:
        with self.host.port("stack.run_once"):
            return execute_once(self.host, container, argv, b"".join(chunks), mounts)

    def stream(self, container: str, argv: Sequence[str], sink: Callable[[bytes], object]) -> None:
        with self.host.port(f"stack.stream {_name(argv)}"):
            for chunk in execute(self.host, container, argv):
                sink(chunk)

    def _make(self, service: str, box: Box) -> None:
        made_of = tuple(self.host.files.get(f"{ROOT}/{name}") for name in ("docker-compose.yml", ".env"))
        if box.made_of != made_of:
            if box.state == "running":
                self.host.violations.append(f"made {service} anew while it ran")
            box.state, box.exit_code, box.made_of = "created", 0, made_of

    def _present(self) -> ComposeProject:
        host = self.host
        return ComposeProject(
            name="hermes",
            volumes=dict(host.volumes),
            volume_settings=dict(host.volume_settings),
            mounts=host.mounts,
            images=dict(host.images),
            services=self._services(),
        )

    def _services(self) -> dict[str, Service]:
        """Return the services: one for each container, and what that depends on."""
        needs = {name: {needed.name for needed in self.host.depends.get(name, ())} for name in self.host.boxes}
        return {name: Service(frozenset(on)) for name, on in needs.items()} | self.host.services


def _name(argv: Sequence[str]) -> str:
    return argv[4] if argv[0] == "sh" and len(argv) > 4 else argv[0]
