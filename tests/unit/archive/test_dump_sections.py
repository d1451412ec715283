"""Dumps taken apart: all of it comes out again, and each part holds what it is needed for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.dump_sections import Part, programs_part, sections, tables_part

DUMP = (Path(__file__).parent / "dumps" / "mariadb-10.11.sql").read_bytes()

HEADER = (
    b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19-11.8.5-MariaDB, for Linux (x86_64)\n--\n"
    b"/*!40101 SET NAMES utf8mb4 */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n"
    b"/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */;\n\n"
)
FOOTER = (
    b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n"
    b"/*M!100616 SET NOTE_VERBOSITY=@OLD_NOTE_VERBOSITY */;\n\n-- Dump completed on 2026-06-01 10:30:00\n"
)
TABLE = (
    b"--\n-- Table structure for table `t`\n--\n\nDROP TABLE IF EXISTS `t`;\n"
    b"/*!40101 SET @saved_cs_client     = @@character_set_client */;\n"
    b"CREATE TABLE `t` (\n  `id` int(11)\n) ENGINE=InnoDB;\n"
    b"/*!40101 SET character_set_client = @saved_cs_client */;\n\n--\n-- Dumping data for table `t`\n--\n\n"
    b"SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;\nLOCK TABLES `t` WRITE;\n"
    b"/*!40000 ALTER TABLE `t` DISABLE KEYS */;\n"
    b"INSERT INTO `t` VALUES\n(1,'-- Table structure for table `no`'),\n"
    b"(2,'\\n--\\n-- Final view structure for view `no`'),\n"
    b"(3,'DELIMITER ;;'),(4,'USE `no`;\\nUSE `no`;');\n"
    b"INSERT INTO `t` VALUES (5,'/*!50003 SET @saved_cs_client'),(6,'x');\n"
    b"/*!40000 ALTER TABLE `t` ENABLE KEYS */;\nUNLOCK TABLES;\nCOMMIT;\nSET AUTOCOMMIT=@OLD_AUTOCOMMIT;\n"
)  # fmt: skip
TRIGGER = (
    b"ALTER DATABASE `a` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;\n"
    b"/*!50003 SET @saved_cs_client      = @@character_set_client */ ;\nDELIMITER ;;\n"
    b"/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr AFTER INSERT ON t FOR EACH ROW\n"
    b"BEGIN\n--\n-- Table structure for table `no`\n--\nUSE `no`;\nCREATE DATABASE `no`;\n"
    b"INSERT INTO audit VALUES\n(NEW.id);\n/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\nEND */;;\nDELIMITER ;\n"
    b"/*!50003 SET sql_mode              = @saved_sql_mode */ ;\n"
    b"ALTER DATABASE `a` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci ;\n\n"
)
SEQUENCE = b"--\n-- Sequence structure for `s`\n--\n\nCREATE SEQUENCE `s` start with 1;\nDO SETVAL(`s`, 7, 0);\n\n"
STAND_IN = (
    b"--\n-- Temporary table structure for view `v`\n--\n\n/*!50001 CREATE VIEW `v` AS SELECT\n NULL AS `id` */;\n\n"
)
OLD_STAND_IN = STAND_IN.replace(b"Temporary table structure", b"Temporary view structure")
EVENT = (
    b"--\n-- Dumping events for database 'a'\n--\n/*!50106 SET @save_time_zone= @@TIME_ZONE */ ;\n"
    b"DELIMITER ;;;\n/*!50106 CREATE*/ /*!50106 EVENT `ev` DO SELECT ';;' */ ;;;\nDELIMITER ;\n"
    b"/*!50106 SET TIME_ZONE= @save_time_zone */ ;\n\n"
)
ROUTINE = (
    b"--\n-- Dumping routines for database 'a'\n--\n/*!50003 DROP PROCEDURE IF EXISTS `p` */;\nDELIMITER ;;\n"
    b"CREATE PROCEDURE `p`()\nBEGIN\n  SELECT 1;\nUSE `no`;\n-- Dump completed on\nEND ;;\nDELIMITER ;\n\n"
)
VIEW = b"--\n-- Final view structure for view `v`\n--\n\n/*!50001 VIEW `v` AS select 1 AS `id` */;\n"


def names(database: bytes) -> bytes:
    return (
        b"--\n-- Current Database: `%s`\n--\n\n/*!40000 DROP DATABASE IF EXISTS `%s`*/;\n\n"
        b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `%s` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n\nUSE `%s`;\n\n"
    ) % (database, database, database, database)


def uses(database: bytes) -> bytes:
    return b"--\n-- Current Database: `%s`\n--\n\nUSE `%s`;\n\n" % (database, database)


PASSAGES = {
    TABLE: Part.TABLES,
    SEQUENCE: Part.TABLES,
    TRIGGER: Part.PROGRAMS,
    STAND_IN: Part.PROGRAMS,
    OLD_STAND_IN: Part.PROGRAMS,
    EVENT: Part.PROGRAMS,
    ROUTINE: Part.PROGRAMS,
    VIEW: Part.PROGRAMS,
    names(b"a"): Part.NAMING,
    uses(b"b"): Part.NAMING,
}
ALONE = [[passage] for passage in PASSAGES if passage != TRIGGER]
GROUPS = st.lists(st.sampled_from([*ALONE, [TABLE, TRIGGER]]), max_size=6)  # a trigger follows its table


def split(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


def joined(passages: list[tuple[Part, bytes]]) -> list[tuple[Part, bytes]]:
    return [
        (part, b"".join(text for _, text in texts)) for part, texts in groupby(passages, key=lambda passage: passage[0])
    ]


def parts(text: Iterable[bytes]) -> list[tuple[Part, bytes]]:
    """The parts in their order, pieces in a row joined."""
    return joined(list(sections(text)))


@settings(max_examples=200, deadline=None)
@given(GROUPS.map(lambda groups: list(chain.from_iterable(groups))), st.lists(st.integers(0, 1 << 20), max_size=30))
def test_each_passage_is_found_however_the_text_is_cut(passages: list[bytes], cuts: list[int]) -> None:
    text = HEADER + b"".join(passages) + FOOTER
    wanted = [(Part.HEADER, HEADER), *((PASSAGES[passage], passage) for passage in passages), (Part.HEADER, FOOTER)]
    assert parts(split(text, cuts)) == joined(wanted)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(DUMP)), max_size=30))
def test_all_parts_together_are_the_dump(cuts: list[int]) -> None:
    assert b"".join(piece for _, piece in sections(split(DUMP, cuts))) == DUMP
    assert parts(split(DUMP, cuts)) == parts([DUMP])


LINES = st.sampled_from([line for text in (HEADER, FOOTER, *PASSAGES) for line in text.splitlines(keepends=True)])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(LINES, st.binary(max_size=20)), max_size=40))
def test_nothing_is_lost_of_any_text(lines: list[bytes]) -> None:
    assert b"".join(piece for _, piece in sections(lines)) == b"".join(lines)
    assert parts([b"".join(lines)]) == parts(lines)


def test_byte_by_byte_it_is_the_same_dump() -> None:
    assert parts(bytes([byte]) for byte in DUMP) == parts([DUMP])


def lines_of(text: Iterable[bytes]) -> list[bytes]:
    return [line.rstrip() for line in b"".join(text).split(b"\n")]


def statements(text: Iterable[bytes], *words: str) -> list[bytes]:
    return [line for line in lines_of(text) if re.match(b"|".join(word.encode() for word in words), line)]


SETTINGS = [
    line for line in lines_of([DUMP]) if re.match(rb"/\*!40(101|103|014|111) SET", line) and b"saved" not in line
]


@pytest.mark.parametrize("part", [tables_part, programs_part])
def test_both_parts_have_the_settings_and_neither_what_names_a_database(
    part: Callable[[Iterable[bytes]], Iterator[bytes]],
) -> None:
    lines = lines_of(part([DUMP]))
    wanted = [line for line in SETTINGS if b"SET character_set_client" not in line]
    assert [line for line in lines if line in wanted] == wanted
    assert not statements(part([DUMP]), "CREATE DATABASE", "USE", r"/\*M?!999999")
    assert lines[-2].startswith(b"-- Dump completed")


def test_the_tables_part_holds_tables_sequences_and_rows() -> None:
    assert statements(tables_part([DUMP]), "CREATE") == [
        line for line in lines_of([DUMP]) if line.startswith((b"CREATE TABLE", b"CREATE SEQUENCE"))
    ]
    rows = statements([DUMP], "INSERT", r"\(", "LOCK", "UNLOCK")
    assert len(rows) > 10
    assert statements(tables_part([DUMP]), "INSERT", r"\(", "LOCK", "UNLOCK") == rows
    assert not statements(tables_part([DUMP]), "DELIMITER", r"/\*!5")


def test_the_programs_part_holds_all_else() -> None:
    text = b"".join(programs_part([DUMP]))
    for what in (b"TRIGGER tr", b"FUNCTION `f`", b"PROCEDURE `p`", b"EVENT `ev`", b"50001 CREATE VIEW", b"50001 VIEW"):
        assert text.count(what) == 1
    assert not statements([text], "INSERT", r"\(", "LOCK", "UNLOCK", "CREATE TABLE", "CREATE SEQUENCE")


def test_of_several_databases_each_keeps_its_programs() -> None:
    dump = HEADER + names(b"a") + TABLE + TRIGGER + names(b"b") + STAND_IN + ROUTINE + uses(b"b") + VIEW + FOOTER
    text = b"".join(programs_part([dump], naming=True))
    kept = HEADER[HEADER.index(b"\n") + 1 :]
    assert text == kept + b"USE `a`;\n" + TRIGGER + b"USE `b`;\n" + STAND_IN + ROUTINE + b"USE `b`;\n" + VIEW + FOOTER
    assert b"".join(programs_part([dump])) == text.replace(b"USE `a`;\n", b"", 1).replace(b"\nUSE `b`;", b"")


@pytest.mark.parametrize(
    "line", [b"/*M!999999\\- enable the sandbox mode */ \n", b"/*!999999\\- enable the sandbox mode */\n"]
)
def test_the_line_that_older_clients_stop_at_is_left_out(line: bytes) -> None:
    rest = HEADER[HEADER.index(b"\n") + 1 :]
    assert b"".join(tables_part([line + rest + TABLE + FOOTER])) == rest + TABLE + FOOTER


def test_the_old_way_of_dropping_a_trigger_first_belongs_to_the_trigger() -> None:
    trigger = b"/*!50032 DROP TRIGGER IF EXISTS `tr` */;\n" + TRIGGER
    assert parts([HEADER + TABLE + trigger])[-1] == (Part.PROGRAMS, trigger)


def test_rows_longer_than_a_chunk_are_not_held_back() -> None:
    begin = HEADER + TABLE[: TABLE.index(b"INSERT INTO")]

    def endless() -> Iterator[bytes]:
        yield begin + b"INSERT INTO `t` VALUES ('"
        for number in range(1000):
            yield b"-- Table structure for table DELIMITER ;;%d" % number

    longest = max(len(piece) for _, piece in sections(endless()))
    assert longest < 200
