"""Names and texts as SQL writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_backup_core.services.sql import account, identifier, quoted, unhexed


@pytest.mark.parametrize(
    ("text", "literal"),
    [("plain", "'plain'"), ("it's", "'it''s'"), ("a\\b", "'a\\\\b'"), ("two\nlines", "'two\\nlines'")],
)
def test_a_text_is_one_literal_in_one_line(text: str, literal: str) -> None:
    assert quoted(text) == literal


def test_names_are_quoted_as_names() -> None:
    assert identifier("a`b") == "`a``b`"
    assert account("o'neil", "10.%") == "'o''neil'@'10.%'"


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_comes_back_from_its_digits(text: str) -> None:
    assert unhexed(text.encode().hex().upper()) == text
