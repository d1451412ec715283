"""A restore's steps: their order, their phases, how they read, and how their journal survives."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.restore_plan import RestorePlan, RestoreRequest
from hermes_backup_core.domain.restore_record import Direction, RestoreRecord, RestoreRecordError
from hermes_backup_core.domain.restore_steps import (
    AwaitStack,
    DirectoryPlan,
    DropKept,
    FitAccounts,
    Phase,
    StartStack,
    StopStack,
    SwapTier,
    TierPlan,
)
from hermes_backup_core.domain.scope import Scope, Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.swap import Move, Stage, Swap, stages_for

RUNNING = ("hermes_db_server", "hermes_dovecot")


def tier_plan(tier: Tier, root: str, *, synced: bool = False) -> TierPlan:
    stages = (Stage("/spare", f".hermes-restore-{tier.value}"),) if synced else stages_for(root, tier.value, ())
    selection = TierSelection(root)
    return TierPlan(
        tier, root, selection, selection, stages, entries=1200, content_bytes=3 << 20, synced=synced,
        excluded=("./torn\udcff",), pinned=frozenset({f"{root}/b", f"{root}/a"}),
    )  # fmt: skip


def plan_of(scope: Scope = Scope.ALL, *, synced: bool = False) -> RestorePlan:
    directory = DirectoryPlan(
        "/mnt/data/ldap/data", "/var/lib/ldap", "/opt/hermes/slapd.d", "/etc/ldap/slapd.d",
        Stage("/mnt/data/ldap/data", ".hermes-restore-ldap"), 42,
    )  # fmt: skip
    tiers = tuple(tier_plan(tier, f"/mnt/{tier.value}", synced=synced and tier is Tier.CONFIG) for tier in scope.tiers)
    return RestorePlan(
        request=RestoreRequest("/backups/b.tar"),
        root="/opt/hermes",
        scope=scope,
        build_no="v260119",
        hostname="mail.example.com",
        timestamp="20260601T103000Z",
        tiers=tiers,
        tables={"hermes": 3, "djigzo": 0} if scope.has_dumps else {},
        directory=directory if scope.has_dumps else None,
        running=RUNNING,
        has_accounts=True,
    )


def kinds(plan: RestorePlan) -> list[str]:
    return [type(step).__name__ for step in plan.steps]


def test_all_is_staged_first_and_only_then_the_stack_goes_down() -> None:
    phases = [step.phase for step in plan_of().steps]
    assert phases == sorted(phases, key=[Phase.STAGE, Phase.SWAP, Phase.SETTLE].index)


def test_a_tier_alone_needs_no_database() -> None:
    assert kinds(plan_of(Scope.VMAIL)) == [
        "UnpackTier",
        "StopStack",
        "SwapTier",
        "StartStack",
        "AwaitStack",
        "DropKept",
    ]


def test_the_databases_are_exchanged_while_their_server_alone_is_up() -> None:
    steps = kinds(plan_of(Scope.SYSTEM))
    served = steps[steps.index("ServeDatabase") + 1 : steps.index("StopDatabase")]
    assert served == ["KeepDatabases", "SwapDatabases", "FitAccounts"]


def test_what_cannot_be_undone_comes_last() -> None:
    swaps = [step.plan.synced for step in plan_of(synced=True).steps if isinstance(step, SwapTier)]
    assert swaps == [False, False, False, False, True]


def test_only_a_restore_of_the_install_root_makes_containers_anew() -> None:
    assert StartStack(RUNNING, create=True) in plan_of(Scope.SYSTEM).steps
    assert StartStack(RUNNING, create=False) in plan_of(Scope.VMAIL).steps


@pytest.mark.parametrize(("scope", "before", "ends"), [
    (Scope.NEXTCLOUD, False, True), (Scope.NEXTCLOUD, True, False), (Scope.VMAIL, False, False),
])  # fmt: skip
def test_nextcloud_leaves_maintenance_unless_it_was_in_it_before(scope: Scope, before: bool, ends: bool) -> None:
    assert AwaitStack(RUNNING, ends) in evolve(plan_of(scope), maintenance=before).steps


def test_the_description_names_every_step_under_its_phase() -> None:
    lines = list(plan_of(synced=True).describe())
    assert [line for line in lines if not line.startswith(" ")] == [
        "stops: hermes_db_server, hermes_dovecot (2 of 2 that run now)", "goes on: none",
        "while mail flows:", "with the stack down:", "with the stack up again:",
    ]  # fmt: skip
    text = "\n".join(lines)
    for part in (
        "unpack vmail.tar.gz to /mnt/vmail/.hermes-restore-vmail",
        "1,200 entries, 3.0 MiB",
        "load database hermes (3 tables)",
        "load 42 LDAP entries",
        "stop 2 containers: hermes_db_server, hermes_dovecot",
        "start hermes_db_server alone",
        "exchange the tables of hermes, djigzo",
        "accounts fit those of the backup",
        "by rsync (this cannot be undone)",
        "as the restored Compose file describes them",
        "end Nextcloud's maintenance mode",
        "remove what was kept",
    ):
        assert part in text


def test_the_description_of_one_that_lets_others_go_on_names_both() -> None:
    plan = evolve(
        plan_of(Scope.VMAIL), untouched=("hermes_db_server", "hermes_idle"), reasons={"hermes_dovecot": "why"}
    )
    assert [line for line in plan.describe() if not line.startswith("  ")] == [
        "stops: hermes_dovecot (1 of 2 that run now)",
        "goes on: hermes_db_server",
        "while mail flows:",
        "with 1 container stopped:",
        "with the stack up again:",
    ]
    assert "  hermes_dovecot: why" in plan.describe()
    assert StopStack(("hermes_dovecot",)) in plan.steps
    assert StartStack(("hermes_dovecot",), create=False) in plan.steps
    assert AwaitStack(RUNNING, end_maintenance=False) in plan.steps


def test_steps_read_well_where_there_is_little_to_do() -> None:
    assert str(StopStack(())) == "stop 0 containers: none"
    assert "credential files" in str(FitAccounts(has_accounts=False))
    assert str(AwaitStack((), end_maintenance=False)).endswith("the console answers")


def test_in_a_journal_of_an_earlier_version_everything_stops() -> None:
    content = json.loads(record_at(0).render())
    for name in ("untouched", "reasons"):
        del content["plan"][name]
    del content["plan"]["request"]["stop_all"]
    plan = RestoreRecord.parse(json.dumps(content).encode()).plan
    assert (plan.stopping, plan.going_on) == (RUNNING, ())


def test_a_journal_tells_what_goes_on() -> None:
    record = record_at(0)
    record = evolve(record, plan=evolve(record.plan, untouched=RUNNING[1:], reasons={"hermes_db_server": "why"}))
    assert RestoreRecord.parse(record.render()) == record


def record_at(number: int) -> RestoreRecord:
    plan = plan_of(synced=True)
    swap = Swap(
        "/mnt/data", stages_for("/mnt/data", "data", ()), ("/mnt/data",), (Move("/mnt/data/\udcff", True, False),)
    )
    return RestoreRecord(1, "system_restore.sh", "now", plan).with_swap("data", swap).at(number, Direction.BACK)


def test_a_record_comes_back_from_its_file_as_it_was() -> None:
    record = record_at(3)
    assert RestoreRecord.parse(record.render()) == record
    assert record.direction is Direction.BACK


def test_the_pairs_of_the_request_are_in_the_record_and_one_without_them_can_be_read() -> None:
    record = record_at(3)
    request = evolve(record.plan.request, remaps=(Remap("/srv/\udcff", "vmail"), Remap("config", "config")))
    remapped = evolve(record, plan=evolve(record.plan, request=request))
    assert RestoreRecord.parse(remapped.render()) == remapped
    told = json.loads(record.render())
    del told["plan"]["request"]["remaps"]
    assert RestoreRecord.parse(json.dumps(told).encode()) == record


def test_a_record_knows_whether_it_can_go_on_or_back() -> None:
    steps = plan_of(synced=True).steps
    stop = next(number for number, step in enumerate(steps) if isinstance(step, StopStack))
    assert not record_at(stop - 1).is_staged
    assert record_at(stop).is_staged
    assert record_at(len(steps) - 2).can_go_back
    assert isinstance(record_at(len(steps) - 1).step, DropKept)
    assert not record_at(len(steps) - 1).can_go_back


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"pid": "x"}', b"null", b"\xff"])
def test_a_record_that_is_none_says_so(data: bytes) -> None:
    with pytest.raises(RestoreRecordError, match="cannot be read"):
        RestoreRecord.parse(data)


@pytest.mark.parametrize("number", [-1, 1000])
def test_a_record_of_a_step_that_the_plan_lacks_is_refused(number: int) -> None:
    content = json.loads(record_at(0).render()) | {"begun": number}
    with pytest.raises(RestoreRecordError, match="has no step"):
        RestoreRecord.parse(json.dumps(content).encode())
