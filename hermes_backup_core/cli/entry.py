"""The frame that both scripts share: from the command line to the exit code, whatever happens in between."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, NoReturn, Protocol, TypeVar

from attrs import define, field, frozen

from hermes_backup_core.cli.install_root import find_install_root
from hermes_backup_core.cli.log import Log, open_closed_streams
from hermes_backup_core.cli.signals import Signals
from hermes_backup_core.domain.errors import Ended, HermesBackupError
from hermes_backup_core.domain.interrupted import describe_interrupted
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.wiring import host_clock

DONE, FAILED = 0, 1
_SIGNALLED = 128
_ROOT_USER = 0


@frozen
class UsageError(HermesBackupError):
    """The command line cannot be understood. ``usage`` is what can be typed instead."""

    reason: str
    usage: str

    def __str__(self) -> str:
        return self.reason


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that takes no abbreviations, and raises where the command line cannot be understood."""

    def __init__(self, *, prog: str, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.format_usage())


@frozen
class NotAllowed(HermesBackupError):
    """Whoever called may not, or did not say that it is meant."""

    reason: str

    def __str__(self) -> str:
        return self.reason


class Options(Protocol):
    """What the operator typed."""

    @property
    def help_text(self) -> str | None:
        """The help, where that is all that was asked for."""
        ...

    @property
    def assume_yes(self) -> bool:
        """Whether nothing is to be asked."""
        ...


Typed = TypeVar("Typed", bound=Options)
Seen = TypeVar("Seen")


@define
class Command(ABC, Generic[Typed]):
    """One call of a script, with everything that it was given. ``command`` is the whole line, quoted."""

    options: Typed
    environ: Mapping[str, str]
    called_as: str
    command: str
    began: datetime
    log: Log
    signals: Signals = field(factory=Signals, init=False)

    @abstractmethod
    def carry_out(self) -> int:
        """Do what was asked for; return the exit code."""

    @abstractmethod
    def tell_failure(self, reason: str) -> None:
        """Tell beyond the screen why the run failed: in the log's file, by mail."""

    def run(self) -> int:
        """Do what was asked for; return the exit code, whatever happened."""
        with self.signals:
            try:
                return self.carry_out()
            except Ended as err:
                return self._end(_SIGNALLED + err.number, str(err))
            except (HermesBackupError, OSError) as err:
                return self._end(FAILED, str(err))
            except Exception as err:  # noqa: BLE001 - a fault of ours must be told and mailed like any failure
                self.log.only_file(traceback.format_exc())
                return self._end(FAILED, f"a fault of this tool, please report it with its log: {err!r}")

    def _end(self, code: int, reason: str) -> int:
        """Tell why the run failed; return ``code``."""
        self.signals.ignore()
        self.log.error(reason)
        self.tell_failure(reason)
        return code

    def install_root(self) -> str:
        """Return the install root; raises `NoInstallRoot`."""
        return find_install_root(self.environ, self.called_as)

    def require_root(self) -> None:
        """Raise `NotAllowed` where somebody else than root called."""
        if os.geteuid() != _ROOT_USER:
            raise NotAllowed("a live run needs root: use sudo, or --dry-run to see what would be done")

    def require_answer(self) -> None:
        """Raise `NotAllowed` where a question would have to be asked, and nobody is there to answer it."""
        if not self.options.assume_yes and not sys.stdin.isatty():
            raise NotAllowed("there is no terminal to ask at: add --yes to run unattended")

    def tell_of_leftovers(self, look: Callable[[], RunRecord | None]) -> None:
        """Warn of what a killed backup left, in a dry run, which changes nothing of it."""
        if leftovers := _seen(look):
            self.log.warn(
                f"the run of pid {leftovers.pid} ({leftovers.since}) was killed; a live run puts that right first"
            )

    def tell_of_interrupted(self, look: Callable[[], RestoreRecord | None]) -> RestoreRecord | None:
        """Warn of an interrupted restore, in a dry run, which may be made all the same; return it."""
        if record := _seen(look):
            self.log.warn(describe_interrupted(record))
        return record

    def confirmed(self) -> bool:
        """Whether the operator wants to go on."""
        if self.options.assume_yes:
            return True
        sys.stdout.write("Go on? [y/N] ")
        sys.stdout.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def _seen(look: Callable[[], Seen | None]) -> Seen | None:
    """Return what ``look`` finds; only root may look, and a dry run needs no root."""
    try:
        return look()
    except PermissionError:
        return None


def run_script(
    argv: Sequence[str],
    called_as: str,
    parse: Callable[[Sequence[str]], Typed],
    command: Callable[[Typed, Mapping[str, str], str, str, datetime, Log], Command[Typed]],
) -> int:
    """Run the script whose arguments ``parse`` understands and whose work ``command`` does; return the exit code."""
    os.umask(0o077)
    open_closed_streams()
    log = Log(sys.stdout, sys.stderr, host_clock().now)
    began = host_clock().now()
    try:
        options = parse(argv)
        if options.help_text is None:
            return command(options, os.environ, called_as, shlex.join((called_as, *argv)), began, log).run()
        sys.stdout.write(options.help_text)
    except UsageError as err:
        log.error(str(err))
        sys.stderr.write(err.usage)
        return FAILED
    finally:
        log.end()
    return DONE
