"""What of the host stands in the way of a restore, all of it at once, and what is worth a warning."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hermes_backup_core.domain.checks import Verdict
from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.gates import Gate, GateResult, check_host
from hermes_backup_core.domain.host import Room
from hermes_backup_core.domain.host_gate import check_ground
from hermes_backup_core.domain.restore_facts import RestoreFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import Scope, Tier
from tests.unit.domain.facts import TOPOLOGY, containers
from tests.unit.domain.restoring import (
    REQUEST,
    contents_of,
    dump_of,
    facts_of,
    place_of,
    server_of,
    with_found,
    with_place,
)


def check(facts: RestoreFacts, contents: Contents | None = None, request: RestoreRequest = REQUEST) -> Verdict:
    return check_ground(request, contents or contents_of(), facts)


ONE_FAULT: list[tuple[str, RestoreFacts, str]] = [
    ("no fit tar", facts_of(target_problem="tar is too old: install a newer one"), "tar is too old"),
    (
        "two tiers at one folder",
        facts_of(resolved=evolve(TOPOLOGY, vmail="/opt/hermes")),
        "the vmail tier lies at /opt/hermes, which is the install root: give it a folder of its own",
    ),
    ("the tier is not there", with_found(Tier.VMAIL, is_folder=False), "is not there: mount its disk"),
    ("fstab promises a disk", with_found(Tier.VMAIL, unmounted=("/mnt/vmail",)), "run `mount /mnt/vmail`"),
    (
        "the tier is empty",
        with_found(Tier.VMAIL, is_empty=True),
        "mount it, or correct the path in .env. If its disk is a new one, run `mkdir -p /mnt/vmail/new-disk` first",
    ),
    (
        "volumes lack their folders",
        with_found(Tier.DATA, missing=("/mnt/data/dbase", "/mnt/data/a b")),
        "is its disk mounted? If its disk is a new one, run `mkdir -p /mnt/data/dbase '/mnt/data/a b'` first",
    ),
    (
        "a folder is a link out of its tier",
        with_found(Tier.VMAIL, linked_away=(("/mnt/vmail/dovecot", "/disk2/mail"),)),
        "/mnt/vmail/dovecot is a link to /disk2/mail",
    ),
    (
        "an earlier restore left folders",
        with_place(Tier.VMAIL, hidden=("/mnt/vmail/.hermes-restore-vmail",)),
        "anybody needs what is in there, and run `rm -rf --one-file-system /mnt/vmail/.hermes-restore-vmail` if not",
    ),
    (
        "an earlier restore left schemas",
        facts_of(server=server_of(leftovers=("hermes_restore_new_hermes", "hermes_restore_old_hermes"))),
        "-e 'DROP DATABASE hermes_restore_new_hermes; DROP DATABASE hermes_restore_old_hermes;'` if not",
    ),
    (
        "tools are gone",
        facts_of(missing_tools={"hermes_ldap": ("slapadd",)}),
        "slapadd cannot be found in hermes_ldap: its image is not one that this restore can work with",
    ),
    (
        "no directory container",
        facts_of(containers=tuple(c for c in containers() if c.name != "hermes_ldap")),
        "container hermes_ldap does not exist: run `docker compose up -d hermes_ldap` in /opt/hermes",
    ),
    (
        "no database container",
        facts_of(containers=containers()[2:], server=None),
        "container hermes_db_server does not exist: run `docker compose up -d hermes_db_server` in /opt/hermes",
    ),
    (
        "the database is down",
        facts_of(containers=containers(hermes_db_server="exited"), server=None),
        "hermes_db_server is exited, and the dumps are loaded and checked while it runs: run `docker compose start",
    ),
    (
        "the database refuses",
        facts_of(server=None, server_problem="MariaDB cannot be asked: no."),
        "MariaDB cannot be asked: no.",
    ),
    ("the database says nothing", facts_of(server=None), "look at `docker logs hermes_db_server`"),
    ("the directory's files are elsewhere", facts_of(directory=None, directory_problem="no folder"), "no folder"),
    ("the directory's files are unknown", facts_of(directory=None), "run `docker compose config` in /opt/hermes"),
    (
        "images are lacking",
        facts_of(lacking_images=("mariadb:11", "b:1")),
        "run `docker pull mariadb:11; docker pull b:1`, then restore again",
    ),
]


@pytest.mark.parametrize(("facts", "sentence"), [case[1:] for case in ONE_FAULT], ids=[case[0] for case in ONE_FAULT])
def test_one_fault_is_one_refusal_that_says_what_to_do(facts: RestoreFacts, sentence: str) -> None:
    verdict = check(facts)
    (refusal,) = verdict.refusals
    assert sentence in refusal
    assert check_host(REQUEST, contents_of(), facts) == GateResult(Gate.HOST, verdict.refusals)


def test_a_paused_database_is_to_go_on() -> None:
    (refusal,) = check(facts_of(containers=containers(hermes_db_server="paused"), server=None)).refusals
    assert "run `docker compose unpause hermes_db_server`" in refusal


def test_a_directory_that_is_down_is_fine() -> None:
    assert check(facts_of(containers=containers(hermes_ldap="exited"))).refusals == ()


def test_a_scope_without_dumps_needs_no_services() -> None:
    facts = facts_of(Scope.VMAIL, containers=(), server=None, directory=None, missing_tools={"hermes_ldap": ("x",)})
    assert check(facts, contents_of(Scope.VMAIL)) == Verdict(())


# What could not be looked at


def test_what_only_root_may_see_stands_in_the_way_of_a_run_and_not_of_a_dry_run() -> None:
    facts = with_found(Tier.VMAIL, is_readable=False)
    facts = evolve(facts, stack_problem="no engine", containers=(), server=None, directory=None)
    assert check(facts) == Verdict(
        (), (), ("no engine", "the vmail tier (VMAIL_MOUNT, /mnt/vmail) can be looked into by root only")
    )


# What the dumps need of the server


@pytest.mark.parametrize(
    ("needs", "named"),
    [
        ({"charsets": frozenset({"utf8mb4", "utf16"})}, "character set utf16"),
        ({"collations": frozenset({"utf8mb4_0900_ai_ci"})}, "collation utf8mb4_0900_ai_ci"),
        ({"engines": frozenset({"ROCKSDB"})}, "engine ROCKSDB"),
        (
            {"charsets": frozenset({"x"}), "collations": frozenset({"y_z"}), "engines": frozenset({"w"})},
            "character set x, collation y_z, engine w",
        ),
    ],
)
def test_what_the_server_does_not_know_is_named_before_anything_is_loaded(needs: dict[str, Any], named: str) -> None:
    contents = evolve(contents_of(), dumps={"hermes": dump_of(), "djigzo": dump_of(**needs)})
    (refusal,) = check(facts_of(), contents).refusals
    assert refusal.startswith(
        f"the dump of djigzo needs {named}, which hermes_db_server does not know: bring its image"
    )


@pytest.mark.parametrize(
    ("needs", "server"),
    [
        ({"charsets": frozenset({"utf8"})}, {"charsets": frozenset({"utf8mb3"})}),
        ({"charsets": frozenset({"utf8mb3"})}, {"charsets": frozenset({"utf8"})}),
        ({"collations": frozenset({"utf8_bin"})}, {"collations": frozenset({"utf8mb3_bin"})}),
        ({"collations": frozenset({"utf8mb4_uca1400_ai_ci"})}, {"collations": frozenset({"uca1400_ai_ci"})}),
        ({"collations": frozenset({"uca1400_ai_ci"})}, {"collations": frozenset({"uca1400_ai_ci"})}),
        ({"engines": frozenset({"innodb"})}, {"engines": frozenset({"InnoDB"})}),
    ],
)
def test_one_thing_under_two_names_is_known(needs: dict[str, Any], server: dict[str, Any]) -> None:
    nothing: dict[str, Any] = {"charsets": frozenset(), "collations": frozenset(), "engines": frozenset()}
    contents = evolve(contents_of(), dumps={"hermes": dump_of(**{**nothing, **needs})})
    assert check(facts_of(server=server_of(**server)), contents).refusals == ()


# --stage-dir


def test_a_stage_dir_that_will_not_do_is_refused() -> None:
    request = evolve(REQUEST, stage_dir="/spare")
    (refusal,) = check(facts_of(stage_problem="is no folder: create it"), request=request).refusals
    assert refusal == "--stage-dir /spare is no folder: create it"


# Warnings


def test_what_the_survey_warned_of_is_passed_on() -> None:
    assert check(facts_of(warnings=("strays",))).warnings == ("strays",)


@pytest.mark.parametrize("path", ["/mnt/data/backups/b.tar", "/data/b.tar"])
def test_a_backup_inside_a_tier_stays_there_and_the_innermost_tier_is_named(path: str) -> None:
    facts = facts_of()
    nested = evolve(facts.places[Tier.DATA].found, path="/data")
    facts = evolve(facts, places={Tier.CONFIG: place_of(Tier.CONFIG), Tier.DATA: place_of(Tier.DATA, found=nested)})
    contents = contents_of(Scope.SYSTEM)
    (warning,) = check(facts, contents, evolve(REQUEST, path=path)).warnings
    assert warning == f"{path} lies inside the data tier, where it stays; a folder on another disk would be safer"


def test_a_paused_container_is_a_warning() -> None:
    (warning,) = check(facts_of(containers=containers(hermes_nextcloud="paused"))).warnings
    assert "hermes_nextcloud is paused, and stays so: run `docker compose restart hermes_nextcloud`" in warning


# Room


def test_too_little_room_is_one_refusal_with_the_figures_of_each_file_system() -> None:
    facts = with_place(Tier.VMAIL, rooms={"/mnt/vmail": Room(1240, 5, 21)})
    places = {**facts.places, Tier.ARCHIVE: place_of(Tier.ARCHIVE, rooms={"/mnt/archive": Room(11240, 10, 22)})}
    facts = evolve(facts, places=places, server=server_of(room=Room(600, None, 23)))
    (refusal,) = check(facts).refusals
    assert refusal == (
        "not enough room beside the live data: /mnt/vmail: about 11.0 KiB needed, 1.2 KiB free, 9.8 KiB missing; "
        "/mnt/vmail: 10 inodes needed, 5 free; the databases: about 9.4 KiB needed, 600 B free, 8.8 KiB missing. Free "
        "as much there, or run the restore again with --stage-dir DIR, a folder on another disk, for the tiers"
    )


def test_tiers_on_one_disk_need_room_together() -> None:
    one = {
        tier: place_of(tier, rooms={TOPOLOGY.path(tier): Room(20_000, None, 7)}) for tier in (Tier.CONFIG, Tier.DATA)
    }
    facts = facts_of(Scope.SYSTEM, places=one)
    (refusal,) = check(facts, contents_of(Scope.SYSTEM)).refusals
    assert "/opt/hermes, /mnt/data: about 22.0 KiB needed, 19.5 KiB free, 2.4 KiB missing" in refusal


def test_a_tier_over_several_disks_has_the_room_of_all_of_them() -> None:
    spread = {"/mnt/vmail": Room(5_000, 2, 1), "/mnt/vmail/b": Room(7_000, 8, 2)}
    facts = facts_of(Scope.VMAIL, places={Tier.VMAIL: place_of(Tier.VMAIL, rooms=spread)})
    assert check(facts, contents_of(Scope.VMAIL)).refusals == ()
    less = {**spread, "/mnt/vmail/b": Room(6_000, 7, 2)}
    facts = facts_of(Scope.VMAIL, places={Tier.VMAIL: place_of(Tier.VMAIL, rooms=less)})
    (refusal,) = check(facts, contents_of(Scope.VMAIL)).refusals
    assert "/mnt/vmail: about 11.0 KiB needed, 10.7 KiB free" in refusal
    assert "/mnt/vmail: 10 inodes needed, 9 free" in refusal


def test_where_the_room_is_unknown_nothing_is_said_of_it() -> None:
    facts = facts_of(places={tier: place_of(tier, rooms={}) for tier in Tier}, server=server_of(room=None))
    assert check(facts).refusals == ()


def test_another_disk_for_staging_takes_the_tiers_that_are_not_on_it_already() -> None:
    request = evolve(REQUEST, stage_dir="/spare")
    full = {tier: place_of(tier, rooms={TOPOLOGY.path(tier): Room(0, None, 21)}) for tier in Tier}
    facts = facts_of(places=full, stage_room=Room(60_000, None, 9))
    assert check(facts, request=request).refusals == ()
    facts = evolve(facts, stage_room=Room(50_000, None, 9), stage_on_tier=(Tier.VMAIL,))
    (refusal,) = check(facts, request=request).refusals
    assert "/mnt/vmail: about 11.0 KiB needed, 0 B free" in refusal
    assert "/spare" not in refusal
    facts = evolve(facts, stage_room=Room(40_000, None, 9))
    (refusal,) = check(facts, request=request).refusals
    assert "/spare: about 43.9 KiB needed, 39.1 KiB free" in refusal
    assert refusal.endswith("again with another --stage-dir")
    assert check(evolve(facts, stage_room=None, stage_on_tier=()), request=request).refusals == ()
