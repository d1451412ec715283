"""The plan of a restore: what goes where, in which hidden folders, and what stays."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.contents import TierContents
from hermes_backup_core.domain.host import MountOnHost, Service
from hermes_backup_core.domain.manifest import ArchiveEntry
from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.restore_facts import RestoreFacts
from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
from hermes_backup_core.domain.restore_planning import plan_restore
from hermes_backup_core.domain.restore_steps import TierPlan
from hermes_backup_core.domain.scope import DATABASES, Scope, Tier
from hermes_backup_core.domain.swap import Stage
from hermes_backup_core.domain.topology import Topology
from tests.unit.domain.facts import SERVICES, TOPOLOGY, containers
from tests.unit.domain.restoring import PROJECT, REQUEST, contents_of, dump_of, facts_of, manifest_of, with_place

STAGED = evolve(REQUEST, stage_dir="/spare")
ONE_DISK = Topology("/opt/hermes/", "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one/")


def plan(facts: RestoreFacts | None = None, request: RestoreRequest = REQUEST, scope: Scope = Scope.ALL) -> RestorePlan:
    return plan_restore(request, contents_of(scope), facts or facts_of(scope))


def tier_of(plan: RestorePlan, tier: Tier) -> TierPlan:
    (found,) = (one for one in plan.tiers if one.tier is tier)
    return found


@pytest.mark.parametrize("scope", Scope)
def test_every_tier_of_the_scope_is_staged_in_itself(scope: Scope) -> None:
    planned = plan(scope=scope)
    assert [tier.tier for tier in planned.tiers] == list(scope.tiers)
    for tier in planned.tiers:
        root = TOPOLOGY.path(tier.tier)
        assert tier.stages == (Stage(root, f".hermes-restore-{tier.tier.value}"),)
        assert (tier.path, tier.selection, tier.synced) == (root, TOPOLOGY.select(tier.tier), False)
        assert (tier.entries, tier.content_bytes) == (10, 1000)
    assert (planned.tables, planned.directory is None) == (
        (dict.fromkeys(DATABASES, 2), False) if scope.has_dumps else ({}, True)
    )


def test_the_plan_says_what_the_backup_is() -> None:
    planned = plan()
    assert (planned.root, planned.scope, planned.request) == ("/opt/hermes", Scope.ALL, REQUEST)
    assert (planned.build_no, planned.hostname, planned.timestamp) == (
        "v260119",
        "mail.example.com",
        "20260601T103000Z",
    )
    assert not planned.has_accounts
    manifest = manifest_of(accounts={"accounts.sql.gz": ArchiveEntry("0" * 64, 1)})
    assert plan_restore(REQUEST, contents_of(manifest=manifest), facts_of()).has_accounts


def test_a_disk_below_a_tier_has_a_stage_of_its_own_and_what_is_pinned_or_stays_is_known() -> None:
    points, pinned = ("/mnt/vmail/big",), frozenset({"/mnt/vmail/dovecot"})
    stays = frozenset({"/mnt/vmail/backups"})
    tier = tier_of(plan(with_place(Tier.VMAIL, mount_points=points, pinned=pinned, stays=stays)), Tier.VMAIL)
    assert tier.stages == (
        Stage("/mnt/vmail", ".hermes-restore-vmail"),
        Stage("/mnt/vmail/big", ".hermes-restore-vmail"),
    )
    assert (tier.pinned, tier.stays) == (pinned, stays)


def test_a_tier_is_judged_by_what_it_owned_on_the_host_of_the_backup() -> None:
    tier = tier_of(plan_restore(REQUEST, contents_of(manifest=manifest_of(topology=ONE_DISK)), facts_of()), Tier.VMAIL)
    assert tier.source == evolve(ONE_DISK, config="/opt/hermes", nextcloud="/mnt/one").select(Tier.VMAIL)
    assert tier.source.folders == ("dovecot",)


def test_what_the_archive_holds_beyond_the_tier_is_excluded() -> None:
    contents = contents_of(Scope.VMAIL, tiers={Tier.VMAIL: TierContents(3, 5, ("./x",))})
    tier = tier_of(plan_restore(REQUEST, contents, facts_of(Scope.VMAIL)), Tier.VMAIL)
    assert (tier.entries, tier.content_bytes, tier.excluded) == (3, 5, ("./x",))


def test_the_files_that_the_stack_goes_by_are_never_missing() -> None:
    planned = plan()
    assert tier_of(planned, Tier.CONFIG).at_once == {"/opt/hermes/.env", "/opt/hermes/docker-compose.yml"}
    assert tier_of(planned, Tier.DATA).at_once == frozenset()


def test_with_another_disk_every_tier_that_is_not_on_it_is_staged_there_and_copied() -> None:
    planned = plan(facts_of(stage_on_tier=(Tier.DATA,)), STAGED)
    vmail, data = tier_of(planned, Tier.VMAIL), tier_of(planned, Tier.DATA)
    assert (vmail.stages, vmail.synced) == ((Stage("/spare", ".hermes-restore-vmail"),), True)
    assert (data.stages, data.synced) == ((Stage("/mnt/data", ".hermes-restore-data"),), False)


def test_the_tables_are_counted_in_the_order_of_the_databases() -> None:
    contents = evolve(
        contents_of(), dumps={"nextcloud": dump_of(), "hermes": dump_of(tables=frozenset({"system_settings"}))}
    )
    assert list(plan_restore(REQUEST, contents, facts_of()).tables.items()) == [("hermes", 1), ("nextcloud", 2)]


def test_the_directory_is_staged_beside_slapds_own_files() -> None:
    directory = plan().directory
    assert directory is not None
    assert directory.stage == Stage("/mnt/data/ldap/data", ".hermes-restore-ldap")
    assert (directory.folder, directory.inside) == ("/mnt/data/ldap/data", "/var/lib/ldap")
    assert (directory.config, directory.config_inside) == ("/opt/hermes/slapd.d", "/etc/ldap/slapd.d")
    assert directory.entries == 52
    assert plan(facts_of(directory=None)).directory is None


def test_what_runs_now_runs_again() -> None:
    states = containers(hermes_ldap="restarting", hermes_nextcloud="exited", hermes_commandbox="paused")
    assert plan(facts_of(containers=states)).running == ("hermes_db_server", "hermes_ldap")


def with_mounts(scope: Scope) -> RestoreFacts:
    services = dict.fromkeys(SERVICES, Service(digest="1"))
    project = evolve(PROJECT, services=services)
    future = evolve(PROJECT, services=services | {"hermes_ldap": Service(digest="2")})
    mounts = (
        MountOnHost("hermes_nextcloud", ("/mnt/files",)),
        MountOnHost("hermes_commandbox", ("/",), read_only=True),
    )
    return facts_of(scope, project=project, future=future if scope.has_dumps else None, mounts=mounts)


def test_what_is_touched_stops_and_the_rest_goes_on() -> None:
    planned = plan(with_mounts(Scope.NEXTCLOUD), scope=Scope.NEXTCLOUD)
    assert planned.stopping == ("hermes_nextcloud",)
    assert planned.going_on == ("hermes_commandbox", "hermes_db_server", "hermes_ldap")
    assert planned.reasons == {"hermes_nextcloud": "mounts the nextcloud tier"}
    planned = plan(with_mounts(Scope.SYSTEM), scope=Scope.SYSTEM)
    assert planned.stopping == ("hermes_db_server", "hermes_ldap")
    planned = plan(with_mounts(Scope.NEXTCLOUD), evolve(REQUEST, stop_all=True), Scope.NEXTCLOUD)
    assert (planned.stopping, planned.going_on, planned.reasons) == (SERVICES, (), {})


@pytest.mark.parametrize(
    ("there", "force", "keeps"),
    [
        (evolve(TOPOLOGY, vmail="/srv/vmail"), True, True),
        (evolve(TOPOLOGY, vmail="/srv/vmail"), False, False),
        (evolve(TOPOLOGY, config="/opt/other"), True, False),
        (evolve(TOPOLOGY, vmail="/mnt/vmail/"), True, False),
    ],
)
def test_after_a_remap_the_hosts_own_mounts_stay(there: Topology, force: bool, keeps: bool) -> None:
    request = evolve(REQUEST, force_remap=force)
    contents = contents_of(manifest=manifest_of(topology=there))
    assert plan_restore(request, contents, facts_of()).keep_mounts is keeps


@pytest.mark.parametrize(("pairs", "keeps"), [(("vmail",), True), (("config", "vmail"), True), (("config",), False)])
def test_a_remap_by_pairs_counts_as_one_that_is_forced(pairs: tuple[str, ...], keeps: bool) -> None:
    request = evolve(REQUEST, remaps=tuple(Remap(name, name) for name in pairs))
    contents = contents_of(manifest=manifest_of(topology=evolve(TOPOLOGY, vmail="/srv/vmail")))
    assert plan_restore(request, contents, facts_of()).keep_mounts is keeps


@pytest.mark.parametrize(("now", "stays"), [(True, True), (False, False), (None, False)])
def test_maintenance_mode_stays_where_it_was_on(now: bool | None, stays: bool) -> None:
    assert plan(facts_of(maintenance=now)).maintenance is stays


def test_a_tier_that_could_not_be_read_is_planned_as_an_empty_one() -> None:
    contents = contents_of(Scope.VMAIL, tiers={})
    assert tier_of(plan_restore(REQUEST, contents, facts_of(Scope.VMAIL)), Tier.VMAIL).entries == 0
