"""What a backup of a tier packs, and what came of it."""

from __future__ import annotations

from attrs import evolve, frozen

from hermes_backup_core.domain.paths import is_below, is_within, join, relative


@frozen
class TierSelection:
    """The folders of one tier, and what lies below them and stays out.

    ``root`` is the tier's absolute path; ``folders`` and ``left_out`` are relative to it, names and never
    patterns, and may hold bytes that are no UTF-8 (as `os.fsdecode` gives them). The folder ``""`` means
    all of the root. A folder that lies below a ``left_out`` one is packed all the same; one that does not
    exist is passed over. ``seen_at`` is where all of this is read instead of at the root: in a snapshot.
    """

    root: str
    folders: tuple[str, ...] = ("",)
    left_out: tuple[str, ...] = ()
    seen_at: str | None = None

    @property
    def place(self) -> str:
        """The folder at which the root's content is read."""
        return self.seen_at or self.root

    def without(self, path: str) -> TierSelection:
        """Return the selection less what lies at ``path`` (absolute) and below, where it would hold that."""
        if not self.holds(path):
            return self
        left_out = {*self.left_out, relative(path, self.root)} - {""}
        return evolve(self, left_out=tuple(sorted(left_out)))

    def holds(self, path: str) -> bool:
        """Whether the absolute, normalised ``path`` would be packed: the nearest folder above it decides."""
        nearest = [(folder, True) for folder in self.folders] + [(folder, False) for folder in self.left_out]
        above = [(len(folder), packed) for folder, packed in nearest if is_within(path, join(self.root, folder))]
        return max(above, default=(0, False))[1]

    def leads(self, path: str) -> bool:
        """Whether ``path`` (absolute) lies above a folder that is packed, while its other entries may not be."""
        return any(is_below(join(self.root, folder), path) for folder in self.folders)


@frozen
class PackReport:
    """What the archive of one tier holds, and what could not be had. Names are relative to the root.

    ``entries`` counts names, a file that was packed again once for each time; ``content_bytes`` is what
    files hold, less their holes. ``torn`` files were still being written each time they were read,
    ``packed_again`` ones came out whole at a later try, ``arrived`` ones were made or moved to where they
    are while the tier was read, ``vanished`` ones went away before they could be read. ``sockets`` are
    never packed. ``missing`` are folders of the selection that do not exist. ``remarks`` is whatever else
    the reading program said, up to a hundred lines.
    """

    entries: int
    content_bytes: int
    torn: tuple[bytes, ...] = ()
    packed_again: tuple[bytes, ...] = ()
    arrived: tuple[bytes, ...] = ()
    vanished: tuple[bytes, ...] = ()
    sockets: tuple[bytes, ...] = ()
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
