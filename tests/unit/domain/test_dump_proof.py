"""What makes a dump a dump: the names in it, and its closing line."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.dump_proof import DumpProof, closes

DUMP = (
    b"/*M!999999\\- enable the sandbox mode */\n-- MariaDB dump\n"
    b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `djigzo`;\n"
    b"DROP TABLE IF EXISTS `dropped`;\n"
    b"CREATE TABLE `plain` (\n  `CREATE TABLE ``column``` int,\n  KEY `k` (`id`)\n);\n"
    b"INSERT INTO `plain` VALUES ('CREATE TABLE `inside` (\\nCREATE TABLE `escaped` (','x');\n"
    b"INSERT INTO `plain` VALUES\n('VIEW `first`'),\n('CREATE TABLE `second` (');\n"
    b"CREATE TABLE `tick``ed` (\n);\n"
    b"CREATE TABLE IF NOT EXISTS `careful` (\n);\n"
    b"/*!50001 CREATE VIEW `stand_in` AS SELECT 1 AS `id` */;\n"
    b"/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`root`@`%` SQL SECURITY DEFINER */\n"
    b"/*!50001 VIEW `final` AS select `plain`.`id` AS `id` from `plain` */;\n"
    b"CREATE SEQUENCE `seq` start with 1;\n"
    b"-- Dump completed on 2026-06-01 10:30:00\n"
)
MADE = frozenset({"plain", "tick`ed", "careful", "stand_in", "final", "seq"})


def proof_of(*chunks: bytes) -> DumpProof:
    proof = DumpProof()
    for chunk in chunks:
        proof.feed(chunk)
    return proof


def test_a_dump_names_its_tables_views_and_sequences_and_nothing_that_stands_in_its_data() -> None:
    proof = proof_of(DUMP)
    assert proof.names == MADE
    assert proof.is_closed


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, len(DUMP)), max_size=12))
def test_it_does_not_matter_where_the_chunks_of_a_dump_end(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(DUMP)]
    proof = proof_of(*(DUMP[start:end] for start, end in pairwise(ends)))
    assert (proof.names, proof.is_closed) == (MADE, True)


def test_a_dump_byte_by_byte_is_the_same_dump() -> None:
    proof = proof_of(*(bytes([byte]) for byte in DUMP))
    assert (proof.names, proof.is_closed) == (MADE, True)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(DUMP) - len("\n-- Dump completed") - 30))
def test_a_dump_that_breaks_off_anywhere_is_not_closed(end: int) -> None:
    assert not proof_of(DUMP[:end]).is_closed


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1, max_size=64))
def test_a_name_of_any_characters_is_read_back(name: str) -> None:
    assert proof_of(b"CREATE TABLE `%s` (\n" % name.replace("`", "``").encode()).names == {name}


def test_a_closing_line_in_the_middle_closes_nothing() -> None:
    assert not proof_of(b"-- Dump completed on 2026\nINSERT INTO `t` VALUES (1);\n").is_closed
    assert not proof_of(b"INSERT INTO `t` VALUES ('-- Dump completed');\n").is_closed


def test_data_that_ends_like_a_closing_line_does_not_hide_behind_a_chunks_end() -> None:
    long, end = b"INSERT INTO `t` VALUES ('" + b"x" * 5000, b"-- Dump completed on 2026"
    for behind in range(1100):
        assert not proof_of(long, end + b"y" * behind + b"');\n").is_closed


def test_a_name_that_goes_on_in_the_next_chunk_is_not_taken_for_a_shorter_one() -> None:
    assert proof_of(b"CREATE TABLE `tick`", b"`ed` (\n").names == {"tick`ed"}


def test_the_end_of_a_dump_alone_tells_whether_it_is_whole() -> None:
    assert closes(DUMP[-100:])
    assert not closes(DUMP[-100:-30])
    assert not closes(b"")
