"""The Postfix in its container: sending mail through it, and what waits in its queue."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from attrs import define, frozen

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.host import MAIL_CONTAINER
from hermes_backup_core.domain.notice import Notice
from hermes_backup_core.ports import Reporter, Stack

# Log lines stay as they are, readable in any mail client or spool, as long as SMTP allows their length.
_POLICY = SMTP.clone(linesep="\n", max_line_length=990)

# -t takes the recipients from the header; -i keeps a line that is a single dot from ending the message.
_SENDMAIL = ("sendmail", "-t", "-i")
_FLUSH = ("postqueue", "-f")


@define
class PostfixMailer:
    """Hands notifications to Postfix, which queues and delivers them like any other mail of the host."""

    stack: Stack

    def send(self, notice: Notice) -> None:
        """Hand ``notice`` to `sendmail`; raises `CommandFailed` where that does not take it."""
        self.stack.run(MAIL_CONTAINER, _SENDMAIL, stdin=_message(notice))


@frozen
class MailQueue:
    """The mail that Postfix took and could not deliver yet."""

    stack: Stack

    def deliver_now(self, reporter: Reporter) -> None:
        """Let what came while others were down arrive now, and not at Postfix's next try; a failure is a warning."""
        try:
            self.stack.run(MAIL_CONTAINER, _FLUSH)
        except HermesBackupError as err:
            reporter.warn(f"mail that waits in Postfix's queue is delivered at its next queue run: {err}")


def _message(notice: Notice) -> bytes:
    message = EmailMessage(policy=_POLICY)
    message["To"] = notice.to
    message["Subject"] = notice.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(notice.body.encode("utf-8", "backslashreplace").decode())
    return message.as_bytes()
