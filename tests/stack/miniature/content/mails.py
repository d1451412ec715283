"""Made-up mail."""

from __future__ import annotations

import random
import uuid

WORDS = ("mail", "company", "orders", "prices", "lunch", "servers", "and", "what", "must", "be", "done")


def message(*, to: str, size: int) -> bytes:
    """One message of about `size` bytes, with a Message-ID of its own and 8-bit text."""
    identity = f"<{uuid.uuid4()}@example.org>"
    head = f"From: José <sender@example.org>\nTo: {to}\nSubject: about {random.choice(WORDS)}\n"
    head += f"Message-ID: {identity}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"
    lines, length = ["Grüße,", ".a line that begins with a dot", ""], len(head)
    while length < size:
        lines.append(" ".join(random.choices(WORDS, k=12)))
        length += len(lines[-1])
    return (head + "\n".join(lines) + "\n").encode()
