"""How what stops and what goes on reads."""

from __future__ import annotations

from hermes_backup_core.domain.stopping import counted, stop_lines


def test_both_lists_are_named_with_the_reasons_of_the_first() -> None:
    assert list(stop_lines(("a", "b"), ("c",), {"a": "mounts the vmail tier", "x": "does not run"})) == [
        "stops: a, b (2 of 3 that run now)",
        "  a: mounts the vmail tier",
        "goes on: c",
    ]


def test_a_list_of_nothing_says_so() -> None:
    assert list(stop_lines((), (), {})) == ["stops: none (0 of 0 that run now)", "goes on: none"]


def test_one_container_is_no_plural() -> None:
    assert [counted(number) for number in (0, 1, 2)] == ["0 containers", "1 container", "2 containers"]
