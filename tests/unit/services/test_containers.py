"""Containers that are stopped, started and waited for: what is said of those that do not do as they should."""

from __future__ import annotations

import pytest
from attrs import define, evolve, field

from hermes_backup_core.domain.host import Container
from hermes_backup_core.services.containers import Containers, NotStopped
from tests.unit.fakes.host import MemoryHost, plain_host
from tests.unit.fakes.stack import MemoryStack
from tests.unit.fakes.watching import MemoryClock, MemoryReporter


@define
class AilingStack(MemoryStack):
    """A stack whose containers tell how they are."""

    health: dict[str, str] = field(factory=dict)

    def containers(self) -> tuple[Container, ...]:
        return tuple(evolve(found, health=self.health.get(found.name)) for found in MemoryStack.containers(self))


def containers_of(host: MemoryHost, stack: MemoryStack | None = None) -> Containers:
    return Containers(stack or MemoryStack(host), MemoryClock(host), MemoryReporter(host))


def test_dependents_are_stopped_first_and_each_group_is_announced_before() -> None:
    host = plain_host()
    clock, announced = MemoryClock(host), []

    def announce(names: tuple[str, ...], ends: float) -> None:
        announced.append((names, ends - clock.now().timestamp(), host.running()))

    both = [box for box in MemoryStack(host).containers() if box.name in ("hermes_db_server", "hermes_nextcloud")]
    containers_of(host).stop(both, announce)
    before = plain_host().running()
    assert announced == [
        (("hermes_nextcloud",), 40.0, before),
        (("hermes_db_server",), 130.0, before - {"hermes_nextcloud"}),
        ((), 130.0, before - {"hermes_nextcloud", "hermes_db_server"}),
    ]
    assert host.lines("info") == ["stopping hermes_db_server, hermes_nextcloud"]


def test_a_database_that_was_killed_is_an_error_and_another_container_a_warning() -> None:
    host = plain_host()
    host.boxes["hermes_authelia"].ends_with = host.boxes["hermes_ldap"].ends_with = 137
    with pytest.raises(NotStopped, match=r"hermes_ldap did not stop within 120 s .*may be torn.*docker logs"):
        containers_of(host).stop(MemoryStack(host).containers())
    assert host.lines("warn") == ["hermes_authelia did not end by itself and was killed"]


def test_nobody_has_to_watch() -> None:
    host = plain_host()
    host.boxes["hermes_authelia"].ends_with = 137
    alone = Containers(MemoryStack(host), MemoryClock(host))
    alone.stop(MemoryStack(host).containers())
    assert host.running() == frozenset()
    assert alone.start(("hermes_ldap",)) == ("hermes_ldap",)


def test_healthy_is_what_runs_and_says_nothing_else() -> None:
    host = plain_host()
    stack = AilingStack(host, {"hermes_ldap": "healthy"})
    assert containers_of(host, stack).await_healthy(("hermes_ldap", "hermes_dovecot"), 60) == ()
    assert host.now == 1


def test_what_gets_healthy_in_time_is_waited_for_and_believed_at_the_second_look() -> None:
    host = plain_host()
    stack = AilingStack(host, {"hermes_ldap": "starting"})
    health = {10: "healthy", 11: "unhealthy", 20: "healthy"}

    def hook(moment: str, number: int, call: str) -> None:
        if call == "clock.sleep" and moment == "after":
            stack.health["hermes_ldap"] = health.get(int(host.now), stack.health["hermes_ldap"])

    host.hook = hook
    assert containers_of(host, stack).await_healthy(("hermes_ldap",), 60) == ()
    assert host.now == 21


def test_what_does_not_get_healthy_is_named_with_how_it_is() -> None:
    host = plain_host()
    host.boxes["hermes_dovecot"].state = "restarting"
    stack = AilingStack(host, {"hermes_ldap": "unhealthy", "hermes_dovecot": "healthy"})
    names = ("hermes_ldap", "hermes_dovecot", "hermes_authelia", "hermes_gone")
    expected = ("hermes_ldap (unhealthy)", "hermes_dovecot (restarting)", "hermes_gone (missing)")
    assert containers_of(host, stack).await_healthy(names, 60) == expected
    assert host.now == 60
