"""What is refused before anything is touched: all gates run, all reasons are told, and the host is as it was."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.stack.forging import (
    Manifest,
    archive_edited,
    archive_with,
    contents,
    dumps_with,
    entry,
    packed,
    repacked,
    zipped,
)
from tests.stack.miniature import Engine, Miniature
from tests.stack.picture import Picture, differences, files, picture
from tests.stack.restoring import Restored, check_nothing_left, containers_as_they_run, restore
from tests.stack.script import MANIFEST_MEMBER, SCRIPTS, back_up, environment, standing
from tests.stack.test_backup_dry_run import NOBODY

ELSEWHERE = "/srv/elsewhere"
AS_NOBODY = f"""
import os, sys
import docker, requests, rich.console, rich.live
from hermes_backup_core.cli.preload import load_all
from hermes_backup_core.cli.restore import main
load_all()
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
sys.exit(main(sys.argv[1:], called_as={str(SCRIPTS / "system_restore.py")!r}))
"""


@dataclass(frozen=True)
class Host:
    """A Hermes, honest backups of it by scope, and folders for forged ones."""

    hermes: Miniature
    backups: dict[str, Path]
    numbers: Iterator[int]

    def folder(self) -> Path:
        return self.hermes.base / "forged" / str(next(self.numbers))

    def forged(self, scope: str, changes: Mapping[str, bytes | None] | None = None, **more: object) -> Path:
        return repacked(self.backups[scope], self.folder(), changes, **more)  # type: ignore[arg-type]

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Nothing of the host is changed during the body: no file, no container, no schema."""
        before, running = Picture(dict(files(self.hermes))), containers_as_they_run(self.hermes)
        yield
        assert differences(before, Picture(dict(files(self.hermes)))) == []
        assert containers_as_they_run(self.hermes) == running
        check_nothing_left(self.hermes)


@pytest.fixture(scope="module")
def host(engine: Engine, folders: Iterator[Path]) -> Iterator[Host]:
    """It is looked at as a whole before all tests and after them."""
    with standing(engine, next(folders)) as hermes:
        backups = {scope: back_up(hermes, scope).tarball for scope in ("all", "vmail", "system")}
        before = picture(hermes)
        yield Host(hermes, backups, count())
        assert differences(before, picture(hermes)) == []


def refused(host: Host, tarball: Path, *said: str, environ: Mapping[str, str] | None = None) -> Restored:
    """The restore is refused with these words, by the live run and the dry run alike, and nothing is changed."""
    with host.untouched():
        live = restore(host.hermes, tarball, environ=environ)
        dry = restore(host.hermes, tarball, "--dry-run", environ=environ)
    for run in (live, dry):
        assert run.code == 1, run.stdout
        assert "fault of this tool" not in run.stdout + run.stderr
        for words in said:
            assert words in run.stderr
    assert live.log
    return live


# The bytes


def test_a_byte_that_was_changed(host: Host) -> None:
    content = bytearray(contents(host.backups["vmail"])["vmail.tar.gz"])
    content[len(content) // 2] ^= 1
    members = {**contents(host.backups["vmail"]), "vmail.tar.gz": bytes(content)}
    tarball = packed(host.folder() / "flipped.tar", members)
    refused(host, tarball, "checksum of vmail.tar.gz", "copy the backup here again")


@pytest.mark.parametrize("share", [0.1, 0.5, 1])
def test_a_tarball_that_breaks_off(host: Host, share: float) -> None:
    content = host.backups["vmail"].read_bytes().rstrip(b"\0")
    tarball = host.folder() / "short.tar"
    tarball.parent.mkdir(parents=True)
    tarball.write_bytes(content[: int((len(content) - 1) * share)])
    refused(host, tarball, "short.tar")


def test_no_backup_at_all(host: Host) -> None:
    folder = host.folder()
    folder.mkdir(parents=True)
    (folder / "text.tar").write_text("hello\n")
    (folder / "zipped.tar").write_bytes(gzip.compress(host.backups["vmail"].read_bytes()[:100_000]))
    packed(folder / "other.tar", {"file": b"x"})
    refused(host, folder / "text.tar", "is no backup")
    refused(host, folder / "zipped.tar", "it is compressed")
    refused(host, folder / "other.tar", "is no backup", MANIFEST_MEMBER)


# The members


def test_a_member_that_is_missing(host: Host) -> None:
    """Whether the manifest knows of it or not."""
    members = contents(host.backups["all"])
    del members["archive.tar.gz"]
    refused(host, packed(host.folder() / "missing.tar", members), "archive.tar.gz")
    refused(host, host.forged("all", {"ldap.ldif.gz": None}), "ldap.ldif.gz")


def test_a_member_too_many(host: Host) -> None:
    """Whether the manifest knows of it or not."""
    evil = gzip.compress(b"x")
    refused(host, host.forged("vmail", unlisted={"extra.tar.gz": evil}), "extra.tar.gz")
    refused(host, host.forged("vmail", {"extra.tar.gz": evil}), "extra.tar.gz")
    archive = contents(host.backups["all"])["archive.tar.gz"]
    refused(host, host.forged("vmail", {"archive.tar.gz": archive}), "archive.tar.gz")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        pytest.param(lambda told: told.update(manifest_version="2.0"), "2.0", id="major"),
        pytest.param(lambda told: told.update(scope="everything"), "scope", id="scope"),
        pytest.param(lambda told: told.pop("topology"), "topology", id="no-topology"),
        pytest.param(lambda told: told["archives"]["vmail.tar.gz"].update(sha256="zz"), "sha256", id="sum"),
        pytest.param(lambda told: told["archives"]["vmail.tar.gz"].update(size_bytes=1), "vmail.tar.gz", id="size"),
        pytest.param(lambda told: told["topology"].update(vmail_mount="/mnt/../etc"), "/mnt/../etc", id="path"),
    ],
)
def test_a_manifest_that_breaks_a_rule(host: Host, edit: Callable[[Manifest], object], said: str) -> None:
    refused(host, host.forged("vmail", manifest=edit), said)


# What is in the members


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: content[: len(content) * 2 // 3], id="breaks-off"),
        pytest.param(lambda content: content + b"garbage", id="garbage-behind"),
        pytest.param(lambda content: gzip.compress(gzip.decompress(content)[:-20_000]), id="tar-breaks-off"),
        pytest.param(lambda content: gzip.compress(b"no tar at all" * 100), id="no-tar"),
        pytest.param(lambda content: b"", id="empty"),
    ],
)
def test_an_archive_that_is_not_whole_though_its_sum_fits(host: Host, spoil: Callable[[bytes], bytes]) -> None:
    content = contents(host.backups["vmail"])["vmail.tar.gz"]
    refused(host, host.forged("vmail", {"vmail.tar.gz": spoil(content)}), "vmail.tar.gz", "damaged")


HOSTILE = {
    "absolute": (entry("/etc/hermes-was-here", size=3), "absolute"),
    "upwards": (entry("./dovecot/../../hermes-was-here", size=3), "hermes-was-here"),
    "through a link": (entry("./symlink/hermes-was-here", size=3), "symbolic link"),
    "hard link to outside": (entry("./shadow", kind=tarfile.LNKTYPE, to="/etc/shadow"), "hard link"),
    "hard link upwards": (entry("./shadow", kind=tarfile.LNKTYPE, to="../../etc/shadow"), "hard link"),
    "device": (entry("./dovecot/sda", kind=tarfile.BLKTYPE), "is a device"),
    "character device": (entry("./dovecot/mem", kind=tarfile.CHRTYPE), "is a device"),
    "of a restore": (entry("./.hermes-restore-vmail/new/file", size=3), "restore"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive(host: Host, kind: str) -> None:
    """Refused by its names alone; nothing of it is written anywhere."""
    hostile, said = HOSTILE[kind]
    link = entry("./symlink", kind=tarfile.SYMTYPE, to="/etc")
    content = archive_with(contents(host.backups["vmail"])["vmail.tar.gz"], link, hostile)
    refused(host, host.forged("vmail", {"vmail.tar.gz": content}), "vmail.tar.gz", said)
    assert not list(Path("/etc").glob("hermes-was-here*"))


def test_dumps_that_are_not_whole(host: Host) -> None:
    dumps = contents(host.backups["system"])["databases.tar.gz"]
    cases = {
        "closing": dumps_with(dumps, "Syslog", lambda text: text[: text.rindex(b"-- Dump completed")]),
        "Syslog": dumps_with(dumps, "Syslog", lambda _: b""),
        "djigzo": archive_edited(dumps, {"./djigzo.sql": None}),
    }
    for said, content in cases.items():
        refused(host, host.forged("system", {"databases.tar.gz": content}), "databases.tar.gz", said)


def test_an_ldif_that_is_not_whole(host: Host) -> None:
    ldif = contents(host.backups["system"])["ldap.ldif.gz"]
    cases = {
        "breaks-off": ldif[: len(ldif) // 2],
        "empty": gzip.compress(b""),
        "other-suffix": zipped(ldif, lambda text: text.replace(b"dc=hermes,dc=local", b"dc=other,dc=local")),
    }
    for content in cases.values():
        refused(host, host.forged("system", {"ldap.ldif.gz": content}), "ldap.ldif.gz")


@pytest.mark.parametrize(
    ("member", "edit", "said"),
    [
        pytest.param(
            "databases.tar.gz",
            lambda dumps: dumps_with(dumps, "Syslog", bad_statement),
            "Syslog",
            id="a statement in the fourth dump",
        ),
        pytest.param(
            "ldap.ldif.gz",
            lambda ldif: zipped(ldif, lambda text: text.replace(b"\nobjectClass: ", b"\nobjectClass ", 1)),
            "objectClass",
            id="a line of the LDIF",
        ),
        pytest.param(
            "ldap.ldif.gz",
            lambda ldif: zipped(ldif, lambda text: text.replace(b"\nuid: u7\n", b"\nunheardOf: u7\n")),
            "unheardOf",
            id="an attribute that slapd does not know",
        ),
    ],
)
def test_what_only_the_servers_find_is_found_while_mail_flows(
    host: Host, member: str, edit: Callable[[bytes], bytes], said: str
) -> None:
    """Loading fails beside the live data; what was staged until then is gone again."""
    content = edit(contents(host.backups["system"])[member])
    tarball = host.forged("system", {member: content})
    with host.untouched():
        run = restore(host.hermes, tarball)
    assert run.code == 1
    assert said in run.stderr
    assert "== Exchanging" not in run.stdout


def bad_statement(text: bytes) -> bytes:
    assert b"INSERT INTO `z_parent`" in text
    return text.replace(b"INSERT INTO `z_parent`", b"INSERT INTO `z_nobody`", 1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"COLLATE utf8mb4_bin", b"COLLATE utf8mb4_of_tomorrow", "utf8mb4_of_tomorrow"),
        (b"ENGINE=Aria", b"ENGINE=Tomorrow", "Tomorrow"),
    ],
)
def test_a_dump_that_needs_what_this_server_does_not_know(host: Host, old: bytes, new: bytes, said: str) -> None:
    dumps = contents(host.backups["system"])["databases.tar.gz"]
    content = dumps_with(dumps, "Syslog", lambda text: text.replace(old, new))
    refused(host, host.forged("system", {"databases.tar.gz": content}), said)


# The build and the topology


def of_another_build(told: Manifest) -> None:
    told["build_no"] = "v999999"


def of_another_place(told: Manifest) -> None:
    told["topology"]["vmail_mount"] = ELSEWHERE


def test_the_backup_of_another_build(host: Host) -> None:
    tarball = host.forged("vmail", manifest=of_another_build)
    refused(host, tarball, "v999999", "v260119", "FORCE_VERSION_MISMATCH=1")
    for value in ("yes", "true", "01", "2", ""):
        refused(host, tarball, "FORCE_VERSION_MISMATCH=1", environ={"FORCE_VERSION_MISMATCH": value})
    passes(host, tarball, environ={"FORCE_VERSION_MISMATCH": "1"})


def test_the_backup_of_another_topology(host: Host) -> None:
    tarball = host.forged("vmail", manifest=of_another_place)
    refused(host, tarball, ELSEWHERE, str(host.hermes.tiers["vmail"]), "FORCE_REMAP=1")
    for value in ("yes", "0"):
        refused(host, tarball, "FORCE_REMAP=1", environ={"FORCE_REMAP": value})
    passes(host, tarball, environ={"FORCE_REMAP": "1"})


def passes(host: Host, tarball: Path, *, environ: Mapping[str, str]) -> Restored:
    with host.untouched():
        run = restore(host.hermes, tarball, "--dry-run", environ=environ)
    assert run.code == 0, run.stderr
    assert "dry run: nothing was changed" in run.stdout
    return run


@pytest.mark.parametrize("scope", ["vmail", "system"])
def test_a_build_that_cannot_be_told_is_refused(host: Host, scope: str) -> None:
    """The server is down; nobody starts it to look."""
    host.hermes.engine.docker("stop", "hermes_db_server")
    before = containers_as_they_run(host.hermes)
    try:
        run = restore(host.hermes, host.backups[scope])
        assert containers_as_they_run(host.hermes) == before
    finally:
        host.hermes.up()
    assert run.code == 1
    assert "FORCE_VERSION_MISMATCH=1" in run.stderr
    assert "docker compose up -d hermes_db_server" in run.stderr


def test_compose_would_have_to_recreate_a_volume(host: Host) -> None:
    """It is named, and no force lets it pass."""
    config = contents(host.backups["system"])["config.tar.gz"]
    content = archive_edited(config, {"./docker-compose.yml": moved_volume})
    tarball = host.forged("system", {"config.tar.gz": content})
    refused(host, tarball, "nginx_logs", "recreate")
    refused(host, tarball, "nginx_logs", environ={"FORCE_REMAP": "1", "FORCE_VERSION_MISMATCH": "1"})


def moved_volume(text: bytes) -> bytes:
    assert b"${DATA_MOUNT}/nginx/logs" in text
    return text.replace(b"${DATA_MOUNT}/nginx/logs", b"${DATA_MOUNT}/nginx/other")


def test_compose_cannot_make_sense_of_the_restored_files(host: Host) -> None:
    config = contents(host.backups["system"])["config.tar.gz"]
    content = archive_edited(config, {"./docker-compose.yml": lambda _: b"services: [\n"})
    refused(host, host.forged("system", {"config.tar.gz": content}), "docker-compose.yml")


# The host


def test_a_tier_whose_disk_is_not_there(host: Host) -> None:
    """An empty folder is what an unmounted disk looks like."""
    vmail = host.hermes.tiers["vmail"]
    away = vmail.with_name("vmail.away")
    vmail.rename(away)
    vmail.mkdir()
    try:
        refused_as_it_is(host, host.backups["vmail"], "VMAIL_MOUNT", "mount")
        vmail.rmdir()
        refused_as_it_is(host, host.backups["vmail"], "VMAIL_MOUNT")
    finally:
        if vmail.exists():
            vmail.rmdir()
        away.rename(vmail)


def refused_as_it_is(host: Host, tarball: Path, *said: str) -> None:
    run = restore(host.hermes, tarball)
    assert run.code == 1, run.stdout
    for words in said:
        assert words in run.stderr


def test_a_hidden_folder_that_nobody_remembers(host: Host) -> None:
    left = host.hermes.tiers["vmail"] / ".hermes-restore-vmail"
    found = left.parent.stat()
    (left / "old").mkdir(parents=True)
    try:
        refused_as_it_is(host, host.backups["vmail"], str(left), "rm -rf --one-file-system")
        assert (left / "old").is_dir()
    finally:
        (left / "old").rmdir()
        left.rmdir()
        os.utime(left.parent, ns=(found.st_atime_ns, found.st_mtime_ns))


# All at once


def test_all_refusals_are_told_in_one_run(host: Host) -> None:
    def edit(told: Manifest) -> None:
        of_another_build(told)
        of_another_place(told)

    content = contents(host.backups["vmail"])["vmail.tar.gz"]
    device, _ = HOSTILE["device"]
    tarball = host.forged("vmail", {"vmail.tar.gz": archive_with(content, device)}, manifest=edit)
    run = refused(host, tarball, "is a device", "FORCE_VERSION_MISMATCH=1", "FORCE_REMAP=1", ELSEWHERE, "v999999")
    for gate in ("integrity: refused", "version: refused", "topology: refused"):
        assert gate in run.stdout
    refused(host, tarball, "is a device", environ={"FORCE_REMAP": "1", "FORCE_VERSION_MISMATCH": "1"})


# Who asks, and how


def test_without_a_terminal_and_without_yes_nothing_is_done(host: Host) -> None:
    with host.untouched():
        run = restore(host.hermes, host.backups["vmail"], asks=True)
    assert run.code == 1
    assert "--yes" in run.stderr


def test_the_dry_run_prints_the_plan_of_the_live_run(host: Host) -> None:
    with host.untouched():
        dry = restore(host.hermes, host.backups["all"], "--dry-run")
    assert dry.code == 0, dry.stderr
    assert dry.stderr == ""
    assert len(dry.plan) > 20
    assert not host.backups["all"].with_suffix(".restore.log").exists()


@pytest.mark.parametrize("scope", ["all", "vmail"])
@pytest.mark.parametrize("let_in", [True, False], ids=["may use the engine", "may not use the engine"])
def test_anybody_who_may_read_the_backup_may_ask_what_would_be_done(host: Host, scope: str, let_in: bool) -> None:
    folder = host.folder()
    folder.mkdir(parents=True)
    tarball = folder / host.backups[scope].name
    tarball.write_bytes(host.backups[scope].read_bytes())
    tarball.chmod(0o644)
    environ = environment(host.hermes, {"TMPDIR": "/nonexistent", "HOME": "/nonexistent"})
    with socket_open(host.hermes, let_in), host.untouched():
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, "-F", str(tarball), "-n"],
            cwd=SCRIPTS.parent,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert "fault of this tool" not in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dry run: nothing was changed" in done.stdout
    assert "not looked at: " in done.stdout
    assert list(folder.iterdir()) == [tarball]


@contextmanager
def socket_open(hermes: Miniature, let_in: bool) -> Iterator[None]:
    """Whether the user who is not root is let in at the engine's socket."""
    socket, folder = hermes.engine.socket, hermes.engine.run
    group, mode, above = socket.stat().st_gid, socket.stat().st_mode & 0o777, folder.stat().st_mode & 0o777
    if let_in:
        os.chown(socket, -1, NOBODY)
        socket.chmod(0o660)
        folder.chmod(0o711)
    try:
        yield
    finally:
        os.chown(socket, -1, group)
        socket.chmod(mode)
        folder.chmod(above)


def test_a_live_run_of_somebody_else_is_refused(host: Host) -> None:
    tarball = host.folder() / "readable.tar"
    tarball.parent.mkdir(parents=True)
    tarball.write_bytes(host.backups["vmail"].read_bytes())
    tarball.chmod(0o644)
    with host.untouched():
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, "-F", str(tarball), "--yes"],
            cwd=SCRIPTS.parent,
            env=environment(host.hermes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "sudo" in done.stderr
