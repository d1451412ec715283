"""The manifest: what a backup says of itself.

Readers in the field are line-oriented greps, so the layout is part of the format: the scalar keys come
first, every entry of ``archives`` stands on one line without nested braces, and whatever this generation
added comes after them or inside such a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import attrs
import cattrs
from attrs import field, frozen
from cattrs.v import format_exception

from hermes_backup_core.domain.errors import HermesBackupError
from hermes_backup_core.domain.scope import DATABASES, LDAP_SUFFIX, Mode, Scope
from hermes_backup_core.domain.topology import Topology

MANIFEST_VERSION = "1.0"

_TOPOLOGY_KEYS = ("config_path", "data_mount", "archive_mount", "vmail_mount", "files_mount")


@frozen
class ManifestError(HermesBackupError):
    """The manifest of a backup breaks a rule of the format."""

    reason: str

    def __str__(self) -> str:
        return f"the manifest is not sound: {self.reason}. Take another backup; this one cannot be trusted."


def _is_digest(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError(f"{attribute.name} is not 64 hexadecimal digits")


def _not_negative(_: object, attribute: attrs.Attribute[int], value: int | None) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{attribute.name} is negative")


@frozen
class ArchiveEntry:
    """What the manifest says of one member. Sizes in bytes.

    ``entries`` and ``content_bytes`` tell what unpacking it makes: names, and bytes of file content
    (holes counted once); None in the backups of the shell scripts, which did not record them.
    """

    sha256: str = field(validator=_is_digest)
    size_bytes: int = field(validator=_not_negative)
    entries: int | None = field(default=None, validator=_not_negative)
    content_bytes: int | None = field(default=None, validator=_not_negative)


@frozen
class ComposeRecord:
    """The Compose project's name on the host of the backup, and each volume's folder there."""

    project: str
    volumes: dict[str, str]


@frozen
class ChangedFiles:
    """Files of one tier that were still being written when they were read for the last time.

    ``count`` is the number of all of them, ``names`` the first ones.
    """

    count: int
    names: tuple[str, ...]


@frozen
class Manifest:
    """What a backup says of itself. ``timestamp`` is UTC: ``20260601T103000Z``.

    ``changed_files`` goes by the tier's name, not the archive's: a grep for an archive must find one line. So does
    ``snapshots``, the kind of snapshot that a tier was packed from.
    """

    build_no: str
    scope: Scope
    mode: Mode
    timestamp: str
    hostname: str
    topology: Topology
    archives: dict[str, ArchiveEntry]
    databases: tuple[str, ...] = DATABASES
    ldap_suffix: str = LDAP_SUFFIX
    manifest_version: str = MANIFEST_VERSION
    accounts: dict[str, ArchiveEntry] = field(factory=dict)
    compose: ComposeRecord | None = None
    changed_files: dict[str, ChangedFiles] = field(factory=dict)
    snapshots: dict[str, str] = field(factory=dict)

    @property
    def members(self) -> dict[str, ArchiveEntry]:
        """Every member that the backup holds beside the manifest."""
        return {**self.archives, **self.accounts}

    def render(self) -> bytes:
        """Return the file, in the layout that line-oriented readers rely on; UTF-8."""
        topology = dict(zip(_TOPOLOGY_KEYS, attrs.astuple(self.topology), strict=True))
        lines = [
            *(f"{_json(key)}: {_json(value)}" for key, value in self._scalars().items()),
            f'"topology": {_block(topology)}',
            f'"databases": {_json(list(self.databases))}',
            f'"ldap_suffix": {_json(self.ldap_suffix)}',
            f'"archives": {_block(_entries(self.archives))}',
            f'"accounts": {_block(_entries(self.accounts))}',
        ]
        if self.compose:
            lines.append(f'"compose": {_block(attrs.asdict(self.compose))}')
        if self.changed_files:
            changed = {name: attrs.asdict(files) for name, files in self.changed_files.items()}
            lines.append(f'"changed_files": {_block(changed)}')
        if self.snapshots:
            lines.append(f'"snapshots": {_block(self.snapshots)}')
        # A file's name may be no UTF-8; what cannot be encoded becomes the very escape that JSON knows.
        return ("{\n  " + ",\n  ".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")

    def _scalars(self) -> dict[str, str]:
        return {
            "manifest_version": self.manifest_version,
            "build_no": self.build_no,
            "scope": self.scope.value,
            "mode": self.mode.value,
            "timestamp": self.timestamp,
            "hostname": self.hostname,
        }

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Return the manifest that ``data`` holds, whichever generation wrote it.

        Keys that this reader does not know are passed over. Raises `ManifestError`.
        """
        try:
            content = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates)
            return _structured(content)
        except ManifestError:
            raise
        except (ValueError, TypeError, RecursionError, cattrs.BaseValidationError) as err:
            raise ManifestError("; ".join(_reasons(err))) from err


def _structured(content: Any) -> Manifest:
    if not isinstance(content, dict):
        raise ManifestError("it is not a JSON object")
    version = str(content.get("manifest_version", ""))
    if version.split(".", maxsplit=1)[0] != MANIFEST_VERSION.split(".", maxsplit=1)[0]:
        raise ManifestError(f"its version is {version or 'not given'}, and this tool reads {MANIFEST_VERSION}")
    manifest = _CONVERTER.structure(content, Manifest)
    _check_members(manifest)
    return manifest


def _check_members(manifest: Manifest) -> None:
    expected, actual = set(manifest.scope.members), set(manifest.archives)
    if missing := sorted(expected - actual):
        raise ManifestError(f"scope {manifest.scope.value} needs {', '.join(missing)}, which it does not list")
    if extra := sorted(actual - expected):
        raise ManifestError(f"scope {manifest.scope.value} has no {', '.join(extra)}, which it lists")


def _structure_topology(content: Any, _: type) -> Topology:
    missing = [key for key in _TOPOLOGY_KEYS if not isinstance(content.get(key), str)]
    if missing:
        raise ValueError(f"its topology lacks {', '.join(missing)}")
    return Topology(*(content[key] for key in _TOPOLOGY_KEYS))


def _exactly(kind: type) -> Any:
    def structure(value: Any, _: type) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return structure


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(Topology, _structure_topology)
    converter.register_structure_hook(str, _exactly(str))
    converter.register_structure_hook(int, _exactly(int))
    return converter


_CONVERTER = _converter()


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ManifestError("it gives a key twice")
    return content


def _reasons(err: BaseException) -> list[str]:
    if isinstance(err, cattrs.BaseValidationError):
        return cattrs.transform_error(err, format_exception=_explained)
    return [str(err)]


def _explained(err: BaseException, kind: type | None) -> str:
    """Return the rule that broke, where it was one of ours, and else what cattrs makes of it."""
    return str(err) if isinstance(err, (ValueError, TypeError)) else format_exception(err, kind)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _block(content: dict[str, Any]) -> str:
    if not content:
        return "{}"
    return "{\n    " + ",\n    ".join(f"{_json(key)}: {_json(value)}" for key, value in content.items()) + "\n  }"


def _entries(archives: dict[str, ArchiveEntry]) -> dict[str, dict[str, Any]]:
    return {name: attrs.asdict(entry, filter=lambda _, value: value is not None) for name, entry in archives.items()}
