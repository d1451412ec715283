"""The fake of the host's folders keeps the rules of a real file system, and tells of what no restore may do."""

from __future__ import annotations

import errno

import pytest

from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.trees import MemoryTrees
from tests.unit.fakes.wiring import restore_host

HIDDEN = "/mnt/data/.hermes-restore-data"


class Killed(BaseException):
    """The run ends here."""


def down() -> MemoryHost:
    host = restore_host()
    for box in host.boxes.values():
        box.state = "exited"
    return host


def kill_at(host: MemoryHost, number: int) -> None:
    ends = iter(range(1000))

    def hook(moment: str, count: int, call: str) -> None:
        if next(ends) == number:
            raise Killed

    host.hook = hook


@pytest.mark.parametrize(
    ("path", "target", "code"),
    [
        ("/mnt/data/nothing", "/mnt/data/new", errno.ENOENT),
        ("/mnt/data/nginx", "/mnt/data/no/new", errno.ENOENT),
        ("/mnt/data/nginx", "/mnt/data/ldap", errno.EEXIST),
        ("/mnt/data/nginx", "/mnt/vmail/nginx", errno.EXDEV),
        ("/mnt/data", "/mnt/else", errno.EBUSY),
        ("/mnt/data/nginx", "/mnt/data/nginx/below", errno.EINVAL),
    ],
)
def test_a_rename_that_a_kernel_refuses_changes_nothing(path: str, target: str, code: int) -> None:
    host = down()
    before = host.state()
    with pytest.raises(OSError, match=rf"\[Errno {code}\]"):
        MemoryTrees(host).rename(path, target)
    assert host.state() == before


def test_a_rename_takes_all_along_and_back_again() -> None:
    host = down()
    trees = MemoryTrees(host)
    trees.make_folder(f"{HIDDEN}/old")
    before = host.state()
    trees.rename("/mnt/data/nginx", f"{HIDDEN}/old/nginx")
    assert not trees.exists("/mnt/data/nginx/keys/site.key")
    assert host.files[f"{HIDDEN}/old/nginx/keys/site.key"] == b"key"
    assert host.links[f"{HIDDEN}/old/nginx/current"] == "site.conf"
    assert host.shapes[f"{HIDDEN}/old/nginx"] == "0:0 0755"
    trees.rename(f"{HIDDEN}/old/nginx", "/mnt/data/nginx")
    assert host.state() == before
    assert host.violations == []


def test_live_data_that_moves_while_containers_run_is_told() -> None:
    host = restore_host()
    trees = MemoryTrees(host)
    trees.make_folder(HIDDEN)
    trees.rename("/mnt/data/nginx", f"{HIDDEN}/nginx")
    assert len(host.violations) == 1
    trees.make_folder("/mnt/data/nginx")
    trees.remove("/mnt/data/nginx")
    assert host.violations[1:] == ["removed /mnt/data/nginx, which is not a restore's own"]


def test_a_folder_that_is_mounted_from_and_moves_is_told() -> None:
    host = down()
    trees = MemoryTrees(host)
    trees.make_folder(HIDDEN)
    trees.rename("/mnt/data/ldap", f"{HIDDEN}/ldap")
    assert host.violations == ["moved /mnt/data/ldap/data away, which something is mounted on or from"]


def test_what_something_is_mounted_in_is_not_removed() -> None:
    host = down()
    host.devices[f"{HIDDEN}/new/inner"] = 99
    host.add(f"{HIDDEN}/new/inner/file")
    with pytest.raises(OSError, match="mounted"):
        MemoryTrees(host).remove(HIDDEN)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_file_that_is_replaced_is_never_missing_wherever_that_breaks_off(goes_on: bool) -> None:
    for number in range(20):
        host = down()
        trees = MemoryTrees(host)
        new, live, old = f"{HIDDEN}/new/.env", "/mnt/data/.env", f"{HIDDEN}/old/.env"
        host.add(new, b"new")
        host.add(live, b"old")
        host.add_folder(f"{HIDDEN}/old")
        kill_at(host, number)
        try:
            trees.replace(new, live, old)
        except Killed:
            assert host.files[live] in (b"new", b"old")
        else:
            assert number == 4
            break
        host.hook = None
        if goes_on:
            trees.replace(new, live, old)
        elif trees.exists(old):
            trees.replace(old, live, new)
        contents = {path: host.files.get(path) for path in (new, live, old)}
        expected = {new: None, live: b"new", old: b"old"} if goes_on else {new: b"new", live: b"old", old: None}
        assert contents == expected, number


def test_shapes_go_from_one_folder_to_another_and_from_a_file_to_all_in_a_folder() -> None:
    host = down()
    trees = MemoryTrees(host)
    trees.shape_like("/mnt/data/nginx", "/mnt/vmail")
    assert host.shapes["/mnt/data/nginx"] == "5000:5000 0700"
    trees.own_like("/mnt/data/nginx", "/mnt/data/ldap/data/data.mdb")
    assert host.shapes["/mnt/data/nginx/site.conf"] == "101:102 0600"
    assert host.shapes["/mnt/data/nginx/keys/site.key"] == "0:0 0644"
