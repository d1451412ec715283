"""The miniature is what it says it is: real servers that answer in every layout, and an engine of its own."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.conftest import Maker
from tests.stack.miniature import LAYOUTS, Engine, Miniature, MiniatureError
from tests.stack.miniature import engine as engines
from tests.stack.miniature.content.accounts import ACCOUNTS
from tests.stack.miniature.content.databases import BUILD_NO, DATABASES, EMPTY_DATABASE
from tests.stack.miniature.content.directory import entries
from tests.stack.miniature.content.odd_files import AFTER_2038, BEFORE_1970, NOBODYS_UID, ODD_NAMES
from tests.stack.miniature.tree import listing

SERVICES = {
    "hermes_authelia", "hermes_commandbox", "hermes_db_server", "hermes_dovecot", "hermes_ldap",
    "hermes_mail_filter", "hermes_nextcloud", "hermes_nginx", "hermes_postfix_dkim", "hermes_redis",
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_server_answers_in_every_layout(miniature: Maker, layout: str) -> None:
    hermes = miniature(layout=layout)

    assert hermes.running() == SERVICES
    found = hermes.sql("SELECT value FROM system_settings WHERE parameter = 'build_no'", database="hermes")
    assert found == f"{BUILD_NO}\n"
    assert len(hermes.ldap_entries()) == len(entries())
    assert hermes.exec("hermes_commandbox", "curl", "-sf", "http://localhost:8888/") == b"Hermes console\n"
    before = hermes.mailbox("u2@example.com")
    hermes.deliver(3, to="u2@example.com")
    assert len(hermes.mailbox("u2@example.com")) == len(before) + 3
    hermes.exec("hermes_postfix_dkim", "sendmail", "-t", "-i", data=b"To: admin@example.net\nSubject: x\n\n.\nend\n")
    (mail,) = hermes.received_mail(at_least=1)
    assert mail.endswith(b"\n\n.\nend\n")


def test_the_named_volumes_are_the_tiers_folders(miniature: Maker) -> None:
    hermes = miniature(layout="odd")

    hermes.exec("hermes_db_server", "touch", "/config/databases/seen")
    hermes.exec("hermes_mail_filter", "touch", "/mnt/data/amavis/seen")
    assert (hermes.tiers["data"] / "dbase/databases/seen").exists()
    assert (hermes.tiers["archive"] / "amavis/seen").exists()
    assert Path(hermes.tiers["data"]).parts[-2] == "it's an odd [1] disk"


def test_occ_speaks_as_the_real_one_does(miniature: Maker) -> None:
    hermes = miniature()

    assert hermes.occ("maintenance:mode") == "Maintenance mode is currently disabled\n"
    assert hermes.occ("maintenance:mode", "--on") == "Maintenance mode enabled\n"
    assert hermes.occ("maintenance:mode", "--on") == "Maintenance mode already enabled\n"
    assert hermes.maintenance()
    assert "'maintenance' => true" in (hermes.tiers["nextcloud"] / "app/config/config.php").read_text()
    assert hermes.occ("maintenance:mode", "--off") == "Maintenance mode disabled\n"
    with pytest.raises(MiniatureError, match="Console has to be executed with the user that owns the file"):
        hermes.exec("hermes_nextcloud", "php", "/var/www/html/occ", "maintenance:mode", "--on")


def test_the_credential_files_open_the_accounts(miniature: Maker) -> None:
    hermes = miniature()

    for account in ACCOUNTS:
        user = (hermes.creds / f"{account.name}_username").read_text().rstrip("\n")
        password = (hermes.creds / f"{account.name}_password").read_text().rstrip("\n")
        assert hermes.can_log_in(user, password)
        assert not hermes.can_log_in(user, password + "x")


@pytest.mark.parametrize("root_password", [False, True])
def test_root_needs_its_password_only_where_it_has_one(miniature: Maker, root_password: bool) -> None:
    hermes = miniature(root_password=root_password)

    without = ["docker", "exec", "hermes_db_server", "mariadb", "-u", "root", "-e", "SELECT 1"]
    with_it = ["sh", "-c", 'MYSQL_PWD=$(cat /run/secrets/MYSQL_ROOT_PASSWORD) mariadb -u root -e "SELECT 1"']
    inside = [*without[:3], *with_it]
    assert exit_code(without, hermes) == (1 if root_password else 0)
    assert exit_code(inside, hermes) == (0 if root_password else 1)
    assert hermes.sql("SELECT 1") == "1\n"


def test_the_databases_hold_every_kind_of_object(miniature: Maker) -> None:
    hermes = miniature()

    kinds = "SELECT DISTINCT table_type FROM information_schema.tables WHERE table_schema = 'hermes' ORDER BY 1"
    assert hermes.sql(kinds).split("\n")[:-1] == ["BASE TABLE", "SEQUENCE", "VIEW"]
    for table, least in (("triggers", 2), ("routines", 2), ("events", 1)):
        column = {"triggers": "trigger_schema", "routines": "routine_schema", "events": "event_schema"}[table]
        rows = hermes.sql(f"SELECT COUNT(*) FROM information_schema.{table} WHERE {column} = 'nextcloud'")
        assert int(rows) >= least
    tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{}'"
    assert {name: hermes.sql(tables.format(name)) == "0\n" for name in DATABASES} == {
        name: name == EMPTY_DATABASE for name in DATABASES
    }
    assert hermes.sql("SELECT HEX(word) FROM words WHERE id = 2", "hermes") == "😀 𝄞 𠮷".encode().hex().upper() + "\n"


@pytest.mark.parametrize("layout", ["separate", "single"])
def test_the_tiers_hold_the_odd_files_unbent(miniature: Maker, layout: str) -> None:
    hermes = miniature(layout=layout, up=False)

    for folder in odd_folders(hermes):
        found = listing(folder)
        assert set(ODD_NAMES) < set(found)
        assert found[b"before 1970"].mtime_ns == BEFORE_1970
        assert found[b"after 2038"].mtime_ns == AFTER_2038
        assert (found[b"setuid"].mode, found[b"setuid"].owner[0]) == (0o4755, NOBODYS_UID)
        assert found[b"linked"].twins == (b"linked", b"linked too")
        assert (found[b"sparse"].holes, found[b"fifo"].kind, found[b"socket"].kind) == (
            True,
            "fifo",
            "socket",
        )
        names = [name for name, _ in found[b"with attributes"].xattrs]
        assert names == ["system.posix_acl_access", "user.bytes", "user.comment"]


def test_a_listing_sees_every_difference(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    before = listing(tmp_path)[b"file"]
    os.utime(file, ns=(5, before.mtime_ns + 1))
    assert listing(tmp_path)[b"file"] == dataclasses.replace(before, mtime_ns=before.mtime_ns + 1)
    file.write_text("b")
    assert listing(tmp_path)[b"file"].content != before.content
    assert list(listing(tmp_path, leave_out=["file"])) == [b"."]


def test_down_leaves_the_folders_and_up_finds_them_again(miniature: Maker) -> None:
    hermes = miniature()
    hermes.sql("INSERT INTO system_settings (parameter, value) VALUES ('mark', 'kept')", database="hermes")

    hermes.down()
    assert hermes.running() == set()
    Miniature.opened(hermes.base).up()
    found = hermes.sql("SELECT value FROM system_settings WHERE parameter = 'mark'", database="hermes")
    assert found == "kept\n"


def test_a_second_call_finds_the_engine_that_runs(engine: Engine) -> None:
    pid = engines.pid_of(engine, "dockerd")

    assert engines.ensure() == engine
    assert engines.pid_of(engine, "dockerd") == pid is not None


@pytest.fixture
def other_home(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for a second engine, beside the one of the session."""
    home = tmp_path / "home"
    monkeypatch.setenv("HERMES_MINIATURE_HOME", str(home))
    yield home
    engines.remove()


def test_an_engine_that_is_stopped_leaves_no_process_no_mount_and_no_folder(other_home: Path, engine: Engine) -> None:
    second = engines.ensure()
    assert second.answers()
    assert second.socket != engine.socket

    engines.remove()
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if str(second.run) in command_line(pid)]
    assert not [*engines.mounts_below(second.home), *engines.mounts_below(second.run)]
    assert not second.home.exists()
    assert not second.run.exists()
    assert engine.answers()


def test_a_pid_file_that_names_somebody_elses_process_harms_nobody(other_home: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        second = engines.located()
        second.run.mkdir()
        (second.run / "dockerd.pid").write_text(str(stranger.pid))
        engines.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def odd_folders(hermes: Miniature) -> list[Path]:
    places = {
        "data": "nginx",
        "archive": "amavis",
        "vmail": "dovecot/example.com/u1",
        "nextcloud": "app/data/admin/files",
    }
    return [hermes.tiers[tier] / place / "odd files" for tier, place in places.items()]


def exit_code(argv: list[str], hermes: Miniature) -> int:
    return subprocess.run(argv, env=hermes.environ, capture_output=True, check=False).returncode


def command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
