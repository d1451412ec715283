"""`--dry-run`: tells what a live run does, and does nothing."""

from __future__ import annotations

import re

import pytest

from tests.cli.fake_host import AS_NOBODY, Call, FakeHost, Finished

# What carries a line of the plan out: words of the call, by the line's beginning.
DEEDS = {
    "export the LDAP directory": "slapcat",
    "dump database": "mariadb-dump",
    "pack": "--directory=",
}


def plan(done: Finished) -> list[str]:
    """The lines of the plan, less the moment that names hold."""
    lines = done.text[done.text.index("== Plan ==") + 1 :]
    end = next(number for number, line in enumerate(lines) if line.startswith("write the manifest"))
    return [re.sub(r"\d{8}T\d{6}Z", "<moment>", line) for line in lines[: end + 1]]


def told_deeds(lines: list[str]) -> list[str]:
    """What the plan's lines announce: the database, the folder, or the program."""
    deeds = []
    for line in lines:
        if found := re.match(r"\s*dump database (\w+) ", line):
            deeds.append(f"dump {found[1]}")
        elif found := re.match(r"\s*pack .* of (/\S+?),? ", line):
            deeds.append(f"pack {found[1]}")
        elif "export the LDAP" in line:
            deeds.append("slapcat")
    return deeds


def done_deeds(calls: list[Call]) -> list[str]:
    """The same, of what the live run called."""
    deeds = []
    for call in calls:
        if call.has("slapcat") and not call.has("command -v"):
            deeds.append("slapcat")
        elif call.has("mariadb-dump") and not call.has("command -v"):
            deeds.append(f"dump {call.words[-1]}")
        elif call.words[0] == "tar":
            deeds.extend(f"pack {word.split('=', 1)[1]}" for word in call.words if word.startswith("--directory="))
    return deeds


@pytest.mark.parametrize("arguments", [("all",), ("system", "--cold"), ("nextcloud", "--no-nc-maintenance")])
def test_the_live_run_does_what_the_dry_run_told_step_by_step(host: FakeHost, arguments: tuple[str, ...]) -> None:
    dry = host.run(*host.command(*arguments, "--dry-run"))
    changing = [call for call in host.engine.calls if done_deeds([call]) or call.has("docker", "st")]
    assert (dry.code, changing) == (0, [])
    live = host.run(*host.command(*arguments))
    assert live.code == 0, live.err
    assert plan(dry) == plan(live)
    assert told_deeds(plan(dry)) == done_deeds(host.engine.calls) != []


def test_it_needs_no_root_and_leaves_nothing_anywhere(host: FakeHost) -> None:
    before, containers = host.everything(), host.engine.running()
    done = host.run("-P", str(host.output), "-B", "all", "-n", through=AS_NOBODY)
    assert (done.code, done.err) == (0, "")
    assert done.text[-1] == "dry run: nothing was changed"
    assert host.everything() == before
    assert (host.engine.running(), host.engine.hermes.maintenance) == (containers, False)
    assert host.processes() == []


def test_it_tells_what_it_may_not_look_at_and_goes_on(host: FakeHost) -> None:
    environ = {"DOCKER_HOST": f"unix://{host.base}/nobody-listens.sock"}
    done = host.run("-P", str(host.output), "-B", "vmail", "-n", through=AS_NOBODY, environ=environ)
    assert done.code == 0, done.err
    assert "WARN: not looked at: the Docker engine does not answer" in done.out


def test_what_stands_in_the_way_of_a_live_run_is_told_and_leaves_nothing(host: FakeHost) -> None:
    before = host.everything()
    done = host.run("-P", str(host.base / "nowhere"), "-B", "vmail", "-n", "--notify-email=a@example.com")
    assert done.code == 1
    assert f"-P {host.base}/nowhere does not exist or is no folder" in done.err
    assert host.everything() == before
    assert host.engine.hermes.mails == []
