"""A made mail tree: shaped and compressible like mail, the same bytes on every machine."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from attrs import frozen

WORDS = 4000
LARGE_FILES = 16
FOLDERS = 100


@frozen
class TreeSize:
    """How much to make: `files` messages of `total_bytes` together, a third of it in `LARGE_FILES` files."""

    files: int = 20_000
    total_bytes: int = 700_000_000


class Author:
    """Writes messages: headers, text of a skewed vocabulary, attachments in base64."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        letters = "eeeeetttaaaooiinnsshhrrdlucmfwypvbgk"
        self._words = [
            "".join(self._random.choice(letters) for _ in range(self._random.randint(2, 11))) for _ in range(WORDS)
        ]
        self._weights = [1.0 / (rank + 3) for rank in range(WORDS)]

    def message(self, number: int, size: int) -> bytes:
        """One message of about `size` bytes."""
        head = self._headers(number)
        wanted = max(size - len(head), 200)
        text_size = min(wanted, self._random.randint(400, 4000))
        return head + self._text(text_size) + self._attachment(wanted - text_size)

    def word(self) -> str:
        """One word, any as likely as another."""
        return self._random.choice(self._words)

    def words(self, count: int) -> str:
        """So many words, the common ones more often."""
        return " ".join(self._random.choices(self._words, self._weights, k=count))

    def _headers(self, number: int) -> bytes:
        make = self._random
        sender, receiver = make.choice(self._words), make.choice(self._words)
        lines = [
            f"Return-Path: <{sender}@example.org>",
            f"Received: from mx{make.randint(1, 40)}.example.org (mx.example.org [192.0.2.{number % 250}])",
            f"\tby mail.example.com (Postfix) with ESMTPS id {make.getrandbits(44):011X}",
            f"\tfor <{receiver}@example.com>; Mon, 1 Jun 2026 10:{number % 60:02d}:{number % 59:02d} +0000 (UTC)",
            f"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=mail; bh={self._token(33)}=;",
            f"\tb={self._token(64)}",
            f"\t {self._token(64)}",
            f"Message-ID: <{make.getrandbits(96):024x}@example.org>",
            f"Subject: {' '.join(make.choices(self._words, k=5))}",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{make.getrandbits(64):016x}"',
            "",
            "",
        ]
        return "\r\n".join(lines).encode()

    def _token(self, size: int) -> str:
        return base64.b64encode(self._random.randbytes(size))[:size].decode()

    def _text(self, size: int) -> bytes:
        words = self._random.choices(self._words, self._weights, k=size // 5)
        lines = [" ".join(words[at : at + 11]) for at in range(0, len(words), 11)]
        return "\r\n".join(lines).encode() + b"\r\n"

    def _attachment(self, size: int) -> bytes:
        """Base64: of noise (pictures, PDF) or, one in four, of something that still has a pattern."""
        if size <= 0:
            return b""
        raw = self._random.randbytes(size * 3 // 4)
        if self._random.random() < 0.25:
            raw = (raw[:700] * (len(raw) // 700 + 1))[: len(raw)]
            raw = bytes(raw[: len(raw) // 2]) + self._random.randbytes(len(raw) - len(raw) // 2)
        return base64.encodebytes(raw).replace(b"\n", b"\r\n")


def make_mail_tree(root: Path, size: TreeSize | None = None, *, seed: int = 1) -> None:
    """Fill `root` with a mail store of `size`; mode and owner are the process's own."""
    size = size or TreeSize()
    author = Author(seed)
    large = size.total_bytes // 3 // LARGE_FILES
    small = (size.total_bytes - large * LARGE_FILES) // (size.files - LARGE_FILES)
    sizes = random.Random(seed)
    for number in range(size.files):
        folder = root / "dovecot" / "example.com" / f"user{number % FOLDERS:03d}" / "mailboxes" / "INBOX"
        folder.mkdir(parents=True, exist_ok=True)
        is_large = number % (size.files // LARGE_FILES) == 0 and number // (size.files // LARGE_FILES) < LARGE_FILES
        wanted = large if is_large else int(small * sizes.expovariate(1.0)) + 300
        (folder / f"u.{number}").write_bytes(author.message(number, wanted))
