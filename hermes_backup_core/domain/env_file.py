"""The `.env` beside a Compose file, read as Compose reads it.

Compose has a dialect of its own: a value ends at `#` with a blank, not a tab, in front; `KEY: value` counts;
`$VAR` and nested `${VAR:-…}` are filled in, in double quotes too; a backslash sequence that it does not know
stays as it is; what follows a closing quote is the next entry. python-dotenv reads nearly all of this
otherwise, so that there is nothing here for its parser to do. The rules are those of compose-go's packages
`dotenv` and `template` (v2), and a test holds them against `docker compose config`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from attrs import define, field, frozen

from hermes_backup_core.domain.errors import HermesBackupError

UTF8_BOM = b"\xef\xbb\xbf"
BLANKS = "\t\v\f\r \x85\xa0"
UNICODE_SPACES = BLANKS + "\n\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

EXPORT = re.compile(r"export[\t\f\r ]+")
QUOTED = {
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
    "'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
}
ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})')
ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
OCTAL = re.compile(r"[0-3][0-7]{2}")
NAME = "[_a-z][_a-z0-9]*"
REFERENCE = re.compile(
    rf"\$(?:(?P<escaped>\$)|(?P<named>{NAME})|\{{(?:(?P<braced>{NAME}(?::?[-+?].*)?)\}}|))", re.IGNORECASE
)
PLAIN = re.compile(r"[\w./:,@%+-]+", re.ASCII)
OPERATOR = re.compile(r"(?P<colon>:?)(?P<sign>[-+?])")


@frozen
class EnvFileError(HermesBackupError):
    """A line of `.env` that Compose refuses as well: its number, from 1 on, and what to mend in it."""

    line: int
    problem: str

    def __str__(self) -> str:
        return f".env, line {self.line}: {self.problem}"


def read_env(data: bytes, environ: Mapping[str, str] = {}) -> dict[str, str]:
    """The variables that a `.env` file sets, in the file's order; set twice, the last value counts.

    `environ` fills in references, where it goes before the file's earlier lines, and names without a value.
    For Compose it also goes before the file as a whole: that is left to the caller, this returns the file's.
    Bytes that are no UTF-8 come out as lone surrogates, as `os.fsdecode` gives them, so that paths survive.
    Raises `EnvFileError`.
    """
    return _read(data, environ).values


def with_values_of(data: bytes, values: Mapping[str, str]) -> bytes:
    """The `.env` file `data` with these values for these names, and every other byte as it was.

    A name that is set twice gets its value in both places, so that no reader finds the old one; one that is
    not set is set at the end. Compose reads each value as it is, whatever characters are in it, but for NUL.
    Raises `EnvFileError`.
    """
    reader = _read(data, {})
    text = reader.text
    for name, start, end in reversed(reader.places):
        if name in values:
            text = text[:start] + _written(values[name], text[start:end]) + text[end:]
    line_end = "\r\n" if "\r\n" in text else "\n"
    missing = [f"{name}={_written(value)}{line_end}" for name, value in values.items() if name not in reader.values]
    if missing and text and not text.endswith("\n"):
        text += line_end
    bom = UTF8_BOM if data.startswith(UTF8_BOM) else b""
    return bom + "".join((text, *missing)).encode("utf-8", "surrogateescape")


def _read(data: bytes, environ: Mapping[str, str]) -> _Reader:
    reader = _Reader(data.removeprefix(UTF8_BOM).decode("utf-8", "surrogateescape"), environ)
    while reader.at_entry():
        reader.take_entry()
    return reader


def _written(value: str, before: str = "") -> str:
    """The value as it is written where `before` stood, whose quotes may be what ends the entry."""
    if PLAIN.fullmatch(value) and before[:1] not in QUOTED:
        return value
    if "\\" not in value:
        return "'" + value.replace("'", "\\'") + "'"
    return '"' + re.sub(r'["$\\]', r"\\\g<0>", value) + '"'


@define
class _Reader:
    """Reads the text from its start; `places` are the names that get a value, each with where that stands."""

    text: str
    environ: Mapping[str, str]
    values: dict[str, str] = field(factory=dict, init=False)
    places: list[tuple[str, int, int]] = field(factory=list, init=False)
    at: int = field(default=0, init=False)

    def at_entry(self) -> bool:
        """Go to where the next entry begins, past blank lines and comments; false at the end."""
        self.skip(UNICODE_SPACES)
        while self.text.startswith("#", self.at):
            self.at = self.line_end()
            self.skip(UNICODE_SPACES)
        return self.at < len(self.text)

    def take_entry(self) -> None:
        start = self.at
        name, end = self.take_name()
        if end == "\n":
            self.inherit(name)
        elif name:
            self.values[name] = self.take_value(name)
        else:
            raise self.error(start, "this sets no variable; write NAME=value, and # in front of a comment")
        if "\0" in self.values.get(name, ""):
            raise self.error(start, f"the value of {name} has a NUL byte in it; take it out")

    def take_name(self) -> tuple[str, str]:
        """The name, and the character that ends it. One that nothing ends, not even a line break, is none."""
        if exported := EXPORT.match(self.text, self.at):
            self.at = exported.end()
            self.skip(BLANKS)
        start = self.at
        while self.at < len(self.text) and self.may_be_in_name(self.at):
            self.at += 1
        end = self.text[self.at : self.at + 1]
        name = self.text[start : self.at].rstrip(UNICODE_SPACES) if end else ""
        if " " in name:
            raise self.error(start, f"the name {name!r} has a blank in it; write NAME=value, one a line")
        self.at += 1
        return name, end

    def may_be_in_name(self, at: int) -> bool:
        char = self.text[at]
        if char in "=:\n":
            return False
        if char in BLANKS + "_.-[]" or unicodedata.category(char)[0] in "LN":
            return True
        raise self.error(at, f"{char!r} stands in a name; write NAME=value, and # in front of a comment")

    def inherit(self, name: str) -> None:
        if name in self.environ:
            self.values[name] = self.environ[name]

    def take_value(self, name: str) -> str:
        named = self.at
        self.skip(BLANKS)
        start, quote = self.at, self.text[self.at : self.at + 1]
        if quote in QUOTED:
            value = self.take_quoted(quote)
            self.places.append((name, start, self.at))
            return value
        self.at = self.line_end()
        value = self.text[start : self.at].partition(" #")[0].rstrip(UNICODE_SPACES)
        # The blanks of an empty value may be half of a line break.
        self.places.append((name, start, start + len(value)) if value else (name, named, named))
        return self.filled_in(value, start)

    def take_quoted(self, quote: str) -> str:
        start = self.at
        quoted = QUOTED[quote].match(self.text, start)
        if quoted is None:
            raise self.error(start, f"the {quote} that opens the value has no partner; close it with {quote}")
        self.at = quoted.end()
        if quote == "'":
            return quoted[1].replace("\\'", "'")
        return self.filled_in(ESCAPE.sub(_escaped_char, quoted[1]), start)

    def filled_in(self, value: str, start: int) -> str:
        try:
            return _filled_in(value, {**self.values, **self.environ})
        except ValueError as err:
            raise self.error(start, str(err)) from err

    def skip(self, chars: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in chars:
            self.at += 1

    def line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    def error(self, at: int, problem: str) -> EnvFileError:
        return EnvFileError(self.text.count("\n", 0, at) + 1, problem)


def _escaped_char(escape: re.Match[str]) -> str:
    code = escape[0][1:]
    if code == "$":
        return "$$"  # still to be read as a reference, where this is a plain dollar
    if code[0] == "0":
        octal = code[1:]
        return chr(int(octal, 8)) if OCTAL.fullmatch(octal) else f"\\{octal}"
    return ESCAPED.get(code, escape[0])


def _filled_in(text: str, known: Mapping[str, str]) -> str:
    """The text with its references replaced; a `ValueError` says what is wrong with one."""
    return REFERENCE.sub(lambda reference: _referred(reference, known), text)


def _referred(reference: re.Match[str], known: Mapping[str, str]) -> str:
    if reference["escaped"]:
        return "$"
    if reference["named"]:
        return known.get(reference["named"], "")
    if not reference["braced"]:
        raise ValueError("${ begins no reference; write ${NAME} or ${NAME:-default}, and $$ for a plain dollar")
    inside, rest = _cut_at_closing_brace(reference[0])
    return _expanded(inside, known) + _filled_in(rest, known)


def _cut_at_closing_brace(text: str) -> tuple[str, str]:
    """What stands in the braces that `text` opens with, and what follows them; Compose counts `{}` as `{`."""
    depth = 0
    for brace in re.finditer(r"\{.?|\}", text):
        depth += -1 if brace[0] == "}" else 1
        if depth == 0:
            return text[2 : brace.start()], text[brace.end() :]
    return text[2:-1], ""


def _expanded(inside: str, known: Mapping[str, str]) -> str:
    operator = OPERATOR.search(inside)
    if operator is None:
        return known.get(inside, "")
    name, word = inside[: operator.start()], inside[operator.end() :]
    value = known.get(name)
    counts = bool(value) if operator["colon"] else value is not None
    if counts != (operator["sign"] == "+"):
        return value or ""
    word = _filled_in(word, known)
    if operator["sign"] == "?":
        raise ValueError(f"{name} must be set: {word or 'it has no value'}; set it in a line above")
    return word
