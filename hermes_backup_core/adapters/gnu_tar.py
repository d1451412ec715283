"""Reading tiers through the host's GNU tar."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from attrs import field, frozen, mutable

from hermes_backup_core.adapters.process import Door
from hermes_backup_core.adapters.tar_messages import TarMessages
from hermes_backup_core.adapters.tar_program import PIPE_BYTES, TAR_ENVIRONMENT, heard, tar_problem, widen
from hermes_backup_core.adapters.tar_walks import Walk, plan_walks, with_other_links
from hermes_backup_core.archive.tar_stream import TarMeter, end_marker
from hermes_backup_core.domain.errors import CommandFailed, HermesBackupError
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.selection import PackReport, TierSelection

MOST_ROUNDS = 2

_OPTIONS = (
    "--create",
    "--file=-",
    "--format=posix",
    "--numeric-owner",
    "--acls",
    "--xattrs",
    "--xattrs-include=*",
    "--sparse",
    # Reading changes access times; and without a process id in it, the same tier makes the same archive.
    "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
    "--blocking-factor=128",
    "--quoting-style=escape",
    # Or a backslash in a name that is asked for would be taken for an escape.
    "--no-unquote",
    "--warning=no-cachedir",
)
_LIST_ON_STDIN = ("--no-recursion", "--null", "--verbatim-files-from", "--files-from=-")


class TierUnreadable(HermesBackupError):
    """A tier could not be read to its end."""

    def __init__(self, root: str, reason: str) -> None:
        super().__init__(f"{shown(root)} could not be read to its end: {reason}")
        self.root = root
        self.reason = reason


@frozen
class GnuTar:
    """Read tiers with GNU tar: pax headers, numeric owners, ACLs, xattrs, hard links, holes.

    ``program`` is the name or the path of GNU tar 1.34 or newer.
    """

    program: str = "tar"

    def problem(self) -> str | None:
        """Return why this tar cannot read tiers, or None where it can."""
        return tar_problem(self.program)

    def pack(self, selection: TierSelection, write: Callable[[bytes], object], *, tag: str) -> PackReport:
        """Hand the tar stream of ``selection`` to ``write``; leave out any folder that holds a file ``tag``.

        The stream begins with the root's own entry; names are ``./…``. A file that changed while it was
        read is packed again behind the others, up to two more times, and so is once what came to where it
        is meanwhile: a mail that is moved from a folder that tar has yet to read to one that it has read
        already would be in neither. When the archive is unpacked, the last copy wins. An exception of
        ``write`` ends tar and passes through. Raises `TierUnreadable` where tar fails.
        """
        root, began = os.fsencode(selection.place), _now_for_files()
        walks, missing = plan_walks(selection)
        _refuse_tag(selection, walks, tag)
        packing = _Packing(self.program, selection.place, write, called=selection.root)
        for walk in walks:
            packing.run(tuple(walk.arguments(tag)))
        arrived = list(dict.fromkeys(name for walk in walks for name in walk.arrivals(root, tag, began)))
        changed = torn = packing.changed_files()
        again = list(dict.fromkeys([*changed, *arrived]))
        for _ in range(MOST_ROUNDS):
            if again:
                packing.again(with_other_links(again, walks, root, tag))
                again = torn = packing.changed_files()
        write(end_marker(packing.position))
        return packing.report(changed=changed, torn=torn, arrived=arrived, missing=missing)


def _now_for_files() -> int:
    """Return the time by the very clock that stamps files (ns): it ticks more coarsely than others."""
    with _in_memory(b"") as file:
        return os.fstat(file.fileno()).st_ctime_ns


def _refuse_tag(selection: TierSelection, walks: Sequence[Walk], tag: str) -> None:
    """A folder that was asked for by name would vanish from the archive without a word."""
    for name in (name for walk in walks for name in (*walk.above, *walk.folders)):
        if os.path.lexists(os.path.join(selection.place, name, tag)):
            folder = os.path.normpath(os.path.join(selection.root, name))
            raise TierUnreadable(
                selection.root,
                f"the backup is being written into {shown(folder)} itself, whatever path "
                "leads there. Choose another folder for backups.",
            )


@mutable
class _Packing:
    """One archive under way: what has been written, and what tar said of it. ``called`` is the root for people."""

    program: str
    root: str
    write: Callable[[bytes], object]
    called: str
    position: int = 0
    entries: int = 0
    content_bytes: int = 0
    just_changed: dict[bytes, None] = field(factory=dict)
    vanished: dict[bytes, None] = field(factory=dict)
    sockets: dict[bytes, None] = field(factory=dict)
    remarks: list[str] = field(factory=list)

    def run(self, arguments: Sequence[str]) -> None:
        """Pack what `arguments` name; raises `TierUnreadable`."""
        code, said = self._tar(arguments, subprocess.DEVNULL)
        if code not in (0, 1):
            raise _failure(self.called, code, said)
        self._keep(said)

    def again(self, names: Sequence[bytes]) -> None:
        """Pack `names` once more, and nothing below them; one that is gone meanwhile is no failure."""
        with _in_memory(b"".join(name + b"\0" for name in names)) as listing:
            code, said = self._tar(_LIST_ON_STDIN, listing)
        only_gone = code == 2 and said.gone and not said.remarks
        if code not in (0, 1) and not only_gone:
            raise _failure(self.called, code, said)
        self._keep(said)

    def changed_files(self) -> list[bytes]:
        """Return the files that changed since this was last asked; folders change all the time."""
        names, self.just_changed = self.just_changed, {}
        kinds = {name: _kind(os.path.join(os.fsencode(self.root), name)) for name in names}
        self.vanished.update({name: None for name, kind in kinds.items() if kind is None})
        return [name for name, kind in kinds.items() if kind is not None and stat.S_ISREG(kind)]

    def report(
        self,
        *,
        changed: Sequence[bytes],
        torn: Sequence[bytes],
        arrived: Sequence[bytes],
        missing: tuple[str, ...],
    ) -> PackReport:
        whole = [name for name in changed if name not in torn and name not in self.vanished]
        return PackReport(
            entries=self.entries,
            content_bytes=self.content_bytes,
            torn=_relative(torn),
            packed_again=_relative(whole),
            arrived=_relative(arrived),
            vanished=_relative(self.vanished),
            sockets=_relative(self.sockets),
            missing=missing,
            remarks=tuple(self.remarks),
        )

    def _keep(self, said: TarMessages) -> None:
        self.just_changed.update(said.changed)
        self.vanished.update({**said.removed, **said.gone})
        self.sockets.update(said.sockets)
        self.remarks.extend(said.remarks)

    def _tar(self, arguments: Sequence[str], stdin: Any) -> tuple[int, TarMessages]:
        """Run tar, hand on what it writes less its end marker; return its exit code and its messages."""
        argv = (self.program, *_OPTIONS, f"--directory={self.root}", *arguments)
        meter, said = TarMeter(), TarMessages()
        with _started(argv, self.called, stdin) as process, heard(process, said):
            widen(process.stdout)
            while chunk := os.read(process.stdout.fileno(), PIPE_BYTES):
                for piece in meter.feed(chunk):
                    self.write(piece)
            code: int = process.wait()
        if code in (0, 1) and not meter.ended:
            raise TierUnreadable(self.called, "tar's output has no end. Run the backup again.")
        self.position += meter.body_bytes
        self.entries += meter.entries
        self.content_bytes += meter.content_bytes
        return code, said


@contextlib.contextmanager
def _started(argv: tuple[str, ...], root: str, stdin: Any) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        try:
            started = Door(TAR_ENVIRONMENT).started(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            process = stack.enter_context(started)
        except CommandFailed as err:
            raise TierUnreadable(root, f"{argv[0]} is not installed. Install GNU tar 1.34 or newer.") from err
        yield process


def _failure(root: str, code: int, said: TarMessages) -> TierUnreadable:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = [*(f"{shown(name)}: No such file or directory" for name in said.gone), *said.remarks][-5:]
    words = "; ".join(lines) or "it gave no reason"
    return TierUnreadable(
        root,
        f"tar ended with {how}: {words}. Put that right (a failing disk shows in `dmesg`), then run the backup again.",
    )


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[IO[bytes]]:
    """Give a file that lies in memory alone and holds `data`, at its beginning."""
    with open(os.memfd_create("names"), "w+b") as file:
        file.write(data)
        file.seek(0)
        yield file


def _kind(path: bytes) -> int | None:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return None


def _relative(names: Sequence[bytes] | dict[bytes, None]) -> tuple[bytes, ...]:
    return tuple(name.removeprefix(b"./") for name in names)
