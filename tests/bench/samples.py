"""Samples of what a mail gateway holds, the same bytes on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.bench.mailtree import Author


def mail_sample(size: int, *, seed: int = 2) -> bytes:
    """About `size` bytes of messages, most of it attachments."""
    return _cut(_messages(Author(seed), 12_000), size)


def short_mail_sample(size: int, *, seed: int = 3) -> bytes:
    """About `size` bytes of messages without attachments: headers and words."""
    return _cut(_messages(Author(seed), 3_000), size)


def sql_sample(size: int, *, seed: int = 4) -> bytes:
    """About `size` bytes of a dump of a log of messages."""
    return _cut(_inserts(Author(seed), random.Random(seed)), size)


def _messages(author: Author, mean: int) -> Iterator[bytes]:
    for number in range(1_000_000):
        yield author.message(number, mean)


def _inserts(author: Author, make: random.Random) -> Iterator[bytes]:
    yield b"-- MariaDB dump 10.19\nCREATE DATABASE `hermes`;\nUSE `hermes`;\n"
    number = 0
    while True:
        rows = []
        for _ in range(400):
            number += 1
            stamp = f"2026-06-{make.randint(1, 30):02d} {make.randint(0, 23):02d}:{make.randint(0, 59):02d}:07"
            rows.append(
                f"({number},'{stamp}','{author.word()}@{author.word()}.example.org',{make.randint(0, 1)},"
                f"{make.random() * 20:.3f},'{make.getrandbits(48):012X}','{author.words(8)}',NULL,"
                f"'192.0.2.{make.randint(0, 255)}')"
            )
        yield ("INSERT INTO `msgs` VALUES\n" + ",\n".join(rows) + ";\n").encode()


def _cut(pieces: Iterator[bytes], size: int) -> bytes:
    made = bytearray()
    while len(made) < size:
        made += next(pieces)
    return bytes(made[:size])
