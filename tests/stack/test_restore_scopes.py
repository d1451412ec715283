"""Each scope restored over a Hermes that is damaged all over: what it holds is back, and nothing else is touched.

Both are looked at thing by thing: each object and row of the databases, each account, each LDAP entry, each file with
its owner, mode, links, ACLs, extended attributes, holes and times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack.damage import damage
from tests.stack.miniature import LAYOUTS, Engine, Miniature
from tests.stack.miniature.content.accounts import ROOT_PASSWORD
from tests.stack.picture import ROOT_ACCOUNT, Picture, differences, parts_of, picture
from tests.stack.restoring import check_nothing_left, restore, volumes
from tests.stack.script import TIERS, back_up, standing

# Each scope in two layouts, `all` in every one.
SCOPES = {
    "separate": ("vmail", "nextcloud", "all"),
    "nested": ("archive", "system", "all"),
    "single": ("archive", "vmail", "nextcloud", "system", "all"),
    "odd": ("all",),
}


@dataclass(frozen=True)
class Host:
    """A Hermes, what it was like when its backups were made, and these, by their scopes."""

    hermes: Miniature
    before: Picture
    backups: dict[str, Path]


@pytest.fixture(scope="module")
def host_of(engine: Engine, folders: Iterator[Path]) -> Iterator[Callable[[str], Host]]:
    """Gives the host in a layout: the one that is there, or a new one in its place."""
    hosts: dict[str, Host] = {}
    with ExitStack() as one:

        def get(layout: str) -> Host:
            if layout not in hosts:
                hosts.clear()
                one.close()
                hosts[layout] = made(one.enter_context(standing(engine, next(folders), layout=layout)))
            return hosts[layout]

        yield get


def made(hermes: Miniature) -> Host:
    # In one of the layouts the backups lie in a tier that they are restored to.
    output = hermes.tiers["data"] / "backups" if hermes.layout.name == "odd" else hermes.base / "backups"
    output.mkdir()
    backups = {scope: back_up(hermes, scope, output=output).tarball for scope in SCOPES[hermes.layout.name]}
    return Host(hermes, picture(hermes), backups)


@pytest.mark.parametrize(("layout", "scope"), [(layout, scope) for layout in LAYOUTS for scope in SCOPES[layout]])
def test_a_scope_is_back_and_nothing_else_is_touched(host_of: Callable[[str], Host], layout: str, scope: str) -> None:
    host = host_of(layout)
    hermes = host.hermes
    damage(hermes)
    # It appears beside the backup, which may lie in a tier: the folder's time is not to differ by that.
    host.backups[scope].with_suffix(".restore.log").touch()
    damaged, running, made = picture(hermes), hermes.running(), volumes(hermes)
    assert_damaged(host.before, damaged, scope)

    script = "system_restore.sh" if scope == "all" else "system_restore.py"
    restored = restore(hermes, host.backups[scope], script=script).must_end_well()

    check_nothing_left(hermes)
    due = damaged.with_parts_of(host.before, *parts_of(scope))
    found = picture(hermes)
    assert differences(due.but(ROOT_ACCOUNT), found.but(ROOT_ACCOUNT)) == []
    assert hermes.running() == running
    assert volumes(hermes) == made
    assert not hermes.maintenance()
    if scope in ("system", "all"):
        check_root(hermes)
    check_report(restored.stdout, scope)


def assert_damaged(before: Picture, damaged: Picture, scope: str) -> None:
    """There is something to bring back, and something to leave alone, in every part of the picture."""
    for part in parts_of(scope):
        if before.of(part).things:
            assert differences(before.of(part), damaged.of(part)), part


def check_root(hermes: Miniature) -> None:
    """Root gets in without a password, as before, and with that of the credential file as well."""
    for password in ("", ROOT_PASSWORD):
        hermes.exec("hermes_db_server", "mariadb", "-u", "root", "-e", "SELECT 1", password=password)


def check_report(said: str, scope: str) -> None:
    for tier in TIERS[scope]:
        assert f"] {tier} " in said
    assert "downtime: stack " in said
    assert ("] LDAP " in said) == (scope in ("system", "all"))
