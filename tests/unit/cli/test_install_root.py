"""Where the install root is looked for; the script as a process is in tests/cli."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_backup_core.cli.install_root import NoInstallRoot, find_install_root


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """Two install roots, `a` in `a/inner/..` above the other one."""
    for root in ("a", "a/inner", "b"):
        (tmp_path / root / "scripts").mkdir(parents=True)
        (tmp_path / root / "docker-compose.yml").touch()
    (tmp_path / "b" / "scripts" / "run.py").touch()
    return tmp_path


def test_the_nearest_folder_above_the_script_counts(roots: Path) -> None:
    assert find_install_root({}, str(roots / "a" / "inner" / "scripts" / "run.py")) == str(roots / "a" / "inner")
    assert find_install_root({"HERMES_ROOT": ""}, str(roots / "a" / "scripts" / "run.py")) == str(roots / "a")


def test_the_path_as_called_goes_before_where_its_links_lead(roots: Path) -> None:
    (roots / "a" / "scripts" / "run.py").symlink_to(roots / "b" / "scripts" / "run.py")
    (roots / "run.py").symlink_to(roots / "b" / "scripts" / "run.py")
    assert find_install_root({}, str(roots / "a" / "scripts" / "run.py")) == str(roots / "a")
    assert find_install_root({}, str(roots / "run.py")) == str(roots / "b")


def test_a_script_may_be_called_by_a_relative_path(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(roots / "a" / "scripts")
    assert find_install_root({}, "run.py") == str(roots / "a")
    assert find_install_root({"HERMES_ROOT": "../../b/"}, "run.py") == str(roots / "b")


def test_a_folder_of_that_name_is_no_mark(roots: Path) -> None:
    (roots / "b" / "scripts" / "docker-compose.yml").mkdir()
    assert find_install_root({}, str(roots / "b" / "scripts" / "run.py")) == str(roots / "b")


def test_the_variable_wins_and_must_be_right(roots: Path) -> None:
    script = str(roots / "a" / "scripts" / "run.py")
    assert find_install_root({"HERMES_ROOT": str(roots / "b")}, script) == str(roots / "b")
    with pytest.raises(NoInstallRoot, match=r"HERMES_ROOT is .*, which holds no docker-compose\.yml"):
        find_install_root({"HERMES_ROOT": str(roots)}, script)


def test_nothing_found_names_where_the_search_began(roots: Path) -> None:
    with pytest.raises(NoInstallRoot) as error:
        find_install_root({}, str(roots / "run.py"))
    expected = f"no docker-compose.yml in {roots} or in any folder above it: set HERMES_ROOT to the folder of "
    assert str(error.value) == f"{expected}docker-compose.yml"
