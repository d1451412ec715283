"""The machine's own addresses, out of what the kernel says."""

from __future__ import annotations

from pathlib import Path

from hermes_backup_core.adapters.machine import own_addresses

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.17
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
"""
INET6 = """fd000000000000000000000000000002 04 40 00 82     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


def test_the_local_addresses_are_found_and_no_networks(tmp_path: Path) -> None:
    (tmp_path / "trie").write_text(TRIE)
    (tmp_path / "inet6").write_text(INET6)
    found = own_addresses(str(tmp_path / "trie"), str(tmp_path / "inet6"))
    assert found == {"127.0.0.1", "192.0.2.17", "fd00::2", "::1"}


def test_what_the_kernel_does_not_tell_is_none(tmp_path: Path) -> None:
    assert own_addresses(str(tmp_path / "none"), str(tmp_path / "none")) == frozenset()


def test_this_machine_has_one() -> None:
    assert "127.0.0.1" in own_addresses()
