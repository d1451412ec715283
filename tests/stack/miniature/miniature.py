"""One Hermes in small: made below a base folder, brought up and down, and talked to."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.stack.miniature import engine as engines
from tests.stack.miniature.command import MiniatureError, finished, run
from tests.stack.miniature.content.accounts import ROOT_PASSWORD
from tests.stack.miniature.content.mails import message
from tests.stack.miniature.engine import Engine
from tests.stack.miniature.layout import Layout, laid_out

ROOT_BELOW_BASE = "opt/hermes-seg-docker-gl"
NOTE = "miniature.json"
READY_SECONDS = 120
LMTP_CLIENT = "/usr/local/lib/miniature/lmtp.php"


@dataclass(frozen=True)
class Miniature:
    """A Hermes below `base`; `tiers` are the host's folders of data, archive, vmail and nextcloud."""

    engine: Engine
    base: Path
    layout: Layout
    root_password: bool

    @classmethod
    def create(
        cls,
        base: Path,
        *,
        layout: str = "separate",
        root_password: bool = False,
        seed: bool = True,
        engine: Engine | None = None,
    ) -> Miniature:
        """Lay a Hermes out in a new folder `base`, the engine and the image included; it is not up yet.

        Without `seed` there are only folders and LDAP's own configuration: no databases, no entries, no mail.
        """
        from tests.stack.miniature import installation, template  # they build on this class

        where = engine or engines.ensure()
        made = cls(engine=where, base=base.absolute(), layout=laid_out(layout, base), root_password=root_password)
        if made.root.exists():
            raise MiniatureError(f"{made.root} exists already: choose another folder, or remove it")
        # Containers whose folders were deleted under them would pass for this one's.
        if made.root in project_folders(where):
            where.clear()
        if seed:
            template.copy(template.ensure(where, root_password=root_password), made)
        else:
            installation.lay_out(made)
        made.write_env()
        made.write_note()
        return made

    @classmethod
    def opened(cls, base: Path, *, engine: Engine | None = None) -> Miniature:
        """The Hermes that `create` made below `base`, in this process or another."""
        try:
            note = json.loads((base / NOTE).read_text())
        except FileNotFoundError as err:
            raise MiniatureError(f"no miniature Hermes lies below {base}") from err
        layout = laid_out(note["layout"], base)
        where = engine or engines.located()
        return cls(engine=where, base=base.absolute(), layout=layout, root_password=note["root_password"])

    @classmethod
    def that_is_up(cls, engine: Engine) -> Miniature | None:
        """The Hermes whose containers are in the engine, if there is one."""
        bases = [folder.parent.parent for folder in project_folders(engine)]
        return cls.opened(bases[0], engine=engine) if bases and (bases[0] / NOTE).exists() else None

    # Where things lie

    @property
    def root(self) -> Path:
        """The install root: HERMES_ROOT."""
        return self.base / ROOT_BELOW_BASE

    @property
    def env_file(self) -> Path:
        return self.root / ".env"

    @property
    def tiers(self) -> dict[str, Path]:
        return self.layout.tiers

    @property
    def creds(self) -> Path:
        return self.root / "config/hermes/opt/hermes/creds"

    @property
    def environ(self) -> dict[str, str]:
        """A whole environment for the scripts: DOCKER_HOST and HERMES_ROOT set."""
        return self.engine.environ | {"HERMES_ROOT": str(self.root)}

    def write_env(self) -> None:
        """Write `.env` anew for the layout."""
        self.env_file.write_text(self.layout.env)

    def write_note(self) -> None:
        facts = {"layout": self.layout.name, "root_password": self.root_password}
        (self.base / NOTE).write_text(json.dumps(facts) + "\n")

    # Up and down

    def compose(self, *argv: str | Path, data: bytes | None = None) -> bytes:
        """Run `docker compose` in the install root and return its stdout."""
        return run(["docker", "compose", *argv], data=data, environ=self.engine.environ, cwd=self.root)

    def up(self) -> None:
        """Bring all services up and wait until each answers; another Hermes in the engine makes room."""
        with engines.exclusive():
            self.bring_up()

    def bring_up(self) -> None:
        if project_folders(self.engine) != [self.root]:
            self.engine.clear()
        self.compose("up", "-d", "--quiet-pull")
        self.wait_until_ready()

    def down(self) -> None:
        """Stop the services, then take containers and volumes away; the folders stay."""
        if self.root in project_folders(self.engine):
            self.compose("stop")
            self.engine.clear()

    def remove(self) -> None:
        """Take the containers away, and every folder."""
        if self.engine.answers() and self.root in project_folders(self.engine):
            self.engine.clear()
        shutil.rmtree(os.fsencode(self.base))

    def wait_until_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        for name, answers in self.servers().items():
            while not answers():
                if time.monotonic() > until:
                    log = finished(["docker", "logs", "--tail", "20", name], environ=self.engine.environ)
                    said = (log.stdout + log.stderr).decode(errors="replace")
                    raise MiniatureError(f"{name} does not answer after {READY_SECONDS} s: {said}")
                time.sleep(0.1)

    def servers(self) -> dict[str, Callable[[], bool]]:
        """A question to each server that has something to answer, by container."""
        port_24 = ("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/24")
        console = ("curl", "-sf", "-o", "/dev/null", "--max-time", "2", "http://localhost:8888/")
        questions = {
            "hermes_db_server": ("mariadb-admin", "ping", "--silent"),
            "hermes_ldap": ("ldapsearch", "-x", "-H", "ldap://localhost", "-b", "", "-s", "base"),
            "hermes_dovecot": port_24,
            "hermes_postfix_dkim": ("postfix", "status"),
            "hermes_commandbox": console,
        }
        return {name: self.asking(name, argv) for name, argv in questions.items()}

    def asking(self, name: str, argv: Sequence[str]) -> Callable[[], bool]:
        whole = ["docker", "exec", name, *argv]
        return lambda: finished(whole, environ=self.engine.environ).returncode == 0

    def running(self) -> set[str]:
        """The names of the containers that run."""
        return set(self.engine.docker("ps", "--format", "{{.Names}}").decode().split())

    # Talking to the servers

    def exec(
        self,
        container: str,
        *argv: str,
        user: str | None = None,
        data: bytes | None = None,
        password: str = "",
    ) -> bytes:
        """Run a command in a container and return its stdout; `password` goes in as MYSQL_PWD."""
        options = ["-i"] if data is not None else []
        options += ["-u", user] if user else []
        options += ["-e", "MYSQL_PWD"] if password else []
        return self.engine.docker("exec", *options, container, *argv, data=data, environ={"MYSQL_PWD": password})

    def sql(self, text: str, database: str | None = None) -> str:
        """Run SQL as root and return the rows: a line each, columns parted by tabs, no heading."""
        client = [
            "mariadb",
            "-u",
            "root",
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
        ]
        password = ROOT_PASSWORD if self.root_password else ""
        given = client + ([database] if database else [])
        return self.exec("hermes_db_server", *given, data=text.encode(), password=password).decode()

    def can_log_in(self, user: str, password: str) -> bool:
        """Whether MariaDB lets this account in over TCP, as from another container."""
        client = ["mariadb", "-h", "127.0.0.1", "-u", user, "-e", "SELECT 1"]
        argv = ["docker", "exec", "-e", "MYSQL_PWD", "hermes_db_server", *client]
        return finished(argv, environ=self.engine.environ | {"MYSQL_PWD": password}).returncode == 0

    def ldap_entries(self) -> dict[str, list[str]]:
        """The directory, asked over LDAP: the DN of each entry, and its attributes' lines, sorted."""
        argv = ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", "ldap://localhost"]
        argv += ["-D", "cn=admin,dc=hermes,dc=local", "-w", "secret", "-b", "dc=hermes,dc=local"]
        blocks = self.exec("hermes_ldap", *argv).decode().strip().split("\n\n")
        return dict(entry_of(block) for block in blocks)

    def deliver(self, count: int = 1, *, to: str = "u1@example.com", size: int = 2000) -> None:
        """Deliver `count` new messages of about `size` bytes to a mailbox, through LMTP."""
        messages = [message(to=to, size=size) for _ in range(count)]
        self.exec("hermes_dovecot", "php", LMTP_CLIENT, to, data=b"\0".join(messages))

    def mailbox(self, of: str = "u1@example.com") -> list[str]:
        """The Message-IDs in a user's INBOX, as Dovecot reads them."""
        argv = ["doveadm", "-f", "tab", "fetch", "-u", of, "hdr.message-id", "mailbox", "INBOX"]
        return self.exec("hermes_dovecot", *argv).decode().split()[1:]

    def received_mail(self, *, at_least: int = 0, seconds: float = 15) -> list[bytes]:
        """The raw messages that Postfix delivered, oldest first; waits for `at_least` so many to arrive."""
        folder = self.base / "received-mail/all/new"
        until = time.monotonic() + seconds
        while True:
            arrived = sorted(folder.iterdir(), key=lambda f: f.stat().st_mtime_ns) if folder.exists() else []
            if len(arrived) >= at_least or time.monotonic() > until:
                return [file.read_bytes() for file in arrived]
            time.sleep(0.1)

    def occ(self, *argv: str) -> str:
        """What Nextcloud's `occ` prints, run as the user that it wants."""
        return self.exec("hermes_nextcloud", "php", "/var/www/html/occ", *argv, user="www-data").decode()

    def maintenance(self) -> bool:
        """Whether Nextcloud says that it is in maintenance."""
        return "currently enabled" in self.occ("maintenance:mode")


def project_folders(engine: Engine) -> list[Path]:
    """The install roots of the Compose projects that have containers in the engine."""
    label = '{{.Label "com.docker.compose.project.working_dir"}}'
    lines = engine.docker("ps", "-a", "--format", label).decode().splitlines()
    return sorted({Path(line) for line in lines if line})


def entry_of(block: str) -> tuple[str, list[str]]:
    first, *lines = block.splitlines()
    name, _, value = first.partition(": ")
    dn = base64.b64decode(value).decode() if name.endswith(":") else value
    return dn, sorted(lines)
