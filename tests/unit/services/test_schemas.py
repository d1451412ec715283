"""The exchange of databases: which statements, in which order, for each place that the marker may be in."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.contents import Loaded
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.services.mariadb import LoadFailed, MariaDB
from hermes_backup_core.services.schemas import (
    ExchangeFailed,
    NotStaged,
    SchemaIncomplete,
    Schemas,
    kept,
    staged,
)
from tests.unit.fakes.scripted import ScriptedStack, hexed, refusal, scripted

DEFAULTS = "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
NEW, OLD = "hermes_restore_new_hermes", "hermes_restore_old_hermes"
MARKER = "hermes_restore_marker"
ALONE = "DO GET_LOCK('hermes_restore', 60)"
BEGUN = [
    ALONE,
    "SET SESSION foreign_key_checks = 0, lock_wait_timeout = 60",
    "SET @hermes_privileges = @@GLOBAL.automatic_sp_privileges",
    "SET GLOBAL automatic_sp_privileges = OFF",
]
ENDED = ["DELIMITER", "SET GLOBAL automatic_sp_privileges = @hermes_privileges"]


def schemas_of(stack: ScriptedStack) -> Schemas:
    return Schemas(MariaDB(stack))


def inventory(*objects: tuple[str, str, str]) -> str:
    return "".join(f"{kind}\t{hexed(schema, name)}\n" for schema, kind, name in objects)


def renames(*moves: tuple[str, str, str]) -> str:
    return "RENAME TABLE " + ", ".join(f"`{source}`.`{table}` TO `{to}`.`{table}`" for source, table, to in moves)


BEFORE = inventory(
    ("hermes", "SCHEMA", ""),
    ("hermes", "TABLE", "a`b"),
    ("hermes", "VIEW", "v\t\n"),
    ("hermes", "TRIGGER", "t"),
    ("hermes", "EVENT", "e"),
    ("hermes", "FUNCTION", "f"),
    ("hermes", "PROCEDURE", "p"),
    ("hermes", "PACKAGE", "k"),
    ("hermes", "PACKAGE BODY", "k"),
    (NEW, "SCHEMA", ""),
    (NEW, "TABLE", "fresh"),
    (NEW, "TABLE", MARKER),
)
AFTER = inventory(("hermes", "TABLE", "fresh"), ("hermes", "VIEW", "v"), (OLD, "TABLE", "a`b"), (OLD, "TABLE", MARKER))
DROPPED = [
    "DROP TRIGGER IF EXISTS `hermes`.`t`",
    "DROP EVENT IF EXISTS `hermes`.`e`",
    "DROP VIEW IF EXISTS `hermes`.`v\t\n`",
    "DROP PROCEDURE IF EXISTS `hermes`.`p`",
    "DROP FUNCTION IF EXISTS `hermes`.`f`",
    "SET @hermes_mode = @@sql_mode, sql_mode = ORACLE",
    "DROP PACKAGE BODY IF EXISTS `hermes`.`k`",
    "SET sql_mode = @hermes_mode",
    "SET @hermes_mode = @@sql_mode, sql_mode = ORACLE",
    "DROP PACKAGE IF EXISTS `hermes`.`k`",
    "SET sql_mode = @hermes_mode",
]
MADE = [f"CREATE DATABASE IF NOT EXISTS `hermes` {DEFAULTS}", f"CREATE DATABASE IF NOT EXISTS `{OLD}`"]


# Looking


def test_those_of_the_six_that_are_there_come_in_their_order() -> None:
    assert schemas_of(scripted("nextcloud\nmysql\nhermes\n")).present() == ("hermes", "nextcloud")


def test_what_only_a_restore_makes_is_left_over() -> None:
    stack = scripted(f"hermes\n{OLD}\nhermes_restore_accounts\n{NEW}\nmy_hermes_restore_\n")
    assert schemas_of(stack).leftovers() == ("hermes_restore_accounts", NEW, OLD)


def test_the_defaults_of_a_database_are_as_stage_wants_them() -> None:
    stack = scripted("hermes\tutf8mb4\tutf8mb4_bin\n")
    assert schemas_of(stack).defaults(["hermes", "gone"]) == {"hermes": DEFAULTS}
    assert "IN ('hermes', 'gone')" in stack.asked[0].text


def test_only_what_is_there_is_kept() -> None:
    stack = scripted("hermes\n", "-- dump\n-- Dump completed\n")
    assert schemas_of(stack).keep(["hermes", "djigzo"]) == b"-- dump\n-- Dump completed\n"
    assert stack.asked[1].argv[-2:] == ("--databases", "hermes")


def test_where_none_is_there_nothing_is_kept() -> None:
    stack = scripted("mysql\n")
    assert schemas_of(stack).keep(["hermes"]) == b""
    assert len(stack.asked) == 1


# Staging


def test_a_database_is_loaded_into_a_schema_of_its_own_and_the_marker_comes_last() -> None:
    stack = scripted()
    schemas_of(stack).stage("hermes", DEFAULTS, [b"CREATE TABLE t ", b"(id INT);\n"])
    made, loaded, marked = stack.asked
    assert made.statements == [
        "SET SESSION foreign_key_checks = 0, lock_wait_timeout = 60",
        f"DROP DATABASE IF EXISTS `{NEW}`",
        f"CREATE DATABASE IF NOT EXISTS `{NEW}` {DEFAULTS}",
    ]
    assert loaded.text == "CREATE TABLE t (id INT);\n"
    assert loaded.argv[-1] == NEW
    assert "--binary-mode" in loaded.argv
    assert marked.text == f"CREATE TABLE `{NEW}`.`{MARKER}` (swapped INT)"


def test_a_dump_that_is_refused_leaves_no_marker() -> None:
    stack = scripted("", refusal("--------------\nnonsense\n--------------\n\nERROR 1064 (42000) at line 3: You have"))
    with pytest.raises(
        LoadFailed, match=r"hermes_restore_new_hermes failed: ERROR 1064 \(42000\) at line 3: You have\."
    ):
        schemas_of(stack).stage("hermes", DEFAULTS, [b"nonsense"])
    assert len(stack.asked) == 2


def test_a_copy_is_whole_that_has_every_table() -> None:
    schemas_of(scripted(BEFORE)).check("hermes", frozenset({"fresh"}))


def test_a_copy_that_lacks_tables_names_them() -> None:
    with pytest.raises(SchemaIncomplete, match=r"database hermes lacks a, b; nothing was exchanged"):
        schemas_of(scripted(BEFORE)).check("hermes", frozenset({"b", "a", "fresh"}))


# Forth


def test_the_exchange_drops_what_no_rename_moves_then_renames_once_then_makes_the_programs() -> None:
    stack = scripted(BEFORE)
    schemas_of(stack).exchange([Loaded("hermes", DEFAULTS, [b"CREATE VIEW v;\n"])])
    assert len(stack.asked) == 2
    assert stack.asked[0].statements[0] == ALONE
    assert stack.asked[1].statements == [
        *BEGUN,
        *MADE,
        *DROPPED,
        renames(("hermes", "a``b", OLD), (NEW, "fresh", "hermes"), (NEW, MARKER, OLD)),
        f"ALTER DATABASE `hermes` {DEFAULTS}",
        "USE `hermes`",
        "CREATE VIEW v",
        "DELIMITER",
        *ENDED,
    ]


def test_an_exchange_that_was_broken_off_behind_the_rename_makes_the_programs_anew() -> None:
    stack = scripted(AFTER)
    schemas_of(stack).exchange([Loaded("hermes", "", [b"CREATE VIEW v;\n"])])
    assert stack.asked[1].statements == [
        *BEGUN,
        "CREATE DATABASE IF NOT EXISTS `hermes`",
        MADE[1],
        "DROP VIEW IF EXISTS `hermes`.`v`",
        "USE `hermes`",
        "CREATE VIEW v",
        "DELIMITER",
        *ENDED,
    ]


def test_many_databases_are_exchanged_in_one_statement() -> None:
    stack = scripted(BEFORE + inventory((staged("djigzo"), "TABLE", MARKER)))
    schemas_of(stack).exchange([Loaded("hermes", DEFAULTS, [b"one;\n"]), Loaded("djigzo", DEFAULTS, [b"two;\n"])])
    statements = stack.asked[1].statements
    (rename,) = [statement for statement in statements if statement.startswith("RENAME")]
    assert rename.endswith(f"`{staged('djigzo')}`.`{MARKER}` TO `{kept('djigzo')}`.`{MARKER}`")
    assert statements.index("USE `hermes`") + 1 == statements.index("one")
    assert statements.index("USE `djigzo`") + 1 == statements.index("two")


def test_what_was_never_loaded_is_not_exchanged() -> None:
    stack = scripted(inventory(("hermes", "TABLE", "t")))
    with pytest.raises(NotStaged, match="no loaded copy of database hermes"):
        schemas_of(stack).exchange([Loaded("hermes", DEFAULTS, [])])
    assert len(stack.asked) == 1


def test_a_refusal_names_the_databases_and_the_reason() -> None:
    stack = scripted(BEFORE, refusal("ERROR 1146 (42S02) at line 9: Table 'x' doesn't exist"))
    with pytest.raises(
        ExchangeFailed, match=r"tables of hermes could not be exchanged: ERROR 1146 .*at line 9.*go back"
    ):
        schemas_of(stack).exchange([Loaded("hermes", DEFAULTS, [])])


# Back


def test_the_way_back_is_the_same_rename_backwards_and_all_programs_are_made_anew() -> None:
    stack = scripted(AFTER)
    schemas_of(stack).go_back({"hermes": DEFAULTS}, [b"USE `hermes`;\n", b"CREATE VIEW old_v;\n"])
    assert stack.asked[1].statements == [
        *BEGUN,
        MADE[0],
        "DROP VIEW IF EXISTS `hermes`.`v`",
        f"CREATE DATABASE IF NOT EXISTS `{NEW}`",
        renames(("hermes", "fresh", NEW), (OLD, "a``b", "hermes"), (OLD, MARKER, NEW)),
        f"ALTER DATABASE `hermes` {DEFAULTS}",
        "USE `hermes`",
        "CREATE VIEW old_v",
        *ENDED,
    ]


def test_before_the_rename_only_the_programs_have_to_be_made_anew() -> None:
    stack = scripted(BEFORE)
    schemas_of(stack).go_back({"hermes": DEFAULTS}, [b"CREATE VIEW old_v;\n"])
    statements = stack.asked[1].statements
    assert not [statement for statement in statements if statement.startswith("RENAME")]
    assert statements[5 : 5 + len(DROPPED)] == DROPPED
    assert statements[-3 - 1 : -2] == [f"ALTER DATABASE `hermes` {DEFAULTS}", "CREATE VIEW old_v"]


def test_a_database_that_was_not_there_is_dropped_when_its_tables_are_beside_again() -> None:
    """So that the exchange can be made once more."""
    stack = scripted(AFTER)
    schemas_of(stack).go_back({"hermes": ""}, [])
    assert stack.asked[1].statements == [
        *BEGUN,
        "CREATE DATABASE IF NOT EXISTS `hermes`",
        "DROP VIEW IF EXISTS `hermes`.`v`",
        f"CREATE DATABASE IF NOT EXISTS `{NEW}`",
        renames(("hermes", "fresh", NEW), (OLD, "a``b", "hermes"), (OLD, MARKER, NEW)),
        "DROP DATABASE IF EXISTS `hermes`",
        f"DROP DATABASE IF EXISTS `{OLD}`",
        *ENDED,
    ]


def test_a_database_that_was_not_there_is_dropped_where_nothing_was_exchanged_yet() -> None:
    stack = scripted(BEFORE)
    schemas_of(stack).go_back({"hermes": ""}, [])
    statements = stack.asked[1].statements
    assert not [statement for statement in statements if statement.startswith("RENAME")]
    assert statements[-4:] == ["DROP DATABASE IF EXISTS `hermes`", f"DROP DATABASE IF EXISTS `{OLD}`", *ENDED]


def test_a_database_that_no_exchange_has_touched_is_not_dropped() -> None:
    stack = scripted(inventory(("hermes", "TABLE", "t")))
    schemas_of(stack).go_back({"hermes": ""}, [])
    assert stack.asked[1].statements == [*BEGUN, *ENDED]


def test_where_there_is_no_copy_any_more_the_tables_stay() -> None:
    stack = scripted(inventory(("hermes", "TABLE", "t")))
    schemas_of(stack).go_back({"hermes": DEFAULTS}, [])
    assert stack.asked[1].statements == [*BEGUN, MADE[0], f"ALTER DATABASE `hermes` {DEFAULTS}", *ENDED]


# The end


def test_both_copies_are_forgotten_whatever_points_at_them() -> None:
    stack = scripted()
    schemas_of(stack).forget(["hermes"])
    assert stack.asked[0].statements == [
        "SET SESSION foreign_key_checks = 0, lock_wait_timeout = 60",
        f"DROP DATABASE IF EXISTS `{NEW}`",
        f"DROP DATABASE IF EXISTS `{OLD}`",
    ]


def test_what_fails_at_its_first_use_is_named_once_each() -> None:
    stack = scripted(
        f"ACCOUNT\t{hexed('root', 'localhost')}\t\nACCOUNT\t{hexed('role')}\t\t\n"
        f"VIEW\t{hexed('hermes', 'fine', 'root@localhost')}\nPROCEDURE\t{hexed('hermes', 'p', 'role')}\n"
        f"VIEW\t{hexed('hermes', 'by_role', 'role@')}\nVIEW\t{hexed('hermes', 'v', 'gone@%')}\n"
        f"EVENT\t{hexed('hermes', 'e', 'gone@%')}\n",
        f"{hexed('hermes', 'v')}\n{hexed('hermes', 'w')}\n",
        "hermes.v\tcheck\tError\tno definer\nhermes.w\tcheck\tError\tno table\nhermes.w\tcheck\terror\tCorrupt\n"
        "hermes.fine\tcheck\tstatus\tOK\n",
    )
    event, view, broken = schemas_of(stack).missing_definers(["hermes"])
    assert event.startswith("event `hermes`.`e` fails at its first use, as its definer gone@% is no account")
    assert view.startswith("view `hermes`.`v` fails")
    assert broken == "view hermes.w cannot be opened: no table; make what it rests on"


def test_without_views_none_is_opened() -> None:
    stack = scripted()
    assert schemas_of(stack).missing_definers(["hermes"]) == ()
    assert len(stack.asked) == 2


def test_an_error_in_a_question_comes_through() -> None:
    with pytest.raises(CommandFailed, match="1064"):
        schemas_of(scripted(refusal("ERROR 1064 (42000) at line 1: no"))).present()
