"""Who must not run while tiers are read cold or exchanged: rule by rule, then what holds of every host."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_backup_core.domain.host import ComposeProject, Container, Dependency, MountOnHost, Service
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.topology import Topology
from hermes_backup_core.domain.touched import Footing, Reach, brings_in_files, touched
from tests.unit.domain.facts import tier_facts

SEPARATE = Topology("/opt/hermes", "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")
NESTED = Topology("/opt/hermes", "/mnt/data", "/mnt/data/amavis", "/mnt/data/vmail", "/mnt/files")
SINGLE = Topology("/opt/hermes", "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one")


def footing(
    *mounts: MountOnHost, services: dict[str, Service] | None = None, containers: tuple[Container, ...] = ()
) -> Footing:
    """A project of ``services``, with a container for each that has none among ``containers``."""
    defined = services or {mount.service: Service() for mount in mounts}
    named = {container.service or container.name for container in containers}
    others = tuple(Container(name, "running") for name in defined if name not in named)
    return Footing(ComposeProject("hermes", {}, services=defined), (*containers, *others), mounts)


def reach(*tiers: Tier, topology: Topology = SEPARATE, **changes: Any) -> Reach:
    return Reach({tier: (topology.select(tier),) for tier in tiers}, **{"databases": False, **changes})


def at(*ways: str, read_only: bool = False, is_file: bool = False) -> MountOnHost:
    return MountOnHost("a", ways, read_only, is_file)


# Mounts


@pytest.mark.parametrize(
    ("topology", "tier", "source", "is_touched"),
    [
        (SEPARATE, Tier.VMAIL, "/mnt/vmail", True),
        (SEPARATE, Tier.VMAIL, "/mnt/vmail/dovecot", True),
        (SEPARATE, Tier.VMAIL, "/mnt", True),
        (SEPARATE, Tier.VMAIL, "/", True),
        (SEPARATE, Tier.VMAIL, "/mnt/vmail2", False),
        (SEPARATE, Tier.VMAIL, "/mnt/data", False),
        (SEPARATE, Tier.DATA, "/mnt/data/dbase", False),
        (NESTED, Tier.DATA, "/mnt/data/amavis", False),
        (NESTED, Tier.DATA, "/mnt/data/nginx", True),
        (NESTED, Tier.ARCHIVE, "/mnt/data/amavis/q", True),
        (NESTED, Tier.ARCHIVE, "/mnt/data", True),
        (NESTED, Tier.ARCHIVE, "/mnt/data/nginx", False),
        (SINGLE, Tier.VMAIL, "/mnt/one/dovecot", True),
        (SINGLE, Tier.VMAIL, "/mnt/one/dovecot/logs", False),
        (SINGLE, Tier.VMAIL, "/mnt/one/amavis", False),
        (SINGLE, Tier.VMAIL, "/mnt/one", True),
        (SINGLE, Tier.DATA, "/mnt/one/dovecot/sieve", True),
        (SINGLE, Tier.DATA, "/mnt/one/dovecot", True),
        (SINGLE, Tier.NEXTCLOUD, "/mnt/one/redis", True),
        (SINGLE, Tier.NEXTCLOUD, "/mnt/one/dovecot", False),
    ],
)
@pytest.mark.parametrize("exchanged", [True, False])
def test_whoever_writes_into_a_folder_of_the_tier_or_above_one_is_touched(
    topology: Topology, tier: Tier, source: str, is_touched: bool, exchanged: bool
) -> None:
    found = touched(footing(at(source)), reach(tier, topology=topology, exchanged=exchanged))
    assert found == ({"a": f"mounts the {tier.value} tier"} if is_touched else {})


def test_each_way_to_a_source_counts() -> None:
    assert touched(footing(at("/srv/mail", "/mnt/vmail/x")), reach(Tier.VMAIL)) == {"a": "mounts the vmail tier"}


def test_each_way_to_the_tier_counts() -> None:
    """A mount from above the tier lies above only one of the places where the tier is shown."""
    found = tier_facts(Tier.VMAIL, ways=("/srv/big/mail",))
    reach = Reach({Tier.VMAIL: found.selections}, databases=False)
    assert touched(footing(at("/srv/big")), reach) == {"a": "mounts the vmail tier"}
    assert touched(footing(at("/srv/big2")), reach) == {}


def test_whoever_only_reads_goes_on() -> None:
    mounts = [at(path, read_only=True) for path in ("/mnt/vmail", "/mnt/vmail/x", "/mnt", "/")]
    assert touched(footing(*mounts), reach(Tier.VMAIL, exchanged=True)) == {}


def test_a_volume_that_the_engine_keeps_is_no_tier_s() -> None:
    assert touched(footing(services={"a": Service()}), reach(*Tier, exchanged=True, future=project_of("a"))) == {}


# What only an exchange touches


def project_of(*names: str, **digests: str) -> ComposeProject:
    services = {name: Service() for name in names} | {name: Service(digest=is_) for name, is_ in digests.items()}
    return ComposeProject("hermes", {}, services=services)


@pytest.mark.parametrize(
    ("tier", "mount", "reason"),
    [
        (Tier.CONFIG, at("/opt/hermes/config/x", read_only=True), "mounts the config tier"),
        (Tier.CONFIG, at("/opt/hermes/.env", read_only=True, is_file=True), "mounts a file of the config tier"),
        (Tier.CONFIG, at("/opt", read_only=True), None),
        (Tier.CONFIG, at("/", read_only=True), None),
        (Tier.CONFIG, at("/opt/hermes/.git", read_only=True), None),
        (Tier.DATA, at("/mnt/data/nginx/c", read_only=True, is_file=True), "mounts a file of the data tier"),
        (Tier.DATA, at("/mnt/data/dbase/f", read_only=True, is_file=True), None),
    ],
)
def test_whoever_would_go_on_looking_at_what_is_gone_is_touched_by_an_exchange_only(
    tier: Tier, mount: MountOnHost, reason: str | None
) -> None:
    found = touched(footing(mount), reach(tier, exchanged=True, future=project_of("a")))
    assert found == ({"a": reason} if reason else {})
    assert touched(footing(mount), reach(tier)) == {}


def test_a_service_that_the_backup_has_otherwise_or_not_at_all_is_touched_with_the_config_tier() -> None:
    services = {name: Service(digest="1") for name in ("same", "other", "gone", "told")}
    future = project_of(same="1", other="2", new="1", told="1")
    changes: dict[str, Any] = {"exchanged": True, "future": future, "unforeseen": frozenset({"told"})}
    assert touched(footing(services=services), reach(Tier.CONFIG, **changes)) == {
        "other": "is another one in the backup's Compose file",
        "gone": "is not in the backup's Compose file",
        "told": "may be another one with the backup's files",
    }
    assert touched(footing(services=services), reach(Tier.VMAIL, **changes)) == {}
    assert touched(footing(services=services), reach(Tier.CONFIG)) == {}


def test_where_nobody_knows_what_compose_will_make_of_it_all_are_touched() -> None:
    assert touched(footing(services={"a": Service()}), reach(Tier.CONFIG, exchanged=True)).keys() == {"a"}


@pytest.mark.parametrize(
    ("file", "brings"),
    [
        (b"services:\n  a:\n    env_file: .env\n", True),
        (b"include:\n  - more.yml\n", True),
        (b"services:\n  a:\n    extends: {file: base.yml}\n", True),
        (b"services:\n  a:\n    'env_file' : x\n", True),
        (b"services:\n  a:\n    # env_file: x\n    image: include\n", False),
    ],
)
def test_a_compose_file_that_brings_in_others_is_told_from_one_that_does_not(file: bytes, brings: bool) -> None:
    assert brings_in_files(file) is brings


# Databases


def test_the_servers_and_their_clients_are_touched_where_the_databases_are_in_scope() -> None:
    services = {
        "hermes_db_server": Service(),
        "hermes_ldap": Service(),
        "web": Service(mentions=frozenset({"hermes_db_server", "hermes_ldap"})),
        "app": Service(needs=frozenset({"hermes_db_server"})),
        "front": Service(needs=frozenset({"app"})),
        "cache": Service(),
    }
    assert touched(footing(services=services), reach(databases=True)) == {
        "hermes_db_server": "its data is in scope",
        "hermes_ldap": "its data is in scope",
        "web": "client of hermes_db_server and hermes_ldap",
        "app": "depends on hermes_db_server",
        "front": "depends on app",
    }
    assert touched(footing(services=services), reach(Tier.VMAIL)) == {}


# Who depends on them


def test_dependents_are_touched_by_their_file_and_by_their_container() -> None:
    services = {"a": Service(), "b": Service(needs=frozenset({"a"})), "c": Service(), "d": Service()}
    box = Container("c", "running", depends_on=(Dependency("b"),))
    assert touched(footing(at("/mnt/vmail"), services=services, containers=(box,)), reach(Tier.VMAIL)) == {
        "c": "depends on b",
        "a": "mounts the vmail tier",
        "b": "depends on a",
    }


def test_a_container_that_is_called_otherwise_is_that_of_its_service() -> None:
    services = {"a": Service(), "b": Service(needs=frozenset({"a"})), "c": Service(needs=frozenset({"box-a"}))}
    boxes = (Container("box-a", "running", service="a"), Container("box-b", "exited", service="b"))
    found = touched(footing(at("/mnt/vmail"), services=services, containers=boxes), reach(Tier.VMAIL))
    assert found == {"box-a": "mounts the vmail tier", "box-b": "depends on a", "c": "depends on box-a"}


def test_who_needs_a_service_that_has_no_container_is_touched_with_it() -> None:
    services = {"a": Service(), "b": Service(needs=frozenset({"a"})), "c": Service(needs=frozenset({"b"}))}
    project = ComposeProject("hermes", {}, services=services)
    only = Footing(project, (Container("c", "running"),), (at("/mnt/vmail"),))
    assert touched(only, reach(Tier.VMAIL)) == {"c": "depends on b"}


def test_a_container_that_compose_does_not_know_is_touched() -> None:
    found = touched(footing(services={"a": Service()}, containers=(Container("old", "running"),)), reach(Tier.VMAIL))
    assert found == {"old": "is not in Compose's configuration"}


def test_what_the_engine_mounts_for_such_a_container_is_a_better_reason() -> None:
    mount = MountOnHost("old", ("/mnt/vmail",))
    boxes = (Container("old", "running"),)
    assert touched(footing(mount, services={"a": Service()}, containers=boxes), reach(Tier.VMAIL)) == {
        "old": "mounts the vmail tier"
    }


# What holds of every host

NAMES = ("hermes_db_server", "hermes_ldap", "a", "b", "c", "d")
PATHS = ("/", "/mnt", "/mnt/vmail", "/mnt/vmail/x", "/mnt/data/nginx", "/mnt/data/dbase", "/opt/hermes/c", "/srv")
names = st.sampled_from(NAMES)
some = st.frozensets(names, max_size=2)


@st.composite
def footings(draw: st.DrawFn) -> Footing:
    services = draw(
        st.dictionaries(names, st.builds(Service, needs=some, mentions=some, digest=st.just("")), min_size=1)
    )
    states = st.sampled_from(["running", "exited"])
    waits = st.lists(st.builds(Dependency, names), max_size=1).map(tuple)
    boxes = draw(st.lists(st.builds(Container, names, states, depends_on=waits), unique_by=lambda box: box.name))
    mounts = st.builds(MountOnHost, names, st.sampled_from(PATHS).map(lambda path: (path,)), st.booleans())
    return Footing(
        ComposeProject("hermes", {}, services=services), tuple(boxes), tuple(draw(st.lists(mounts, max_size=3)))
    )


reaches = st.builds(
    Reach,
    st.sets(st.sampled_from(Tier)).map(lambda tiers: {tier: (SEPARATE.select(tier),) for tier in tiers}),
    st.booleans(),
    st.booleans(),
    st.just(project_of(*NAMES)),
)


@given(footings(), reaches)
def test_nobody_goes_on_who_writes_to_a_tier_or_depends_on_one_that_stops(found: Footing, reach: Reach) -> None:
    reasons = touched(found, reach)
    assert list(reasons) == [box.name for box in found.containers if box.name in reasons]
    assert all(reasons.values())
    for box in found.containers:
        if box.name in reasons:
            continue
        assert not {needed.name for needed in box.depends_on} & reasons.keys()
        assert not found.project.services[box.name].needs & reasons.keys()
        own = [mount.ways[0] for mount in found.mounts if mount.service == box.name and not mount.read_only]
        assert not any(selection.holds(path) for (selection,) in reach.tiers.values() for path in own)


@given(footings(), reaches)
def test_more_in_scope_never_touches_fewer(found: Footing, reach: Reach) -> None:
    every = {tier: (SEPARATE.select(tier),) for tier in Tier}
    wider = Reach(every, databases=True, exchanged=True, future=reach.future)
    assert touched(found, reach).keys() <= touched(found, wider).keys()


@given(footings())
def test_where_nothing_is_in_scope_only_strangers_are_touched(found: Footing) -> None:
    reasons = touched(found, Reach({}, databases=False))
    strangers = {name for name, reason in reasons.items() if "not in Compose" in reason}
    assert {box.name for box in found.containers if box.name not in found.project.services} == strangers
    assert all(reason.startswith("depends on") for name, reason in reasons.items() if name not in strangers)


def test_a_selection_of_nothing_touches_nothing() -> None:
    empty = Reach({Tier.VMAIL: (TierSelection("/mnt/vmail", folders=()),)}, databases=False)
    assert touched(footing(at("/mnt/vmail")), empty) == {}
