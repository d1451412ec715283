"""The image of which all containers of the miniature are made: one image, one role per container.

No registry is asked: `mmdebstrap` makes the root file system from the machine's own package mirror, `docker
import` takes it in, and a small Dockerfile puts configuration on top. Both layers are kept in the engine under keys of
what they are made of: the first under that of the list of packages, the second under that of the first and of
the files in `image/`. A layer is made again where its key changed.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.stack.miniature import debian
from tests.stack.miniature.command import MiniatureError, finished, run, say
from tests.stack.miniature.engine import Engine

FILES = Path(__file__).parent / "image"
# Always the same Debian, whatever the host's: configuration files differ between releases of the servers.
SUITE = "bookworm"
PACKAGES = (
    "mariadb-server",
    "slapd",
    "ldap-utils",
    "postfix",
    "dovecot-imapd",
    "dovecot-lmtpd",
    "php-cli",
    "curl",
    "procps",
)
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/mysql/mysql-test/*")
NAME = "hermes-miniature"


def ensure(engine: Engine) -> str:
    """Have the image in the engine, and return its name."""
    tag = f"{NAME}:{key()}"
    if not exists(engine, tag):
        base = f"{NAME}-base:{base_key()}"
        if not exists(engine, base):
            import_base(engine, base)
        build(engine, base, tag)
        forget_others(engine, {tag, base})
    engine.docker("tag", tag, f"{NAME}:latest")
    return f"{NAME}:latest"


def forget_others(engine: Engine, wanted: set[str]) -> None:
    """Delete what was built under other keys (what a container uses stays)."""
    listed = engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").decode().split()
    for tag in set(listed) - wanted:
        finished(["docker", "image", "rm", tag], environ=engine.environ)


def base_key() -> str:
    return digest([SUITE.encode(), *(name.encode() for name in PACKAGES + LEFT_OUT)])


def key() -> str:
    files = sorted(FILES.iterdir())
    return digest([base_key().encode(), *(part for f in files for part in (f.name.encode(), f.read_bytes()))])


def digest(parts: list[bytes]) -> str:
    summed = hashlib.sha256()
    for part in parts:
        summed.update(len(part).to_bytes(8, "big") + part)
    return summed.hexdigest()[:12]


def exists(engine: Engine, tag: str) -> bool:
    return finished(["docker", "image", "inspect", tag], environ=engine.environ).returncode == 0


def import_base(engine: Engine, tag: str) -> None:
    debian.need({"mmdebstrap": "mmdebstrap"})
    say("Making the image's root file system from Debian packages (once; it takes about a minute)")
    tarball = engine.home / "rootfs.tar"
    try:
        run([*mmdebstrap(), SUITE, tarball, "-"], data=sources().encode())
        engine.docker("import", tarball, tag)
    finally:
        tarball.unlink(missing_ok=True)


def mmdebstrap() -> list[str]:
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", f"--include={','.join(PACKAGES)}"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    # It copies this machine's /etc/hostname, and Postfix cannot be set up where that is not as it should be.
    argv += ['--essential-hook=echo mail.example.com >"$1/etc/hostname"']
    return argv


def sources() -> str:
    """The image's `sources.list`: the repositories of this machine, for the image's suite."""
    host = debian.os_codename()
    lines = {
        f"deb [signed-by={debian.KEYRING}] {mirror.uri} {mirror.suite.replace(host, SUITE)} main"
        for mirror in debian.debian_mirrors()
        if mirror.component == "main"
    }
    return "\n".join(sorted(lines)) + "\n"


def build(engine: Engine, base: str, tag: str) -> None:
    argv = ["docker", "build", "--network", "none", "--build-arg", f"BASE={base}", "--tag", tag, str(FILES)]
    # The legacy builder: BuildKit is a plugin that Debian packages apart.
    environ = engine.environ | {"DOCKER_BUILDKIT": "0"}
    done = subprocess.run(argv, env=environ, capture_output=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise MiniatureError(f"the image could not be built:\n{said[-3000:]}")
