"""The mails of the script."""

from __future__ import annotations

import re
import socket
from email import message_from_bytes
from email.message import Message
from email.policy import default

import pytest

from tests.cli.fake_host import FakeHost

TO = "--notify-email=admin@example.com"
HOSTNAME = socket.gethostname()


def parsed(mail: bytes) -> tuple[Message, list[str]]:
    message = message_from_bytes(mail, policy=default)
    return message, message.get_content().splitlines()


def test_a_failure_is_told_with_its_reason_and_the_end_of_the_log(host: FakeHost) -> None:
    host.engine.fail("--directory=", says="tar: ./disk: Input/output error", code=2)
    done = host.run(*host.command("vmail", TO))
    assert done.code == 1
    (mail,) = host.engine.hermes.mails
    message, body = parsed(mail)
    assert message["Subject"] == f"[FAILURE] Hermes backup on {HOSTNAME} (scope=vmail)"
    assert message["To"] == "admin@example.com"
    (log,) = host.made(".log")
    facts = dict(line.split(": ", 1) for line in body[2:7])
    assert re.fullmatch(r"\d{8}T\d{6}Z", facts["Timestamp"].strip())
    assert (facts["Scope"].strip(), facts["Mode"].strip()) == ("vmail", "hot")
    assert "Input/output error" in facts["Reason"]
    assert facts["Log file"].strip() == str(log)
    kept = log.read_text().splitlines()
    told = body[body.index(next(line for line in body if line.startswith("Last "))) + 1 :]
    assert told == kept[: len(told)]
    assert len(told) > 8


def test_only_the_last_fifty_lines_go_along_and_a_single_dot_does_not_end_the_mail(host: FakeHost) -> None:
    remarks = "".join(f"tar: remark {number}\n" for number in range(60))
    host.engine.fail("--directory=", says=f"{remarks}.\n", code=1)
    host.engine.fail("mariadb", says="ERROR 2002\n.\n", code=1)
    done = host.run(*host.command("vmail", TO))
    assert done.code == 1
    (mail,) = host.engine.hermes.mails
    (call,) = host.engine.called("sendmail")
    assert call.words[-3:] == ("sendmail", "-t", "-i")
    _, body = parsed(mail)
    count = next(number for number, line in enumerate(body) if line.startswith("Last "))
    assert int(body[count].split()[1]) == len(body) - count - 1 <= 50


def test_success_is_silent_unless_it_is_asked_for(host: FakeHost) -> None:
    assert host.run(*host.command("vmail", TO)).code == 0
    assert host.engine.hermes.mails == []
    done = host.run(*host.command("nextcloud", "--notify-email", "admin@example.com", "--notify-on-success"))
    assert done.code == 0
    (mail,) = host.engine.hermes.mails
    message, body = parsed(mail)
    assert message["Subject"] == f"[SUCCESS] Hermes backup on {HOSTNAME} (scope=nextcloud)"
    (tarball,) = [path for path in host.made(".tar") if "nextcloud" in path.name]
    facts = dict(line.split(": ", 1) for line in body if ": " in line)
    assert facts["File"].strip() == str(tarball)
    assert f"({tarball.stat().st_size} bytes)" in facts["Size"]
    assert re.fullmatch(r"[\d.]+s", facts["Duration"].strip())
    assert (facts["Scope"].strip(), facts["Mode"].strip()) == ("nextcloud", "hot")
    assert f"mail to admin@example.com handed to Postfix: {message['Subject']}" in done.out


@pytest.mark.parametrize("options", [(), ("--notify-on-success",)], ids=["failure", "success"])
def test_a_mail_that_cannot_go_is_a_warning_and_changes_no_exit_code(host: FakeHost, options: tuple[str, ...]) -> None:
    host.engine.containers["hermes_postfix_dkim"].state = "exited"
    if not options:
        host.engine.fail("--directory=", says="tar: disk is broken", code=2)
    done = host.run(*host.command("vmail", TO, *options))
    assert done.code == (0 if options else 1)
    assert "WARN: the mail to admin@example.com could not be sent: " in done.out
    assert "hermes_postfix_dkim is not running" in done.out
    assert len(host.made(".tar")) == len(options)


def test_the_test_sends_both_mails_and_makes_no_backup(host: FakeHost) -> None:
    done = host.run("--test-notify", TO)
    assert (done.code, done.err) == (0, "")
    subjects = [parsed(mail)[0]["Subject"] for mail in host.engine.hermes.mails]
    assert subjects == [
        f"[TEST] [SUCCESS] Hermes backup on {HOSTNAME} (scope=system)",
        f"[TEST] [FAILURE] Hermes backup on {HOSTNAME} (scope=system)",
    ]
    assert {call.has("sendmail") for call in host.engine.calls} == {True}
    (log,) = host.temp.iterdir()
    assert f"log: {log}" in done.out
    assert host.made("") == []


def test_the_test_fails_when_postfix_takes_one_mail_only_and_says_why(host: FakeHost) -> None:
    host.engine.fail("sendmail", says="sendmail: fatal: queue is full", code=75, times=1)
    done = host.run("--test-notify", TO)
    assert done.code == 1
    assert "queue is full" in done.out
    assert len(host.engine.hermes.mails) == 1


def test_the_test_fails_when_postfix_is_down(host: FakeHost) -> None:
    del host.engine.containers["hermes_postfix_dkim"]
    done = host.run("--test-notify", TO)
    assert done.code == 1
    assert done.out.count("No such container: hermes_postfix_dkim") == 2


@pytest.mark.parametrize("address", ["a@example.com\nBcc: b@example.com", "a@example.com\r\n\r\nbody", "-oQ/tmp"])
def test_an_address_cannot_carry_a_header_or_an_option(host: FakeHost, address: str) -> None:
    done = host.run(*host.command("vmail"), "--notify-email", address)
    done_too = host.run("--test-notify", f"--notify-email={address}")
    assert (done.code, done_too.code) == (1, 1)
    assert "ERROR: " in done.err
    assert host.engine.calls == []
    assert host.made("") == []
