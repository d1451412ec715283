"""The manifest: laid out for line-oriented greps, read strictly, and the shell scripts' ones are read too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.manifest import ArchiveEntry, ChangedFiles, ComposeRecord, Manifest, ManifestError
from hermes_backup_core.domain.scope import DATABASES, Mode, Scope
from hermes_backup_core.domain.topology import Topology

SHELL = Path(__file__).parent / "manifests"
DIGEST = "0123456789abcdef" * 4
TOPOLOGY = Topology("/opt/hermes", "/mnt/data", "/mnt/archive", "/mnt/vmail", "/mnt/files")


def manifest_of(scope: Scope = Scope.ALL, **changes: Any) -> Manifest:
    manifest = Manifest(
        build_no="v260119",
        scope=scope,
        mode=Mode.HOT,
        timestamp="20260601T103000Z",
        hostname="mail.example.com",
        topology=TOPOLOGY,
        archives={name: ArchiveEntry(DIGEST, 123, 4, 567) for name in scope.members},
        accounts={"accounts.sql.gz": ArchiveEntry(DIGEST, 99, None, 100)} if scope.has_dumps else {},
        compose=ComposeRecord("hermes", {"dbase": "/mnt/data/dbase"}),
        changed_files={"vmail": ChangedFiles(2, ("a", "b"))},
        snapshots={"data": "btrfs", "vmail": "lvm"},
    )
    return evolve(manifest, **changes)


def grepped(text: str, key: str) -> str:
    """What the scripts in the field take for the value of ``key``: the first line that has it in quotes."""
    line = next(line for line in text.split("\n") if f'"{key}"' in line)
    match = re.search(rf'"{key}"\s*:\s*"([^"]*)"', line)
    assert match, line
    return match[1]


def changed(change: Callable[[dict[str, Any]], object], scope: Scope = Scope.ALL) -> bytes:
    """A manifest whose JSON somebody changed."""
    content = json.loads(manifest_of(scope).render())
    change(content)
    return json.dumps(content).encode()


# Layout

NASTY = [
    'say "hi"',
    "back\\slash",
    "{brace}",
    "}",
    "new\nline",
    '"scope": "evil"',
    "caf\u00e9",
    "caf\udce9",
    "\x00\x7f",
    "'",
]
NAMES = st.text(min_size=1, max_size=20) | st.sampled_from(NASTY)
PATHS = NAMES.map(lambda name: f"/mnt/{name}")
MANIFESTS = st.builds(
    manifest_of,
    st.sampled_from(Scope),
    hostname=NAMES,
    mode=st.sampled_from(Mode),
    topology=st.builds(Topology, *[PATHS] * 5),
    compose=st.none() | st.builds(ComposeRecord, NAMES, st.dictionaries(NAMES, PATHS, max_size=3)),
    changed_files=st.dictionaries(
        NAMES, st.builds(ChangedFiles, st.integers(0), st.lists(NAMES).map(tuple)), max_size=2
    ),
)


@settings(deadline=None)
@given(MANIFESTS)
def test_line_oriented_readers_find_the_right_values_whatever_stands_in_paths_and_names(manifest: Manifest) -> None:
    text = manifest.render().decode("utf-8")
    assert grepped(text, "scope") == manifest.scope.value
    assert grepped(text, "mode") == manifest.mode.value
    assert grepped(text, "timestamp") == manifest.timestamp
    assert grepped(text, "build_no") == manifest.build_no
    first = next(line for line in text.split("\n") if '"hostname"' in line)
    assert json.loads("{" + first.rstrip(",") + "}") == {"hostname": manifest.hostname}


@settings(deadline=None)
@given(MANIFESTS)
def test_every_archive_stands_on_one_line_without_nested_braces(manifest: Manifest) -> None:
    lines = manifest.render().decode("utf-8").split("\n")
    for name, entry in manifest.members.items():
        (line,) = [line for line in lines if line.startswith(f'    "{name}": ')]
        assert line.count("{") == line.count("}") == 1
        assert f'"sha256": "{entry.sha256}", "size_bytes": {entry.size_bytes}' in line


@settings(deadline=None)
@given(MANIFESTS)
def test_what_was_rendered_is_json_and_is_read_back(manifest: Manifest) -> None:
    assert Manifest.parse(manifest.render()) == manifest
    assert Manifest.parse(manifest.render() + b" " * 100 + b"\n") == manifest


def test_the_layout_is_the_one_in_the_field_with_what_is_new_behind_it() -> None:
    text = manifest_of(Scope.VMAIL).render().decode()
    assert text == (
        '{\n  "manifest_version": "1.0",\n  "build_no": "v260119",\n  "scope": "vmail",\n  "mode": "hot",\n'
        '  "timestamp": "20260601T103000Z",\n  "hostname": "mail.example.com",\n'
        '  "topology": {\n    "config_path": "/opt/hermes",\n    "data_mount": "/mnt/data",\n'
        '    "archive_mount": "/mnt/archive",\n    "vmail_mount": "/mnt/vmail",\n'
        '    "files_mount": "/mnt/files"\n  },\n'
        '  "databases": ["hermes", "authelia", "opendmarc", "Syslog", "djigzo", "nextcloud"],\n'
        '  "ldap_suffix": "dc=hermes,dc=local",\n'
        f'  "archives": {{\n    "vmail.tar.gz": {{"sha256": "{DIGEST}", "size_bytes": 123, "entries": 4, '
        '"content_bytes": 567}\n  },\n  "accounts": {},\n'
        '  "compose": {\n    "project": "hermes",\n    "volumes": {"dbase": "/mnt/data/dbase"}\n  },\n'
        '  "changed_files": {\n    "vmail": {"count": 2, "names": ["a", "b"]}\n  },\n'
        '  "snapshots": {\n    "data": "btrfs",\n    "vmail": "lvm"\n  }\n}\n'
    )


def test_what_there_is_nothing_of_is_left_out() -> None:
    text = manifest_of(Scope.VMAIL, compose=None, changed_files={}, snapshots={}).render().decode()
    assert "compose" not in text
    assert "changed_files" not in text
    assert "snapshots" not in text


def test_no_member_that_older_readers_do_not_know_looks_like_one_they_do() -> None:
    text = manifest_of().render().decode()
    archives = text[text.index('"archives"') :]
    found = set(re.findall(r'"([^"]+\.(?:tar|ldif)\.gz)"', archives))
    assert found == set(Scope.ALL.members)
    assert "accounts.sql.gz" in archives


# The shell scripts' manifests


@pytest.mark.parametrize(
    ("name", "scope", "mode", "data"),
    [
        ("all", Scope.ALL, Mode.HOT, "/srv/acc/mnt/data"),
        ("system", Scope.SYSTEM, Mode.HOT, "/srv/acc/mnt/one"),
        ("vmail", Scope.VMAIL, Mode.COLD, "/srv/acc/mnt/data"),
    ],
)
def test_the_manifests_of_the_shell_scripts_are_read(name: str, scope: Scope, mode: Mode, data: str) -> None:
    manifest = Manifest.parse((SHELL / f"shell-{name}.json").read_bytes())
    assert (manifest.scope, manifest.mode, manifest.build_no, manifest.hostname) == (scope, mode, "v260119", "vm")
    assert manifest.topology.data == data
    assert tuple(manifest.archives) == scope.members
    assert manifest.databases == DATABASES
    assert (manifest.accounts, manifest.compose, manifest.changed_files) == ({}, None, {})
    assert all((entry.entries, entry.content_bytes) == (None, None) for entry in manifest.archives.values())
    assert manifest.members == manifest.archives


def test_a_shell_scripts_manifest_rendered_by_us_has_the_same_lines_first() -> None:
    data = (SHELL / "shell-all.json").read_text()
    ours = Manifest.parse(data.encode()).render().decode()
    assert ours.splitlines()[:24] == data.rstrip().splitlines()[:24]


# Strictness


def test_keys_that_this_reader_does_not_know_are_passed_over() -> None:
    def change(content: dict[str, Any]) -> None:
        content["later"] = {"x": 1}
        content["manifest_version"] = "1.7"
        content["topology"]["sixth_mount"] = "/mnt/x"
        content["archives"]["vmail.tar.gz"]["later"] = True

    manifest = Manifest.parse(changed(change))
    assert manifest == manifest_of(manifest_version="1.7")


VERSIONS = [("2.0", "its version is 2.0"), ("0.9", "0.9"), ("", "not given"), (None, "None"), ("11.0", "11.0")]


@pytest.mark.parametrize(("version", "reason"), VERSIONS)
def test_another_major_version_is_refused(version: str | None, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        Manifest.parse(changed(lambda content: content.update(manifest_version=version)))


def test_a_manifest_without_a_version_is_refused() -> None:
    with pytest.raises(ManifestError, match="not given"):
        Manifest.parse(changed(lambda content: content.pop("manifest_version")))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe{}", b"\0" * 512, b"{}", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError, match="not sound"):
        Manifest.parse(data)


ENTRY = "vmail.tar.gz"
WRONG: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("size_bytes", lambda c: c["archives"][ENTRY].update(size_bytes=True)),
    ("size_bytes", lambda c: c["archives"][ENTRY].update(size_bytes="123")),
    ("size_bytes", lambda c: c["archives"][ENTRY].update(size_bytes=1.0)),
    ("size_bytes", lambda c: c["archives"][ENTRY].update(size_bytes=None)),
    ("size_bytes", lambda c: c["archives"][ENTRY].update(size_bytes=-1)),
    ("size_bytes", lambda c: c["archives"][ENTRY].pop("size_bytes")),
    ("entries", lambda c: c["archives"][ENTRY].update(entries=-1)),
    ("content_bytes", lambda c: c["archives"][ENTRY].update(content_bytes=0.5)),
    ("sha256", lambda c: c["archives"][ENTRY].update(sha256=DIGEST.upper())),
    ("sha256", lambda c: c["archives"][ENTRY].update(sha256=DIGEST[1:])),
    ("sha256", lambda c: c["archives"][ENTRY].update(sha256=DIGEST + "\n")),
    ("sha256", lambda c: c["archives"][ENTRY].update(sha256=5)),
    ("sha256", lambda c: c["archives"][ENTRY].pop("sha256")),
    ("archives", lambda c: c.update(archives=[])),
    ("archives", lambda c: c.pop("archives")),
    ("archives", lambda c: c["archives"].update({ENTRY: "x"})),
    ("scope", lambda c: c.update(scope="some")),
    ("mode", lambda c: c.update(mode="warm")),
    ("build_no", lambda c: c.update(build_no=260119)),
    ("hostname", lambda c: c.pop("hostname")),
    ("timestamp", lambda c: c.update(timestamp=None)),
    ("topology", lambda c: c.pop("topology")),
    ("topology", lambda c: c.update(topology="x")),
    ("topology", lambda c: c.update(topology=None)),
    ("data_mount", lambda c: c["topology"].pop("data_mount")),
    ("files_mount", lambda c: c["topology"].update(files_mount=1)),
    ("databases", lambda c: c.update(databases=[1])),
    ("compose", lambda c: c.update(compose={"project": 1, "volumes": {}})),
    ("changed_files", lambda c: c.update(changed_files={"vmail": {"count": "2", "names": []}})),
    ("accounts", lambda c: c.update(accounts={"accounts.sql.gz": {"sha256": "x", "size_bytes": 1}})),
]


@pytest.mark.parametrize(("key", "change"), WRONG, ids=[f"{number} {key}" for number, (key, _) in enumerate(WRONG)])
def test_a_value_that_is_not_what_it_must_be_is_refused_and_named(
    key: str, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(ManifestError, match=key):
        Manifest.parse(changed(change))


@pytest.mark.parametrize("key", ["scope", "sha256", "vmail.tar.gz"])
def test_a_key_that_is_given_twice_is_refused(key: str) -> None:
    text = re.sub(
        rf'("{re.escape(key)}": (?:"[^"]*"|\{{[^}}]*\}}))', r"\1, \1", manifest_of().render().decode(), count=1
    )
    with pytest.raises(ManifestError, match="twice"):
        Manifest.parse(text.encode())


def test_a_member_that_the_scope_needs_and_that_is_not_listed_is_named() -> None:
    with pytest.raises(ManifestError, match=r"scope all needs ldap\.ldif\.gz, vmail\.tar\.gz"):
        Manifest.parse(changed(lambda c: [c["archives"].pop(name) for name in ("ldap.ldif.gz", "vmail.tar.gz")]))


@pytest.mark.parametrize("name", ["data.tar.gz", "../evil.tar.gz", "other"])
def test_a_member_that_the_scope_does_not_have_is_named(name: str) -> None:
    entry = {"sha256": DIGEST, "size_bytes": 1}
    with pytest.raises(ManifestError, match=f"scope vmail has no {re.escape(name)}"):
        Manifest.parse(changed(lambda c: c["archives"].update({name: entry}), Scope.VMAIL))


def test_an_entry_that_cannot_be_is_not_built_either() -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        ArchiveEntry("x", 1)
    with pytest.raises(ValueError, match="negative"):
        ArchiveEntry(DIGEST, 1, -1)
