"""Where slapd keeps its entries, read from the LDIF files of its own configuration (``slapd.d``)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from hermes_backup_core.domain.paths import normalised


def database_folder(ldif_files: Mapping[str, bytes], suffix: str) -> str | None:
    """Return the folder, as slapd sees it, of the database that holds ``suffix``, or None where no file names one.

    ``ldif_files`` are those below ``slapd.d/cn=config`` called ``olcDatabase=….ldif``, each with one entry.
    """
    for _, content in sorted(ldif_files.items()):
        entry = list(_attributes(content))
        suffixes = {_plain(value) for name, value in entry if name == "olcsuffix"}
        folders = [value for name, value in entry if name == "olcdbdirectory"]
        if _plain(suffix) in suffixes and folders:
            return normalised(folders[0])
    return None


def _attributes(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the attributes of the entry in ``content``, their names in small letters."""
    # A line that begins with a blank goes on with the one before, a comment included (RFC 2849).
    for line in re.sub(rb"\r?\n ", b"", content).splitlines():
        name, colon, value = line.partition(b":")
        if colon and not line.startswith(b"#"):
            yield name.decode("ascii", "replace").lower(), _value(value)


def _value(written: bytes) -> str:
    value = written
    if written.startswith(b":"):
        try:
            value = base64.b64decode(written[1:].strip(), validate=True)
        except binascii.Error:
            value = b""
    return value.strip(b" ").decode("utf-8", "surrogateescape")


def _plain(dn: str) -> str:
    """Return ``dn`` as servers compare it, as far as a suffix may be written in several ways."""
    return re.sub(r"\s*([,=])\s*", r"\1", dn).lower()
