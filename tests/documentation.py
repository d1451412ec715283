"""The examples of a page, to be run as a reader would type them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
# Minute, hour, day, month, weekday, user; what comes behind is given to a shell.
_CRON_LINE = re.compile(r"^(?:\S+ ){5}root (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """An example: what is in it, and the line of the page that it begins on."""

    kind: str
    text: str
    line: int

    @property
    def command_lines(self) -> list[str]:
        """What cron would give to a shell, where this is a piece of a crontab."""
        return _CRON_LINE.findall(self.text)


def read(page: str) -> str:
    """The text of a page."""
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str, *kinds: str) -> list[Block]:
    """The page's examples of these kinds, in order."""
    text = read(page)
    found = (Block(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in _BLOCK.finditer(text))
    return [block for block in found if block.kind in kinds]


def examples(page: str, places: Mapping[str, str]) -> list[str]:
    """The page's Python examples, with the paths that a reader has replaced by those in ``places``."""
    return [replaced(block.text, places) for block in blocks(page, "python")]


def replaced(text: str, places: Mapping[str, str]) -> str:
    """Put the paths of ``places`` where a page has its own; a path that only ends like one is another."""
    for path, here in places.items():
        pattern = rf"(?<![\w./-]){re.escape(path)}(?![\w-])"
        text = re.sub(pattern, here.replace("\\", r"\\"), text)
    return text


def run(page: str, places: Mapping[str, str]) -> dict[str, object]:
    """Run the Python examples one after another in one namespace, and return it."""
    namespace: dict[str, object] = {"__name__": "__example__"}
    for example in examples(page, places):
        exec(compile(example, page, "exec"), namespace)
    return namespace


def links(text: str) -> Iterator[str]:
    """Where the links of a page lead that lead to no other site."""
    yield from (target for target in _LINK.findall(text) if "://" not in target)


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in a link, as GitHub makes it of their text."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _HEADING.findall(without_code))
    return {title.strip().replace(" ", "-") for title in titles}
