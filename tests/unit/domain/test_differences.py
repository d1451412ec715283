"""Where the paths of two hosts differ, which of that is let pass, and which pairs would let it."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.differences import (
    Difference,
    differences,
    is_remapped,
    misfits,
    pairs_for,
    uncovered,
)
from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.topology import Topology
from tests.unit.domain.facts import TOPOLOGY
from tests.unit.domain.restoring import REQUEST, manifest_of

MOVED = evolve(TOPOLOGY, vmail="/srv/vmail/", nextcloud="/srv/files")
ONE_DISK = Topology("/opt/hermes", "/srv", "/srv", "/srv", "/srv")
VMAIL, FILES = "/srv/vmail:/mnt/vmail", "/srv/files:nextcloud"


def open_ones(there: Topology, *pairs: str, here: Topology = TOPOLOGY) -> list[Tier]:
    request = evolve(REQUEST, remaps=tuple(map(Remap.parse, pairs)))
    return [difference.tier for difference in uncovered(request, manifest_of(topology=there), here)]


def test_differences_are_told_with_both_paths_and_slashes_are_none() -> None:
    found = differences(manifest_of(topology=MOVED), TOPOLOGY)
    assert found == (
        Difference(Tier.VMAIL, "/srv/vmail", "/mnt/vmail"),
        Difference(Tier.NEXTCLOUD, "/srv/files", "/mnt/files"),
    )
    assert str(found[0]) == "vmail: /srv/vmail there, /mnt/vmail here"
    assert differences(manifest_of(topology=TOPOLOGY.map(lambda path: f"{path}/")), TOPOLOGY) == ()


@pytest.mark.parametrize(
    ("pairs", "left"),
    [
        ((), [Tier.VMAIL, Tier.NEXTCLOUD]),
        ((VMAIL,), [Tier.NEXTCLOUD]),
        ((FILES,), [Tier.VMAIL]),
        (("vmail:archive", "data:data"), [Tier.VMAIL, Tier.NEXTCLOUD]),
        ((VMAIL, FILES), []),
    ],
)
def test_what_no_pair_is_about_is_uncovered(pairs: tuple[str, ...], left: list[Tier]) -> None:
    assert open_ones(MOVED, *pairs) == left
    request = evolve(REQUEST, remaps=tuple(map(Remap.parse, pairs)))
    manifest = manifest_of(topology=MOVED)
    assert is_remapped(request, manifest, TOPOLOGY) is (left == [])


def test_one_pair_is_enough_where_all_tiers_share_both_paths() -> None:
    here = evolve(ONE_DISK, data="/m", archive="/m", vmail="/m", nextcloud="/m")
    assert open_ones(ONE_DISK, "/srv:/m", here=here) == []
    assert open_ones(ONE_DISK, "vmail:data", here=here) == []
    assert open_ones(ONE_DISK, "/srv:/mnt/vmail") == [Tier.DATA, Tier.ARCHIVE, Tier.NEXTCLOUD]


def test_the_force_covers_all_of_them_and_where_nothing_differs_nothing_is_remapped() -> None:
    forced = evolve(REQUEST, force_remap=True)
    assert uncovered(forced, manifest_of(topology=MOVED), TOPOLOGY) == ()
    assert is_remapped(forced, manifest_of(topology=MOVED), TOPOLOGY)
    assert not is_remapped(forced, manifest_of(), TOPOLOGY)
    assert not is_remapped(evolve(REQUEST, remaps=(Remap("vmail", "vmail"),)), manifest_of(), TOPOLOGY)


@pytest.mark.parametrize(
    ("there", "here", "pairs"),
    [
        (MOVED, TOPOLOGY, ("/srv/vmail:/mnt/vmail", "/srv/files:/mnt/files")),
        (ONE_DISK, ONE_DISK.map(lambda path: path.replace("/srv", "/m")), ("/srv:/m",)),
        (evolve(TOPOLOGY, vmail="/a:b"), TOPOLOGY, ("/a:b:/mnt/vmail",)),
        (evolve(TOPOLOGY, vmail="/a:/b"), TOPOLOGY, ("vmail:vmail",)),
        (evolve(TOPOLOGY, vmail="/a\udcff"), TOPOLOGY, ("vmail:vmail",)),
    ],
)
def test_the_pairs_that_are_proposed_cover_all_of_it(there: Topology, here: Topology, pairs: tuple[str, ...]) -> None:
    found = differences(manifest_of(topology=there), here)
    assert pairs_for(found) == pairs
    assert open_ones(there, *pairs, here=here) == []


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("/srv/vmail:/mnt/vmail", ""),
        ("data:data", ""),
        (
            "/nowhere:vmail",
            (
                "--remap-tiers /nowhere:vmail: the backup had no tier at /nowhere: let OLD be one of /opt/hermes "
                "(config), /mnt/data (data), /mnt/archive (archive), /srv/vmail (vmail), /srv/files (nextcloud)"
            ),
        ),
        (
            "vmail:/srv/vmail",
            (
                "--remap-tiers vmail:/srv/vmail: this host has no tier at /srv/vmail: let NEW be one of /opt/hermes "
                "(config), /mnt/data (data), /mnt/archive (archive), /mnt/vmail (vmail), /mnt/files (nextcloud)"
            ),
        ),
        (
            "/srv/vmail:/mnt/data",
            (
                "--remap-tiers /srv/vmail:/mnt/data: the backup had vmail at /srv/vmail and this host has data at "
                "/mnt/data: for the same tier let NEW be /mnt/vmail (vmail)"
            ),
        ),
    ],
)
def test_a_pair_that_is_about_no_tier_is_told_with_what_it_can_be(pair: str, expected: str) -> None:
    request = evolve(REQUEST, remaps=(Remap.parse(pair),) * 2)
    assert list(misfits(request, manifest_of(topology=MOVED), TOPOLOGY)) == [expected] * bool(expected)


def test_a_pair_that_is_wrong_on_both_sides_is_told_of_both() -> None:
    request = evolve(REQUEST, remaps=(Remap("/a", "/b"),))
    assert len(tuple(misfits(request, manifest_of(), TOPOLOGY))) == 2


def test_several_tiers_at_one_path_are_all_named() -> None:
    request = evolve(REQUEST, remaps=(Remap("/srv", "config"),))
    (sentence,) = misfits(request, manifest_of(topology=ONE_DISK), TOPOLOGY)
    assert "had data and archive and vmail and nextcloud at /srv" in sentence
    assert sentence.endswith("be /mnt/data (data), /mnt/archive (archive), /mnt/vmail (vmail), /mnt/files (nextcloud)")
