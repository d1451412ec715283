from __future__ import annotations

import errno
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.adapters.gnu_tar import GnuTar, TierUnreadable
from hermes_backup_core.domain.selection import PackReport, TierSelection
from tests.unit.adapters.tree import extract, make_everything, snapshot

TAG = "hermes-backup-all-v1-20260101T000000Z.tar.partial"
LARGE = 8 << 20  # more than the pipe holds: when the first bytes arrive, tar is still reading the file


@pytest.fixture
def tier(tmp_path: Path) -> Path:
    folder = tmp_path / "tier [1] 'x'"
    folder.mkdir(mode=0o750)
    return folder


@pytest.fixture(autouse=True)
def nothing_survives() -> Iterator[None]:
    """Whatever happens, no process and no thread is left."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def pack(
    selection: TierSelection | Path,
    archive: Path,
    *,
    meanwhile: Callable[[int], object] = lambda call: None,
    tar: GnuTar | None = None,
) -> PackReport:
    """Pack into a file; `meanwhile` is called before each piece is written, with its number."""
    if isinstance(selection, Path):
        selection = TierSelection(str(selection))
    with archive.open("wb") as file:
        pieces = iter(range(1 << 30))

        def write(data: bytes) -> None:
            meanwhile(next(pieces))
            file.write(data)

        return (tar or GnuTar()).pack(selection, write, tag=TAG)


def listed(archive: Path) -> list[str]:
    options = ["tar", "--quoting-style=literal", "-tf", str(archive)]
    done = subprocess.run(options, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


def test_everything_comes_back_as_it_was(tier: Path, tmp_path: Path) -> None:
    make_everything(tier)
    os.chown(tier, 4711, 4712)
    os.utime(tier, ns=(1, 1_500_000_000_000_000_001))
    report = pack(tier, tmp_path / "a.tar")
    extract(tmp_path / "a.tar", tmp_path / "out")

    assert snapshot(tmp_path / "out") == snapshot(tier)
    assert report.sockets == (b"sock\net",)
    assert report.entries == len(snapshot(tier))
    assert (report.torn, report.vanished, report.packed_again, report.missing, report.remarks) == ((),) * 5
    assert (tmp_path / "a.tar").stat().st_size < 1 << 20
    assert (tmp_path / "out" / "sparse").stat().st_blocks < 1000
    assert (tmp_path / "a.tar").stat().st_size % 10_240 == 0


def test_reading_does_not_show_in_the_archive(tier: Path, tmp_path: Path) -> None:
    (tier / "a").write_bytes(b"x")
    pack(tier, tmp_path / "1.tar")
    os.utime(tier / "a", ns=(5, (tier / "a").stat().st_mtime_ns))
    pack(tier, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def fixed_order(tier: Path, *folders: str) -> None:
    """Make ``folders`` each with a large file, so that a test can act between one and the next."""
    for folder in folders:
        (tier / folder).mkdir()
        (tier / folder / "large").write_bytes(os.urandom(LARGE))


def order_read(archive: Path) -> list[str]:
    """The folders in the order in which tar came to them."""
    return [name.split("/")[1] for name in listed(archive) if name.endswith("/large")]


def test_a_mail_that_is_moved_to_a_folder_that_was_read_already_is_not_lost(tier: Path, tmp_path: Path) -> None:
    fixed_order(tier, "a", "b", "c")
    pack(tier, tmp_path / "rehearsal.tar")
    first, _, last = order_read(tmp_path / "rehearsal.tar")
    (tier / last / "sub").mkdir()
    (tier / last / "sub" / "deep").write_bytes(b"deep")
    (tier / last / "mail").write_bytes(b"mail")
    moved = iter([True])

    def move(call: int) -> None:
        # By the second piece tar is through with the first folder's listing, and not yet at the last one's.
        if call and next(moved, False):
            (tier / last / "mail").rename(tier / first / "mail")
            (tier / last / "sub").rename(tier / first / "sub")

    report = pack(tier, tmp_path / "a.tar", meanwhile=move)
    extract(tmp_path / "a.tar", tmp_path / "out")
    assert (tmp_path / "out" / first / "mail").read_bytes() == b"mail"
    assert (tmp_path / "out" / first / "sub" / "deep").read_bytes() == b"deep"
    assert set(report.arrived) == {f"{first}/{name}".encode() for name in ("mail", "sub", "sub/deep")}
    assert report.torn == ()


def test_what_lay_there_before_is_packed_once(tier: Path, tmp_path: Path) -> None:
    fixed_order(tier, "a", "b")
    later = iter([True])

    def deliver(call: int) -> None:
        if call and next(later, False):
            (tier / "a" / "new").write_bytes(b"new")

    report = pack(tier, tmp_path / "a.tar", meanwhile=deliver)
    assert report.arrived == (b"a/new",)
    assert sorted(set(listed(tmp_path / "a.tar"))) == ["./", "./a/", "./a/large", "./a/new", "./b/", "./b/large"]
    assert [listed(tmp_path / "a.tar").count(f"./{folder}/large") for folder in "ab"] == [1, 1]


NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=1500), min_size=1, max_size=6), st.data())
def test_names_of_any_bytes_are_packed_and_left_out_to_the_letter(
    contents: dict[bytes, bytes], data: st.DataObject
) -> None:
    left_out = data.draw(st.sets(st.sampled_from(sorted(contents))))
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder, "tier")
        for name, content in contents.items():
            os.makedirs(os.path.join(os.fsencode(top), b"d", name + b"x" if len(name) < 255 else b"y"))
            with open(os.path.join(os.fsencode(top), name) if name != b"d" else os.devnull, "wb") as file:
                file.write(content)
        names = tuple(os.fsdecode(name) for name in left_out if name != b"d")
        pack(TierSelection(str(top), left_out=names), Path(folder, "a.tar"))
        extract(Path(folder, "a.tar"), Path(folder, "out"))
        wanted = snapshot(top)
        for name in left_out - {b"d"}:
            del wanted[name]
        assert snapshot(Path(folder, "out")) == wanted


def test_what_is_left_out_is_a_path_and_never_a_pattern(tier: Path, tmp_path: Path) -> None:
    for name in ("a[1]", "a1", "b*", "bc", "sub/a[1]", "logs/deep", "logs2"):
        (tier / name).mkdir(parents=True)
    pack(TierSelection(str(tier), left_out=("a[1]", "b*", "logs")), tmp_path / "a.tar")
    assert sorted(listed(tmp_path / "a.tar")) == ["./", "./a1/", "./bc/", "./logs2/", "./sub/", "./sub/a[1]/"]


def test_some_folders_come_with_the_entries_of_those_above_them(tier: Path, tmp_path: Path) -> None:
    for name in ("dovecot/mail", "app/data/x", "app/cache", "other"):
        (tier / name).mkdir(parents=True)
    report = pack(TierSelection(str(tier), folders=("dovecot", "app/data", "redis")), tmp_path / "a.tar")
    assert listed(tmp_path / "a.tar") == [
        *("./", "./app/", "./dovecot/", "./dovecot/mail/"),
        *("./app/data/", "./app/data/x/"),
    ]
    assert report.missing == ("redis",)


def test_a_folder_below_one_that_is_left_out_is_packed_all_the_same(tier: Path, tmp_path: Path) -> None:
    for name in ("dovecot/logs/old", "dovecot/sieve", "dovecot/mail", "nginx/logs", "amavis"):
        (tier / name).mkdir(parents=True)
        (tier / name / "file").write_bytes(b"x")
    selection = TierSelection(
        str(tier),
        folders=("", "nginx", "dovecot/logs", "dovecot/sieve", "dovecot/logs/old"),
        left_out=("amavis", "dovecot", "dovecot/logs/old"),
    )
    report = pack(selection, tmp_path / "a.tar")
    names = listed(tmp_path / "a.tar")
    assert names[0] == "./"
    assert len(names) == len(set(names)) == report.entries
    assert set(names) == {
        *("./", "./nginx/", "./nginx/logs/", "./nginx/logs/file"),
        *("./dovecot/", "./dovecot/logs/", "./dovecot/sieve/", "./dovecot/sieve/file"),
        *("./dovecot/logs/old/", "./dovecot/logs/old/file"),
    }
    extract(tmp_path / "a.tar", tmp_path / "out")


def test_the_folder_of_the_output_is_left_out_whatever_path_leads_there(tier: Path, tmp_path: Path) -> None:
    (tier / "backups" / "old").mkdir(parents=True)
    (tier / "backups" / TAG).write_bytes(b"under way")
    (tier / "CACHEDIR.TAG").write_bytes(b"Signature: 8a477f597d28d172789f06886806bc55")
    report = pack(tier, tmp_path / "a.tar")
    assert listed(tmp_path / "a.tar") == ["./", "./CACHEDIR.TAG"]
    assert report.remarks == ()


@pytest.mark.parametrize("where", [".", "dovecot", "nested"])
def test_an_output_in_a_folder_that_was_asked_for_is_refused(tier: Path, tmp_path: Path, where: str) -> None:
    (tier / "dovecot").mkdir()
    (tier / "nested" / "deep").mkdir(parents=True)
    (tier / where / TAG).write_bytes(b"under way")
    selection = TierSelection(str(tier), folders=("dovecot", "nested/deep"))
    with pytest.raises(TierUnreadable, match="Choose another folder for backups"):
        pack(selection, tmp_path / "a.tar")


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def cut(path: Path) -> None:
    os.truncate(path, 5000)


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(b"replaced")
    path.with_name("new").rename(path)


@pytest.mark.parametrize("change", [append, cut, replace])
def test_a_file_that_changed_is_packed_again_and_the_last_copy_wins(
    tier: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    (tier / "large").write_bytes(os.urandom(LARGE))
    report = pack(tier, tmp_path / "a.tar", meanwhile=lambda call: change(tier / "large") if call == 0 else None)
    assert (report.torn, report.packed_again, report.vanished) == ((), (b"large",), ())
    assert listed(tmp_path / "a.tar") == ["./", "./large", "./large"]
    assert report.entries == 3
    extract(tmp_path / "a.tar", tmp_path / "out")
    assert (tmp_path / "out" / "large").read_bytes() == (tier / "large").read_bytes()


def test_a_file_that_changes_each_time_is_torn(tier: Path, tmp_path: Path) -> None:
    name = b"a\n\xff: b\\n"
    path = os.path.join(os.fsencode(tier), name)
    Path(os.fsdecode(path)).write_bytes(bytes(LARGE))
    report = pack(tier, tmp_path / "a.tar", meanwhile=lambda call: append(Path(os.fsdecode(path))))
    assert (report.torn, report.packed_again) == ((name,), ())
    assert report.entries == 4
    extract(tmp_path / "a.tar", tmp_path / "out")


def test_a_file_that_goes_away_after_it_changed_is_no_failure(tier: Path, tmp_path: Path) -> None:
    (tier / "large").write_bytes(bytes(LARGE))
    report = pack(tier, tmp_path / "a.tar", meanwhile=lambda call: (tier / "large").unlink(missing_ok=True))
    assert (report.torn, report.packed_again, report.vanished) == ((), (), (b"large",))


def test_a_file_that_goes_away_right_before_it_is_packed_again_is_no_failure(tier: Path, tmp_path: Path) -> None:
    for name in ("large", "other"):
        (tier / name).write_bytes(os.urandom(LARGE))
    wrapper = script(
        tmp_path,
        f'case "$*" in *--files-from*) rm "{tier}/other" ;; esac\nexec tar "$@"',
    )

    def change(call: int) -> None:
        if (tier / "other").exists():
            append(tier / "large")
            append(tier / "other")

    report = pack(tier, tmp_path / "a.tar", meanwhile=change, tar=wrapper)
    assert report.vanished == (b"other",)
    assert report.packed_again == (b"large",)


def test_every_name_of_a_changed_file_is_packed_again_with_it(tier: Path, tmp_path: Path) -> None:
    for folder in ("sub/sub", "left out", "backups", "more"):
        (tier / folder).mkdir(parents=True)
    (tier / "backups" / TAG).write_bytes(b"")
    (tier / "a").write_bytes(os.urandom(LARGE))
    for name in ("sub/sub/b", "left out/c", "backups/d"):
        os.link(tier / "a", tier / name)
    (tier / "more" / "e").write_bytes(b"another")
    os.link(tier / "more" / "e", tier / "f")
    selection = TierSelection(str(tier), left_out=("left out",))
    report = pack(selection, tmp_path / "a.tar", meanwhile=lambda call: append(tier / "a") if call == 0 else None)
    extract(tmp_path / "a.tar", tmp_path / "out")
    assert os.path.samefile(tmp_path / "out" / "a", tmp_path / "out" / "sub/sub/b")
    assert (tmp_path / "out" / "sub/sub/b").read_bytes() == (tier / "a").read_bytes()
    assert report.torn == ()
    assert sorted(listed(tmp_path / "a.tar")) == sorted(
        ["./", "./a", "./a", "./f", "./more/", "./more/e", "./sub/", "./sub/sub/", "./sub/sub/b", "./sub/sub/b"]
    )


def test_files_and_folders_may_come_and_go_while_the_tier_is_read(tier: Path, tmp_path: Path) -> None:
    (tier / "a").mkdir()
    (tier / "a" / "large").write_bytes(bytes(LARGE))
    for number in range(50):
        (tier / f"f{number}").mkdir()

    def change(call: int) -> None:
        (tier / "a" / f"new{call}").write_bytes(b"x")
        for number in range(50):
            if (tier / f"f{number}").exists():
                (tier / f"f{number}").rmdir()

    report = pack(tier, tmp_path / "a.tar", meanwhile=change)
    assert report.torn == ()
    extract(tmp_path / "a.tar", tmp_path / "out")


def script(folder: Path, body: str) -> GnuTar:
    """A stand-in for tar."""
    path = folder / "a-tar"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return GnuTar(str(path))


def test_a_tar_that_fails_is_quoted(tier: Path, tmp_path: Path) -> None:
    (tier / "a").write_bytes(b"x")
    complaint = "tar: ./a: Read error at byte 0, while reading 512 bytes: Input/output error"
    wrapper = script(tmp_path, f'tar "$@"; echo "{complaint}" >&2; exit 2')
    with pytest.raises(TierUnreadable, match=r"exit code 2: \./a: Read error at byte 0.*run the backup again"):
        pack(tier, tmp_path / "a.tar", tar=wrapper)


def test_a_tier_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(TierUnreadable, match="none: No such file or directory"):
        pack(tmp_path / "none", tmp_path / "a.tar")


def test_a_folder_that_goes_away_before_tar_comes_to_it_is_a_failure(tier: Path, tmp_path: Path) -> None:
    (tier / "dovecot").mkdir()
    wrapper = script(tmp_path, f'rmdir "{tier}/dovecot"; exec tar "$@"')
    with pytest.raises(TierUnreadable, match=r"\./dovecot: No such file"):
        pack(TierSelection(str(tier), folders=("dovecot",)), tmp_path / "a.tar", tar=wrapper)


def test_a_disk_that_fails_when_a_file_is_packed_again_is_a_failure(tier: Path, tmp_path: Path) -> None:
    (tier / "large").write_bytes(bytes(LARGE))
    wrapper = script(tmp_path, 'tar "$@"; case "$*" in *--files-from*) echo "tar: bad" >&2; exit 2 ;; esac')
    with pytest.raises(TierUnreadable, match="exit code 2: bad"):
        pack(tier, tmp_path / "a.tar", tar=wrapper, meanwhile=lambda call: append(tier / "large"))


def test_a_tar_that_is_killed_is_named_so(tier: Path, tmp_path: Path) -> None:
    (tier / "large").write_bytes(bytes(LARGE))
    wrapper = script(tmp_path, f'echo $$ > "{tmp_path}/pid"; exec tar "$@"')

    def kill(call: int) -> None:
        if call == 0:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    with pytest.raises(TierUnreadable, match="signal 9: it gave no reason"):
        pack(tier, tmp_path / "a.tar", tar=wrapper, meanwhile=kill)


def test_a_tar_that_stops_short_and_says_all_is_well_is_not_believed(tier: Path, tmp_path: Path) -> None:
    (tier / "a").write_bytes(b"x" * 5000)
    with pytest.raises(TierUnreadable, match="has no end"):
        pack(tier, tmp_path / "a.tar", tar=script(tmp_path, 'tar "$@" | head -c 2048'))


def test_no_tar_at_all_is_named(tier: Path, tmp_path: Path) -> None:
    with pytest.raises(TierUnreadable, match=r"no-such-tar is not installed\. Install GNU tar"):
        pack(tier, tmp_path / "a.tar", tar=GnuTar("no-such-tar"))


def test_megabytes_of_warnings_do_not_stop_the_flow(tier: Path, tmp_path: Path) -> None:
    (tier / "large").write_bytes(os.urandom(LARGE))
    flood = 'yes "tar: a warning" | head -n 100000 >&2'
    report = pack(tier, tmp_path / "a.tar", tar=script(tmp_path, f'{flood}; tar "$@" && {flood}'))
    assert set(report.remarks) == {"a warning"}
    assert len(report.remarks) == 100
    extract(tmp_path / "a.tar", tmp_path / "out")


def test_the_environment_cannot_change_what_tar_does(
    tier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tier / "a").write_bytes(b"x")
    wrapper = script(tmp_path, 'export POSIXLY_CORRECT=1; test "$LC_ALL$TAR_OPTIONS" = C && exec tar "$@"')
    pack(tier, tmp_path / "a.tar", tar=wrapper)
    assert listed(tmp_path / "a.tar") == ["./", "./a"]


@pytest.mark.parametrize("piece", [0, 3])
def test_an_error_of_the_sink_passes_through(tier: Path, tmp_path: Path, piece: int) -> None:
    (tier / "large").write_bytes(bytes(LARGE))

    def fail(call: int) -> None:
        if call == piece:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        pack(tier, tmp_path / "a.tar", meanwhile=fail)


def test_an_exception_raised_by_a_signal_ends_tar(tier: Path, tmp_path: Path) -> None:
    class Ended(Exception):
        pass

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    before = signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Ended):
            pack(tier, tmp_path / "a.tar", tar=script(tmp_path, "trap '' TERM; exec sleep 60"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_at_the_terminal_does_not_reach_tar(tier: Path, tmp_path: Path) -> None:
    wrapper = script(tmp_path, f'ps -o sid= -p $$ > "{tmp_path}/session"; exec tar "$@"')
    pack(tier, tmp_path / "a.tar", tar=wrapper)
    assert int((tmp_path / "session").read_text()) != os.getsid(0)


@pytest.mark.parametrize(
    ("says", "fit"),
    [
        ("tar (GNU tar) 1.34", True),
        ("tar (GNU tar) 2.0\nCopyright", True),
        ("gtar (GNU tar) 1.35", True),
        ("tar (GNU tar) 1.30", False),
        ("bsdtar 3.6.2 - libarchive 3.6.2", False),
        ("BusyBox v1.35.0", False),
        ("", False),
    ],
)
def test_a_tar_that_lacks_what_we_rely_on_is_told_before_any_work(tmp_path: Path, says: str, fit: bool) -> None:
    program = tmp_path / "tar"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    program.chmod(0o755)
    problem = GnuTar(str(program)).problem()
    assert (problem is None) == fit
    assert fit or "install" in str(problem)


def test_a_host_without_tar_is_told(tmp_path: Path) -> None:
    assert "install GNU tar 1.34 or newer" in str(GnuTar(str(tmp_path / "none")).problem())
    assert GnuTar().problem() is None
