"""A live run as its caller sees it: output, log, names, modes, and what happens where it cannot write."""

from __future__ import annotations

import json
import os
import re
import stat
import tarfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.cli.fake_host import FakeHost

NAME = re.compile(r"hermes-backup-vmail-v260119-\d{8}T\d{6}Z\.tar")
STAMP = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_tarball_and_log_lie_side_by_side_for_root_alone(host: FakeHost) -> None:
    host.output.chmod(0o777)
    done = host.run("-P", f"{host.output}/", "-B", "vmail", "-y", umask=0)
    assert (done.code, done.err) == (0, "")
    (tarball,), (log,) = host.made(".tar"), host.made(".log")
    assert NAME.fullmatch(tarball.name)
    assert log.name == tarball.name.removesuffix(".tar") + ".log"
    assert (mode(tarball), mode(log)) == (0o600, 0o600)
    assert len(host.made("")) == 2
    assert f"{host.output}/{tarball.name} (" in done.out
    with tarfile.open(tarball) as tar:
        first = tar.next()
        assert first is not None  # narrows the type for the claims below
        content = tar.extractfile(first)
        assert content is not None  # narrows the type for the claims below
        manifest = json.load(content)
    assert (first.name, manifest["scope"], manifest["mode"]) == ("backup_manifest.json", "vmail", "hot")
    assert mode(host.base / "state") == 0o700


def test_lines_are_stamped_in_local_time_and_the_log_holds_the_same(host: FakeHost) -> None:
    zone = timezone(timedelta(hours=5))
    before = datetime.now(zone).replace(microsecond=0)
    done = host.run(*host.command("vmail"), environ={"TZ": "XXX-5"})
    lines = done.out.splitlines()
    headers = [line for line in lines if not STAMP.match(line)]
    assert headers == ["== Checks ==", "== Plan ==", "== Backup ==", "== Done =="]
    stamp = next(line for line in lines if STAMP.match(line))[1:20]
    first = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
    assert before <= first <= before + timedelta(hours=1)
    (log,) = host.made(".log")
    assert log.read_text().splitlines() == lines
    assert "\x1b" not in done.out


def test_the_report_has_each_member_and_the_two_figures_that_matter(host: FakeHost) -> None:
    done = host.run(*host.command("nextcloud"))
    report = done.text[done.text.index("== Done ==") :]
    assert report[1].split() == ["member", "size", "content", "time", "rate"]
    assert report[2].startswith("nextcloud.tar.gz ")
    assert re.fullmatch(r"duration: [\d.]+s", report[4])
    assert re.fullmatch(r"downtime: none, mail kept flowing; Nextcloud in maintenance [\d.]+s", report[5])


def test_warnings_and_errors_are_marked_behind_the_stamp_and_errors_go_to_stderr_too(host: FakeHost) -> None:
    host.engine.fail("occ", "--on", says="occ is broken")
    host.engine.fail("--directory=", says="tar: disk is broken", code=2)
    done = host.run(*host.command("nextcloud"))
    assert done.code == 1
    (warning,) = [line for line in done.out.splitlines() if "WARN:" in line]
    (error,) = [line for line in done.out.splitlines() if "ERROR:" in line]
    assert STAMP.sub("", warning).startswith("WARN: occ cannot switch Nextcloud's maintenance mode on")
    assert STAMP.sub("", error).startswith("ERROR: ")
    assert "disk is broken" in error
    assert done.err.splitlines() == [STAMP.sub("", error)]
    assert [path.suffix for path in host.made("")] == [".log"]


@pytest.mark.parametrize("kind", ["missing", "file", "read-only"])
def test_where_nothing_can_be_written_the_log_goes_to_the_temporary_folder_and_a_warning_names_it(
    host: FakeHost, kind: str
) -> None:
    output, through = host.base / kind, []
    if kind == "file":
        output.touch()
    if kind == "read-only":
        output.mkdir()
        # In a mount namespace of its own, which goes when the script has ended.
        mount = f'mount -t tmpfs -o ro none "{output}" && exec "$@"'
        through = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    done = host.run("-P", str(output), "-B", "vmail", "--yes", through=through)
    assert done.code == 1
    assert f"ERROR: -P {output} " in done.err
    (log,) = host.temp.iterdir()
    assert f"WARN: no log can be written to {output} (" in done.out
    assert f"it is {log}" in done.out
    assert mode(log) == 0o600
    assert f"ERROR: -P {output} " in log.read_text()
    assert output.exists() is (kind != "missing")


def test_a_name_that_is_taken_is_refused_and_left_alone(host: FakeHost) -> None:
    now = datetime.now(timezone.utc)
    stamps = [f"{now + timedelta(seconds=second):%Y%m%dT%H%M%SZ}" for second in range(60)]
    taken = [host.output / f"hermes-backup-vmail-v260119-{stamp}.tar" for stamp in stamps]
    for path in taken:
        path.write_text("mine")
    done = host.run(*host.command("vmail"))
    assert done.code == 1
    assert "exists in" in done.err
    assert host.made(".tar") == taken
    assert {path.read_text() for path in taken} == {"mine"}


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(host: FakeHost) -> None:
    gate = host.engine.hold("--directory=")
    running = host.start(*host.command("vmail"))
    running.reach(gate)
    (partial,) = host.made(".partial")
    taken = partial.with_name(partial.name.removesuffix(".partial"))
    taken.write_text("mine")
    gate.open()
    done = running.finish()
    assert done.code == 1
    assert f"no backup can be written to {taken}: another file bears that name by now" in done.err
    assert taken.read_text() == "mine"
    assert host.made(".partial") == []


def test_names_that_are_no_utf8_in_a_plain_ascii_locale_are_packed_and_shown_escaped(host: FakeHost) -> None:
    folder = os.fsencode(host.tiers["vmail"]) + b"/caf\xe9\n"
    output = os.fsencode(host.base) + b"/b\xe9"
    os.mkdir(folder)
    os.mkdir(output)
    os.mknod(folder + b"/socket\xff", stat.S_IFSOCK | 0o600)
    environ = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = host.run(b"-P", output, "-B", "vmail", "--yes", environ=environ)
    assert (done.code, done.err) == (0, "")
    assert "b\\xe9/hermes-backup-vmail-" in done.out
    assert "WARN: vmail: 1 sockets left out, which no archive can hold: caf\\xe9\\n/socket\\xff" in done.out
    log, tarball = sorted(os.listdir(output))
    assert (log[-4:], tarball[-4:]) == (b".log", b".tar")
    with open(os.path.join(output, log), encoding="ascii") as file:
        assert "caf\\xe9\\n/socket\\xff" in file.read()


@pytest.mark.parametrize("command", ['"$@" | head -n 1; exit ${PIPESTATUS[0]}', '"$@" >&-', '"$@" 2>&-', '"$@" <&-'])
def test_a_caller_that_closes_a_stream_does_not_end_the_backup(host: FakeHost, command: str) -> None:
    done = host.run(*host.command("vmail"), through=["bash", "-c", command, "bash"])
    assert (done.code, done.err) == (0, "")
    assert len(host.made(".tar")) == 1
    (log,) = host.made(".log")
    assert "log:      " in log.read_text()


def test_help_into_a_pipe_that_nobody_reads_is_no_failure(host: FakeHost) -> None:
    done = host.run("--help", through=["bash", "-c", '"$@" | true; exit ${PIPESTATUS[0]}', "bash"])
    assert (done.code, done.err) == (0, "")


def test_a_closed_stdin_is_no_terminal(host: FakeHost) -> None:
    done = host.run("-P", str(host.output), "-B", "vmail", through=["bash", "-c", '"$@" <&-', "bash"])
    assert done.code == 1
    assert "there is no terminal to ask at" in done.err


def test_a_full_disk_under_the_output_of_the_script_does_not_end_the_backup(host: FakeHost) -> None:
    with open("/dev/full", "wb") as full:
        done = host.run(*host.command("vmail"), stdout=full, stderr=full)
    assert done.code == 0
    assert len(host.made(".tar")) == 1


def test_a_fault_of_the_tool_is_told_with_its_trace_in_the_log(host: FakeHost) -> None:
    host.engine.fail("compose", "config", stdout="[]", code=0)
    done = host.run(*host.command("vmail", "--notify-email=a@example.com"))
    assert done.code == 1
    assert "ERROR: a fault of this tool, please report it with its log: AttributeError" in done.err
    (log,) = host.made(".log")
    assert "Traceback" in log.read_text()
    assert "Traceback" not in done.out + done.err
    assert b"a fault of this tool" in host.engine.hermes.mails[0]
