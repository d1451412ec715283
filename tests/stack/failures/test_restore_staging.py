"""What goes wrong while a restore stages: the stack goes on, and the host is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stack.failures.breaking import big_file, tmpfs
from tests.stack.failures.host import Ended
from tests.stack.failures.restores import UNPACKING, Originals, Restores, files_alone, portrait
from tests.stack.forging import contents, dumps_with, repacked, zipped
from tests.stack.picture import Picture
from tests.stack.restoring import containers_as_they_run

LOADING = "hermes_backup_core.services.schemas:Schemas.stage"
LOADING_LDIF = "hermes_backup_core.services.ldap_restore:DirectoryLoader.load"
BAD_STATEMENT = b"INSERT INTO `SystemEvents` (`no_such_column`) VALUES (1);\n"


@contextmanager
def untouched(restores: Restores, *, files_only: bool = False) -> Iterator[Picture]:
    """Nothing of the host is changed during the body, and no container stopped; nothing is left of it all."""
    before = files_alone(restores.hermes) if files_only else portrait(restores.hermes)
    running = containers_as_they_run(restores.hermes)
    yield before
    assert containers_as_they_run(restores.hermes) == running
    restores.check_as(before)
    restores.check_nothing_left()


def check_failed(ended: Ended, *said: str) -> None:
    assert ended.code == 1, ended.stdout
    for words in said:
        assert words in ended.error
        assert words in ended.log
    assert "fault of this tool" not in ended.stdout
    assert "everything is as it was before the restore" in ended.stdout
    assert "== Exchanging" not in ended.stdout


def forged(originals: Originals, folder: Path, member: str, content: bytes) -> Path:
    return repacked(originals.backups["system"], folder / "forged", {member: content})


def test_a_bad_statement_in_the_fourth_dump(restores: Restores, originals: Originals) -> None:
    dumps = contents(originals.backups["system"])["databases.tar.gz"]
    content = dumps_with(dumps, "Syslog", lambda text: text.replace(b"UNLOCK TABLES;\n", BAD_STATEMENT, 1))
    assert content != dumps
    tarball = forged(originals, restores.host.folder, "databases.tar.gz", content)
    with untouched(restores):
        ended = restores.run(tarball)
        check_failed(ended, "Syslog", "no_such_column")
        assert "load database opendmarc" in ended.stdout.partition("== Staging")[2]


def test_an_ldap_entry_that_the_schema_does_not_allow(restores: Restores, originals: Originals) -> None:
    ldif = contents(originals.backups["system"])["ldap.ldif.gz"]
    content = zipped(ldif, lambda text: text.replace(b"\nsn: ", b"\nnoSuchAttribute: ", 1))
    tarball = forged(originals, restores.host.folder, "ldap.ldif.gz", content)
    with untouched(restores):
        check_failed(restores.run(tarball), "LDAP entries cannot be loaded", "noSuchAttribute")


def test_a_disk_that_runs_full_while_a_tier_is_unpacked(restores: Restores) -> None:
    with tmpfs(restores.host.folder / "stage", size="16m") as place, untouched(restores, files_only=True):
        run = restores.begin("vmail", "--stage-dir", place, strike=f"{UNPACKING}@1=SIGSTOP")
        run.until_held()
        with pytest.raises(OSError, match="No space left"):
            big_file(place / "big", 17)
        run.go_on()
        check_failed(run.ended(), f"no room left in {place}", "--stage-dir")
        (place / "big").unlink()
        assert list(place.iterdir()) == []


def test_a_disk_that_runs_full_while_the_directory_is_loaded(restores: Restores) -> None:
    """The small disk is in the way of the clean-up as well, which the next call makes good."""
    before, running = portrait(restores.hermes), containers_as_they_run(restores.hermes)
    run = restores.begin("system", strike=f"{LOADING_LDIF}@1=SIGSTOP")
    run.until_held()
    staged = restores.hermes.tiers["data"] / "ldap/data/.hermes-restore-ldap/new"
    with tmpfs(staged, size="64k"):
        run.go_on()
        ended = run.ended()
    assert ended.code == 1
    assert "LDAP entries cannot be loaded" in ended.stdout
    assert "what was staged could not all be removed" in ended.error
    assert str(staged) in ended.error
    restores.undo()
    assert containers_as_they_run(restores.hermes) == running
    restores.check_as(before)


def test_a_backup_that_is_damaged_after_it_was_checked(restores: Restores, originals: Originals) -> None:
    tarball = restores.host.folder / "copied.tar"
    content = bytearray(originals.backups["vmail"].read_bytes())
    tarball.write_bytes(content)
    with untouched(restores, files_only=True):
        run = restores.begin(tarball, strike="hermes_backup_core.restore.folders:Folders.unpack@1=SIGSTOP")
        run.until_held()
        for place in range(len(content) // 2, len(content) // 2 + 64):
            content[place] ^= 0xFF
        tarball.write_bytes(content)
        run.go_on()
        check_failed(run.ended())


def test_a_database_that_is_stopped_while_it_loads(restores: Restores) -> None:
    """What it has of the dumps cannot be removed, and is as soon as it is up again."""
    before = portrait(restores.hermes)
    run = restores.begin("system", strike=f"{LOADING}@3=SIGSTOP")
    run.until_held()
    restores.hermes.engine.docker("stop", "hermes_db_server")
    run.go_on()
    ended = run.ended()
    assert ended.code == 1
    assert "nothing of the host was changed, but what was staged could not all be removed" in ended.error
    assert "--undo" in ended.error
    assert restores.record() is not None  # the claim: the journal stays for --undo

    restores.hermes.engine.docker("start", "hermes_db_server")
    restores.hermes.wait_until_ready()
    restores.undo()
    restores.check_as(before)
