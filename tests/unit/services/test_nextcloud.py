"""Nextcloud's maintenance mode, as `occ` knows it."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.services.nextcloud import Nextcloud, StillInMaintenance
from tests.unit.fakes.host import plain_host
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.watching import MemoryClock


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


def test_maintenance_mode_ends_as_soon_as_the_container_is_ready() -> None:
    host = plain_host(maintenance=True, occ_trouble={"--off": "not ready"})

    def hook(moment: str, number: int, call: str) -> None:
        if host.now > 20:
            host.occ_trouble.clear()

    host.hook = hook
    Nextcloud(MemoryStack(host)).end_maintenance_when_ready(MemoryClock(host))
    assert (host.maintenance, host.now) == (False, 21)


def test_an_occ_that_does_not_get_ready_is_named_after_a_minute() -> None:
    host = plain_host(maintenance=True, occ_trouble={"--off": "not ready"})
    with pytest.raises(StillInMaintenance, match=r"mode \(not ready\): run `docker exec -u www-data hermes_nextcloud"):
        Nextcloud(MemoryStack(host)).end_maintenance_when_ready(MemoryClock(host))
    assert 60 <= host.now <= 62
