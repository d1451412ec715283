"""Where slapd's own configuration says that the entries lie."""

from __future__ import annotations

import base64

import pytest

from hermes_backup_core.domain.slapd_config import database_folder

SUFFIX = "dc=hermes,dc=local"
OTHERS = {
    "olcDatabase={-1}frontend.ldif": b"dn: olcDatabase={-1}frontend\nolcDatabase: {-1}frontend\n",
    "olcDatabase={0}config.ldif": b"dn: olcDatabase={0}config\nolcDatabase: {0}config\n",
    "olcDatabase={2}mdb.ldif": b"olcSuffix: cn=accesslog\nolcDbDirectory: /var/lib/accesslog\n",
}
HEAD = b"# AUTO-GENERATED FILE - DO NOT EDIT!! Use ldapmodify.\n# CRC32 0f\ndn: olcDatabase={1}mdb\n"


def encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("content", "folder"),
    [
        (b"olcSuffix: dc=hermes,dc=local\nolcDbDirectory: /var/lib/ldap\n", "/var/lib/ldap"),
        (b"olcDbDirectory: /var/lib/ldap/\nolcsuffix: DC=Hermes, dc=local\n", "/var/lib/ldap"),
        (b"olcSuffix: dc=other\nolcSuffix: dc=hermes,dc=local\nolcDbDirectory: /a b\n", "/a b"),
        (b"olcSuffix: dc=her\n mes,dc=local\nolcDbDirectory: /var/lib/\n openldap\n", "/var/lib/openldap"),
        (b"olcSuffix: dc=hermes,dc=local\r\nolcDbDirectory: /var/l\r\n ib/ldap\r\n", "/var/lib/ldap"),
        (b"olcSuffix:: " + encoded(SUFFIX) + b"\nolcDbDirectory:: " + encoded("/mnt/é") + b"\n", "/mnt/é"),
        (b"olcSuffix: dc=hermes,dc=local\n# olcDbDirectory: /no\n", None),
        (b"olcSuffix: dc=hermes,dc=local\n# a comment\n olcDbDirectory: /no\n", None),
        (b"olcSuffix: dc=hermes,dc=localhost\nolcDbDirectory: /no\n", None),
        (b"olcSuffix:: !\nolcDbDirectory: /no\n", None),
        (b"", None),
        (b"\xff\xfe no: LDIF", None),
    ],
)
def test_the_folder_is_that_of_the_database_with_the_suffix(content: bytes, folder: str | None) -> None:
    assert database_folder({**OTHERS, "olcDatabase={1}mdb.ldif": HEAD + content}, SUFFIX) == folder


def test_without_files_there_is_none() -> None:
    assert database_folder({}, SUFFIX) is None
