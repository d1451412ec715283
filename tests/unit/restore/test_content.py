"""Proving a backup: what it holds, everything that is wrong with it at once, and nothing of it taken on trust."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hermes_backup_core.archive.outer import OuterTar
from hermes_backup_core.archive.reader import BackupReader, DamagedBackup, NotABackup
from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.errors import Ended
from hermes_backup_core.domain.manifest import ManifestError
from hermes_backup_core.domain.scope import (
    ACCOUNTS_MEMBER,
    DATABASES,
    DATABASES_MEMBER,
    LDAP_MEMBER,
    MANIFEST_MEMBER,
    Mode,
    Scope,
    Tier,
)
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.restore.content import prove, read_manifest
from tests.unit.fakes.host import ROOT, MemoryHost, one_disk_host
from tests.unit.fakes.watching import MemoryReporter
from tests.unit.fakes.wiring import CREDENTIALS, SLAPD_CONFIG, back_up, request_of, restore_host, saved

SAMPLE = Path(__file__).parents[2] / "samples" / "hermes-backup-vmail-v260119-20261124T230101Z.tar"
HERE = Topology(ROOT, "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")
ALL_MEMBERS = (*Scope.ALL.members, ACCOUNTS_MEMBER)

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of everything, as we make it."""
    return made(restore_host(), tmp_path_factory.mktemp("sound"))


def made(host: MemoryHost, folder: Path, scope: Scope = Scope.ALL) -> Path:
    return Path(saved(host, back_up(host, request_of(scope, Mode.COLD)).path, folder))


def proven(path: Path, topology: Topology = HERE, host: MemoryHost | None = None) -> Contents:
    tiers = read_manifest(str(path)).scope.tiers
    selections: Mapping[Tier, TierSelection] = {tier: topology.select(tier) for tier in tiers}
    return prove(str(path), selections, MemoryReporter(host or MemoryHost()))


def changed(path: Path, target: Path, members: Mapping[str, bytes], manifest: Change = lambda _: None) -> Path:
    """Write the backup ``path`` anew, with other ``members`` whose checksums are right, and its manifest changed."""
    with BackupReader(str(path)) as reader, target.open("x+b") as file:
        said = json.loads(reader.manifest_bytes())
        outer = OuterTar(file, mtime=1)
        for name in [name for name in reader.members if name != MANIFEST_MEMBER]:
            with outer.member(name) as sink, reader.open_member(name) as old:
                sink.write(members.get(name, old.read()))
            kind = "accounts" if name == ACCOUNTS_MEMBER else "archives"
            said[kind][name] |= {"sha256": sink.record.sha256, "size_bytes": sink.record.size_bytes}
        manifest(said)
        outer.finish(json.dumps(said).encode())
    return target


def archive(*entries: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for info in entries:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return stream.getvalue()


def entry(name: str, **attributes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


# Sound backups


@pytest.mark.parametrize("scope", Scope)
def test_what_we_back_up_is_sound_and_its_content_is_known(scope: Scope, tmp_path: Path) -> None:
    host = restore_host()
    contents = proven(made(host, tmp_path, scope))
    assert contents.problems == ()
    assert set(contents.tiers) == set(scope.tiers)
    for tier, held in contents.tiers.items():
        files = [data for path, data in host.files.items() if HERE.select(tier).holds(path)]
        assert held.content_bytes == sum(map(len, files))
        assert held.entries >= len(files)
    assert set(contents.dumps) == (set(DATABASES) if scope.has_dumps else set())
    assert contents.ldap_entries == (2 if scope.has_dumps else None)
    assert bool(contents.files) is (Tier.CONFIG in scope.tiers)


def test_the_dumps_are_known_by_their_tables_and_programs(sound: Path) -> None:
    dump = proven(sound).dumps["djigzo"]
    assert dump.tables == {"parent", "child"}
    assert dump.text_bytes > 100
    assert dump.programs == 2
    assert "utf8mb4" in dump.defaults


def test_the_files_that_a_restore_must_know_beforehand_are_read(sound: Path) -> None:
    files = proven(sound).files
    host = restore_host()
    assert set(files) == {
        path.removeprefix(f"{ROOT}/")
        for path in host.files
        if path in (f"{ROOT}/.env", f"{ROOT}/docker-compose.yml")
        or path.startswith((f"{CREDENTIALS}/", f"{SLAPD_CONFIG}/cn=config/olcDatabase="))
    }
    assert files[".env"] == host.files[f"{ROOT}/.env"]


def test_what_the_shell_scripts_made_is_sound() -> None:
    contents = proven(SAMPLE)
    assert contents.problems == ()
    assert contents.tiers[Tier.VMAIL].entries == 41


def test_a_tier_of_one_disk_is_sound_wherever_it_goes(tmp_path: Path) -> None:
    path = made(one_disk_host(), tmp_path, Scope.VMAIL)
    one = Topology(ROOT, "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one")
    assert proven(path, one).problems == ()
    assert proven(path).tiers == proven(path, one).tiers


def test_what_is_another_tiers_here_stays_out(sound: Path) -> None:
    nested = Topology(ROOT, "/mnt/data", "/mnt/data/nginx", "/mnt/vmail", "/mnt/files")
    contents = proven(sound, nested)
    assert contents.tiers[Tier.DATA].excluded == ("./nginx",)
    assert contents.tiers[Tier.DATA].content_bytes == 0


def test_every_byte_is_read_and_told_of(sound: Path) -> None:
    host = MemoryHost()
    proven(sound, host=host)
    total = sum(member.size_bytes for member in read_manifest(str(sound)).members.values())
    assert host.lines("progress") == [f"checking the backup: {total} of {total}"]


# Damage


@pytest.mark.parametrize("name", ALL_MEMBERS)
@pytest.mark.parametrize("where", [0.0, 0.5, 0.999])
def test_a_single_flipped_bit_in_any_member_is_told_of_once(
    name: str, where: float, sound: Path, tmp_path: Path
) -> None:
    with BackupReader(str(sound)) as reader:
        member = reader.members[name]
    data = bytearray(sound.read_bytes())
    data[member.offset + int(member.size_bytes * where)] ^= 1
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(data)
    contents = proven(damaged)
    assert contents.problems == (f"the checksum of {name} is not what the manifest says",)
    assert bool(contents.files) is (name != Tier.CONFIG.member)


@pytest.mark.parametrize("name", ALL_MEMBERS)
def test_a_member_that_breaks_off_under_a_right_checksum_is_damaged(name: str, sound: Path, tmp_path: Path) -> None:
    with BackupReader(str(sound)) as reader, reader.open_member(name) as member:
        whole = member.read()
    contents = proven(changed(sound, tmp_path / "b.tar", {name: whole[: len(whole) // 2]}))
    assert contents.problems
    assert all(problem.startswith(f"{name}: ") for problem in contents.problems)
    assert "damaged" in contents.problems[0]


HOSTILE = [
    ("a device", Tier.VMAIL.member, archive(entry("./d", type=tarfile.BLKTYPE)), "./d is a device"),
    ("a way out", Tier.VMAIL.member, archive(entry("./../x")), "./../x leads out of the tier"),
    ("no archive at all", Tier.DATA.member, gzip.compress(b"x" * 2000), "it is damaged ("),
    ("no dump", DATABASES_MEMBER, archive(), "there is no dump of hermes"),
    ("no entry", LDAP_MEMBER, gzip.compress(b"# nothing\n"), "it holds no entry"),
    ("no gzip", LDAP_MEMBER, b"dn: dc=hermes,dc=local\n", "it is damaged ("),
    ("no accounts", ACCOUNTS_MEMBER, b"SELECT 1", "it is damaged ("),
]


@pytest.mark.parametrize(("name", "data", "problem"), [c[1:] for c in HOSTILE], ids=[c[0] for c in HOSTILE])
def test_a_member_that_no_backup_holds_is_refused_whatever_its_checksum(
    name: str, data: bytes, problem: str, sound: Path, tmp_path: Path
) -> None:
    contents = proven(changed(sound, tmp_path / "b.tar", {name: data}))
    assert contents.problems[0].startswith(f"{name}: ")
    assert problem in contents.problems[0]
    assert {problem.partition(":")[0] for problem in contents.problems} == {name}


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_manifest(sound: Path, tmp_path: Path) -> None:
    def lie(manifest: dict[str, Any]) -> None:
        manifest["archives"]["archive.tar.gz"]["sha256"] = "0" * 64
        manifest["archives"]["nextcloud.tar.gz"]["size_bytes"] += 1
        manifest["topology"]["vmail_mount"] = "../../etc"
        manifest["accounts"]["extra.sql"] = {"sha256": "0" * 64, "size_bytes": 1}

    members = {DATABASES_MEMBER: archive(), "vmail.tar.gz": archive(entry("/etc/passwd"))}
    path = changed(sound, tmp_path / "b.tar", members, lie)
    size = read_manifest(str(path)).members["nextcloud.tar.gz"].size_bytes
    assert proven(path).problems == (
        "the manifest says that the vmail tier lay at '../../etc', which is no absolute path",
        "it lacks extra.sql, which its manifest lists",
        f"nextcloud.tar.gz has {size - 1} bytes and its manifest says {size}",
        *(f"databases.tar.gz: there is no dump of {name}" for name in DATABASES),
        "the checksum of archive.tar.gz is not what the manifest says",
        "vmail.tar.gz: /etc/passwd is an absolute name",
    )


def test_a_directory_whose_member_cannot_be_looked_into_has_no_entries(sound: Path, tmp_path: Path) -> None:
    def lie(manifest: dict[str, Any]) -> None:
        manifest["archives"][LDAP_MEMBER]["size_bytes"] += 1

    contents = proven(changed(sound, tmp_path / "b.tar", {}, lie))
    assert len(contents.problems) == 1
    assert contents.ldap_entries is None


# What is no backup


def test_what_is_no_backup_raises(sound: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"x" * 2000)
    with pytest.raises(NotABackup):
        prove(str(other), {}, MemoryReporter(MemoryHost()))
    with pytest.raises(FileNotFoundError):
        prove(str(tmp_path / "nothing"), {}, MemoryReporter(MemoryHost()))
    other.write_bytes(sound.read_bytes()[:-20_000])
    with pytest.raises(DamagedBackup):
        prove(str(other), {}, MemoryReporter(MemoryHost()))


def test_a_manifest_that_breaks_a_rule_raises(sound: Path, tmp_path: Path) -> None:
    path = changed(sound, tmp_path / "b.tar", {}, lambda manifest: manifest.pop("hostname"))
    with pytest.raises(ManifestError):
        prove(str(path), {}, MemoryReporter(MemoryHost()))


# Ends


class Ending(MemoryReporter):
    """Ends the run when the first bytes were read."""

    @contextmanager
    def progress(self, task: str, total: int | None) -> Iterator[Callable[[int], None]]:
        calls = iter([Ended("SIGTERM", 15)])

        def advance(_count: int) -> None:
            if ended := next(calls, None):
                raise ended
            time.sleep(0.05)  # for who waits to hear of it

        yield advance


def test_a_run_that_ends_meanwhile_leaves_no_thread(sound: Path) -> None:
    before = threading.active_count()
    with pytest.raises(Ended):
        prove(str(sound), {tier: HERE.select(tier) for tier in Tier}, Ending(MemoryHost()))
    assert threading.active_count() == before
