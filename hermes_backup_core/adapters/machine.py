"""This machine's own addresses, as the kernel lists them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

FIB_TRIE = "/proc/net/fib_trie"
IF_INET6 = "/proc/net/if_inet6"

_LOCAL_IPV4 = re.compile(r"\|-- ([0-9.]+)\n\s*/32 host LOCAL\b")


def own_addresses(fib_trie: str = FIB_TRIE, if_inet6: str = IF_INET6) -> frozenset[str]:
    """Return the IPv4 and IPv6 addresses of this machine; none of a kind that the kernel does not tell."""
    return frozenset((*_LOCAL_IPV4.findall(_text(fib_trie)), *_ipv6(_text(if_inet6))))


def _ipv6(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield str(ipaddress.IPv6Address(int(line.split()[0], 16)))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""
