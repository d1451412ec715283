"""`--cold`: what runs is stopped and runs again, what was stopped stays stopped, and nothing is up meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature
from tests.stack.script import Call, back_up, members, opened, standing
from tests.stack.witness import Witness

DATABASES_UP = frozenset({"hermes_db_server", "hermes_ldap"})
NUMBERS = count()


@pytest.fixture(scope="module")
def standing_hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@pytest.fixture
def hermes(standing_hermes: Miniature) -> Miniature:
    """With everything up, and hermes_nginx stopped by the operator."""
    standing_hermes.up()
    standing_hermes.engine.docker("stop", "hermes_nginx")
    return standing_hermes


@pytest.fixture
def witness(hermes: Miniature) -> Witness:
    return Witness(hermes, hermes.base / f"witness {next(NUMBERS)}")


def states(hermes: Miniature) -> dict[str, tuple[str, str]]:
    """Each container's state, and when it was started last."""
    names = hermes.engine.docker("ps", "-aq").decode().split()
    found = json.loads(hermes.engine.docker("inspect", *names))
    return {one["Name"].lstrip("/"): (one["State"]["Status"], one["State"]["StartedAt"]) for one in found}


def downtime(call: Call) -> str:
    (line,) = [line for line in call.stdout.splitlines() if "] downtime: " in line]
    return line.partition("] downtime: ")[2]


def test_exactly_what_ran_is_stopped_and_runs_again(hermes: Miniature, witness: Witness) -> None:
    """Only the databases are up for the dumps, and nothing is while the tiers are packed."""
    before = states(hermes)
    call = back_up(hermes, "all", "--cold", environ=witness.environ)

    assert call.code == 0, call.stdout
    after = states(hermes)
    assert {name: state for name, (state, _) in after.items()} == {name: state for name, (state, _) in before.items()}
    assert after["hermes_nginx"] == before["hermes_nginx"]
    assert after["hermes_nginx"][0] == "exited"
    restarted = {name for name in before if after[name][1] > before[name][1]}
    assert restarted == set(before) - {"hermes_nginx"}
    assert hermes.exec("hermes_commandbox", "curl", "-sf", "http://localhost:8888/") == b"Hermes console\n"
    manifest = opened(call.tarball, hermes.base / "opened" / call.tarball.stem).manifest
    assert (manifest["mode"], manifest["build_no"]) == ("cold", "v260119")
    assert re.fullmatch(r"stack \d+\.\ds", downtime(call))

    seen = witness.saw()
    dumping = [sight for sight in seen if sight.doing.startswith(("dumps ", "exports "))]
    packing = [sight for sight in seen if sight.doing.startswith(("reads ", "has read "))]
    assert len(dumping) == 7
    assert {sight.running for sight in dumping} == {DATABASES_UP}
    assert len(packing) == 10
    assert {sight.running for sight in packing} == {frozenset()}
    # Nothing else happens, in no other order: Nextcloud, for one, is never switched.
    assert seen == [*dumping, *packing]


def test_a_tier_alone_needs_no_dumps(hermes: Miniature, witness: Witness) -> None:
    before = states(hermes)
    call = back_up(hermes, "vmail", "--cold", environ=witness.environ)

    assert members(call.tarball) == ["backup_manifest.json", "vmail.tar.gz"]
    assert [(sight.doing, sight.running) for sight in witness.saw()] == [
        ("reads vmail", frozenset()),
        ("has read vmail", frozenset()),
    ]
    after = states(hermes)
    assert {name for name in before if after[name] != before[name]} == set(before) - {"hermes_nginx"}
    assert hermes.running() == set(before) - {"hermes_nginx"}
    assert re.fullmatch(r"stack \d+\.\ds", downtime(call))


def test_a_database_that_was_stopped_serves_the_dumps_and_is_stopped_again(hermes: Miniature, witness: Witness) -> None:
    """Its build number, unknown at first, stands in the file's name and the manifest all the same."""
    hermes.engine.docker("stop", "hermes_db_server", "hermes_postfix_dkim")
    before = states(hermes)

    call = back_up(hermes, "all", "--cold", environ=witness.environ)

    assert call.tarball.name.startswith("hermes-backup-all-v260119-")
    assert sorted(call.output.iterdir()) == [call.tarball.with_suffix(".log"), call.tarball]
    dumping = {sight.running for sight in witness.saw() if sight.doing.startswith(("dumps ", "exports "))}
    assert dumping == {DATABASES_UP}
    after = states(hermes)
    assert {name: state for name, (state, _) in after.items()} == {name: state for name, (state, _) in before.items()}
    assert after["hermes_db_server"][0] == "exited"
    assert after["hermes_postfix_dkim"] == before["hermes_postfix_dkim"]
    assert re.fullmatch(r"stack \d+\.\ds", downtime(call))


def test_a_hot_backup_stops_nothing(hermes: Miniature, witness: Witness) -> None:
    before = states(hermes)
    call = back_up(hermes, "all", environ=witness.environ)

    assert call.code == 0
    assert states(hermes) == before
    assert {sight.running for sight in witness.saw()} == {frozenset(before) - {"hermes_nginx"}}
    assert downtime(call).startswith("none, mail kept flowing")
