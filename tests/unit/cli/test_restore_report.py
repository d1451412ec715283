"""The last words of a restore."""

from __future__ import annotations

from attrs import evolve

from hermes_backup_core.cli.restore_report import restore_report_lines
from hermes_backup_core.domain.scope import Scope
from tests.unit.cli.restores import PATH, plan_of, restored


def test_what_is_back_stands_in_a_table_and_the_figures_that_matter_below() -> None:
    assert list(restore_report_lines(restored())) == [
        "restored          entries      content",
        "config              1,000      3.0 MiB",
        "data                1,000      3.0 MiB",
        "tables                 42 in 6 databases",
        "LDAP                   42",
        f"backup:   {PATH} (scope system, build v1, of mail.example.com)",
        "duration: 1m04s",
        "downtime: stack 12.0s",
        "kept:     /mnt/data/own, /opt/hermes/own, as they were",
    ]


def test_a_scope_without_dumps_has_neither_tables_nor_ldap() -> None:
    lines = list(restore_report_lines(restored(plan_of(scope=Scope.VMAIL), stack_down=0.0)))
    assert [line.split()[0] for line in lines[:3]] == ["restored", "vmail", "backup:"]
    assert "downtime: none" in lines


def test_what_went_on_is_told() -> None:
    plan = evolve(plan_of(scope=Scope.VMAIL), untouched=("hermes_ldap",))
    lines = list(restore_report_lines(restored(plan)))
    assert lines[lines.index("downtime: stack 12.0s") + 1 :][:2] == [
        "stopped:  hermes_db_server",
        "went on:  hermes_ldap",
    ]
    none = list(restore_report_lines(restored(evolve(plan, untouched=plan.running))))
    assert "stopped:  none" in none


def test_what_is_to_be_looked_at_and_done_comes_last() -> None:
    checklist = ("by hand:", "run system_rehost.sh", "log in")
    result = restored(plan_of(keep_mounts=True, checklist=checklist), remarks=("a view has no definer",))
    assert list(restore_report_lines(result))[-6:] == [
        "kept:     /mnt/data/own, /opt/hermes/own, as they were",
        "kept:     this host's own storage paths in .env",
        "look at:  a view has no definer",
        "by hand:",
        "  1. run system_rehost.sh",
        "  2. log in",
    ]


def test_of_many_paths_that_stay_the_first_are_named() -> None:
    plan = plan_of(scope=Scope.VMAIL)
    (tier,) = plan.tiers
    stays = frozenset(f"/mnt/vmail/{number:02}" for number in range(12))
    (kept,) = [
        line
        for line in restore_report_lines(restored(evolve(plan, tiers=(evolve(tier, stays=stays),))))
        if line.startswith("kept:")
    ]
    assert kept.endswith("/mnt/vmail/09 and 2 more, as they were")


def test_where_nothing_stays_nothing_is_said_of_it() -> None:
    plan = plan_of(scope=Scope.VMAIL)
    bare = evolve(plan, tiers=tuple(evolve(tier, stays=frozenset()) for tier in plan.tiers))
    assert not [line for line in restore_report_lines(restored(bare)) if line.startswith("kept:")]
