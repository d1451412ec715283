"""The LDAP export: whole and with entries, or a failure that says what slapcat said."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.errors import DirectoryExportFailed
from hermes_backup_core.services.ldap import Directory, EntryCounter
from tests.unit.fakes.host import MemoryHost, plain_host
from tests.unit.fakes.stack import MemoryStack

LDIF = (
    b"dn: dc=hermes,dc=local\ndescription: a long line that goes on\n dn: in a continued line\n\n"
    b"dn:: b3U9w6Q=\ncn: dn: x\n\n# dn: comment\ndnqualifier: no entry\n\ndn: ou=users\n\n"
)


def export(host: MemoryHost) -> tuple[int, bytes]:
    chunks: list[bytes] = []
    count = Directory(MemoryStack(host)).export(chunks.append)
    return count, b"".join(chunks)


def test_an_export_is_handed_on_as_it_is_and_counted() -> None:
    assert export(plain_host(ldif=LDIF)) == (3, LDIF)


@pytest.mark.parametrize("ldif", [b"", b"\n", b"# nothing\n"])
def test_an_export_without_an_entry_is_a_failure_though_slapcat_says_it_went_well(ldif: bytes) -> None:
    with pytest.raises(DirectoryExportFailed, match=r"no entry of dc=hermes,dc=local.*docker logs hermes_ldap"):
        export(plain_host(ldif=ldif))


def test_a_slapcat_that_fails_half_way_is_a_failure_with_its_words() -> None:
    with pytest.raises(DirectoryExportFailed, match="bdb_db_open: cannot open"):
        export(plain_host(ldap_trouble="slapcat: bdb_db_open: cannot open"))


def test_a_directory_that_is_down_is_a_failure() -> None:
    host = plain_host()
    host.boxes["hermes_ldap"].state = "exited"
    with pytest.raises(DirectoryExportFailed, match="not running"):
        export(host)


def test_a_missing_slapcat_is_named() -> None:
    host = plain_host(lacking={"hermes_ldap": {"slapcat"}})
    assert Directory(MemoryStack(host)).missing_tools() == ("slapcat",)
    assert Directory(MemoryStack(plain_host())).missing_tools() == ()


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, len(LDIF)), max_size=12))
def test_it_does_not_matter_where_the_chunks_of_an_export_end(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(LDIF)]
    counter = EntryCounter()
    for start, end in pairwise(ends):
        counter.feed(LDIF[start:end])
    assert counter.entries == 3
