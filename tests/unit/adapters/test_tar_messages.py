from __future__ import annotations

import pytest

from hermes_backup_core.adapters.tar_messages import MOST_REMARKS, TarMessages, unquoted


@pytest.mark.parametrize(
    ("quoted", "name"),
    [
        (b"./plain", b"./plain"),
        (rb"./a\nb\tc", b"./a\nb\tc"),
        (rb"./\303\251\377", b"./\xc3\xa9\xff"),
        (rb"./back\\slash\:", b"./back\\slash:"),
        (rb"./\\nb", b"./\\nb"),
        (rb"./\033", b"./\x1b"),
    ],
)
def test_names_come_back_as_they_are(quoted: bytes, name: bytes) -> None:
    assert unquoted(quoted) == name


def test_lines_are_sorted_by_what_they_mean() -> None:
    said = TarMessages()
    for line in (
        rb"/usr/bin/tar: ./a\: file changed as we read it: file changed as we read it",
        b"/usr/bin/tar: ./b: File shrank by 1 byte; padding with zeros",
        b"/usr/bin/tar: ./c: File shrank by 10240 bytes; padding with zeros",
        b"/usr/bin/tar: ./c: file changed as we read it",
        b"/usr/bin/tar: ./d: File removed before we read it",
        b"/usr/bin/tar: ./e: Cannot stat: No such file or directory",
        b"/usr/bin/tar: ./f: socket ignored",
        b"/usr/bin/tar: ./g: Read error at byte 0, while reading 512 bytes: Input/output error",
        b"/usr/bin/tar: Exiting with failure status due to previous errors",
        b"",
    ):
        said.take(line + b"\n")
    assert list(said.changed) == [b"./a: file changed as we read it", b"./b", b"./c"]
    assert list(said.removed) == [b"./d"]
    assert list(said.gone) == [b"./e"]
    assert list(said.sockets) == [b"./f"]
    assert said.remarks == ["./g: Read error at byte 0, while reading 512 bytes: Input/output error"]


def test_of_many_remarks_the_last_are_kept() -> None:
    said = TarMessages()
    for number in range(1000):
        said.take(b"tar: remark %d\n" % number)
    assert said.remarks == [f"remark {number}" for number in range(1000 - MOST_REMARKS, 1000)]
