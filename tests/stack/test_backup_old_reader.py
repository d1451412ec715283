"""The shell scripts of the field read our backups: line-oriented greps, `tar`, `sha256sum`, `zcat`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.miniature import Engine, Miniature
from tests.stack.miniature.content.databases import BUILD_NO, DATABASES
from tests.stack.miniature.content.directory import entries
from tests.stack.script import Call, back_up, standing

# The ways of the old restore, and of monitoring scripts: nothing here knows JSON.
SHELL = r"""
set -euo pipefail
value() { grep -o "\"$1\": *\"[^\"]*\"" backup_manifest.json | head -n 1 | sed 's/.*: *"\(.*\)"/\1/'; }
tar -xf "$1"
for key in scope mode hostname timestamp build_no manifest_version config_path data_mount archive_mount vmail_mount \
    files_mount ldap_suffix; do
    printf '%s=%s\n' "$key" "$(value "$key")"
done
for archive in *.tar.gz *.ldif.gz; do
    line=$(grep "\"$archive\"" backup_manifest.json)
    [ "$(printf '%s\n' "$line" | wc -l)" -eq 1 ]
    sum=$(printf '%s' "$line" | sed -n 's/.*"sha256": *"\([0-9a-f]*\)".*/\1/p')
    size=$(printf '%s' "$line" | sed -n 's/.*"size_bytes": *\([0-9]*\).*/\1/p')
    echo "$sum  $archive" | sha256sum -c --quiet -
    [ "$(stat -c %s "$archive")" = "$size" ]
    printf 'verified=%s\n' "$archive"
done
# An old reader goes through the names in the manifest, too, and looks for each in the folder.
grep -o '"[a-z_]*\.\(tar\|ldif\)\.gz"' backup_manifest.json | tr -d '"' |
    while read -r archive; do [ -f "$archive" ]; done
mkdir out
for archive in *.tar.gz; do
    mkdir "out/${archive%.tar.gz}"
    tar -xzf "$archive" -C "out/${archive%.tar.gz}"
done
tar -tzf databases.tar.gz | sed 's/^/dump=/'
printf 'entries=%s\n' "$(zcat ldap.ldif.gz | grep -c '^dn:')"
"""


@pytest.fixture(scope="module", params=["separate", "odd"])
def hermes(request: pytest.FixtureRequest, engine: Engine, folders: Iterator[Path]) -> Iterator[Miniature]:
    with standing(engine, next(folders), layout=request.param) as made:
        yield made


@pytest.fixture(scope="module")
def call(hermes: Miniature) -> Call:
    return back_up(hermes, "all", script="system_backup.sh")


def read_by_shell(call: Call, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    argv = ["bash", "-c", SHELL, "old", str(call.tarball)]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_an_old_reader_finds_verifies_and_unpacks_everything(hermes: Miniature, call: Call) -> None:
    folder = hermes.base / "old"
    done = read_by_shell(call, folder)

    assert done.returncode == 0, done.stderr
    # All that tar wonders at are the odd files' times.
    assert not [line for line in done.stderr.splitlines() if "time stamp" not in line]
    pairs = [line.partition("=")[::2] for line in done.stdout.splitlines()]
    found = dict(pairs)
    assert (found["scope"], found["mode"], found["build_no"]) == ("all", "hot", BUILD_NO)
    assert found["timestamp"] == call.tarball.stem.rpartition("-")[2]
    assert found["data_mount"] == str(hermes.tiers["data"])
    assert found["files_mount"] == str(hermes.tiers["nextcloud"])
    assert found["entries"] == str(len(entries()))
    assert sorted(value for key, value in pairs if key == "verified") == [
        *("archive.tar.gz", "config.tar.gz", "data.tar.gz", "databases.tar.gz", "ldap.ldif.gz"),
        *("nextcloud.tar.gz", "vmail.tar.gz"),
    ]
    assert [value for key, value in pairs if key == "dump"] == [f"./{name}.sql" for name in DATABASES]
    assert (folder / "out/config/docker-compose.yml").read_bytes() == (hermes.root / "docker-compose.yml").read_bytes()
    assert {file.name for file in (folder / "out").iterdir()} == {
        *("archive", "config", "data", "databases", "nextcloud", "vmail"),
    }


def test_an_old_reader_notices_a_byte_that_was_changed(hermes: Miniature, call: Call) -> None:
    """The reader of the test above is one that can refuse."""
    spoilt = hermes.base / "spoilt.tar"
    content = bytearray(call.tarball.read_bytes())
    content[len(content) // 2] ^= 1
    spoilt.write_bytes(content)
    folder = hermes.base / "old, spoilt"
    folder.mkdir()
    done = subprocess.run(["bash", "-c", SHELL, "old", str(spoilt)], cwd=folder, capture_output=True, check=False)
    assert done.returncode != 0
