"""Containers start after what they depend on, and a circle does not keep them from starting."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.host import Container, Dependency
from hermes_backup_core.domain.order import start_order


def container(name: str, *needs: str) -> Container:
    return Container(name, "running", depends_on=tuple(map(Dependency, needs)))


def names(groups: list[list[Container]]) -> list[list[str]]:
    return [[member.name for member in group] for group in groups]


def test_each_group_needs_only_earlier_ones() -> None:
    stack = [container("web", "app"), container("app", "db", "ldap"), container("db"), container("ldap")]
    assert names(start_order(stack)) == [["db", "ldap"], ["app"], ["web"]]


def test_what_is_not_to_be_started_is_not_waited_for() -> None:
    assert names(start_order([container("app", "db")])) == [["app"]]
    assert start_order([]) == []


def test_a_circle_forms_one_group_together_with_what_waits_for_it() -> None:
    stack = [container("a", "b"), container("b", "a"), container("c", "b"), container("d")]
    assert names(start_order(stack)) == [["d"], ["a", "b", "c"]]


STACKS = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefg")))


@settings(deadline=None)
@given(STACKS)
def test_every_container_starts_exactly_once(needs: dict[str, set[str]]) -> None:
    stack = [container(name, *others) for name, others in needs.items()]
    groups = start_order(stack)
    assert sorted(member.name for group in groups for member in group) == sorted(needs)
    started: set[str] = set()
    for group in groups[:-1]:
        started |= {member.name for member in group}
    for group in groups[:-1]:
        for member in group:
            assert {needed.name for needed in member.depends_on} & set(needs) <= started
