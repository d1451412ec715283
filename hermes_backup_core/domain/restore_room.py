"""Whether the file systems have room for what a restore stages beside the live data."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.figures import size
from hermes_backup_core.domain.host import Room
from hermes_backup_core.domain.paths import shown
from hermes_backup_core.domain.restore_facts import RestoreFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import Tier

# What a file takes beyond its content: its inode, its name, the rest of its last block.
_BYTES_AN_ENTRY = 1 << 10
# Rows and indexes over the text of their dump.
_TABLES_OVER_TEXT = 1.6
_DIRECTORY_BYTES = 64 << 20


@frozen
class _Need:
    """What one thing needs, of the file systems that it may spread over."""

    where: str
    rooms: tuple[Room, ...]
    bytes: int
    inodes: int = 0

    @property
    def devices(self) -> frozenset[int]:
        return frozenset(room.device for room in self.rooms)


def stages_apart(request: RestoreRequest, facts: RestoreFacts, tier: Tier) -> bool:
    """Whether ``tier`` is staged in ``--stage-dir``; where that is on the tier's own disk, it gains nothing."""
    return request.stage_dir is not None and tier not in facts.stage_on_tier


def room_refusals(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> Iterator[str]:
    """Yield one refusal, with the figures of every file system that has too little room, if there is one."""
    needs = (*_tier_needs(request, contents, facts), *_dump_needs(contents, facts))
    lacks = [lack for devices in dict.fromkeys(need.devices for need in needs) for lack in _lacks(needs, devices)]
    if lacks:
        other = (
            "another --stage-dir" if request.stage_dir else "--stage-dir DIR, a folder on another disk, for the tiers"
        )
        yield (
            f"not enough room beside the live data: {'; '.join(lacks)}. Free as much there, or run the restore "
            f"again with {other}"
        )


def _tier_needs(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> Iterator[_Need]:
    for tier, held in contents.tiers.items():
        place = facts.places[tier]
        where, rooms = place.found.selection.root, tuple(place.rooms.values())
        if request.stage_dir is not None and stages_apart(request, facts, tier):
            where, rooms = request.stage_dir, (facts.stage_room,) if facts.stage_room else ()
        yield _Need(where, rooms, held.content_bytes + held.entries * _BYTES_AN_ENTRY, held.entries)


def _dump_needs(contents: Contents, facts: RestoreFacts) -> Iterator[_Need]:
    if facts.server and facts.server.room:
        text = sum(dump.text_bytes for dump in contents.dumps.values())
        yield _Need("the databases", (facts.server.room,), int(text * _TABLES_OVER_TEXT))
    if facts.directory and contents.ldap_entries is not None:
        yield _Need(facts.directory.folder, (facts.directory.room,), _DIRECTORY_BYTES)


def _lacks(needs: tuple[_Need, ...], devices: frozenset[int]) -> Iterator[str]:
    """Yield what is missing on ``devices``, which some need may spread over, for all that needs nothing else."""
    inside = [need for need in needs if need.rooms and need.devices <= devices]
    rooms = list({room.device: room for need in inside for room in need.rooms}.values())
    if not rooms:
        return
    where = ", ".join(dict.fromkeys(shown(need.where) for need in inside))
    wanted, free = sum(need.bytes for need in inside), sum(room.free_bytes for room in rooms)
    if wanted > free:
        yield f"{where}: about {size(wanted)} needed, {size(free)} free, {size(wanted - free)} missing"
    inodes = sum(need.inodes for need in inside)
    numbers = [room.free_inodes for room in rooms if room.free_inodes is not None]
    if len(numbers) == len(rooms) and inodes > sum(numbers):
        yield f"{where}: {inodes:,} inodes needed, {sum(numbers):,} free"
