"""`.env` read by Compose's rules. Each row was read off `docker compose config`; the stack tests ask it anew."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes_backup_core.domain.env_file import UTF8_BOM, EnvFileError, read_env, with_values_of

READ = [
    # plain values, blanks, comments
    (b"", {}),
    (b"\n \t\n# A=1\n  # A=2", {}),
    (b"A=1", {"A": "1"}),
    (b"A=1\nA=2", {"A": "2"}),
    (b"  A=  x y  \n", {"A": "x y"}),
    (b"A\t=1", {"A": "1"}),
    (b"A=", {"A": ""}),
    (b"A=\n\nB=x", {"A": "", "B": "x"}),
    (b"A=1 # c", {"A": "1"}),
    (b"A=1# c", {"A": "1# c"}),
    (b"A=1\t# c", {"A": "1\t# c"}),
    (b"A=#c", {"A": "#c"}),
    (b"A= # c", {"A": "# c"}),
    (b"A==x", {"A": "=x"}),
    (b"A=it's", {"A": "it's"}),
    (b'A=a"b"', {"A": 'a"b"'}),
    (b"A=\xc2\xa0x\xc2\xa0", {"A": "x"}),
    (b"A=\xe2\x80\x83x\xe2\x80\x83", {"A": "\u2003x"}),
    (b"A=/mnt/\xff", {"A": "/mnt/\udcff"}),
    # the shapes of a line
    (b"\xef\xbb\xbfA=1", {"A": "1"}),
    (b"A=x\r\nB=\r\nC=z\r\n", {"A": "x", "B": "", "C": "z"}),
    (b"A=x\rB=2", {"A": "x\rB=2"}),
    (b"export A=1\nexport\tB=2\nexport \n C=3", {"A": "1", "B": "2", "C": "3"}),
    (b"exportA=1\nexport=2", {"exportA": "1", "export": "2"}),
    (b"A: v\nB :w\nC:'x'", {"A": "v", "B": "w", "C": "x"}),
    (b"A=b:c", {"A": "b:c"}),
    (b"a.b-c[0]=1\n1D=2\n\xc3\x84=3", {"a.b-c[0]": "1", "1D": "2", "\u00c4": "3"}),
    (b"A\nB=1", {"B": "1"}),
    # single quotes
    (b"A='x' # c\nB=2", {"A": "x", "B": "2"}),
    (b"A='x'B=2", {"A": "x", "B": "2"}),
    (b"A='a # $B\\n\\\\'", {"A": "a # $B\\n\\\\"}),
    (b"A='it\\'s'", {"A": "it's"}),
    (b"A='x\ny'\nB=1", {"A": "x\ny", "B": "1"}),
    # double quotes
    (b'A=""', {"A": ""}),
    (b'A=" # "', {"A": " # "}),
    (b'A="x\r\ny"', {"A": "x\r\ny"}),
    (b'A="\\a\\b\\f\\n\\r\\t\\v\\\\\\""', {"A": '\a\b\f\n\r\t\v\\"'}),
    (b'A="\\q\\c\\x41\\\'\\\n"', {"A": "\\q\\c\\x41\\'\\\n"}),
    (b'A="\\0101\\0377"', {"A": "A\u00ff"}),
    (b'A="\\0|\\08|\\012|\\0777"', {"A": "\\|\\8|\\12|\\777"}),
    (b'B=1\nA="$B\\$B$$B\\\\$B"', {"B": "1", "A": "1$B$B\\1"}),
    # references
    (b"B=2\nA=$B.x${B}y", {"B": "2", "A": "2.x2y"}),
    (b"A=$B|${B}\nB=2", {"A": "|", "B": "2"}),
    (b"A=1\nA=${A}2", {"A": "12"}),
    (b"A=$|a$ b|$1|$-B|{$B}", {"A": "$|a$ b|$1|$-B|{}"}),
    (b"A=$$|$$B|$$$$B", {"A": "$|$B|$$B"}),
    (b"A=\\$B", {"A": "\\"}),
    (b"B=\nA=${B:-x}${B-y}${B:+z}${B+w}", {"B": "", "A": "xw"}),
    (b"B=1\nA=${B:-x}${B-y}${B:+z}${B+w}", {"B": "1", "A": "11zw"}),
    (b"A=${B:-x}${B-y}${B:+z}${B+w}", {"A": "xy"}),
    (b"B=1\nA=${B:?no}${B?no}", {"B": "1", "A": "11"}),
    (b"A=${B-}${C:-${D:-d}}e", {"A": "de"}),
    (b"A=${B:-a-b:+c}|${B-a:-c}", {"A": "a-b:+c|a:-c"}),
    (b"A=${B:-{x}y}|${B:-}}", {"A": "{x}y|}"}),
    (b"A=${B:-{x}", {"A": "{x"}),
    (b"A=${C:-a{b}c}d${D-{}}e}", {"A": "a{b}cd{}}e"}),
    (b'A=${B:-x#y}${B:-"q"}', {"A": 'x#y"q"'}),
    (b'A="${B:-x}\n$C"', {"A": "x\n"}),
]

REFUSED = [
    (b"A=1\nB C=2", 2, "blank"),
    (b"- A=1", 1, "blank"),
    (b"A=1\n\n\xef\xbb\xbfB=2", 3, "stands in a name"),
    (b"A!=1", 1, "'!' stands in a name"),
    (b"A\xff=1", 1, "stands in a name"),
    (b"A #c\nB=1", 1, "'#' stands in a name"),
    (b"# c\n=x", 2, "sets no variable"),
    (b":\n", 1, "sets no variable"),
    (b"A=1\nB", 2, "sets no variable"),
    (b"export ", 1, "sets no variable"),
    (b'A="x"y', 1, "sets no variable"),
    (b"A='x\nB=2", 1, "has no partner"),
    (b'\n\nA="x\\"', 3, "has no partner"),
    (b"A=x\0y", 1, "NUL"),
    (b'A="\\0000"', 1, "NUL"),
    (b"A=${B", 1, "begins no reference"),
    (b"A=1\nA=${}", 2, "begins no reference"),
    (b"A=${1}", 1, "begins no reference"),
    (b"A=${A.B}", 1, "begins no reference"),
    (b"A=${B:-a #b}", 1, "begins no reference"),
    (b'A="${B:-x\ny}"', 1, "begins no reference"),
    (b"A=${B:-${C}", 1, "begins no reference"),
    (b"A=${B:?why ${C:-so}}", 1, "B must be set: why so"),
    (b"B=\nA=${B:?}", 2, "B must be set: it has no value"),
]


@pytest.mark.parametrize(("data", "expected"), READ)
def test_a_file_is_read_as_compose_reads_it(data: bytes, expected: dict[str, str]) -> None:
    assert read_env(data) == expected


@pytest.mark.parametrize(("data", "line", "why"), REFUSED)
def test_what_compose_refuses_is_refused_by_its_line(data: bytes, line: int, why: str) -> None:
    with pytest.raises(EnvFileError) as caught:
        read_env(data)
    assert caught.value.line == line
    assert str(caught.value).startswith(f".env, line {line}: ")
    assert why in caught.value.problem


def test_the_environment_goes_before_the_files_lines_in_references_only() -> None:
    assert read_env(b"B=file\nA=$B", {"B": "environment"}) == {"B": "file", "A": "environment"}


def test_a_name_without_a_value_takes_it_from_the_environment() -> None:
    assert read_env(b"A\nexport B\nC\n", {"A": "1", "B": "2"}) == {"A": "1", "B": "2"}


NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1).map(lambda name: f"N{name}")
VALUES = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


def single_quoted(value: str) -> str:
    return "'" + value.replace("'", "\\'") + "'"


def double_quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n")
    return f'"{escaped}"'


@given(st.dictionaries(NAMES, VALUES.filter(lambda value: "\\" not in value)))
def test_what_is_put_in_single_quotes_comes_back(values: dict[str, str]) -> None:
    text = "".join(f"{name}={single_quoted(value)}\n" for name, value in values.items())
    assert read_env(text.encode()) == values


@given(st.dictionaries(NAMES, VALUES), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_put_in_double_quotes_comes_back(values: dict[str, str], line_end: str, exported: bool) -> None:
    start = "export " if exported else ""
    text = "".join(f"{start}{name}={double_quoted(value)}{line_end}" for name, value in values.items())
    assert read_env(text.encode()) == values


@given(st.text("AB=:'\"\\$`{}-+?# \t\r\n.01"))
def test_any_text_gives_variables_or_an_error_of_its_own(text: str) -> None:
    """Nothing but `EnvFileError` comes out, and the line it names is one of the file's."""
    try:
        values = read_env(text.encode())
    except EnvFileError as err:
        assert 1 <= err.line <= text.count("\n") + 1
    else:
        assert all(name and "\0" not in value for name, value in values.items())


@given(st.binary())
def test_any_bytes_do_too(data: bytes) -> None:
    try:
        values = read_env(data)
    except EnvFileError as err:
        assert str(err).startswith(".env, line ")
    else:
        assert all(isinstance(value.encode("utf-8", "surrogateescape"), bytes) for value in values.values())


WRITTEN = [
    (b"A=1", "2", b"A=2"),
    (b"A=1 # c\nB=$A\n", "2", b"A=2 # c\nB=$A\n"),
    (b"A=1\t# no comment\n", "2", b"A=2\n"),
    (b"A=\nB=x\n", "2", b"A=2\nB=x\n"),
    (b"A= \r\nB=x\r\n", "2", b"A=2 \r\nB=x\r\n"),
    (b"A:  v\r\n", "2", b"A:  2\r\n"),
    (b"A=\xe2\x80\x83 # c\n", "2", b"A=2\xe2\x80\x83 # c\n"),
    (b"export A='x'B=2", "/mnt/y", b"export A='/mnt/y'B=2"),
    (b'A="x\ny" # c', "2", b"A='2' # c"),
    (b"A=1\n#A=2\nA=3\n", "4", b"A=4\n#A=2\nA=4\n"),
    (b"A=$B\n", "it's $B #1", b"A='it\\'s $B #1'\n"),
    (b"A=x\n", "a\\'\"$", b'A="a\\\\\'\\"\\$"\n'),
    (b"A=x\n", "", b"A=''\n"),
    (b"A\nB=\xff\n", "/mnt/\udcfe", b"A\nB=\xff\nA='/mnt/\xfe'\n"),
    (b"B=x", "2", b"B=x\nA=2\n"),
    (b"\xef\xbb\xbfB=x\r\n# c", "2", b"\xef\xbb\xbfB=x\r\n# c\r\nA=2\r\n"),
    (b"", "2", b"A=2\n"),
]


@pytest.mark.parametrize(("data", "value", "expected"), WRITTEN)
def test_a_value_is_changed_and_nothing_around_it(data: bytes, value: str, expected: bytes) -> None:
    assert with_values_of(data, {"A": value}) == expected
    assert read_env(expected)["A"] == value


def test_a_file_that_compose_refuses_is_not_written_either() -> None:
    with pytest.raises(EnvFileError):
        with_values_of(b"A B=1", {"A": "2"})


ANY_VALUES = st.binary().map(lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
LINE_ENDS = st.sampled_from(["", "  ", " # c", " # it's"])
KEYS = st.sampled_from(["DATA_MOUNT", "VMAIL_MOUNT", "FILES_MOUNT"])
LINES = st.one_of(
    st.sampled_from(["", "# DATA_MOUNT=/x", "DATA_MOUNT", "B=$DATA_MOUNT", "C=${VMAIL_MOUNT:-x} # c", " D: 'a\nb'"]),
    st.builds(
        "{}{}{}{}".format, KEYS, st.sampled_from(["=", " = ", ":\t"]), st.text("ab /$'\"").map(double_quoted), LINE_ENDS
    ),
    st.builds("export {}={}{}".format, KEYS, st.text("ab/ ").map(str.strip), LINE_ENDS),
)


@given(st.lists(LINES), st.dictionaries(KEYS, ANY_VALUES), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_written_is_what_is_read_and_every_other_line_stays(
    lines: list[str], values: dict[str, str], line_end: str, has_bom: bool
) -> None:
    before = (UTF8_BOM if has_bom else b"") + line_end.join((*lines, "")).encode()
    after = with_values_of(before, values)
    untouched = {name: value for name, value in read_env(before).items() if name[1:2] == "_" and name not in values}
    assert {**untouched, **values}.items() <= read_env(after).items()
    others = [line for line in before.split(b"\n")[:-1] if not any(name.encode() in line for name in values)]
    kept = iter(after.split(b"\n"))
    assert all(line in kept for line in others), "in the same order"
    assert with_values_of(after, values) == after
