"""Backups that the shell scripts of the field made, restored onto a host with other paths."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.content.databases import DATABASES
from tests.stack.miniature.tree import Facts, listing
from tests.stack.picture import Picture, differences, files, picture
from tests.stack.restoring import Restored, check_nothing_left, restore, volumes
from tests.stack.script import Opened, opened, standing
from tests.stack.test_backup_scopes import NEVER_IN_CONFIG, NEVER_IN_DATA, OWNERS_IN_SINGLE, within

SAMPLES = Path(__file__).parents[1] / "samples"
IMAGE = "acc-hermes"
ROOT_PASSWORD = "secretroot"
# That host's image had a name for the console of its own.
DOCKERFILE = b"""\
FROM hermes-miniature
RUN printf '#!/bin/sh\\nexec role console\\n' >/usr/local/bin/commandbox && chmod 755 /usr/local/bin/commandbox
"""
ROWS = "SELECT COUNT(*) FROM parent; SELECT COUNT(*) FROM child; SELECT COUNT(*) FROM v_parent"
OBJECTS = """
SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1;
SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY 1;
SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE();
SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE();
"""
# What the servers write as soon as they run; and the folder above the live directory, which no archive of those has.
BUSY = ("postfix_dkim", "ldap", "dovecot/logs", "mail_filter/logs")


def sample(scope: str) -> Path:
    (found,) = SAMPLES.glob(f"hermes-backup-{scope}-*.tar")
    return found


@pytest.fixture(scope="module")
def image(engine: Engine) -> None:
    """The image that the samples' Compose file asks for."""
    argv = ["docker", "build", "--network", "none", "--tag", IMAGE, "-"]
    subprocess.run(argv, input=DOCKERFILE, env=engine.environ | {"DOCKER_BUILDKIT": "0"}, check=True)


@contextmanager
def of_the_same_build(engine: Engine, base: Path, layout: str) -> Iterator[Miniature]:
    """A host where the Hermes of the samples is installed, with other data: its Compose file is theirs."""
    with standing(engine, base, layout=layout) as hermes:
        hermes.down()
        with tarfile.open(sample("all")) as tar, tarfile.open(fileobj=tar.extractfile("./config.tar.gz")) as config:
            file = config.extractfile("./docker-compose.yml")
            assert file
            (hermes.root / "docker-compose.yml").write_bytes(file.read())
        hermes.up()
        yield hermes


def restored_from(hermes: Miniature, scope: str) -> tuple[Restored, Opened]:
    """The restore of a sample, which lies where this host keeps backups; refused until it is told to remap."""
    folder = hermes.base / "backups"
    folder.mkdir(exist_ok=True)
    tarball = folder / sample(scope).name
    tarball.write_bytes(sample(scope).read_bytes())
    refused = restore(hermes, tarball)
    assert refused.code == 1
    assert "FORCE_REMAP=1" in refused.stderr
    made = volumes(hermes)
    done = restore(hermes, tarball, environ={"FORCE_REMAP": "1"}).must_end_well()
    assert volumes(hermes) == made
    check_nothing_left(hermes)
    return done, opened(tarball, hermes.base / "opened" / scope)


def on_one_path(backup: Opened) -> bool:
    places = backup.manifest["topology"]
    return len({places[key] for key in places if key != "config_path"}) == 1


def of_the_tier(folder: Path, tier: str, never: tuple[str, ...], *, shared: bool) -> dict[bytes, Facts]:
    """What belongs to the tier: all but what no restore touches and, on one disk, what is other tiers'."""
    found = listing(folder, leave_out=[*never, *BUSY])
    mine = {name: facts for name, facts in found.items() if facts.kind != "socket"}
    return {name: facts for name, facts in mine.items() if not shared or tier == "config" or is_of(name, tier)}


def is_of(name: bytes, tier: str) -> bool:
    owner = next((owner for folder, owner in OWNERS_IN_SINGLE.items() if within(name, folder)), "data")
    return owner == tier and name not in (b".", b"dovecot")


def check_tier(hermes: Miniature, backup: Opened, tier: str) -> None:
    """The host holds what the archive holds, and nothing else."""
    shared = on_one_path(backup) or (hermes.layout.name == "single" and tier != "config")
    never = {"config": (*NEVER_IN_CONFIG, ".env", "scripts"), "data": NEVER_IN_DATA}.get(tier, ())
    path = hermes.root if tier == "config" else hermes.tiers[tier]
    due = of_the_tier(backup.unpack(tier), tier, never, shared=shared)
    found = of_the_tier(path, tier, never, shared=shared)
    assert differences(as_picture(tier, due), as_picture(tier, found)) == []


def as_picture(tier: str, found: dict[bytes, Facts]) -> Picture:
    # occ has just written its switch.
    return Picture({(tier, repr(name)): facts for name, facts in found.items() if name != b"app/config/config.php"})


def check_dumps(hermes: Miniature) -> None:
    for database in DATABASES:
        assert hermes.sql(ROWS, database).split() == ["200", "200", "99"], database
        objects = hermes.sql(OBJECTS, database).split()
        assert {"parent", "child", "audit", "v_parent", "s", "p", "f"} <= {*objects}, database
        assert "z_parent" not in objects
    assert hermes.sql("SELECT value FROM system_settings WHERE parameter = 'build_no'", "hermes") == "v260119\n"
    assert len(hermes.ldap_entries()) == 52
    # Root's password came with the credential files.
    hermes.exec("hermes_db_server", "mariadb", "-u", "root", "-e", "SELECT 1", password=ROOT_PASSWORD)


def live_files(hermes: Miniature) -> dict[str, int]:
    """The files of the live database; one that another took the place of has another inode."""
    folder = hermes.tiers["data"] / "dbase/databases"
    return {name: (folder / name).stat().st_ino for name in ("ibdata1", "ib_logfile0", "mysql", "aria_log_control")}


def test_mail_alone(engine: Engine, folders: Iterator[Path], image: None) -> None:
    with of_the_same_build(engine, next(folders), "odd") as hermes:
        before = picture(hermes)
        _, backup = restored_from(hermes, "vmail")
        check_tier(hermes, backup, "vmail")
        assert differences(before.but("vmail", "the one disk"), picture(hermes).but("vmail", "the one disk")) == []


@pytest.mark.parametrize("layout", ["separate", "single"])
def test_everything(engine: Engine, folders: Iterator[Path], image: None, layout: str) -> None:
    with of_the_same_build(engine, next(folders), layout) as hermes:
        live, env = live_files(hermes), hermes.env_file.read_text()
        done, backup = restored_from(hermes, "all")
        for tier in ("config", "data", "archive", "vmail", "nextcloud"):
            check_tier(hermes, backup, tier)
        check_dumps(hermes)
        assert live_files(hermes) == live
        check_mounts(hermes, env)
        assert "system_rehost.sh" in done.stdout


@pytest.mark.parametrize("layout", ["separate", "single"])
def test_the_system_of_a_host_with_one_disk(engine: Engine, folders: Iterator[Path], image: None, layout: str) -> None:
    """Its archive of the data holds mail, files and live database files as well: they stay in there."""
    with of_the_same_build(engine, next(folders), layout) as hermes:
        live, env = live_files(hermes), hermes.env_file.read_text()
        others = Picture(dict(files(hermes))).of("archive", "vmail", "nextcloud", "kept")
        _, backup = restored_from(hermes, "system")
        check_tier(hermes, backup, "data")
        check_tier(hermes, backup, "config")
        check_dumps(hermes)
        assert live_files(hermes) == live
        assert differences(others, Picture(dict(files(hermes))).of("archive", "vmail", "nextcloud", "kept")) == []
        check_mounts(hermes, env)


def check_mounts(hermes: Miniature, env: str) -> None:
    """This host's paths are in `.env` still, whose other lines are the backup's."""
    now = hermes.env_file.read_text().splitlines()
    assert [line for line in now if "_MOUNT=" in line] != []
    assert not [line for line in now if "/srv/acc" in line]
    devices = json.loads(hermes.compose("config", "--format", "json"))["volumes"]
    assert devices["db_data"]["driver_opts"]["device"] == str(hermes.tiers["data"] / "dbase")
    assert env != "\n".join(now)
