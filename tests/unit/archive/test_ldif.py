"""What makes an export of the directory one that slapd can be given."""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.archive.ldif import MOST_PROBLEMS, LdifFacts, check_ldif
from hermes_backup_core.domain.scope import LDAP_SUFFIX

ODD = base64.b64encode("uid=zoë,ou=users,dc=hermes,dc=local".encode())
LDIF = (
    b"dn: dc=hermes,dc=local\nobjectClass: dcObject\ndc: hermes\n\n"
    b"dn: ou=users,dc=hermes,dc=local\nou: users\ndescription: dn: dc=elsewhere\n\n"
    b"dn:: " + ODD + b"\ncn:: Sm9zw6kgMQ==\njpegPhoto:: " + b"A" * 60 + b"\n " + b"A" * 76 + b"\n\n"
    b"dn: uid=a-very-long-name-that-goes-on-for-so-long-that-slapcat-folds-it,ou=us\n"
    b" ers,dc=hermes,\n dc=local\nsn: 1\n\n"
)  # fmt: skip


def check(*chunks: bytes) -> LdifFacts:
    return check_ldif(chunks, LDAP_SUFFIX)


def problems(text: bytes) -> tuple[str, ...]:
    return check(text).problems


def test_entries_are_counted() -> None:
    assert check(LDIF) == LdifFacts(4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, len(LDIF)), max_size=20))
def test_it_does_not_matter_where_the_chunks_end(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LDIF)]
    assert check(*(LDIF[start:end] for start, end in pairwise(edges))) == LdifFacts(4)


@pytest.mark.parametrize(
    "text",
    [
        b"version: 1\n" + LDIF,
        b"version: 1\n\n# a comment\n#  that is long\n  and folded\n" + LDIF,
        b"\n\n" + LDIF.replace(b"\n\n", b"\n\n\n"),
        LDIF.rstrip(b"\n") + b"\n",
        LDIF.replace(b"\n", b"\r\n"),
        LDIF.replace(b"dn: ", b"DN:"),
        LDIF.replace(b"dc=hermes,dc=local", b"DC=Hermes, dc=LOCAL"),
        LDIF.replace(b"\nsn", b"\n# dn: dc=elsewhere\nsn"),
    ],
)
def test_other_ways_to_write_the_same_are_honest(text: bytes) -> None:
    assert check(text) == LdifFacts(4)


@pytest.mark.parametrize("text", [b"", b"\n", b"# nothing\n", b"version: 1\n"])
def test_an_export_without_entries_is_none(text: bytes) -> None:
    assert check(text) == LdifFacts(0, ("it holds no entry",))


@pytest.mark.parametrize(
    "name",
    [
        "dc=local",
        "dc=elsewhere",
        "ou=users,dc=nothermes,dc=local",
        "xdc=hermes,dc=local",
        "cn=a\\,dc=hermes,dc=local",
        "cn=config",
        "",
    ],
)
def test_an_entry_of_another_tree_is_named(name: str) -> None:
    wanted = (f"{name} does not lie below dc=hermes,dc=local",)
    assert problems(LDIF + b"dn: " + name.encode() + b"\ncn: x\n") == wanted
    assert problems(LDIF + b"dn:: " + base64.b64encode(name.encode()) + b"\n") == wanted


def test_a_backslash_before_a_backslash_is_a_value_of_its_own() -> None:
    assert problems(b"dn: cn=a\\\\,dc=hermes,dc=local\n") == ()


def test_a_name_that_is_no_base64_is_named() -> None:
    assert problems(LDIF + b"dn:: ***\n") == ("the name of entry 5 is garbled",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"<html>\n" + LDIF, "at its beginning stands `<html>` instead of the name of an entry"),
        (b"objectClass: x\n\n" + LDIF, "at its beginning stands `objectClass: x` instead of the name of an entry"),
        (LDIF + b"cn: x\n", "behind entry 4 stands `cn: x` instead of the name of an entry"),
        (LDIF + b"version: 1\n", "behind entry 4 stands `version: 1` instead of the name of an entry"),
        (LDIF[:-4], "it breaks off in the middle of a line"),
    ],
)
def test_what_is_no_ldif_is_named(text: bytes, problem: str) -> None:
    assert problems(text) == (problem,)


def test_no_more_than_a_few_problems_are_told() -> None:
    assert len(problems(b"dn: dc=elsewhere\n\n" * 100)) == MOST_PROBLEMS


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield LDIF[:-1] + b"jpegPhoto:: "
        for _ in range(64):
            yield b"A" * (1 << 20)
        yield b"\n\ndn: cn=last,dc=hermes,dc=local\n"

    tracemalloc.start()
    facts = check_ldif(chunks(), LDAP_SUFFIX)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts == LdifFacts(5)
    assert peak < 8 << 20


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(text: bytes) -> None:
    check(text)
    check(b"dn:" + text)
