"""A pair of `--remap-tiers`: where it is split, and which tiers it is about."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.remap import Remap, RemapUnclear
from hermes_backup_core.domain.scope import Tier
from hermes_backup_core.domain.topology import Topology
from tests.unit.domain.facts import TOPOLOGY

ONE_DISK = Topology("/opt/hermes", "/mnt/one", "/mnt/one", "/mnt/one", "/mnt/one")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("/srv/vmail:/mnt/vmail", "/srv/vmail", "/mnt/vmail"),
        ("vmail:/mnt/vmail", "vmail", "/mnt/vmail"),
        ("/srv/vmail:vmail", "/srv/vmail", "vmail"),
        ("config:config", "config", "config"),
        ("/srv//vmail/:/mnt/vmail/", "/srv/vmail", "/mnt/vmail"),
        ("/a:b:/c", "/a:b", "/c"),
        ("/a:/b:c", "/a", "/b:c"),
        ("/a:b:/c:d", "/a:b", "/c:d"),
        ("/a:vmail:vmail", "/a:vmail", "vmail"),
        ("vmail:/a:b", "vmail", "/a:b"),
        ("/srv/udc\udcff:/mnt/ä", "/srv/udc\udcff", "/mnt/ä"),
    ],
)
def test_a_pair_is_split_where_both_sides_are_a_path_or_a_name(text: str, old: str, new: str) -> None:
    assert Remap.parse(text) == Remap(old, new)


@pytest.mark.parametrize("text", ["/a:/b:/c", "/a:/b:vmail", "/a:/b:c:/d"])
def test_a_pair_that_can_be_split_in_several_ways_is_unclear(text: str) -> None:
    with pytest.raises(RemapUnclear, match="more than one of its colons: give OLD:NEW, each an absolute path"):
        Remap.parse(text)


@pytest.mark.parametrize(
    "text", ["", ":", "vmail", "/a", "/a:", ":/b", "a:/b", "/a:mail", "VMAIL:/b", "./a:/b", "\n:/b"]
)
def test_what_is_no_pair_says_so_on_one_line(text: str) -> None:
    with pytest.raises(RemapUnclear, match="is no pair: give OLD:NEW") as error:
        Remap.parse(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "there", "here", "tiers"),
    [
        ("vmail:vmail", TOPOLOGY, TOPOLOGY, {Tier.VMAIL}),
        ("/srv/m:vmail", evolve(TOPOLOGY, vmail="/srv/m"), TOPOLOGY, {Tier.VMAIL}),
        ("/srv/m:data", evolve(TOPOLOGY, vmail="/srv/m"), TOPOLOGY, set()),
        ("/srv/m:/nowhere", evolve(TOPOLOGY, vmail="/srv/m"), TOPOLOGY, set()),
        ("/opt/other:/opt/hermes", evolve(TOPOLOGY, config="/opt/other"), TOPOLOGY, {Tier.CONFIG}),
        ("/mnt/one:/mnt/vmail", ONE_DISK, TOPOLOGY, {Tier.VMAIL}),
        ("/mnt/vmail:/mnt/one", TOPOLOGY, ONE_DISK, {Tier.VMAIL}),
        ("vmail:data", TOPOLOGY, ONE_DISK, {Tier.VMAIL}),
        ("/mnt/two:/mnt/one", ONE_DISK.map(lambda path: path.replace("one", "two")), ONE_DISK, {*Tier} - {Tier.CONFIG}),
    ],
)
def test_it_is_about_every_tier_that_lay_at_the_one_and_lies_at_the_other(
    text: str, there: Topology, here: Topology, tiers: set[Tier]
) -> None:
    assert set(Remap.parse(text).tiers(there, here)) == tiers


def test_it_reads_as_it_was_typed() -> None:
    assert str(Remap.parse("/srv/m:vmail")) == "/srv/m:vmail"
    assert str(Remap("/srv/\udcff", "vmail")) == "/srv/\\xff:vmail"
