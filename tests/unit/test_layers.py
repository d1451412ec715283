"""Imports run one way, and what belongs to the command line stays there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hermes_backup_core

PACKAGE = "hermes_backup_core"
SOURCES = Path(hermes_backup_core.__file__).parent
ALL_BUT_CLI = frozenset(
    {
        "adapters",
        "api",
        "archive",
        "backup",
        "domain",
        "ports",
        "restore",
        "restore_ports",
        "services",
        "survey",
        "wiring",
    }
)

MAY_IMPORT = {
    "domain": {"domain"},
    "ports": {"ports", "domain"},
    "restore_ports": {"restore_ports", "domain"},
    "archive": {"archive", "domain"},
    "services": {"services", "ports", "domain"},
    "adapters": {"adapters", "archive", "ports", "restore_ports", "domain"},
    "survey": {"survey", "services", "archive", "ports", "domain"},
    "backup": {"backup", "survey", "services", "archive", "ports", "domain"},
    "restore": {"restore", "survey", "services", "archive", "ports", "restore_ports", "domain"},
    "wiring": ALL_BUT_CLI - {"api"},
    "api": ALL_BUT_CLI,
    "__init__": ALL_BUT_CLI,
    "cli": (ALL_BUT_CLI | {"cli"}) - {"adapters"},
}

PURE_NEVER_IMPORTS = {"asyncio", "docker", "io", "plumbum", "shutil", "socket", "subprocess", "tempfile"}
# How the bytes of a name are written as text.
PURE_MAY_USE_OF_OS = {"os.fsdecode", "os.fsencode"}
ONLY_THE_COMMAND_LINE_CALLS = {
    "input",
    "print",
    "exit",
    "quit",
    "sys.exit",
    "os._exit",
    "os.getenv",
    "os.putenv",
    "os.unsetenv",
}
# The adapter of the port `Clock` is what asks the machine for the time.
ONLY_THE_CLOCK_CALLS = {
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "date.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
}
ONLY_THE_COMMAND_LINE_READS = {
    "os.environ",
    "os.environb",
    "sys.argv",
    "sys.stdin",
    "sys.stdout",
    "sys.stderr",
}


def modules() -> list[Path]:
    return sorted(path.relative_to(SOURCES) for path in SOURCES.rglob("*.py"))


def layer_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def tree_of(module: Path) -> ast.Module:
    return ast.parse((SOURCES / module).read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """The full name of each module, and of each name taken out of one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layers_imported(tree: ast.AST) -> set[str]:
    ours = (name.split(".") for name in imported(tree) if name.split(".")[0] == PACKAGE)
    return {parts[1] if len(parts) > 1 else "__init__" for parts in ours}


def calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def reads(tree: ast.AST) -> set[str]:
    """Dotted names, as `os.path.sep`; not what is asked of a call's answer."""
    found = (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {name for name in found if name.replace(".", "").isidentifier()}


def ids(module: Path) -> str:
    return str(module)


@pytest.mark.parametrize("module", modules(), ids=ids)
def test_a_module_imports_only_its_own_layer_and_those_below(module: Path) -> None:
    assert layers_imported(tree_of(module)) <= MAY_IMPORT[layer_of(module)]


@pytest.mark.parametrize("module", [m for m in modules() if layer_of(m) == "domain"], ids=ids)
def test_the_domain_has_no_way_to_the_outside(module: Path) -> None:
    tree = tree_of(module)
    names = set(imported(tree))
    assert not {name.split(".")[0] for name in names} & PURE_NEVER_IMPORTS
    assert {name for name in reads(tree) | names if name.startswith("os.")} <= PURE_MAY_USE_OF_OS
    assert "open" not in calls(tree)


@pytest.mark.parametrize("module", [m for m in modules() if layer_of(m) != "cli"], ids=ids)
def test_below_the_command_line_nothing_prints_ends_the_process_or_reads_its_environment(
    module: Path,
) -> None:
    tree = tree_of(module)
    assert not calls(tree) & ONLY_THE_COMMAND_LINE_CALLS
    assert not reads(tree) & ONLY_THE_COMMAND_LINE_READS


@pytest.mark.parametrize("module", [m for m in modules() if m != Path("adapters/clock.py")], ids=ids)
def test_the_time_comes_from_the_clock_that_was_handed_in(module: Path) -> None:
    assert not calls(tree_of(module)) & ONLY_THE_CLOCK_CALLS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import hermes_backup_core.adapters.clock as c", {"adapters"}),
        ("from hermes_backup_core.domain.scope import Scope", {"domain"}),
        ("from hermes_backup_core import wiring", {"wiring"}),
        ("def late():\n    import hermes_backup_core", {"__init__"}),
        ("import os", set()),
    ],
)
def test_the_rule_sees_each_way_of_importing(source: str, expected: set[str]) -> None:
    assert layers_imported(ast.parse(source)) == expected
