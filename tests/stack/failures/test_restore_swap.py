"""What goes wrong when a restore has exchanged the data, or is taking the exchange back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.failures.breaking import command
from tests.stack.failures.restores import RENAMING, Originals, Restores, alter, files_alone, portrait
from tests.stack.forging import archive_edited, contents, repacked
from tests.stack.picture import SQL, differences
from tests.stack.restoring import hidden_folders

SOON = "hermes_backup_core.services.containers.START_PATIENCE=6 hermes_backup_core.restore.host.HEALTH_PATIENCE=4"
BROKEN = "hermes_nginx"


def test_a_container_that_the_restored_files_break(restores: Restores, originals: Originals) -> None:
    """The data is restored and stays so, until the operator has it undone."""
    hermes = restores.hermes
    before = alter(hermes)
    config = contents(originals.backups["system"])["config.tar.gz"]
    content = archive_edited(config, {"./docker-compose.yml": with_broken_service})
    tarball = repacked(originals.backups["system"], restores.host.folder / "forged", {"config.tar.gz": content})

    ended = restores.run(tarball, seconds=SOON)
    assert ended.code == 1
    assert "the data is restored, but " in ended.error
    assert BROKEN in ended.error
    assert "--undo" in ended.error
    assert "--finish" in ended.error
    assert "Going back" not in ended.stdout
    assert restores.host.running() >= {"hermes_db_server", "hermes_dovecot", "hermes_commandbox"}
    assert differences(originals.portrait.of(SQL), portrait(hermes).of(SQL)) == []
    assert hidden_folders(hermes)
    assert restores.record() is not None

    restores.undo()
    assert BROKEN in restores.host.running()
    restores.check_as(before)


def with_broken_service(text: bytes) -> bytes:
    name = b"    container_name: " + BROKEN.encode() + b"\n"
    assert name in text
    return text.replace(name, name + b"    command: [there-is-no-such-program]\n")


def test_an_undo_that_fails_leaves_stopped_what_was_and_says_what_is_where(restores: Restores) -> None:
    hermes = restores.hermes
    before = alter(hermes, files_only=True)
    running = restores.host.running()
    run = restores.begin("vmail", strike=f"{RENAMING}@3=SIGSTOP")
    run.until_held()
    kept = hermes.tiers["vmail"] / ".hermes-restore-vmail/old"
    with immovable(kept):
        run.process.send_signal(signal.SIGTERM)
        run.go_on()
        ended = run.ended()
        assert ended.code == 1
        assert "the old state could not be put back" in ended.error
        assert "What was stopped is left stopped." in ended.error
        assert restores.host.running() == running - {"hermes_dovecot"}
        told = [line for line in ended.error.splitlines() if line.startswith("  - ")]
        assert told
        for line in told:
            was, _, is_now = line.removeprefix("  - what was at ").partition(" is at ")
            assert os.path.lexists(is_now), line
            assert Path(was).is_relative_to(hermes.tiers["vmail"])
        assert restores.record() is not None

        again = restores.run("--undo")
        assert again.code == 1
        assert "the old state could not be put back" in again.error
    restores.undo()
    assert restores.host.running() == running
    restores.check_as(before)


@contextmanager
def immovable(top: Path) -> Iterator[None]:
    """Nothing can be moved out of a folder, or out of one below it, for a while."""
    folders = [folder for folder, _, _ in os.walk(top)]
    command("chattr", "+i", *folders)
    try:
        yield
    finally:
        command("chattr", "-i", *folders)


def test_a_volume_that_would_have_to_be_made_anew(restores: Restores, originals: Originals) -> None:
    """It is named, before anything is staged."""
    before = files_alone(restores.hermes)
    config = contents(originals.backups["system"])["config.tar.gz"]
    content = archive_edited(
        config, {"./docker-compose.yml": lambda text: text.replace(b"${VMAIL_MOUNT}/dovecot", b"${VMAIL_MOUNT}/other")}
    )
    tarball = repacked(originals.backups["system"], restores.host.folder / "forged", {"config.tar.gz": content})
    ended = restores.run(tarball)
    assert ended.code == 1
    assert "dovecot_mail" in ended.error
    assert "== Staging" not in ended.stdout
    restores.check_as(before)
    restores.check_nothing_left()
