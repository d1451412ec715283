"""What GNU tar says on stderr while it reads, sorted by what it means for a backup."""

from __future__ import annotations

import re

MOST_REMARKS = 100

_PREFIX = re.compile(rb"\A[^:]*tar: ")
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_CONTROLS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_CHANGED = re.compile(rb": (?:file changed as we read it|File shrank by \d+ bytes?; padding with zeros)$")
_REMOVED = re.compile(rb": File removed before we read it$")
_SOCKET = re.compile(rb": socket ignored$")
_GONE = re.compile(rb": Cannot (?:stat|open): (?:No such file or directory|Not a directory)$")
_CLOSING = b"Exiting with failure status due to previous errors"


class TarMessages:
    """Sort tar's lines as they come; names are the real bytes, as tar was given them (`./…`).

    tar must run with `LC_ALL=C` and `--quoting-style=escape`: then a name never holds a line break or an
    unquoted colon. `changed` were written to, replaced or cut while they were read, `removed` went away
    before, `gone` are names that tar was asked for and that do not exist, `sockets` it never packs.
    `remarks` are the other lines, the last `MOST_REMARKS` of them. Names are kept once, in order.
    """

    def __init__(self) -> None:
        self.changed: dict[bytes, None] = {}
        self.removed: dict[bytes, None] = {}
        self.gone: dict[bytes, None] = {}
        self.sockets: dict[bytes, None] = {}
        self.remarks: list[str] = []
        self._kinds = (
            (_CHANGED, self.changed),
            (_REMOVED, self.removed),
            (_GONE, self.gone),
            (_SOCKET, self.sockets),
        )

    def take(self, line: bytes) -> None:
        """Sort one line."""
        text = _PREFIX.sub(b"", line.rstrip(b"\n"), count=1)
        for pattern, names in self._kinds:
            if match := pattern.search(text):
                names[unquoted(text[: match.start()])] = None
                return
        if text and text != _CLOSING:
            self.remarks.append(text.decode("ascii", "backslashreplace"))
            del self.remarks[:-MOST_REMARKS]


def unquoted(name: bytes) -> bytes:
    """Return the name that `--quoting-style=escape` wrote as `name`."""
    return _ESCAPED.sub(_unescaped, name)


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if len(code) == 3:
        return bytes((int(code, 8) & 0xFF,))
    return _CONTROLS.get(code, code)
