"""The public names: there at their first use, and nothing is loaded before."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hermes_backup_core

SOURCE = Path(hermes_backup_core.__file__)


def loaded_by(statement: str) -> set[str]:
    """The modules of ours that a Python has loaded after ``statement``, less the package's name."""
    script = (
        f"import sys; {statement}; print(*(name for name in sys.modules if name.startswith('hermes_backup_core.')))"
    )
    environ = {"PYTHONPATH": str(SOURCE.parent.parent)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    return {name.removeprefix("hermes_backup_core.") for name in done.stdout.split()}


@pytest.mark.parametrize("name", hermes_backup_core.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(hermes_backup_core, name).__name__ == name
    assert name in dir(hermes_backup_core)


def test_a_type_checker_and_python_find_the_names_in_the_same_places() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    told = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hermes_backup_core.")
        for alias in node.names
    }
    homes = {name: f"hermes_backup_core.{home}" for home, names in hermes_backup_core._HOMES.items() for name in names}
    assert told == homes
    assert set(homes) == set(hermes_backup_core.__all__)


def test_another_name_is_none_of_them() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'restore_everything'"):
        getattr(hermes_backup_core, "restore_everything")  # noqa: B009 - a type checker knows that, too


def test_the_package_alone_loads_nothing() -> None:
    assert loaded_by("import hermes_backup_core") == set()


def test_the_backup_script_does_without_what_only_a_restore_needs() -> None:
    loaded = loaded_by("import hermes_backup_core.cli.backup")
    assert not {name for name in loaded if name.split(".")[0] == "restore" or name.startswith("cli.restore")}
    assert "api" not in loaded
