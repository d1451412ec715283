"""Damage to everything that a Hermes holds: what a restore must bring back, and what it must leave as it finds it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path

from tests.stack.miniature import Miniature
from tests.stack.miniature.command import finished
from tests.stack.miniature.content.databases import DATABASES, EMPTY_DATABASE
from tests.stack.miniature.content.directory import SUFFIX

STRANGER = 4_321
ADMIN = ("-x", "-H", "ldap://localhost", "-D", f"cn=admin,{SUFFIX}", "-w", "secret")

# In every database with objects: a table gone, one changed, one that is new, and the same of everything else.
OBJECTS = """
DROP TRIGGER IF EXISTS before_update;
UPDATE z_parent SET name = CONCAT(name, ' changed'), price = NULL WHERE id % 3 = 0;
DELETE FROM z_parent WHERE id > 150;
DROP TABLE IF EXISTS words, in_aria;
ALTER TABLE bytes DROP COLUMN IF EXISTS plain, ADD COLUMN IF NOT EXISTS added_column INT DEFAULT 7;
CREATE TABLE IF NOT EXISTS added (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES z_parent (id));
REPLACE INTO added VALUES (1, 1), (2, NULL);
CREATE OR REPLACE VIEW added_view AS SELECT COUNT(*) AS n FROM added;
CREATE OR REPLACE VIEW v_children AS SELECT 1 AS id, 'changed' AS name;
CREATE OR REPLACE TRIGGER added_trigger BEFORE DELETE ON a_child FOR EACH ROW SET @gone = OLD.id;
CREATE OR REPLACE TRIGGER after_insert AFTER INSERT ON z_parent FOR EACH ROW SET @changed = 1;
DROP FUNCTION IF EXISTS twice;
CREATE OR REPLACE PROCEDURE added_procedure() SELECT 'added';
CREATE OR REPLACE PROCEDURE count_children(IN wanted INT, OUT found INT) SET found = -1;
CREATE OR REPLACE EVENT added_event ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO SET @added = 1;
DROP EVENT IF EXISTS far_away;
CREATE OR REPLACE SEQUENCE added_sequence START WITH 5;
SELECT SETVAL(numbers, 100000) INTO @ignored;
INSERT INTO audit VALUES (-1, 'added');
ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_swedish_ci;
"""
# The rest of what `hermes` lost is in OBJECTS: the build number alone must stay.
OWN = f"""
UPDATE hermes.system_settings SET value = 'changed' WHERE parameter <> 'build_no';
TRUNCATE Syslog.SystemEvents;
CREATE TABLE IF NOT EXISTS {EMPTY_DATABASE}.added (id INT);
CREATE DATABASE IF NOT EXISTS of_the_operator;
CREATE TABLE IF NOT EXISTS of_the_operator.notes (id INT);
SET PASSWORD FOR 'authelia'@'%' = PASSWORD('changed');
GRANT SELECT ON `Syslog`.* TO 'rsyslog'@'%';
REVOKE ALL PRIVILEGES ON `Syslog`.* FROM 'rsyslog'@'%';
DROP USER IF EXISTS 'opendmarc'@'%', 'hermes'@'localhost';
CREATE USER IF NOT EXISTS 'operator'@'%' IDENTIFIED BY 'of the operator';
GRANT SELECT ON *.* TO 'operator'@'%';
"""
ADDED_ENTRY = f"""\
dn: uid=added,ou=users,{SUFFIX}
objectClass: inetOrgPerson
uid: added
cn: added
sn: added

"""
CHANGED_ENTRIES = f"""\
dn: uid=u2,ou=users,{SUFFIX}
changetype: modify
replace: mail
mail: changed@example.com
-
add: description
description: changed

dn: cn=everyone,ou=groups,{SUFFIX}
changetype: modify
delete: member
member: uid=u3,ou=users,{SUFFIX}

"""
GONE_ENTRIES = (f"uid=u4,ou=users,{SUFFIX}", rf"cn=M\C3\BCller\2C J\C3\BCrgen,ou=users,{SUFFIX}")

# Folders whose entries may be spoilt as they come: nothing that must run needs them, nothing is mounted from them.
SPOILT = {
    "data": (
        *("nginx/odd files", "nginx/logs", "authelia/db", "commandbox/serverlogs", "dmarc", "dovecot/sieve"),
        *("linkguard", "mail_filter/data/spamassassin", "mail_filter/logs", "openarc"),
    ),
    "archive": ("amavis/odd files", "amavis/quarantine"),
    "vmail": ("dovecot/example.com/u1/odd files", "dovecot/example.com/u2", "dovecot/example.com/u3"),
    "nextcloud": ("app/data/admin/files/odd files", "app/data/admin/files", "redis"),
}
PINNED = {"data": "nginx/logs", "archive": "amavis", "vmail": "dovecot", "nextcloud": "app"}


def damage(hermes: Miniature) -> None:
    """Change what the Hermes, which is up, holds, in every part of it; it goes on running, and its build stays."""
    damage_databases(hermes)
    damage_directory(hermes)
    hermes.deliver(2, to="u1@example.com")
    hermes.deliver(1, to="a-new-one@example.com")
    damage_config(hermes.root)
    for tier, folders in SPOILT.items():
        top = hermes.tiers[tier]
        for folder in folders:
            spoil(top / folder)
        write(top / PINNED[tier] / "added/in a pinned folder")
        (top / PINNED[tier]).chmod(0o777)
        os.chown(top, STRANGER, STRANGER)
        os.utime(top, ns=(1, 1))
    damage_kept(hermes)


def damage_databases(hermes: Miniature) -> None:
    for name in DATABASES:
        if name != EMPTY_DATABASE:
            hermes.sql(OBJECTS, name)
    hermes.sql(OWN)


def damage_directory(hermes: Miniature) -> None:
    ldap(hermes, "ldapadd", "-c", data=ADDED_ENTRY)
    ldap(hermes, "ldapmodify", "-c", data=CHANGED_ENTRIES)
    ldap(hermes, "ldapdelete", "-c", *GONE_ENTRIES)


def ldap(hermes: Miniature, program: str, *argv: str, data: str = "") -> None:
    """A change that was made by an earlier damage is none any more; the server's answer says so, and is passed over."""
    whole = ["docker", "exec", "-i", "hermes_ldap", program, *ADMIN, *argv]
    done = finished(whole, data=data.encode(), environ=hermes.engine.environ)
    assert done.returncode in (0, 16, 20, 32, 68), done.stderr


def damage_config(root: Path) -> None:
    with (root / ".env").open("a") as file:
        file.write("ADDED_BY_DAMAGE=1\n")
    with (root / "docker-compose.yml").open("a") as file:
        file.write("# changed\n")
    creds = root / "config/hermes/opt/hermes/creds"
    (creds / "authelia_password").write_text("changed")
    (creds / "opendmarc_username").chmod(0o644)
    (creds / "syslog_password").unlink(missing_ok=True)
    write(creds / "added_username")
    keys = creds.with_name("keys")
    (keys / "dkim.private").unlink(missing_ok=True)
    (keys / "current").unlink()
    (keys / "current").symlink_to("/etc/hostname")
    keys.chmod(0o755)
    write(root / "config/postfix-dkim/added")
    write(root / "added/here")
    (root / "scripts/system_rehost.sh").write_text("changed\n")
    os.chown(root / "scripts", STRANGER, STRANGER)


def damage_kept(hermes: Miniature) -> None:
    """Change what no restore touches: the damage must survive."""
    clamav = hermes.tiers["data"] / "mail_filter/data/clamav"
    write(clamav / "daily.cvd")
    (clamav / "main.cvd").unlink(missing_ok=True)
    write(hermes.root / "install-logs/install-20260202.log")
    write(hermes.root / ".git/objects/added")
    (hermes.root / "scripts/system_restore.sh").write_text("#!/bin/sh\n# installed later\n")
    (hermes.root / "scripts/system_backup.sh").chmod(0o700)


def write(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"added as {file.name}\n")


def spoil(folder: Path) -> None:
    """Do something else to each entry of a folder, and add to it."""
    if not folder.is_dir():  # by an earlier damage
        folder.unlink(missing_ok=True)
        folder.mkdir(parents=True)
    for number, name in enumerate(sorted(os.listdir(bytes(folder)))):
        path = os.path.join(bytes(folder), name)
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        DEEDS.get(kind, ANY)[number % len(DEEDS.get(kind, ANY))](path)
    free = (folder / f"added {number}" for number in count() if not os.path.lexists(folder / f"added {number}"))
    write(next(free))
    write(next(free) / "in a new folder")
    next(free).symlink_to("/nonexistent")
    os.chown(folder, STRANGER, STRANGER)
    os.utime(folder, ns=(2, 2))


def rewrite(path: bytes) -> None:
    with open(path, "wb") as file:
        file.write(b"changed\n")


def append(path: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"changed\n")


def give_away(path: bytes) -> None:
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


def chmod(path: bytes) -> None:
    os.chmod(path, 0o123)


def touch(path: bytes) -> None:
    os.utime(path, ns=(3, 3), follow_symlinks=False)


def become_folder(path: bytes) -> None:
    os.unlink(path)
    os.mkdir(path)
    rewrite(os.path.join(path, b"in a folder that was a file"))


def become_file(path: bytes) -> None:
    shutil.rmtree(path)
    rewrite(path)


def become_link(path: bytes) -> None:
    os.unlink(path)
    os.symlink(b"/etc/hostname", path)


def label(path: bytes) -> None:
    os.setxattr(path, "user.comment", b"changed", follow_symlinks=False)


Deed = Callable[[bytes], None]
ANY: tuple[Deed, ...] = (os.unlink, give_away, touch)
DEEDS: dict[int, tuple[Deed, ...]] = {
    stat.S_IFREG: (os.unlink, rewrite, chmod, give_away, become_folder, append, become_link, label, touch),
    stat.S_IFDIR: (give_away, chmod, become_file, label, shutil.rmtree),
}
