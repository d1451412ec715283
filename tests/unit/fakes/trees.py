"""The fake of the host's folders as a restore changes them."""

from __future__ import annotations

import errno
import posixpath

from attrs import define

from hermes_backup_core.domain.paths import is_below, is_within, join, relative
from tests.unit.fakes.host import MemoryHost
from tests.unit.fakes.state import is_hidden

FOR_ROOT = "0:0 0700"
"""The shape of a folder that a restore makes for itself."""


@define
class MemoryTrees:
    """The folders of the host. What no restore may do (move what runs, say) is done, and told in ``violations``."""

    host: MemoryHost

    def exists(self, path: str) -> bool:
        return self.is_folder(path) or path in self.host.files or path in self.host.links

    def is_folder(self, path: str) -> bool:
        return self.host.is_folder(path)

    def names(self, path: str) -> frozenset[str]:
        with self.host.port("trees.names"):
            return self.host.below(path) if self.is_folder(path) else frozenset()

    def mount_points(self, path: str) -> tuple[str, ...]:
        return tuple(sorted(point for point in self.host.devices if is_below(point, path)))

    def make_folder(self, path: str) -> None:
        with self.host.port("trees.make_folder"):
            missing = [folder for folder in (path, *above(path)) if not self.is_folder(folder)]
            if any(self.exists(folder) for folder in missing):
                raise FileExistsError(errno.EEXIST, "File exists", path)
            self.host.folders.update(missing)
            self.host.shapes.update(dict.fromkeys(missing, FOR_ROOT))

    def rename(self, path: str, target: str) -> None:
        with self.host.port("trees.rename"):
            self._check_rename(path, target)
            if self.exists(target):
                raise FileExistsError(errno.EEXIST, "File exists", target)
            self._watch(path, target)
            move(self.host, path, target)

    def replace(self, path: str, target: str, aside: str) -> None:
        files = self.host.files
        # A file's inode is its content's object: what is linked aside is the same object under two names.
        with self.host.port("trees.replace.link"):
            if path not in files:
                self._check_rename(aside, aside)
                return
            if aside not in files:
                self._check_rename(target, aside)
                link(self.host, target, aside)
        with self.host.port("trees.replace.rename"):
            self._check_rename(path, target)
            self._watch(path, target)
            if files[path] is not files.get(target):
                remove(self.host, [target])
                move(self.host, path, target)
            remove(self.host, [path])

    def shape_like(self, path: str, pattern: str) -> None:
        with self.host.port("trees.shape_like"):
            for folder in (path, pattern):
                if not self.is_folder(folder):
                    raise FileNotFoundError(errno.ENOENT, "No such file or directory", folder)
            give_shape(self.host, path, self.host.shapes.get(pattern))

    def own_like(self, folder: str, pattern: str) -> None:
        with self.host.port("trees.own_like"):
            if not self.exists(pattern):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", pattern)
            for path in self.host.files:
                if posixpath.dirname(path) == folder:
                    give_shape(self.host, path, self.host.shapes.get(pattern))

    def write(self, path: str, content: bytes) -> None:
        with self.host.port("trees.write"):
            if path not in self.host.files:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            self.host.files[path] = content

    def flush(self, path: str) -> None:
        with self.host.port("trees.flush"):
            if not self.exists(path):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)

    def remove(self, path: str) -> None:
        host = self.host
        gone = sorted(
            (entry for entry in {*host.files, *host.folders, *host.links} if is_within(entry, path)), reverse=True
        )
        with self.host.port("trees.remove"):
            if point := next((point for point in host.devices if is_within(point, path)), None):
                raise OSError(errno.EBUSY, "not removed, as something is mounted there", point)
            if gone and not is_hidden(path):
                self.host.violations.append(f"removed {path}, which is not a restore's own")
            remove(self.host, gone[: (len(gone) + 1) // 2])
        if len(gone) > 1:
            with self.host.port("trees.remove.rest"):
                remove(self.host, gone)

    def _check_rename(self, path: str, target: str) -> None:
        if not self.exists(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        if not self.is_folder(posixpath.dirname(target)):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", target)
        if is_below(target, path):
            raise OSError(errno.EINVAL, "Invalid argument", target)
        if path in self.host.devices:
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        if self.host.device_of(posixpath.dirname(path)) != self.host.device_of(posixpath.dirname(target)):
            raise OSError(errno.EXDEV, "Invalid cross-device link", target)

    def _watch(self, path: str, target: str) -> None:
        """Tell of a rename that containers would notice: one of live data while they run, or of what they mount."""
        host = self.host
        if not (is_hidden(path) and is_hidden(target)) and (running := sorted(host.running() - host.may_run)):
            host.violations.append(f"renamed {path} to {target} while {', '.join(running)} ran")
        sources = {*host.volumes.values(), *(mount.source for mount in host.mounts), *host.devices}
        moved = [source for source in sources if is_within(source, path) and self.is_folder(source)]
        host.violations += [f"moved {source} away, which something is mounted on or from" for source in sorted(moved)]


def above(path: str) -> list[str]:
    """Return the folders above ``path``, the innermost first."""
    folder = posixpath.dirname(path)
    return [] if folder == path else [folder, *above(folder)]


def move(host: MemoryHost, path: str, target: str) -> None:
    """Give ``path``, with all below it, the name ``target``."""
    paths: dict[str, bytes] | dict[str, str]
    for paths in (host.files, host.links, host.shapes):
        _move_keys(paths, path, target)
    inside = {folder for folder in host.folders if is_within(folder, path)}
    host.folders -= inside
    host.folders |= {join(target, relative(folder, path)) for folder in inside}


def _move_keys(paths: dict[str, bytes] | dict[str, str], path: str, target: str) -> None:
    for old in [old for old in paths if is_within(old, path)]:
        paths[join(target, relative(old, path))] = paths.pop(old)  # type: ignore[assignment]


def link(host: MemoryHost, path: str, target: str) -> None:
    """Give the file ``path`` one more name, ``target``."""
    host.files[target] = host.files[path]
    give_shape(host, target, host.shapes.get(path))


def remove(host: MemoryHost, paths: list[str]) -> None:
    """Remove each of ``paths``."""
    for path in paths:
        host.files.pop(path, None)
        host.links.pop(path, None)
        host.shapes.pop(path, None)
        host.folders.discard(path)


def give_shape(host: MemoryHost, path: str, shape: str | None) -> None:
    """Give ``path`` an owner and a mode."""
    if shape is None:
        host.shapes.pop(path, None)
    else:
        host.shapes[path] = shape
