"""The export of the LDAP directory, proven before slapd is given it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from attrs import frozen

from hermes_backup_core.domain.paths import shown

MOST_PROBLEMS = 20
_LONGEST_LINE = 64 << 10  # only a name must be known whole, and no server takes such a long one
_AROUND_SEPARATORS = re.compile(rb"\s*([,=+])\s*")


@frozen
class LdifFacts:
    """What an export holds: how many entries, and what is wrong with it, in sentences, at most `MOST_PROBLEMS`."""

    entries: int
    problems: tuple[str, ...] = ()


def check_ldif(chunks: Iterable[bytes], suffix: str) -> LdifFacts:
    """Return what the LDIF text ``chunks`` (RFC 2849) holds, if all of it is to lie at or below ``suffix``."""
    check = _Check(suffix)
    for line in _lines(chunks, check):
        check.see(line)
    return check.facts()


class _Check:
    def __init__(self, suffix: str) -> None:
        self.is_ended = True
        self._suffix = suffix
        self._plain_suffix = _plain(suffix.encode())
        self._entries = 0
        self._problems: list[str] = []
        self._between = True
        self._name: bytes | None = None

    def see(self, line: bytes) -> None:
        if line.startswith(b" "):
            if self._name is not None and len(self._name) < _LONGEST_LINE:
                self._name += line[1:]
            return
        self._end_name()
        if not line:
            self._between = True
        elif self._between and not line.startswith(b"#") and not self._is_version(line):
            self._begin(line)

    def facts(self) -> LdifFacts:
        self._end_name()
        if not self._entries:
            self._problem("it holds no entry")
        if not self.is_ended:
            self._problem("it breaks off in the middle of a line")
        return LdifFacts(self._entries, tuple(self._problems))

    def _is_version(self, line: bytes) -> bool:
        return not self._entries and line.startswith(b"version:")

    def _begin(self, line: bytes) -> None:
        self._between = False
        if line[:3].lower() == b"dn:":
            self._entries += 1
            self._name = line
        else:
            where = f"behind entry {self._entries}" if self._entries else "at its beginning"
            self._problem(f"{where} stands `{shown(line[:40])}` instead of the name of an entry")

    def _end_name(self) -> None:
        if self._name is None:
            return
        name, self._name = self._name[len(b"dn:") :], None
        try:
            name = base64.b64decode(name[1:].strip(), validate=True) if name.startswith(b":") else name.strip()
        except binascii.Error:
            self._problem(f"the name of entry {self._entries} is garbled")
            return
        if not _is_at_or_below(_plain(name), self._plain_suffix):
            self._problem(f"{shown(name[:200])} does not lie below {self._suffix}")

    def _problem(self, sentence: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(sentence)


def _plain(name: bytes) -> bytes:
    return _AROUND_SEPARATORS.sub(rb"\1", name).lower()


def _is_at_or_below(name: bytes, suffix: bytes) -> bool:
    if name == suffix:
        return True
    above = name.removesuffix(b"," + suffix)
    # A comma behind a backslash is part of a value.
    return above != name and (len(above) - len(above.rstrip(b"\\"))) % 2 == 0


def _lines(chunks: Iterable[bytes], check: _Check) -> Iterator[bytes]:
    """Yield lines less their breaks, the longest of them cut."""
    held = b""
    for chunk in chunks:
        *lines, held = (held + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)
        held = held[:_LONGEST_LINE]
    check.is_ended = not held
    if held:
        yield held
