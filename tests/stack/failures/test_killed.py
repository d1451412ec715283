"""SIGKILL at many moments, as a power cut would end a run: the next run puts right what it left, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hermes_backup_core.domain.record import RunRecord
from tests.stack.failures.host import Host, Run, State
from tests.stack.failures.processes import wait_for

pytestmark = pytest.mark.usefixtures("heavy")

Moment = Callable[[Host, Run], None]
Look = Callable[[Host, RunRecord], bool]


def dumping(host: Host, run: Run) -> None:
    run.until_dumping("hermes")


def packing(tier: str) -> Moment:
    def moment(host: Host, run: Run) -> None:
        run.until_packing(host.hermes.root if tier == "config" else host.hermes.tiers[tier])

    return moment


def publishing(host: Host, run: Run) -> None:
    run.until(lambda: "] vmail.tar.gz " in run.said(), "the last tier's end")


def stopping(host: Host, run: Run) -> None:
    run.until_child("docker", "stop", "hermes_nginx")


def between(host: Host, run: Run) -> None:
    run.until(lambda: "] databases.tar.gz " in run.said(), "the dumps' end")
    run.until_child("docker", "stop", "hermes_db_server")


def starting(host: Host, run: Run) -> None:
    run.until(lambda: "] nextcloud.tar.gz " in run.said(), "the last tier's end")
    run.until_child("docker", "start")


def serving(host: Host, record: RunRecord) -> bool:
    both = ("hermes_db_server", "hermes_ldap")
    return record.serving == both and host.running() == set(both)


@dataclass(frozen=True)
class Case:
    """When the first run is killed, what its journal must say then, and what the second run is."""

    name: str
    first: tuple[str, ...]
    moment: Moment
    left: Look
    says: tuple[str, ...]
    second: tuple[str, ...]
    same_output: bool = True


ALL, COLD, VMAIL_COLD = ("-B", "all"), ("-B", "all", "--cold"), ("-B", "vmail", "--cold")
IN_MAINTENANCE = "switched Nextcloud's maintenance mode off"
CASES = (
    Case("hot, in a dump", ALL, dumping, lambda h, r: not r.maintenance, (), ("-B", "system")),
    Case(
        "hot, in maintenance",
        ALL,
        packing("nextcloud"),
        lambda h, r: r.maintenance and h.state().maintenance,
        (IN_MAINTENANCE,),
        ALL,
    ),
    Case("hot, config", ALL, packing("config"), lambda h, r: not r.maintenance, (), ("-B", "archive"), False),
    Case("hot, data", ALL, packing("data"), lambda h, r: not h.state().maintenance, (), ("-B", "archive", "--cold")),
    Case("hot, archive", ALL, packing("archive"), lambda h, r: not r.maintenance, (), ("-B", "archive")),
    Case("hot, vmail", ALL, packing("vmail"), lambda h, r: not r.maintenance, (), ("-B", "vmail"), False),
    Case("hot, publishing", ALL, publishing, lambda h, r: r.partial is not None, (), ("-B", "vmail")),
    Case("cold, stopping", COLD, stopping, lambda h, r: len(r.stopped) == 10, ("started ",), ("-B", "archive")),
    Case("cold, in a dump", COLD, dumping, serving, ("started ",), ("-B", "system"), False),
    Case("cold, between", COLD, between, lambda h, r: len(r.serving) == 2, ("started ",), ("-B", "archive")),
    Case("cold, packing", COLD, packing("vmail"), lambda h, r: not h.running(), ("started ",), VMAIL_COLD),
    Case("cold, starting", COLD, starting, lambda h, r: len(r.stopped) == 10, ("started ",), ("-B", "nextcloud")),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_a_killed_run_left_is_put_right_by_the_next(host: Host, case: Case) -> None:
    before = host.state()
    run = host.begin(*case.first)
    case.moment(host, run)
    run.freeze()
    record, partial = run.journal(), list(host.output.glob("*.partial"))
    assert record is not None  # narrows the type for the claims below
    assert len(partial) == 1
    assert case.left(host, record)
    run.kill()
    # In a container a dump may go on for as long as its client does, which ends at its next write.
    wait_for(lambda: not host.orphans(), lambda: f"processes that survived: {host.orphans()}")

    output = host.output if case.same_output else host.fresh_output("others")
    second = host.succeeds(*case.second, output=output)
    told = second.stdout.partition("== Leftovers of an earlier run ==")[2].partition("== Checks ==")[0]
    assert f"the run of pid {run.process.pid}" in told
    assert "was killed" in told
    assert f"removed {partial[0]}" in told
    assert [line for line in case.says if line not in told] == []
    assert host.state() == before
    assert not list(host.output.glob("*.partial"))
    assert len([*host.output.glob("*.tar"), *host.folder.glob("others/*.tar")]) == 1


def test_a_dry_run_tells_of_the_leftovers_and_leaves_them(host: Host) -> None:
    run = host.begin("-B", "nextcloud")
    packing("nextcloud")(host, run)
    run.kill()
    left = host.state()
    assert left == State(left.running, maintenance=True)
    ended = host.backup("-B", "archive", "--dry-run")
    assert ended.code == 0
    assert ended.warnings_about(f"the run of pid {run.process.pid}")
    assert host.state() == left
    assert run.journal() is not None  # the claim: a dry run forgets nothing
    host.succeeds("-B", "archive")
    assert not host.state().maintenance


def test_leftovers_that_cannot_be_put_right_stop_the_next_run_and_stay_recorded(host: Host) -> None:
    run = host.begin("-B", "nextcloud")
    packing("nextcloud")(host, run)
    run.kill()
    host.hermes.engine.docker("stop", "hermes_nextcloud")
    impatient = "hermes_backup_core.services.nextcloud._OCC_PATIENCE=1"
    second = host.backup("-B", "archive", seconds=impatient)
    assert second.code == 1
    assert "Nextcloud is still in maintenance mode (" in second.error
    assert "): run `docker exec" in second.error
    assert not list(host.output.glob("*.tar"))
    record = run.journal()
    assert record is not None  # narrows the type for the claims below
    assert record.maintenance
    assert record.partial is None
    host.hermes.engine.docker("start", "hermes_nextcloud")
    assert IN_MAINTENANCE in host.succeeds("-B", "archive").stdout
    assert not host.state().maintenance
