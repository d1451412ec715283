"""A backup restored onto another host: its paths, its passwords and its root's password are other ones there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.stack.forging import Manifest, repacked
from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.content.accounts import ACCOUNTS, ROOT_PASSWORD, quoted
from tests.stack.miniature.layout import ENV_KEYS
from tests.stack.picture import ACCOUNT, KEPT, LDAP, OTHER_ACCOUNT, SQL, TOP, Picture, Thing, differences, picture
from tests.stack.restoring import check_nothing_left, restore, volumes
from tests.stack.script import ACCOUNTS as ACCOUNTS_MEMBER
from tests.stack.script import TIERS, back_up, standing

OTHER_ROOT_PASSWORD = "root's on the 'new' host"
OLD_HOST = "old.example.com"


@dataclass(frozen=True)
class Source:
    """What is left of the first host, which is gone: a backup, what it was, its `.env`."""

    backup: Path
    before: Picture
    env: str


@pytest.fixture(scope="module")
def source(engine: Engine, folders: Iterator[Path]) -> Source:
    kept = next(folders)
    kept.mkdir(parents=True)
    with standing(engine, next(folders)) as hermes:
        call = back_up(hermes, "all", output=kept)
        return Source(call.tarball, portable(picture(hermes), hermes), hermes.env_file.read_text())


def portable(found: Picture, hermes: Miniature) -> Picture:
    """The picture with each file by its path in its tier, less what belongs to the host."""
    tops = {"config": hermes.root, **hermes.tiers}
    things = {relative(thing, tops): value for thing, value in found.things.items() if thing[0] not in (KEPT, TOP)}
    # What only tiers that share a path have in common: there it is another's, or that of the one that came last.
    shared = {*((tier, ".") for tier in tops), ("data", "dovecot")}
    return Picture({thing: value for thing, value in things.items() if thing not in shared})


def relative(thing: Thing, tops: dict[str, Path]) -> Thing:
    part, name = thing
    return (part, os.path.relpath(name, tops[part])) if part in tops else thing


def test_all_of_it_comes_up_on_another_host(engine: Engine, folders: Iterator[Path], source: Source) -> None:
    """Onto odd paths, where root and every application had passwords of their own, and the directory was another."""
    with standing(engine, next(folders), layout="odd", root_password=True) as hermes:
        become_another(hermes)
        made = volumes(hermes)
        refused = restore(hermes, source.backup)
        assert refused.code == 1
        assert "FORCE_REMAP=1" in refused.stderr

        restored = restore(hermes, source.backup, environ={"FORCE_REMAP": "1"}).must_end_well()

        check_nothing_left(hermes)
        check_as_on_the_first(hermes, source)
        assert volumes(hermes) == made
        assert "system_rehost.sh" in restored.stdout
        assert "system_rehost.sh" in restored.log


def become_another(hermes: Miniature) -> None:
    """Passwords, rows, entries and files of its own: what a fresh host has, or one that served somebody else."""
    hermes.sql("".join(f"SET PASSWORD FOR '{a.user}'@'%' = PASSWORD('other');" for a in ACCOUNTS))
    hermes.sql("DROP DATABASE nextcloud; CREATE DATABASE nextcloud; UPDATE hermes.words SET word = 'other'")
    hermes.sql("DELETE FROM mysql.global_priv WHERE user = 'rsyslog'; FLUSH PRIVILEGES")
    for account in ACCOUNTS:
        (hermes.creds / f"{account.name}_password").write_text("other")
    if hermes.root_password:
        hermes.sql(f"ALTER USER 'root'@'localhost' IDENTIFIED BY {quoted(OTHER_ROOT_PASSWORD)}")
        (hermes.creds / "mysql_root_password").write_text(OTHER_ROOT_PASSWORD)
    (hermes.tiers["vmail"] / "dovecot/other.example.com").mkdir()
    (hermes.root / "config/other").write_text("of this host\n")


def check_as_on_the_first(hermes: Miniature, source: Source) -> None:
    tiers = [tier for tier in TIERS["all"] if tier != "config"]
    found = portable(picture(hermes), hermes)
    assert differences(source.before.of(SQL, LDAP, *tiers), found.of(SQL, LDAP, *tiers)) == []
    assert differences(source.before.of(ACCOUNT, OTHER_ACCOUNT), found.of(ACCOUNT, OTHER_ACCOUNT)) == []
    env = ("config", ".env")
    before, after = source.before.of("config"), found.of("config")
    assert differences(without(before, env), without(after, env)) == []
    check_env(hermes, source.env)
    for account in ACCOUNTS:
        assert hermes.can_log_in(account.user, account.password), account.user
    hermes.exec("hermes_db_server", "mariadb", "-u", "root", "-e", "SELECT 1", password=ROOT_PASSWORD)
    assert hermes.mailbox()


def without(found: Picture, thing: Thing) -> Picture:
    return replace(found, things={key: value for key, value in found.things.items() if key != thing})


def check_env(hermes: Miniature, env: str) -> None:
    """The values of the four mounts are this host's, every other byte is the backup's."""
    now = hermes.env_file.read_text()
    keys = tuple(f"{key}=" for key in ENV_KEYS.values())
    assert [line for line in now.splitlines(keepends=True) if not line.startswith(keys)] == [
        line for line in env.splitlines(keepends=True) if not line.startswith(keys)
    ]
    assert len(now.splitlines()) == len(env.splitlines())
    environment = hermes.compose("config", "--format", "json").decode()
    for path in hermes.tiers.values():
        assert str(path) in environment


def test_a_backup_without_accounts_fits_those_of_the_host(
    engine: Engine, folders: Iterator[Path], source: Source
) -> None:
    """As the shell scripts make them; onto a single disk, where root needs no password."""

    def edit(told: Manifest) -> None:
        del told["accounts"]
        told["hostname"] = OLD_HOST

    with standing(engine, next(folders), layout="single") as hermes:
        hermes.sql("".join(f"SET PASSWORD FOR '{a.user}'@'%' = PASSWORD('other');" for a in ACCOUNTS))
        for account in ACCOUNTS:
            (hermes.creds / f"{account.name}_password").write_text("other")
        tarball = repacked(source.backup, hermes.base / "forged", {ACCOUNTS_MEMBER: None}, manifest=edit)

        restored = restore(hermes, tarball, environ={"FORCE_REMAP": "1"}).must_end_well()

        check_nothing_left(hermes)
        check_as_on_the_first(hermes, source)
        assert OLD_HOST in restored.stdout
        for deed in ("system_rehost.sh", "Pro licence", "Content Checks", "postconf smtpd_milters"):
            assert deed in restored.stdout
            assert deed in restored.log
