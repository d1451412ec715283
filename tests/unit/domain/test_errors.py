"""One family of errors, each of which reads as what to do next."""

from __future__ import annotations

import pytest

from hermes_backup_core.domain.errors import (
    CommandFailed,
    ComposeUnusable,
    DirectoryExportFailed,
    DumpFailed,
    Ended,
    EngineUnreachable,
    HermesBackupError,
    NoRoom,
    Refused,
    StackNotRestored,
    last_lines,
    reason_of,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Refused(("mount it",)), "mount it"),
        (Refused(("mount it", "start it")), "2 things stand in the way:\n  - mount it\n  - start it"),
        (CommandFailed(("tar", "-c"), 2, "a\n\nb\n"), "`tar -c` ended with exit code 2: a; b"),
        (CommandFailed(("tar",), -9, "  \n"), "`tar` ended with signal 9: it said nothing"),
        (StackNotRestored(("whole, but", "x is down")), "whole, but; x is down"),
    ],
)
def test_an_error_reads_as_one_text(error: HermesBackupError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DumpFailed("djigzo", "gone"), ("djigzo", "gone", "run the backup again")),
        (DirectoryExportFailed("empty"), ("empty", "docker logs hermes_ldap")),
        (NoRoom("/backups", "3.0 GiB"), ("/backups", "3.0 GiB", "Free some space")),
        (
            ComposeUnusable("/opt/hermes", "no such command"),
            ("/opt/hermes", "no such command", "docker compose config"),
        ),
        (EngineUnreachable("no socket"), ("no socket", "docker info")),
        (Ended("SIGTERM", 15), ("SIGTERM", "start it again")),
    ],
)
def test_an_error_names_what_is_wrong_and_what_to_do(error: BaseException, words: tuple[str, ...]) -> None:
    assert all(word in str(error) for word in words)


def test_what_ends_a_run_is_mistaken_for_no_error_that_can_be_tried_again() -> None:
    assert not isinstance(Ended("SIGINT", 2), Exception)


def test_the_last_lines_are_those_that_say_something() -> None:
    assert last_lines("a\n  b \n\n c\n\n", 2) == "b; c"
    assert last_lines("", 3) == ""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CommandFailed(("occ",), 1, "a\nb\nc\n"), "b; c"),
        (CommandFailed(("occ",), 1, ""), "`occ` ended with exit code 1: it said nothing"),
        (EngineUnreachable("no socket"), str(EngineUnreachable("no socket"))),
    ],
)
def test_the_reason_is_what_the_program_said_or_else_the_sentence(error: HermesBackupError, reason: str) -> None:
    assert reason_of(error) == reason
