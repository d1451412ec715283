"""`scripts/install.sh`: launchers into an install root, and everything as it was after --uninstall.

The checkout is a copy with the real scripts and a stand-in for the library that says how it was called.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
ODD = """an "odd" $HOME's `path` [1]"""
OLD_SCRIPT = b"#!/bin/sh\necho the shell script\n"
# What cron gives a job, but for the log name.
CRON = {"PATH": "/usr/bin:/bin", "HOME": "/root", "SHELL": "/bin/sh", "LANG": "C"}
STAND_IN = """\
import json, os, sys

def main(argv, *, called_as):
    said = {"argv": argv, "called_as": called_as, "handed_on": os.environ.get("HERMES_BACKUP_CALLED_AS")}
    print(json.dumps({**said, "prefix": sys.prefix}))
    return 7
"""


class Host:
    """A Hermes install root with the shell script of today, and a checkout beside it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root" / ODD
        self.checkout = base / "checkout" / ODD
        self.old = self.root / "scripts" / "system_backup.sh"
        self.old.parent.mkdir(parents=True)
        (self.root / "docker-compose.yml").touch()
        self.old.write_bytes(OLD_SCRIPT)
        self.old.chmod(0o750)
        os.chown(self.old, 12345, 54321)
        os.utime(self.old, ns=(1_000_000_000_123_456_789, 1_000_000_000_123_456_789))
        shutil.copytree(SCRIPTS, self.checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        package = self.checkout / "hermes_backup_core" / "cli"
        package.mkdir(parents=True)
        for file in (package.parent / "__init__.py", package / "__init__.py"):
            file.touch()
        for module in ("backup.py", "restore.py"):
            (package / module).write_text(STAND_IN)
        (self.checkout / "requirements.lock").write_text("# nothing\n")
        self.prepare_environment()

    def prepare_environment(self) -> None:
        """An environment that `install.sh` takes for whole: it has the packages of the one that runs this."""
        place = self.checkout / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        paths = sysconfig.get_paths(vars={"base": str(place), "platbase": str(place)})
        Path(paths["purelib"], "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        lock = hashlib.sha256((self.checkout / "requirements.lock").read_bytes()).hexdigest()
        mark = f"{sys.version_info[0]} {sys.version_info[1]} {place} {lock}  -\n"
        (place / ".made-from").write_text(mark)

    def install(self, *argv: str | Path, fine: int = 0) -> str:
        command = [self.checkout / "scripts" / "install.sh", "--root", self.root, *argv]
        done = subprocess.run(command, env=CRON, capture_output=True, text=True, check=False)
        assert done.returncode == fine, done.stdout + done.stderr
        return done.stdout + done.stderr

    def launcher(self, ending: str, command: str = "system_backup") -> Path:
        return self.root / "scripts" / f"{command}.{ending}"

    def seen(self) -> dict[str, object]:
        """All that there is to see of the install root's files."""
        return {str(path.relative_to(self.root)): facts(path) for path in sorted(self.root.rglob("*"))}


def facts(path: Path) -> tuple[object, ...]:
    stat = path.lstat()
    if path.is_dir() and not path.is_symlink():
        return (stat.st_mode, stat.st_uid, stat.st_gid)
    content = os.readlink(path) if path.is_symlink() else path.read_bytes()
    return (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_mtime_ns, content)


def called(*argv: str | Path, cwd: Path | None = None, environ: Mapping[str, str] = CRON) -> dict[str, object]:
    """What the stand-in says of how it was called; its exit code must come through as well."""
    done = subprocess.run(argv, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stdout + done.stderr
    said: dict[str, object] = json.loads(done.stdout)
    return said


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("ending", ["sh", "py"])
@pytest.mark.parametrize("by", [[], ["/bin/sh"], ["/bin/bash"]], ids=["itself", "sh", "bash"])
def test_a_cron_line_works_unchanged(host: Host, ending: str, by: list[str]) -> None:
    host.install()
    launcher = host.launcher(ending)
    said = called(*by, launcher, "-P", "/mnt/a b", "*", "")
    assert said["argv"] == ["-P", "/mnt/a b", "*", ""]
    assert said["called_as"] == str(launcher)
    assert said["prefix"] == str(host.checkout / ".venv")


def test_the_name_by_which_it_was_called_is_not_handed_on(host: Host) -> None:
    host.install()
    assert called(host.launcher("sh"))["handed_on"] is None


@pytest.mark.parametrize("ending", ["sh", "py"])
def test_it_works_through_a_link_and_from_another_folder(host: Host, tmp_path: Path, ending: str) -> None:
    host.install()
    link = tmp_path / "link"
    link.symlink_to(host.launcher(ending))
    assert called("./link", cwd=tmp_path)["called_as"] == "./link"


def test_the_python_launcher_runs_under_any_python(host: Host, tmp_path: Path) -> None:
    host.install()
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    said = called(bare / "bin" / "python", host.launcher("py"), "--dry-run")
    assert said["argv"] == ["--dry-run"]
    assert said["called_as"] == str(host.launcher("py"))
    assert said["prefix"] == str(host.checkout / ".venv")


@pytest.mark.parametrize("ending", ["sh", "py"])
def test_the_launchers_need_no_python_on_the_path(host: Host, tmp_path: Path, ending: str) -> None:
    host.install()
    for tool in ("dirname", "readlink"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    said = called(host.launcher(ending), environ={"PATH": str(tmp_path)})
    assert said["prefix"] == str(host.checkout / ".venv")


def test_launchers_are_executable_by_all_and_written_by_the_owner_only(host: Host) -> None:
    host.install()
    assert [host.launcher(ending).stat().st_mode & 0o7777 for ending in ("sh", "py")] == [0o755, 0o755]


def test_the_original_is_kept_with_owner_mode_and_time(host: Host) -> None:
    before = facts(host.old)
    host.install()
    assert facts(host.old.with_name("system_backup.sh.orig")) == before


def test_uninstall_puts_back_exactly_what_was_there(host: Host) -> None:
    before = host.seen()
    host.install()
    assert host.seen() != before
    host.install("--uninstall")
    assert host.seen() == before


def test_a_link_that_stood_there_comes_back_as_a_link(host: Host) -> None:
    host.old.unlink()
    host.old.symlink_to("elsewhere/does not exist")
    before = host.seen()
    host.install()
    assert called(host.launcher("sh"))["argv"] == []
    host.install("--uninstall")
    assert host.seen() == before


def test_a_root_without_a_scripts_folder_has_none_afterwards(host: Host) -> None:
    shutil.rmtree(host.old.parent)
    before = host.seen()
    host.install()
    host.install()
    host.install("--uninstall")
    assert host.seen() == before


def test_a_second_installation_changes_nothing_but_the_launchers_age(host: Host) -> None:
    before = host.seen()
    host.install()
    first = {name: (*seen[:3], *seen[4:]) for name, seen in host.seen().items() if isinstance(seen, tuple)}
    host.install()
    second = {name: (*seen[:3], *seen[4:]) for name, seen in host.seen().items() if isinstance(seen, tuple)}
    assert second == first
    host.install("--uninstall")
    assert host.seen() == before


def test_another_checkout_takes_over_and_still_knows_the_original(host: Host, tmp_path: Path) -> None:
    before = host.seen()
    host.install()
    moved = tmp_path / "moved"
    host.checkout.rename(moved)
    host.checkout = moved
    shutil.rmtree(moved / ".venv")
    host.prepare_environment()
    host.install()
    assert called(host.launcher("sh"))["prefix"] == str(moved / ".venv")
    host.install("--uninstall")
    assert host.seen() == before


def test_an_update_that_brought_the_shell_script_back_loses_neither_version(host: Host) -> None:
    host.install()
    host.launcher("sh").unlink()
    host.old.write_bytes(b"#!/bin/sh\necho newer\n")
    before = host.seen()["scripts/system_backup.sh"]
    host.install()
    assert host.old.with_name("system_backup.sh.orig").read_bytes() == OLD_SCRIPT
    host.install("--uninstall")
    assert host.seen()["scripts/system_backup.sh"] == before
    assert host.old.with_name("system_backup.sh.orig").read_bytes() == OLD_SCRIPT


def test_uninstall_leaves_what_is_not_ours(host: Host) -> None:
    host.install()
    host.launcher("py").write_text("print('somebody else wrote this')\n")
    said = host.install("--uninstall")
    assert "not ours" in said
    assert host.launcher("py").read_text() == "print('somebody else wrote this')\n"
    assert host.old.read_bytes() == OLD_SCRIPT


def test_uninstall_touches_nothing_where_an_original_is_gone(host: Host) -> None:
    host.install()
    host.old.with_name("system_backup.sh.orig").unlink()
    before = host.seen()
    said = host.install("--uninstall", fine=1)
    assert "system_backup.sh.orig" in said
    assert "bring it back" in said
    assert host.seen() == before


def test_the_restore_is_installed_and_uninstalled_like_the_backup(host: Host) -> None:
    host.launcher("sh", "system_restore").write_bytes(OLD_SCRIPT)
    before = host.seen()
    said = host.install()
    for ending in ("sh", "py"):
        launcher = host.launcher(ending, "system_restore")
        assert f"{launcher} (before: " in said
        answer = called(launcher, "-F", "/mnt/a b.tar", "--yes")
        assert (answer["argv"], answer["called_as"]) == (["-F", "/mnt/a b.tar", "--yes"], str(launcher))
        assert answer["prefix"] == str(host.checkout / ".venv")
    assert host.launcher("sh.orig", "system_restore").read_bytes() == OLD_SCRIPT
    host.install("--uninstall")
    assert host.seen() == before


def test_a_folder_without_a_compose_file_is_refused(host: Host) -> None:
    (host.root / "docker-compose.yml").unlink()
    before = host.seen()
    assert "holds no docker-compose.yml" in host.install(fine=1)
    assert host.seen() == before


def test_a_checkout_below_the_install_root_is_refused(host: Host) -> None:
    inside = host.root / "backup"
    shutil.move(host.checkout, inside)
    host.checkout = inside
    before = host.seen()
    assert "lies below the install root" in host.install(fine=1)
    assert host.seen() == before


@pytest.mark.parametrize("name", ["back\\slash", "line\nbreak", os.fsdecode(b"no utf-8 \xff")])
def test_a_path_that_the_launchers_cannot_carry_is_refused(host: Host, tmp_path: Path, name: str) -> None:
    shutil.move(host.checkout, tmp_path / name)
    host.checkout = tmp_path / name
    before = host.seen()
    command: list[str | Path] = [host.checkout / "scripts" / "install.sh", "--root", host.root]
    done = subprocess.run(command, env=CRON, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"move it elsewhere" in done.stderr
    assert host.seen() == before


def test_a_folder_in_a_launchers_place_is_refused(host: Host) -> None:
    host.launcher("py").mkdir()
    before = host.seen()
    assert "is a folder" in host.install(fine=1)
    assert host.seen() == before


@pytest.mark.parametrize("argv", [["--rot", "/"], ["--root"], ["--wheels="], ["--wheels", "/no/such"], ["x"]])
def test_a_usage_error_shows_the_usage_and_ends_with_1(argv: list[str]) -> None:
    done = subprocess.run([SCRIPTS / "install.sh", *argv], env=CRON, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: ")
    assert "Usage: " in done.stderr


def test_help_is_no_error() -> None:
    done = subprocess.run([SCRIPTS / "install.sh", "--help"], env=CRON, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--uninstall" in done.stdout


def test_a_launcher_says_so_when_its_checkout_is_gone(host: Host) -> None:
    host.install()
    shutil.rmtree(host.checkout)
    for argv in (["sh", "sh"], ["sh", "py"], [sys.executable, "py"]):
        program: list[str | Path] = [argv[0], host.launcher(argv[1])]
        done = subprocess.run(program, env=CRON, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "it is gone: put it back" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("by", [[], ["/bin/sh"], ["/bin/bash"]], ids=["itself", "sh", "bash"])
def test_the_checkouts_own_script_works_uninstalled(host: Host, tmp_path: Path, by: list[str]) -> None:
    link = tmp_path / "link"
    link.symlink_to(host.checkout / "scripts" / "system_backup.sh")
    said = called(*by, link, "-n")
    assert said["argv"] == ["-n"]
    assert said["called_as"] == str(link)


def test_a_python_without_the_packages_goes_over_to_the_checkouts_own(host: Host, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    script = host.checkout / "scripts" / "system_backup.py"
    assert called(bare / "bin" / "python", script)["prefix"] == str(host.checkout / ".venv")


def test_with_no_packages_at_all_one_sentence_says_what_to_do(host: Host, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    shutil.rmtree(host.checkout / ".venv")
    script = host.checkout / "scripts" / "system_backup.py"
    done = subprocess.run([bare / "bin" / "python", script], env=CRON, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "scripts/install.sh" in done.stderr
    assert done.stderr.count("\n") == 1
