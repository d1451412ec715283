"""The database fails: before the backup, in the middle of a dump, or because it is altered meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.stack.failures.breaking import altered, large_table, stopped, without_program
from tests.stack.failures.host import Host
from tests.stack.miniature import Miniature

LARGE = 48
BEGUN = 4 << 20


def test_a_stopped_database_is_refused_with_what_to_type(host: Host) -> None:
    with stopped(host.hermes, "hermes_db_server"):
        ended = host.refused("-B", "system", "--notify-email=admin@example.com")
        assert "container hermes_db_server is exited" in ended.error
        assert "run `docker compose start hermes_db_server` in the install root" in ended.error
    (mail,) = host.hermes.received_mail(at_least=1)
    assert b"[FAILURE] Hermes backup on" in mail
    assert b"run `docker compose start hermes_db_server`" in mail
    assert b"== Checks ==" in mail


def test_a_stopped_database_is_only_a_warning_where_no_dumps_are_wanted(host: Host) -> None:
    with stopped(host.hermes, "hermes_db_server"):
        ended = host.succeeds("-B", "archive")
        assert [w for w in ended.warnings if "build number cannot be read" in w and "hermes_db_server" in w]
        assert host.whole_backup().manifest.build_no == "unknown"
        assert "hermes_db_server" not in host.running()


def test_a_database_that_is_killed_in_the_middle_of_its_dump_is_a_failure_that_names_it(host: Host) -> None:
    with large_table(host.hermes, megabytes=LARGE):
        before = host.state()
        run = host.begin("-B", "system")
        run.until_dumping("hermes")
        try:
            host.hermes.engine.docker("kill", "hermes_db_server")
            ended = run.ended()
        finally:
            host.hermes.engine.docker("start", "hermes_db_server")
            host.hermes.wait_until_ready()
        host.check_failed(run, before)
        assert "the dump of database hermes failed" in ended.error
        assert "hermes_db_server" in ended.error
        assert "run the backup again" in ended.error


def test_a_dump_whose_program_is_killed_is_a_failure_that_names_the_database(host: Host) -> None:
    """As the kernel does where memory runs out."""
    with large_table(host.hermes, megabytes=LARGE):
        before = host.state()
        run = host.begin("-B", "system")
        run.until_dumping("hermes")
        host.hermes.exec("hermes_db_server", "pkill", "-9", "-x", "mariadb-dump")
        ended = host.check_failed(run, before)
        assert "the dump of database hermes failed" in ended.error


def test_a_database_that_was_dropped_is_refused_by_name(host: Host) -> None:
    with altered(host.hermes, do="DROP DATABASE djigzo", undo="CREATE DATABASE djigzo"):
        ended = host.refused("-B", "all")
        assert "hermes_db_server has no database djigzo" in ended.error


def test_a_database_server_without_the_database_hermes_is_refused_by_name(host: Host) -> None:
    """It is the one that holds the build number, too."""
    renamed = "RENAME TABLE hermes.system_settings TO djigzo.system_settings"
    back = "RENAME TABLE djigzo.system_settings TO hermes.system_settings"
    with altered(host.hermes, do=renamed, undo=back):
        ended = host.refused("-B", "system")
        assert "system_settings" in ended.error
        assert "hermes_db_server" in ended.error


def test_a_view_whose_table_is_gone_is_a_failure_that_names_both(host: Host) -> None:
    make = "CREATE TABLE gone (n INT); CREATE VIEW looks_at_gone AS SELECT n FROM gone; DROP TABLE gone;"
    with altered(host.hermes, do=f"USE authelia; {make}", undo="DROP VIEW authelia.looks_at_gone"):
        ended = host.fails("-B", "system")
        assert "the dump of database authelia failed" in ended.error
        assert "looks_at_gone" in ended.error


def test_a_table_that_is_altered_while_its_database_is_dumped_makes_another_try(host: Host) -> None:
    with large_table(host.hermes, megabytes=LARGE), small_table(host.hermes):
        run = host.begin("-B", "system")
        run.until_dumping("hermes")
        run.until(lambda: run.partial_bytes() > BEGUN, "a dump in the middle of its large table")
        host.hermes.sql("ALTER TABLE zz_altered FORCE", "hermes")
        ended = run.ended()
        assert ended.code == 0, ended.stderr
        (again,) = [w for w in ended.warnings if "dumped again" in w]
        assert again.startswith("a table of hermes was altered meanwhile, so it is dumped again: mariadb-dump: ")
        assert "1412" in again
        assert host.whole_backup().manifest.archives["databases.tar.gz"].entries == 6
        host.check_nothing_left()


def test_a_table_that_is_altered_all_the_time_fails_after_three_tries(host: Host) -> None:
    with large_table(host.hermes, megabytes=LARGE), small_table(host.hermes), altered_all_the_time(host.hermes):
        ended = host.fails("-B", "system")
        assert len([w for w in ended.warnings if "dumped again" in w]) == 2
        assert "the dump of database hermes failed" in ended.error
        assert "1412" in ended.error
        assert "zz_altered" in ended.error


def test_an_image_without_the_dump_program_is_refused_by_its_name(host: Host) -> None:
    with without_program(host.hermes, "hermes_db_server", "mariadb-dump"):
        ended = host.refused("-B", "system")
        assert "mariadb-dump cannot be found in hermes_db_server" in ended.error


def test_a_root_password_that_is_not_the_one_in_the_secret_is_refused(host: Host) -> None:
    """The secret's file lies below the install root and is mounted into the container."""
    set_it = "ALTER USER root@localhost IDENTIFIED BY 'not the one in the file'"
    take_it_away = "ALTER USER root@localhost IDENTIFIED BY ''"
    host.hermes.sql(set_it)
    try:
        ended = host.refused("-B", "system")
    finally:
        host.hermes.exec(
            "hermes_db_server", "mariadb", "-u", "root", "-e", take_it_away, password="not the one in the file"
        )
    assert "MariaDB in hermes_db_server cannot be asked" in ended.error
    assert "Access denied for user 'root'@'localhost'" in ended.error
    assert "/run/secrets/MYSQL_ROOT_PASSWORD" in ended.error
    for secret in ("not the one in the file", (host.hermes.creds / "mysql_root_password").read_text()):
        assert secret not in ended.stdout + ended.stderr + ended.log


def test_a_database_that_hangs_is_left_alone_when_the_operator_gives_up(host: Host) -> None:
    """A run waits for it, and SIGINT ends the run at once."""
    with large_table(host.hermes, megabytes=LARGE):
        before = host.state()
        run = host.begin("-B", "system")
        run.until_dumping("hermes")
        os.kill(server := host.server("hermes_db_server"), signal.SIGSTOP)
        try:
            run.process.send_signal(signal.SIGINT)
            run.ended()
        finally:
            os.kill(server, signal.SIGCONT)
        host.check_failed(run, before, code=128 + signal.SIGINT)


@contextmanager
def small_table(hermes: Miniature) -> Iterator[None]:
    """The last table of `hermes` by name."""
    make = "CREATE TABLE hermes.zz_altered (n INT); INSERT INTO hermes.zz_altered VALUES (1)"
    with altered(hermes, do=make, undo="DROP TABLE hermes.zz_altered"):
        yield


@contextmanager
def altered_all_the_time(hermes: Miniature) -> Iterator[None]:
    """`zz_altered` is made anew again and again; one client does it, so that there is hardly a pause."""
    over = threading.Event()
    statements = "ALTER TABLE zz_altered FORCE;" * 20

    def alter() -> None:
        while not over.is_set():
            hermes.sql(statements, "hermes")

    thread = threading.Thread(target=alter)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
