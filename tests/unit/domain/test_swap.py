"""Which entries a restore renames, which folders it only enters, and what it never touches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermes_backup_core.domain.paths import is_below, is_within, join
from hermes_backup_core.domain.selection import TierSelection
from hermes_backup_core.domain.swap import Ground, Move, Side, Stage, Swap, is_hidden, plan_swap, stage_of, stages_for

ROOT = "/mnt/data"
STAGES = stages_for(ROOT, "data", ())
HIDDEN = f"{ROOT}/.hermes-restore-data"


class Disk:
    """Folders and files by path; everything above a path is a folder."""

    def __init__(self, *files: str, folders: tuple[str, ...] = ()) -> None:
        self.paths = {path for file in (*files, *folders) for path in _and_above(file)}
        self.files = set(files)

    def names(self, folder: str) -> frozenset[str]:
        below = (path for path in self.paths if is_below(path, folder))
        return frozenset(path[len(folder) + 1 :].partition("/")[0] for path in below)

    def is_folder(self, path: str) -> bool:
        return path in self.paths and path not in self.files


def _and_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(2, len(parts) + 1)]


def live(*names: str) -> list[str]:
    return [f"{ROOT}/{name}" for name in names]


def staged(*names: str) -> list[str]:
    return [f"{HIDDEN}/new/{name}" for name in names]


def swap(disk: Disk, selection: TierSelection | None = None, **changes: object) -> Swap:
    chosen = selection or TierSelection(ROOT)
    ground = {"root": ROOT, "stages": STAGES, "owns": chosen.holds, "leads": chosen.leads, **changes}
    return plan_swap(Ground(**ground), disk.names, disk.is_folder)  # type: ignore[arg-type]


def moves(found: Swap) -> dict[str, tuple[bool, bool]]:
    return {move.path.removeprefix(f"{ROOT}/"): (move.leaves, move.comes) for move in found.moves}


def test_what_is_on_both_sides_is_exchanged_and_the_rest_comes_or_goes() -> None:
    disk = Disk(*live("a/1", "b", "gone"), *staged("a/2", "b", "fresh/x"))
    found = swap(disk)
    assert moves(found) == {"a": (True, True), "b": (True, True), "fresh": (False, True), "gone": (True, False)}
    assert found.shaped == (ROOT,)


def test_the_hidden_folder_itself_is_never_moved() -> None:
    assert ".hermes-restore-data" not in moves(swap(Disk(*live("a"), *staged("a"))))


def test_the_hidden_folder_of_another_tier_on_the_same_disk_is_never_moved() -> None:
    others = live(".hermes-restore-vmail/new/dovecot", ".hermes-restore-archive/old/amavis")
    assert moves(swap(Disk(*live("a"), *others, *staged("a")))) == {"a": (True, True)}


def test_a_folder_that_is_mounted_from_is_entered_and_stays() -> None:
    disk = Disk(*live("dovecot/a/1", "dovecot/b"), *staged("dovecot/a/2"))
    found = swap(disk, pinned=frozenset({f"{ROOT}/dovecot"}))
    assert moves(found) == {"dovecot/a": (True, True), "dovecot/b": (True, False)}
    assert found.shaped == (ROOT, f"{ROOT}/dovecot")


def test_folders_above_a_pinned_one_are_entered_too() -> None:
    disk = Disk(*live("x/y/pinned/1", "x/other"), *staged("x/y/pinned/2", "x/other"))
    assert moves(swap(disk, pinned=frozenset({f"{ROOT}/x/y/pinned"}))) == {
        "x/other": (True, True),
        "x/y/pinned/1": (True, False),
        "x/y/pinned/2": (False, True),
    }


def test_a_pinned_folder_that_the_backup_lacks_is_emptied_and_stays() -> None:
    found = swap(Disk(*live("p/1")), pinned=frozenset({f"{ROOT}/p"}))
    assert moves(found) == {"p/1": (True, False)}


def test_what_stays_is_walked_around() -> None:
    disk = Disk(*live("mail_filter/data/clamav/sig", "mail_filter/data/spam/1"), *staged("mail_filter/data/spam/2"))
    found = swap(disk, stays=frozenset({f"{ROOT}/mail_filter/data/clamav"}))
    assert moves(found) == {"mail_filter/data/spam": (True, True)}


def test_what_another_tier_owns_is_left_even_where_the_archive_holds_it() -> None:
    selection = TierSelection(ROOT, left_out=("amavis",))
    assert moves(swap(Disk(*live("amavis/q", "a"), *staged("amavis/old", "a")), selection)) == {"a": (True, True)}


def test_a_folder_inside_another_tiers_is_exchanged_and_the_one_above_keeps_its_shape() -> None:
    selection = TierSelection(ROOT, ("", "dovecot/logs"), ("dovecot",))
    disk = Disk(*live("dovecot/mail/1", "dovecot/logs/l"), *staged("dovecot/logs/l"))
    found = swap(disk, selection)
    assert moves(found) == {"dovecot/logs": (True, True)}
    assert found.shaped == (ROOT,)


def test_a_folder_that_only_leads_comes_whole_where_there_is_none() -> None:
    selection = TierSelection(ROOT, ("", "dovecot/logs"), ("dovecot",))
    assert moves(swap(Disk(*staged("dovecot/logs/l")), selection)) == {"dovecot": (False, True)}


def test_a_file_in_the_place_of_a_folder_that_only_leads_stays_where_nothing_comes() -> None:
    selection = TierSelection(ROOT, folders=("a/b",))
    assert moves(swap(Disk(*live("a")), selection)) == {}
    assert moves(swap(Disk(*live("a"), *staged("a/b/1")), selection)) == {"a": (True, True)}


def test_a_file_that_may_never_be_missing_is_replaced_at_once_only_where_there_are_two() -> None:
    files = frozenset(live(".env", "docker-compose.yml", "none"))
    found = swap(Disk(*live(".env"), *staged(".env", "docker-compose.yml")), at_once=files)
    assert found.moves == (
        Move(f"{ROOT}/.env", leaves=True, comes=True, at_once=True),
        Move(f"{ROOT}/docker-compose.yml", leaves=False, comes=True),
    )


def test_a_mount_point_below_has_a_stage_of_its_own() -> None:
    stages = stages_for(ROOT, "data", (f"{ROOT}/disk", "/mnt/elsewhere", f"{ROOT}/disk"))
    assert stages == (Stage(ROOT, ".hermes-restore-data"), Stage(f"{ROOT}/disk", ".hermes-restore-data"))
    inner = f"{ROOT}/disk/.hermes-restore-data"
    disk = Disk(*live("disk/1"), f"{inner}/new/2")
    found = swap(disk, stages=stages)
    assert moves(found) == {"disk/1": (True, False), "disk/2": (False, True)}
    assert found.place(f"{ROOT}/disk/2", Side.STAGED) == f"{inner}/new/2"
    assert found.place(f"{ROOT}/disk/1", Side.KEPT) == f"{inner}/old/1"
    assert stage_of(stages, f"{ROOT}/disk") == stages[1]


def test_hidden_names_are_known() -> None:
    assert is_hidden(".hermes-restore-vmail")
    assert not is_hidden("hermes-restore-vmail")


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
SETS = st.frozensets(NAMES, max_size=6)


@given(here=SETS, coming=SETS, pinned=SETS, stays=SETS)
def test_whatever_lies_there_no_move_takes_along_what_must_not_move(
    here: frozenset[str], coming: frozenset[str], pinned: frozenset[str], stays: frozenset[str]
) -> None:
    disk = Disk(folders=(*live(*here), *staged(*coming)))
    found = swap(disk, pinned=frozenset(live(*pinned)), stays=frozenset(live(*stays)))
    moved = [move.path for move in found.moves]
    assert len(set(moved)) == len(moved)
    for move in found.moves:
        assert move.leaves or move.comes
        assert move.leaves == (move.path in disk.paths)
        assert move.comes == (found.place(move.path, Side.STAGED) in disk.paths)
        if move.leaves:
            assert not any(is_within(fixed, move.path) for fixed in live(*stays))
            assert not any(is_within(fixed, move.path) for fixed in live(*pinned))
        assert not any(is_within(move.path, kept) for kept in live(*stays))
    # Every staged entry arrives, but for those below what stays.
    for name in coming:
        path = join(ROOT, name)
        arrives = any(is_within(path, move.path) for move in found.moves if move.comes)
        entered = any(is_within(path, other) or is_within(other, path) for other in found.shaped)
        assert arrives or entered or any(is_within(path, kept) for kept in live(*stays))
