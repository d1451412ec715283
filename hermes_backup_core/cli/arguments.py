"""The backup script's command line."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence

from attrs import frozen

from hermes_backup_core.cli.entry import Parser
from hermes_backup_core.domain.notice import address_problem
from hermes_backup_core.domain.paths import normalised
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.retention import RetentionPolicy
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.domain.snapshots import SnapshotPolicy

_SCOPES = [scope.value for scope in Scope]

_TOUCHED = "touched"

_EPILOG = """\
scopes:
  system      config tier, data tier, the six databases, the LDAP directory
  archive     archive tier (quarantine)      vmail    mailboxes
  nextcloud   Nextcloud's files              all      everything above

environment:
  HERMES_ROOT  the install root, where it is not a folder above this script

exit codes:
  0 done (or answered no)   1 failed, nothing is left of it   130, 143, 129 ended by a signal

example:
  system_backup.sh -P /mnt/backups -B system --yes --notify-email=admin@example.com
"""


@frozen
class BackupOptions:
    """What the operator typed. ``request`` is None for ``--help`` and ``--test-notify``."""

    request: BackupRequest | None
    help_text: str | None = None
    test_notify: bool = False
    notify_email: str | None = None
    notify_on_success: bool = False
    assume_yes: bool = False
    dry_run: bool = False
    retention: RetentionPolicy | None = None


def parse_backup(argv: Sequence[str]) -> BackupOptions:
    """Return what ``argv`` (without the program's name) asks for; raises `UsageError`."""
    parser = _parser()
    if any(argument in ("-h", "--help") for argument in argv):
        return BackupOptions(None, help_text=parser.format_help())
    typed = parser.parse_args(list(argv))
    if typed.help:  # among other letters, as in -yh
        return BackupOptions(None, help_text=parser.format_help())
    if typed.notify_email is not None and (problem := address_problem(typed.notify_email)):
        parser.error(f"--notify-email {problem}")
    if typed.test_notify and typed.notify_email is None:
        parser.error("--test-notify needs --notify-email=ADDR")
    return BackupOptions(
        request=None if typed.test_notify else _request(parser, typed),
        test_notify=typed.test_notify,
        notify_email=typed.notify_email,
        notify_on_success=typed.notify_on_success,
        assume_yes=typed.yes,
        dry_run=typed.dry_run,
        retention=_retention(typed),
    )


def _request(parser: argparse.ArgumentParser, typed: argparse.Namespace) -> BackupRequest:
    if not typed.output:
        parser.error("-P PATH is required: the folder that the backup is written to")
    if not typed.scope:
        parser.error(f"-B SCOPE is required: one of {', '.join(_SCOPES)}")
    if typed.scope not in _SCOPES:
        parser.error(f"unknown scope '{typed.scope}': choose one of {', '.join(_SCOPES)}")
    return BackupRequest(
        scope=Scope(typed.scope),
        output=normalised(os.path.abspath(typed.output)),
        mode=Mode.COLD if typed.cold else Mode.HOT,
        nextcloud_maintenance=not typed.no_nc_maintenance,
        touched_only=typed.cold == _TOUCHED,
        snapshot=typed.snapshot,
    )


def _policy(value: str) -> SnapshotPolicy:
    if value != "require":
        raise argparse.ArgumentTypeError(f"'{value}' is not 'require', and nothing else can be said of it")
    return SnapshotPolicy.REQUIRED


def _retention(typed: argparse.Namespace) -> RetentionPolicy | None:
    counts = (typed.retain_last, typed.keep_daily, typed.keep_weekly, typed.keep_monthly)
    return RetentionPolicy(*counts) if any(counts) else None


def _touched(value: str) -> str:
    if value != _TOUCHED:
        raise argparse.ArgumentTypeError(f"'{value}' is not {_TOUCHED}: give --cold, or --cold={_TOUCHED}")
    return value


def _count(value: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]{0,8}", value):
        raise argparse.ArgumentTypeError(f"'{value}' is no whole number from 1 on")
    return int(value)


def _parser() -> Parser:
    parser = Parser(
        prog="system_backup.sh",
        usage="%(prog)s -P PATH -B SCOPE [options]",
        description="Back up a Hermes Secure Email Gateway into one tarball, while mail keeps flowing.",
        epilog=_EPILOG,
    )
    what = parser.add_argument_group("what and where")
    what.add_argument("-P", dest="output", metavar="PATH", help="folder for the tarball; must exist")
    what.add_argument("-B", dest="scope", metavar="SCOPE", help=f"one of {', '.join(_SCOPES)}")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--cold",
        metavar=_TOUCHED,
        nargs="?",
        const=True,
        type=_touched,
        help="stop the stack while the tiers are read; =touched: only what may write to them",
    )
    how.add_argument(
        "--snapshot",
        nargs="?",
        metavar="require",
        type=_policy,
        default=SnapshotPolicy.NEVER,
        const=SnapshotPolicy.WISHED,
        help="read tiers on btrfs, LVM or ZFS from a snapshot; =require: fail where that cannot be",
    )
    how.add_argument("--no-nc-maintenance", action="store_true", help="leave Nextcloud out of maintenance mode")
    how.add_argument("-y", "--yes", action="store_true", help="do not ask (for cron)")
    how.add_argument("-n", "--dry-run", action="store_true", help="print what would be done, change nothing")
    how.add_argument("-h", "--help", action="store_true", help="show this help")
    keep = parser.add_argument_group(
        "retention: after a success, older backups of this scope in -P that no rule keeps go"
    )
    keep.add_argument("--retain-last", metavar="N", type=_count, help="keep the newest N")
    keep.add_argument("--keep-daily", metavar="N", type=_count, help="keep the newest of each of the last N days (UTC)")
    keep.add_argument("--keep-weekly", metavar="N", type=_count, help="the same of N weeks")
    keep.add_argument("--keep-monthly", metavar="N", type=_count, help="the same of N months")
    mail = parser.add_argument_group("mail")
    mail.add_argument("--notify-email", metavar="ADDR", help="send a mail when the backup fails")
    mail.add_argument("--notify-on-success", action="store_true", help="send one when it succeeds, too")
    mail.add_argument("--test-notify", action="store_true", help="send both mails as a test; make no backup")
    return parser
