"""What unpacking a tier's archive on a host would make: proven before anything is unpacked."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from attrs import frozen

from hermes_backup_core.archive.gunzip import GarbledGzip
from hermes_backup_core.archive.tar_entries import GarbledTar, TarEntry, tar_entries
from hermes_backup_core.domain.paths import is_below, join, shown
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.swap import HIDDEN, is_hidden

MOST_PROBLEMS = 20
_DEVICES = frozenset({tarfile.CHRTYPE, tarfile.BLKTYPE})
_HONEST = frozenset({tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE})


@frozen
class TierContent:
    """What an archive holds for this host.

    ``entries`` counts what is taken, a name that was packed twice for each time; ``content_bytes`` is what
    the regular files among it hold, less their holes. ``excluded`` are the names, as they are stored, that
    must not be unpacked; what lies below them is not repeated. ``problems`` are sentences, at most
    `MOST_PROBLEMS`. ``damage`` tells what is wrong with the stream itself; the rest is then what came before.
    """

    entries: int
    content_bytes: int
    excluded: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    damage: str | None = None


def check_tier(chunks: Iterable[bytes], backup: TierSelection, host: TierSelection) -> TierContent:
    """Return what the tar stream ``chunks`` holds, of what belongs to the tier in the ``backup`` and on the ``host``.

    Names are judged below the root of each. ``OSError`` comes through; damage does not raise.
    """
    found = _Found(_Judge(backup, host))
    damage = None
    try:
        for entry in tar_entries(chunks):
            found.see(entry)
    except (GarbledTar, GarbledGzip) as err:
        damage = err.reason
    found.look_back()
    return TierContent(found.entries, found.content_bytes, tuple(found.excluded), tuple(found.problems), damage)


def small_files(chunks: Iterable[bytes], wanted: Callable[[str], bool], most_bytes: int = 4 << 20) -> dict[str, bytes]:
    """Return the content of the regular files that are ``wanted``, by their names without a leading ``./``.

    Of a name that was packed twice the last entry counts, whatever it is. Files of more than ``most_bytes``
    are passed over. Raises as `tar_entries` does.
    """
    found: dict[str, bytes] = {}
    for entry in tar_entries(chunks):
        name = entry.name.removeprefix("./")
        if not wanted(name):
            continue
        found.pop(name, None)
        if entry.is_regular and entry.info.size <= most_bytes:
            found[name] = b"".join(entry.content())
    return found


class _Verdict(Enum):
    TAKEN = "taken"
    LEADING = "leading"
    EXCLUDED = "excluded"


class _Judge:
    """What two selections both say of a name, which is given relative to their roots."""

    def __init__(self, backup: TierSelection, host: TierSelection) -> None:
        self._selections = (backup, host)
        self._borders = [
            (selection.root, join(selection.root, folder))
            for selection in self._selections
            for folder in (*selection.folders, *selection.left_out)
        ]
        self._parent: str | None = None
        self._alike: _Verdict | None = None

    def verdict(self, name: str) -> _Verdict:
        """Whether what is called `name` is taken; all entries of most folders are alike."""
        if not name:
            return self._of(name, at_least=_Verdict.LEADING)
        parent = posixpath.dirname(name)
        if parent != self._parent:
            self._parent = parent
            self._alike = None if self._has_borders(parent) else self._of(parent)
        return self._alike or self._of(name)

    def boundary(self, name: str) -> str:
        """Return the outermost folder of the excluded `name`, or the name itself, that is excluded already."""
        while (parent := posixpath.dirname(name)) and self._of(parent) is _Verdict.EXCLUDED:
            name = parent
        return name

    def _has_borders(self, folder: str) -> bool:
        return any(is_below(border, join(root, folder)) for root, border in self._borders)

    def _of(self, name: str, at_least: _Verdict = _Verdict.EXCLUDED) -> _Verdict:
        paths = [(selection, join(selection.root, name)) for selection in self._selections]
        held = [selection.holds(path) for selection, path in paths]
        if all(held):
            return _Verdict.TAKEN
        leads = all(holds or selection.leads(path) for holds, (selection, path) in zip(held, paths, strict=True))
        return _Verdict.LEADING if leads else at_least


class _Found:
    def __init__(self, judge: _Judge) -> None:
        self.judge = judge
        self.entries = 0
        self.content_bytes = 0
        self.excluded: dict[str, None] = {}
        self.problems: dict[str, None] = {}
        self._links: set[str] = set()
        self._folders: set[str] = set()
        self._hard_links: dict[str, tuple[str, str]] = {}

    def see(self, entry: TarEntry) -> None:
        if fault := _name_fault(entry.name):
            self._problem(f"{shown(entry.name)} {fault}")
            return
        name = _relative(entry.name)
        self._above(name)
        verdict = self.judge.verdict(name)
        for fault in self._faults(entry, name, verdict):
            self._problem(f"{shown(entry.name)} {fault}")
        if verdict is _Verdict.TAKEN:
            self.entries += 1
            self.content_bytes += entry.content_bytes if entry.is_regular else 0
        elif verdict is _Verdict.EXCLUDED:
            self._exclude(entry.name, name)

    def look_back(self) -> None:
        """Find what lies below a link, whichever of the two came first."""
        for link in sorted(self._links & self._folders):
            self._problem(f"{shown(link)} is a symbolic link, and other entries lie below it")
        for folder, (name, target) in self._hard_links.items():
            if any(above in self._links for above in (folder, *_folders_above(folder))):
                self._problem(f"{shown(name)} is a hard link to {shown(target)}, which lies below a symbolic link")

    def _faults(self, entry: TarEntry, name: str, verdict: _Verdict) -> Iterator[str]:
        kind = entry.info.type
        if kind in _DEVICES:
            yield "is a device"
        elif kind == tarfile.SYMTYPE:
            self._links.add(name)
        elif kind == tarfile.LNKTYPE:
            yield from self._hard_link_faults(entry, verdict)
        elif not entry.is_regular and kind not in _HONEST:
            yield f"is of a type that no backup holds ({kind!r})"
        if verdict is not _Verdict.EXCLUDED and HIDDEN in name and any(map(is_hidden, name.split("/"))):
            yield "belongs to a restore that was under way"

    def _hard_link_faults(self, entry: TarEntry, verdict: _Verdict) -> Iterator[str]:
        target = entry.info.linkname
        if fault := _name_fault(target):
            yield f"is a hard link to {shown(target)}, which {fault}"
            return
        # One link for each folder of targets is enough: they lie in few.
        self._hard_links.setdefault(posixpath.dirname(_relative(target)), (entry.name, target))
        if verdict is _Verdict.TAKEN and self.judge.verdict(_relative(target)) is not _Verdict.TAKEN:
            yield f"is a hard link to {shown(target)}, which is not restored"

    def _exclude(self, stored: str, name: str) -> None:
        boundary = self.judge.boundary(name)
        self.excluded[stored[: len(stored) - len(name)] + boundary] = None

    def _above(self, name: str) -> None:
        for folder in _folders_above(name):
            if folder in self._folders:
                return
            self._folders.add(folder)

    def _problem(self, sentence: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems[sentence] = None


def _relative(stored: str) -> str:
    return "" if stored == "." else stored.removeprefix("./")


def _name_fault(stored: str) -> str | None:
    """Return why no archive of a tier has such a name; the exclusion of names counts on how they are written."""
    if stored.startswith("/"):
        return "is an absolute name"
    parts = _relative(stored).split("/")
    if ".." in parts:
        return "leads out of the tier with `..`"
    if stored != "." and not all(part not in ("", ".") for part in parts):
        return "is not written as tar writes names"
    return None


def _folders_above(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name
