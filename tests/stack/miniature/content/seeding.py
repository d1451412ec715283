"""Fill a fresh miniature through its own servers, and its tiers with odd files."""

from __future__ import annotations

import os
from pathlib import Path

from tests.stack.miniature import installation
from tests.stack.miniature.content.accounts import account_statements, root_password_statement
from tests.stack.miniature.content.databases import database_statements
from tests.stack.miniature.content.directory import SUFFIX, directory_ldif
from tests.stack.miniature.content.odd_files import make_odd_files
from tests.stack.miniature.miniature import Miniature

MAILBOXES = {"u1": 12, "u2": 5, "u3": 1, "anna-maria.o_n": 2}


def seed(made: Miniature) -> None:
    """Fill the miniature; its containers are gone afterwards."""
    load_directory(made)
    without_password = Miniature(made.engine, made.base, made.layout, root_password=False)
    without_password.up()
    password = root_password_statement() if made.root_password else ""
    without_password.sql(database_statements() + account_statements() + password)
    for user, count in MAILBOXES.items():
        made.deliver(count, to=f"{user}@example.com")
    made.deliver(1, to="u1@example.com", size=3_000_000)
    made.compose("stop")
    made.down()
    fill_tiers(made)


def load_directory(made: Miniature) -> None:
    mounts = {
        made.root / "config/ldap/etc/ldap/slapd.d": "/etc/ldap/slapd.d",
        made.tiers["data"] / "ldap/data": "/var/lib/ldap",
    }
    script = f"slapadd -q -F /etc/ldap/slapd.d -b {SUFFIX}"
    installation.in_a_container(made, script, mounts, directory_ldif())


def fill_tiers(made: Miniature) -> None:
    fill_data(made.tiers["data"])
    amavis = made.tiers["archive"] / "amavis"
    for number in range(30):
        write(amavis / f"quarantine/spam-{number}.gz", os.urandom(6000), owner=installation.AMAVIS)
    make_odd_files(amavis / "odd files")
    make_odd_files(made.tiers["vmail"] / "dovecot/example.com/u1/odd files")
    files = made.tiers["nextcloud"] / "app/data/admin/files"
    for number in range(30):
        write(files / f"document {number}.bin", os.urandom(20_000), owner=installation.WWW_DATA)
    make_odd_files(files / "odd files")
    write(made.tiers["nextcloud"] / "redis/dump.rdb", b"REDIS0011", owner=999)


def fill_data(data: Path) -> None:
    write(data / "authelia/db/db.sqlite3", b"SQLite format 3\0" + bytes(4000))
    write(data / "commandbox/serverlogs/server.log", b"started\n" * 500)
    write(data / "dmarc/history.dat", b"job 1\n" * 200, owner=112)
    write(data / "dovecot/sieve/u1/main.sieve", b"keep;\n", owner=installation.VMAIL)
    write(data / "linkguard/links.json", b"{}\n")
    write(data / "mail_filter/data/clamav/main.cvd", b"ClamAV-VDB:" + os.urandom(100_000))
    write(data / "mail_filter/data/spamassassin/bayes_toks", os.urandom(40_000))
    write(data / "mail_filter/logs/amavis.log", b"Passed CLEAN\n" * 1000)
    write(data / "nginx/logs/access.log", b"GET / 200\n" * 2000)
    write(data / "openarc/openarc.conf", b"Mode sv\n")
    make_odd_files(data / "nginx/odd files")


def write(file: Path, content: bytes, *, owner: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.chown(file, owner, owner)
