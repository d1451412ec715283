"""The mails that a backup sends: their subjects and bodies."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import field, frozen

from hermes_backup_core.domain.figures import duration, size
from hermes_backup_core.domain.scope import Mode, Scope

LOG_LINES = 50
"""How many of the log's last lines a failure's mail carries."""


def address_problem(address: str) -> str | None:
    """Return why a notification cannot go to ``address``, or None where it can."""
    if not address.strip():
        return "is empty"
    if re.search(r"[\x00-\x1f\x7f]", address):
        return "holds a control character or a line break"
    if any(not re.fullmatch(r"[^\s,-][^\s,]*", part.strip()) for part in address.split(",")):
        return f"is not a mail address ({address})"
    return None


def _one_line(value: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", value).strip()


@frozen
class Notice:
    """One mail. Neither ``to`` nor ``subject`` ever holds a line break, wherever they came from."""

    to: str = field(converter=_one_line)
    subject: str = field(converter=_one_line)
    body: str


def success_notice(
    *,
    to: str,
    hostname: str,
    scope: Scope,
    mode: Mode,
    timestamp: str,
    output: str,
    size_bytes: int,
    seconds: float,
    warnings: Sequence[str] = (),
) -> Notice:
    """Return the mail that tells of a finished backup."""
    lines = [
        "The Hermes backup is complete.",
        "",
        f"Timestamp: {timestamp}",
        f"Scope:     {scope.value}",
        f"Mode:      {mode.value}",
        f"File:      {output}",
        f"Size:      {size(size_bytes)} ({size_bytes} bytes)",
        f"Duration:  {duration(seconds)}",
    ]
    if warnings:
        lines += ["", "Warnings:", *(f"  {warning}" for warning in warnings)]
    return Notice(to, f"[SUCCESS] Hermes backup on {hostname} (scope={scope.value})", _text(lines))


def failure_notice(
    *,
    to: str,
    hostname: str,
    scope: Scope,
    mode: Mode,
    timestamp: str,
    reason: str,
    log_file: str,
    log: Sequence[str],
) -> Notice:
    """Return the mail that tells why a backup failed, with the last lines of its ``log``."""
    tail = log[-LOG_LINES:]
    lines = [
        "The Hermes backup FAILED.",
        "",
        f"Timestamp: {timestamp}",
        f"Scope:     {scope.value}",
        f"Mode:      {mode.value}",
        f"Reason:    {reason}",
        f"Log file:  {log_file}",
        "",
        f"Last {len(tail)} lines of the log:",
        *tail,
    ]
    return Notice(to, f"[FAILURE] Hermes backup on {hostname} (scope={scope.value})", _text(lines))


def as_test(notice: Notice) -> Notice:
    """Return ``notice`` marked as a test, so that filters which watch for failures stay quiet."""
    return Notice(notice.to, f"[TEST] {notice.subject}", f"This is a test; no backup ran.\n\n{notice.body}")


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
