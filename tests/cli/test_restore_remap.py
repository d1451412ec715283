"""`--remap-tiers` on the command line: the mail of a host whose disk has another name since."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from attrs import frozen

from tests.cli.fake_host import RESTORE, FakeHost, Finished


@frozen
class Moved:
    """A host whose vmail tier was at ``old`` when the backup was made, and is at ``new`` now."""

    host: FakeHost
    backup: Path
    old: Path
    new: Path

    def dry_run(self, *pairs: str, environ: dict[str, str | None] | None = None) -> Finished:
        """A dry run with ``pairs``."""
        options = [f"--remap-tiers={pair}" for pair in pairs]
        return self.host.run("-F", str(self.backup), "-n", *options, script=RESTORE, environ=environ or {})


@pytest.fixture
def moved(host: FakeHost) -> Moved:
    """A backup of the host's mail, and then the mail on another disk, whose name has a colon and a blank."""
    assert host.run(*host.command("vmail")).code == 0
    (backup,) = host.made(".tar")
    old = host.tiers["vmail"]
    new = old.with_name("mail: new")
    old.rename(new)
    env = host.root / ".env"
    env.write_text(env.read_text().replace(f"VMAIL_MOUNT={old}", f"VMAIL_MOUNT='{new}'"))
    host.engine.volumes = {name: path.replace(str(old), str(new)) for name, path in host.engine.volumes.items()}
    return Moved(host, backup, old, new)


def test_what_goes_where_is_told_and_nothing_is_left(moved: Moved) -> None:
    before = moved.host.everything()
    for pair in (f"{moved.old}:{moved.new}", "vmail:vmail", f"{moved.old}/:vmail", f"vmail:{moved.new}"):
        done = moved.dry_run(pair)
        assert (done.code, done.err) == (0, "")
        assert f"    vmail: {moved.old} there, {moved.new} here" in done.out
        assert f"unpack vmail.tar.gz to {moved.new}/" in done.out
    assert moved.host.everything() == before


def test_the_refusal_names_a_command_line_that_works(moved: Moved) -> None:
    refused = moved.dry_run()
    assert refused.code == 1
    assert "topology: refused" in refused.text
    command = re.findall("`(sudo [^`]*)`", refused.err)[0]
    words = shlex.split(command)
    assert words[1:] == [
        *(str(moved.host.root / "scripts/system_restore.sh"), "-F", str(moved.backup)),
        *("--remap-tiers", f"{moved.old}:{moved.new}"),
    ]
    assert moved.host.run(*words[2:], "-n", script=RESTORE).code == 0
    assert "`sudo FORCE_REMAP=1 " in refused.err
    assert moved.dry_run(environ={"FORCE_REMAP": "1"}).code == 0


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("data:data", "the backup's paths are not those of this host"),
        ("/nowhere:vmail", "the backup had no tier at /nowhere: let OLD be one of "),
        ("vmail:/nowhere", "this host has no tier at /nowhere: let NEW be one of "),
        ("vmail:data", "for the same tier let NEW be "),
    ],
)
def test_a_pair_that_does_not_fit_lets_nothing_pass(moved: Moved, pair: str, said: str) -> None:
    done = moved.dry_run(pair)
    assert done.code == 1
    assert "topology: refused" in done.text
    assert said in done.err


@pytest.mark.parametrize("pair", ["/a:/b:/c", "vmail", ""])
def test_a_pair_that_cannot_be_understood_is_a_usage_error(moved: Moved, pair: str) -> None:
    calls = len(moved.host.engine.calls)
    done = moved.dry_run(pair)
    assert done.code == 1
    assert "ERROR: argument --remap-tiers: " in done.err
    assert "usage: system_restore.sh -F PATH" in done.err
    assert len(moved.host.engine.calls) == calls
