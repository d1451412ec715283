"""`--snapshot` on real logical volumes, over a stand-in for Docker."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.cli.fake_host import FakeHost
from tests.vm.inside.volumes import (
    DISK,
    GROUP,
    command,
    content,
    filled_up,
    mail,
    moved_to,
    names,
    origins,
    snapshots,
    traces,
    write,
)

REQUIRE = "--snapshot=require"
KINDS = ["ext4", "xfs", "thin-ext4", "thin-xfs"]


@pytest.fixture(scope="module", autouse=True)
def group() -> Iterator[None]:
    command("vgcreate", "--yes", GROUP, DISK)
    yield
    command("vgremove", "--yes", GROUP)


@pytest.fixture
def host() -> Iterator[FakeHost]:
    with FakeHost.running() as host:
        yield host
    assert host.engine.surprises == []
    assert traces() == []


@contextmanager
def turning_over(folder: Path) -> Iterator[None]:
    """Make a file and remove the one before, again and again, while the context lasts."""
    ended = threading.Event()

    def turn() -> None:
        for number in count():
            (folder / f"turn.{number}").write_text(f"{number}\n")
            (folder / f"turn.{number - 1}").unlink(missing_ok=True)
            if ended.wait(0.005):
                return

    worker = threading.Thread(target=turn)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_while_it_is_packed_is_not_in_the_backup(host: FakeHost, kind: str) -> None:
    with moved_to(host.tiers["vmail"], "vmail", kind):
        before = mail(host, "mail.1").read_bytes()
        gate = host.engine.hold("--directory=")
        running = host.start(*host.command("vmail", REQUIRE))
        running.reach(gate)
        stood = snapshots()
        mail(host, "late").write_text("late\n")
        mail(host, "mail.1").write_text("changed\n")
        write(mail(host, "much"), 8)
        gate.open()
        done = running.finish()
        assert (done.code, done.err) == (0, "")
        assert len(stood) == 1
        assert traces() == []
        (tarball,) = host.made(".tar")
        assert names(tarball, "vmail") == {"note.txt", "dovecot/mail.1"}
        assert content(tarball, "vmail", "dovecot/mail.1") == before
        assert "WARN" not in done.out
        (read,) = host.engine.called("tar", "--directory=")
        assert f"--directory=/run/{stood[0]}" in read.words


def test_nobody_else_sees_what_is_mounted(host: FakeHost) -> None:
    """No container that starts meanwhile can take the mount along."""
    with moved_to(host.tiers["vmail"], "vmail", "ext4"):
        gate = host.engine.hold("--directory=")
        running = host.start(*host.command("vmail", REQUIRE))
        running.reach(gate)
        (stood,) = snapshots()
        assert f"/run/{stood}" not in command("cat", "/proc/self/mountinfo", "/proc/1/mountinfo")
        assert command("ls", f"/run/{stood}") == ""
        gate.open()
        assert running.finish().code == 0


def test_tiers_on_one_volume_share_a_snapshot_and_one_of_its_own_has_another(host: FakeHost) -> None:
    with moved_to(host.base / "mnt", "tiers", "ext4"), moved_to(host.tiers["vmail"], "vmail", "xfs"):
        stood: list[str] = []
        host.engine.before("--directory=", act=lambda: stood.extend(origins()))
        done = host.run(*host.command("all", "--snapshot"))
        assert (done.code, done.err) == (0, "")
        assert sorted(set(stood)) == ["tiers", "vmail"]
        assert len(stood) <= 2 * 5
        assert f"{GROUP}/tiers (lvm, 64.0 MiB kept for changes) for data, archive and nextcloud" in done.out
        warnings = [line for line in done.text if line.startswith("WARN")]
        assert len(warnings) == 1
        assert "the config tier" in warnings[0]
        assert "which a snapshot would leave empty" not in done.out
        assert not host.engine.hermes.maintenance
        assert traces() == []


def test_a_tier_that_is_a_bind_mount_is_read_in_the_snapshot_of_where_it_comes_from(host: FakeHost) -> None:
    vmail = host.tiers["vmail"]
    with moved_to(host.base / "mnt", "tiers", "ext4"):
        elsewhere = vmail.rename(host.base / "mnt/disk")
        vmail.mkdir()
        command("mount", "--bind", str(elsewhere), str(vmail))
        host.engine.before("--directory=", act=mail(host, "late").touch)
        done = host.run(*host.command("vmail", REQUIRE))
        command("umount", str(vmail))
        assert (done.code, done.err) == (0, "")
        assert names(host.made(".tar")[0], "vmail") == {"note.txt", "dovecot/mail.1"}


def test_files_that_come_and_go_all_the_time_are_from_one_moment(host: FakeHost) -> None:
    """Each name is linked before the one before it goes: at any moment there are one or two, never more nor none."""
    with moved_to(host.tiers["vmail"], "vmail", "xfs"):
        with turning_over(host.tiers["vmail"]):
            done = host.run(*host.command("vmail", REQUIRE))
        assert (done.code, done.err) == (0, "")
        turned = {name for name in names(host.made(".tar")[0], "vmail") if name.startswith("turn.")}
        assert 1 <= len(turned) <= 2
        numbers = sorted(int(name.removeprefix("turn.")) for name in turned)
        assert numbers[-1] - numbers[0] == len(numbers) - 1


def test_no_room_in_the_volume_group_is_refused_with_figures_or_packed_live(host: FakeHost) -> None:
    with moved_to(host.tiers["vmail"], "vmail", "ext4"), filled_up():
        said = f"a snapshot of {GROUP}/vmail needs 64.0 MiB of the volume group {GROUP}, which has 20.0 MiB free"
        refused = host.run(*host.command("vmail", REQUIRE))
        assert refused.code == 1
        assert said in refused.err
        assert host.made(".tar") == host.made(".partial") == []
        assert not host.engine.called("--directory=")
        live = host.run(*host.command("vmail", "--snapshot"))
        assert live.code == 0
        assert said in next(line for line in live.text if line.startswith("WARN"))
        assert len(host.made(".tar")) == 1


def test_a_thin_volume_needs_none(host: FakeHost) -> None:
    with moved_to(host.tiers["vmail"], "vmail", "thin-ext4"), filled_up():
        done = host.run(*host.command("vmail", REQUIRE))
        assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize("option", ["--snapshot", REQUIRE])
def test_a_snapshot_that_runs_full_is_a_failure_that_says_so(host: FakeHost, kind: str, option: str) -> None:
    with moved_to(host.tiers["vmail"], "vmail", kind):
        host.engine.before("--directory=", act=lambda: write(host.tiers["vmail"] / "much", 90))
        done = host.run(*host.command("vmail", option))
        assert done.code == 1
        assert f"it ran full, as more than the 64.0 MiB kept for changes were written to {GROUP}/vmail" in done.err
        assert host.made(".tar") == host.made(".partial") == []
        assert traces() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_none(host: FakeHost, number: signal.Signals) -> None:
    with moved_to(host.tiers["vmail"], "vmail", "ext4"):
        gate = host.engine.hold("--directory=")
        running = host.start(*host.command("vmail", REQUIRE), measured=False)
        running.reach(gate)
        assert len(snapshots()) == 1
        running.send(number)
        done = running.finish()
        gate.open()
        assert done.code != 0
        assert traces() == []
        assert host.made(".tar") == host.made(".partial") == []


@pytest.mark.parametrize("kind", ["ext4", "thin-xfs"])
def test_the_run_after_a_kill_finds_and_removes_it_and_says_so(host: FakeHost, kind: str) -> None:
    with moved_to(host.tiers["vmail"], "vmail", kind):
        gate = host.engine.hold("--directory=")
        running = host.start(*host.command("vmail", REQUIRE))
        running.reach(gate)
        running.send(signal.SIGKILL)
        running.finish()
        host.engine.mend()
        assert len(snapshots()) == 1
        done = host.run(*host.command("vmail"))
        assert (done.code, done.err) == (0, "")
        assert f"removed the snapshot of {GROUP}/vmail" in done.out
        assert traces() == []


def test_one_that_somebody_has_removed_meanwhile_is_no_problem(host: FakeHost) -> None:
    with moved_to(host.tiers["vmail"], "vmail", "ext4"):
        gate = host.engine.hold("--directory=")
        running = host.start(*host.command("vmail", REQUIRE))
        running.reach(gate)
        running.send(signal.SIGKILL)
        running.finish()
        host.engine.mend()
        (stood,) = snapshots()
        command("udevadm", "settle")
        command("lvremove", "--yes", f"{GROUP}/{stood}")
        done = host.run(*host.command("vmail", REQUIRE))
        assert (done.code, done.err) == (0, "")
        assert traces() == []


def test_a_dry_run_tells_and_makes_none(host: FakeHost) -> None:
    with moved_to(host.tiers["vmail"], "vmail", "ext4"):
        done = host.run(*host.command("vmail", REQUIRE, "-n"))
        assert (done.code, done.err) == (0, "")
        assert f"{GROUP}/vmail (lvm, 64.0 MiB kept for changes)" in done.out
        assert not host.engine.called("--directory=")
