"""Where MariaDB's root has a password: the dumps are made with it, and nobody who lists processes ever sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.content.accounts import ROOT_PASSWORD
from tests.stack.miniature.content.databases import DATABASES
from tests.stack.miniature.content.directory import entries
from tests.stack.script import back_up, opened, standing


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders), root_password=True) as made:
        yield made


@contextmanager
def command_lines() -> Iterator[set[bytes]]:
    """Collect the command lines of all processes, those in containers included, for as long as the body lasts."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    seen.add((process / "cmdline").read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("scope", ["system", "all"])
def test_the_dumps_are_made_and_the_password_is_in_no_command_line(hermes: Miniature, scope: str) -> None:
    with command_lines() as seen:
        call = back_up(hermes, scope)

    backup = opened(call.tarball, hermes.base / "opened" / scope)
    assert sorted(backup.names("databases")) == sorted(f"{name}.sql".encode() for name in DATABASES)
    assert backup.content("ldap.ldif.gz").count(b"\ndn:") == len(entries()) - 1
    assert b"'nextcloud'@'%'" in backup.content("accounts.sql.gz").replace(b"`", b"'")
    # The dump itself was seen, on the host (docker exec) and inside the container, so the password would have been.
    assert [line for line in seen if line.startswith(b"docker\0exec\0") or b"/docker\0exec\0" in line]
    assert [line for line in seen if line.startswith(b"mariadb-dump\0")]
    assert not [line for line in seen if ROOT_PASSWORD.encode() in line]


def test_the_password_is_in_no_line_and_no_file_of_the_run(hermes: Miniature) -> None:
    """Not on the screen, not in the log, not in the accounts; the credential file in `config` is its only place."""
    call = back_up(hermes, "system")
    backup = opened(call.tarball, hermes.base / "opened" / "lines")
    secret = ROOT_PASSWORD.encode()
    for text in (
        call.stdout.encode(),
        call.stderr.encode(),
        call.tarball.with_suffix(".log").read_bytes(),
        backup.content("accounts.sql.gz"),
        (backup.folder / "backup_manifest.json").read_bytes(),
    ):
        assert secret not in text
    credential = backup.unpack("config") / "config/hermes/opt/hermes/creds/mysql_root_password"
    assert credential.read_bytes() == secret


def test_a_wrong_password_in_the_secret_is_a_failure_that_says_so(hermes: Miniature) -> None:
    """A server that lets root in with neither way is no reason for a backup without databases."""
    hermes.sql("ALTER USER 'root'@'localhost' IDENTIFIED BY 'changed by hand'")
    try:
        call = back_up(hermes, "system")
    finally:
        argv = ("mariadb", "-u", "root", "-e", "ALTER USER 'root'@'localhost' IDENTIFIED BY ")
        sql = ROOT_PASSWORD.replace("\\", "\\\\").replace("'", "''")
        hermes.exec("hermes_db_server", *argv[:-1], f"{argv[-1]}'{sql}'", password="changed by hand")

    assert call.code == 1
    assert "Access denied" in call.stderr
    assert "MYSQL_ROOT_PASSWORD" in call.stderr
    assert not list(call.output.glob("*.tar*"))
