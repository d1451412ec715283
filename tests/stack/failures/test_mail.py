"""A notification that cannot go is a warning, whatever it was about; one that goes holds what is needed."""

from __future__ import annotations

from tests.stack.failures.breaking import moved, stopped
from tests.stack.failures.host import Host

TO = "--notify-email=admin@example.com"
NOT_SENT = "the mail to admin@example.com could not be sent: "


def test_a_failure_whose_mail_cannot_go_keeps_its_exit_code(host: Host) -> None:
    with stopped(host.hermes, "hermes_postfix_dkim"), moved(host.hermes.tiers["vmail"]):
        ended = host.backup("-B", "vmail", TO)
        assert ended.code == 1
        assert "the vmail tier" in ended.error
        (warning,) = ended.warnings_about(NOT_SENT)
        assert "hermes_postfix_dkim" in warning
        assert NOT_SENT in ended.log


def test_a_success_whose_mail_cannot_go_is_a_success(host: Host) -> None:
    with stopped(host.hermes, "hermes_postfix_dkim"):
        ended = host.succeeds("-B", "archive", TO, "--notify-on-success")
        assert ended.warnings_about(NOT_SENT)


def test_a_test_of_the_mails_that_cannot_go_is_a_failure(host: Host) -> None:
    with stopped(host.hermes, "hermes_postfix_dkim"):
        ended = host.backup(TO, "--test-notify")
        assert ended.code == 1
        assert len(ended.warnings_about(NOT_SENT)) == 2


def test_a_failures_mail_has_the_reason_and_the_end_of_the_log(host: Host) -> None:
    with moved(host.hermes.tiers["vmail"]):
        ended = host.backup("-B", "vmail", TO)
    (mail,) = host.hermes.received_mail(at_least=1)
    head, _, body = mail.decode().partition("\n\n")
    assert "To: admin@example.com" in head
    assert "[FAILURE] Hermes backup on" in head
    assert "Scope:     vmail" in body
    assert "Mode:      hot" in body
    assert f"Reason:    {ended.error}" in body
    assert f"Log file:  {ended.log_path}" in body
    told_by_then = ended.log.partition("mail to admin@example.com handed")[0].splitlines()[:-1]
    assert body.rstrip("\n").endswith("\n".join(told_by_then[-50:]))
