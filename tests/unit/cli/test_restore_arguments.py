"""Every flag of the restore script in every spelling, and the two variables."""

from __future__ import annotations

import pytest

from hermes_backup_core.cli.entry import UsageError
from hermes_backup_core.cli.restore_arguments import RestoreOptions, parse_restore
from hermes_backup_core.domain.remap import Remap
from hermes_backup_core.domain.restore_plan import RestoreRequest

NEEDED = ("-F", "/mnt/backups/b.tar")
REQUEST = RestoreRequest("/mnt/backups/b.tar")


def test_a_path_is_enough() -> None:
    assert parse_restore(NEEDED, {}) == RestoreOptions(request=REQUEST)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("--yes",), {"assume_yes": True}),
        (("-y",), {"assume_yes": True}),
        (("--dry-run",), {"dry_run": True}),
        (("-n",), {"dry_run": True}),
        (("-yn",), {"assume_yes": True, "dry_run": True}),
        (("--stage-dir", "/mnt/usb/"), {"request": RestoreRequest("/mnt/backups/b.tar", stage_dir="/mnt/usb")}),
        (("--stop-all",), {"request": RestoreRequest("/mnt/backups/b.tar", stop_all=True)}),
        (("--stage-dir=/mnt/usb",), {"request": RestoreRequest("/mnt/backups/b.tar", stage_dir="/mnt/usb")}),
    ],
)
def test_switches_and_values_in_each_spelling(typed: tuple[str, ...], expected: dict[str, object]) -> None:
    options = {"request": REQUEST, **expected}
    assert parse_restore((*NEEDED, *typed), {}) == RestoreOptions(**options)  # type: ignore[arg-type]
    assert parse_restore((*typed, *NEEDED), {}) == RestoreOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "kept"), [("b.tar", "/here/b.tar"), ("../b.tar", "/b.tar"), ("//mnt//b.tar", "/mnt/b.tar")]
)
def test_a_path_is_absolute(typed: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    request = parse_restore(("-F", typed), {}).request
    assert request is not None
    assert request.path == kept


def test_tiers_are_remapped_by_as_many_pairs_as_are_given() -> None:
    request = parse_restore((*NEEDED, "--remap-tiers", "/a:b:vmail", "--remap-tiers=data:/mnt/data/"), {}).request
    assert request == RestoreRequest(NEEDED[1], remaps=(Remap("/a:b", "vmail"), Remap("data", "/mnt/data")))


def test_an_interrupted_restore_is_dealt_with_without_a_path() -> None:
    assert parse_restore(("--undo",), {}) == RestoreOptions(None, undo=True)
    assert parse_restore(("--finish", "-n"), {}) == RestoreOptions(None, finish=True, dry_run=True)


def test_a_backup_is_pinned_without_being_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    assert parse_restore(("--pin", "b.tar"), {}) == RestoreOptions(None, pin="/here/b.tar")
    assert parse_restore(("--unpin=/b.tar", "-n"), {}) == RestoreOptions(None, unpin="/b.tar", dry_run=True)


@pytest.mark.parametrize("typed", [("-h",), ("--help",), ("-F", "--nonsense", "--help"), ("-yh",), ("-ynh", *NEEDED)])
def test_help_wins_over_everything_else_and_fits_on_a_screen(typed: tuple[str, ...]) -> None:
    text = parse_restore(typed, {}).help_text
    assert text is not None
    for word in (
        "exit codes:",
        "environment:",
        "examples:",
        "--undo",
        "--finish",
        "--remap-tiers OLD:NEW",
        "FORCE_REMAP=1",
    ):
        assert word in text
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("environ", "remap", "version"),
    [
        ({}, False, False),
        ({"FORCE_REMAP": "1"}, True, False),
        ({"FORCE_VERSION_MISMATCH": "1"}, False, True),
        ({"FORCE_REMAP": "", "FORCE_VERSION_MISMATCH": ""}, False, False),
    ],
)
def test_the_value_1_forces_a_gate(environ: dict[str, str], remap: bool, version: bool) -> None:
    options = parse_restore(NEEDED, environ)
    assert options.request == RestoreRequest("/mnt/backups/b.tar", force_remap=remap, force_version=version)
    assert options.warnings == ()


@pytest.mark.parametrize("key", ["FORCE_REMAP", "FORCE_VERSION_MISMATCH"])
@pytest.mark.parametrize("value", ["yes", "true", "0", "11", " 1", "1\n"])
def test_any_other_value_does_not_count_and_is_warned_of(key: str, value: str) -> None:
    options = parse_restore(NEEDED, {key: value})
    assert options.request == REQUEST
    (warning,) = options.warnings
    assert warning.startswith(f"{key}=")
    assert warning.endswith(f"does not count: only {key}=1 does")
    assert parse_restore(("--undo",), {key: value}).warnings == ()


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ((), "-F PATH is required"),
        (("-y",), "-F PATH is required"),
        (("-F", ""), "-F PATH is required"),
        (("-F",), "argument -F: expected one argument"),
        (("-F", "-y"), "argument -F: expected one argument"),
        ((*NEEDED, "--undo"), "-F, --undo, --finish, --pin and --unpin exclude each other"),
        ((*NEEDED, "--finish"), "-F, --undo, --finish, --pin and --unpin exclude each other"),
        (("--undo", "--finish"), "-F, --undo, --finish, --pin and --unpin exclude each other"),
        (("--undo", "--stop-all"), "--stop-all is for a new restore, so it needs -F"),
        ((*NEEDED, "--pin=/b.tar"), "-F, --undo, --finish, --pin and --unpin exclude each other"),
        (("--pin=/b.tar", "--unpin", "/b.tar"), "-F, --undo, --finish, --pin and --unpin exclude each other"),
        (("--pin=",), "-F PATH is required"),
        (("--pin",), "argument --pin: expected one argument"),
        (("-F", "", "--undo"), "-F, --undo, --finish, --pin and --unpin exclude each other"),
        (("--undo", "--stage-dir", "/x"), "--stage-dir is for a new restore, so it needs -F"),
        ((*NEEDED, "--stage-dir="), "--stage-dir is empty"),
        ((*NEEDED, "--stage-dir"), "argument --stage-dir: expected one argument"),
        ((*NEEDED, "--remap-tiers", "vmail"), "argument --remap-tiers: 'vmail' is no pair: give OLD:NEW"),
        ((*NEEDED, "--remap-tiers="), "argument --remap-tiers: '' is no pair: give OLD:NEW"),
        ((*NEEDED, "--remap-tiers=/a:/b:/c"), "argument --remap-tiers: '/a:/b:/c' can be split at more than one"),
        ((*NEEDED, "--remap-tiers"), "argument --remap-tiers: expected one argument"),
        (("--undo", "--remap-tiers", "vmail:vmail"), "--remap-tiers is for a new restore, so it needs -F"),
        ((*NEEDED, "more"), "unrecognized arguments: more"),
        ((*NEEDED, "--undo=1"), "argument --undo: ignored explicit argument '1'"),
        *[
            ((*NEEDED, flag), f"unrecognized arguments: {flag}")
            for flag in ("--ye", "--dry", "--und", "--fin", "--stage", "--remap", "--force", "-x")
        ],
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(typed: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_restore(typed, {})
    assert str(error.value).startswith(reason)
    assert error.value.usage.startswith("usage: system_restore.sh -F PATH [options] | --undo | --finish | --pin FILE ")
