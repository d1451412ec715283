"""A restore from the request on: what is refused, what is planned, and what a killed run of either kind left."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.scope import Scope
from tests.unit.fakes.wiring import RECORD, restore_job_of
from tests.unit.restore.restores import RESTORE, Case, case_of


@pytest.fixture(scope="module")
def vmail() -> Case:
    return case_of(Scope.VMAIL)


@pytest.fixture
def case(vmail: Case) -> Case:
    vmail.begin()
    return vmail


def test_a_look_changes_nothing_and_tells_what_would_be_done(case: Case) -> None:
    prospect = case.job().prepare(case.prospect.request)
    assert prospect.manifest.scope is Scope.VMAIL
    assert prospect.verdict.refusals == ()
    assert prospect.plan == case.prospect.plan
    assert (case.wrong(case.before), case.job().interrupted()) == ([], None)


def test_what_the_gates_refuse_has_no_plan_and_is_not_carried_out(case: Case) -> None:
    case.host.target_problem = "GNU tar is not there: install it"
    try:
        prospect = case.job().prepare(case.prospect.request)
    finally:
        case.host.target_problem = None
    assert prospect.plan is None
    with pytest.raises(Refused, match="GNU tar is not there"):
        case.job().carry_out(prospect, RESTORE)
    assert case.wrong(case.before) == []


def test_a_prospect_without_a_plan_is_never_carried_out(case: Case) -> None:
    with pytest.raises(ValueError, match="no plan"):
        case.job().carry_out(evolve(case.prospect, plan=None), RESTORE)


def test_nobody_has_to_be_told_when_signals_must_not_raise(case: Case) -> None:
    result = case.job().carry_out(case.prospect, RESTORE)
    assert (result.tables, result.ldap_entries, result.remarks) == (0, None, ())
    assert [(tier.value, entries) for tier, entries, _ in result.tiers] == [("vmail", 8)]


def test_both_ways_on_can_be_taken_without_telling_anybody(case: Case) -> None:
    states = [killed.state for killed in case.watched(case.carry_out) if "trees.rename" in killed.where]
    case.begin(states[0])
    result = case.job().finish(case.record(), RESTORE)
    assert result.plan == case.prospect.plan
    case.begin(states[0])
    case.job().undo(case.record(), RESTORE)
    assert case.wrong(case.before) == []


def test_what_a_killed_backup_left_is_found_and_put_right() -> None:
    host = case_of(Scope.VMAIL).begin()
    job = restore_job_of(host)
    assert job.backup_leftovers() is None
    host.journal = evolve(RECORD, stopped=("hermes_dovecot",)).render()
    host.boxes["hermes_dovecot"].state = "exited"
    found = job.backup_leftovers()
    assert found is not None
    job.put_right(found)
    assert "hermes_dovecot" in host.running()
    assert job.backup_leftovers() is None
