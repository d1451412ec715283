"""What stands in the way of a backup, all of it at once, and what is worth a warning."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hermes_backup_core.domain.checks import Verdict, check_backup, estimate
from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.host import HostFacts, Room, TierSize
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.scope import DATABASES, Mode, Scope, Tier
from hermes_backup_core.domain.snapshots import Ground, SnapshotPolicy
from hermes_backup_core.domain.topology import Topology
from tests.unit.domain.facts import NAME, TOPOLOGY, containers, facts_of, output_facts, tier_facts, with_tier
from tests.unit.fakes.snapshots import PLAIN, subvolume


def check(facts: HostFacts, scope: Scope = Scope.ALL, mode: Mode = Mode.HOT, maintenance: bool = True) -> Verdict:
    return check_backup(BackupRequest(scope, "/backups", mode, maintenance), facts, NAME)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("scope", Scope)
def test_a_host_in_order_passes_without_a_word(scope: Scope, mode: Mode) -> None:
    verdict = check(facts_of(scope), scope, mode)
    assert verdict == Verdict((), ())
    verdict.require()
    verdict.require_for_dry_run()


ONE_FAULT: list[tuple[str, HostFacts, str]] = [
    (
        "the tier is not there",
        with_tier(Tier.VMAIL, is_folder=False, is_empty=True, missing=("/mnt/vmail",)),
        "the vmail tier (VMAIL_MOUNT, /mnt/vmail) is not there: mount its disk, or correct the path in .env",
    ),
    (
        "the install root is not there",
        with_tier(Tier.CONFIG, is_folder=False, is_empty=True),
        "the config tier (the install root, /opt/hermes) is not there: mount its disk",
    ),
    (
        "fstab promises a disk",
        with_tier(Tier.VMAIL, unmounted=("/mnt/vmail",)),
        "should have a disk mounted at /mnt/vmail, as /etc/fstab says, and has none: run `mount /mnt/vmail`",
    ),
    (
        "the tier is empty",
        with_tier(Tier.VMAIL, is_empty=True, missing=("/mnt/vmail/x",)),
        "the vmail tier (VMAIL_MOUNT, /mnt/vmail) is empty, as an unmounted disk would be",
    ),
    (
        "volumes lack their folders",
        with_tier(Tier.DATA, missing=("/mnt/data/dbase", "/mnt/data/caf\udce9")),
        "the data tier (DATA_MOUNT, /mnt/data) lacks /mnt/data/dbase, /mnt/data/caf\\xe9, which Compose's volumes need",
    ),
    ("no fit tar", facts_of(reader_problem="tar is too old: install a newer one"), "tar is too old"),
    (
        "a folder is a link out of its tier",
        with_tier(Tier.VMAIL, linked_away=(("/mnt/vmail/dovecot", "/disk2/mail"),)),
        "/mnt/vmail/dovecot is a link to /disk2/mail, which no backup of the vmail tier would hold: mount that folder",
    ),
    (
        "the output is unusable",
        facts_of(output=output_facts(problem="does not exist", room=Room(0, 0), names=frozenset({NAME.tarball}))),
        "-P /backups does not exist",
    ),
    (
        "the output is a tier",
        facts_of(output=output_facts(path="/mnt/vmail", resolved="/mnt/vmail")),
        "-P /mnt/vmail is the vmail tier itself, which would leave nothing to back up",
    ),
    (
        "the backup is there already",
        facts_of(output=output_facts(names=frozenset({NAME.tarball}))),
        f"{NAME.tarball} exists in /backups already: wait a second",
    ),
    (
        "too little room",
        facts_of(output=output_facts(room=Room(500, None))),
        "not enough room in /backups: the backup needs about 2.7 KiB and 500 B are free. Free 2.2 KiB there",
    ),
    (
        "too few inodes",
        facts_of(output=output_facts(room=Room(1 << 40, 3))),
        "no room in /backups for another file (3 inodes free)",
    ),
    (
        "no database container",
        facts_of(containers=containers()[2:]),
        "container hermes_db_server does not exist: run `docker compose up -d hermes_db_server` in the install root",
    ),
    (
        "the directory is down",
        facts_of(containers=containers(hermes_ldap="exited")),
        "container hermes_ldap is exited, and a hot backup needs it running: run `docker compose start hermes_ldap`",
    ),
    (
        "the database refuses",
        facts_of(database_problem="MariaDB cannot be asked: no.", databases=None, build_no=None),
        "MariaDB cannot be asked: no.",
    ),
    (
        "databases are gone",
        facts_of(databases=dict.fromkeys(DATABASES[2:], 0)),
        "hermes_db_server has no database hermes, authelia: a backup without it could not be restored",
    ),
    (
        "tools are gone",
        facts_of(missing_tools={"hermes_db_server": ("mariadb", "mariadb-dump")}),
        "mariadb, mariadb-dump cannot be found in hermes_db_server: its image is not one",
    ),
    (
        "two tiers at one folder",
        facts_of(resolved=evolve(TOPOLOGY, vmail="/opt/hermes")),
        "the vmail tier lies at /opt/hermes, which is the install root: give it a folder of its own",
    ),
]


@pytest.mark.parametrize(("facts", "sentence"), [case[1:] for case in ONE_FAULT], ids=[case[0] for case in ONE_FAULT])
def test_one_fault_is_one_refusal_that_says_what_to_do(facts: HostFacts, sentence: str) -> None:
    verdict = check(facts)
    (refusal,) = verdict.refusals
    assert sentence in refusal
    with pytest.raises(Refused) as caught:
        verdict.require()
    assert str(caught.value) == refusal
    with pytest.raises(Refused):
        verdict.require_for_dry_run()


def test_all_faults_are_shown_together() -> None:
    facts = with_tier(Tier.VMAIL, is_empty=True)
    facts = evolve(
        facts,
        output=output_facts(room=Room(0, 0)),
        containers=(),
        databases={},
        missing_tools={"hermes_ldap": ("slapcat",)},
        resolved=Topology("/opt/hermes", "/opt/hermes", "/a", "/v", "/f"),
    )
    with pytest.raises(Refused, match="8 things stand in the way") as caught:
        check(facts).require()
    assert len(caught.value.reasons) == 8


def test_a_folder_of_a_tier_on_a_shared_path_is_no_place_for_backups_either() -> None:
    one = Topology("/opt/hermes", "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one")
    facts = facts_of(topology=one, output=output_facts(path="/mnt/one/redis", resolved="/mnt/one/redis"))
    (refusal,) = check(facts).refusals
    assert "is the nextcloud tier itself" in refusal


def test_a_partial_file_of_the_very_name_is_in_the_way() -> None:
    verdict = check(facts_of(output=output_facts(names=frozenset({NAME.partial}))))
    assert verdict.refusals[0].startswith(f"{NAME.partial} exists in /backups already")


@pytest.mark.parametrize("free", [None, 4, 1000])
def test_a_file_system_with_inodes_left_or_without_a_number_of_them_is_fine(free: int | None) -> None:
    assert check(facts_of(output=output_facts(room=Room(1 << 40, free)))).refusals == ()


@pytest.mark.parametrize("scope", [Scope.VMAIL, Scope.ARCHIVE, Scope.NEXTCLOUD])
def test_a_scope_without_dumps_needs_no_database(scope: Scope) -> None:
    facts = facts_of(scope, containers=(), database_problem="down", build_no=None)
    assert check(facts, scope).refusals == ()


def test_a_cold_backup_starts_what_it_needs_by_itself() -> None:
    stopped = containers(hermes_db_server="exited", hermes_ldap="exited")
    assert check(facts_of(containers=stopped, databases=None, build_no=None), mode=Mode.COLD).refusals == ()


# What could not be looked at


def test_what_only_root_may_see_stands_in_the_way_of_a_run_and_not_of_a_dry_run() -> None:
    verdict = check(with_tier(Tier.VMAIL, is_readable=False))
    assert verdict.unknown == ("the vmail tier (VMAIL_MOUNT, /mnt/vmail) can be looked into by root only",)
    verdict.require_for_dry_run()
    with pytest.raises(Refused, match="by root only"):
        verdict.require()


def test_without_an_engine_its_reason_is_given_once_and_no_container_is_missed() -> None:
    facts = facts_of(stack_problem="the engine does not answer", containers=(), databases=None, build_no=None)
    verdict = check(facts)
    assert (verdict.refusals, verdict.unknown) == ((), ("the engine does not answer",))
    assert not [warning for warning in verdict.warnings if "hermes_nextcloud" in warning]


# Warnings


def warnings(facts: HostFacts, scope: Scope = Scope.ALL, **options: Any) -> tuple[str, ...]:
    verdict = check(facts, scope, **options)
    assert verdict.refusals == ()
    return verdict.warnings


def test_what_the_survey_warned_of_is_passed_on() -> None:
    assert warnings(facts_of(warnings=("strays",))) == ("strays",)


def test_a_backup_folder_inside_a_tier_is_a_warning() -> None:
    (warning,) = warnings(facts_of(output=output_facts(path="/b\udce9", resolved="/mnt/vmail/backups")))
    assert "-P /b\\xe9 lies inside the vmail tier; it is left out of the backup" in warning
    assert warnings(facts_of(output=output_facts(resolved="/mnt/vmail2"))) == ()


@pytest.mark.parametrize(
    ("problem", "why"), [(None, "hermes_db_server does not run"), ("root is refused", "root is refused")]
)
def test_an_unknown_build_number_is_a_warning_where_the_dumps_do_not_need_the_database(
    problem: str | None, why: str
) -> None:
    facts = facts_of(Scope.VMAIL, build_no=None, database_problem=problem)
    (warning,) = warnings(facts, Scope.VMAIL)
    assert warning.startswith("the build number cannot be read")
    assert warning.endswith(why)


def test_partial_files_of_other_runs_are_named_and_foreign_ones_are_not() -> None:
    other = "hermes-backup-vmail-v1-20250601T103000Z.tar.partial"
    names = frozenset({other, "download.partial", "hermes-backup-vmail-v1-20250601T103000Z.tar"})
    (warning,) = warnings(facts_of(output=output_facts(names=names)))
    assert warning.startswith(f"{other} in /backups was left by another run")


def test_a_nextcloud_that_is_down_is_a_warning_where_maintenance_mode_is_wanted() -> None:
    facts = facts_of(containers=containers(hermes_nextcloud="exited"))
    (warning,) = warnings(facts)
    assert "hermes_nextcloud does not run: its files are packed without maintenance mode" in warning
    assert warnings(facts, maintenance=False) == ()
    assert warnings(facts, mode=Mode.COLD) == ()
    assert warnings(facts_of(Scope.VMAIL, containers=()), Scope.VMAIL) == ()


# Room


def test_the_estimate_takes_what_an_earlier_backup_came_to_and_else_the_usual() -> None:
    facts = facts_of(Scope.VMAIL, tiers=(tier_facts(Tier.VMAIL, size=TierSize(1_000_000, 1)),))
    assert estimate(facts, {}) == 500_000
    assert estimate(facts, {Tier.VMAIL: 0.9, Tier.DATA: 5.0}) == 900_000


def test_the_estimate_counts_dumps_of_our_databases_only() -> None:
    facts = facts_of(Scope.SYSTEM, tiers=(), databases={**dict.fromkeys(DATABASES, 1000), "other": 10**9})
    assert estimate(facts, {}) == 600


def test_room_is_compared_with_what_earlier_backups_came_to() -> None:
    facts = facts_of(Scope.VMAIL, output=output_facts(room=Room(800, None)))
    request = BackupRequest(Scope.VMAIL, "/backups")
    assert check_backup(request, facts, NAME).refusals == ()
    assert len(check_backup(request, facts, NAME, {Tier.VMAIL: 0.9}).refusals) == 1


# Snapshots


def snapshot_verdict(policy: SnapshotPolicy, *grounds: Ground) -> Verdict:
    tiers = tuple(
        tier_facts(tier, ground=ground) for tier, ground in zip((Tier.VMAIL, Tier.NEXTCLOUD), grounds, strict=False)
    )
    return check_backup(BackupRequest(Scope.VMAIL, "/backups", snapshot=policy), facts_of(tiers=tiers), NAME)


def test_a_tier_that_no_snapshot_can_be_had_of_is_refused_where_one_is_required() -> None:
    verdict = snapshot_verdict(SnapshotPolicy.REQUIRED, PLAIN, subvolume("/mnt/files"))
    assert verdict.refusals == (
        (
            "the vmail tier (VMAIL_MOUNT, /mnt/vmail) cannot be packed from a snapshot, since it lies on ext4 without "
            "LVM, of which no snapshot can be had: put that right, or leave --snapshot=require out"
        ),
    )
    assert (verdict.warnings, verdict.unknown) == ((), ())


def test_it_is_a_warning_where_one_is_wished_and_nothing_where_none_is() -> None:
    (warning,) = snapshot_verdict(SnapshotPolicy.WISHED, PLAIN).warnings
    assert warning.endswith("of which no snapshot can be had; it is packed as it lies there")
    assert snapshot_verdict(SnapshotPolicy.WISHED, PLAIN).refusals == ()
    assert snapshot_verdict(SnapshotPolicy.NEVER, PLAIN) == Verdict(())


@pytest.mark.parametrize("policy", [SnapshotPolicy.REQUIRED, SnapshotPolicy.WISHED])
def test_what_only_root_can_find_out_stands_in_no_dry_runs_way(policy: SnapshotPolicy) -> None:
    verdict = snapshot_verdict(policy, Ground(unknown="only root can find out"))
    assert (verdict.refusals, verdict.warnings) == ((), ())
    assert verdict.unknown == ("the vmail tier (VMAIL_MOUNT, /mnt/vmail): only root can find out",)


def test_a_tier_that_is_not_there_is_told_of_once() -> None:
    tiers = (tier_facts(Tier.VMAIL, is_folder=False),)
    request = BackupRequest(Scope.VMAIL, "/backups", snapshot=SnapshotPolicy.REQUIRED)
    assert len(check_backup(request, facts_of(tiers=tiers), NAME).refusals) == 1
