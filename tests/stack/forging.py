"""Backups that nobody would make: members are changed, and the manifest's sums made to fit."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.stack.script import ACCOUNTS, MANIFEST_MEMBER

Manifest = dict[str, Any]


def contents(tarball: Path) -> dict[str, bytes]:
    """The members of a tarball, in its order."""
    with tarfile.open(tarball) as tar:
        found = {info.name.removeprefix("./"): tar.extractfile(info) for info in tar}
        return {name: file.read() for name, file in found.items() if file}


def repacked(
    tarball: Path,
    folder: Path,
    changes: Mapping[str, bytes | None] | None = None,
    *,
    unlisted: Mapping[str, bytes] | None = None,
    manifest: Callable[[Manifest], object] = lambda _: None,
) -> Path:
    """A copy of `tarball` in `folder` with members changed, added or (None) taken away, and a manifest that fits.

    What is `unlisted` gets in without the manifest's knowledge; `manifest` may change what that says.
    """
    found = contents(tarball)
    told: Manifest = json.loads(found.pop(MANIFEST_MEMBER))
    for name, content in (changes or {}).items():
        fit(told, name, content)
        found.pop(name, None)
        found |= {} if content is None else {name: content}
    manifest(told)
    head = json.dumps(told, indent=2, ensure_ascii=False).encode()
    return packed(folder / tarball.name, {MANIFEST_MEMBER: head, **found, **(unlisted or {})})


def fit(told: Manifest, name: str, content: bytes | None) -> None:
    """Make the manifest tell the member's sum and size; what unpacking it makes is no longer told."""
    listed = told["accounts"] if name == ACCOUNTS else told["archives"]
    listed.pop(name, None)
    if content is not None:
        listed[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


def packed(target: Path, members: Mapping[str, bytes]) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members.items():
            tar.addfile(entry(name, size=len(content), mode=0o600), io.BytesIO(content))
    return target


def entry(
    name: str, *, kind: bytes = tarfile.REGTYPE, to: str = "", size: int = 0, mode: int = 0o644
) -> tarfile.TarInfo:
    """An entry for an archive; `to` is the target of a link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, to, size, mode
    return info


def archive_with(original: bytes, *entries: tarfile.TarInfo) -> bytes:
    """A tier's archive that begins with these entries; files among them hold as many letters as they are long."""
    first = b"".join(info.tobuf(tarfile.PAX_FORMAT) + in_blocks(b"x" * info.size) for info in entries)
    return gzip.compress(first + gzip.decompress(original), 1)


def in_blocks(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


Edit = Callable[[bytes], bytes]


def archive_edited(original: bytes, edits: Mapping[str, Edit | None]) -> bytes:
    """An archive with the text of some of its files edited, or (None) taken away; there are no sparse files in it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(original)) as old, tarfile.open(fileobj=made, mode="w:gz") as new:
        for info in old:
            name = f"./{info.name.removeprefix('./')}"
            file = old.extractfile(info) if info.isreg() else None
            text = file.read() if file else b""
            edit = edits.get(name, same)
            if edit:
                text = edit(text)
                info.size = len(text) if info.isreg() else 0
                new.addfile(info, io.BytesIO(text))
    return made.getvalue()


def same(text: bytes) -> bytes:
    return text


def dumps_with(original: bytes, database: str, edit: Edit) -> bytes:
    """The archive of the dumps, with the text of one of them edited."""
    return archive_edited(original, {f"./{database}.sql": edit})


def zipped(original: bytes, edit: Edit) -> bytes:
    """A gzip member with its text edited."""
    return gzip.compress(edit(gzip.decompress(original)))
