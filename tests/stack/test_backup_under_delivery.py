"""A mailbox into which mail goes on being delivered, and files that change, while their tier is packed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature
from tests.stack.script import Call, Opened, back_up, opened, standing

USER = "u2@example.com"
BOX = "dovecot/example.com/u2/dbox"
BIG_FILES, BIG_BYTES = 6, 40_000_000
REPLACED_BYTES = 10_000_000
START_OF_GROWING = 60_000_000


@dataclass(frozen=True)
class Packed:
    """A backup of `vmail` while everything in it moved; `before` are the mails that were there when it began."""

    hermes: Miniature
    before: dict[str, bytes]
    call: Call
    backup: Opened


@contextmanager
def going_on(action: Callable[[], None]) -> Iterator[None]:
    """Do it over and over while the body lasts; it has been done once before that begins. Its error is ours."""
    over, once = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def repeat() -> None:
        try:
            while not over.is_set():
                action()
                once.set()
        except BaseException as err:  # noqa: BLE001 - it is raised again, in the thread of the test
            failed.append(err)
            once.set()

    thread = threading.Thread(target=repeat)
    thread.start()
    once.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failed, failed


@pytest.fixture(scope="module")
def packed(engine: Engine, folders: Iterator[Path]) -> Iterator[Packed]:
    with standing(engine, next(folders)) as hermes:
        busy = hermes.tiers["vmail"] / "dovecot/busy"
        busy.mkdir()
        for number in range(BIG_FILES):
            (busy / f"big {number}").write_bytes(os.urandom(BIG_BYTES))
        (busy / "growing").write_bytes(bytes(START_OF_GROWING))
        hermes.deliver(20, to=USER)
        before = mails(hermes)
        with (
            going_on(lambda: hermes.deliver(2, to=USER)),
            going_on(lambda: grow(busy / "growing")),
            going_on(lambda: replace(busy / "replaced")),
        ):
            call = back_up(hermes, "vmail")
        yield Packed(hermes, before, call, opened(call.tarball, hermes.base / "opened"))


def grow(file: Path) -> None:
    with file.open("ab") as opened_file:
        opened_file.write(b"a line\n")


def replace(file: Path) -> None:
    """Write the file anew, every byte of it one that the file had not before, and put it in place at once."""
    last = file.read_bytes()[0] if file.exists() else 0
    fresh = file.with_name("replaced.new")
    fresh.write_bytes(bytes([(last + 1) % 256]) * REPLACED_BYTES)
    fresh.replace(file)


def mails(hermes: Miniature, *, location: str = "") -> dict[str, bytes]:
    """The text of each mail in the user's INBOX by its Message-ID, as Dovecot reads it."""
    option = ("-o", f"mail_location=sdbox:{location}") if location else ()
    argv = ("doveadm", *option, "-f", "flow", "fetch", "-u", USER, "text", "mailbox", "INBOX")
    texts = hermes.exec("hermes_dovecot", *argv).split(b"text=")[1:]
    return {identity(text): text for text in texts}


def identity(text: bytes) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(b"Message-ID: ")]
    return line.decode()


def test_every_mail_delivered_before_is_in_the_backup_and_whole(packed: Packed) -> None:
    """Dovecot reads the mailbox that was unpacked, and finds each of them to the last byte."""
    hermes = packed.hermes
    box = packed.backup.unpack("vmail") / BOX
    hermes.engine.docker("cp", "-a", str(box), "hermes_dovecot:/tmp/unpacked")
    resync = ("doveadm", "-o", "mail_location=sdbox:/tmp/unpacked", "force-resync", "-u", USER, "*")
    hermes.exec("hermes_dovecot", *resync)
    found = mails(hermes, location="/tmp/unpacked")

    assert len(packed.before) >= 25
    assert {name: found.get(name) for name in packed.before} == packed.before
    # It was under delivery: more has arrived since.
    assert len(mails(hermes)) > len(packed.before)


def test_each_file_of_the_mailbox_is_whole(packed: Packed) -> None:
    """sdbox puts a mail in place by a rename, so none is there in part, those that came meanwhile included."""
    live = packed.hermes.tiers["vmail"] / BOX
    unpacked = packed.backup.unpack("vmail") / BOX
    found = {path.relative_to(unpacked): path.read_bytes() for path in unpacked.rglob("u.*")}
    assert len(found) >= len(packed.before)
    assert {name: (live / name).read_bytes() for name in found} == found


def test_files_that_stay_as_they_are_are_whole_as_well(packed: Packed) -> None:
    live, unpacked = (top / "dovecot/busy" for top in (packed.hermes.tiers["vmail"], packed.backup.unpack("vmail")))
    for number in range(BIG_FILES):
        assert (unpacked / f"big {number}").read_bytes() == (live / f"big {number}").read_bytes()


def test_a_file_that_is_replaced_is_one_of_its_versions(packed: Packed) -> None:
    content = (packed.backup.unpack("vmail") / "dovecot/busy/replaced").read_bytes()
    assert len(content) == REPLACED_BYTES
    assert content == content[:1] * REPLACED_BYTES


def test_a_file_that_grows_is_one_of_its_beginnings_and_is_named(packed: Packed) -> None:
    """It was being written each time it was read: the operator sees that in the log, others in the manifest."""
    live, unpacked = (top / "dovecot/busy" for top in (packed.hermes.tiers["vmail"], packed.backup.unpack("vmail")))
    content = (unpacked / "growing").read_bytes()
    assert len(content) > START_OF_GROWING
    assert (live / "growing").read_bytes().startswith(content)
    assert [text for text in packed.call.warnings if "torn" in text and "dovecot/busy/growing" in text]
    changed = packed.backup.manifest["changed_files"]["vmail"]
    assert "dovecot/busy/growing" in changed["names"]
    assert changed["count"] == len(changed["names"])
    assert not [name for name in changed["names"] if "/big " in name or "/u." in name]
