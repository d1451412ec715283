"""What a power cut leaves, in two boots of one machine: the first ends without an end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.fake_host import FakeHost
from tests.cli.fake_host.sockets import serving
from tests.vm.inside.volumes import DISK, GROUP, command, mail, make, names, snapshots, traces, write

STANDS = "the snapshot stands"
HOST_DISK = "/dev/vdd"
BASE = Path("/srv/host")
CONSOLE = Path("/dev/ttyS0")


@contextmanager
def host_up() -> Iterator[FakeHost]:
    """The host at `BASE`, whose tiers are made; the backups and the state that are there stay."""
    host = FakeHost(BASE)
    kept = [name for name in ("backups", "state") if (BASE / name).exists()]
    for name in kept:
        (BASE / name).rename(BASE.with_name(name))
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.mkdir(mode=0o755)
    host._set_up()
    for name in kept:
        shutil.rmtree(BASE / name, ignore_errors=True)
        BASE.with_name(name).rename(BASE / name)
    with serving(host.engine, BASE / "docker.sock", BASE / "programs.sock"):
        yield host


def test_until_the_power_is_cut() -> None:
    command("mkfs.ext4", "-q", HOST_DISK)
    command("mount", HOST_DISK, str(BASE.parent))
    command("vgcreate", "--yes", GROUP, DISK)
    with host_up() as host:
        vmail = host.tiers["vmail"]
        aside = vmail.rename(BASE / "aside")
        vmail.mkdir()
        command("mount", make("vmail", "ext4"), str(vmail))
        command("cp", "-a", f"{aside}/.", str(vmail))
        command("sync")
        gate = host.engine.hold("--directory=")
        running = host.start(*host.command("vmail", "--snapshot=require"))
        running.reach(gate)
        assert len(snapshots()) == 1
        assert len(host.made(".partial")) == 1
        write(mail(host, "late"), 4)
        CONSOLE.write_text(f"{STANDS}\n")
        running.finish()  # which it never does


def test_after_the_cut_the_next_run_finds_and_removes_it() -> None:
    command("mount", HOST_DISK, str(BASE.parent))
    command("vgchange", "--activate", "y", GROUP)
    (stood,) = snapshots()
    with host_up() as host:
        assert len(host.made(".partial")) == 1
        command("mount", f"/dev/{GROUP}/vmail", str(host.tiers["vmail"]))
        done = host.run(*host.command("vmail", "--snapshot=require"))
        assert (done.code, done.err) == (0, "")
        assert f"removed the snapshot of {GROUP}/vmail" in done.out
        assert traces() == []
        (tarball,) = host.made(".tar")
        assert host.made(".partial") == []
        # The second backup has what the first left out, from a snapshot of its own.
        assert names(tarball, "vmail") >= {"note.txt", "dovecot/mail.1", "dovecot/late"}
        (read,) = host.engine.called("tar", "--directory=")
        assert f"--directory=/run/{stood}" not in read.words
