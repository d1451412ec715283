"""Nextcloud's maintenance mode, as `occ` knows it."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.services.nextcloud import Nextcloud
from tests.unit.fakes.host import plain_host
from tests.unit.fakes.stack import MemoryStack


def test_maintenance_mode_is_switched_on_and_off_as_the_owner_of_the_configuration() -> None:
    host = plain_host()
    nextcloud = Nextcloud(MemoryStack(host))
    assert not nextcloud.in_maintenance()
    nextcloud.begin_maintenance()
    assert host.state().maintenance is True
    assert nextcloud.in_maintenance()
    nextcloud.end_maintenance()
    assert host.state().maintenance is False
    assert {user for _, _, user, _ in host.executed} == {"www-data"}


@pytest.mark.parametrize("broken", ["--on", "--off", "status"])
def test_an_occ_that_fails_is_an_error_with_its_words(broken: str) -> None:
    nextcloud = Nextcloud(MemoryStack(plain_host(occ_trouble={broken: "config.php is not writable"})))
    calls = {"--on": nextcloud.begin_maintenance, "--off": nextcloud.end_maintenance}
    with pytest.raises(CommandFailed, match="not writable"):
        calls.get(broken, nextcloud.in_maintenance)()
