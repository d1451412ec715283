"""Each scope in each layout of mounts: what is in the backup is what was on the host, and nothing else is."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from tests.stack.miniature import LAYOUTS, Engine, Miniature
from tests.stack.miniature.content.databases import BUILD_NO, DATABASES
from tests.stack.miniature.content.odd_files import HOLE
from tests.stack.miniature.tree import Facts, listing
from tests.stack.script import ACCOUNTS, DUMPS, MANIFEST_MEMBER, TIERS, Call, Opened, back_up, members, opened, standing

NEVER_IN_DATA = ("dbase", "mysql", "ldap/data", "mail_filter/data/clamav", "clamav")
NEVER_IN_CONFIG = ("install-logs", ".git")
# In `single`, all but these belong to the data tier. The first that a name lies in decides.
OWNERS_IN_SINGLE = {
    "dovecot/logs": "data",
    "dovecot/sieve": "data",
    "dovecot": "vmail",
    "amavis": "archive",
    "app": "nextcloud",
    "redis": "nextcloud",
}
SWITCHED = b"app/config/config.php"
SLACK_BLOCKS = 16


@dataclass(frozen=True)
class Host:
    """A Hermes in one of the layouts, and an `all` backup of it; both are as they were when that was made."""

    hermes: Miniature
    call: Call
    backup: Opened

    @property
    def paths(self) -> dict[str, Path]:
        return {"config": self.hermes.root, **self.hermes.tiers}

    @cached_property
    def live(self) -> dict[str, dict[bytes, Facts]]:
        """What each tier's archive is due to hold, worked out from the live folders."""
        return {tier: self.due(tier) for tier in self.paths}

    @cached_property
    def unpacked(self) -> dict[str, dict[bytes, Facts]]:
        return {tier: listing(self.backup.unpack(tier)) for tier in self.paths}

    def due(self, tier: str) -> dict[bytes, Facts]:
        never = {"config": NEVER_IN_CONFIG, "data": NEVER_IN_DATA}.get(tier, ())
        if self.hermes.layout.name == "single" and tier != "config":
            mine = {name for name in self.on_the_one_disk if owner_in_single(name) == tier}
            above = {parent for name in mine for parent in parents(name)}
            return {name: facts for name, facts in self.on_the_one_disk.items() if name in mine | above}
        if self.hermes.layout.name == "nested" and tier == "data":
            never = (*never, "amavis")
        return less_sockets(listing(self.paths[tier], leave_out=never))

    @cached_property
    def on_the_one_disk(self) -> dict[bytes, Facts]:
        return less_sockets(listing(self.paths["data"], leave_out=NEVER_IN_DATA))


def less_sockets(found: dict[bytes, Facts]) -> dict[bytes, Facts]:
    return {name: facts for name, facts in found.items() if facts.kind != "socket"}


def owner_in_single(name: bytes) -> str:
    for folder, tier in OWNERS_IN_SINGLE.items():
        if within(name, folder):
            return tier
    return "data"


def within(name: bytes, folder: str) -> bool:
    return name == os.fsencode(folder) or name.startswith(os.fsencode(folder) + b"/")


def parents(name: bytes) -> Iterator[bytes]:
    yield b"."
    while name := os.path.dirname(name):
        yield name


@pytest.fixture(scope="module", params=LAYOUTS)
def host(request: pytest.FixtureRequest, engine: Engine, folders: Iterator[Path]) -> Iterator[Host]:
    with standing(engine, next(folders), layout=request.param) as hermes:
        add_names_that_mislead(hermes)
        call = back_up(hermes, "all")
        yield Host(hermes, call, opened(call.tarball, hermes.base / "unpacked"))


def add_names_that_mislead(hermes: Miniature) -> None:
    """Names like those that are left out, at other places, and the guide's names of those that are."""
    data = hermes.tiers["data"]
    for name in ("mysql/ibdata1", "clamav/daily.cld", "mysqldump/keep", "linkguard/clamav/keep", "nginx/dbase/keep"):
        write(data / name)
    for name in ("ldap/data.ldif", "mail_filter/data/clamav.conf", "linkguard/.git/keep", "linkguard/amavis/keep"):
        write(data / name)
    for name in ("config/.git/keep", "config/install-logs/keep", ".gitignore"):
        write(hermes.root / name)


def write(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{file.name}\n")


def differences(due: dict[bytes, Facts], found: dict[bytes, Facts]) -> dict[bytes, tuple[Facts | None, Facts | None]]:
    """The names that only one of the two has, or that are not the same in both."""
    return {
        name: (due.get(name), found.get(name)) for name in due.keys() | found.keys() if due.get(name) != found.get(name)
    }


@pytest.mark.parametrize("scope", TIERS)
def test_a_scope_holds_exactly_its_members(host: Host, scope: str) -> None:
    """The names, the log and the modes are as due, whichever of its two names the script was called by."""
    script = {"vmail": "system_backup.sh", "system": "system_backup.sh"}.get(scope, "system_backup.py")
    call = host.call if scope == "all" else back_up(host.hermes, scope, script=script)

    dumps = (ACCOUNTS, *DUMPS) if scope in ("system", "all") else ()
    due = [MANIFEST_MEMBER, *dumps, *(f"{tier}.tar.gz" for tier in TIERS[scope])]
    found = members(call.tarball)
    assert found[0] == MANIFEST_MEMBER
    assert sorted(found) == sorted(due)
    assert re.fullmatch(rf"hermes-backup-{scope}-{BUILD_NO}-\d{{8}}T\d{{6}}Z\.tar", call.tarball.name)
    assert sorted(call.output.iterdir()) == [call.tarball.with_suffix(".log"), call.tarball]
    assert {stat.S_IMODE(file.stat().st_mode) for file in call.output.iterdir()} == {0o600}
    assert call.stderr == ""
    check_manifest(host, call, scope)


def check_manifest(host: Host, call: Call, scope: str) -> None:
    """What the manifest says is so: of the run, of the host, and of every member's bytes."""
    folder = host.hermes.base / "opened" / call.tarball.stem
    backup = opened(call.tarball, folder)
    manifest = backup.manifest
    tiers = host.hermes.tiers
    assert {
        key: manifest[key] for key in ("manifest_version", "build_no", "scope", "mode", "timestamp", "hostname")
    } == {
        "manifest_version": "1.0",
        "build_no": BUILD_NO,
        "scope": scope,
        "mode": "hot",
        "timestamp": call.tarball.stem.rpartition("-")[2],
        "hostname": socket.gethostname(),
    }
    assert manifest["topology"] == {
        "config_path": str(host.hermes.root),
        "data_mount": str(tiers["data"]),
        "archive_mount": str(tiers["archive"]),
        "vmail_mount": str(tiers["vmail"]),
        "files_mount": str(tiers["nextcloud"]),
    }
    assert (manifest["databases"], manifest["ldap_suffix"]) == (list(DATABASES), "dc=hermes,dc=local")
    with_dumps = scope in ("system", "all")
    due = [*(DUMPS if with_dumps else ()), *(f"{tier}.tar.gz" for tier in TIERS[scope])]
    assert list(manifest["archives"]) == due
    assert list(manifest["accounts"]) == ([ACCOUNTS] if with_dumps else [])
    for name, entry in (manifest["archives"] | manifest["accounts"]).items():
        content = (folder / name).read_bytes()
        assert (entry["sha256"], entry["size_bytes"]) == (hashlib.sha256(content).hexdigest(), len(content)), name
    assert manifest["compose"] == {"project": "hermes-seg-docker-gl", "volumes": volumes_by_the_engine(host.hermes)}
    assert "changed_files" not in manifest
    for tier in TIERS[scope]:
        assert sorted(backup.names(tier)) == sorted(host.backup.names(tier))
        assert manifest["archives"][f"{tier}.tar.gz"]["entries"] == len(backup.names(tier))


def volumes_by_the_engine(hermes: Miniature) -> dict[str, str]:
    names = hermes.engine.docker("volume", "ls", "-q").decode().split()
    # One that the engine keeps itself is no folder of the host's, and in no tier.
    template = '{{if .Options}}{{index .Labels "com.docker.compose.volume"}}\t{{.Options.device}}{{end}}'
    lines = hermes.engine.docker("volume", "inspect", "--format", template, *names).decode().splitlines()
    return dict(line.split("\t") for line in lines if line)


@pytest.mark.parametrize("tier", TIERS["all"])
def test_a_tier_comes_out_of_its_archive_as_it_lay_there(host: Host, tier: str) -> None:
    """Entry by entry: kind, owner, mode, time, size, content, targets, hard links, ACLs, xattrs, the top folder.

    Only Nextcloud's own switch differs: it was on while its files were packed.
    """
    different = differences(host.live[tier], host.unpacked[tier])
    expected = {SWITCHED} if tier == "nextcloud" else set()
    assert different.keys() == expected, different
    kinds = {"file", "folder", "link"} if tier == "config" else {"file", "folder", "link", "fifo"}
    assert {facts.kind for facts in host.unpacked[tier].values()} == kinds


def test_the_switch_is_in_the_backup_as_it_was_then(host: Host) -> None:
    packed = host.backup.unpack("nextcloud") / os.fsdecode(SWITCHED)
    assert "'maintenance' => true" in packed.read_text()
    assert "'maintenance' => false" in (host.hermes.tiers["nextcloud"] / os.fsdecode(SWITCHED)).read_text()


def test_holes_take_no_room_after_unpacking_either(host: Host) -> None:
    for tier in TIERS["all"][1:]:
        sparse = [name for name, facts in host.live[tier].items() if facts.holes]
        assert len([name for name in sparse if host.live[tier][name].size >= HOLE]) == 2
        for name in sparse:
            before = os.lstat(os.path.join(bytes(host.paths[tier]), name)).st_blocks
            after = os.lstat(os.path.join(bytes(host.backup.unpack(tier)), name)).st_blocks
            assert after <= before + SLACK_BLOCKS, name


def test_every_file_on_the_host_is_in_one_archive_or_left_out_on_purpose(host: Host) -> None:
    """None twice, none forgotten: sockets, live databases, signatures, `.git/`, `install-logs/` are all that lacks."""
    archived = Counter(
        os.path.join(bytes(host.paths[tier]), name)
        for tier, found in host.unpacked.items()
        for name, facts in found.items()
        if facts.kind != "folder"
    )
    on_host = [*files_below(host.hermes.base / "mnt"), *files_below(host.hermes.root)]
    left_out = {path for path in on_host if is_left_out(host, path)}
    assert {path: archived[path] for path in on_host} == {path: int(path not in left_out) for path in on_host}
    assert archived.total() == len(on_host) - len(left_out)
    for part in (b"/dbase/", b"/mysql/", b"/ldap/data/", b"/data/clamav/", b"/.git/", b"/install-logs/", b"/socket"):
        assert any(part in path for path in left_out), part


def is_left_out(host: Host, path: bytes) -> bool:
    never = [host.paths["data"] / name for name in NEVER_IN_DATA] + [
        host.paths["config"] / name for name in NEVER_IN_CONFIG
    ]
    return stat.S_ISSOCK(os.lstat(path).st_mode) or any(path.startswith(bytes(folder) + b"/") for folder in never)


def files_below(top: Path) -> Iterator[bytes]:
    for folder, folders, files in os.walk(bytes(top)):
        yield from (os.path.join(folder, name) for name in files)
        yield from (os.path.join(folder, name) for name in folders if os.path.islink(os.path.join(folder, name)))


def test_each_socket_is_named_in_a_warning(host: Host) -> None:
    for tier in TIERS["all"][1:]:
        (warning,) = (text for text in host.call.warnings if text.startswith(f"{tier}: ") and "sockets" in text)
        assert "socket" in warning
    assert len(host.call.warnings) == len(TIERS["all"]) - 1
