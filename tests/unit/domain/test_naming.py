"""Names of backup files: made, and read back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.naming import BackupName, timestamp
from hermes_backup_core.domain.scope import Scope

MOMENT = datetime(2026, 6, 1, 10, 30, tzinfo=timezone.utc)


def test_a_name_has_scope_build_and_time_in_utc() -> None:
    name = BackupName.make(Scope.ALL, "v260119", MOMENT.astimezone(timezone(timedelta(hours=2))))
    assert name.stem == "hermes-backup-all-v260119-20260601T103000Z"
    assert name.tarball == f"{name.stem}.tar"
    assert name.partial == f"{name.stem}.tar.partial"
    assert name.log == f"{name.stem}.log"
    assert (name.restore_log, name.pin) == (f"{name.stem}.restore.log", f"{name.stem}.tar.keep")
    assert name.moment == MOMENT
    assert timestamp(MOMENT) == "20260601T103000Z"


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (None, "unknown"),
        ("", "unknown"),
        ("v1.2-rc_3+x", "v1.2-rc_3+x"),
        ("../../etc", ".._.._etc"),
        ("a\n\u00e9", "a__"),
    ],
)
def test_a_build_number_of_any_kind_makes_a_file_name(build: str | None, expected: str) -> None:
    assert BackupName.make(Scope.ALL, build, MOMENT).build == expected


MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001


@settings(deadline=None)
@given(st.sampled_from(Scope), st.none() | st.text(max_size=20), MOMENTS)
def test_a_name_that_was_made_is_read_back(scope: Scope, build: str | None, moment: datetime) -> None:
    name = BackupName.make(scope, build, moment)
    assert BackupName.parse(name.tarball) == name
    assert name.moment == moment.replace(microsecond=0)
    assert "/" not in name.tarball


@pytest.mark.parametrize(
    "name",
    [
        "",
        "hermes-backup-all-v1-20260601T103000Z.tar.partial",
        "hermes-backup-all-v1-20260601T103000Z.log",
        "hermes-backup-all-v1-20260601T103000Z.tar\n",
        "x-hermes-backup-all-v1-20260601T103000Z.tar",
        "hermes-backup-some-v1-20260601T103000Z.tar",
        "hermes-backup-all-v1-20261301T103000Z.tar",
        "hermes-backup-all-v1-20260601T106100Z.tar",
        "hermes-backup-all--20260601T103000Z.tar",
        "hermes-backup-all-v 1-20260601T103000Z.tar",
        "hermes-backup-all-v1-\u0662\u0660260601T103000Z.tar",
    ],
)
def test_any_other_name_is_none_of_ours(name: str) -> None:
    assert BackupName.parse(name) is None
