"""Which backups stay, held against a second counting that walks as restic's does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.retention import (
    Candidate,
    KeepsNothing,
    RetentionPlan,
    RetentionPolicy,
    plan_retention,
)
from hermes_backup_core.domain.scope import Scope

MOMENT = datetime(2026, 11, 24, 23, 1, 1, tzinfo=timezone.utc)


def name_of(moment: datetime, *, scope: Scope = Scope.VMAIL, build: str = "v1") -> BackupName:
    return BackupName.make(scope, build, moment)


def nightly(count: int) -> list[Candidate]:
    """A backup a night, the newest first."""
    return [Candidate(name_of(MOMENT - timedelta(days=day))) for day in range(count)]


def made_at(*moments: str) -> list[Candidate]:
    """A backup at each of ``moments``, in UTC."""
    return [Candidate(name_of(datetime.fromisoformat(f"{moment}+00:00"))) for moment in moments]


def planned(policy: RetentionPolicy, candidates: list[Candidate]) -> RetentionPlan:
    return plan_retention(policy, candidates, Scope.VMAIL)


def reasons(plan: RetentionPlan) -> list[tuple[str, ...]]:
    return [kept.reasons for kept in plan.kept]


def test_each_kept_one_names_all_the_rules_that_keep_it() -> None:
    plan = planned(RetentionPolicy(last=3, daily=2, weekly=2, monthly=1), nightly(5))
    assert reasons(plan) == [
        ("last 1 of 3", "daily 2026-11-24", "weekly 2026-W48", "monthly 2026-11"),
        ("last 2 of 3", "daily 2026-11-23"),
        ("last 3 of 3", "weekly 2026-W47"),
    ]
    assert [name.stamp[:8] for name in plan.gone] == ["20261121", "20261120"]
    assert plan.left == ()
    stays = "hermes-backup-vmail-v1-20261123T230101Z.tar stays: last 2 of 3, daily 2026-11-23"
    assert str(plan.kept[1]) == stays


def test_days_without_a_backup_are_passed_over() -> None:
    days = (0, 40, 41, 400)
    plan = planned(RetentionPolicy(daily=3), [Candidate(name_of(MOMENT - timedelta(days=day))) for day in days])
    assert reasons(plan) == [("daily 2026-11-24",), ("daily 2026-10-15",), ("daily 2026-10-14",)]
    assert len(plan.gone) == 1


def test_of_a_day_the_newest_counts_and_the_day_is_utc_s() -> None:
    plan = planned(RetentionPolicy(daily=7), made_at("2026-06-02 00:30", "2026-06-01 23:30", "2026-06-01 00:30"))
    assert reasons(plan) == [("daily 2026-06-02",), ("daily 2026-06-01",)]
    assert [name.stamp for name in plan.gone] == ["20260601T003000Z"]


def test_a_week_is_iso_s_and_belongs_to_the_year_of_its_thursday() -> None:
    plan = planned(RetentionPolicy(weekly=5), made_at("2027-01-04 00:00", "2027-01-03 00:00", "2026-12-28 00:00"))
    assert reasons(plan) == [("weekly 2027-W01",), ("weekly 2026-W53",)]
    assert len(plan.gone) == 1


def test_what_is_pinned_or_being_restored_or_new_stays_and_counts() -> None:
    new, second, pinned, used, old = nightly(5)
    candidates = [new, second, attrs.evolve(pinned, pinned=True), attrs.evolve(used, in_use=True)]
    plan = planned(RetentionPolicy(last=2), [*candidates, attrs.evolve(old, new=True)])
    assert reasons(plan) == [("last 1 of 2",), ("last 2 of 2",), ("pinned",), ("being restored",), ("the new one",)]
    plan = planned(RetentionPolicy(last=1), [attrs.evolve(new, pinned=True), second])
    assert reasons(plan) == [("pinned", "last 1 of 1")]
    assert plan.gone == (second.name,)


def test_a_damaged_one_counts_for_nothing_is_left_and_is_named() -> None:
    first, second, third = nightly(3)
    plan = planned(RetentionPolicy(last=1), [attrs.evolve(first, problem="it breaks off", pinned=True), second, third])
    assert [kept.name for kept in plan.kept] == [second.name]
    assert plan.gone == (third.name,)
    assert [str(left) for left in plan.left] == [
        "hermes-backup-vmail-v1-20261124T230101Z.tar is left and counts for nothing: it breaks off"
    ]


def test_the_last_whole_one_of_a_scope_stays_and_says_so() -> None:
    damaged = [attrs.evolve(found, problem="it breaks off") for found in nightly(3)]
    whole = Candidate(name_of(MOMENT - timedelta(days=9)))
    plan = planned(RetentionPolicy(daily=1), [*damaged, whole])
    assert reasons(plan) == [("the last whole one", "daily 2026-11-15")]
    assert plan.gone == ()


def test_other_scopes_are_not_looked_at() -> None:
    other = Candidate(name_of(MOMENT, scope=Scope.ALL), problem="it breaks off")
    mine = Candidate(name_of(MOMENT - timedelta(days=1)))
    plan = planned(RetentionPolicy(last=1), [other, Candidate(name_of(MOMENT, scope=Scope.SYSTEM)), mine])
    assert ([kept.name for kept in plan.kept], plan.gone, plan.left) == ([mine.name], (), ())


def test_without_any_backup_there_is_nothing_to_do() -> None:
    assert planned(RetentionPolicy(last=1), []) == RetentionPlan((), (), ())


@pytest.mark.parametrize("counts", [{}, {"last": 0}, {"last": 3, "daily": 0}, {"monthly": -1}])
def test_a_policy_that_keeps_nothing_is_none(counts: dict[str, int]) -> None:
    with pytest.raises(KeepsNothing, match="give each a whole number from 1 on"):
        RetentionPolicy(**counts)


def test_a_policy_tells_its_rules() -> None:
    assert str(RetentionPolicy(last=3, monthly=12)) == "last 3, monthly 12"


BUCKETS: dict[str, Callable[[datetime, int], object]] = {
    "last": lambda moment, number: number,
    "daily": lambda moment, number: (moment.year, moment.month, moment.day),
    "weekly": lambda moment, number: moment.isocalendar()[:2],
    "monthly": lambda moment, number: (moment.year, moment.month),
}


def kept_by_walking(policy: RetentionPolicy, names: list[BackupName]) -> set[BackupName]:
    """What one walk from the newest to the oldest keeps, with a count and the last bucket for each rule."""
    counts = {rule: getattr(policy, rule) or 0 for rule in BUCKETS}
    latest: dict[str, object] = dict.fromkeys(BUCKETS)
    kept = set()
    for number, name in enumerate(sorted(names, key=lambda name: (name.moment, name.build), reverse=True)):
        for rule, bucket in BUCKETS.items():
            found = bucket(name.moment, number)
            if counts[rule] and found != latest[rule]:
                latest[rule] = found
                counts[rule] -= 1
                kept.add(name)
    return kept


COUNTS = st.none() | st.integers(1, 6)
POLICIES = st.tuples(COUNTS, COUNTS, COUNTS, COUNTS).filter(any).map(lambda counts: RetentionPolicy(*counts))
# Hours, days and weeks apart, over turns of months and years.
STEPS = st.lists(st.sampled_from([1, 5, 13, 24, 47, 168, 700]), max_size=25)
CANDIDATES = st.builds(
    Candidate,
    st.builds(
        lambda hours, build, scope: name_of(MOMENT - timedelta(hours=hours), build=build, scope=scope),
        st.integers(0, 24 * 90),
        st.sampled_from(["v1", "v2"]),
        st.sampled_from([Scope.VMAIL, Scope.VMAIL, Scope.ALL]),
    ),
    problem=st.sampled_from([None, None, None, "it breaks off"]),
    pinned=st.booleans(),
    in_use=st.booleans(),
)


@settings(deadline=None)
@given(POLICIES, STEPS)
def test_it_keeps_what_a_walk_as_restic_s_keeps(policy: RetentionPolicy, steps: list[int]) -> None:
    names = [name_of(MOMENT - timedelta(hours=sum(steps[:end]))) for end in range(len(steps) + 1)]
    plan = planned(policy, [Candidate(name) for name in names])
    assert {kept.name for kept in plan.kept} == kept_by_walking(policy, names)


@settings(deadline=None)
@given(POLICIES, st.lists(CANDIDATES, max_size=20, unique_by=lambda candidate: candidate.name))
def test_whatever_lies_there_nothing_goes_that_must_not(policy: RetentionPolicy, candidates: list[Candidate]) -> None:
    plan = planned(policy, candidates)
    by_name = {candidate.name: candidate for candidate in candidates}
    kept = {found.name for found in plan.kept}
    mine = {name for name, found in by_name.items() if name.scope is Scope.VMAIL}
    assert kept | set(plan.gone) | {left.name for left in plan.left} == mine
    assert len(kept) + len(plan.gone) + len(plan.left) == len(mine)
    for name in plan.gone:
        assert by_name[name] == Candidate(name)
    whole = [name for name in mine if by_name[name].whole]
    assert not whole or max(whole, key=lambda name: (name.stamp, name.build)) in kept
    assert all(found.reasons for found in plan.kept)
