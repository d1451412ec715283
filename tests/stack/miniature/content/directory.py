"""The LDAP server's own configuration, and the directory: a tree with all that makes LDIF difficult."""

from __future__ import annotations

import base64

SUFFIX = "dc=hermes,dc=local"
USERS = 50

# As in the field: a schema of its own lives in slapd.d, so the data cannot be loaded without it.
CONFIG = f"""\
dn: cn=config
objectClass: olcGlobal
cn: config

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

include: file:///etc/ldap/schema/cosine.ldif

include: file:///etc/ldap/schema/inetorgperson.ldif

dn: cn=hermes,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: hermes
olcAttributeTypes: ( 1.3.6.1.4.1.99999.1.1 NAME 'hermesQuota' EQUALITY integerMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
olcObjectClasses: ( 1.3.6.1.4.1.99999.2.1 NAME 'hermesMailbox' SUP top AUXILIARY MAY hermesQuota )

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: {SUFFIX}
olcRootDN: cn=admin,{SUFFIX}
olcRootPW: secret
olcDbDirectory: /var/lib/ldap
olcDbIndex: objectClass eq
olcDbIndex: uid eq
olcDbMaxSize: 1073741824
"""

Entry = tuple[str, list[tuple[str, str | bytes]]]


def directory_ldif() -> str:
    """The whole directory as LDIF for `slapadd`."""
    return "\n".join(as_ldif(entry) for entry in entries())


def entries() -> list[Entry]:
    return [*branches(), *(user(number) for number in range(1, USERS + 1)), *difficult_users(), group()]


def branches() -> list[Entry]:
    top: Entry = (SUFFIX, [("objectClass", "organization"), ("objectClass", "dcObject")])
    top[1].extend([("o", "Hermes"), ("dc", "hermes")])
    return [top, unit("users"), unit("groups")]


def unit(name: str) -> Entry:
    return (f"ou={name},{SUFFIX}", [("objectClass", "organizationalUnit"), ("ou", name)])


def user(number: int) -> Entry:
    return person(f"uid=u{number}", f"u{number}", f"José {number}", [
        ("hermesQuota", str(number * 1024)),
        ("userPassword", f"pw{number}".encode()),
        ("mail", f"u{number}@example.com"),
    ])  # fmt: skip


def person(rdn: str, uid: str, cn: str, more: list[tuple[str, str | bytes]]) -> Entry:
    lines: list[tuple[str, str | bytes]] = [
        ("objectClass", "inetOrgPerson"),
        ("objectClass", "hermesMailbox"),
    ]
    lines += [("uid", uid), ("cn", cn), ("sn", uid)]
    return (f"{rdn},ou=users,{SUFFIX}", [*lines, *more])


def difficult_users() -> list[Entry]:
    return [
        person(r"cn=Müller\, Jürgen", "comma", "Müller, Jürgen", []),
        person(r"cn=\#hash \+ plus", "escapes", "#hash + plus", []),
        person("uid=multi+cn=Two Values", "multi", "Two Values", []),
        person(
            "uid=日本",
            "日本",
            "日本 😀",
            [("description", "ends with a blank "), ("description", "two\nlines")],
        ),
        person("uid=photo", "photo", "Photo", [("jpegPhoto", bytes(range(256)) * 20)]),
        person("uid=colon", "colon", "Colon", [("description", ": begins with a colon"), ("title", "x" * 500)]),
    ]


def group() -> Entry:
    members: list[tuple[str, str | bytes]] = [("member", f"uid=u{n},ou=users,{SUFFIX}") for n in range(1, 11)]
    members.append(("member", rf"cn=Müller\, Jürgen,ou=users,{SUFFIX}"))
    return (
        f"cn=everyone,ou=groups,{SUFFIX}",
        [("objectClass", "groupOfNames"), ("cn", "everyone"), *members],
    )


def as_ldif(entry: Entry) -> str:
    dn, lines = entry
    return "".join(line(name, value) for name, value in [("dn", dn), *lines])


def line(name: str, value: str | bytes) -> str:
    """One attribute; whatever is not plain ASCII goes in base64 (RFC 2849)."""
    raw = value.encode() if isinstance(value, str) else value
    plain = isinstance(value, str) and value.isascii() and value.isprintable()
    if plain and value[:1] not in (" ", ":", "<", "") and value[-1:] != " ":
        return f"{name}: {raw.decode()}\n"
    return f"{name}:: {base64.b64encode(raw).decode()}\n"
