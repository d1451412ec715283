"""What the pages promise: every flag is explained, every link leads somewhere, every example is of a known kind."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_backup_core.cli.arguments import parse_backup
from hermes_backup_core.cli.restore_arguments import parse_restore
from hermes_backup_core.domain.manifest import Manifest
from tests.documentation import DOCS, anchors, blocks, links, read

README = DOCS.parent / "README.md"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))
GUIDE = "operator-guide.md"
# `sh`, `cron` and `python` are run by the tests on the real stack, `text` and `json` only show something.
KINDS = {"sh", "cron", "python", "text", "json"}
FORCES = {"FORCE_REMAP=1", "FORCE_VERSION_MISMATCH=1", "HERMES_ROOT"}


def flags(help_text: str | None) -> set[str]:
    """The flags that a help offers: the words with a dash at the beginning of its lines."""
    offered = re.findall(r"^  (-.*?)(?:  |$)", help_text or "", re.MULTILINE)
    return {flag for words in offered for flag in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", words)}


@pytest.mark.parametrize("script", ["backup", "restore"])
def test_the_guide_explains_every_flag(script: str) -> None:
    text = parse_backup(["--help"]).help_text if script == "backup" else parse_restore(["--help"], {}).help_text
    offered = flags(text)
    assert offered >= {"-n", "--dry-run", "-y", "--yes", "--help"}
    assert {flag for flag in offered if not re.search(rf"(?<![\w-]){flag}(?![\w-])", read(GUIDE))} <= {"-h"}


@pytest.mark.parametrize("word", sorted(FORCES))
def test_the_guide_explains_every_variable(word: str) -> None:
    assert word in read(GUIDE)


@pytest.mark.parametrize("page", [README, *(DOCS / name for name in PAGES)], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in links(text):
        file, _, heading = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), target
        assert not heading or heading in anchors(linked.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("page", PAGES)
def test_every_example_is_of_a_kind_that_is_known(page: str) -> None:
    fences = re.findall(r"^ *```.*$", read(page), re.MULTILINE)
    known = blocks(page, *KINDS)
    assert len(fences) == 2 * len(known)


def test_the_readme_names_every_page() -> None:
    named = {os.path.basename(target) for target in links(README.read_text(encoding="utf-8"))}
    assert set(PAGES) <= named


def test_the_manifest_in_the_page_on_the_format_is_one_byte_for_byte() -> None:
    (example,) = blocks("format.md", "json")
    assert Manifest.parse(example.text.encode()).render().decode() == example.text


def test_every_message_in_the_guide_is_one_that_the_library_has() -> None:
    _, _, table = read(GUIDE).partition("| message | cause | what to type |")
    rows = [line.split("|")[1] for line in table.partition("\n\n")[0].splitlines()[2:]]
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > len(rows) > 20
    known = list(sentences())
    parts = [part.strip(" …") for message in messages for part in message.split("…")]
    assert [part for part in parts if not any(part in sentence for sentence in known)] == []


def sentences() -> Iterator[str]:
    """Every text in the library's sources, with dots for what is filled in."""
    for file in (DOCS.parent / "hermes_backup_core").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
