"""Names and texts as SQL writes them."""

from __future__ import annotations


def quoted(text: str) -> str:
    """Return ``text`` as a string literal of the default SQL mode, in one line."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") + "'"


def identifier(name: str) -> str:
    """Return ``name`` as an identifier of any SQL mode."""
    return "`" + name.replace("`", "``") + "`"


def account(user: str, host: str) -> str:
    """Return the name of an account."""
    return f"{quoted(user)}@{quoted(host)}"


def unhexed(digits: str) -> str:
    """Return the text whose bytes the server gave as ``digits``: so no tab or line break in it parts a row."""
    return bytes.fromhex(digits).decode("utf-8", "surrogateescape")
