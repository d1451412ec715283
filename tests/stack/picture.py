"""A whole Hermes as one value: every database object and row, every account, every LDAP entry, every file.

Two pictures are compared thing by thing. Each thing belongs to a part (a tier, the databases, …), so that a test
can say of each part which of two states it must be in.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from tests.stack.miniature import Miniature
from tests.stack.miniature.content.accounts import ACCOUNTS, ROOT_PASSWORD, quoted
from tests.stack.miniature.content.databases import DATABASES
from tests.stack.miniature.tree import Facts, listing
from tests.stack.script import TIERS

DUMP = (
    *("mariadb-dump", "-u", "root", "--skip-comments", "--skip-extended-insert", "--order-by-primary", "--hex-blob"),
    *("--routines", "--triggers", "--events", "--databases"),
)
SQL, ACCOUNT, ROOT_ACCOUNT, OTHER_ACCOUNT, LDAP, OTHER_SCHEMA, KEPT, TOP = (
    *("sql", "account", "root's account", "another account", "ldap", "another schema", "kept", "the one disk"),
)
WITH_DUMPS = (SQL, ACCOUNT, LDAP)
SCHEMAS_OF_THE_SERVER = {"information_schema", "mysql", "performance_schema", "sys"}

# In `single`, all but these belong to the data tier. The first that a name lies in decides.
OWNERS_IN_SINGLE = {
    "dovecot/logs": "data",
    "dovecot/sieve": "data",
    "dovecot": "vmail",
    "amavis": "archive",
    "app": "nextcloud",
    "redis": "nextcloud",
}
KEPT_IN = {"config": ("install-logs", ".git"), "data": ("mail_filter/data/clamav", "backups")}
LAUNCHER = re.compile(rb"scripts/system_(backup|restore)\.(sh|py)$")
# Live database files, and what servers make anew or write whenever they run.
NEVER_COMPARED = {
    "data": (
        *("dbase", "ldap/data", "ldap/logs", "dovecot/logs", "postfix_dkim/logs", "postfix_dkim/queue/pid"),
        *("postfix_dkim/queue/public", "postfix_dkim/queue/private"),
    )
}
# Written by occ at every switch of the maintenance mode.
REWRITTEN = b"app/config/config.php"
# Of the restore itself, beside the backup.
LOG = b".restore.log"
SHOWN_LINES, SHOWN_CHARACTERS = 12, 160

Thing = tuple[str, str]
Value = str | tuple[str, ...] | Facts


@dataclass(frozen=True)
class Picture:
    """What a Hermes was; `things` has all that there is, each by its part and its name."""

    things: Mapping[Thing, Value]

    def of(self, *parts: str) -> Picture:
        """The part of the picture that these parts are."""
        return Picture({thing: value for thing, value in self.things.items() if thing[0] in parts})

    def but(self, *parts: str) -> Picture:
        """The picture without these parts."""
        return Picture({thing: value for thing, value in self.things.items() if thing[0] not in parts})

    def with_parts_of(self, other: Picture, *parts: str) -> Picture:
        """This picture, but these parts as they are in the other."""
        return Picture({**self.but(*parts).things, **other.of(*parts).things})


def parts_of(scope: str) -> tuple[str, ...]:
    """All that a restore of `scope` brings back."""
    return (*TIERS[scope], *(WITH_DUMPS if scope in ("system", "all") else ()), TOP)


def picture(hermes: Miniature) -> Picture:
    """What the Hermes, which is up, is now."""
    found = (*databases(hermes), *schemas(hermes), *accounts(hermes), *directory(hermes), *files(hermes))
    return Picture(dict(found))


def databases(hermes: Miniature) -> Iterator[tuple[Thing, Value]]:
    """Each database, object by object, as `mariadb-dump` writes it with a row to a line."""
    for name in DATABASES:
        if name in all_schemas(hermes):
            dump = hermes.exec("hermes_db_server", *DUMP, name, password=root_password(hermes)).decode(
                "utf-8", "replace"
            )
            yield (SQL, name), tuple(dump.splitlines())


def schemas(hermes: Miniature) -> Iterator[tuple[Thing, Value]]:
    for name in sorted(all_schemas(hermes) - {*DATABASES} - SCHEMAS_OF_THE_SERVER):
        asked = "SELECT table_name, create_time FROM information_schema.tables WHERE table_schema = "
        yield (OTHER_SCHEMA, name), tuple(sorted(hermes.sql(asked + quoted(name)).splitlines()))


def all_schemas(hermes: Miniature) -> set[str]:
    return set(hermes.sql("SHOW DATABASES").splitlines())


def root_password(hermes: Miniature) -> str:
    return ROOT_PASSWORD if hermes.root_password else ""


def accounts(hermes: Miniature) -> Iterator[tuple[Thing, Value]]:
    """Each account with the hash of its password, and all its rights."""
    applications = {account.user for account in ACCOUNTS}
    # A server that looks no names up knows nothing of accounts at a host that has one.
    known = "host = 'localhost' OR host NOT REGEXP '[a-z]'"
    rows = hermes.sql(
        f"SELECT user, host FROM mysql.global_priv WHERE user <> 'mariadb.sys' AND ({known}) ORDER BY 1, 2"
    )
    names = [tuple(line.split("\t")) for line in rows.splitlines()]
    asked = "".join(f"SELECT ''; SHOW GRANTS FOR {quoted(user)}@{quoted(host)};" for user, host in names)
    answers = hermes.sql(asked).split("\n\n")
    for (user, host), rights in zip(names, answers, strict=True):
        part = ACCOUNT if user in applications else ROOT_ACCOUNT if user == "root" else OTHER_ACCOUNT
        yield (part, f"{user}@{host}"), tuple(sorted(filter(None, rights.splitlines())))


def directory(hermes: Miniature) -> Iterator[tuple[Thing, Value]]:
    for dn, lines in hermes.ldap_entries().items():
        yield (LDAP, dn), tuple(lines)


def files(hermes: Miniature) -> Iterator[tuple[Thing, Value]]:
    """Every file of the install root and of the tiers; sockets and what the servers write on their own apart."""
    yield from files_of(hermes, "config", hermes.root)
    for tier, top in tops(hermes).items():
        yield from files_of(hermes, tier, top)
    yield from live_folders(hermes)


def tops(hermes: Miniature) -> dict[str, Path]:
    """The folders that hold all tiers, without those that lie in another one."""
    found: dict[Path, str] = {}
    for tier, top in hermes.tiers.items():
        if not any(top != other and top.is_relative_to(other) for other in hermes.tiers.values()):
            found.setdefault(top, tier)
    return {tier: top for top, tier in found.items()}


def files_of(hermes: Miniature, tier: str, top: Path) -> Iterator[tuple[Thing, Value]]:
    for name, found in listing(top, leave_out=NEVER_COMPARED.get(tier, ())).items():
        if found.kind != "socket" and not name.endswith(LOG):
            thing = (owner(hermes, tier, name), os.fsdecode(os.path.join(bytes(top), name)))
            yield thing, replace(found, mtime_ns=0) if name.endswith(REWRITTEN) else found


def live_folders(hermes: Miniature) -> Iterator[tuple[Thing, Value]]:
    """The folders of the live database files: what they are themselves, and for LDAP the files' owners and modes."""
    data = hermes.tiers["data"]
    for name in ("dbase", "ldap/data"):
        found = listing(data / name)[b"."]
        yield (KEPT, f"{data / name} itself"), replace(found, mtime_ns=0)
    for file, found in listing(data / "ldap/data").items():
        if file != b".":
            yield (LDAP, f"the file {os.fsdecode(file)}"), f"{found.kind} {found.owner} {found.mode:o}"


def owner(hermes: Miniature, tier: str, name: bytes) -> str:
    """The tier that a file belongs to, by its name below the top folder that is called `tier`; or that it is kept."""
    if any(within(name, kept) for kept in KEPT_IN.get(tier, ())) or (tier == "config" and LAUNCHER.match(name)):
        return KEPT
    if hermes.layout.name == "single" and name == b"." and tier != "config":
        return TOP
    if hermes.layout.name == "single" and tier != "config":
        return next((tier for folder, tier in OWNERS_IN_SINGLE.items() if within(name, folder)), "data")
    if hermes.layout.name == "nested" and tier == "data" and within(name, "amavis"):
        return "archive"
    return tier


def within(name: bytes, folder: str) -> bool:
    return name == os.fsencode(folder) or name.startswith(os.fsencode(folder) + b"/")


def differences(before: Picture, after: Picture) -> list[str]:
    """All that is not the same in both, a line or a few for each thing; empty where they are alike."""
    names = sorted(before.things.keys() | after.things.keys())
    changed = (name for name in names if before.things.get(name) != after.things.get(name))
    return [difference(name, before.things.get(name), after.things.get(name)) for name in changed]


def difference(thing: Thing, before: Value | None, after: Value | None) -> str:
    part, name = thing
    what = f"{part}: {name!r}"
    if before is None or after is None:
        return f"{what} is {'new' if before is None else 'gone'}"
    if isinstance(before, Facts) and isinstance(after, Facts):
        pairs = ((field.name, getattr(before, field.name), getattr(after, field.name)) for field in fields(Facts))
        return f"{what}: " + ", ".join(f"{key} {shown(a)} is now {shown(b)}" for key, a, b in pairs if a != b)
    if isinstance(before, tuple) and isinstance(after, tuple):
        lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
        more = [f"  ({len(lines) - SHOWN_LINES} more)"] if len(lines) > SHOWN_LINES else []
        return "\n".join([f"{what}:", *(f"  {line[:SHOWN_CHARACTERS]}" for line in lines[:SHOWN_LINES]), *more])
    return f"{what}: {before} is now {after}"


def shown(value: object) -> str:
    return str(value)[:40]
