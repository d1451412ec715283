"""What a bare Debian machine lacks, installed from the package mirror that the machine itself names.

Debian 12 has only Compose 1.29. Debian 13's engine and Compose install on Debian 12 without pulling anything
else up, so for these four packages, and for as long as their installation takes, a second source stands in
apt's configuration: same mirror, suite trixie, pinned at 100.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stack.miniature.command import MiniatureError, finished, run, say

ENGINE_PACKAGES = ("docker.io", "docker-cli", "docker-compose", "containerd")
PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
EXTRA_SOURCE = Path("/etc/apt/sources.list.d/hermes-miniature-trixie.sources")
EXTRA_PIN = Path("/etc/apt/preferences.d/hermes-miniature-trixie")
SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True)
class Mirror:
    """One repository that apt uses here."""

    uri: str
    suite: str
    component: str


def debian_mirrors() -> list[Mirror]:
    """Debian's own repositories as this machine's apt is configured to reach them, the main suite first."""
    fields = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    listed = run(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]).decode()
    mirrors = [Mirror(*line.split("|")) for line in listed.splitlines()]
    codename = os_codename()
    ours = [mirror for mirror in mirrors if mirror.suite.split("-")[0] == codename]
    if not ours:
        raise MiniatureError(f"apt knows no source for Debian's suite {codename}: add one to /etc/apt")
    return sorted(ours, key=lambda mirror: len(mirror.suite))


def os_codename() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    if found is None:
        raise MiniatureError("this is no Debian (no VERSION_CODENAME in /etc/os-release)")
    return found.group(1)


def need(programs: dict[str, str]) -> None:
    """Install the packages of those programs that are missing: a mapping of program to package."""
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if missing:
        install(sorted(set(missing)))


def install(packages: Iterable[str]) -> None:
    names = list(packages)
    require_root()
    say(f"Installing Debian packages: {' '.join(names)}")
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # A source of somebody else that does not answer is no reason to stop: the installation tells.
    finished(["apt-get", "update", "-q"], environ=environ)
    with no_services_started():
        run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *names], environ=environ)


def need_docker() -> None:
    """See to it that there are `dockerd`, `containerd`, `docker` and Compose v2."""
    if shutil.which("dockerd") and shutil.which("containerd") and has_compose():
        return
    if os_codename() == "bookworm":
        with trixie_beside():
            install(f"{name}/trixie" for name in ENGINE_PACKAGES)
    else:
        install(ENGINE_PACKAGES)
    if not has_compose():
        raise MiniatureError("`docker compose` (version 2) is still missing: install Debian's docker-compose")


def has_compose() -> bool:
    places = (*PLUGIN_FOLDERS, Path.home() / ".docker/cli-plugins")
    return shutil.which("docker") is not None and any(Path(p, "docker-compose").exists() for p in places)


@contextmanager
def trixie_beside() -> Iterator[None]:
    """Let apt see Debian 13 for a while, at a priority at which nothing is taken from it unasked."""
    require_root()
    uri = debian_mirrors()[0].uri
    source = f"Types: deb\nURIs: {uri}\nSuites: trixie\nComponents: main\nSigned-By: {KEYRING}\n"
    try:
        EXTRA_SOURCE.write_text(source)
        EXTRA_PIN.write_text("Package: *\nPin: release n=trixie\nPin-Priority: 100\n")
        yield
    finally:
        EXTRA_SOURCE.unlink(missing_ok=True)
        EXTRA_PIN.unlink(missing_ok=True)


@contextmanager
def no_services_started() -> Iterator[None]:
    """Keep the packages from starting engines of the system's own: ours is a private one."""
    if SERVICE_POLICY.exists():
        yield
        return
    try:
        SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n")
        SERVICE_POLICY.chmod(0o755)
        yield
    finally:
        SERVICE_POLICY.unlink(missing_ok=True)


def require_root() -> None:
    if os.geteuid() != 0:
        raise MiniatureError("the miniature needs root: run it with sudo")
