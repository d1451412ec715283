"""What each scope covers, as every generation of the tool has it."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.scope import DATABASES, MOUNT_KEYS, Scope, Tier


@pytest.mark.parametrize(
    ("scope", "members"),
    [
        (Scope.SYSTEM, ("databases.tar.gz", "ldap.ldif.gz", "config.tar.gz", "data.tar.gz")),
        (Scope.ARCHIVE, ("archive.tar.gz",)),
        (Scope.VMAIL, ("vmail.tar.gz",)),
        (Scope.NEXTCLOUD, ("nextcloud.tar.gz",)),
        (
            Scope.ALL,
            (
                *("databases.tar.gz", "ldap.ldif.gz", "config.tar.gz", "data.tar.gz"),
                *("archive.tar.gz", "vmail.tar.gz", "nextcloud.tar.gz"),
            ),
        ),
    ],
)
def test_a_scope_has_its_members_in_the_order_of_the_manifest(scope: Scope, members: tuple[str, ...]) -> None:
    assert scope.members == members
    assert scope.has_dumps == ("databases.tar.gz" in members)


def test_names_that_others_rely_on_stay() -> None:
    assert [scope.value for scope in Scope] == ["system", "archive", "vmail", "nextcloud", "all"]
    assert [tier.value for tier in Tier] == ["config", "data", "archive", "vmail", "nextcloud"]
    assert list(MOUNT_KEYS.values()) == ["DATA_MOUNT", "ARCHIVE_MOUNT", "VMAIL_MOUNT", "FILES_MOUNT"]
    assert DATABASES == ("hermes", "authelia", "opendmarc", "Syslog", "djigzo", "nextcloud")
