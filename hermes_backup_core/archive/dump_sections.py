"""A dump of `mariadb-dump` (10.6 to 11, `mysqldump` alike) taken apart by its comment headings.

Client and server write a line break inside a value as `\\n`, so that what begins a line of the dump is never
data. Programs alone hold line breaks of their own, and lie between `DELIMITER ;;` and `DELIMITER ;`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum

from attrs import frozen


class Part(Enum):
    """What a piece of a dump is needed for.

    `HEADER` are the settings at the top and at the bottom, which both of the following need. `TABLES` are
    tables, sequences and their rows: what can be loaded into a schema of any name. `PROGRAMS` are stand-ins
    for views, views, triggers, routines and events. `NAMING` are the lines that make and choose databases.
    """

    HEADER = "header"
    NAMING = "naming"
    TABLES = "tables"
    PROGRAMS = "programs"


class Passage(Enum):
    """What a piece of a dump is about; `part` is what that is needed for."""

    HEADER = (Part.HEADER, "settings")
    NAMING = (Part.NAMING, "databases")
    STRUCTURE = (Part.TABLES, "tables and sequences")
    ROWS = (Part.TABLES, "rows")
    VIEWS = (Part.PROGRAMS, "views")
    TRIGGERS = (Part.PROGRAMS, "triggers")
    EVENTS = (Part.PROGRAMS, "events")
    ROUTINES = (Part.PROGRAMS, "routines")

    @property
    def part(self) -> Part:
        """What it is needed for."""
        return self.value[0]


_BEGINNINGS = (
    (b"-- Table structure for table", Passage.STRUCTURE),
    (b"-- Sequence structure for", Passage.STRUCTURE),
    (b"-- Dumping data for table", Passage.ROWS),
    (b"-- Temporary table structure for view", Passage.VIEWS),
    (b"-- Temporary view structure for view", Passage.VIEWS),
    (b"-- Final view structure for view", Passage.VIEWS),
    (b"-- Dumping events for database", Passage.EVENTS),
    (b"-- Dumping routines for database", Passage.ROUTINES),
    (b"-- Dumping triggers for", Passage.TRIGGERS),
    (b"-- Current Database: ", Passage.NAMING),
    (b"-- Dump completed", Passage.HEADER),
    (b"CREATE DATABASE ", Passage.NAMING),
    (b"USE ", Passage.NAMING),
)
# Triggers follow the rows of their table without a heading: at first what they need is set.
_TRIGGERS_BEGIN = (b"/*!50003 ", b"/*!50032 DROP TRIGGER", b"ALTER DATABASE ", b"DELIMITER ")
_CLOSING_SETTING = re.compile(rb"/\*M?!\d+ SET \w+=@OLD_\w+ \*/")
_RULE = b"--\n"
_SANDBOX = re.compile(rb"/\*M?!999999\\-")

_ROWS_BEGIN = (b"(", b"INSERT ", b"REPLACE ")
_ROWS_END = re.compile(rb"\n(?!\(|INSERT |REPLACE )")


@frozen
class Piece:
    """One line of a dump, or a stretch of rows of any length, which need not begin or end with a line."""

    passage: Passage
    text: bytes
    is_line: bool


def sections(text: Iterable[bytes]) -> Iterator[tuple[Part, bytes]]:
    """Yield the dump ``text``, given in chunks of any size, in pieces with what each is needed for.

    All pieces in a row are the text. A piece is one line, or a stretch of rows of any length.
    """
    return ((piece.passage.part, piece.text) for piece in passages(text))


def tables_part(text: Iterable[bytes]) -> Iterator[bytes]:
    """Yield, of the dump ``text``, what makes the tables, sequences and rows in whatever schema is in use."""
    return (piece for part, piece in _fit_to_feed(text) if part in (Part.HEADER, Part.TABLES))


def programs_part(text: Iterable[bytes], *, naming: bool = False) -> Iterator[bytes]:
    """Yield, of the dump ``text``, what makes views, triggers, routines and events, whose tables are there.

    With ``naming`` the `USE` lines stay, as a dump of several databases needs them. Nothing makes a database.
    """
    for part, piece in _fit_to_feed(text):
        if part in (Part.HEADER, Part.PROGRAMS) or (naming and part is Part.NAMING and piece.startswith(b"USE ")):
            yield piece


def passages(text: Iterable[bytes]) -> Iterator[Piece]:
    """Yield the pieces of the dump ``text`` as `sections` does, each with what it is about."""
    passage, inside, held = Passage.HEADER, False, b""
    for is_line, piece in _pieces(text):
        before = passage
        if is_line and not inside:
            if piece == _RULE and not held:  # it belongs to the heading that may follow
                held = piece
                continue
            passage = _passage_of(piece, passage)
        if held:
            yield Piece(passage if piece.startswith(b"-- ") else before, held, is_line=True)
            held = b""
        if is_line and piece.startswith(b"DELIMITER "):
            inside = opens_program(piece)
        yield Piece(passage, piece, is_line)
    if held:
        yield Piece(passage, held, is_line=True)


def opens_program(line: bytes) -> bool:
    """Whether a program begins behind this line of a dump."""
    return line.startswith(b"DELIMITER ") and line.rstrip() != b"DELIMITER ;"


def _passage_of(line: bytes, passage: Passage) -> Passage:
    for beginning, begun in _BEGINNINGS:
        if line.startswith(beginning):
            return begun
    if _CLOSING_SETTING.match(line):
        return Passage.HEADER
    if passage.part is Part.TABLES and line.startswith(_TRIGGERS_BEGIN):
        return Passage.TRIGGERS
    return passage


def _fit_to_feed(text: Iterable[bytes]) -> Iterator[tuple[Part, bytes]]:
    """Leave out the line that older clients stop at."""
    return ((part, piece) for part, piece in sections(text) if part is not Part.HEADER or not _SANDBOX.match(piece))


def _pieces(chunks: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    """Yield lines (True), but rows (False) as they come, so that neither many nor long ones cost much."""
    held, in_rows = b"", False
    for chunk in chunks:
        text, at = held + chunk, 0
        while at < len(text):
            in_rows = in_rows or text.startswith(_ROWS_BEGIN, at)
            end = _end_of_rows(text, at) if in_rows else text.find(b"\n", at) + 1
            if not end and not in_rows:
                break
            yield not in_rows, text[at : end or len(text)]
            in_rows, at = in_rows and not end, end or len(text)
        held = text[at:]
    if held:
        yield True, held


def _end_of_rows(text: bytes, at: int) -> int:
    """Return where the lines of rows end that begin at or before `at`, or 0 where the last one goes on."""
    found = _ROWS_END.search(text, at)
    return found.end() if found else 0
