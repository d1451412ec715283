"""The stack through `docker` and the engine's API; the engine is the fake one of the CLI tests."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import define, field

from hermes_backup_core.adapters.clock import SystemClock
from hermes_backup_core.adapters.compose import ComposeStack
from hermes_backup_core.domain.errors import CommandFailed, ComposeUnusable, EngineUnreachable
from hermes_backup_core.domain.host import ComposeProject, Container, Dependency
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
        ("stop", "-t", "30", "hermes_postfix_dkim"),
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


SECRET = {"MYSQL_PWD": "a b\n'c"}


def test_what_a_command_may_know_goes_by_name_and_its_value_through_the_environment(
    host: FakeHost, stack: ComposeStack
) -> None:
    host.engine.fail("docker", "exec", "mariadb", stdout="fine", code=0)
    assert stack.run("hermes_db_server", ("mariadb",), stdin=b"SELECT 1", environ=SECRET) == b"fine"
    assert stack.feed("hermes_db_server", ("mariadb",), [b"SELECT ", b"1"], environ=SECRET) == b"fine"
    for call in host.engine.called("exec"):
        assert call.words[1:] == ("exec", "--interactive", "--env", "MYSQL_PWD", "hermes_db_server", "mariadb")
        assert call.environ["MYSQL_PWD"] == SECRET["MYSQL_PWD"]
        assert call.stdin == b"SELECT 1"


def test_a_fed_command_that_fails_is_told_with_its_words(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.fail("docker", "exec", says="ERROR 1064 at line 3", code=1)
    with pytest.raises(CommandFailed, match="ERROR 1064 at line 3"):
        stack.feed("hermes_db_server", ("mariadb",), [b"SELEKT"])


def throw_away(host: FakeHost, answer: str = "60\n", code: int = 0) -> None:
    """Let throw-away containers answer so, and be taken away."""
    host.engine.fail("docker", "run", stdout=answer, says="slapadd: bad", code=code)
    host.engine.fail("docker", "rm", "hermes-restore-", says="Error: No such container", code=1)


def with_services(host: FakeHost, **services: object) -> None:
    config = {"name": "hermes", "services": services}
    host.engine.fail("docker", "compose", "config", stdout=json.dumps(config), code=0)


def test_a_throw_away_container_has_the_image_and_nothing_else_of_the_stack(
    host: FakeHost, stack: ComposeStack
) -> None:
    with_services(host, hermes_new={"image": "ldap:2"})
    throw_away(host)
    mounts = {"/var/lib/ldap": '/mnt/a, "b": it\'s', "/etc/ldap/slapd.d": "/opt/slapd.d"}
    assert stack.run_once("hermes_new", ("sh", "-c", "true", "x"), [b"dn: ", b"x"], mounts=mounts) == b"60\n"
    before, ran, after = (call for call in host.engine.calls if call.words[1] in ("run", "rm"))
    assert before.words == after.words == ("docker", "rm", "--force", "--volumes", "hermes-restore-hermes_new")
    assert ran.stdin == b"dn: x"
    assert ran.words[-6:] == ("--entrypoint", "sh", "ldap:2", "-c", "true", "x")
    assert 'type=bind,"source=/mnt/a, ""b"": it\'s",target=/var/lib/ldap' in ran.words
    assert "type=bind,source=/opt/slapd.d,target=/etc/ldap/slapd.d" in ran.words
    assert {"--rm", "--network", "none", "never", "--log-driver", "com.docker.compose.project="} <= set(ran.words)


def test_a_throw_away_container_is_gone_where_it_fails_and_where_its_input_does(
    host: FakeHost, stack: ComposeStack
) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"dn: x"
        raise ZeroDivisionError

    with_services(host, hermes_new={"image": "ldap:2"})
    throw_away(host, code=1)
    with pytest.raises(CommandFailed, match="slapadd: bad"):
        stack.run_once("hermes_new", ("true",), [], mounts={})
    with pytest.raises(ZeroDivisionError):
        stack.run_once("hermes_new", ("true",), breaking(), mounts={})
    assert [call.words[1] for call in host.engine.calls].count("rm") == 4


def test_without_a_container_and_a_service_there_is_no_image(host: FakeHost, stack: ComposeStack) -> None:
    with pytest.raises(CommandFailed, match="no service hermes_nothing"):
        stack.run_once("hermes_nothing", ("true",), [], mounts={})


def test_files_are_read_by_compose_as_if_they_lay_in_the_install_root(host: FakeHost) -> None:
    seen: list[tuple[bytes, bytes, int]] = []

    def look() -> None:
        words = host.engine.calls[-1].words
        env_file, file = (Path(words[words.index(option) + 1]) for option in ("--env-file", "--file"))
        seen.append((file.read_bytes(), env_file.read_bytes(), file.parent.stat().st_mode & 0o777))

    host.engine.before("docker", "--env-file", act=look)
    config = json.dumps({"name": "other", "services": {"a": {"image": "b$$c"}, "d": {"build": {}}}})
    host.engine.fail("docker", "--env-file", stdout=config, code=0)
    environ = {**host.environ, "COMPOSE_PROJECT_NAME": "mine", "DATA_MOUNT": "/mine"}
    project = ComposeStack(str(host.root), environ, SystemClock()).configured_by(b"services:", b"A=1")
    assert (project.name, project.images) == ("other", {"a": "b$c", "d": "other-d"})
    assert seen == [(b"services:", b"A=1", 0o700)]
    (call,) = host.engine.called("--env-file")
    assert call.words[:4] == ("docker", "compose", "--project-directory", str(host.root))
    assert not {"COMPOSE_PROJECT_NAME", "DATA_MOUNT"} & set(call.environ)
    assert not Path(call.words[5]).parent.exists()


def test_files_that_compose_refuses_are_told_without_the_folder_that_is_gone(
    host: FakeHost, stack: ComposeStack
) -> None:
    host.engine.fail("docker", "--env-file", says="yaml: line 3: mapping values are not allowed", code=15)
    with pytest.raises(ComposeUnusable, match="yaml: line 3"):
        stack.configured_by(b"services: [", b"")


def test_an_image_that_the_engine_lacks_is_named(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.fail("docker", "image", "inspect", "ldap:2", says="Error response from daemon: No such image: ldap:2")
    host.engine.fail("docker", "image", "inspect", stdout="sha256:1", code=0)
    project = ComposeProject("hermes", {}, images={"a": "ldap:2", "b": "db:1", "c": "db:1"})
    assert stack.lacking_images(project) == ("ldap:2",)
    assert len(host.engine.called("image", "inspect")) == 2


def test_an_engine_that_cannot_look_for_an_image_does_not_lack_it(host: FakeHost, stack: ComposeStack) -> None:
    host.engine.fail("docker", "image", "inspect", says="Cannot connect to the Docker daemon")
    with pytest.raises(CommandFailed, match="Cannot connect"):
        stack.lacking_images(ComposeProject("hermes", {}, images={"a": "ldap:2"}))


def with_volume(host: FakeHost, device: str) -> None:
    """Let the engine have one of the project's volumes, which is ``device``."""
    options = {"type": "none", "o": "bind", "device": device}
    facts = [{"Name": "hermes_mail", "Driver": "local", "Options": options}]
    host.engine.fail("docker", "volume", "ls", stdout="hermes_mail\nforeign\n", code=0)
    host.engine.fail("docker", "volume", "inspect", "hermes_mail", stdout=json.dumps(facts), code=0)
    settings = {"name": "hermes_mail", "driver": "local", "driver_opts": {**options, "device": "/mnt/vmail"}}
    services = {name: {"image": "any"} for name in ("hermes_ldap", "hermes_db_server")}
    config = {"name": "hermes", "services": services, "volumes": {"mail": settings}}
    host.engine.fail("docker", "compose", "config", stdout=json.dumps(config), code=0)


def test_containers_are_made_as_compose_says_now_and_it_is_asked_anew(host: FakeHost, stack: ComposeStack) -> None:
    assert stack.project().images == {}
    with_volume(host, "/mnt/vmail/")
    host.engine.fail("docker", "compose", "create", stdout="", code=0)
    stack.create(("hermes_ldap", "hermes_gone", "hermes_db_server"))
    assert set(stack.project().volume_settings) == {"mail"}
    (call,) = host.engine.called("compose", "create")
    assert call.words[3:] == ("--no-build", "--pull", "never", "hermes_ldap", "hermes_db_server")


def test_no_container_is_made_where_none_of_the_services_is_known(host: FakeHost, stack: ComposeStack) -> None:
    with_volume(host, "/mnt/vmail")
    stack.create(("hermes_gone",))
    assert host.engine.called("compose", "create") == []


def test_a_volume_that_is_another_folder_now_is_told_before_compose_mounts_the_old_one(
    host: FakeHost, stack: ComposeStack
) -> None:
    with_volume(host, "/mnt/elsewhere")
    with pytest.raises(CommandFailed, match="hermes_mail is /mnt/elsewhere, but Compose's file says /mnt/vmail"):
        stack.create(("hermes_ldap",))
    assert host.engine.called("compose", "create") == []


def test_a_question_of_compose_is_a_failure_though_it_goes_on_without_an_answer(
    host: FakeHost, stack: ComposeStack
) -> None:
    with_volume(host, "/mnt/vmail")
    asks = "Volume mail exists but doesn't match configuration in compose file. Recreate (data will be lost)? (y/N)"
    host.engine.fail("docker", "compose", "create", stdout=asks, code=0)
    with pytest.raises(CommandFailed, match="data will be lost"):
        stack.create(("hermes_ldap",))
