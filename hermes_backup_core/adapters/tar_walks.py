"""Which walks of GNU tar pack a selection, and where else in them a file has a name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from hermes_backup_core.domain.paths import is_below, is_within
from hermes_backup_core.domain.selection import TierSelection


@frozen
class Walk:
    """Folders that one tar reads in one go, with the entries of those above them, and what it leaves out.

    All names are tar's own: ``.`` or ``./…``.
    """

    above: tuple[str, ...]
    folders: tuple[str, ...]
    left_out: tuple[str, ...]

    def arguments(self, tag: str) -> Iterator[str]:
        """Yield tar's arguments; folders that hold a file ``tag`` are left out, too."""
        yield from (f"--exclude-tag-all={tag}", "--no-wildcards", "--anchored")
        yield from (f"--exclude={name}" for name in self.left_out)
        yield "--no-recursion"
        yield from (f"--add-file={name}" for name in self.above)
        yield "--recursion"
        yield from (f"--add-file={name}" for name in self.folders)

    def files(self, root: bytes, tag: str) -> Iterator[os.DirEntry[bytes]]:
        """Yield all that the walk meets and that is no folder; what cannot be read is passed over."""
        for _, entries in self._met(root, tag):
            yield from (entry for _, entry in entries if not entry.is_dir(follow_symlinks=False))

    def arrivals(self, root: bytes, tag: str, since: int) -> Iterator[bytes]:
        """Yield the names that have come to where they are after ``since`` (ns): made, moved or renamed.

        A folder that has come brings along all that lies below it.
        """
        came: set[bytes] = set()
        for folder, entries in self._met(root, tag):
            if folder in came:
                fresh = [name for name, _ in entries]
            elif _is_after(since, os.path.join(root, folder), "st_mtime_ns"):
                fresh = [name for name, entry in entries if _is_after(since, entry.path, "st_ctime_ns")]
            else:
                continue
            came.update(fresh)
            yield from fresh

    def _met(self, root: bytes, tag: str) -> Iterator[tuple[bytes, list[tuple[bytes, os.DirEntry[bytes]]]]]:
        """Yield each folder of the walk with its entries and their names, a folder before those below it."""
        left_out = {os.fsencode(name) for name in self.left_out}
        pending = [os.fsencode(folder) for folder in self.folders]
        while pending:
            folder = pending.pop()
            named = [(os.path.join(folder, entry.name), entry) for entry in _entries(root, folder, os.fsencode(tag))]
            entries = [(name, entry) for name, entry in named if name not in left_out]
            pending += [name for name, entry in entries if entry.is_dir(follow_symlinks=False)]
            yield folder, entries


def plan_walks(selection: TierSelection) -> tuple[list[Walk], tuple[str, ...]]:
    """Return the walks that pack ``selection``, the root's entry first, and its folders that do not exist.

    tar also leaves out what it is asked for by name, where that lies below something left out: such a
    folder gets a walk of its own.
    """
    present = [name for name in selection.folders if os.path.lexists(os.path.join(selection.place, name))]
    left_out = [_dotted(name) for name in selection.left_out]
    folders = _outermost([_dotted(name) for name in present], left_out)
    hidden = [folder for folder in folders if any(is_within(folder, name) for name in left_out)]
    first = tuple(folder for folder in folders if folder not in hidden)
    walks = [Walk(_above(first, ()), first, tuple(left_out))]
    for folder in hidden:
        below = tuple(name for name in left_out if is_below(name, folder))
        walks.append(Walk(_above((folder,), walks), (folder,), below))
    return walks, tuple(name for name in selection.folders if name not in present)


def with_other_links(names: Sequence[bytes], walks: Iterable[Walk], root: bytes, tag: str) -> list[bytes]:
    """Return ``names`` and every other name that the same files have in ``walks``.

    A hard link is unpacked as a link to the copy that came first, so all names of a file that is packed
    again must be packed again with it.
    """
    asked = [_status(os.path.join(root, name)) for name in names]
    linked = {(file.st_dev, file.st_ino) for file in asked if file and file.st_nlink > 1}
    if not linked:
        return list(names)
    inodes = {inode for _, inode in linked}
    found = dict.fromkeys(names)
    for walk in walks:
        for entry in walk.files(root, tag):
            file = _status(entry.path) if entry.inode() in inodes else None
            if file and (file.st_dev, file.st_ino) in linked:
                found[b"./" + os.path.relpath(entry.path, root)] = None
    return list(found)


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _is_after(since: int, path: bytes, stamp: str) -> bool:
    file = _status(path)
    return file is not None and getattr(file, stamp) > since


def _entries(root: bytes, folder: bytes, tag: bytes) -> Sequence[os.DirEntry[bytes]]:
    try:
        with os.scandir(os.path.join(root, folder)) as found:
            entries = list(found)
    except OSError:
        return ()
    return () if any(entry.name == tag for entry in entries) else entries


def _dotted(name: str) -> str:
    return f"./{name}" if name else "."


def _outermost(folders: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """Return ``folders``, each once, less those that another one brings along."""

    def comes_with(folder: str, other: str) -> bool:
        between = (name for name in left_out if is_within(folder, name) and is_below(name, other))
        return is_below(folder, other) and not any(between)

    return [name for name in dict.fromkeys(folders) if not any(comes_with(name, other) for other in folders)]


def _above(folders: Iterable[str], before: Iterable[Walk]) -> tuple[str, ...]:
    """Return the folders above ``folders``, outermost first, that no walk ``before`` has an entry of."""
    above: dict[str, None] = {} if "." in folders else {".": None}
    for folder in folders:
        parts = folder.split("/")
        above.update(dict.fromkeys("/".join(parts[:count]) for count in range(1, len(parts))))
    there = {name for walk in before for name in (*walk.above, *walk.folders)}
    return tuple(name for name in above if name not in there)
