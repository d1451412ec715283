"""What Compose's resolved configuration says of how services hang together."""

from __future__ import annotations

from typing import Any

import pytest

from hermes_backup_core.adapters.compose_services import services_of
from hermes_backup_core.domain.host import Service

DATABASE = {
    "container_name": "db_box",
    "hostname": "sql",
    "networks": {"inner": {"aliases": ["store"], "ipv4_address": "172.16.32.4"}, "outer": None},
}


def read(**services: dict[str, Any] | None) -> dict[str, Service]:
    return services_of({"name": "hermes", "services": services})


@pytest.mark.parametrize(
    "definition",
    [
        {"depends_on": {"db": {"condition": "service_healthy", "required": True}}},
        {"network_mode": "service:db"},
        {"network_mode": "container:db"},
        {"pid": "service:db"},
        {"ipc": "service:db"},
        {"volumes_from": ["db:ro"]},
        {"volumes_from": ["container:db:ro"]},
        {"links": ["db:sql"]},
        {"external_links": ["db"]},
    ],
)
def test_a_service_needs_what_it_is_started_after_or_lives_in(definition: dict[str, Any]) -> None:
    assert read(a=definition, db={})["a"].needs == {"db"}


@pytest.mark.parametrize("definition", [None, {}, {"network_mode": "host"}, {"pid": "host"}, {"depends_on": None}])
def test_a_service_may_need_nothing(definition: dict[str, Any] | None) -> None:
    assert read(a=definition)["a"].needs == frozenset()


@pytest.mark.parametrize(
    ("definition", "is_client"),
    [
        ({"environment": {"URL": "jdbc:mysql://db:3306/hermes"}}, True),
        ({"environment": {"HOST": "DB_BOX"}}, True),
        ({"environment": {"HOST": "sql.inner"}}, True),
        ({"command": ["wait-for", "store:3306"]}, True),
        ({"entrypoint": ["/run", "--host=172.16.32.4"]}, True),
        ({"extra_hosts": ["mysql=172.16.32.4"]}, True),
        ({"extra_hosts": {"db": "10.0.0.1"}}, True),
        ({"healthcheck": {"test": ["CMD", "ping", "db"]}}, True),
        ({"environment": {"HOST": "db2", "OTHER": "my-db", "THIRD": "db_x", "NO": None}}, False),
        ({"environment": {"HOST": "172.16.32.40"}}, False),
        ({"volumes": [{"type": "bind", "source": "/mnt/db", "target": "/db"}]}, False),
        ({"networks": {"inner": None}}, False),
        ({"image": "db", "hostname": "db"}, False),
        ({"ports": [{"target": 3306}]}, False),
    ],
)
def test_a_service_mentions_another_where_a_name_of_it_stands_as_a_word(
    definition: dict[str, Any], is_client: bool
) -> None:
    assert read(a=definition, db=DATABASE)["a"].mentions == ({"db"} if is_client else set())


def test_no_service_mentions_itself() -> None:
    assert read(db=DATABASE | {"command": ["db"]})["db"].mentions == frozenset()


def digest(definition: dict[str, Any], **parts: Any) -> str:
    return services_of({"name": "hermes", "services": {"a": definition}, **parts})["a"].digest


def test_a_digest_tells_whether_a_definition_is_the_same_whatever_its_order() -> None:
    assert digest({"image": "i", "command": ["x"]}) == digest({"command": ["x"], "image": "i"})
    assert digest({"image": "i"}) != digest({"image": "j"})


@pytest.mark.parametrize("part", ["networks", "volumes", "secrets", "configs"])
def test_what_a_service_uses_belongs_to_its_definition(part: str) -> None:
    used: Any = {"x": None} if part == "networks" else [{"type": "volume", "source": "x"}, {"type": "tmpfs"}]
    one, same, other = (
        digest({part: used}, **{part: {"x": {"name": name}, "y": {"name": unused}}})
        for name, unused in (("1", "1"), ("1", "2"), ("2", "1"))
    )
    assert one == same
    assert one != other


def test_names_alone_tell_what_is_used_as_well() -> None:
    one, other = (digest({"networks": ["x"]}, networks={"x": {"name": name}}) for name in "12")
    assert one != other
