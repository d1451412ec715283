"""Every flag of the backup script in every spelling."""

from __future__ import annotations

import pytest

from hermes_backup_core.cli.arguments import BackupOptions, parse_backup
from hermes_backup_core.cli.entry import UsageError
from hermes_backup_core.domain.plan import BackupRequest
from hermes_backup_core.domain.retention import RetentionPolicy
from hermes_backup_core.domain.scope import Mode, Scope

NEEDED = ("-P", "/mnt/backups", "-B", "all")
REQUEST = BackupRequest(Scope.ALL, "/mnt/backups")


def test_path_and_scope_are_enough() -> None:
    assert parse_backup(NEEDED) == BackupOptions(request=REQUEST)


@pytest.mark.parametrize("scope", ["system", "archive", "vmail", "nextcloud", "all"])
def test_each_scope_has_its_name(scope: str) -> None:
    request = parse_backup(("-B", scope, "-P", "/b")).request
    assert request == BackupRequest(Scope(scope), "/b")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("--yes",), {"assume_yes": True}),
        (("-y",), {"assume_yes": True}),
        (("--dry-run",), {"dry_run": True}),
        (("-n",), {"dry_run": True}),
        (("-yn",), {"assume_yes": True, "dry_run": True}),
        (("--notify-email=a@example.com",), {"notify_email": "a@example.com"}),
        (("--notify-email", "a@example.com,b@example.com"), {"notify_email": "a@example.com,b@example.com"}),
        (("--notify-on-success",), {"notify_on_success": True}),
        (("--cold",), {"request": BackupRequest(Scope.ALL, "/mnt/backups", Mode.COLD)}),
        (
            ("--cold=touched",),
            {"request": BackupRequest(Scope.ALL, "/mnt/backups", Mode.COLD, touched_only=True)},
        ),
        (("--retain-last=7",), {"retention": RetentionPolicy(last=7)}),
        (
            ("--keep-daily", "7", "--keep-weekly=04", "--keep-monthly=12"),
            {"retention": RetentionPolicy(daily=7, weekly=4, monthly=12)},
        ),
        (("--no-nc-maintenance",), {"request": BackupRequest(Scope.ALL, "/mnt/backups", nextcloud_maintenance=False)}),
    ],
)
def test_switches_and_values_in_each_spelling(typed: tuple[str, ...], expected: dict[str, object]) -> None:
    options = {"request": REQUEST, **expected}
    assert parse_backup((*NEEDED, *typed)) == BackupOptions(**options)  # type: ignore[arg-type]
    assert parse_backup((*typed, *NEEDED)) == BackupOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("/mnt/b/", "/mnt/b"), ("//mnt//b///", "/mnt/b"), ("/", "/"), ("backups/", "/here/backups"), ("../b", "/b")],
)
def test_a_path_is_absolute_and_has_no_trailing_slash(typed: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    request = parse_backup(("-P", typed, "-B", "all")).request
    assert request is not None
    assert request.output == kept


@pytest.mark.parametrize(
    "typed", [("-h",), ("--help",), ("--col", "-B", "nothing", "--help"), ("-yh",), ("-ynh", *NEEDED)]
)
def test_help_wins_over_everything_else(typed: tuple[str, ...]) -> None:
    options = parse_backup(typed)
    assert options.request is None
    assert options.help_text is not None
    assert "exit codes:" in options.help_text
    assert len(options.help_text.splitlines()) <= 45


def test_the_mails_can_be_tested_without_a_path_and_a_scope() -> None:
    options = parse_backup(("--test-notify", "--notify-email=a@example.com"))
    assert options == BackupOptions(request=None, test_notify=True, notify_email="a@example.com")


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ((), "-P PATH is required"),
        (("-B", "all"), "-P PATH is required"),
        (("-P", "", "-B", "all"), "-P PATH is required"),
        (("-P", "/b"), "-B SCOPE is required: one of system, archive, vmail, nextcloud, all"),
        (("-P", "/b", "-B", ""), "-B SCOPE is required"),
        (("-P", "/b", "-B", "everything"), "unknown scope 'everything': choose one of system,"),
        (("-P", "/b", "-B", "ALL"), "unknown scope 'ALL'"),
        (("-B", "all", "-P"), "argument -P: expected one argument"),
        (("-P", "-B", "all"), "argument -P: expected one argument"),
        ((*NEEDED, "--notify-email"), "argument --notify-email: expected one argument"),
        ((*NEEDED, "--notify-email", "--cold"), "argument --notify-email: expected one argument"),
        ((*NEEDED, "--notify-email="), "--notify-email is empty"),
        ((*NEEDED, "--notify-email=a@example.com\nBcc: b@example.com"), "--notify-email holds a control character"),
        ((*NEEDED, "--notify-email=a b"), "--notify-email is not a mail address (a b)"),
        ((*NEEDED, "--notify-email=-oQ/tmp"), "--notify-email is not a mail address"),
        (("--test-notify",), "--test-notify needs --notify-email=ADDR"),
        ((*NEEDED, "--cold=1"), "argument --cold: '1' is not touched: give --cold, or --cold=touched"),
        ((*NEEDED, "--cold="), "argument --cold: '' is not touched: give --cold, or --cold=touched"),
        ((*NEEDED, "--cold", "all"), "argument --cold: 'all' is not touched: give --cold, or --cold=touched"),
        *[
            ((*NEEDED, f"--retain-last={count}"), f"argument --retain-last: '{count}' is no whole number from 1 on")
            for count in ("0", "00", "-1", "+1", "1.5", "all", "", " 1", "\u0661", "1000000000")
        ],
        ((*NEEDED, "--keep-daily", "0"), "argument --keep-daily: '0' is no whole number from 1 on"),
        ((*NEEDED, "--keep-weekly", "-1"), "argument --keep-weekly: "),
        ((*NEEDED, "--keep-monthly"), "argument --keep-monthly: expected one argument"),
        ((*NEEDED, "--keep-last=3"), "unrecognized arguments: --keep-last=3"),
        ((*NEEDED, "more"), "unrecognized arguments: more"),
        ((*NEEDED, "--", "--cold"), "unrecognized arguments: "),
        ((*NEEDED, "-x"), "unrecognized arguments: -x"),
        *[
            ((*NEEDED, flag), f"unrecognized arguments: {flag}")
            for flag in ("--col", "--not", "--notify-on", "--no", "--test", "--dry", "--ye", "--no-nc", "--Cold", "-c")
        ],
        ((*NEEDED, "--notify-e=a@example.com"), "unrecognized arguments: --notify-e=a@example.com"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(typed: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_backup(typed)
    assert str(error.value).startswith(reason)
    assert error.value.usage == "usage: system_backup.sh -P PATH -B SCOPE [options]\n"
