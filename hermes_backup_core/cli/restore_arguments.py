"""The restore script's command line, and the two variables that force its gates."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from hermes_backup_core.cli.entry import Parser
from hermes_backup_core.domain.paths import normalised, shown
from hermes_backup_core.domain.remap import Remap, RemapUnclear
from hermes_backup_core.domain.restore_plan import RestoreRequest

_REMAP = "FORCE_REMAP"
_VERSION = "FORCE_VERSION_MISMATCH"

_EPILOG = """\
environment:
  HERMES_ROOT               the install root, where it is not a folder above this script
  FORCE_REMAP=1             restore to this host's paths, whichever differ
  FORCE_VERSION_MISMATCH=1  restore although the build differs or is unknown

exit codes:
  0 done (or answered no)   1 failed: the host is as before, or the message says what to type
  130, 143, 129 ended by a signal, the host is as before

examples:
  system_restore.sh -F /mnt/backups/hermes-backup-system-v260119-20260601T103000Z.tar -n
  sudo system_restore.sh -F /mnt/usb/backup.tar --remap-tiers /srv/mail:vmail --yes
"""


@frozen
class RestoreOptions:
    """What the operator typed. ``request`` is None for ``--help``, ``--undo``, ``--finish``, ``--pin``, ``--unpin``.

    ``warnings`` tell what was given and does not count.
    """

    request: RestoreRequest | None
    help_text: str | None = None
    undo: bool = False
    finish: bool = False
    pin: str | None = None
    unpin: str | None = None
    assume_yes: bool = False
    dry_run: bool = False
    warnings: tuple[str, ...] = ()


def parse_restore(argv: Sequence[str], environ: Mapping[str, str]) -> RestoreOptions:
    """Return what ``argv`` (without the program's name) and ``environ`` ask for; raises `UsageError`."""
    parser = _parser()
    if any(argument in ("-h", "--help") for argument in argv):
        return RestoreOptions(None, help_text=parser.format_help())
    typed = parser.parse_args(list(argv))
    if typed.help:  # among other letters, as in -yh
        return RestoreOptions(None, help_text=parser.format_help())
    _check(parser, typed)
    return RestoreOptions(
        request=_request(typed, environ) if typed.path else None,
        undo=typed.undo,
        finish=typed.finish,
        pin=_absolute(typed.pin) if typed.pin else None,
        unpin=_absolute(typed.unpin) if typed.unpin else None,
        assume_yes=typed.yes,
        dry_run=typed.dry_run,
        warnings=tuple(_ignored(environ)) if typed.path else (),
    )


def _check(parser: Parser, typed: argparse.Namespace) -> None:
    given = (typed.path, typed.pin, typed.unpin)
    if [typed.undo, typed.finish, *(path is not None for path in given)].count(True) > 1:
        parser.error("-F, --undo, --finish, --pin and --unpin exclude each other")
    if not (any(given) or typed.undo or typed.finish):
        parser.error("-F PATH is required: the tarball of the backup that is to be restored")
    if typed.stage_dir is not None and not typed.path:
        parser.error("--stage-dir is for a new restore, so it needs -F")
    if typed.stage_dir == "":
        parser.error("--stage-dir is empty: it takes a folder on another disk")
    if typed.stop_all and not typed.path:
        parser.error("--stop-all is for a new restore, so it needs -F")
    if typed.remaps and not typed.path:
        parser.error("--remap-tiers is for a new restore, so it needs -F")


def _request(typed: argparse.Namespace, environ: Mapping[str, str]) -> RestoreRequest:
    return RestoreRequest(
        path=_absolute(typed.path),
        stage_dir=_absolute(typed.stage_dir) if typed.stage_dir else None,
        force_remap=environ.get(_REMAP) == "1",
        force_version=environ.get(_VERSION) == "1",
        remaps=tuple(typed.remaps),
        stop_all=typed.stop_all,
    )


def _absolute(path: str) -> str:
    return normalised(os.path.abspath(path))


def _remap(text: str) -> Remap:
    try:
        return Remap.parse(text)
    except RemapUnclear as err:
        raise argparse.ArgumentTypeError(str(err)) from err


def _ignored(environ: Mapping[str, str]) -> Iterator[str]:
    for key in (_REMAP, _VERSION):
        if environ.get(key, "1") not in ("", "1"):
            yield f"{key}={shown(environ[key])} does not count: only {key}=1 does"


def _parser() -> Parser:
    parser = Parser(
        prog="system_restore.sh",
        usage="%(prog)s -F PATH [options] | --undo | --finish | --pin FILE | --unpin FILE",
        description=(
            "Restore a backup of a Hermes Secure Email Gateway. All is checked and unpacked beside the live\n"
            "data while mail flows; what it touches stops only while the two are exchanged."
        ),
        epilog=_EPILOG,
    )
    what = parser.add_argument_group("what")
    what.add_argument("-F", dest="path", metavar="PATH", help="the backup's tarball; its scope is what is replaced")
    what.add_argument("--undo", action="store_true", help="take an interrupted restore back")
    what.add_argument("--finish", action="store_true", help="carry an interrupted restore to its end")
    differing = parser.add_argument_group("where this host differs from the backup's")
    differing.add_argument(
        "--remap-tiers",
        dest="remaps",
        metavar="OLD:NEW",
        type=_remap,
        action="append",
        default=[],
        help="what the backup had at OLD goes to NEW here (paths or tiers' names)",
    )
    what.add_argument("--pin", metavar="FILE", help="keep this backup for good: no retention removes it")
    what.add_argument("--unpin", metavar="FILE", help="take that back")
    how = parser.add_argument_group("how")
    how.add_argument("--stage-dir", metavar="DIR", help="unpack to DIR, on another disk, where the tiers lack room")
    how.add_argument("--stop-all", action="store_true", help="stop every container, not only those that it touches")
    how.add_argument("-y", "--yes", action="store_true", help="do not ask")
    how.add_argument("-n", "--dry-run", action="store_true", help="check and print what would be done, change nothing")
    how.add_argument("-h", "--help", action="store_true", help="show this help")
    return parser
