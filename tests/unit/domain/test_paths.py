"""Paths are compared by whole components, and names of any bytes can be shown."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.paths import is_below, is_within, join, normalised, relative, shown

PARTS = st.lists(st.text("ab[*. \u00e9\udce9", min_size=1, max_size=4).filter(lambda t: t.strip(".")), max_size=4)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", "/"), ("//", "/"), ("///", "/"), ("/a/", "/a"), ("//a//b/", "/a/b"), ("/a[1]", "/a[1]"), ("/a/./b", "/a/b")],
)
def test_a_path_is_brought_to_its_plain_form(path: str, expected: str) -> None:
    assert normalised(path) == expected


@pytest.mark.parametrize(
    ("path", "folder", "below", "within"),
    [
        ("/mnt/data", "/mnt/data", False, True),
        ("/mnt/data/x", "/mnt/data", True, True),
        ("/mnt/data2", "/mnt/data", False, False),
        ("/mnt/data", "/mnt/data/x", False, False),
        ("/mnt/a1/x", "/mnt/a[1]", False, False),
        ("/mnt/a[1]/x", "/mnt/a[1]", True, True),
        ("/x", "/", True, True),
        ("/", "/", False, True),
    ],
)
def test_a_folder_is_above_whole_components_only(path: str, folder: str, below: bool, within: bool) -> None:
    assert (is_below(path, folder), is_within(path, folder)) == (below, within)


@settings(deadline=None)
@given(PARTS, PARTS)
def test_what_is_joined_lies_within_and_is_found_again(above: list[str], under: list[str]) -> None:
    folder, name = "/" + "/".join(above), "/".join(under)
    path = join(folder, name)
    assert is_within(path, folder)
    assert is_below(path, folder) == bool(under)
    assert relative(path, folder) == name


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=30))
def test_a_name_of_any_bytes_is_shown_on_one_line_and_can_be_written_anywhere(name: bytes) -> None:
    text = shown(name)
    assert len(text.splitlines()) <= 1
    assert not any(ord(char) < 32 for char in text)
    text.encode("utf-8")
    if b"\0" not in name:
        assert shown(os.fsdecode(name)) == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"plain name", "plain name"),
        (b"caf\xe9", "caf\\xe9"),
        ("caf\u00e9", "caf\u00e9"),
        (b"a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("a\u2028b\x9b", "a\\u2028b\\x9b"),
    ],
)
def test_only_what_could_do_harm_is_escaped(name: str | bytes, expected: str) -> None:
    assert shown(name) == expected
