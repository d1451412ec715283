"""The archive of the dumps, read: which databases it holds, what they need, and whether each dump is whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from attrs import define, field, frozen

from hermes_backup_core.archive.dump_sections import Part, Passage, opens_program, passages
from hermes_backup_core.archive.gunzip import GarbledGzip, inflated
from hermes_backup_core.archive.tar_entries import GarbledTar, TarEntry, tar_entries
from hermes_backup_core.domain.dump_proof import OVERLAP, closes
from hermes_backup_core.domain.paths import shown

_SUFFIX = ".sql"

_NAME = rb"`((?:[^`]|``)+)`"
_MAKES_TABLE = re.compile(rb"(?:/\*!\d+ )?CREATE (?:OR REPLACE )?(?:TABLE|SEQUENCE) (?:IF NOT EXISTS )?" + _NAME)
_MAKES_VIEW = re.compile(rb"/\*!\d+ (?:CREATE (?:OR REPLACE )?(?:ALGORITHM=\w+ )?)?VIEW " + _NAME)
_NAMES_DATABASE = re.compile(rb"(?:CREATE DATABASE (?:/\*!\d+ IF NOT EXISTS ?\*/ )?|USE )" + _NAME)
_DEFAULTS = re.compile(rb"CREATE DATABASE .*`[^`]*/\*!40100 (.*?) ?\*/")
_QUOTED = re.compile(rb"'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`")
_COLLATION = re.compile(rb"\bCOLLATE(?: |=| = )(\w+)", re.IGNORECASE)
_CHARSET = re.compile(rb"\b(?:CHARSET|CHARACTER SET)(?: |=| = )(\w+)", re.IGNORECASE)
_SESSION = re.compile(rb"/\*!\d+ SET (character_set_client|collation_connection) *= *(\w+) ")
_ENGINE = re.compile(rb"\bENGINE ?= ?(\w+)")


@frozen
class DumpFacts:
    """What one dump holds and needs; all of it as the dump says.

    ``tables`` are tables and sequences; ``triggers``, ``routines`` and ``events`` are how many. ``charsets`` and
    ``collations`` (in small letters) are those of the database, its tables, columns, views and programs,
    ``engines`` those of the tables. ``database_defaults`` is what CREATE DATABASE says of them, empty where there
    is no such line. ``others`` are databases other than its own that it would make or write to.
    """

    database: str
    text_bytes: int
    closed: bool
    tables: frozenset[str] = frozenset()
    views: frozenset[str] = frozenset()
    triggers: int = 0
    routines: int = 0
    events: int = 0
    charsets: frozenset[str] = frozenset()
    collations: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    database_defaults: str = ""
    others: frozenset[str] = frozenset()


def dump_texts(file: BinaryIO) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each dump in the gzipped tar ``file``: its database, and its text in chunks of any size.

    In the order of the archive. A text must be read before the next dump is asked for, or it is passed over.
    Raises `GarbledGzip` or `GarbledTar`, and `OSError` where the file cannot be read.
    """
    for entry in tar_entries(inflated(file)):
        if (database := _database_of(entry)) is not None:
            yield database, entry.content()


def check_dumps(file: BinaryIO, databases: Sequence[str]) -> tuple[dict[str, DumpFacts], tuple[str, ...]]:
    """Return what the dumps in the gzipped tar ``file`` hold, and what is wrong if they are to be ``databases``.

    The problems are sentences. `OSError` comes through; damage is one of the problems.
    """
    facts: dict[str, DumpFacts] = {}
    problems: list[str] = []
    try:
        for entry in tar_entries(inflated(file)):
            database = _database_of(entry)
            if database in facts:
                problems.append(f"{shown(entry.name)} is there twice")
            elif database in databases and database is not None:
                facts[database] = dump_facts(database, entry.content())
            elif not (entry.info.isdir() and entry.name == "."):
                problems.append(f"{shown(entry.name)} is none of the dumps that belong there")
    except (GarbledGzip, GarbledTar) as err:
        problems.append(f"the dumps are damaged: {err.reason}")
    problems += [f"there is no dump of {name}" for name in databases if name not in facts]
    problems += [problem for found in facts.values() for problem in _problems_of(found)]
    return facts, tuple(problems)


def dump_facts(database: str, text: Iterable[bytes]) -> DumpFacts:
    """Return what the dump ``text`` of ``database`` holds; its rows are not looked at."""
    seen = _Seen()
    for piece in passages(text):
        seen.text_bytes += len(piece.text)
        seen.tail = (seen.tail + piece.text[-OVERLAP:])[-OVERLAP:]
        if piece.is_line:
            seen.see(piece.passage, piece.text)
    return DumpFacts(
        database=database,
        text_bytes=seen.text_bytes,
        closed=closes(seen.tail),
        tables=frozenset(seen.tables),
        views=frozenset(seen.views),
        triggers=seen.programs[Passage.TRIGGERS],
        routines=seen.programs[Passage.ROUTINES],
        events=seen.programs[Passage.EVENTS],
        charsets=frozenset(seen.charsets),
        collations=frozenset(seen.collations),
        engines=frozenset(seen.engines),
        database_defaults=seen.defaults,
        others=frozenset(seen.databases - {database}),
    )


@define
class _Seen:
    text_bytes: int = 0
    tail: bytes = b"\n"
    tables: set[str] = field(factory=set)
    views: set[str] = field(factory=set)
    databases: set[str] = field(factory=set)
    charsets: set[str] = field(factory=set)
    collations: set[str] = field(factory=set)
    engines: set[str] = field(factory=set)
    programs: dict[Passage, int] = field(factory=lambda: dict.fromkeys(Passage, 0))
    defaults: str = ""

    def see(self, passage: Passage, line: bytes) -> None:
        if passage is Passage.STRUCTURE:
            self._keep(_MAKES_TABLE, line, self.tables)
            self._see_needs(line)
        elif passage is Passage.NAMING:
            self._see_naming(line)
        elif passage is Passage.VIEWS:
            self._keep(_MAKES_VIEW, line, self.views)
            self._see_session(line)
        elif passage.part is Part.PROGRAMS:
            self.programs[passage] += opens_program(line)
            self._see_session(line)

    def _see_naming(self, line: bytes) -> None:
        self._keep(_NAMES_DATABASE, line, self.databases)
        if found := _DEFAULTS.match(line):
            self.defaults = _text(found[1])
            self._see_needs(line)

    def _see_session(self, line: bytes) -> None:
        """Take note of what a view or a program is made under: a server that lacks it would refuse in mid-swap."""
        if found := _SESSION.match(line):
            names = self.charsets if found[1] == b"character_set_client" else self.collations
            names.add(_text(found[2]).lower())

    def _see_needs(self, line: bytes) -> None:
        # What is quoted is a name, a comment or a default.
        bare = _QUOTED.sub(b"''", line)
        self.charsets.update(_text(name).lower() for name in _CHARSET.findall(bare))
        self.collations.update(_text(name).lower() for name in _COLLATION.findall(bare))
        self.engines.update(_text(name) for name in _ENGINE.findall(bare))

    @staticmethod
    def _keep(pattern: re.Pattern[bytes], line: bytes, names: set[str]) -> None:
        if found := pattern.match(line):
            names.add(_text(found[1].replace(b"``", b"`")))


def _problems_of(facts: DumpFacts) -> Iterator[str]:
    if not facts.text_bytes:
        yield f"the dump of {facts.database} is empty"
    elif not facts.closed:
        yield f"the dump of {facts.database} breaks off: its closing line `-- Dump completed` is missing"
    if facts.others:
        yield f"the dump of {facts.database} would also change {', '.join(map(shown, sorted(facts.others)))}"


def _database_of(entry: TarEntry) -> str | None:
    name = entry.name.removeprefix("./")
    return name.removesuffix(_SUFFIX) if entry.is_regular and name.endswith(_SUFFIX) and "/" not in name else None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
