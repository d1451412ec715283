"""Absolute paths compared by whole components: ``/mnt/data`` is no parent of ``/mnt/data2``."""

from __future__ import annotations

import os  # for the bytes of names alone: `fsencode` touches no file
import posixpath
import re


def normalised(path: str) -> str:
    """Return the absolute ``path`` less trailing and doubled slashes."""
    return "/" + posixpath.normpath(path).lstrip("/")


def is_within(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies below it; both absolute and normalised."""
    return path == folder or is_below(path, folder)


def is_below(path: str, folder: str) -> bool:
    """Whether ``path`` lies below ``folder``, and is not the folder itself."""
    return path != folder and path.startswith(folder.rstrip("/") + "/")


def join(folder: str, name: str) -> str:
    """Return ``folder`` with ``name`` below it, or ``folder`` itself where ``name`` is empty."""
    return posixpath.join(folder, name) if name else folder


def relative(path: str, folder: str) -> str:
    """Return where ``path`` lies below ``folder``; empty where it is the folder itself."""
    return "" if path == folder else path[len(folder.rstrip("/")) + 1 :]


def shown(name: str | bytes) -> str:
    """Return a file's name for people: on one line, whatever its bytes are; never fails."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda match: ascii(match[0])[1:-1], text)
