"""What stands in the way of a restore, all of it at once, each with what to type next."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hermes_backup_core.domain.errors import Refused
from hermes_backup_core.domain.gates import (
    Gate,
    GateResult,
    check_integrity,
    check_topology,
    check_version,
    checklist,
    run_gates,
    verdict_of,
)
from hermes_backup_core.domain.host import ComposeProject
from hermes_backup_core.domain.manifest import ComposeRecord
from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.restore_facts import RestoreFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import Scope, Tier
from hermes_backup_core.domain.topology import Topology
from tests.unit.domain.facts import TOPOLOGY
from tests.unit.domain.restoring import (
    PROJECT,
    REQUEST,
    contents_of,
    facts_of,
    manifest_of,
    server_of,
    with_found,
)

SCRIPT = "/opt/hermes/scripts/system_restore.sh"
FORCED = evolve(REQUEST, force_version=True)
REMAPPED = evolve(REQUEST, force_remap=True)


@pytest.mark.parametrize("scope", Scope)
def test_a_sound_backup_on_its_own_host_passes_without_a_word(scope: Scope) -> None:
    results = run_gates(REQUEST, contents_of(scope), facts_of(scope))
    assert results == tuple(map(GateResult, Gate))
    verdict_of(results).require()


def test_all_gates_run_and_all_their_refusals_are_shown_together() -> None:
    manifest = manifest_of(build_no="v1", topology=evolve(TOPOLOGY, vmail="/srv/vmail"))
    contents = contents_of(manifest=manifest, problems=("vmail.tar.gz: it is damaged (it breaks off)",))
    facts = evolve(with_found(Tier.VMAIL, is_folder=False), target_problem="tar is too old: install a newer one")
    results = run_gates(REQUEST, contents, facts)
    assert [len(result.refusals) for result in results] == [1, 1, 1, 2]
    with pytest.raises(Refused, match="5 things stand in the way"):
        verdict_of(results).require_for_dry_run()


def test_what_several_gates_could_not_look_at_is_told_once() -> None:
    twice = [GateResult(gate, unknown=("no engine",), warnings=("w",)) for gate in (Gate.VERSION, Gate.HOST)]
    verdict = verdict_of(twice)
    assert (verdict.refusals, verdict.warnings, verdict.unknown) == ((), ("w", "w"), ("no engine",))
    verdict.require_for_dry_run()
    with pytest.raises(Refused, match="no engine"):
        verdict.require()


def test_a_backup_that_is_not_sound_is_refused_with_every_fault() -> None:
    contents = contents_of(problems=("the checksum of data.tar.gz is not what the manifest says", "b"))
    assert check_integrity(contents).refusals == (
        "the checksum of data.tar.gz is not what the manifest says: copy the backup here again, or give -F another one",
        "b: copy the backup here again, or give -F another one",
    )


# Version


def version(there: str, facts: RestoreFacts, request: RestoreRequest = REQUEST, scope: Scope = Scope.ALL) -> GateResult:
    return check_version(request, contents_of(scope, manifest_of(scope, build_no=there)), facts)


@pytest.mark.parametrize("scope", [Scope.ALL, Scope.VMAIL])
def test_another_build_is_refused_in_any_scope_with_the_way_to_the_same_build(scope: Scope) -> None:
    (refusal,) = version("v260201", facts_of(scope), scope=scope).refusals
    assert refusal == (
        "the backup was made by build v260201 and this host runs build v260119: run `git checkout v260201` in "
        "/opt/hermes and install that build, restore, then upgrade with scripts/system_update_docker.sh; or, where "
        f"another schema does no harm, run `sudo FORCE_VERSION_MISMATCH=1 {SCRIPT} -F /backups/b.tar`"
    )


def test_another_build_is_a_warning_where_it_is_forced() -> None:
    result = version("v260201", facts_of(), FORCED)
    assert result.refusals == ()
    builds = "the backup was made by build v260201 and this host runs build v260119"
    assert result.warnings == (f"{builds}, and FORCE_VERSION_MISMATCH=1 lets it pass",)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"server": None}, "hermes_db_server does not run"),
        ({"server": None, "server_problem": "root is refused"}, "root is refused"),
        ({"server": server_of(build_no=None)}, "its database has none"),
    ],
)
def test_a_host_whose_build_is_unknown_is_refused(changes: dict[str, Any], why: str) -> None:
    (refusal,) = version("v1", facts_of(**changes)).refusals
    assert refusal.startswith(f"the build number of this host is unknown ({why}): run `docker compose up -d")
    assert "know that it is the backup's, v1, run `sudo FORCE_VERSION_MISMATCH=1" in refusal
    assert version("v1", facts_of(**changes), FORCED).refusals == ()


def test_a_build_that_this_user_cannot_ask_for_does_not_stop_a_dry_run() -> None:
    result = version("v1", facts_of(server=None, stack_problem="the engine does not answer"))
    assert result.refusals == ()
    assert "unknown (the engine does not answer)" in result.unknown[0]


def test_a_fresh_server_has_no_build_and_takes_any_backup() -> None:
    facts = facts_of(server=server_of(build_no=None, is_fresh=True))
    result = version("v1", facts)
    assert result.refusals == ()
    assert "make sure that build v1 is installed (`git -C /opt/hermes describe --tags`)" in result.warnings[0]


@pytest.mark.parametrize(
    ("there", "server", "ours"),
    [
        ("unknown", server_of(), "that of this host, v260119"),
        ("", server_of(build_no=""), "that of this host"),
        ("unknown", server_of(build_no="unknown"), "that of this host"),
        ("unknown", server_of(build_no=None, is_fresh=True), "that of this host"),
        ("unknown", None, "that of this host"),
    ],
)
def test_a_backup_whose_build_is_unknown_is_refused_whatever_the_host_says(there: str, server: Any, ours: str) -> None:
    facts = facts_of(server=server, stack_problem=None if server else "no engine")
    (refusal,) = version(there, facts).refusals
    assert refusal.startswith(f"the build number of the backup is unknown: where you know that it is {ours}, ")
    assert version(there, facts, FORCED).refusals == ()


# Topology


def test_paths_of_another_host_are_refused_each_on_its_line_with_the_commands_that_remap() -> None:
    there = Topology("/opt/hermes", "/mnt/data", "/mnt/archive", "/srv/vmail", "/srv/files")
    request = evolve(FORCED, path="/b ups/b.tar", stage_dir="/spare", stop_all=True)
    command = f"{SCRIPT} -F '/b ups/b.tar' --stage-dir /spare --stop-all"
    force = "FORCE_VERSION_MISMATCH=1"
    every = f"to let every path differ, `sudo FORCE_REMAP=1 {force} {command}`"
    pairs = "--remap-tiers /srv/vmail:/mnt/vmail --remap-tiers /srv/files:/mnt/files"
    (refusal,) = check_topology(request, contents_of(manifest=manifest_of(topology=there)), facts_of()).refusals
    assert refusal.splitlines() == [
        "the backup's paths are not those of this host:",
        "    vmail: /srv/vmail there, /mnt/vmail here",
        "    nextcloud: /srv/files there, /mnt/files here",
        f"  To restore onto the paths of this host, run `sudo {force} {command} {pairs}`, or, {every}",
    ]


def remapping(*pairs: str, there: Topology, **changes: Any) -> GateResult:
    request = evolve(REQUEST, remaps=tuple(map(Remap.parse, pairs)), **changes)
    return check_topology(request, contents_of(manifest=manifest_of(topology=there)), facts_of())


def test_what_no_pair_covers_is_refused_and_the_command_keeps_the_pairs_that_do() -> None:
    there = evolve(TOPOLOGY, vmail="/srv/vmail", nextcloud="/srv/a b")
    result = remapping("/srv/vmail:vmail", there=there)
    (refusal,) = result.refusals
    assert refusal.splitlines()[1:-1] == ["    nextcloud: /srv/a b there, /mnt/files here"]
    assert "--remap-tiers /srv/vmail:/mnt/vmail --remap-tiers '/srv/a b:/mnt/files'`, or" in refusal
    assert result.warnings == ("restored to this host's paths:\n    vmail: /srv/vmail there, /mnt/vmail here",)


def test_where_pairs_cover_every_difference_nothing_is_refused() -> None:
    result = remapping("vmail:vmail", "/opt/x:config", there=evolve(TOPOLOGY, vmail="/srv/vmail", config="/opt/x"))
    assert result.refusals == ()
    assert "config: /opt/x there, /opt/hermes here\n    vmail: /srv/vmail there, /mnt/vmail here" in result.warnings[0]


@pytest.mark.parametrize("force", [True, False])
def test_a_pair_that_is_about_no_tier_is_refused_even_where_all_is_forced(force: bool) -> None:
    (refusal,) = remapping("/nowhere:vmail", there=TOPOLOGY, force_remap=force).refusals
    assert refusal.startswith("--remap-tiers /nowhere:vmail: the backup had no tier at /nowhere: let OLD be one of ")


def test_the_command_for_another_build_keeps_the_pairs() -> None:
    manifest = manifest_of(build_no="v1", topology=evolve(TOPOLOGY, vmail="/srv/vmail"))
    request = evolve(REQUEST, remaps=(Remap("vmail", "vmail"),))
    (refusal,) = check_version(request, contents_of(manifest=manifest), facts_of()).refusals
    assert refusal.endswith(
        "FORCE_VERSION_MISMATCH=1 " + f"{SCRIPT} -F /backups/b.tar --remap-tiers /srv/vmail:/mnt/vmail`"
    )


def test_a_remap_is_a_warning_that_says_what_goes_where() -> None:
    there = evolve(TOPOLOGY, config="/opt/other")
    result = check_topology(REMAPPED, contents_of(manifest=manifest_of(topology=there)), facts_of())
    assert result.refusals == ()
    assert result.warnings == ("restored to this host's paths:\n    config: /opt/other there, /opt/hermes here",)


def test_a_trailing_slash_is_no_difference() -> None:
    there = TOPOLOGY.map(lambda path: f"{path}/")
    assert check_topology(REQUEST, contents_of(manifest=manifest_of(topology=there)), facts_of()) == GateResult(
        Gate.TOPOLOGY
    )


def compose(future: ComposeProject | None, **changes: Any) -> tuple[str, ...]:
    return check_topology(REQUEST, contents_of(), facts_of(future=future, **changes)).refusals


def test_files_that_compose_refuses_are_refused() -> None:
    (refusal,) = compose(None, future_problem="services is no mapping")
    assert "nothing of the backup's docker-compose.yml and .env (services is no mapping): give -F another" in refusal


def test_another_project_name_would_mean_new_and_empty_volumes() -> None:
    (refusal,) = compose(evolve(PROJECT, name="mail"))
    assert "called hermes here and would be mail with the backup's files" in refusal
    assert "set COMPOSE_PROJECT_NAME=mail in /opt/hermes/.env" in refusal


def test_without_the_future_the_manifest_tells_the_projects_name() -> None:
    manifest = manifest_of(compose=ComposeRecord("mail", {}))
    facts = facts_of(future=None)
    assert "would be mail" in check_topology(REQUEST, contents_of(manifest=manifest), facts).refusals[0]
    assert check_topology(REQUEST, contents_of(), facts).refusals == ()


def test_where_compose_cannot_be_asked_or_no_install_root_is_restored_no_project_is_compared() -> None:
    other = evolve(PROJECT, name="mail")
    assert compose(other, project=ComposeProject("", {})) == ()
    facts = facts_of(Scope.VMAIL, future=other)
    assert check_topology(REQUEST, contents_of(Scope.VMAIL), facts).refusals == ()


def test_a_volume_that_compose_would_recreate_is_named_with_both_folders() -> None:
    future = ComposeProject("hermes", {"dbase": "/mnt/data/mysql"}, {"dbase": '{"device": "/mnt/data/mysql"}'})
    (refusal,) = compose(future)
    assert refusal.startswith(
        "Compose would have to recreate volume dbase (/mnt/data/dbase here, /mnt/data/mysql with the backup's files): "
        "run `docker compose down` and `docker volume rm hermes_dbase` (what lies in /mnt/data/dbase stays)"
    )


def test_a_volume_of_the_engine_is_to_be_copied_first() -> None:
    present = ComposeProject("hermes", {}, {"cache": '{"driver": "local"}', "gone": "{}"})
    future = ComposeProject("hermes", {"cache": "/c"}, {"cache": '{"device": "/c"}', "new": "{}"})
    (refusal,) = compose(future, project=present)
    assert "volume cache (kept by the engine here, /c with the backup's files)" in refusal
    assert "(copy what it holds first)" in refusal


def test_a_volume_that_differs_by_a_path_that_is_remapped_is_not_told_of_beside_the_path() -> None:
    there = evolve(TOPOLOGY, data="/srv/data")
    future = ComposeProject("hermes", {"dbase": "/srv/data/dbase"}, {"dbase": '{"device": "/srv/data/dbase"}'})
    contents = contents_of(manifest=manifest_of(topology=there))
    (refusal,) = check_topology(REQUEST, contents, facts_of(future=future)).refusals
    assert "volume" not in refusal


# The checklist


def test_on_its_own_host_nothing_is_left_to_do() -> None:
    contents = contents_of(files={".env": b"HOST_IP=10.0.0.1\n"})
    assert checklist(contents, facts_of(addresses=frozenset({"10.0.0.1"}))) == ()
    assert checklist(contents, facts_of()) == ()
    assert checklist(contents_of(), facts_of(addresses=frozenset({"10.0.0.1"}))) == ()


def test_on_a_host_of_another_name_the_checklist_says_what_to_do_by_hand() -> None:
    lines = checklist(contents_of(manifest=manifest_of(hostname="old.example.com")), facts_of())
    assert lines[0].startswith("this is another host than the backup's (old.example.com there, mail.example.com here)")
    text = "\n".join(lines)
    for word in ("/opt/hermes/scripts/system_rehost.sh", "Pro licence", "Content Checks", "postconf smtpd_milters"):
        assert word in text


def test_an_address_that_is_not_this_machines_is_a_sign_of_another_host() -> None:
    contents = contents_of(files={".env": b"HOST_IP=10.0.0.1\n"})
    lines = checklist(contents, facts_of(addresses=frozenset({"10.0.0.2", "::1"})))
    assert "HOST_IP=10.0.0.1 in the restored .env is no address of this machine" in lines[0]


def test_an_env_file_that_cannot_be_read_tells_no_address() -> None:
    contents = contents_of(files={".env": b"HOST_IP='10.0.0.1\n"})
    assert checklist(contents, facts_of(addresses=frozenset({"10.0.0.2"}))) == ()


def test_a_restore_that_brings_no_identity_leaves_nothing_to_do() -> None:
    manifest = manifest_of(Scope.VMAIL, hostname="old.example.com")
    assert checklist(contents_of(Scope.VMAIL, manifest), facts_of(Scope.VMAIL)) == ()
