"""`--snapshot` on a host whose file systems have none: a warning, or a refusal before any work."""

from __future__ import annotations

import pytest

from tests.cli.fake_host import FakeHost

SINCE = "cannot be packed from a snapshot, since it lies on"


def test_a_wish_that_cannot_be_granted_is_a_warning_for_each_tier(host: FakeHost) -> None:
    done = host.run(*host.command("all", "--snapshot"))
    assert (done.code, done.err) == (0, "")
    warnings = [line for line in done.text if line.startswith("WARN: ") and SINCE in line]
    assert len(warnings) == 5
    assert all(line.endswith("; it is packed as it lies there") for line in warnings)
    assert "snapshot of" not in done.out
    assert len(host.made(".tar")) == 1


@pytest.mark.parametrize("options", [("--snapshot=require",), ("--snapshot", "require"), ("--snapshot=require", "-n")])
def test_what_is_required_and_cannot_be_had_is_refused_before_any_work(
    host: FakeHost, options: tuple[str, ...]
) -> None:
    done = host.run(*host.command("vmail", *options))
    assert done.code == 1
    assert f"the vmail tier (VMAIL_MOUNT, {host.tiers['vmail']}) {SINCE}" in done.err
    assert done.err.rstrip().endswith("put that right, or leave --snapshot=require out")
    assert host.made(".tar") == host.made(".partial") == []
    assert not host.engine.called("--directory=")


@pytest.mark.parametrize("value", ["--snapshot=", "--snapshot=required", "--snapshot=no", "--snap"])
def test_another_word_is_a_usage_error(host: FakeHost, value: str) -> None:
    done = host.run(*host.command("vmail", value))
    assert done.code == 1
    assert "usage: system_backup.sh" in done.err


def test_the_journal_knows_of_no_snapshot_where_there_is_none(host: FakeHost) -> None:
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command("vmail", "--snapshot"))
    running.reach(gate)
    (journal,) = (host.base / "state").glob("*/journal.json")
    assert '"snapshots": []' in journal.read_text()
    gate.open()
    assert running.finish().code == 0
