"""The mail as sendmail is given it."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.notice import Notice
from hermes_backup_core.services.postfix import PostfixMailer
from tests.unit.fakes.host import MemoryHost, plain_host
from tests.unit.fakes.stack import MemoryStack


def sent(notice: Notice, host: MemoryHost | None = None) -> tuple[bytes, EmailMessage]:
    host = host or plain_host()
    PostfixMailer(MemoryStack(host)).send(notice)
    (raw,) = host.mails
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return raw, message


@pytest.mark.parametrize(
    "body",
    [
        "one line\n",
        "before\n.\nafter\n",
        "caf\u00e9 \U0001f4be\n",
        "x" * 900 + "\n",
        "x" * 5000 + "\n",
        "From here\n\n\nTo: nobody\n",
        "\n",
    ],
)
def test_the_body_arrives_as_it_was(body: str) -> None:
    _, message = sent(Notice("root@example.com", "subject", body))
    assert message.get_content() == body


def test_lines_of_a_log_stay_readable_as_they_are_and_a_single_dot_does_not_end_the_mail() -> None:
    raw, _ = sent(Notice("root@example.com", "s", "[2026-06-01] /mnt/" + "d" * 300 + "=x\n.\nlast\n"))
    assert b"/mnt/" + b"d" * 300 + b"=x\n.\nlast\n" in raw


def test_no_line_of_a_mail_is_longer_than_smtp_allows() -> None:
    raw, _ = sent(Notice("root@example.com", "s" * 3000, "x" * 20_000 + "\n"))
    assert max(map(len, raw.split(b"\n"))) <= 998


def test_names_that_are_no_utf_8_are_shown_escaped() -> None:
    _, message = sent(Notice("root@example.com", "s", "caf\udce9\n"))
    assert message.get_content() == "caf\\udce9\n"


def test_the_header_says_to_whom_and_that_no_one_is_to_answer() -> None:
    raw, message = sent(Notice("a@example.com, b@example.com", "[FAILURE] caf\u00e9", "x\n"))
    assert message["To"] == "a@example.com, b@example.com"
    assert message["Subject"] == "[FAILURE] caf\u00e9"
    assert message["Auto-Submitted"] == "auto-generated"
    assert b"\r" not in raw


def test_a_line_break_from_outside_adds_no_header() -> None:
    _, message = sent(Notice("a@example.com", "host\nBcc: thief@example.com\r\n\r\nbody", "x\n"))
    assert message["Bcc"] is None
    assert message.get_content() == "x\n"
    assert message["Subject"] == "host Bcc: thief@example.com body"


def test_a_sendmail_that_refuses_is_an_error_with_its_words() -> None:
    with pytest.raises(CommandFailed, match="queue file write error"):
        sent(Notice("root@example.com", "s", "b\n"), plain_host(mail_trouble="queue file write error"))


@pytest.mark.parametrize("subject", ["on caf\udce9.example.com", "\u2028x", "=?utf-8?q?x?="])
def test_a_subject_of_any_characters_can_be_sent(subject: str) -> None:
    raw, _ = sent(Notice("root@example.com", subject, "b\n"))
    assert raw.count(b"\n\n") >= 1
