"""Where the install root is looked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.fake_host import FakeHost
from tests.cli.fake_host.host import OLD_SCRIPT, SCRIPT

NO_ROOT = {"HERMES_ROOT": None}


@pytest.mark.parametrize("script", [SCRIPT, OLD_SCRIPT], ids=["py", "sh"])
def test_a_script_called_through_a_link_finds_the_root_above_the_link(host: FakeHost, script: Path) -> None:
    link = host.root / "scripts" / script.name
    link.symlink_to(script)
    done = host.run(*host.command("vmail", "-n"), script=link, environ=NO_ROOT)
    assert done.code == 0, done.err
    assert f"pack everything of {host.tiers['vmail']} to" in done.out


def test_where_the_link_leads_to_nowhere_its_target_decides(host: FakeHost) -> None:
    copy = host.root / "tools" / "scripts"
    shutil.copytree(SCRIPT.parent, copy)
    (copy.parent / "hermes_backup_core").symlink_to(SCRIPT.parent.parent / "hermes_backup_core")
    link = host.base / "elsewhere.py"
    link.symlink_to(copy / SCRIPT.name)
    done = host.run(*host.command("vmail", "-n"), script=link, environ=NO_ROOT)
    assert done.code == 0, done.err


def test_without_any_root_the_message_names_where_the_search_began_and_the_variable(host: FakeHost) -> None:
    done = host.run(*host.command("vmail", "-n"), environ=NO_ROOT)
    assert done.code == 1
    assert f"no docker-compose.yml in {SCRIPT.parent} or in any folder above it: set HERMES_ROOT" in done.err


def test_a_variable_that_names_no_root_is_refused(host: FakeHost) -> None:
    done = host.run(*host.command("vmail", "-n"), environ={"HERMES_ROOT": str(host.base)})
    assert done.code == 1
    assert f"HERMES_ROOT is {host.base}, which holds no docker-compose.yml" in done.err
    assert done.out.count("\n") == 1


def test_a_missing_root_is_told_by_mail(host: FakeHost) -> None:
    done = host.run(*host.command("vmail", "--notify-email=a@example.com"), environ=NO_ROOT)
    assert done.code == 1
    (mail,) = host.engine.hermes.mails
    assert b"Reason:    no docker-compose.yml in" in mail


def test_compose_is_asked_in_the_install_root_and_sees_no_path_of_the_callers(host: FakeHost) -> None:
    done = host.run(*host.command("vmail", "-n"), environ={"VMAIL_MOUNT": "/elsewhere", "COMPOSE_PROFILES": "pro"})
    assert done.code == 0
    (call,) = host.engine.called("compose", "config")
    assert call.folder == str(host.root)
    assert "VMAIL_MOUNT" not in call.environ
    assert call.environ["COMPOSE_PROFILES"] == "pro"
