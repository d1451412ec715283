"""The credential files: whom they let in, with what, and that no trouble is taken for their absence."""

from __future__ import annotations

import errno

import pytest

from hermes_backup_core.restore.credentials import FOLDER, Credentials, root_passwords
from tests.unit.fakes.files import MemoryFiles
from tests.unit.fakes.host import MemoryHost

ROOT = "/opt/hermes"


def credentials(**files: bytes) -> Credentials:
    host = MemoryHost()
    for name, content in files.items():
        host.add(f"{ROOT}/{FOLDER}/{name}", content)
    return Credentials(ROOT, MemoryFiles(host))


class Absent(MemoryFiles):
    """The folder of the credentials cannot be read, for the reason given."""

    reason: OSError = FileNotFoundError(errno.ENOENT, "No such file or directory")

    def names(self, path: str) -> frozenset[str]:
        raise self.reason


class Broken(Absent):
    reason = OSError(errno.EIO, "Input/output error")


def test_each_user_with_a_name_and_a_password_is_found_less_the_end_of_the_line() -> None:
    found = credentials(
        hermes_username=b"hermes\n",
        hermes_password=b" pass word \r\n",
        syslog_username=b"rsyslog",
        syslog_password=b"p\xe4ss",
        nobody_username=b"nobody",
        empty_username=b"\n",
        empty_password=b"x",
        bare_username=b"bare",
        bare_password=b"\n",
        other_password=b"whose?",
        notes=b"no credential",
    )
    assert found.users() == {"hermes": " pass word ", "rsyslog": "p\udce4ss"}
    assert found.root_password() is None


def test_root_has_a_file_of_its_own() -> None:
    assert credentials(mysql_root_password=b"secret\n").root_password() == "secret"
    assert credentials(mysql_root_password=b"\n").root_password() is None
    assert credentials(mysql_root_password=b"secret").users() == {}


def test_where_there_is_no_such_folder_there_are_no_credentials() -> None:
    absent = Credentials(ROOT, Absent(MemoryHost()))
    assert (absent.users(), absent.root_password()) == ({}, None)


def test_a_folder_that_cannot_be_read_is_not_taken_for_one_without_credentials() -> None:
    broken = Credentials(ROOT, Broken(MemoryHost()))
    with pytest.raises(OSError, match="Input/output"):
        broken.users()
    with pytest.raises(OSError, match="Input/output"):
        broken.root_password()


def test_roots_password_may_be_the_hosts_the_backups_or_the_old_one() -> None:
    host = MemoryHost()
    for folder, password in (
        ("", b"now"),
        ("/.hermes-restore-config/new", b"backup's"),
        ("/.hermes-restore-config/old", b"now"),
    ):
        host.add(f"{ROOT}{folder}/{FOLDER}/mysql_root_password", password)
    assert root_passwords(ROOT, MemoryFiles(host)) == ("now", "backup's")


def test_a_password_that_cannot_be_read_does_not_hide_the_others() -> None:
    host = MemoryHost()
    host.add(f"{ROOT}/{FOLDER}/mysql_root_password", b"now")
    host.add(f"{ROOT}/.hermes-restore-config/old/{FOLDER}/mysql_root_password", b"old")

    def hook(moment: str, number: int, call: str) -> None:
        if call == "files.read":
            host.hook = None
            raise OSError(errno.EIO, "Input/output error")

    host.hook = hook
    assert root_passwords(ROOT, MemoryFiles(host)) == ("old",)
