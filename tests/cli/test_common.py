"""The shell functions of `scripts/common.sh`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMON = Path(__file__).parents[2] / "scripts" / "common.sh"
# Empty, so that pip finds nothing to fetch.
EMPTY_LOCK = "# no packages\n"
UNSATISFIABLE_LOCK = "no-such-package==1 --hash=sha256:" + 64 * "0" + "\n"


def shell(script: str, *argv: str | Path, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    """Run a piece of bash with the functions at hand; what is called `python3` first is the one that runs this."""
    command = ["/bin/bash", "-c", f". '{COMMON}'; {script}", "script", *argv]
    places = f"{Path(sys.executable).resolve().parent}:{path}"
    return subprocess.run(command, env={"PATH": places}, capture_output=True, text=True, check=False)


class Environment:
    """A place for a virtual environment, and the lock that it is made from."""

    def __init__(self, base: Path) -> None:
        self.place = base / "a place" / ".venv"
        self.lock = base / "requirements.lock"
        self.place.parent.mkdir()
        self.lock.write_text(EMPTY_LOCK)

    def make(self) -> subprocess.CompletedProcess[str]:
        return shell('make_venv "$@"', self.place, self.lock, "--no-index")

    def works(self) -> bool:
        return subprocess.run([self.place / "bin" / "python", "-c", "import pip"], check=False).returncode == 0

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.place.parent.iterdir() if path.name != ".venv.lock")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def test_an_environment_is_made_once_and_anew_when_the_lock_changes(environment: Environment) -> None:
    first = environment.make()
    assert "Making .venv" in first.stdout, first.stderr
    assert environment.works()
    made = environment.place.resolve()

    again = environment.make()
    assert (again.returncode, again.stdout) == (0, "")
    assert environment.place.resolve() == made

    environment.lock.write_text(EMPTY_LOCK + "# changed\n")
    assert environment.make().returncode == 0
    assert environment.works()
    assert environment.place.resolve() != made
    assert environment.folders() == [".venv", environment.place.resolve().name], "the old one is left over"


def test_a_failed_installation_leaves_the_one_in_use(environment: Environment) -> None:
    environment.make()
    made = environment.place.resolve()
    environment.lock.write_text(UNSATISFIABLE_LOCK)
    failed = environment.make()
    assert failed.returncode == 1
    assert "ERROR: the packages of requirements.lock could not be installed" in failed.stderr
    assert environment.place.resolve() == made
    assert environment.works()


def test_a_broken_or_half_made_environment_is_made_anew(environment: Environment) -> None:
    environment.place.mkdir()
    (environment.place / "half").touch()
    assert environment.make().returncode == 0
    assert environment.works()
    (environment.place / "bin" / "python").unlink()
    assert environment.make().returncode == 0
    assert environment.works()


def test_a_python_that_does_not_serve_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    places = f"{tmp_path}:{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    command = ["/bin/bash", "-c", f". '{COMMON}'; find_python"]
    found = subprocess.run(command, env={"PATH": places}, capture_output=True, text=True, check=True)
    assert found.stdout.strip() != str(broken)
    version = subprocess.run([found.stdout.strip(), "-c", "import sys, ensurepip; print(*sys.version_info[:2])"],
                             capture_output=True, text=True, check=True)  # fmt: skip
    assert (3, 10) <= tuple(map(int, version.stdout.split())) < (3, 14)


def test_packages_that_are_there_cost_neither_apt_nor_a_word(tmp_path: Path) -> None:
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho called; exit 1\n")
    (tmp_path / "apt-get").chmod(0o755)
    done = shell(f"PATH='{tmp_path}':$PATH; need_packages tar bash")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("lists", ["at hand", "to be fetched"])
def test_what_is_missing_is_installed_and_said(tmp_path: Path, lists: str) -> None:
    """The package lists are fetched only where the ones at hand do not serve."""
    log = tmp_path / "log"
    works = "true" if lists == "at hand" else f"grep -q '^update' '{log}'"
    (tmp_path / "apt-get").write_text(f'#!/bin/sh\necho "$@" >>\'{log}\'\n[ "$1" = update ] || {works}\n')
    (tmp_path / "apt-get").chmod(0o755)
    done = shell(f"PATH='{tmp_path}':$PATH; need_packages tar no-such-package-1 no-such-package-2")
    assert done.returncode == 0, done.stderr
    assert "Installing Debian packages: no-such-package-1 no-such-package-2" in done.stdout
    calls = log.read_text().splitlines()
    assert [call.split()[0] for call in calls] == (
        ["install"] if lists == "at hand" else ["install", "update", "install"]
    )
    assert calls[-1].endswith(" no-such-package-1 no-such-package-2")


def test_what_cannot_be_installed_is_named(tmp_path: Path) -> None:
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho 'E: no such thing' >&2\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    done = shell(f"PATH='{tmp_path}':$PATH; need_packages no-such-package; echo not reached")
    assert done.returncode == 1
    assert "ERROR: apt-get could not install no-such-package" in done.stderr
    assert "E: no such thing" in done.stderr
    assert "not reached" not in done.stdout


def test_ci_runs_exactly_the_test_script(tmp_path: Path) -> None:
    """A copy of `.ci/run`, called from elsewhere and without stdin, starts the `test.sh` of its own checkout."""
    checkout = tmp_path / "check out"
    for folder in (".ci", "scripts"):
        (checkout / folder).mkdir(parents=True)
    shutil.copy(COMMON.parents[1] / ".ci" / "run", checkout / ".ci" / "run")
    (checkout / "scripts" / "test.sh").write_text('#!/bin/sh\necho "$0 $#"\nexit 3\n')
    (checkout / "scripts" / "test.sh").chmod(0o755)
    argv: list[str | Path] = ["/bin/bash", checkout / ".ci" / "run"]
    done = subprocess.run(argv, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, f"{checkout}/.ci/../scripts/test.sh 0\n")
