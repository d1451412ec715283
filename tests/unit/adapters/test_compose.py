"""The stack through `docker` and the engine's API; the engine is the fake one of the CLI tests."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator

import pytest
from attrs import define, field

from hermes_backup_core.adapters.clock import SystemClock
from hermes_backup_core.adapters.compose import ComposeStack
from hermes_backup_core.domain.errors import CommandFailed, ComposeUnusable, EngineUnreachable
from hermes_backup_core.domain.host import Container, Dependency
from tests.cli.fake_host import FakeContainer, FakeHost


@define
class LeapingClock(SystemClock):
    """Time that passes only where somebody sleeps."""

    passed: float = 0.0
    pace: float = 1.0
    at: dict[float, Callable[[], None]] = field(factory=dict)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds * self.pace
        self.at.get(self.passed, lambda: None)()


@pytest.fixture
def host() -> Iterator[FakeHost]:
    with FakeHost.running() as host:
        yield host
    assert host.engine.surprises == []


@pytest.fixture
def clock() -> LeapingClock:
    return LeapingClock()


@pytest.fixture
def stack(host: FakeHost, clock: LeapingClock) -> ComposeStack:
    return ComposeStack(str(host.root), host.environ, clock)


def named(stack: ComposeStack, *names: str) -> list[Container]:
    return [container for container in stack.containers() if container.name in names]


def acted(host: FakeHost) -> list[tuple[str, ...]]:
    """The calls that stop or start."""
    return [call.words[1:] for call in host.engine.calls if call.words[1] in ("stop", "start")]


def test_the_project_is_asked_for_once_and_holds_the_volumes_that_lie_on_the_host(
    host: FakeHost, stack: ComposeStack
) -> None:
    host.engine.volumes["cache"] = "tmpfs"
    project = stack.project()
    assert stack.project() is project
    assert len(host.engine.calls) == 1
    assert project.name == "hermes"
    assert project.volumes["dovecot_mail"] == str(host.tiers["vmail"] / "dovecot")
    assert not {"cache", "engine_own", "no_options"} & set(project.volumes)


def test_a_project_without_volumes_has_none(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.fail("compose", stdout=json.dumps({"name": "hermes"}), code=0)
    assert stack.project().volumes == {}


def test_compose_that_cannot_read_its_file_is_told_with_its_words(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.fail("compose", says="yaml: line 3: mapping values are not allowed", code=15)
    with pytest.raises(ComposeUnusable, match="yaml: line 3"):
        stack.project()


def test_the_containers_are_those_of_the_project_less_one_off_ones(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.add(FakeContainer("hermes_ofelia", state="created", depends_on="unknown:service_started:false"))
    found = {container.name: container for container in stack.containers()}
    assert set(found) == set(host.engine.containers) - {"other_web", "hermes_run_1"}
    assert list(found) == sorted(found)
    assert found["hermes_spare"].state == "exited"
    assert found["hermes_db_server"].health == "healthy"
    assert (found["hermes_commandbox"].health, found["hermes_commandbox"].stop_seconds) == (None, 10)
    assert found["hermes_postfix_dkim"].depends_on == (Dependency("hermes_db_server", healthy=True),)
    assert found["hermes_ofelia"].depends_on == ()


# docker-py leaves the socket open that it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_nobody_answers_for_is_unreachable(host: FakeHost) -> None:
    environ = {**host.environ, "DOCKER_HOST": f"unix://{host.base}/nobody.sock"}
    with pytest.raises(EngineUnreachable, match="check that it runs"):
        ComposeStack(str(host.root), environ, SystemClock()).containers()
    gc.collect()


def test_without_the_variable_the_engine_is_the_one_of_docker_s_context(host: FakeHost) -> None:
    environ = {key: value for key, value in host.environ.items() if key != "DOCKER_HOST"}
    assert ComposeStack(str(host.root), environ, SystemClock()).containers()
    assert host.engine.called("context", "inspect")


def test_each_container_is_stopped_within_its_own_patience_dependents_first(
    host: FakeHost, stack: ComposeStack
) -> None:
    host.engine.containers["hermes_ldap"].stop_seconds = 300
    names = ("hermes_db_server", "hermes_ldap", "hermes_postfix_dkim", "hermes_nextcloud", "hermes_commandbox")
    stack.stop(named(stack, *names))
    assert acted(host) == [
        ("stop", "-t", "10", "hermes_nextcloud"),
        ("stop", "-t", "120", "hermes_postfix_dkim"),
        ("stop", "-t", "10", "hermes_commandbox"),
        ("stop", "-t", "120", "hermes_db_server"),
        ("stop", "-t", "300", "hermes_ldap"),
    ]


def test_a_container_starts_when_what_it_wants_healthy_is(
    host: FakeHost, stack: ComposeStack, clock: LeapingClock
) -> None:
    containers = named(stack, "hermes_db_server", "hermes_nextcloud")
    database = host.engine.containers["hermes_db_server"]
    database.health = "starting"

    def recover() -> None:
        database.health = "healthy"

    clock.at[1.5] = recover
    stack.start(containers)
    assert acted(host) == [("start", "hermes_db_server"), ("start", "hermes_nextcloud")]
    assert clock.passed == 1.5


def test_one_that_never_gets_healthy_is_waited_for_a_minute(
    host: FakeHost, stack: ComposeStack, clock: LeapingClock
) -> None:
    containers = named(stack, "hermes_db_server", "hermes_nextcloud")
    host.engine.containers["hermes_db_server"].health = "unhealthy"
    clock.pace = 20
    stack.start(containers)
    assert acted(host)[-1] == ("start", "hermes_nextcloud")
    assert clock.passed == 60


def test_one_that_cannot_start_is_told_when_all_others_have_been_tried(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.fail("docker", "start", "hermes_ldap", says="Error response from daemon: port 389 is taken")
    host.engine.fail("docker", "start", "hermes_nextcloud", says="Error response from daemon: later trouble")
    with pytest.raises(CommandFailed, match="port 389 is taken"):
        stack.start(named(stack, "hermes_ldap", "hermes_commandbox", "hermes_db_server", "hermes_nextcloud"))
    assert [names for _, *names in acted(host)] == [
        ["hermes_commandbox", "hermes_db_server", "hermes_ldap"],
        ["hermes_nextcloud"],
    ]


def test_what_is_not_started_with_it_is_not_waited_for(
    host: FakeHost, stack: ComposeStack, clock: LeapingClock
) -> None:
    host.engine.containers["hermes_db_server"].health = "unhealthy"
    stack.start(named(stack, "hermes_nextcloud"))
    assert clock.passed == 0


def test_a_command_runs_inside_with_stdin_and_as_the_user_that_is_asked_for(
    host: FakeHost, stack: ComposeStack
) -> None:
    assert stack.run("hermes_db_server", ("mariadb",), stdin=b"SELECT 1") == b"1\n"
    said = stack.run("hermes_nextcloud", ("php", "/var/www/html/occ", "maintenance:mode"), user="www-data")
    assert b"disabled" in said
    words = [call.words[1:6] for call in host.engine.calls]
    assert words[0] == ("exec", "--interactive", "hermes_db_server", "mariadb")
    assert words[1][:5] == ("exec", "--interactive", "--user", "www-data", "hermes_nextcloud")


def test_a_long_output_is_handed_on_as_it_comes(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.hermes.ldif = b"dn: cn=a\n\n" * 50_000
    chunks: list[bytes] = []
    stack.stream("hermes_ldap", ("slapcat", "-b", "x"), chunks.append)
    assert b"".join(chunks) == host.engine.hermes.ldif


def test_a_command_in_a_container_that_does_not_run_fails_with_the_engine_s_words(
    host: FakeHost, stack: ComposeStack
) -> None:
    with pytest.raises(CommandFailed, match="container hermes_spare is not running"):
        stack.run("hermes_spare", ("true",))
