"""`--remap-tiers`: the mail of a host with a single disk comes to one that has a disk for each tier, by odd names."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.tree import Facts, listing
from tests.stack.picture import TOP, differences, picture
from tests.stack.restoring import check_nothing_left, restore, volumes
from tests.stack.script import back_up, standing

# Of the data tier, although they lie in a folder of the mail's.
NOT_MAIL = ("logs", "sieve")


def test_mail_goes_to_another_path_by_the_pairs_that_the_refusal_names(engine: Engine, folders: Iterator[Path]) -> None:
    kept = next(folders)
    kept.mkdir(parents=True)
    with standing(engine, next(folders), layout="single") as first:
        tarball, mail, there = back_up(first, "vmail", output=kept).tarball, mail_of(first), first.tiers["vmail"]

    with standing(engine, next(folders), layout="odd") as hermes:
        (hermes.tiers["vmail"] / "dovecot/other.example.com").mkdir()
        before, made = picture(hermes), volumes(hermes)
        here = hermes.tiers["vmail"]

        pair = ("--remap-tiers", f"{there}:{here}")
        refused = restore(hermes, tarball, *pair)
        assert refused.code == 1
        assert f"vmail: {there} there, {here} here" in refused.stdout
        assert f"data: {there} there, {hermes.tiers['data']} here" in refused.stderr
        assert "FORCE_REMAP=1" in refused.stderr
        assert differences(before, picture(hermes)) == []

        pairs = proposed(refused.stderr, tarball)
        assert set(pair) < set(pairs)
        told = restore(hermes, tarball, "--dry-run", *pairs)
        assert (told.code, told.stderr) == (0, "")
        assert f"vmail: {there} there, {here} here" in told.stdout
        assert differences(before, picture(hermes)) == []

        restore(hermes, tarball, *pairs).must_end_well()

        check_nothing_left(hermes)
        assert mail_of(hermes) == mail
        assert differences(before.but("vmail", TOP), picture(hermes).but("vmail", TOP)) == []
        assert volumes(hermes) == made
        assert hermes.mailbox()


def mail_of(hermes: Miniature) -> dict[bytes, Facts]:
    """Every name in the mail's own folder, which in a single disk is all that the tier is; no archive holds sockets."""
    found = listing(hermes.tiers["vmail"] / "dovecot", leave_out=NOT_MAIL)
    return {name: facts for name, facts in found.items() if name != b"." and facts.kind != "socket"}


def proposed(said: str, tarball: Path) -> list[str]:
    """The options of the first command line that a refusal names, as a shell would hand them on."""
    words = shlex.split(re.findall(r"`(sudo .*?)`", said)[0])
    assert words[1].endswith("/scripts/system_restore.sh")
    assert words[2:4] == ["-F", os.fspath(tarball)]
    return words[4:]
