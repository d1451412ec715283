"""The mails: what they say, and that nothing from outside gets into their headers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.notice import Notice, address_problem, as_test, failure_notice, success_notice
from hermes_backup_core.domain.scope import Mode, Scope


def success(warnings: Sequence[str] = ()) -> Notice:
    return success_notice(
        to="root@example.com",
        hostname="mail.example.com",
        scope=Scope.ALL,
        mode=Mode.COLD,
        timestamp="20260601T103000Z",
        output="/backups/x.tar",
        size_bytes=3 << 20,
        seconds=123,
        warnings=warnings,
    )


def failure(log: Sequence[str] = ("first", "last"), hostname: str = "mail.example.com") -> Notice:
    return failure_notice(
        to="root@example.com",
        hostname=hostname,
        scope=Scope.VMAIL,
        mode=Mode.HOT,
        timestamp="20260601T103000Z",
        reason="the disk is full",
        log_file="/backups/x.log",
        log=log,
    )


def test_a_success_tells_what_was_made_and_how_long_it_took() -> None:
    assert success() == Notice(
        "root@example.com",
        "[SUCCESS] Hermes backup on mail.example.com (scope=all)",
        "The Hermes backup is complete.\n\nTimestamp: 20260601T103000Z\nScope:     all\nMode:      cold\n"
        "File:      /backups/x.tar\nSize:      3.0 MiB (3145728 bytes)\nDuration:  2m03s\n",
    )


def test_a_success_with_warnings_shows_all_of_them() -> None:
    assert success(["torn", "late"]).body.endswith("\n\nWarnings:\n  torn\n  late\n")


def test_a_failure_tells_why_and_shows_the_log() -> None:
    assert failure() == Notice(
        "root@example.com",
        "[FAILURE] Hermes backup on mail.example.com (scope=vmail)",
        "The Hermes backup FAILED.\n\nTimestamp: 20260601T103000Z\nScope:     vmail\nMode:      hot\n"
        "Reason:    the disk is full\nLog file:  /backups/x.log\n\nLast 2 lines of the log:\nfirst\nlast\n",
    )


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (49, 49), (50, 50), (51, 50), (500, 50)])
def test_a_failure_shows_the_last_fifty_lines_at_most(count: int, shown: int) -> None:
    log = [f"line {number}" for number in range(count)]
    body = failure(log).body
    assert f"Last {shown} lines of the log:" in body
    assert re.findall(r"^line \d+$", body, re.MULTILINE) == log[count - shown :]


def test_a_line_that_is_a_single_dot_stays_a_line() -> None:
    assert failure([".", "after"]).body.endswith("\n.\nafter\n")


def test_a_test_is_marked_as_one() -> None:
    notice = as_test(failure())
    assert notice.subject == "[TEST] [FAILURE] Hermes backup on mail.example.com (scope=vmail)"
    assert notice.body.startswith("This is a test; no backup ran.\n\nThe Hermes backup FAILED.")
    assert notice.to == "root@example.com"


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_no_header_ever_holds_a_line_break(to: str, subject: str, hostname: str) -> None:
    for notice in (Notice(to, subject, ""), failure(hostname=hostname)):
        assert not re.search(r"[\x00-\x1f\x7f]", notice.to + notice.subject)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\r\n\t", "\x0b", "\0"])
def test_a_header_in_the_host_name_becomes_plain_text(end: str) -> None:
    assert failure(hostname=f"mail{end}Bcc: thief@example.com").subject == (
        "[FAILURE] Hermes backup on mail Bcc: thief@example.com (scope=vmail)"
    )


@pytest.mark.parametrize("address", ["root", "a@example.com", "a@example.com, b@example.com", "a+b@x,c", "\u00fc@x.de"])
def test_an_address_can_be_local_or_one_of_several(address: str) -> None:
    assert address_problem(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("a@x\nBcc: b@x", "line break"),
        ("a@x\r", "line break"),
        ("a\0b", "control character"),
        ("a b@x", "not a mail address"),
        ("-oQ/tmp", "not a mail address"),
        ("a@x,", "not a mail address"),
        (",", "not a mail address"),
        ("a@x, -oQ", "not a mail address"),
    ],
)
def test_any_other_address_has_a_reason(address: str, reason: str) -> None:
    assert reason in str(address_problem(address))
