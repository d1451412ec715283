"""The archive of the dumps read back: ours, and that of the shell scripts."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.databases import DatabasesArchive
from hermes_backup_core.archive.dumps import DumpFacts, check_dumps, dump_facts, dump_texts
from hermes_backup_core.archive.outer import OuterTar
from hermes_backup_core.domain.scope import DATABASES
from tests.unit.archive.judge import tar

DUMP = (Path(__file__).parent / "dumps" / "mariadb-10.11.sql").read_bytes()
FACTS = DumpFacts(
    database="hermes",
    text_bytes=len(DUMP),
    closed=True,
    tables=frozenset({"audit", "child", "parent", "s", "system_settings"}),
    views=frozenset({"v_parent"}),
    triggers=1,
    routines=2,
    events=1,
    charsets=frozenset({"utf8mb4", "latin1"}),
    collations=frozenset({"utf8mb4_general_ci", "latin1_swedish_ci"}),
    engines=frozenset({"InnoDB"}),
    database_defaults="DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
)


def dump_of(database: str) -> bytes:
    return DUMP.replace(b"hermes", database.encode())


def shell_archive(dumps: Mapping[str, bytes]) -> bytes:
    """As `tar -czf` makes it, with an entry for the folder."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in dumps.items():
            Path(folder, name).write_bytes(text)
        return gzip.compress(tar("-C", folder, "--format=gnu", "-cf", "-", "."))


def our_archive(dumps: Mapping[str, bytes]) -> bytes:
    outer = OuterTar(file := io.BytesIO(), mtime=0)
    with outer.member("databases.tar.gz") as sink, DatabasesArchive(sink, mtime=0) as archive:
        for name, text in dumps.items():
            with archive.dump(name.removesuffix(".sql")) as stream:
                stream.write(text)
    outer.finish(b"{}")
    return tar("-xOf", "-", "databases.tar.gz", stdin=file.getvalue())


SIX = {f"{database}.sql": dump_of(database) for database in DATABASES}
Maker = Callable[[Mapping[str, bytes]], bytes]
ARCHIVES = pytest.mark.parametrize("made", [shell_archive, our_archive])


def problems(dumps: Mapping[str, bytes]) -> tuple[str, ...]:
    return check_dumps(io.BytesIO(our_archive(dumps)), DATABASES)[1]


@ARCHIVES
def test_the_texts_come_out_as_they_went_in(made: Maker) -> None:
    file = io.BytesIO(made(SIX))
    assert {f"{name}.sql": b"".join(text) for name, text in dump_texts(file)} == SIX


def test_a_text_that_is_not_read_is_passed_over() -> None:
    names = []
    for name, text in dump_texts(io.BytesIO(our_archive(SIX))):
        names.append(name)
        if name == "opendmarc":
            assert b"".join(text) == SIX["opendmarc.sql"]
        elif name == "authelia":
            assert next(text)
    assert names == list(DATABASES)


@ARCHIVES
def test_six_whole_dumps_are_no_problem(made: Maker) -> None:
    facts, found = check_dumps(io.BytesIO(made(SIX)), DATABASES)
    assert found == ()
    assert set(facts) == set(DATABASES)
    assert facts["hermes"] == FACTS
    assert {name for name, fact in facts.items() if fact.database == name and fact.closed} == set(DATABASES)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(DUMP)), max_size=20))
def test_the_facts_do_not_depend_on_the_chunks(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(DUMP)]
    assert dump_facts("hermes", (DUMP[start:end] for start, end in pairwise(edges))) == FACTS


@settings(max_examples=60, deadline=None)
@given(st.integers(0, DUMP.rindex(b"-- Dump completed") + 10))
def test_a_dump_that_breaks_off_anywhere_is_not_closed(end: int) -> None:
    assert not dump_facts("hermes", [DUMP[:end]]).closed


# What a dump needs


def facts_of(text: bytes) -> DumpFacts:
    heading = b"--\n-- Table structure for table `t`\n--\n\n"
    return dump_facts("hermes", [heading + text])


def test_collations_charsets_and_engines_of_columns_tables_and_partitions_count() -> None:
    facts = facts_of(
        b"CREATE TABLE `odd ``name``; -- \xc3\xbc` (\n"
        b"  `word` varchar(190) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin DEFAULT NULL,\n"
        b"  `lower` varchar(9) GENERATED ALWAYS AS (`word` collate utf8mb4_swedish_ci) VIRTUAL\n"
        b") ENGINE=Aria DEFAULT CHARSET=latin1 COLLATE=latin1_german1_ci PAGE_CHECKSUM=1\n"
        b" PARTITION BY RANGE (`id`)\n(PARTITION `low` VALUES LESS THAN (100) ENGINE = Aria,\n"
        b" PARTITION `high` VALUES LESS THAN MAXVALUE ENGINE = Aria);\n"
    )
    assert facts.tables == {"odd `name`; -- ü"}
    assert facts.collations == {"utf8mb3_bin", "utf8mb4_swedish_ci", "latin1_german1_ci"}
    assert facts.charsets == {"utf8mb3", "latin1"}
    assert facts.engines == {"Aria"}


def test_what_is_quoted_needs_nothing() -> None:
    facts = facts_of(
        b"CREATE TABLE `ENGINE=x` (\n  `COLLATE y` varchar(9) DEFAULT 'it''s COLLATE z' COMMENT 'a \\' CHARSET=w'\n"
        b") ENGINE=InnoDB COMMENT='ENGINE=v';\n"
    )
    assert facts.engines == {"InnoDB"}
    assert not facts.collations | facts.charsets


def test_rows_are_not_looked_at() -> None:
    facts = facts_of(
        b"INSERT INTO `t` VALUES (1,' ENGINE=x COLLATE y'),\n(2,' COLLATE z ');\nINSERT INTO `t` VALUES (3);\n"
    )
    assert not facts.engines | facts.collations


def test_the_defaults_of_a_database_are_those_it_is_made_with() -> None:
    line = (
        b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a``b` /*!40100 DEFAULT CHARACTER SET latin1 COLLATE latin1_bin */ "
        b"/*!80016 DEFAULT ENCRYPTION='N' */;\nUSE `a``b`;\n"
    )
    facts = dump_facts("a`b", [line])
    assert facts.database_defaults == "DEFAULT CHARACTER SET latin1 COLLATE latin1_bin"
    assert facts.charsets == {"latin1"}
    assert facts.collations == {"latin1_bin"}
    assert not facts.others
    assert dump_facts("x", [b"CREATE DATABASE `x`;\n"]).database_defaults == ""


def test_of_several_views_and_programs_each_is_counted() -> None:
    begin, end = DUMP.index(b"DELIMITER ;;"), DUMP.index(b"/*!50003 SET sql_mode              = @saved_sql_mode")
    facts = dump_facts("hermes", [DUMP[:begin], DUMP[begin:end] * 3, DUMP[begin:]])
    assert (facts.triggers, facts.routines, facts.events) == (4, 2, 1)


# What is wrong


def test_a_dump_that_is_not_there_is_named() -> None:
    assert problems({name: text for name, text in SIX.items() if name != "djigzo.sql"}) == (
        "there is no dump of djigzo",
    )


def test_what_does_not_belong_there_is_named() -> None:
    assert problems({**SIX, "mysql.sql": DUMP}) == ("./mysql.sql is none of the dumps that belong there",)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in SIX.items():
            Path(folder, name).write_bytes(text)
        Path(folder, "README").write_bytes(b"")
        Path(folder, "hermes.sql").unlink()
        Path(folder, "hermes.sql").symlink_to("djigzo.sql")
        data = gzip.compress(tar("-C", folder, "--sort=name", "-cf", "-", "."))
    assert check_dumps(io.BytesIO(data), DATABASES)[1] == (
        "./README is none of the dumps that belong there",
        "./hermes.sql is none of the dumps that belong there",
        "there is no dump of hermes",
    )


def test_a_dump_that_is_there_twice_is_named() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name, text in [*SIX.items(), ("hermes.sql", b"")]:
            info = tarfile.TarInfo(name)
            info.size = len(text)
            made.addfile(info, io.BytesIO(text))
    facts, found = check_dumps(io.BytesIO(out.getvalue()), DATABASES)
    assert found == ("hermes.sql is there twice",)
    assert facts["hermes"] == FACTS


def test_an_empty_dump_and_one_that_breaks_off_are_named() -> None:
    assert problems({**SIX, "hermes.sql": b"", "djigzo.sql": SIX["djigzo.sql"][:-60]}) == (
        "the dump of hermes is empty",
        "the dump of djigzo breaks off: its closing line `-- Dump completed` is missing",
    )


def test_a_dump_that_would_change_another_database_is_named() -> None:
    other = SIX["djigzo.sql"].replace(b"\nUSE `djigzo`", b"\nUSE `mysql`", 1)
    assert problems({**SIX, "djigzo.sql": other}) == ("the dump of djigzo would also change mysql",)
    assert problems({**SIX, "djigzo.sql": DUMP}) == ("the dump of djigzo would also change hermes",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no gzip at all, but text", "Not a gzipped file"),
        (shell_archive(SIX)[:-4], "it breaks off"),
        (our_archive(SIX)[:5000], "it breaks off"),
        (gzip.compress(gzip.decompress(our_archive(SIX)).rstrip(b"\0")), ""),
        (gzip.compress(b"no tar at all" * 1000), "no tar header"),
    ],
)
def test_damage_of_the_archive_is_a_problem(data: bytes, reason: str) -> None:
    facts, found = check_dumps(io.BytesIO(data), DATABASES)
    assert found[0].startswith("the dumps are damaged: ")
    assert reason in found[0]
    assert {problem for problem in found[1:] if "no dump of" in problem} == {
        f"there is no dump of {name}" for name in DATABASES if name not in facts
    }
