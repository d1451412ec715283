"""The fake of the stack: containers with states, and programs in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.host import ComposeProject, Container
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.programs import execute


@define
class MemoryStack:
    """The Compose project of the host."""

    host: MemoryHost

    def containers(self) -> tuple[Container, ...]:
        with self.host.port("stack.containers"):
            return tuple(
                Container(name, box.state, box.exit_code, depends_on=self.host.depends.get(name, ()))
                for name, box in sorted(self.host.boxes.items())
            )

    def project(self) -> ComposeProject:
        with self.host.port("stack.project"):
            return ComposeProject("hermes", dict(self.host.volumes))

    def stop(self, containers: Sequence[Container]) -> None:
        with self.host.port("stack.stop"):
            for container in containers:
                box = self.host.boxes[container.name]
                box.state, box.exit_code = "exited", box.ends_with

    def start(self, containers: Sequence[Container]) -> None:
        with self.host.port("stack.start"):
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
        to_its_end: bool = False,
    ) -> bytes:
        with self.host.port(f"stack.run {_name(argv)}"):
            return b"".join(execute(self.host, container, argv, user, stdin))

    def stream(self, container: str, argv: Sequence[str], sink: Callable[[bytes], object]) -> None:
        with self.host.port(f"stack.stream {_name(argv)}"):
            for chunk in execute(self.host, container, argv):
                sink(chunk)


def _name(argv: Sequence[str]) -> str:
    return argv[4] if argv[0] == "sh" else argv[0]
