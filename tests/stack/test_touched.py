"""Only what a restore or a cold backup touches stops: on real servers, by when each of them was started last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.stack.failures.host import Host
from tests.stack.failures.processes import adopting, wait_for
from tests.stack.failures.restores import RECORDING, RENAMING, Originals, Restores, alter
from tests.stack.miniature import Engine, Miniature
from tests.stack.restoring import restore, services
from tests.stack.script import back_up, standing
from tests.stack.witness import Witness

STOPPED = {
    "vmail": {"hermes_dovecot"},
    "archive": {"hermes_mail_filter"},
    "nextcloud": {"hermes_authelia", "hermes_commandbox", "hermes_nextcloud", "hermes_nginx", "hermes_redis"},
    "system": {
        "hermes_authelia",
        "hermes_commandbox",
        "hermes_db_server",
        "hermes_dovecot",
        "hermes_ldap",
        "hermes_mail_filter",
        "hermes_nextcloud",
        "hermes_nginx",
        "hermes_postfix_dkim",
    },
}
TIERS_ALONE = ("vmail", "archive", "nextcloud")
# The entries of a restore of `vmail`: unpacking, stopping, the exchange and its renames, starting, waiting, removing.
EXCHANGED = 5
USER = "anna@mailbox.example.com"
NUMBERS = count()


@pytest.fixture(scope="module")
def hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@pytest.fixture(scope="module")
def originals(hermes: Miniature) -> Originals:
    return Originals.of(hermes, *STOPPED)


@pytest.fixture
def restores(hermes: Miniature, originals: Originals, folders: Iterator[Path]) -> Iterator[Restores]:
    hermes.up()
    folder = next(folders)
    folder.mkdir(parents=True)
    made = Restores(Host(hermes, folder), originals)
    with adopting():
        yield made
        made.rescue()
        made.host.close()


def started(hermes: Miniature) -> dict[str, tuple[str, str]]:
    """Which container each one is, and when it was started last."""
    names = hermes.engine.docker("ps", "-q").decode().split()
    found = json.loads(hermes.engine.docker("inspect", *names))
    return {one["Name"].lstrip("/"): (one["Id"], one["State"]["StartedAt"]) for one in found}


def listed(text: str, title: str) -> set[str]:
    """The names in the first line of a plan that begins with `title`."""
    (line, *_) = (line for line in text.splitlines() if f"] {title}: " in line)
    return set(line.partition(f"] {title}: ")[2].partition(" (")[0].split(", ")) - {"none"}


def seen_by_the_console(hermes: Miniature) -> set[bytes]:
    """What the console, which mounts the mail read-only, finds there: every file and its content; less the new box."""
    script = "cd /mnt/data/vmail && find . -path ./mailbox.example.com -prune -o -type f -print0 | xargs -0 md5sum"
    return set(hermes.exec("hermes_commandbox", "bash", "-c", script).splitlines())


@pytest.mark.parametrize("layout", ["separate", "nested", "single"])
def test_plans_name_what_stops_and_what_goes_on(engine: Engine, folders: Iterator[Path], layout: str) -> None:
    with standing(engine, next(folders), layout=layout) as hermes:
        for scope in (*STOPPED, "all"):
            stopping = STOPPED.get(scope, services(hermes))
            going_on = services(hermes) - stopping
            tarball = back_up(hermes, scope).tarball
            for said in (
                restore(hermes, tarball, "--dry-run").must_end_well().stdout,
                back_up(hermes, scope, "--cold=touched", "--dry-run").stdout,
            ):
                assert (scope, listed(said, "stops"), listed(said, "goes on")) == (scope, stopping, going_on)
            said = restore(hermes, tarball, "--dry-run", "--stop-all").must_end_well().stdout
            assert (listed(said, "stops"), listed(said, "goes on")) == (services(hermes), set())


def test_mail_waits_in_the_queue_while_dovecot_is_down_and_arrives(restores: Restores) -> None:
    hermes = restores.hermes
    there = seen_by_the_console(hermes)
    alter(hermes, files_only=True)
    hermes.deliver(1)
    altered, before = seen_by_the_console(hermes), started(hermes)
    assert altered != there

    run = restores.begin("vmail", strike=f"{RECORDING}@{EXCHANGED - 1}+=SIGSTOP")
    run.until_held()
    assert hermes.running() == services(hermes) - {"hermes_dovecot"}
    text = f"To: {USER}\nFrom: bert@example.com\nMessage-ID: <waiting@example.com>\n\nHello.\n"
    hermes.exec("hermes_postfix_dkim", "sendmail", "-f", "bert@example.com", USER, data=text.encode())
    run.until(lambda: b"refused" in queue(hermes) or b"No such file" in queue(hermes), "a mail that was deferred")
    run.go_on()
    ended = restores.well(run.ended())

    wait_for(lambda: "<waiting@example.com>" in hermes.mailbox(USER), lambda: f"a mail in {queue(hermes)!r}")
    assert b"queue is empty" in queue(hermes)
    now = started(hermes)
    assert {name for name in before if now[name] != before[name]} == {"hermes_dovecot"}
    assert listed(ended.stdout.replace("went on:  ", "went on: "), "went on") == services(hermes) - {"hermes_dovecot"}
    assert seen_by_the_console(hermes) ^ there == set()
    hermes.exec("hermes_dovecot", "rm", "-r", "/srv/mail/mailbox.example.com")


def queue(hermes: Miniature) -> bytes:
    return hermes.exec("hermes_postfix_dkim", "postqueue", "-p")


@pytest.mark.parametrize("scope", ["archive", "nextcloud", "system"])
def test_the_rest_goes_on_in_the_containers_that_it_was_in(restores: Restores, scope: str) -> None:
    hermes = restores.hermes
    changed = alter(hermes)
    before = started(hermes)
    restores.well(restores.run(scope))
    now = started(hermes)
    assert {name for name in before if now[name] != before[name]} == STOPPED[scope]
    restores.check_restored(scope, changed)
    # The restored files describe all of them as they are: nothing is left for Compose to make anew.
    hermes.up()
    assert started(hermes) == now


def test_a_container_that_is_older_than_its_compose_file_goes_on_too(restores: Restores) -> None:
    """Compose would make it anew for whoever needs it, although the restore has nothing to do with it."""
    hermes = restores.hermes
    file = hermes.root / "docker-compose.yml"
    plain = file.read_text()
    file.write_text(
        plain.replace("container_name: hermes_redis\n", "container_name: hermes_redis\n    stop_signal: INT\n")
    )
    try:
        tarball = back_up(hermes, "system").tarball
        alter(hermes)
        before = started(hermes)
        restores.well(restores.run(tarball))
        now = started(hermes)
        assert {name for name in before if now[name] != before[name]} == STOPPED["system"]
    finally:
        file.write_text(plain)
        hermes.up()


def test_all_stop_where_the_operator_says_so(restores: Restores) -> None:
    hermes = restores.hermes
    alter(hermes, files_only=True)
    before = started(hermes)
    ended = restores.well(restores.run("vmail", "--stop-all"))
    now = started(hermes)
    assert {name for name in before if now[name] != before[name]} == services(hermes)
    assert "== Exchanging, with the stack down ==" in ended.stdout


@pytest.mark.parametrize("way", ["undo", "finish"])
def test_what_goes_on_is_left_alone_after_a_kill_too(restores: Restores, way: str) -> None:
    hermes = restores.hermes
    changed = alter(hermes, files_only=True)
    before = started(hermes)
    restores.killed("vmail", strike=f"{RENAMING}@3=SIGKILL")
    assert hermes.running() == services(hermes) - {"hermes_dovecot"}
    getattr(restores, way)()
    now = started(hermes)
    assert {name for name in before if now[name] != before[name]} == {"hermes_dovecot"}
    if way == "undo":
        restores.check_as(changed)
    else:
        restores.check_restored("vmail", changed)


@pytest.mark.parametrize("scope", [*STOPPED, "all"])
def test_a_cold_backup_may_stop_only_who_writes_to_what_it_reads(hermes: Miniature, scope: str) -> None:
    hermes.up()
    witness = Witness(hermes, hermes.base / f"witness {next(NUMBERS)}")
    stopping = STOPPED.get(scope, services(hermes))
    before = started(hermes)
    call = back_up(hermes, scope, "--cold=touched", environ=witness.environ)
    assert call.code == 0, call.stdout
    now = started(hermes)
    assert {name for name in before if now[name] != before[name]} == stopping
    going_on = services(hermes) - stopping
    for sight in witness.saw():
        dumping = sight.doing.startswith(("dumps ", "exports "))
        assert sight.running == going_on | ({"hermes_db_server", "hermes_ldap"} if dumping else set())
