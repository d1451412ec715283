"""The script's body in this very process, where a process of its own would be clumsy."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import docker  # noqa: F401 - nobody may be unable to read what it imports
import pytest

from hermes_backup_core.cli.arguments import parse_backup
from hermes_backup_core.cli.backup import BackupCommand, main
from hermes_backup_core.cli.log import Log
from hermes_backup_core.domain.errors import StackNotRestored
from tests.cli.fake_host import FakeHost
from tests.unit.cli.results import result_of

NOBODY = 65534
NOW = datetime(2026, 6, 1, 10, 30, tzinfo=timezone.utc)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHost]:
    """A host that this process itself runs on; what the script changes of the process is put back."""
    umask = os.umask(0o022)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with FakeHost.running() as host:
        for key, value in host.environ.items():
            monkeypatch.setenv(key, value)
        yield host
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.umask(umask)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be another user than root for a while."""
    os.setresuid(NOBODY, NOBODY, 0)
    yield
    os.setresuid(0, 0, 0)


def test_a_run_in_this_process_makes_a_backup(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(host.command("vmail"), called_as="x") == 0
    assert len(host.made(".tar")) == 1
    assert "== Done ==" in capsys.readouterr().out


@pytest.mark.usefixtures("host", "nobody")
@pytest.mark.parametrize(
    "arguments", [("-P", "/x", "-B", "vmail", "-y"), ("--test-notify", "--notify-email=a@example.com")]
)
def test_only_root_makes_backups_and_sends_mails(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, called_as="x") == 1
    assert "needs root: use sudo" in capsys.readouterr().err


def test_a_dry_run_passes_over_what_only_root_may_see(
    host: FakeHost,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    assert main(host.command("vmail"), called_as="x") == 0
    host.tiers["vmail"].chmod(0o700)
    monkeypatch.setenv("PATH", str(host.temp))
    request.getfixturevalue("nobody")
    assert main(host.command("vmail", "-n"), called_as="x") == 0
    said = capsys.readouterr().out
    assert "not looked at: the vmail tier" in said
    assert "not looked at: Compose cannot read the stack" in said
    assert said.endswith("dry run: nothing was changed\n")


def test_a_dry_run_passes_over_backups_that_only_root_may_list(
    host: FakeHost, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    host.output.chmod(0o711)
    request.getfixturevalue("nobody")
    assert main(host.command("vmail", "--retain-last=1", "-n"), called_as="x") == 0
    assert f"WARN: not looked at: the backups in {host.output} (Permission denied)" in capsys.readouterr().out


def test_a_backup_that_is_whole_while_something_stayed_off_is_no_success(tmp_path: Path) -> None:
    log = Log(sys.stdout, sys.stderr, lambda: NOW)
    log.open_file(str(tmp_path), "hermes-backup-vmail-unknown-20260601T103000Z.log")
    options = parse_backup(("-P", str(tmp_path), "-B", "vmail"))
    command = BackupCommand(options, {}, "x", "x", NOW, log)
    result = result_of(path=f"{tmp_path}/a.tar", problems=("b did not start again: c",))
    with pytest.raises(StackNotRestored, match=r"a\.tar is whole, but; b did not start again: c"):
        command._done(result)
    log.end()
    assert log.path == f"{tmp_path}/a.log"
