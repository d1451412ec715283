"""The one door to other programs: an argument tuple, never a shell; exit codes checked, stderr kept."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock, Thread, current_thread, main_thread
from typing import IO, Any

from attrs import define, evolve, field
from plumbum import CommandNotFound, local

from hermes_backup_core.domain.errors import CommandFailed

_STDERR_KEPT = 64 << 10
_CHUNK_BYTES = 1 << 20
NOT_FOUND = 127
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# plumbum keeps the environment for what it starts in one place for all threads.
_STARTING = Lock()


@define
class Door:
    """Starts programs with the environment ``environ``, in ``folder`` where that is given.

    Each gets a session of its own, so that Ctrl-C at the terminal reaches this process alone, which then
    ends what it started.
    """

    environ: Mapping[str, str]
    folder: str | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        fine: Sequence[int] = (0,),
        to_its_end: bool = False,
    ) -> bytes:
        """Run ``argv`` and return its stdout; raises `CommandFailed`. ``timeout`` is in seconds.

        An error meanwhile, a signal say, ends the program, or with ``to_its_end`` is raised when it has ended.
        """
        patience = timeout if to_its_end else 0.0
        with self.started(argv, patience, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout=timeout)
            except subprocess.TimeoutExpired as err:
                process.kill()
                raise CommandFailed(tuple(argv), -9, f"no answer after {timeout:.0f} s") from err
        _check(argv, process.returncode, stderr, fine)
        return bytes(stdout)

    def stream(self, argv: Sequence[str], sink: Callable[[bytes], object], *, fine: Sequence[int] = (0,)) -> None:
        """Run ``argv`` to its end and hand its stdout to ``sink`` as it comes; raises `CommandFailed`."""
        with self.started(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            tail = Tail(process.stderr)
            while chunk := process.stdout.read1(_CHUNK_BYTES):
                sink(chunk)
            process.wait()
        _check(argv, process.returncode, tail.text(), fine)

    def feed(self, argv: Sequence[str], chunks: Iterable[bytes]) -> bytes:
        """Run ``argv`` with ``chunks`` as its stdin and return its stdout; raises `CommandFailed`.

        So does one that ends well before it has read all. An exception of ``chunks`` ends it and passes through.
        """
        with self.started(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            answer, tail = Answer(process.stdout), Tail(process.stderr)
            read_all = _write(process.stdin, chunks)
            process.wait()
        _check(argv, process.returncode, tail.text(), (0,))
        if not read_all:
            raise CommandFailed(tuple(argv), 0, _text(tail.text()) or "it did not read all that it was given")
        return answer.whole()

    def knowing(self, environ: Mapping[str, str]) -> Door:
        """Return a door whose programs have ``environ`` as well."""
        return evolve(self, environ={**self.environ, **environ})

    @contextlib.contextmanager
    def started(self, argv: Sequence[str], patience: float | None = 0.0, **pipes: Any) -> Iterator[Any]:
        """Start ``argv``, its stdout a pipe, and reap it.

        When the body ends before it does, it is killed after ``patience`` seconds, or never where that is None.
        """
        with contextlib.ExitStack() as stack:
            with _signals_held(), _STARTING, _only(self.environ):
                try:
                    process = local[argv[0]].popen(argv[1:], cwd=self.folder, start_new_session=True, **pipes)
                except CommandNotFound as err:
                    raise CommandFailed(tuple(argv), NOT_FOUND, f"there is no program {argv[0]}; install it") from err
                except OSError as err:
                    raise CommandFailed(tuple(argv), NOT_FOUND, f"it cannot be started: {err}") from err
                stack.callback(_reap, process, patience)
            yield process


@define
class Tail:
    """Keeps the end of what a program writes to a pipe, read as it comes so that it never waits for us."""

    pipe: IO[bytes]
    _kept: bytes = field(default=b"", init=False)
    _thread: Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed under our hands while unwinding
            for line in self.pipe:
                self._kept = (self._kept + line)[-_STDERR_KEPT:]

    def text(self) -> bytes:
        """Return it, once the program has ended."""
        self._thread.join()
        return self._kept


@define
class Answer:
    """Keeps all that a program writes to a pipe, read as it comes so that it never waits for us."""

    pipe: IO[bytes]
    _kept: bytes = field(default=b"", init=False)
    _thread: Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed under our hands while unwinding
            self._kept = self.pipe.read()

    def whole(self) -> bytes:
        """Return it, once the program has ended."""
        self._thread.join()
        return self._kept


@contextlib.contextmanager
def _only(environ: Mapping[str, str]) -> Iterator[None]:
    """Let plumbum pass on ``environ``, and of this process's own environment, which it would add, just the PATH."""
    with local.env():
        path = {"PATH": local.env.get("PATH", "")}
        local.env.clear()
        local.env.update({**path, **environ})
        yield


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Put the handlers of ending signals off until the body is through.

    One that raises while a program is being started would leave it running with nobody to end it.
    """
    held: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _ENDING if current_thread() is main_thread()}
    raising = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in raising:
        signal.signal(number, lambda caught, _: held.append(caught))
    try:
        yield
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
        for caught in held:
            signal.raise_signal(caught)


def _reap(process: Any, patience: float | None) -> None:
    if patience != 0.0 and process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=patience)
    if process.poll() is None:
        process.kill()
    _close(process)
    process.wait()


def _write(pipe: IO[bytes], chunks: Iterable[bytes]) -> bool:
    """Write ``chunks`` to ``pipe`` and close it; return whether somebody was there to read to the end."""
    for chunk in chunks:
        try:
            pipe.write(chunk)
            pipe.flush()
        except BrokenPipeError:
            return False
    pipe.close()
    return True


def _check(argv: Sequence[str], exit_code: int, stderr: bytes, fine: Sequence[int]) -> None:
    if exit_code not in fine:
        raise CommandFailed(tuple(argv), exit_code, _text(stderr))


def _text(stderr: bytes) -> str:
    return stderr.decode("utf-8", "backslashreplace")


def _close(process: Any) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
