"""The restore script as a process: flags, help, and all that ends it before it looks at a backup."""

from __future__ import annotations

import subprocess

import pytest

from tests.cli.fake_host import AS_NOBODY, RESTORE, FakeHost


@pytest.fixture
def backup(host: FakeHost) -> str:
    """The path of a file that is there; what it holds does not matter here."""
    path = host.output / "b.tar"
    path.write_bytes(b"no backup")
    return str(path)


@pytest.mark.parametrize("arguments", [("--help",), ("-F", "--nonsense", "-h", "--undo=1")])
def test_help_needs_no_root_and_wins_over_whatever_else_is_typed(host: FakeHost, arguments: tuple[str, ...]) -> None:
    before = host.everything()
    done = host.run(*arguments, script=RESTORE, through=AS_NOBODY, environ={"HERMES_ROOT": None})
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("usage: system_restore.sh -F PATH [options] | --undo | --finish")
    for word in ("--yes", "--dry-run", "--stage-dir", "FORCE_REMAP=1", "FORCE_VERSION_MISMATCH=1", "HERMES_ROOT"):
        assert word in done.out
    assert host.everything() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-F",), "argument -F: expected one argument"),
        (("--yes",), "-F PATH is required"),
        (("-F", "/mnt/b.tar", "--dry"), "unrecognized arguments: --dry"),
        (("--undo", "--finish"), "-F, --undo, --finish, --pin and --unpin exclude each other"),
    ],
)
def test_a_usage_error_says_what_is_wrong_and_then_the_usage(
    host: FakeHost, arguments: tuple[str, ...], said: str
) -> None:
    before = host.everything()
    done = host.run(*arguments, script=RESTORE)
    assert done.code == 1
    error, usage = done.err.splitlines()
    assert error.startswith(f"ERROR: {said}")
    assert usage == "usage: system_restore.sh -F PATH [options] | --undo | --finish | --pin FILE | --unpin FILE"
    assert host.everything() == before
    assert host.engine.calls == []


def test_the_old_name_does_the_same(host: FakeHost) -> None:
    wrong = [host.run("--not", script=script) for script in (RESTORE, RESTORE.with_suffix(".sh"))]
    assert wrong[0].code == wrong[1].code == 1
    assert wrong[0].err == wrong[1].err


@pytest.mark.parametrize("arguments", [("-F", "{}", "-y"), ("--undo",), ("--finish",)])
def test_a_live_run_needs_root(host: FakeHost, backup: str, arguments: tuple[str, ...]) -> None:
    done = host.run(*(word.format(backup) for word in arguments), script=RESTORE, through=AS_NOBODY)
    assert done.code == 1
    assert "ERROR: a live run needs root: use sudo, or --dry-run" in done.err
    assert host.engine.calls == []


def test_without_a_terminal_and_without_yes_it_is_an_error(host: FakeHost, backup: str) -> None:
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as yes:
        done = host.run("-F", backup, script=RESTORE, stdin=yes.stdout)
        yes.kill()
    assert done.code == 1
    assert "ERROR: there is no terminal to ask at: add --yes to run unattended" in done.err
    assert host.engine.calls == []


@pytest.mark.parametrize("options", [("--yes",), ("--dry-run",)])
def test_a_file_that_is_not_there_is_named_and_nothing_is_left(host: FakeHost, options: tuple[str, ...]) -> None:
    before = host.everything()
    done = host.run("-F", f"{host.output}/typo.tar", *options, script=RESTORE)
    assert done.code == 1
    assert f"ERROR: -F {host.output}/typo.tar is not there or is no file" in done.err
    assert host.everything() == before


def test_without_any_root_the_message_names_the_variable(host: FakeHost, backup: str) -> None:
    done = host.run("-F", backup, "-n", script=RESTORE, environ={"HERMES_ROOT": None})
    assert done.code == 1
    assert f"no docker-compose.yml in {RESTORE.parent} or in any folder above it: set HERMES_ROOT" in done.err


@pytest.mark.parametrize("script", [RESTORE, RESTORE.with_suffix(".sh")], ids=["py", "sh"])
@pytest.mark.parametrize("flag", ["--undo", "--finish"])
def test_with_nothing_interrupted_there_is_nothing_to_undo_or_finish(host: FakeHost, flag: str, script: object) -> None:
    done = host.run(flag, script=script)
    assert done.code == 1
    assert "ERROR: there is no interrupted restore on this host" in done.err


def test_a_backup_that_is_under_way_is_not_disturbed(host: FakeHost, backup: str) -> None:
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command("vmail"))
    running.reach(gate)
    done = host.run("-F", backup, "--yes", script=RESTORE)
    assert done.code == 1
    assert f"another run is under way on this host: pid {running.process.pid}, `" in done.err
    gate.open()
    assert running.finish().code == 0
