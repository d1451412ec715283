"""`--dry-run` of a restore: it reads the whole backup and looks at the host, tells all, and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.fake_host import AS_NOBODY, RESTORE, FakeHost, Finished


@pytest.fixture
def backup(host: FakeHost) -> Path:
    """A backup of the host's mail, which everyone may read."""
    assert host.run(*host.command("vmail")).code == 0
    (tarball,) = host.made(".tar")
    tarball.chmod(0o644)
    return tarball


def dry_run(host: FakeHost, backup: Path, **options: object) -> Finished:
    return host.run("-F", str(backup), "-n", script=RESTORE, **options)


def changing(host: FakeHost) -> list[tuple[str, ...]]:
    """The engine's calls that change something."""
    verbs = {"stop", "start", "create", "run", "up", "down", "rm"}
    return [call.words for call in host.engine.calls if call.words[0] == "docker" and verbs & set(call.words[1:3])]


def test_it_tells_the_gates_and_the_plan_and_leaves_nothing(host: FakeHost, backup: Path) -> None:
    before, running = host.everything(), host.engine.running()
    done = dry_run(host, backup)
    assert (done.code, done.err) == (0, "")
    assert [line for line in done.text if line.endswith(": ok")] == [
        "integrity: ok",
        "version: ok",
        "topology: ok",
        "host: ok",
    ]
    assert f"backup {backup}" in done.text
    assert [line for line in done.text if line.startswith("  unpack vmail.tar.gz to ")]
    assert done.text[-1] == "dry run: nothing was changed"
    assert host.everything() == before
    assert (host.engine.running(), changing(host), host.processes()) == (running, [], [])


def test_it_names_what_stops_and_what_goes_on(host: FakeHost, backup: Path) -> None:
    host.engine.define_services(hermes_nextcloud={str(host.tiers["vmail"]): "/mail"})
    some, every = dry_run(host, backup), host.run("-F", str(backup), "-n", "--stop-all", script=RESTORE)
    assert "stops: hermes_nextcloud (1 of 5 that run now)" in some.text
    assert "goes on: hermes_commandbox, hermes_db_server, hermes_ldap, hermes_postfix_dkim" in some.text
    assert "with 1 container stopped:" in some.text
    assert "goes on: none" in every.text
    assert "with the stack down:" in every.text


def test_it_needs_no_root(host: FakeHost, backup: Path) -> None:
    before = host.everything()
    done = dry_run(host, backup, through=AS_NOBODY)
    assert (done.code, done.err) == (0, "")
    assert done.text[-1] == "dry run: nothing was changed"
    assert host.everything() == before


@pytest.mark.parametrize("options", [("-n",), ("-y",)], ids=["dry", "live"])
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    host: FakeHost, backup: Path, options: tuple[str, ...]
) -> None:
    content = bytearray(backup.read_bytes())
    content[content.index(b"vmail.tar.gz", 512 * 100) + 512 + 100] ^= 1
    backup.write_bytes(content)
    before = host.everything()
    done = host.run("-F", str(backup), *options, script=RESTORE)
    assert done.code == 1
    assert "integrity: refused" in done.text
    assert "vmail.tar.gz" in done.err
    assert "== Plan ==" not in done.text
    assert changing(host) == []
    left = {path for path in host.everything() - before if not path.startswith("state")}
    log = f"backups/{backup.name.removesuffix('.tar')}.restore.log"
    assert left == (set() if "-n" in options else {log})


@pytest.mark.parametrize("content", [b"", b"no backup", bytes(10240)], ids=["empty", "text", "zeros"])
def test_what_is_no_backup_is_refused(host: FakeHost, content: bytes) -> None:
    path = host.output / "b.tar"
    path.write_bytes(content)
    before = host.everything()
    done = dry_run(host, path)
    assert done.code == 1
    assert str(path) in done.err
    assert "a fault of this tool" not in done.err
    assert host.everything() == before


def test_a_backup_of_another_build_is_refused_unless_it_is_forced(host: FakeHost, backup: Path) -> None:
    host.engine.hermes.build_no = "v260201"
    done = dry_run(host, backup)
    assert done.code == 1
    assert "version: refused" in done.text
    assert "FORCE_VERSION_MISMATCH=1" in done.err
    ignored = dry_run(host, backup, environ={"FORCE_VERSION_MISMATCH": "yes"})
    assert ignored.code == 1
    assert "WARN: FORCE_VERSION_MISMATCH=yes does not count: only FORCE_VERSION_MISMATCH=1 does" in ignored.text
    assert dry_run(host, backup, environ={"FORCE_VERSION_MISMATCH": "1"}).code == 0
