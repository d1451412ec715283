"""The mails about a backup, through the real Postfix into a maildir."""

from __future__ import annotations

import email
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from hermes_backup_core.domain.notice import Notice
from hermes_backup_core.wiring import mailer
from tests.stack.miniature import Engine, Miniature
from tests.stack.script import SCRIPTS, back_up, called, environment, new_folder, standing

TO = "admin@example.net"
HOST = socket.gethostname()
LAST = "Last 50 lines of the log:\n"


@pytest.fixture(scope="module")
def standing_hermes(engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders)) as made:
        yield made


@pytest.fixture
def hermes(standing_hermes: Miniature) -> Miniature:
    """With an empty maildir."""
    for file in (standing_hermes.base / "received-mail").glob("all/new/*"):
        file.unlink()
    return standing_hermes


def received(hermes: Miniature, count: int) -> list[EmailMessage]:
    """The mails that arrived, which must be `count`."""
    found = hermes.received_mail(at_least=count)
    assert len(found) == count
    return [email.message_from_bytes(raw, policy=default) for raw in found]


def body(mail: EmailMessage) -> str:
    return str(mail.get_content()).replace("\r\n", "\n")


def test_a_success_is_told_where_that_was_asked_for(hermes: Miniature) -> None:
    call = back_up(hermes, "archive", f"--notify-email={TO}", "--notify-on-success")

    (mail,) = received(hermes, 1)
    assert mail["To"] == TO
    assert mail["Subject"] == f"[SUCCESS] Hermes backup on {HOST} (scope=archive)"
    text = body(mail)
    size = call.tarball.stat().st_size
    stamp = call.tarball.stem.rpartition("-")[2]
    lines = text.splitlines()
    for line in (f"Timestamp: {stamp}", "Scope:     archive", "Mode:      hot", f"File:      {call.tarball}"):
        assert line in lines
    assert [line for line in lines if line.startswith("Size:") and f"({size} bytes)" in line]
    assert [line for line in lines if line.startswith("Duration:  ")]
    assert "sockets left out" in text


def test_a_success_is_silent_otherwise(hermes: Miniature) -> None:
    """A later mail arrives alone, so none is still under way."""
    assert back_up(hermes, "archive", "--notify-email", TO).code == 0
    assert back_up(hermes, "archive", "--notify-on-success").code == 0
    mailer(hermes.environ).send(Notice(TO, "later", "later\n"))
    (mail,) = received(hermes, 1)
    assert mail["Subject"] == "later"


def test_a_failure_is_told_with_the_last_fifty_lines_of_the_log(hermes: Miniature) -> None:
    output = new_folder(hermes.base / "backups")
    for second in range(60):
        (output / f"hermes-backup-vmail-v1-20200101T0000{second:02}Z.tar.partial").touch()
    hermes.engine.docker("stop", "hermes_ldap")
    try:
        call = back_up(hermes, "system", "--notify-email", TO, output=output)
    finally:
        hermes.engine.docker("start", "hermes_ldap")

    assert call.code == 1
    (log,) = output.glob("*.log")
    (mail,) = received(hermes, 1)
    assert mail["To"] == TO
    assert mail["Subject"] == f"[FAILURE] Hermes backup on {HOST} (scope=system)"
    head, _, tail = body(mail).partition(LAST)
    for line in (
        f"Timestamp: {log.stem.rpartition('-')[2]}",
        "Scope:     system",
        "Mode:      hot",
        f"Log file:  {log}",
    ):
        assert line in head.splitlines()
    assert "hermes_ldap" in head.partition("Reason:")[2]
    lines = tail.rstrip("\n").splitlines()
    logged = log.read_text().splitlines()
    assert len(logged) > 60
    assert len(lines) == 50
    end = logged.index(lines[-1]) + 1
    assert logged[end - 50 : end] == lines
    assert any("ERROR: container hermes_ldap is exited" in line for line in lines)


def test_both_kinds_can_be_tried_out(hermes: Miniature) -> None:
    argv = [str(SCRIPTS / "system_backup.sh"), "--test-notify", f"--notify-email={TO}"]
    temporary = new_folder(hermes.base / "temporary")
    call = called(argv, temporary, environment(hermes, {"TMPDIR": str(temporary)}))

    assert call.code == 0, call.stderr
    subjects = {str(mail["Subject"]) for mail in received(hermes, 2)}
    assert subjects == {
        f"[TEST] [SUCCESS] Hermes backup on {HOST} (scope=system)",
        f"[TEST] [FAILURE] Hermes backup on {HOST} (scope=system)",
    }
    assert not list(hermes.base.rglob("hermes-backup-system-*.tar*"))


def test_a_line_that_is_a_single_dot_does_not_end_the_mail(hermes: Miniature) -> None:
    text = "before\n.\n..\n.x\nFrom here on: Grüße 😀\n" + "long " * 400 + "\nend\n"
    mailer(hermes.environ).send(Notice(TO, "dots, für alle", text))

    (mail,) = received(hermes, 1)
    assert mail["Subject"] == "dots, für alle"
    assert body(mail) == text


def test_a_folder_whose_name_breaks_the_line_at_a_dot_is_told_whole(hermes: Miniature) -> None:
    """The worst that an operator's own words can do to a mail: what follows them still arrives."""
    output = hermes.base / "odd\n.\nname"
    output.mkdir()
    call = back_up(hermes, "archive", f"--notify-email={TO}", "--notify-on-success", output=output)

    assert call.code == 0, call.stderr
    (mail,) = received(hermes, 1)
    assert "Duration:" in body(mail)


def test_a_mail_that_cannot_go_is_a_warning_and_no_more(hermes: Miniature) -> None:
    hermes.engine.docker("stop", "hermes_postfix_dkim")
    try:
        fine = back_up(hermes, "archive", f"--notify-email={TO}", "--notify-on-success")
        failed = back_up(hermes, "archive", f"--notify-email={TO}", output=hermes.base / "nowhere")
    finally:
        hermes.engine.docker("start", "hermes_postfix_dkim")

    assert (fine.code, failed.code) == (0, 1)
    for call in (fine, failed):
        assert [text for text in call.warnings if TO in text and "could not be sent" in text]
