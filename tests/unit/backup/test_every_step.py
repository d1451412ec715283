"""Whatever step of a run fails, or is where a signal or SIGKILL comes: the host is afterwards as it was before."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from hermes_backup_core.domain.errors import CommandFailed, Ended, HermesBackupError
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.record import RunRecord
from hermes_backup_core.domain.scope import Mode, Scope
from hermes_backup_core.domain.snapshots import SnapshotPolicy
from tests.unit.fakes.host import OUTPUT, Hook, MemoryHost, one_disk_host, plain_host
from tests.unit.fakes.snapshots import subvolume
from tests.unit.fakes.state import State
from tests.unit.fakes.wiring import RECORD, back_up, job_of, request_of

HOT = request_of(Scope.ALL, Mode.HOT)
COLD = request_of(Scope.ALL, Mode.COLD)
HOT_SEEN = request_of(Scope.ALL, Mode.HOT, snapshot=SnapshotPolicy.WISHED)
COLD_SEEN = request_of(Scope.ALL, Mode.COLD, snapshot=SnapshotPolicy.WISHED)
BOTH = pytest.mark.parametrize(
    "request_", [HOT, COLD, HOT_SEEN, COLD_SEEN], ids=["hot", "cold", "hot from snapshots", "cold from snapshots"]
)


def slow_host() -> MemoryHost:
    """A host whose database was stopped before, as one other container was, and whose programs take a while."""
    host = plain_host()
    host.boxes["hermes_dovecot"].state = "exited"
    host.boxes["hermes_postfix_dkim"].state = "paused"
    host.database.boots_for = 5
    host.occ_boots_for = 5
    for tier in ("data", "vmail", "files"):
        host.grounds[f"/mnt/{tier}"] = subvolume(f"/mnt/{tier}")
    return host


def calls_of(request: BackupRequest) -> list[tuple[int, str]]:
    """The calls of a run by number; of those that are equal and in a row, the first and the last."""
    host = slow_host()
    back_up(host, request)
    calls = host.calls
    around = zip(["", *calls], calls, [*calls[1:], ""], strict=False)
    return [(number, call) for number, (last, call, following) in enumerate(around) if {last, following} != {call}]


def error_of(call: str) -> BaseException:
    """What a port's call raises where it cannot do what it was asked for."""
    if call.startswith("file."):
        return OSError(errno.ENOSPC, "No space left on device")
    if call.startswith(("files.", "journal.")):
        return OSError(errno.EIO, "Input/output error")
    return CommandFailed((call,), 1, "injected")


def failing_at(number: int, moment: str) -> Hook:
    """The port `Files` publishes a file or raises, so that alone never fails when it is through."""

    def hook(now: str, count: int, call: str) -> None:
        may_fail = call != "clock.sleep" and (now, call) != ("after", "files.publish")
        if count == number and now == moment and may_fail:
            raise error_of(call)

    return hook


def ending_at(host: MemoryHost, number: int, moment: str) -> Hook:
    def hook(now: str, count: int, call: str) -> None:
        if count == number and now == moment and not host.shielded:
            raise Ended("SIGTERM", 15)

    return hook


def put_right_if_told_to(host: MemoryHost) -> None:
    """The next run's first act, where the journal says that there is something to do."""
    host.hook = None
    job = job_of(host)
    if leftovers := job.leftovers():
        job.put_right(leftovers)


def outcome(host: MemoryHost, request: BackupRequest) -> BaseException | None:
    try:
        back_up(host, request)
    except (HermesBackupError, OSError, Ended) as err:
        return err
    return None


def backups_in(host: MemoryHost) -> set[str]:
    return {path for path in host.files if path.startswith(OUTPUT)}


@BOTH
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_step_that_fails_leaves_no_file_and_the_host_as_it_was(request_: BackupRequest, moment: str) -> None:
    """Or it does not matter: then there is a whole backup. What clean-up could not do, the journal tells."""
    wrong = {}
    for number, call in calls_of(request_):
        host = slow_host()
        before, host.hook = host.state(), failing_at(number, moment)
        error = outcome(host, request_)
        if host.journal is not None and not host.shielded:
            wrong[number, call] = "the journal was left, although the clean-up had not begun"
        put_right_if_told_to(host)
        done = {} if error else dict.fromkeys(backups_in(host), b"")
        kept = {path: content for path, content in host.files.items() if path not in done}
        if (host.running(), host.maintenance, kept, host.journal) != (
            before.running,
            before.maintenance,
            before.files,
            None,
        ):
            wrong[number, call] = f"{error!r} left {sorted(set(host.files) - set(before.files))}, {host.said[-3:]}"
        if not error and len(done) != 1:
            wrong[number, call] = f"no error, and the backups {sorted(done)}"
    assert wrong == {}


@BOTH
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_signal_at_any_step_ends_the_run_with_the_host_as_it_was(request_: BackupRequest, moment: str) -> None:
    wrong = {}
    ended = 0
    for number, call in calls_of(request_):
        host = slow_host()
        before, host.hook = host.state(), ending_at(host, number, moment)
        error = outcome(host, request_)
        ended += isinstance(error, Ended)
        if isinstance(error, Ended) and not (host.state().same_for_users(before) and host.journal is None):
            wrong[number, call] = f"{host.running() ^ before.running}, {backups_in(host)}, journal {host.journal!r}"
        if error is not None and not isinstance(error, Ended):
            wrong[number, call] = f"the signal was lost to {error!r}"
    assert wrong == {}
    assert ended > 50


@BOTH
def test_the_first_cause_is_not_lost_to_an_error_in_the_clean_up(request_: BackupRequest) -> None:
    wrong = {}
    broken = slow_host()
    broken.pack_trouble = "tar: killed"
    assert isinstance(outcome(broken, request_), CommandFailed)
    begin = broken.calls.index("tiers.pack")
    for number in range(begin + 1, len(broken.calls)):
        host = slow_host()
        host.pack_trouble = "tar: killed"
        host.hook = failing_at(number, "before")
        error = outcome(host, request_)
        if not broken.calls[number].startswith("file.") and "tar: killed" not in str(error):
            wrong[number, broken.calls[number]] = repr(error)
    assert wrong == {}


def killed_states(host: MemoryHost, request: BackupRequest) -> list[tuple[str, State]]:
    """Run a backup and return what SIGKILL would have left at both ends of each call of a port."""
    states: list[tuple[str, State]] = []
    host.hook = lambda moment, number, call: states.append((f"{moment} {number} {call}", host.state()))
    back_up(host, request)
    host.hook = None
    return states


@BOTH
@pytest.mark.parametrize("make", [slow_host, one_disk_host, plain_host], ids=["partly stopped", "one disk", "plain"])
def test_what_a_killed_run_left_is_put_right_by_the_next_one(
    request_: BackupRequest, make: Callable[[], MemoryHost]
) -> None:
    host = make()
    before = host.state()
    wrong = {}
    for where, state in killed_states(host, request_):
        host.restore(state)
        put_right_if_told_to(host)
        finished = {path for path in backups_in(host) if path.endswith(".tar")}
        for path in finished:
            del host.files[path]
        if not host.state().same_for_users(before) or host.journal is not None:
            wrong[where] = (sorted(host.running() ^ before.running), host.maintenance, sorted(backups_in(host)))
    assert wrong == {}


def test_a_kill_of_the_run_that_puts_right_is_put_right_as_well() -> None:
    host = plain_host()
    before = host.state()
    states = dict(killed_states(host, COLD))
    host.restore(next(state for where, state in states.items() if where.startswith("after") and "stack.stop" in where))
    second: list[State] = []
    host.hook = lambda moment, number, call: second.append(host.state())
    put_right = job_of(host)
    put_right.put_right(put_right.leftovers() or RECORD)
    assert len(second) > 5
    for state in second:
        host.restore(state)
        put_right_if_told_to(host)
        assert host.state().same_for_users(before)
        assert host.journal is None


def test_the_journal_names_the_run_before_anything_of_the_host_is_changed() -> None:
    for request in (HOT, COLD):
        host = plain_host()
        before = host.state()
        for where, state in killed_states(host, request):
            if not state.same_for_users(before) and not any(path.endswith(".tar") for path in state.files):
                assert state.journal is not None, where
                assert RunRecord.parse(state.journal).pid == RECORD.pid
