"""Nextcloud's maintenance mode around the packing of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature
from tests.stack.script import Call, back_up, opened, standing
from tests.stack.witness import Sight, Witness

NUMBERS = count()


@pytest.fixture(scope="module")
def standing_hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@pytest.fixture
def hermes(standing_hermes: Miniature) -> Iterator[Miniature]:
    yield standing_hermes
    standing_hermes.occ("maintenance:mode", "--off")


@pytest.fixture
def witness(hermes: Miniature) -> Witness:
    return Witness(hermes, hermes.base / f"witness {next(NUMBERS)}")


def config(hermes: Miniature) -> Path:
    return hermes.tiers["nextcloud"] / "app/config/config.php"


def in_maintenance(seen: list[Sight]) -> list[str]:
    return [sight.doing for sight in seen if sight.maintenance and not sight.doing.startswith("occ ")]


def packed_config(hermes: Miniature, call: Call) -> str:
    return (opened(call.tarball, call.output / "opened").unpack("nextcloud") / "app/config/config.php").read_text()


def test_it_is_on_for_its_database_and_its_files_and_for_nothing_else(hermes: Miniature, witness: Witness) -> None:
    """In `all`, its database is dumped in the same breath: what both say of a file is of the same moment."""
    call = back_up(hermes, "all", environ=witness.environ)

    seen = witness.saw()
    assert in_maintenance(seen) == ["dumps nextcloud", "reads nextcloud", "has read nextcloud"]
    assert len(seen) == 7 + 10 + 2
    assert not hermes.maintenance()
    assert re.search(r"downtime: none, mail kept flowing; Nextcloud in maintenance \d+\.\ds", call.stdout)
    assert "'maintenance' => true" in packed_config(hermes, call)


def test_it_is_on_while_the_tier_is_packed_alone(hermes: Miniature, witness: Witness) -> None:
    call = back_up(hermes, "nextcloud", environ=witness.environ)

    assert call.warnings == [text for text in call.warnings if "sockets" in text]
    assert in_maintenance(witness.saw()) == ["reads nextcloud", "has read nextcloud"]
    assert not hermes.maintenance()
    assert "'dbtype' => 'mysql'" in packed_config(hermes, call)


@pytest.mark.parametrize("scope", ["all", "nextcloud"])
def test_what_the_operator_switched_on_stays_on(hermes: Miniature, witness: Witness, scope: str) -> None:
    """The file is not even written anew."""
    hermes.occ("maintenance:mode", "--on")
    before = config(hermes).stat().st_mtime_ns

    call = back_up(hermes, scope, environ=witness.environ)

    assert call.code == 0
    assert hermes.maintenance()
    assert config(hermes).stat().st_mtime_ns == before
    assert "in maintenance mode already" in call.stdout
    assert not [sight for sight in witness.saw() if sight.doing.startswith("occ ")]


@pytest.mark.parametrize("scope", ["all", "nextcloud"])
def test_without_maintenance_it_is_never_switched(hermes: Miniature, witness: Witness, scope: str) -> None:
    before = (config(hermes).stat().st_mtime_ns, config(hermes).read_bytes())

    call = back_up(hermes, scope, "--no-nc-maintenance", environ=witness.environ)

    assert call.code == 0
    assert (config(hermes).stat().st_mtime_ns, config(hermes).read_bytes()) == before
    assert in_maintenance(witness.saw()) == []
    assert not [sight for sight in witness.saw() if sight.doing.startswith("occ ")]
    assert packed_config(hermes, call) == config(hermes).read_text()


@pytest.mark.parametrize("scope", ["system", "vmail", "archive"])
def test_a_scope_without_its_files_leaves_it_alone(hermes: Miniature, witness: Witness, scope: str) -> None:
    before = config(hermes).stat().st_mtime_ns
    assert back_up(hermes, scope, environ=witness.environ).code == 0
    assert config(hermes).stat().st_mtime_ns == before


def test_where_occ_refuses_the_files_are_packed_live_with_a_warning(hermes: Miniature, witness: Witness) -> None:
    """As the guide says; and nothing of it is left to be switched off."""
    occ = hermes.tiers["nextcloud"] / "app/occ"
    kept = occ.read_bytes()
    occ.write_text('<?php echo "The files of the app are missing.\\n"; exit(1);\n')
    try:
        call = back_up(hermes, "nextcloud", environ=witness.environ)
    finally:
        occ.write_bytes(kept)

    assert call.code == 0, call.stderr
    assert [text for text in call.warnings if "packed live" in text]
    assert in_maintenance(witness.saw()) == []
    assert not hermes.maintenance()
    assert opened(call.tarball, call.output / "opened").names("nextcloud")
