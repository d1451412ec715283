"""The script as a process on a real Hermes: started, watched, ended; and what must hold afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hermes_backup_core import VerifiedBackup, verify_backup
from hermes_backup_core.domain.record import RunRecord
from tests.stack.failures.processes import children, is_zombie, state_of, wait_for
from tests.stack.miniature import Miniature

CHECKOUT = Path(__file__).resolve().parents[3]
SCRIPT = CHECKOUT / "scripts" / "system_backup.py"
# The whole script, with numbers of seconds in it changed first: a test cannot wait for minutes.
WITH_OTHER_SECONDS = """\
import importlib, sys
for given in sys.argv.pop(1).split():
    place, seconds = given.split("=")
    module, name = place.rsplit(".", 1)
    found = importlib.import_module(module)
    assert isinstance(getattr(found, name), (int, float)), place
    setattr(found, name, type(getattr(found, name))(seconds))
from hermes_backup_core.cli.backup import main
sys.exit(main(sys.argv[2:], called_as=sys.argv[1]))
"""
LONGEST = 180.0
SHORT_WHILE = 0.002
DUMPERS = {"hermes_db_server": "mariadb-dump", "hermes_ldap": "slapcat"}


@dataclass(frozen=True)
class Ended:
    """A run that is over. `error` is what stderr says, less the stamp; `log` the text of the log file."""

    code: int
    stdout: str
    stderr: str
    log: str
    log_path: Path | None

    @property
    def error(self) -> str:
        return "\n".join(
            line.removeprefix("ERROR: ") for line in self.stderr.splitlines() if line.startswith("ERROR: ")
        )

    @property
    def warnings(self) -> list[str]:
        return re.findall(r"^\[[^]]+\] WARN: (.*)$", self.stdout, re.MULTILINE)

    def warnings_about(self, text: str) -> list[str]:
        return [warning for warning in self.warnings if text in warning]


@dataclass(frozen=True)
class State:
    """What a failure must leave as it was."""

    running: frozenset[str]
    maintenance: bool


@dataclass
class Run:
    """The script under way, the leader of a process group of its own."""

    process: subprocess.Popen[bytes]
    output: Path
    state_folder: Path
    stdout: Path
    stderr: Path

    def said(self) -> str:
        return self.stdout.read_text(errors="replace")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a moment of the run; fails where the run ends before it comes."""
        end = time.monotonic() + LONGEST
        while not condition():
            if self.process.poll() is not None and not condition():
                raise AssertionError(f"the run ended before {what}: {self.said()}{self.stderr.read_text()}")
            assert time.monotonic() < end, f"there never was {what}: {self.said()}"
            time.sleep(SHORT_WHILE)

    def until_child(self, *words: str) -> int:
        """Wait for a child of the script whose command line holds all the words; returns its pid."""
        found: list[int] = []

        def there() -> bool:
            found[:] = [pid for pid, line in children(self.process.pid).items() if all(w in line for w in words)]
            return bool(found)

        self.until(there, f"a child {words}")
        return found[0]

    def until_packing(self, folder: Path) -> int:
        """Wait until a tier is packed and bytes of it have been written; returns tar's pid."""
        tar = self.until_child("--create", f"--directory={folder.resolve()}")
        before = self.partial_bytes()
        self.until(lambda: self.partial_bytes() > before, f"the first bytes of {folder}")
        return tar

    def until_dumping(self, database: str) -> int:
        """Wait until a database's dump has begun to arrive; returns the pid of its `docker exec`."""
        child = self.until_child("docker", "exec", "mariadb-dump", f"--databases {database}")
        before = self.partial_bytes()
        self.until(lambda: self.partial_bytes() > before, f"the first bytes of {database}")
        return child

    def partial_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.output.glob("*.partial"))

    def journal(self) -> RunRecord | None:
        return journal_in(self.state_folder)

    def freeze(self) -> None:
        """Hold the script where it is, so that a test can look before it strikes."""
        self.process.send_signal(signal.SIGSTOP)
        self.until_held()

    def until_held(self) -> None:
        """Wait until the script holds still."""
        self.until(lambda: state_of(self.process.pid) == "T", "a script that holds still")

    def go_on(self) -> None:
        """Let a script that holds still go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the script as a power cut would: nothing of it gets to run any more."""
        self.process.kill()
        self.process.wait()

    def ended(self) -> Ended:
        code = self.process.wait(LONGEST)
        said = self.said()
        named = re.findall(r"^\[[^]]+\] log: +(\S.*)$", said, re.MULTILINE)
        path = Path(named[-1]) if named else None
        log = path.read_text() if path and path.exists() else ""
        return Ended(code, said, self.stderr.read_text(), log, path)


@dataclass
class Host:
    """A Hermes to run the script on. `folder` is the test's own; the output folder lies in it."""

    hermes: Miniature
    folder: Path
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        for place in (self.output, self.temporary):
            place.mkdir()

    @property
    def output(self) -> Path:
        return self.folder / "backups"

    @property
    def state_folder(self) -> Path:
        return self.folder / "state"

    @property
    def temporary(self) -> Path:
        """What the script takes for the temporary folder."""
        return self.folder / "temporary"

    @property
    def environ(self) -> dict[str, str]:
        ours = {"HERMES_BACKUP_STATE": str(self.state_folder), "TMPDIR": str(self.temporary)}
        return self.hermes.environ | ours

    def begin(
        self,
        *argv: str,
        output: Path | None = None,
        environ: Mapping[str, str] | None = None,
        through: tuple[str, ...] = (),
        seconds: str = "",
    ) -> Run:
        """Start the script with `-P` and `--yes`; `through` is a program that it is started by.

        `seconds` changes waiting times in it first: `module.NAME=2`.
        """
        program = (str(SCRIPT),) if not seconds else ("-c", WITH_OTHER_SECONDS, seconds, str(SCRIPT))
        where = self.output if output is None else output
        words = [*through, sys.executable, *program, "-P", str(where), "--yes", *argv]
        return self.launch(words, output=where, environ=environ)

    def launch(self, words: Sequence[str], *, output: Path, environ: Mapping[str, str] | None = None) -> Run:
        """Start a script, which is no longer there when the test is over."""
        number = len(self.runs)
        stdout, stderr = self.folder / f"stdout-{number}", self.folder / f"stderr-{number}"
        path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self.environ | {"PYTHONPATH": path} | dict(environ or {}),
                start_new_session=True,
            )
        self.runs.append(Run(process, output, self.state_folder, stdout, stderr))
        return self.runs[-1]

    def backup(
        self,
        *argv: str,
        output: Path | None = None,
        environ: Mapping[str, str] | None = None,
        through: tuple[str, ...] = (),
        seconds: str = "",
    ) -> Ended:
        """Run the script to its end."""
        return self.begin(*argv, output=output, environ=environ, through=through, seconds=seconds).ended()

    def succeeds(self, *argv: str, output: Path | None = None, environ: Mapping[str, str] | None = None) -> Ended:
        """Run the script to its end, which must be a whole backup and nothing left."""
        ended = self.backup(*argv, output=output, environ=environ)
        assert ended.code == 0, ended.stdout + ended.stderr
        self.whole_backup(output)
        self.check_nothing_left(output)
        return ended

    def refused(
        self,
        *argv: str,
        output: Path | None = None,
        environ: Mapping[str, str] | None = None,
        through: tuple[str, ...] = (),
    ) -> Ended:
        """Run the script to its end, which must be exit code 1 before any work, with the host as before."""
        ended = self.fails(*argv, output=output, environ=environ, through=through)
        assert "== Backup ==" not in ended.stdout
        return ended

    def fails(
        self,
        *argv: str,
        output: Path | None = None,
        environ: Mapping[str, str] | None = None,
        through: tuple[str, ...] = (),
    ) -> Ended:
        """Run the script to its end, which must be exit code 1 with the host as before."""
        before = self.state()
        run = self.begin(*argv, output=output, environ=environ, through=through)
        return self.check_failed(run, before)

    def check_failed(self, run: Run, before: State, *, code: int = 1) -> Ended:
        """Wait for the end of a run that must fail, and check that nothing is left of it but its log."""
        ended = run.ended()
        assert ended.code == code, ended.stdout + ended.stderr
        assert ended.error
        assert all(line in ended.stdout for line in ended.error.splitlines())
        folders = [folder for folder in (run.output, self.temporary) if folder.is_dir()]
        logs = [path for folder in folders for path in folder.glob("*.log")]
        assert logs == ([ended.log_path] if ended.log_path else [])
        assert all(line in ended.log for line in ended.error.splitlines())
        assert not [path for folder in folders for path in folder.glob("*.tar")]
        self.check_nothing_left(run.output)
        assert self.state() == before
        return ended

    def state(self) -> State:
        config = (self.hermes.tiers["nextcloud"] / "app/config/config.php").read_text()
        return State(frozenset(self.running()), "'maintenance' => true" in config)

    def running(self) -> set[str]:
        """The containers that run, each asked by itself: the engine's list may lag behind a stop."""
        docker = self.hermes.engine.docker
        names = docker("ps", "--all", "--format", "{{.Names}}").decode().split()
        lines = docker("inspect", "--format", "{{.State.Running}} {{.Name}}", *names).decode().splitlines()
        return {line.removeprefix("true /") for line in lines if line.startswith("true ")}

    def check_nothing_left(self, output: Path | None = None) -> None:
        """No process, no journal, no held lock, no partial file, no spool."""
        wait_for(lambda: not self.orphans(), lambda: f"processes that survived: {self.orphans()}")
        wait_for(lambda: not self.dumping(), lambda: f"dumps that go on in containers: {self.dumping()}")
        assert journal_in(self.state_folder) is None
        for folder in self.state_folder.glob("*"):
            assert [file.name for file in folder.iterdir()] == ["lock"]
            assert (folder / "lock").read_bytes() == b""
        where = self.output if output is None else output
        left = [path for folder in (where, self.temporary) if folder.is_dir() for path in folder.iterdir()]
        assert not [path for path in left if path.suffix not in (".log", ".tar") and path.name != "lost+found"]

    def dumping(self) -> list[str]:
        """Dumps under way in the containers."""
        running = self.running()
        listed = [
            line
            for name in DUMPERS
            if name in running
            for line in self.hermes.engine.docker("top", name, "-eo", "pid,args").decode().splitlines()
        ]
        return [line for line in listed if any(f"{program} " in line for program in DUMPERS.values())]

    def server(self, container: str) -> int:
        """The pid, on this machine, of a container's first process. Inside, no signal could stop it."""
        return int(self.hermes.engine.docker("inspect", "--format", "{{.State.Pid}}", container))

    def whole_backup(self, output: Path | None = None) -> VerifiedBackup:
        """The newest tarball, each member of it checked against its manifest."""
        tarballs = sorted((self.output if output is None else output).glob("*.tar"), key=lambda f: f.stat().st_mtime)
        return verify_backup(str(tarballs[-1]))

    def fresh_output(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir()
        return place

    def close(self) -> None:
        """End what a test that broke off left running."""
        for run in self.runs:
            if run.process.poll() is None:
                run.kill()
        for pid in self.orphans():
            os.kill(pid, signal.SIGKILL)

    def orphans(self) -> dict[int, str]:
        """Processes that a script which is over has left to us, as `adopting` sees to."""
        ours = {run.process.pid for run in self.runs}
        found = {pid: line for pid, line in children(os.getpid()).items() if pid not in ours}
        for pid in filter(is_zombie, found):
            os.waitpid(pid, os.WNOHANG)
        return {pid: line for pid, line in found.items() if line}


def journal_in(state_folder: Path) -> RunRecord | None:
    """The journal of the one install root that has a state there."""
    for file in state_folder.glob("*/journal.json"):
        try:
            return RunRecord.parse(file.read_bytes())
        except FileNotFoundError:  # cleared just now
            return None
    return None
