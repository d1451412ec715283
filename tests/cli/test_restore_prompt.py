"""The question before a restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.fake_host import RESTORE, FakeHost, at_terminal


@pytest.fixture
def backup(host: FakeHost) -> Path:
    """A backup of the host's mail."""
    assert host.run(*host.command("vmail")).code == 0
    (tarball,) = host.made(".tar")
    return tarball


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [("n\n", 0, "nothing was done"), ("\x04", 0, "nothing was done"), ("\x03", 130, "ended by SIGINT")],
    ids=["no", "end of input", "ctrl-c"],
)
def test_it_comes_after_the_plan_and_whoever_does_not_say_yes_changes_nothing(
    host: FakeHost, backup: Path, answer: str, code: int, said: str
) -> None:
    before = host.everything()
    with at_terminal(host, "-F", str(backup), script=RESTORE) as terminal:
        terminal.wait_for("Go on? [y/N] ")
        terminal.type(answer)
        assert terminal.end() == code
    assert said in terminal.text
    assert terminal.text.index("== Plan ==") < terminal.text.index("Go on?")
    log = f"backups/{backup.name.removesuffix('.tar')}.restore.log"
    assert host.everything() - before == {log}
    assert said in (host.base / log).read_text()
