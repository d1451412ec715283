"""The Python examples of a page, to be run as a reader would type them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"

_EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples(page: str, places: Mapping[str, str]) -> list[str]:
    """The page's examples in order, with the paths that a reader has replaced by those in ``places``."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for path, here in places.items():
        text = text.replace(path, here)
    return _EXAMPLE.findall(text)


def run(page: str, places: Mapping[str, str]) -> dict[str, object]:
    """Run the examples one after another in one namespace, and return it."""
    namespace: dict[str, object] = {"__name__": "__example__"}
    for example in examples(page, places):
        exec(compile(example, page, "exec"), namespace)
    return namespace
