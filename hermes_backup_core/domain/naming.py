"""The names of backup files, made and parsed."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from attrs import frozen

from hermes_backup_core.domain.scope import Scope

UNKNOWN_BUILD = "unknown"
"""Stands for the build number in the name of a backup made while the database could not be asked."""

PIN = ".keep"
"""What the name of a file that keeps a backup for good has behind the backup's."""

_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(
    r"hermes-backup-(?P<scope>[a-z]+)-(?P<build>[A-Za-z0-9._+-]+)-(?P<stamp>\d{8}T\d{6}Z)\.tar",
    re.ASCII,
)


def timestamp(moment: datetime) -> str:
    """Return ``moment`` in UTC as names and manifests carry it, to the second: ``20260601T103000Z``."""
    return moment.astimezone(timezone.utc).strftime(_TIMESTAMP)


@frozen
class BackupName:
    """The name of a backup: ``hermes-backup-<scope>-<build_no>-<timestamp>.tar``.

    ``stamp`` is UTC, to the second.
    """

    scope: Scope
    build: str
    stamp: str

    @classmethod
    def make(cls, scope: Scope, build_no: str | None, moment: datetime) -> BackupName:
        """Return the name for a backup that starts at ``moment``.

        A character of ``build_no`` that has no place in a file name becomes ``_``.
        """
        build = re.sub(r"[^A-Za-z0-9._+-]", "_", build_no or UNKNOWN_BUILD)
        return cls(scope, build, timestamp(moment))

    @classmethod
    def parse(cls, name: str) -> BackupName | None:
        """Return what a file's name says, or None where it is not one of ours."""
        match = _NAME.fullmatch(name)
        if match is None or match["scope"] not in {scope.value for scope in Scope}:
            return None
        try:
            _moment(match["stamp"])
        except ValueError:
            return None
        return cls(Scope(match["scope"]), match["build"], match["stamp"])

    @property
    def moment(self) -> datetime:
        """When the backup began, in UTC."""
        return _moment(self.stamp)

    @property
    def stem(self) -> str:
        """The name less its ending: what a backup shares with its log."""
        return f"hermes-backup-{self.scope.value}-{self.build}-{self.stamp}"

    @property
    def tarball(self) -> str:
        """The name of the finished backup."""
        return f"{self.stem}.tar"

    @property
    def partial(self) -> str:
        """The name that the backup bears until it is whole."""
        return f"{self.stem}.tar.partial"

    @property
    def log(self) -> str:
        """The name of the log beside the backup."""
        return f"{self.stem}.log"

    @property
    def restore_log(self) -> str:
        """The name of the log beside the backup that its restores write."""
        return f"{self.stem}.restore.log"

    @property
    def pin(self) -> str:
        """The name of the file beside the backup that keeps it for good."""
        return f"{self.tarball}{PIN}"


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, _TIMESTAMP).replace(tzinfo=timezone.utc)
