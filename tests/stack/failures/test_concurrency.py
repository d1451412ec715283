"""Two runs at once on one host: the second one says who is at work, and touches nothing."""

from __future__ import annotations

import os
import signal

import pytest

from tests.stack.failures.host import Host

pytestmark = pytest.mark.usefixtures("heavy")


@pytest.mark.parametrize("second", [("-B", "nextcloud"), ("-B", "archive", "--cold")], ids=["same", "cold"])
def test_the_second_run_says_who_holds_the_host_and_touches_nothing(host: Host, second: tuple[str, ...]) -> None:
    first = host.begin("-B", "nextcloud")
    os.kill(tar := first.until_packing(host.hermes.tiers["nextcloud"]), signal.SIGSTOP)
    before, record = host.state(), first.journal()
    assert before.maintenance
    assert record is not None  # narrows the type for the claims below

    output = host.fresh_output("second")
    ended = host.backup(*second, "--notify-email=admin@example.com", output=output)
    assert ended.code == 1
    assert "another run is under way on this host: pid" in ended.error
    assert f"pid {first.process.pid}, `" in ended.error
    assert f"system_backup.py -P {host.output} --yes -B nextcloud`, since {record.since}" in ended.error
    assert host.state() == before
    assert first.journal() == record
    assert [file.suffix for file in output.iterdir()] == [".log"]
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"another run is under way" in mail

    os.kill(tar, signal.SIGCONT)
    assert first.ended().code == 0
    host.whole_backup()
    host.check_nothing_left()
    assert not host.state().maintenance
    host.succeeds("-B", "archive", output=output)


def test_a_dry_run_beside_a_run_changes_nothing_and_says_so_itself(host: Host) -> None:
    first = host.begin("-B", "nextcloud")
    os.kill(tar := first.until_packing(host.hermes.tiers["nextcloud"]), signal.SIGSTOP)
    before, record = host.state(), first.journal()
    ended = host.backup("-B", "system", "--dry-run", output=host.fresh_output("second"))
    assert ended.code == 0
    assert host.state() == before
    assert first.journal() == record
    os.kill(tar, signal.SIGCONT)
    assert first.ended().code == 0


def test_a_lock_whose_holder_is_gone_holds_nobody_up(host: Host) -> None:
    first = host.begin("-B", "archive")
    first.until_packing(host.hermes.tiers["archive"])
    first.kill()
    host.succeeds("-B", "archive")
