"""The LDAP directory fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.failures.breaking import moved, stopped, without_program
from tests.stack.failures.host import Host
from tests.stack.miniature import Miniature


def test_a_stopped_directory_is_refused_with_what_to_type(host: Host) -> None:
    with stopped(host.hermes, "hermes_ldap"):
        ended = host.refused("-B", "system")
        assert "container hermes_ldap is exited" in ended.error
        assert "run `docker compose start hermes_ldap` in the install root" in ended.error


def test_an_image_without_slapcat_is_refused_by_its_name(host: Host) -> None:
    with without_program(host.hermes, "hermes_ldap", "slapcat"):
        ended = host.refused("-B", "all")
        assert "slapcat cannot be found in hermes_ldap" in ended.error


def test_a_directory_without_an_entry_is_a_failure(host: Host) -> None:
    with emptied(host.hermes):
        ended = host.fails("-B", "system")
        assert "the LDAP export failed: slapcat gave no entry of dc=hermes,dc=local" in ended.error
        assert "Look at `docker logs hermes_ldap`" in ended.error


def test_a_broken_configuration_of_slapd_is_a_failure_with_slapcats_words(host: Host) -> None:
    with moved(host.hermes.root / "config/ldap/etc/ldap/slapd.d/cn=config.ldif"):
        ended = host.fails("-B", "system")
        assert "the LDAP export failed: slapcat: " in ended.error
        assert "bad configuration directory" in ended.error


@contextmanager
def emptied(hermes: Miniature) -> Iterator[None]:
    """slapd serves a database that it has just made, while the real one lies beside."""
    database: Path = hermes.tiers["data"] / "ldap/data/data.mdb"
    hermes.engine.docker("stop", "hermes_ldap")
    with moved(database):
        hermes.engine.docker("start", "hermes_ldap")
        hermes.wait_until_ready()
        try:
            yield
        finally:
            hermes.engine.docker("stop", "hermes_ldap")
    hermes.engine.docker("start", "hermes_ldap")
    hermes.wait_until_ready()
