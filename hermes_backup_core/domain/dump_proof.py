"""What a whole dump shows: the names of all that it makes, and its closing line."""

from __future__ import annotations

import re

from attrs import define, field

OVERLAP = 1024
"""Longer than the longest line can be that is looked for: a name has 64 characters."""

_CLOSING = re.compile(rb"\n-- Dump completed[^\n]*\s*\Z")


@define
class DumpProof:
    """Watches a dump go by, and tells afterwards what it named and whether it was closed."""

    _found: set[str] = field(factory=set, init=False)
    _tail: bytes = field(default=b"\n", init=False)

    # Server and client write these at the start of a line, and line breaks inside values as `\n`.
    _CREATES = re.compile(
        rb"\n(?:/\*![0-9]+ )?(?:CREATE (?:OR REPLACE )?)?(?:ALGORITHM=\S+ )?(?:TABLE|VIEW|SEQUENCE) "
        rb"(?:IF NOT EXISTS )?`((?:[^`]|``)+)`(?=[^`])"
    )

    def feed(self, chunk: bytes) -> None:
        """Look at the next piece of the dump."""
        text = self._tail + chunk
        for match in self._CREATES.finditer(text):
            self._found.add(match[1].replace(b"``", b"`").decode("utf-8", "surrogateescape"))
        self._tail = text[-OVERLAP:]

    @property
    def names(self) -> frozenset[str]:
        """The tables, views and sequences that the dump makes."""
        return frozenset(self._found)

    @property
    def is_closed(self) -> bool:
        """Whether the dump's last line is the one that only a whole dump has."""
        return closes(self._tail)


def closes(tail: bytes) -> bool:
    """Whether the dump that ends with ``tail`` (`OVERLAP` bytes, or all of it behind a line break) is whole."""
    return _CLOSING.search(tail) is not None
