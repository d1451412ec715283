"""`--cold` as the engine sees it, and what cannot be put back."""

from __future__ import annotations

from tests.cli.fake_host import FakeHost


def short(words: tuple[str, ...]) -> str:
    """A call in few words; empty where it only looks."""
    match words:
        case ("docker", "stop", _, patience, *names):
            return f"stop {patience}: {' '.join(names)}"
        case ("docker", "start", *names):
            return f"start {' '.join(names)}"
        case ("docker", "exec", *_, "mariadb-dump" | "slapcat" as program, _, _, _, _):
            return program
        case ("tar", *arguments) if any(argument.startswith("--directory=") for argument in arguments):
            return "pack"
    return "dump" if "mariadb-dump" in words and "--databases" in words else ""


def test_what_ran_is_stopped_with_patience_and_runs_again_and_what_was_stopped_stays_so(host: FakeHost) -> None:
    before = host.engine.running()
    done = host.run(*host.command("system", "--cold"))
    assert done.code == 0, done.err
    assert [text for text in (short(call.words) for call in host.engine.calls) if text] == [
        # Dependents first; the database is given two minutes whatever its file says.
        "stop 10: hermes_nextcloud",
        "stop 30: hermes_postfix_dkim",
        "stop 10: hermes_commandbox",
        "stop 120: hermes_db_server hermes_ldap",
        "start hermes_db_server hermes_ldap",
        "slapcat",
        *["dump"] * 6,
        "stop 120: hermes_db_server hermes_ldap",
        "pack",
        "pack",
        "start hermes_commandbox hermes_db_server hermes_ldap",
        "start hermes_nextcloud hermes_postfix_dkim",
    ]
    assert host.engine.running() == before
    assert host.engine.containers["hermes_spare"].state == "exited"
    assert "downtime: stack " in done.out


def test_only_what_may_write_to_the_tier_is_stopped_where_the_operator_says_so(host: FakeHost) -> None:
    host.engine.define_services(hermes_nextcloud={str(host.tiers["vmail"]): "/mail"})
    done = host.run(*host.command("vmail", "--cold=touched", "--dry-run"))
    assert done.text[done.text.index("stops: hermes_nextcloud (1 of 5 that run now)") :][:4] == [
        "stops: hermes_nextcloud (1 of 5 that run now)",
        "  hermes_nextcloud: mounts the vmail tier",
        "goes on: hermes_commandbox, hermes_db_server, hermes_ldap, hermes_postfix_dkim",
        "with 1 container stopped: hermes_nextcloud:",
    ]
    done = host.run(*host.command("vmail", "--cold=touched"))
    assert done.code == 0, done.err
    assert [text for text in (short(call.words) for call in host.engine.calls) if text] == [
        "stop 10: hermes_nextcloud",
        "pack",
        "start hermes_nextcloud",
    ]
    assert host.engine.hermes.flushed == 1


def test_mail_that_cannot_be_delivered_at_once_is_a_warning(host: FakeHost) -> None:
    host.engine.define_services(hermes_nextcloud={str(host.tiers["vmail"]): "/mail"})
    host.engine.fail("docker", "exec", "postqueue", says="mail system is down", code=69)
    done = host.run(*host.command("vmail", "--cold=touched"))
    assert done.code == 0, done.err
    assert "delivered at its next queue run" in done.out


def test_a_database_that_had_to_be_killed_fails_the_run_and_all_runs_again(host: FakeHost) -> None:
    before = host.engine.running()

    def killed() -> None:
        host.engine.containers["hermes_db_server"].exit_code = 137

    host.engine.before("docker", "stop", "hermes_db_server", act=killed)
    done = host.run(*host.command("vmail", "--cold"))
    assert done.code == 1
    assert "hermes_db_server did not stop within 120 s and was killed" in done.err
    assert host.engine.running() == before
    assert host.made(".tar") == []


def test_a_stop_that_fails_ends_the_run_and_all_runs_again(host: FakeHost) -> None:
    before = host.engine.running()
    host.engine.fail("docker", "stop", "hermes_db_server", says="Error response from daemon: tried, and failed")
    done = host.run(*host.command("vmail", "--cold"))
    assert done.code == 1
    assert "tried, and failed" in done.err
    assert host.engine.running() == before


def test_a_start_that_fails_once_is_tried_again(host: FakeHost) -> None:
    before = host.engine.running()
    host.engine.fail("docker", "start", says="Error response from daemon: port is taken", times=1)
    done = host.run(*host.command("vmail", "--cold"))
    assert done.code == 0, done.err
    assert host.engine.running() == before


def test_a_host_whose_root_has_a_password_is_backed_up(host: FakeHost) -> None:
    host.engine.hermes.root_password = True
    done = host.run(*host.command("system"))
    assert done.code == 0, done.err
    dumps = host.engine.called("mariadb-dump", "--databases")
    assert [call.has("MYSQL_PWD=$(cat /run/secrets/MYSQL_ROOT_PASSWORD)") for call in dumps] == [True] * 6
