"""The order in which a backup does things, and the words in which a dry run tells it."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hermes_backup_core.domain.backup_steps import (
    DropSnapshots,
    DumpDatabase,
    ExportAccounts,
    ExportDirectory,
    PackTier,
    Step,
    TakeSnapshots,
    WhileNextcloudInMaintenance,
    WhileServing,
    WhileStackStopped,
    flattened,
)
from hermes_backup_core.domain.host import ComposeProject, HostFacts, MountOnHost, Service
from hermes_backup_core.domain.plan import BackupPlan, BackupRequest, plan_backup
from hermes_backup_core.domain.scope import DATABASES, Mode, Scope, Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.snapshots import SnapshotPolicy
from hermes_backup_core.domain.topology import Topology
from tests.unit.domain.facts import NAME, SERVICES, containers, facts_of
from tests.unit.fakes.snapshots import PLAIN, subvolume

Shape = list["str | tuple[str, Shape]"]


def plan_of(
    scope: Scope, mode: Mode = Mode.HOT, maintenance: bool = True, touched_only: bool = False, **changes: object
) -> BackupPlan:
    request = BackupRequest(scope, "/backups", mode, maintenance, touched_only)
    return plan_backup(request, facts_of(scope, **changes), NAME)  # type: ignore[arg-type]


def shape(steps: tuple[Step, ...]) -> Shape:
    """The plan as short words, brackets as pairs."""
    return [_short(step) for step in steps]


def _short(step: Step) -> str | tuple[str, Shape]:
    match step:
        case WhileNextcloudInMaintenance():
            return "maintenance", shape(step.steps)
        case WhileStackStopped():
            return "stopped", shape(step.steps)
        case WhileServing():
            return "serving", shape(step.steps)
        case DumpDatabase():
            return step.database
        case PackTier():
            return f"pack {step.tier.value}" + " seen" * bool(step.selection.seen_at)
        case ExportDirectory():
            return "ldap"
        case ExportAccounts():
            return "accounts"
        case TakeSnapshots():
            return "take " + " ".join(snapshot.of for snapshot in step.snapshots)
        case DropSnapshots():
            return "drop " + " ".join(snapshot.of for snapshot in step.snapshots)


FIVE = list(DATABASES[:-1])
SIX = list(DATABASES)
OTHERS = ["pack config", "pack data", "pack archive", "pack vmail"]

PLANS: list[tuple[Scope, Mode, bool, Shape]] = [
    (
        Scope.ALL,
        Mode.HOT,
        True,
        ["ldap", "accounts", *FIVE, ("maintenance", ["nextcloud", "pack nextcloud"]), *OTHERS],
    ),
    (Scope.ALL, Mode.HOT, False, ["ldap", "accounts", *SIX, *OTHERS, "pack nextcloud"]),
    (Scope.SYSTEM, Mode.HOT, True, ["ldap", "accounts", *SIX, "pack config", "pack data"]),
    (Scope.ARCHIVE, Mode.HOT, True, ["pack archive"]),
    (Scope.VMAIL, Mode.HOT, True, ["pack vmail"]),
    (Scope.NEXTCLOUD, Mode.HOT, True, [("maintenance", ["pack nextcloud"])]),
    (Scope.NEXTCLOUD, Mode.HOT, False, ["pack nextcloud"]),
    (
        Scope.ALL,
        Mode.COLD,
        True,
        [("stopped", [("serving", ["ldap", "accounts", *SIX]), *OTHERS, "pack nextcloud"])],
    ),
    (
        Scope.SYSTEM,
        Mode.COLD,
        True,
        [("stopped", [("serving", ["ldap", "accounts", *SIX]), "pack config", "pack data"])],
    ),
    (Scope.ARCHIVE, Mode.COLD, True, [("stopped", ["pack archive"])]),
    (Scope.VMAIL, Mode.COLD, False, [("stopped", ["pack vmail"])]),
    (Scope.NEXTCLOUD, Mode.COLD, True, [("stopped", ["pack nextcloud"])]),
]


@pytest.mark.parametrize(("scope", "mode", "maintenance", "expected"), PLANS)
def test_each_scope_has_its_steps_in_an_order_that_is_down_as_short_as_can_be(
    scope: Scope, mode: Mode, maintenance: bool, expected: Shape
) -> None:
    assert shape(plan_of(scope, mode, maintenance).steps) == expected


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("scope", Scope)
def test_every_tier_and_every_database_is_taken_once(scope: Scope, mode: Mode) -> None:
    steps = list(flattened(plan_of(scope, mode).steps))
    packed = [step.tier for step in steps if isinstance(step, PackTier)]
    assert sorted(packed, key=list(Tier).index) == list(scope.tiers)
    assert [step.database for step in steps if isinstance(step, DumpDatabase)] == (SIX if scope.has_dumps else [])


def test_a_cold_backup_stops_what_runs_and_nothing_else() -> None:
    found = containers(hermes_ldap="exited", hermes_nextcloud="paused", hermes_commandbox="restarting")
    (step,) = plan_of(Scope.VMAIL, Mode.COLD, containers=found).steps
    assert isinstance(step, WhileStackStopped)
    assert step.containers == ("hermes_commandbox", "hermes_db_server")


PROJECT = ComposeProject(
    "hermes",
    {},
    services=dict.fromkeys(SERVICES, Service()) | {"hermes_nextcloud": Service(frozenset({"hermes_ldap"}))},
)
MOUNTS = (MountOnHost("hermes_nextcloud", ("/mnt/files",)), MountOnHost("hermes_commandbox", ("/",), read_only=True))


def test_a_cold_backup_may_stop_only_what_it_touches() -> None:
    plan = plan_of(Scope.NEXTCLOUD, Mode.COLD, touched_only=True, project=PROJECT, mounts=MOUNTS)
    assert (plan.stopping, plan.going_on) == (
        ("hermes_nextcloud",),
        ("hermes_commandbox", "hermes_db_server", "hermes_ldap"),
    )
    assert list(plan.describe())[:4] == [
        "stops: hermes_nextcloud (1 of 4 that run now)",
        "  hermes_nextcloud: mounts the nextcloud tier",
        "goes on: hermes_commandbox, hermes_db_server, hermes_ldap",
        "with 1 container stopped: hermes_nextcloud:",
    ]


def test_the_databases_and_their_clients_stop_for_their_dumps() -> None:
    plan = plan_of(Scope.SYSTEM, Mode.COLD, touched_only=True, project=PROJECT, mounts=MOUNTS)
    assert plan.stopping == ("hermes_db_server", "hermes_ldap", "hermes_nextcloud")
    assert shape(plan.steps) == [("stopped", [("serving", ["ldap", "accounts", *SIX]), "pack config", "pack data"])]


def test_what_does_not_run_may_come_up_meanwhile_where_it_touches_nothing() -> None:
    found = containers(hermes_ldap="exited", hermes_nextcloud="exited")
    plan = plan_of(Scope.NEXTCLOUD, Mode.COLD, touched_only=True, project=PROJECT, mounts=MOUNTS, containers=found)
    (step,) = plan.steps
    assert isinstance(step, WhileStackStopped)
    assert step.untouched == ("hermes_commandbox", "hermes_db_server", "hermes_ldap")
    assert (plan.stopping, plan.going_on) == ((), ("hermes_commandbox", "hermes_db_server"))


def test_a_hot_backup_stops_nothing_and_a_cold_one_everything() -> None:
    hot, cold = (plan_of(Scope.VMAIL, mode) for mode in (Mode.HOT, Mode.COLD))
    assert (hot.stopping, hot.going_on, cold.stopping, cold.going_on) == ((), (), SERVICES, ())


def test_a_plan_knows_what_the_manifest_will_say_and_how_much_there_is_to_read() -> None:
    plan = plan_of(Scope.ALL)
    assert (plan.build_no, plan.hostname, plan.project.name) == ("v260119", "mail.example.com", "hermes")
    assert plan.content_bytes == 5000
    assert plan_of(Scope.ALL, build_no=None).build_no == NAME.build


def test_a_dry_run_tells_a_hot_backup_step_by_step() -> None:
    assert list(plan_of(Scope.ALL).describe()) == [
        "export the LDAP directory dc=hermes,dc=local to ldap.ldif.gz (slapcat in hermes_ldap)",
        "export the applications' database accounts to accounts.sql.gz",
        *(f"dump database {name} to databases.tar.gz (mariadb-dump in hermes_db_server)" for name in FIVE),
        "with Nextcloud in maintenance mode (occ in hermes_nextcloud; mail is not affected):",
        "  dump database nextcloud to databases.tar.gz (mariadb-dump in hermes_db_server)",
        "  pack everything of /mnt/files to nextcloud.tar.gz (10 entries, 1,000 bytes)",
        "pack everything of /opt/hermes, less .git, install-logs to config.tar.gz (10 entries, 1,000 bytes)",
        (
            "pack everything of /mnt/data, less clamav, dbase, ldap/data, mail_filter/data/clamav, mysql "
            "to data.tar.gz (10 entries, 1,000 bytes)"
        ),
        "pack everything of /mnt/archive to archive.tar.gz (10 entries, 1,000 bytes)",
        "pack everything of /mnt/vmail to vmail.tar.gz (10 entries, 1,000 bytes)",
        "write the manifest, flush, and rename to hermes-backup-all-v260119-20260601T103000Z.tar",
    ]


def test_a_dry_run_tells_a_cold_backup_with_what_is_down_while_what_happens() -> None:
    lines = list(plan_of(Scope.SYSTEM, Mode.COLD).describe())
    assert lines[0] == (
        "with the stack stopped (4 containers that run now: "
        "hermes_commandbox, hermes_db_server, hermes_ldap, hermes_nextcloud):"
    )
    assert lines[1] == "  with only hermes_db_server, hermes_ldap up:"
    assert lines[2].startswith("    export the LDAP directory")
    assert lines[-2].startswith("  pack everything of /mnt/data")


def test_a_dry_run_of_a_stack_that_is_down_says_so() -> None:
    line = next(iter(plan_of(Scope.VMAIL, Mode.COLD, containers=()).describe()))
    assert line == "with the stack stopped (0 containers that run now: none):"


def test_the_folders_of_a_tier_on_a_shared_path_are_told() -> None:
    one = Topology("/opt/hermes", "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one")
    (line, _) = plan_of(Scope.VMAIL, topology=one).describe()
    assert line.startswith("pack dovecot of /mnt/one, less dovecot/logs, dovecot/sieve to vmail.tar.gz")


def test_a_path_that_is_no_utf_8_is_shown_escaped() -> None:
    step = PackTier(Tier.VMAIL, TierSelection("/mnt/caf\udce9", ("x\n",), ("y\udce9",)), 1, 1)
    assert str(step) == "pack x\\n of /mnt/caf\\xe9, less y\\xe9 to vmail.tar.gz (1 entries, 1 bytes)"


def on(*roots: str, **changes: Any) -> HostFacts:
    """Facts of a host of whose tiers these paths are btrfs subvolumes."""
    facts = facts_of(Scope.ALL, **changes)
    grounds = {root: subvolume(root) for root in roots}
    tiers = tuple(evolve(found, ground=grounds.get(found.path, PLAIN)) for found in facts.tiers)
    return evolve(facts, tiers=tiers)


def snapped(facts: HostFacts, mode: Mode = Mode.HOT, maintenance: bool = True) -> BackupPlan:
    return plan_backup(
        BackupRequest(Scope.ALL, "/backups", mode, maintenance, snapshot=SnapshotPolicy.WISHED), facts, NAME
    )


def test_nextcloud_is_in_maintenance_only_until_its_snapshot_stands() -> None:
    assert shape(snapped(on("/mnt/files", "/mnt/vmail")).steps) == [
        *("ldap", "accounts", *FIVE),
        ("maintenance", ["nextcloud", "take /mnt/vmail /mnt/files"]),
        *("pack nextcloud seen", "drop /mnt/files", "pack config", "pack data", "pack archive"),
        *("pack vmail seen", "drop /mnt/vmail"),
    ]


def test_nextcloud_is_packed_in_maintenance_where_only_others_have_snapshots() -> None:
    assert shape(snapped(on("/mnt/vmail")).steps) == [
        *("ldap", "accounts", *FIVE),
        ("maintenance", ["nextcloud", "take /mnt/vmail", "pack nextcloud"]),
        *("pack config", "pack data", "pack archive", "pack vmail seen", "drop /mnt/vmail"),
    ]


def test_without_maintenance_snapshots_are_taken_right_after_the_dumps() -> None:
    assert shape(snapped(on("/mnt/files"), maintenance=False).steps) == [
        *("ldap", "accounts", *SIX, "take /mnt/files", *OTHERS, "pack nextcloud seen", "drop /mnt/files")
    ]


def test_a_cold_backup_starts_the_stack_when_the_snapshots_stand_and_all_others_are_packed() -> None:
    plan = snapped(on("/mnt/data", "/mnt/vmail"), Mode.COLD)
    stopped, *after = shape(plan.steps)
    assert stopped == (
        "stopped",
        [
            ("serving", ["ldap", "accounts", *SIX]),
            *("take /mnt/data /mnt/vmail", "pack config", "pack archive", "pack nextcloud"),
        ],
    )
    assert after == ["pack data seen", "drop /mnt/data", "pack vmail seen", "drop /mnt/vmail"]
    (taking,) = [step for step in flattened(plan.steps) if isinstance(step, TakeSnapshots)]
    assert taking.now_or_never == (Tier.DATA, Tier.VMAIL)


def test_who_wants_no_snapshots_gets_the_plan_as_ever() -> None:
    facts = on("/mnt/data", "/mnt/vmail", "/mnt/files")
    assert plan_backup(BackupRequest(Scope.ALL, "/backups"), facts, NAME) == plan_of(Scope.ALL, tiers=facts.tiers)
    assert snapped(on()).steps == plan_of(Scope.ALL).steps


def test_a_shared_snapshot_stays_until_the_last_tier_is_packed_and_is_in_none_of_them() -> None:
    one = Topology("/opt/hermes", "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one")
    facts = facts_of(Scope.ALL, topology=one)
    tiers = tuple(
        evolve(found, ground=PLAIN if found.tier is Tier.CONFIG else subvolume("/mnt/one")) for found in facts.tiers
    )
    tiers = tuple(
        evolve(found, ground=subvolume("/mnt/one", subvolumes=("/mnt/one/app/x",)))
        if found.tier is Tier.NEXTCLOUD
        else found
        for found in tiers
    )
    plan = snapped(evolve(facts, tiers=tiers), maintenance=False)
    assert shape(plan.steps)[-7:] == [
        *("take /mnt/one", "pack config", "pack data seen", "pack archive seen", "pack vmail seen", "drop /mnt/one"),
        "pack nextcloud",
    ]
    (taking,) = [step for step in plan.steps if isinstance(step, TakeSnapshots)]
    (snapshot,) = taking.snapshots
    packing = [step for step in flattened(plan.steps) if isinstance(step, PackTier)]
    assert not any(step.selection.holds(snapshot.place) for step in packing)


def test_a_dry_run_tells_what_is_read_from_which_snapshot() -> None:
    lines = list(snapped(on("/mnt/vmail", "/mnt/files"), maintenance=False).describe())
    assert "take a read-only snapshot of /mnt/vmail (btrfs) for vmail; of /mnt/files (btrfs) for nextcloud" in lines
    seen = "pack everything of /mnt/vmail, from the snapshot, to vmail.tar.gz (10 entries, 1,000 bytes)"
    assert lines[lines.index(seen) + 1] == "remove the snapshot of /mnt/vmail"
    one = evolve(facts_of(Scope.ALL), tiers=tuple(evolve(f, ground=subvolume("/")) for f in facts_of().tiers))
    assert any(
        "snapshot of / (btrfs) for config, data, archive, vmail and nextcloud" in line
        for line in snapped(one).describe()
    )
