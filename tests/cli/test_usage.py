"""Flags, help and usage errors of the script as a process; every spelling is in tests/unit/cli."""

from __future__ import annotations

import pytest

from tests.cli.fake_host import AS_NOBODY, OLD_SCRIPT, FakeHost


@pytest.mark.parametrize("arguments", [("--help",), ("-P", "--nonsense", "-h", "--cold=1")])
def test_help_needs_no_root_and_wins_over_whatever_else_is_typed(host: FakeHost, arguments: tuple[str, ...]) -> None:
    before = host.everything()
    done = host.run(*arguments, through=AS_NOBODY, environ={"HERMES_ROOT": None})
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("usage: system_backup.sh -P PATH -B SCOPE")
    for flag in ("--cold", "--no-nc-maintenance", "--notify-email", "--notify-on-success", "--test-notify"):
        assert flag in done.out
    assert host.everything() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-P",), "argument -P: expected one argument"),
        (("-P", "/mnt/backups", "-B", "system", "--col"), "unrecognized arguments: --col"),
        (("-P", "/mnt/backups", "-B", "everything"), "unknown scope 'everything'"),
    ],
)
def test_a_usage_error_says_what_is_wrong_and_then_the_usage(
    host: FakeHost, arguments: tuple[str, ...], said: str
) -> None:
    before = host.everything()
    done = host.run(*arguments)
    assert done.code == 1
    error, usage = done.err.splitlines()
    assert error.startswith(f"ERROR: {said}")
    assert usage == "usage: system_backup.sh -P PATH -B SCOPE [options]"
    assert host.everything() == before
    assert host.engine.calls == []


def test_the_old_name_does_the_same(host: FakeHost) -> None:
    wrong = [host.run("--not", script=script) for script in (OLD_SCRIPT, OLD_SCRIPT.with_suffix(".py"))]
    assert wrong[0].code == wrong[1].code == 1
    assert wrong[0].err == wrong[1].err
    done = host.run(*host.command("vmail"), script=OLD_SCRIPT)
    assert done.code == 0
    assert len(host.made(".tar")) == 1


def test_a_live_run_needs_root(host: FakeHost) -> None:
    host.output.chmod(0o777)
    done = host.run(*host.command("vmail"), through=AS_NOBODY)
    assert done.code == 1
    assert "ERROR: a live run needs root: use sudo, or --dry-run" in done.err
    assert host.made(".tar") == host.made(".partial") == []


def test_a_test_of_the_mails_needs_root(host: FakeHost) -> None:
    done = host.run("--test-notify", "--notify-email=a@example.com", through=AS_NOBODY)
    assert done.code == 1
    assert "needs root" in done.err
    assert host.engine.hermes.mails == []
