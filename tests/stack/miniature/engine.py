"""A Docker engine of our own, apart from any other on the machine.

The containers of a Hermes have fixed names (`hermes_db_server`, ...), and `docker compose` finds a project by
the name of its folder; in a shared engine the miniature could stop a real Hermes. So it never asks for an
engine that happens to run: it has its own `containerd` and `dockerd`, with folders, sockets and pid files
below two folders that are its own, without a network (no bridge, no iptables rules), and it is reached by
nothing but DOCKER_HOST.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.stack.miniature import debian
from tests.stack.miniature.command import MiniatureError, finished, run, say

DEFAULT_HOME = Path("/var/lib/hermes-miniature")
FORGOTTEN = ("DOCKER_", "COMPOSE_", "BUILDKIT_")
# Compiled into the shims and dockerd: their sockets (named by hashes that hold our address) lie here all the same.
FIXED_FOLDERS = ("/run/containerd/s", "/run/containerd", "/run/docker/plugins", "/run/docker")
KEPT_IN_HOME = ("docker", "containerd", "templates", "demo", "tests")
# Set for the processes that a holder of the engine starts: they belong to its turn.
HELD = "HERMES_MINIATURE_HELD"
STARTING_SECONDS = 60
STOPPING_SECONDS = 60

CONTAINERD_CONFIG = """\
version = 2
root = "{home}/containerd"
state = "{run}/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{run}/containerd.sock"
[ttrpc]
  address = "{run}/containerd.sock.ttrpc"
"""


def home() -> Path:
    """The folder below which everything of the miniature lies (HERMES_MINIATURE_HOME)."""
    return Path(os.environ.get("HERMES_MINIATURE_HOME") or DEFAULT_HOME).absolute()


@dataclass(frozen=True)
class Engine:
    """Where the private engine lies, and how to talk to it."""

    home: Path
    run: Path

    @property
    def socket(self) -> Path:
        return self.run / "docker.sock"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def host(self) -> str:
        """The value of DOCKER_HOST."""
        return f"unix://{self.socket}"

    @property
    def environ(self) -> dict[str, str]:
        """A whole environment in which `docker` reaches this engine, and no setting of another remains."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FORGOTTEN)}
        return kept | {"DOCKER_HOST": self.host}

    def docker(self, *argv: str | Path, data: bytes | None = None, environ: Mapping[str, str] | None = None) -> bytes:
        """Run the Docker CLI against this engine and return its stdout."""
        return run(["docker", *argv], data=data, environ=self.environ | dict(environ or {}))

    def answers(self) -> bool:
        # `docker info` exits 0 without an engine in some versions: ask for what only the engine knows.
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        return self.socket.exists() and finished(asked, environ=self.environ).returncode == 0

    def clear(self) -> None:
        """Take away every container and volume of this engine (images stay)."""
        containers = self.docker("ps", "-aq").decode().split()
        if containers:
            self.docker("rm", "-f", "-v", *containers)
        volumes = self.docker("volume", "ls", "-q").decode().split()
        if volumes:
            self.docker("volume", "rm", "-f", *volumes)
        networks = self.docker("network", "ls", "-q", "--filter", "type=custom").decode().split()
        if networks:
            self.docker("network", "rm", *networks)


def located() -> Engine:
    """The private engine of this machine, whether it runs or not."""
    place = home()
    suffix = "" if place == DEFAULT_HOME else f"-{hashlib.sha256(bytes(place)).hexdigest()[:8]}"
    return Engine(home=place, run=Path(f"/run/hermes-miniature{suffix}"))


def ensure() -> Engine:
    """Have the private engine running: found again where it runs already, installed and started where not."""
    debian.require_root()
    engine = located()
    with locked(engine, "starting"):
        if engine.answers():
            return engine
        debian.need_docker()
        engine.home.mkdir(mode=0o711, parents=True, exist_ok=True)
        engine.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        remember_new_folders(engine)
        halt(engine)
        start_containerd(engine)
        start_dockerd(engine)
    return engine


def stop() -> None:
    """End the engine and all that ran in it; no process and no mount of it remains, its folders do."""
    engine = located()
    with locked(engine, "starting"):
        if engine.answers():
            engine.clear()
        halt(engine)
        forget_new_folders(engine)
    shutil.rmtree(engine.run, ignore_errors=True)


def remove() -> None:
    """End the engine and delete all that the miniature keeps: images, templates, the demo."""
    engine = located()
    stop()
    # The home itself may well be a disk of its own.
    still = [point for point in mounts_below(engine.home) if point != engine.home]
    if still:
        raise MiniatureError(f"still mounted: {', '.join(map(str, still))}; unmount it, then try again")
    # By name: HERMES_MINIATURE_HOME may be a folder that holds other things as well.
    for name in KEPT_IN_HOME:
        shutil.rmtree(os.fsencode(engine.home / name), ignore_errors=True)
    with contextlib.suppress(OSError):
        engine.home.rmdir()
    for name in ("starting", "in-use"):
        lock_path(engine, name).unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Have the engine to oneself: it holds one Hermes at a time, so a test run and a demo take turns."""
    debian.require_root()
    if os.environ.get(HELD) == str(home()):
        yield
        return
    with locked(located(), "in-use"):
        os.environ[HELD] = str(home())
        try:
            yield
        finally:
            del os.environ[HELD]


def remember_new_folders(engine: Engine) -> None:
    """Note which of the folders that the daemons make outside of ours are not there yet."""
    missing = [folder for folder in FIXED_FOLDERS if not Path(folder).exists()]
    if missing:
        (engine.run / "new-folders").write_text("\n".join(missing))


def forget_new_folders(engine: Engine) -> None:
    with contextlib.suppress(OSError):
        for folder in (engine.run / "new-folders").read_text().splitlines():
            # One that is in use by now is not empty, and stays.
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def start_containerd(engine: Engine) -> None:
    config = engine.run / "containerd.toml"
    config.write_text(CONTAINERD_CONFIG.format(home=engine.home, run=engine.run))
    launch(engine, "containerd", ["containerd", "--config", str(config)])
    wait_for(engine, "containerd", engine.containerd_socket.exists)


def start_dockerd(engine: Engine) -> None:
    say(f"Starting a private Docker engine below {engine.home}")
    argv = ["dockerd", "--host", engine.host, "--containerd", str(engine.containerd_socket)]
    argv += ["--config-file", str(engine.run / "daemon.json"), "--data-root", str(engine.home / "docker")]
    argv += ["--exec-root", str(engine.run / "docker"), "--pidfile", str(engine.run / "docker.pid")]
    argv += [
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--ip-masq=false",
        "--bridge=none",
    ]
    # Its own configuration file, so that /etc/docker/daemon.json of another engine is not read.
    (engine.run / "daemon.json").write_text("{}\n")
    (engine.run / "docker.pid").unlink(missing_ok=True)
    launch(engine, "dockerd", argv)
    wait_for(engine, "dockerd", engine.answers)


def launch(engine: Engine, name: str, argv: list[str]) -> None:
    """Start a daemon in a session of its own, as nobody's child: it outlives us, and leaves us no zombie."""
    write_pid_then_become = 'echo $$ > "$0.pid"; exec "$@" >> "$0.log" 2>&1'
    place = engine.run / name
    place.with_suffix(".pid").unlink(missing_ok=True)
    shell = ["setsid", "--fork", "sh", "-c", write_pid_then_become, str(place), *argv]
    nowhere = subprocess.DEVNULL
    subprocess.run(shell, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=engine.environ, cwd="/", check=True)


def wait_for(engine: Engine, name: str, ready: Callable[[], bool]) -> None:
    log = engine.run / f"{name}.log"
    until = time.monotonic() + STARTING_SECONDS
    while not ready():
        if has_died(engine, name) or time.monotonic() > until:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise MiniatureError(f"{name} did not come up; the end of {log}:\n{tail}")
        time.sleep(0.1)


def has_died(engine: Engine, name: str) -> bool:
    written = engine.run / f"{name}.pid"
    return written.exists() and bool(text := written.read_text()) and is_gone(int(text))


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def pid_of(engine: Engine, name: str) -> int | None:
    """The pid of our daemon, if the process that the pid file names is alive and really ours."""
    try:
        pid = int((engine.run / f"{name}.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if is_ours(engine, pid) else None


def is_ours(engine: Engine, pid: int) -> bool:
    """Whether the process's command line names a file of ours: a pid alone may be anybody's by now."""
    places = (f"{engine.run}/", f"unix://{engine.run}/")
    return not is_gone(pid) and any(word.startswith(places) for word in command_line(pid))


def command_line(pid: int) -> list[str]:
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return [""]


def halt(engine: Engine) -> None:
    """End our processes by their pids (containers first, through the engine), then what they left mounted."""
    for name in ("dockerd", "containerd"):
        pid = pid_of(engine, name)
        if pid is not None:
            end(pid)
    # The shims outlive containerd on purpose; their command line names our socket.
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and is_shim(engine, int(entry.name)):
            end(int(entry.name))
    places = (engine.home / "docker", engine.home / "containerd", engine.run)
    for mount in (mount for place in places for mount in mounts_below(place)):
        run(["umount", "--lazy", mount], fine=(0, 1, 32))


def is_shim(engine: Engine, pid: int) -> bool:
    words = command_line(pid)
    return "containerd-shim" in words[0] and str(engine.containerd_socket) in words


def end(pid: int) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + STOPPING_SECONDS
        while time.monotonic() < until and not is_gone(pid):
            time.sleep(0.05)


def mounts_below(folder: Path) -> list[Path]:
    """What is mounted in a folder, the innermost first."""
    lines = Path("/proc/self/mounts").read_bytes().splitlines()
    points = {Path(os.fsdecode(unescaped(line.split(b" ")[1]))) for line in lines}
    below = (point for point in points if point.is_relative_to(folder))
    return sorted(below, key=lambda point: len(point.parts), reverse=True)


def unescaped(field: bytes) -> bytes:
    """A field of /proc/mounts, whose blanks are written in octal (proc(5))."""
    for octal, char in ((rb"\040", b" "), (rb"\011", b"\t"), (rb"\012", b"\n"), (rb"\134", b"\\")):
        field = field.replace(octal, char)
    return field


def lock_path(engine: Engine, name: str) -> Path:
    return engine.run.with_name(f"{engine.run.name}.{name}.lock")


@contextlib.contextmanager
def locked(engine: Engine, name: str) -> Iterator[None]:
    with lock_path(engine, name).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process uses the miniature's engine; waiting for it to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
