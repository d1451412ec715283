"""The engine in memory: containers, what runs inside them, and faults."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from attrs import define, field, frozen

from tests.cli.fake_host.inside import Hermes
from tests.cli.fake_host.replies import Reply

REAL_TAR = "/usr/bin/tar"


@frozen
class Call:
    """One call of `docker` or `tar`: its arguments (the program's name first), its stdin, where and with what."""

    words: tuple[str, ...]
    stdin: bytes
    folder: str
    environ: dict[str, str]

    def has(self, *words: str) -> bool:
        """Whether each of ``words`` is one of its arguments, or a part of one."""
        return all(any(word in own for own in self.words) for word in words)


@define
class FakeContainer:
    """A container as the engine tells of it. ``depends_on`` is Compose's label."""

    name: str
    state: str = "running"
    exit_code: int = 0
    health: str | None = None
    depends_on: str = ""
    stop_seconds: int | None = None
    project: str = "hermes"
    one_off: bool = False

    def inspected(self) -> dict[str, object]:
        """What `docker inspect` shows of it, as far as a backup looks."""
        state: dict[str, object] = {"Status": self.state, "ExitCode": self.exit_code}
        if self.health:
            state["Health"] = {"Status": self.health}
        labels = {
            "com.docker.compose.project": self.project,
            "com.docker.compose.service": self.name,
            "com.docker.compose.oneoff": str(self.one_off),
            "com.docker.compose.depends_on": self.depends_on,
        }
        config: dict[str, object] = {"Labels": labels}
        if self.stop_seconds is not None:
            config["StopTimeout"] = self.stop_seconds
        return {"Id": self.name, "Name": f"/{self.name}", "State": state, "Config": config}


@define
class Gate:
    """Holds calls until it is opened. ``reached`` is set by the first one."""

    reached: threading.Event = field(factory=threading.Event)
    opened: threading.Event = field(factory=threading.Event)

    def pass_through(self) -> None:
        """Wait here until the gate is opened."""
        self.reached.set()
        self.opened.wait()

    def open(self) -> None:
        """Let go whoever waits, and whoever comes."""
        self.opened.set()


@define
class _Rule:
    words: tuple[str, ...]
    gate: Gate | None = None
    reply: Reply | None = None
    times: int = -1
    act: Callable[[], None] = lambda: None


@define
class FakeEngine:
    """Answers calls as Docker would, from ``containers`` and from the ``hermes`` inside them.

    ``surprises`` are calls that it has no answer for.
    """

    project: str = "hermes"
    volumes: dict[str, str] = field(factory=dict)
    containers: dict[str, FakeContainer] = field(factory=dict)
    hermes: Hermes = field(factory=Hermes)
    calls: list[Call] = field(factory=list)
    services: dict[str, dict[str, object]] = field(factory=dict)
    surprises: list[Call] = field(factory=list)
    endpoint: str = ""
    _rules: list[_Rule] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)

    def add(self, *containers: FakeContainer) -> None:
        """Have ``containers``."""
        self.containers.update({container.name: container for container in containers})

    def hold(self, *words: str) -> Gate:
        """Hold the calls that have ``words`` until the returned gate is opened."""
        gate = Gate()
        self._rules.append(_Rule(words, gate=gate))
        return gate

    def fail(self, *words: str, says: str = "", code: int = 1, times: int = -1, stdout: str = "") -> None:
        """Let the calls that have ``words`` fail, the first ``times`` of them; below 0, a signal ends them."""
        self._rules.append(_Rule(words, reply=Reply(stdout.encode(), says.encode(), code), times=times))

    def before(self, *words: str, act: Callable[[], None]) -> None:
        """Do ``act`` before the calls that have ``words`` are answered."""
        self._rules.append(_Rule(words, act=act))

    def mend(self) -> None:
        """Take all faults away, and open every gate."""
        rules, self._rules = self._rules, []
        for rule in rules:
            if rule.gate:
                rule.gate.open()

    def called(self, *words: str) -> list[Call]:
        """The calls so far that have ``words``, in their order."""
        return [call for call in self.calls if call.has(*words)]

    def running(self) -> set[str]:
        """The names of this project's containers that run, less one-off ones."""
        own = (found for found in self.containers.values() if found.project == self.project and not found.one_off)
        return {found.name for found in own if found.state == "running"}

    def listed(self, label: str) -> Iterator[FakeContainer]:
        """The containers that have the ``label`` of a project."""
        return (found for found in self.containers.values() if label == f"com.docker.compose.project={found.project}")

    def answer(self, call: Call) -> Reply:
        """Return what ``call`` gives."""
        with self._lock:
            self.calls.append(call)
        for rule in [rule for rule in self._rules if call.has(*rule.words)]:
            if rule.gate:
                rule.gate.pass_through()
            rule.act()
            if rule.reply and rule.times:
                rule.times -= 1
                return rule.reply
        with self._lock:
            return self._answer(call)

    def _answer(self, call: Call) -> Reply:
        match call.words:
            case ("tar", *_):
                return Reply(become=REAL_TAR)
            case ("docker", "compose", "config", "--format", "json"):
                config = {"name": self.project, "volumes": self._volumes(), "services": self.services}
                return Reply.of_json(config)
            case ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"):
                return Reply(self.endpoint.encode() + b"\n")
            case ("docker", "stop", "--time" | "-t", _, *names):
                return self._switch(names, "exited")
            case ("docker", "start", *names):
                return self._switch(names, "running")
            case ("docker", "exec", *arguments):
                return self._exec(call, arguments)
        self.surprises.append(call)
        return Reply(stderr=b"the fake engine has no answer to this", exit_code=125)

    def define_services(self, **mounted: dict[str, str]) -> None:
        """Let Compose's files have a service for each container; ``mounted`` are what some mount, and where."""
        self.services = {
            name: {
                "image": "hermes",
                "volumes": [
                    {"type": "bind", "source": source, "target": target}
                    for source, target in mounted.get(name, {}).items()
                ],
            }
            for name in self.containers
        }

    def _volumes(self) -> dict[str, object]:
        volumes = {name: {"driver_opts": {"device": device}} for name, device in self.volumes.items()}
        return {**volumes, "engine_own": {}, "no_options": {"driver_opts": None}}

    def _switch(self, names: list[str], state: str) -> Reply:
        for name in names:
            self.containers[name].state = state
        return Reply("".join(f"{name}\n" for name in names).encode())

    def _exec(self, call: Call, arguments: list[str]) -> Reply:
        words = [word for word in arguments if word != "--interactive"]
        user = ""
        if words[0] == "--user":
            user, words = words[1], words[2:]
        container = self.containers.get(words[0])
        if container is None:
            return Reply(stderr=f"Error response from daemon: No such container: {words[0]}".encode(), exit_code=1)
        if container.state != "running":
            message = f"Error response from daemon: container {container.name} is not running"
            return Reply(stderr=message.encode(), exit_code=1)
        reply = self.hermes.run(container.name, words[1:], call.stdin, user)
        if reply is None:
            self.surprises.append(call)
        return reply or Reply(stderr=b"the fake engine has no answer to this", exit_code=125)
