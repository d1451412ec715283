"""Programs that say what was recorded of the real ones, first on the PATH."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field
from plumbum import local

from hermes_backup_core.adapters.snapshots import tools

_PROGRAM = """#!{python} -IS
import json, os, sys
folder = os.path.dirname(sys.argv[0])
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps([words, os.environ["LC_ALL"]]) + "\\n")
with open(folder + "/answers") as file:
    answers = json.load(file)
for number, (asked, out, err, code) in enumerate(answers):
    if all(word in " ".join(words) for word in asked.split(" … ")):
        if answers[number + 1:] and any(later[0] == asked for later in answers[number + 1:]):
            with open(folder + "/answers", "w") as file:
                json.dump(answers[:number] + answers[number + 1:], file)
        sys.stdout.write(out)
        sys.stderr.write(err)
        sys.exit(code)
sys.exit("no answer to " + " ".join(words))
"""


@define
class Programs:
    """What stands for the real programs; ``answers`` are by a part of the command, of equal ones each once."""

    folder: Path
    answers: list[tuple[str, str, str, int]] = field(factory=list)

    def say(self, asked: str, out: str = "", err: str = "", code: int = 0) -> None:
        """Answer the commands that have ``asked`` in them (parts of it between `` … ``)."""
        self.answers.append((asked, out, err, code))
        (self.folder / "answers").write_text(json.dumps(self.answers))

    @property
    def calls(self) -> list[list[str]]:
        """The words of each command so far."""
        lines = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        found = [json.loads(line) for line in lines]
        assert {locale for _, locale in found} <= {"C"}
        return [words for words, _ in found]

    def commands(self) -> list[str]:
        """Each command so far, on one line."""
        return [" ".join(words) for words in self.calls]


@contextmanager
def programs(folder: Path, *names: str) -> Iterator[Programs]:
    """Have the programs ``names``, and no other, on the PATH while the context lasts."""
    folder.mkdir()
    (folder / "answers").write_text("[]")
    for name in names:
        (folder / name).write_text(_PROGRAM.format(python=sys.executable))
        (folder / name).chmod(0o755)
    before, tools.SYSTEM = tools.SYSTEM, str(folder)
    try:
        with local.env(PATH=str(folder)):
            yield Programs(folder)
    finally:
        tools.SYSTEM = before
