"""The fake of what unpacks a tier takes real tar streams, as the fake of what packs one makes them."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.paths import is_within, join, relative
from hermes_backup_core.domain.selection import TierSelection
from tests.unit.fakes.files import MemoryTiers
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.target import MemoryTarget
from tests.unit.fakes.wiring import damaged, restore_host

NEW = "/mnt/data/.hermes-restore-data/new"


def packed(host: MemoryHost, root: str = "/mnt/data") -> list[bytes]:
    chunks: list[bytes] = []
    MemoryTiers(host).pack(TierSelection(root, left_out=("dbase", "ldap/data")), chunks.append, tag="CACHEDIR.TAG")
    return chunks


def tree(host: MemoryHost, folder: str) -> dict[str, tuple[object, ...]]:
    entries = {*host.files, *host.links, *host.folders}
    return {
        relative(path, folder): (host.files.get(path), host.links.get(path), host.shapes.get(path))
        for path in entries
        if is_within(path, folder)
    }


def test_what_was_packed_comes_out_again_with_links_owners_and_modes() -> None:
    host = restore_host()
    before = {name: what for name, what in tree(host, "/mnt/data").items() if not name.startswith(("dbase", "ldap/d"))}
    chunks = packed(host)
    host.add_folder(NEW)
    MemoryTarget(host).unpack(chunks, NEW)
    assert tree(host, NEW) == before


def test_names_that_are_excluded_stay_out_with_all_below() -> None:
    host = restore_host()
    chunks = packed(host)
    host.add_folder(NEW)
    MemoryTarget(host).unpack(chunks, NEW, excluded=("./nginx/keys", "ldap"))
    assert {name for name in tree(host, NEW) if name} == {"nginx", "nginx/site.conf", "nginx/current"}


def test_below_a_folder_its_content_alone_is_unpacked_as_the_top() -> None:
    host = restore_host()
    host.shapes["/mnt/data/nginx/keys"] = "3:3 0711"
    chunks = packed(host)
    host.add_folder(NEW)
    MemoryTarget(host).unpack(chunks, NEW, below="nginx/keys")
    assert tree(host, NEW) == {"": (None, None, "3:3 0711"), "site.key": (b"key", None, "0:0 0644")}


def test_a_full_disk_and_a_failing_program_are_errors() -> None:
    host = restore_host()
    chunks = packed(host)
    host.add_folder(NEW)
    host.full_after = 5
    with pytest.raises(CommandFailed, match="No space left"):
        MemoryTarget(host).unpack(chunks, NEW)
    host.full_after, host.unpack_trouble = None, "tar: killed"
    with pytest.raises(CommandFailed, match="tar: killed"):
        MemoryTarget(host).unpack(chunks, NEW)


def test_a_tier_is_brought_in_line_with_its_copy_but_for_what_stays() -> None:
    host = restore_host()
    chunks = packed(host)
    damaged(host)
    before = tree(host, "/mnt/data/dbase")
    host.add_folder("/spare/new")
    target = MemoryTarget(host)
    target.unpack(chunks, "/spare/new")
    target.sync("/spare/new", "/mnt/data", stays=("/mnt/data/dbase", "/mnt/data/ldap/data"))
    assert tree(host, "/mnt/data/nginx") == tree(host, "/spare/new/nginx")
    assert "/mnt/data/added" not in host.folders
    assert tree(host, "/mnt/data/dbase") == before
    assert join("/mnt/data/ldap/data", "data.mdb") in host.files
