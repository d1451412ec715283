"""What a selection holds, and where it is read."""

from __future__ import annotations

from attrs import evolve

from hermes_backup_core.domain.selection import TierSelection

WHOLE = TierSelection("/mnt/one", ("", "a/b"), ("a",))


def test_a_folder_is_left_out_where_the_selection_would_hold_it() -> None:
    assert WHOLE.without("/mnt/one/x/y").left_out == ("a", "x/y")
    assert WHOLE.without("/mnt/one/a/c") == WHOLE
    assert WHOLE.without("/mnt/other") == WHOLE
    assert WHOLE.without("/mnt/one") == WHOLE


def test_it_is_read_at_its_root_unless_it_is_seen_elsewhere() -> None:
    assert WHOLE.place == "/mnt/one"
    assert evolve(WHOLE, seen_at="/snap").place == "/snap"
