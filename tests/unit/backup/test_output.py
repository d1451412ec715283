"""The output file: made under a partial name, published whole, never over another, with figures where it ends."""

from __future__ import annotations

import errno
from datetime import datetime, timezone

import pytest

from hermes_backup_core.backup.output import Output
from hermes_backup_core.domain.errors import NoRoom
from hermes_backup_core.domain.naming import BackupName
from hermes_backup_core.domain.scope import Scope
from tests.unit.fakes.files import MemoryFiles
from tests.unit.fakes.host import OUTPUT, MemoryHost, plain_host
from tests.unit.fakes.watching import MemoryClock

NAME = BackupName.make(Scope.VMAIL, None, datetime(2026, 6, 1, tzinfo=timezone.utc))
KNOWN = BackupName.make(Scope.VMAIL, "v1", datetime(2026, 6, 1, tzinfo=timezone.utc))


def output_on(host: MemoryHost) -> Output:
    return Output(OUTPUT, NAME, MemoryFiles(host), MemoryClock(host))


def test_signals_are_held_back_before_the_file_bears_its_final_name() -> None:
    host = plain_host()
    output = output_on(host)
    there: list[bool] = []
    with output.opened():
        path = output.publish(b"{}", KNOWN, lambda: there.append(output.partial in host.files))
    assert there == [True]
    assert path == f"{OUTPUT}/{KNOWN.tarball}"
    assert output.partial not in host.files
    assert output.size_bytes == len(host.files[path]) > 0


def test_a_file_that_bears_the_final_name_by_then_is_not_written_over() -> None:
    host = plain_host()
    host.add(f"{OUTPUT}/{KNOWN.tarball}", b"somebody else's")
    output = output_on(host)
    with pytest.raises(FileExistsError), output.opened():
        output.publish(b"{}", KNOWN, lambda: None)
    assert host.files[f"{OUTPUT}/{KNOWN.tarball}"] == b"somebody else's"


def test_a_partial_file_of_that_name_is_not_opened_again() -> None:
    host = plain_host()
    output = output_on(host)
    host.add(output.partial, b"another run's")
    with pytest.raises(FileExistsError), output.opened():
        pytest.fail("the body ran")
    assert host.files[output.partial] == b"another run's"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_is_told_with_what_was_written_until_then(number: int) -> None:
    output = output_on(plain_host())
    with pytest.raises(NoRoom, match=r"no room left in /backups after 3\.0 KiB") as caught, output.opened():
        with output.member("a") as member:
            member.sink.write(bytes(3072))
        with output.member("b"):
            raise OSError(number, "full")
    assert isinstance(caught.value.__cause__, OSError)


def test_another_error_of_the_disk_passes_as_it_is() -> None:
    with pytest.raises(OSError, match="broken") as caught, output_on(plain_host()).opened():
        raise OSError(errno.EIO, "broken")
    assert caught.value.errno == errno.EIO


def test_a_member_that_failed_is_none_of_the_members() -> None:
    output = output_on(plain_host())
    with output.opened():
        with pytest.raises(RuntimeError), output.member("a"):
            raise RuntimeError
        with output.member("b") as member:
            member.sink.write(b"x")
    assert [through.name for through in output.members] == ["b"]
    assert output.members[0].entry.size_bytes == 1


def test_a_members_time_is_that_of_its_body() -> None:
    host = plain_host()
    output = output_on(host)
    with output.opened(), output.member("a") as member:
        host.now += 7
    assert member.seconds == 7


def test_what_is_not_open_cannot_be_published() -> None:
    with pytest.raises(ValueError, match="not open"):
        output_on(plain_host()).publish(b"{}", NAME, lambda: None)
