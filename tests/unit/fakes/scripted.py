"""A stack that answers what a test hands it, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field

from hermes_backup_core.domain.errors import CommandFailed
from tests.unit.fakes.host import plain_host
from tests.unit.fakes.stack import MemoryStack

_NOTHING: Mapping[str, str] = {}


@define
class Asked:
    """One call of a program: `text` is what stood on its stdin."""

    argv: tuple[str, ...]
    text: str
    environ: dict[str, str]

    @property
    def statements(self) -> list[str]:
        """The SQL in it, one statement each."""
        return [line.strip() for line in self.text.replace("; ", ";\n").split(";\n") if line.strip()]


@define
class ScriptedStack(MemoryStack):
    """Answers in order: text to stdout, or an error; nothing when it has run out of answers."""

    answers: list[str | CommandFailed] = field(factory=list)
    asked: list[Asked] = field(factory=list, repr=False)

    def run(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str | None = None,
        stdin: bytes = b"",
        environ: Mapping[str, str] = _NOTHING,
        to_its_end: bool = False,
    ) -> bytes:
        return self.feed(container, argv, [stdin], environ=environ)

    def feed(
        self, container: str, argv: Sequence[str], chunks: Iterable[bytes], *, environ: Mapping[str, str] = _NOTHING
    ) -> bytes:
        self.asked.append(Asked(tuple(argv), b"".join(chunks).decode(), dict(environ)))
        answer = self.answers.pop(0) if self.answers else ""
        if isinstance(answer, CommandFailed):
            raise answer
        return answer.encode()


def scripted(*answers: str | CommandFailed) -> ScriptedStack:
    """Return a stack that gives these answers."""
    return ScriptedStack(plain_host(), list(answers))


def refusal(stderr: str) -> CommandFailed:
    """Return what a client ends with that fails."""
    return CommandFailed(("mariadb",), 1, stderr)


def hexed(*texts: str) -> str:
    """Return the columns that HEX() gives of `texts`."""
    return "\t".join(text.encode().hex().upper() for text in texts)
