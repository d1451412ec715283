"""Loading the directory beside the live one: what is handed to the throw-away container, and what counts as failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pytest
from attrs import define, field

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.restore_steps import DirectoryPlan
from hermes_backup_core.domain.swap import Stage
from hermes_backup_core.services.ldap_restore import DirectoryLoader, DirectoryNotLoaded
from tests.unit.fakes.host import plain_host
from tests.unit.fakes.stack import MemoryStack

FOLDER = "/mnt/data/ldap/data"
PLAN = DirectoryPlan(
    folder=FOLDER,
    inside="/var/lib/ldap",
    config="/opt/hermes/config/slapd.d",
    config_inside="/etc/ldap/slapd.d",
    stage=Stage(FOLDER, ".hermes-restore-ldap"),
    entries=2,
)


@define
class ThrowAwayStack(MemoryStack):
    """Answers a throw-away container's call with ``answer``, or fails where that is an error."""

    answer: bytes | CommandFailed = b"2\n"
    asked: list[tuple[str, tuple[str, ...], bytes, dict[str, str]]] = field(factory=list)

    def run_once(
        self, container: str, argv: Sequence[str], chunks: Iterable[bytes], *, mounts: Mapping[str, str]
    ) -> bytes:
        self.asked.append((container, tuple(argv), b"".join(chunks), dict(mounts)))
        if isinstance(self.answer, CommandFailed):
            raise self.answer
        return self.answer


def load(answer: bytes | CommandFailed) -> int:
    return DirectoryLoader(ThrowAwayStack(plain_host(), answer)).load(PLAN, PLAN.config, [b"dn: x\n"])


def test_the_staged_folder_stands_where_slapd_looks_and_the_configuration_is_the_one_given() -> None:
    stack = ThrowAwayStack(plain_host())
    assert DirectoryLoader(stack).load(PLAN, "/staged/slapd.d", [b"dn: x\n", b"\n"]) == 2
    ((container, argv, fed, mounts),) = stack.asked
    assert (container, fed) == ("hermes_ldap", b"dn: x\n\n")
    assert argv[4:] == ("/var/lib/ldap", "/etc/ldap/slapd.d", "dc=hermes,dc=local")
    assert mounts == {
        "/var/lib/ldap": f"{FOLDER}/.hermes-restore-ldap/new",
        "/etc/ldap/slapd.d": "/staged/slapd.d",
    }


def test_an_entry_that_slapadd_refuses_is_told_with_its_line() -> None:
    said = "slapadd: dn=\"uid=zz\" (line=1091): (65) object class 'inetOrgPerson' requires attribute 'sn'\n"
    with pytest.raises(DirectoryNotLoaded, match=r"line=1091.*requires attribute 'sn'.*run the restore again"):
        load(CommandFailed(("docker", "run"), 1, said))
    with pytest.raises(DirectoryNotLoaded, match="exit code 137"):
        load(CommandFailed(("docker", "run"), 137, ""))


@pytest.mark.parametrize("answer", [b"", b"0\n", b"1\n", b"3\n"])
def test_other_entries_than_announced_are_a_failure_though_slapadd_says_it_went_well(answer: bytes) -> None:
    with pytest.raises(DirectoryNotLoaded, match="of 2 entries are there"):
        load(answer)
