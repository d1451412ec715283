"""The port to the stack on a real engine: feeding, throw-away containers, Compose's view of files, the directory."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve

from hermes_backup_core.adapters.clock import SystemClock
from hermes_backup_core.adapters.compose import ComposeStack
from hermes_backup_core.domain.errors import CommandFailed, ComposeUnusable
from hermes_backup_core.domain.host import Kind, Mount
from hermes_backup_core.domain.restore_steps import DirectoryPlan
from hermes_backup_core.domain.slapd_config import database_folder
from hermes_backup_core.domain.swap import Side, Stage
from hermes_backup_core.services.ldap_restore import DirectoryLoader, DirectoryNotLoaded
from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.content.directory import entries
from tests.stack.script import standing

LDAP, SLAPD_D, DATABASE = "hermes_ldap", "/etc/ldap/slapd.d", "/var/lib/ldap"
SUFFIX = "dc=hermes,dc=local"
PERSON = "\ndn: uid=zz,ou=users,dc=hermes,dc=local\nobjectClass: inetOrgPerson\nuid: zz\ncn: z\n"


class Broken(Exception):
    pass


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@pytest.fixture
def stack(hermes: Miniature) -> ComposeStack:
    return ComposeStack(str(hermes.root), hermes.environ, SystemClock())


def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65536


def names(hermes: Miniature) -> list[str]:
    """Every container of the engine."""
    return hermes.engine.docker("ps", "--all", "--format", "{{.Names}}").decode().split()


# Feeding


def test_a_command_reads_all_that_it_is_fed_and_its_answer_comes_back(stack: ComposeStack) -> None:
    assert stack.feed(LDAP, ("wc", "-c"), [b"x" * 65536] * 500) == b"32768000\n"


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_that_ends_early_is_told_with_its_words(stack: ComposeStack, code: int) -> None:
    with pytest.raises(CommandFailed, match="no room") as failed:
        stack.feed(LDAP, ("sh", "-c", f"head -c 9 >/dev/null; echo no room >&2; exit {code}"), endless())
    assert failed.value.exit_code == code


def test_a_broken_input_ends_the_command_and_passes_through(hermes: Miniature, stack: ComposeStack) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"x" * 1000
        while not hermes.exec(LDAP, "sh", "-c", "cat /tmp/fed 2>/dev/null || :"):
            time.sleep(0.05)
        raise Broken

    with pytest.raises(Broken):
        stack.feed(LDAP, ("sh", "-c", "cat >/tmp/fed; touch /tmp/over"), breaking())
    until = time.monotonic() + 10
    while time.monotonic() < until and hermes.exec(LDAP, "sh", "-c", "ls /tmp/over || :") == b"":
        time.sleep(0.1)
    assert hermes.exec(LDAP, "sh", "-c", "rm /tmp/over; cat /tmp/fed; rm /tmp/fed") == b"x" * 1000


def test_a_secret_reaches_the_command_unchanged_and_stands_in_no_argument(stack: ComposeStack) -> None:
    secret = 'it\'s a "secret" $HOME\n=,'
    seen: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        while not any(b"mark-of-a-feed" in line for line in command_lines()):
            time.sleep(0.02)
        seen.extend(command_lines())
        yield b"x"

    show = ("sh", "-c", 'cat >/dev/null; printf %s "$PW"', "mark-of-a-feed")
    assert stack.feed(LDAP, show, chunks(), environ={"PW": secret}) == secret.encode()
    assert not any(b'a "secret"' in line for line in seen)
    assert stack.run(LDAP, show, environ={"PW": secret}) == secret.encode()


def command_lines() -> list[bytes]:
    """The command lines of all processes, those in containers included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((process / "cmdline").read_bytes())
    return found


# Throw-away containers


def test_a_throw_away_container_sees_its_mounts_its_input_and_no_network(
    hermes: Miniature, stack: ComposeStack, tmp_path: Path
) -> None:
    odd = tmp_path / 'a, "b": it\'s [1]'
    odd.mkdir()
    (odd / "file").write_text("content")
    during: list[list[str]] = []

    def chunks() -> Iterator[bytes]:
        yield b"fed "
        while f"hermes-restore-{LDAP}" not in names(hermes):
            time.sleep(0.05)
        during.append([container.name for container in stack.containers()])
        yield b"well\n"

    script = "cat; cat '/in, \"to\"/file'; ls /sys/class/net; touch '/in, \"to\"/made'"
    said = stack.run_once(LDAP, ("sh", "-c", script), chunks(), mounts={'/in, "to"': str(odd)})
    assert said == b"fed well\ncontentlo\n"
    assert (odd / "made").exists()
    assert f"hermes-restore-{LDAP}" not in during[0] + names(hermes)


def test_an_image_with_compose_s_labels_does_not_make_a_throw_away_container_one_of_the_stack(
    hermes: Miniature, stack: ComposeStack
) -> None:
    label = f"com.docker.compose.project={stack.project().name}"
    image = hermes.engine.docker("commit", "--change", f"LABEL {label}", LDAP).decode().strip()
    labelled = evolve(stack.project(), images={"hermes_built": image})
    seen: list[list[str]] = []

    def chunks() -> Iterator[bytes]:
        while "hermes-restore-hermes_built" not in names(hermes):
            time.sleep(0.05)
        seen.append([container.name for container in stack.containers()])
        yield b""

    stack._project = labelled
    try:
        stack.run_once("hermes_built", ("cat",), chunks(), mounts={})
    finally:
        hermes.engine.docker("image", "rm", "--force", image)
    assert set(seen[0]) == hermes.running()


def test_a_throw_away_container_is_gone_whatever_ends_it(hermes: Miniature, stack: ComposeStack) -> None:
    def breaking() -> Iterator[bytes]:
        while f"hermes-restore-{LDAP}" not in names(hermes):
            time.sleep(0.05)
            yield b""
        raise Broken

    with pytest.raises(CommandFailed, match="bad entry") as failed:
        stack.run_once(LDAP, ("sh", "-c", "echo bad entry >&2; exit 4"), endless(), mounts={})
    assert failed.value.exit_code == 4
    with pytest.raises(Broken):
        stack.run_once(LDAP, ("sleep", "1000"), breaking(), mounts={})
    with pytest.raises(CommandFailed, match="/nowhere"):
        stack.run_once(LDAP, ("true",), (), mounts={"/x": "/nowhere"})
    assert f"hermes-restore-{LDAP}" not in names(hermes)


def test_what_a_killed_run_left_does_not_stand_in_the_way(hermes: Miniature, stack: ComposeStack) -> None:
    argv = ("run", "--detach", "--name", f"hermes-restore-{LDAP}", "--network", "none", "--entrypoint", "sleep")
    hermes.engine.docker(*argv, "hermes-miniature", "1000")
    assert stack.run_once(LDAP, ("echo", "mine"), (), mounts={}) == b"mine\n"


# Compose's view


def test_other_files_are_read_as_if_they_lay_in_the_install_root(
    hermes: Miniature, stack: ComposeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    compose_file = (hermes.root / "docker-compose.yml").read_bytes()
    env_file = hermes.env_file.read_bytes()
    unwanted = {"COMPOSE_PROJECT_NAME": "x", "COMPOSE_FILE": "/nowhere", "COMPOSE_PROFILES": "p", "DATA_MOUNT": "/x"}
    other = ComposeStack(str(hermes.root), {**hermes.environ, **unwanted}, SystemClock())
    assert other.configured_by(compose_file, env_file) == stack.project()
    moved = stack.configured_by(compose_file, env_file + b"\nVMAIL_MOUNT='/mnt/a$b'\n")
    assert moved.volumes["dovecot_mail"] == "/mnt/a$b/dovecot"
    assert moved.volume_settings.keys() == stack.project().volume_settings.keys()
    assert [key for key, text in moved.volume_settings.items() if text != stack.project().volume_settings[key]] == [
        "dovecot_mail"
    ]
    with pytest.raises(ComposeUnusable, match="yaml"):
        stack.configured_by(b"services: [", env_file)
    assert list(tmp_path.iterdir()) == []


def test_the_project_tells_what_is_mounted_from_the_host(hermes: Miniature, stack: ComposeStack) -> None:
    mounts = stack.project().mounts
    creds = str(hermes.creds)
    assert Mount("hermes_authelia", Kind.BIND, creds, "/creds", read_only=True) in mounts
    secret = f"{creds}/mysql_root_password"
    name = "/run/secrets/MYSQL_ROOT_PASSWORD"
    assert Mount("hermes_db_server", Kind.BIND, secret, name, read_only=True) in mounts
    mail = f"{hermes.tiers['vmail']}/dovecot"
    assert Mount("hermes_commandbox", Kind.VOLUME, mail, "/mnt/data/vmail", read_only=True) in mounts


def test_an_image_that_the_engine_lacks_is_named(stack: ComposeStack) -> None:
    project = stack.project()
    assert stack.lacking_images(project) == ()
    assert stack.lacking_images(evolve(project, images={"a": "nobody/has:this"})) == ("nobody/has:this",)


def test_containers_are_made_anew_where_the_file_changed_and_none_is_started(
    hermes: Miniature, stack: ComposeStack
) -> None:
    file = hermes.root / "docker-compose.yml"
    before = file.read_bytes()
    others = hermes.running() - {"hermes_redis"}
    hermes.compose("stop", "hermes_redis")
    old = inspected(hermes, "hermes_redis")
    try:
        file.write_bytes(before.replace(b"- redis:/data", b"- redis:/data\n      - redis:/more"))
        stack.create(("hermes_redis",))
        assert b"/more" in inspected(hermes, "hermes_redis")
        assert b"/more" not in old
        assert any(mount.target == "/more" for mount in stack.project().mounts)
        assert hermes.running() == others
    finally:
        file.write_bytes(before)


def inspected(hermes: Miniature, container: str) -> bytes:
    return hermes.engine.docker("inspect", "--format", "{{json .Mounts}}", container)


def test_a_volume_that_is_another_folder_now_is_no_question_that_is_answered_but_a_failure(
    hermes: Miniature, stack: ComposeStack
) -> None:
    """Compose 2.26 mounts the old folder without a word; later ones ask, and take silence for a no."""
    volume = f"{stack.project().name}_amavis_data"
    other = hermes.base / "other"
    other.mkdir()
    file = hermes.root / "docker-compose.yml"
    before, was = file.read_bytes(), hermes.engine.docker("volume", "inspect", volume)
    try:
        file.write_bytes(before.replace(b"${ARCHIVE_MOUNT}/amavis", os.fsencode(other)))
        with pytest.raises(CommandFailed, match=rf"amavis, but Compose's file says {other}.*docker volume rm {volume}"):
            stack.create(("hermes_mail_filter",))
    finally:
        file.write_bytes(before)
    assert hermes.engine.docker("volume", "inspect", volume) == was


def test_a_service_that_the_file_does_not_have_is_passed_over(stack: ComposeStack) -> None:
    before = stack.containers()
    stack.create(("hermes_nothing", "hermes_ldap"))
    assert {found.name for found in stack.containers()} == {found.name for found in before}


# The directory


@pytest.fixture
def plan(hermes: Miniature) -> Iterator[DirectoryPlan]:
    """A plan whose staged folder is there, empty, and belongs to nobody in particular."""
    folder = str(hermes.tiers["data"] / "ldap/data")
    stage = Stage(folder, ".hermes-restore-ldap")
    config = str(hermes.root / "config/ldap/etc/ldap/slapd.d")
    made = DirectoryPlan(folder, DATABASE, config, SLAPD_D, stage, entries=len(entries()))
    new = stage.place(folder, Side.STAGED)
    os.makedirs(new)
    os.chown(new, 4711, 4712)
    yield made
    for file in os.scandir(new):
        os.remove(file)
    os.removedirs(new)


def exported(hermes: Miniature) -> bytes:
    return hermes.exec(LDAP, "slapcat", "-F", SLAPD_D, "-b", SUFFIX)


def test_the_directory_is_loaded_beside_the_live_one(
    hermes: Miniature, stack: ComposeStack, plan: DirectoryPlan
) -> None:
    before = exported(hermes)
    assert DirectoryLoader(stack).load(plan, plan.config, [before[:5000], before[5000:]]) == len(entries())
    new = plan.stage.place(plan.folder, Side.STAGED)
    found = os.stat(os.path.join(new, "data.mdb"))
    assert (found.st_uid, found.st_gid) == (4711, 4712)
    mounts = {DATABASE: new, SLAPD_D: plan.config}
    slapcat = ("slapcat", "-F", SLAPD_D, "-b", SUFFIX)
    assert stack.run_once(LDAP, slapcat, (), mounts=mounts) == before
    assert exported(hermes) == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"{PERSON}sn: z\nnotKnown: x\n", r"notKnown.*attribute type undefined.*line="),
        (PERSON, r"line=\d+.*requires attribute 'sn'"),
        (f"{PERSON.replace('ou=users', 'ou=nowhere')}sn: z\n", "entries missing"),
        (f"{PERSON}sn: z\n", "61 of 60 entries"),
    ],
)
def test_an_entry_that_does_not_fit_is_told(
    hermes: Miniature, stack: ComposeStack, plan: DirectoryPlan, more: str, said: str
) -> None:
    with pytest.raises(DirectoryNotLoaded, match=said):
        DirectoryLoader(stack).load(plan, plan.config, [exported(hermes), more.encode()])


def test_nothing_is_loaded_where_the_configuration_looks_elsewhere_or_the_ldif_is_empty(
    stack: ComposeStack, plan: DirectoryPlan
) -> None:
    with pytest.raises(DirectoryNotLoaded, match="0 of 60 entries"):
        DirectoryLoader(stack).load(plan, plan.config, ())
    elsewhere = evolve(plan, inside="/var/lib/elsewhere")
    with pytest.raises(DirectoryNotLoaded, match="in /var/lib/ldap, and not in /var/lib/elsewhere"):
        DirectoryLoader(stack).load(elsewhere, plan.config, ())


def test_slapd_s_own_files_say_where_it_keeps_its_entries(hermes: Miniature) -> None:
    folder = hermes.root / "config/ldap/etc/ldap/slapd.d/cn=config"
    files = {file.name: file.read_bytes() for file in folder.glob("olcDatabase=*.ldif")}
    assert database_folder(files, SUFFIX) == DATABASE
    assert database_folder(files, "dc=other") is None
