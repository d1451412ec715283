"""Our reading of `.env` against the judge's: what `docker compose config` fills in for each name."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermes_backup_core.domain.env_file import EnvFileError, read_env, with_values_of
from tests.stack.miniature.debian import need_docker
from tests.unit.domain.test_env_file import READ, REFUSED, WRITTEN

UNSET = "<unset>"
NAMES = ("A", "B", "C", "D", "export")
PIECES = (
    *("A", "B", "C", "x", "é", "0101", "n", "export ", "export", "A=", "B=", "\nA=", "\nB=", "\n", "\r\n", "\t"),
    *("=", ": ", "'", '"', "\\", "\\\\", " ", "#", " #", "$", "$$", "$B", "${", "${A", "${C", "}", "{", ":-", "-"),
    *("?", ":+", "+", ".", "[", "/mnt/data"),
)


@pytest.fixture(scope="module", autouse=True)
def compose() -> None:
    """Compose answers without an engine."""
    need_docker()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


def judged(project: Path, data: bytes, names: Iterable[str], environ: dict[str, str]) -> dict[str, str] | None:
    """The values by which Compose replaces the names; None where it refuses the file."""
    wanted = {f"name_{name}": f"${{{name}-{UNSET}}}" for name in names}
    service = {"image": "none", "environment": wanted}
    (project / "docker-compose.yml").write_text(json.dumps({"name": "judge", "services": {"s": service}}))
    (project / ".env").write_bytes(data)
    argv = ["docker", "compose", "config", "--format", "json"]
    given = {"PATH": os.environ["PATH"], "HOME": str(project), **environ}
    asked = subprocess.run(argv, cwd=project, env=given, capture_output=True, check=False)
    if asked.returncode != 0:
        return None
    answers = json.loads(asked.stdout)["services"]["s"]["environment"]
    return {name: answers[f"name_{name}"].replace("$$", "$") for name in names}


def ours(data: bytes, names: Iterable[str], environ: dict[str, str]) -> dict[str, str] | None:
    """The same from our reader, in the form in which Compose prints it."""
    try:
        values = {**read_env(data, environ), **environ}
    except EnvFileError:
        return None
    return {name: re.sub("[\udc80-\udcff]", "\ufffd", values.get(name, UNSET)) for name in names}


@pytest.mark.parametrize("data", [*(row[0] for row in READ), *(row[0] for row in REFUSED)])
def test_each_case_of_the_unit_tests_is_as_compose_has_it(project: Path, data: bytes) -> None:
    assert ours(data, NAMES, {}) == judged(project, data, NAMES, {})


@pytest.mark.parametrize(
    "data", [b"B=file\nA=$B", b"A\nexport B\nC\nD=${B}", b"export \nA=1", b"export\nA=$export", b"A=${C:?no}"]
)
def test_the_environment_has_the_place_that_compose_gives_it(project: Path, data: bytes) -> None:
    environ = {"B": "environment", "export": "e"}
    assert ours(data, NAMES, environ) == judged(project, data, NAMES, environ)


@pytest.mark.parametrize(("data", "value"), [row[:2] for row in WRITTEN])
def test_a_value_that_was_changed_is_read_by_compose_too(project: Path, data: bytes, value: str) -> None:
    written = with_values_of(data, {"A": value})
    assert ours(written, NAMES, {}) == judged(project, written, NAMES, {})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_mixture_of_what_has_a_meaning_is_read_alike(project: Path, text: str) -> None:
    data = text.encode()
    assert ours(data, NAMES, {}) == judged(project, data, NAMES, {})


def is_read(value: str) -> bool:
    try:
        return list(read_env(f"A={value}\n".encode())) == ["A"]
    except EnvFileError:
        return False


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join).filter(is_read), max_size=40))
def test_files_of_many_lines_are_read_alike(project: Path, values: list[str]) -> None:
    """One broken value spoils a whole file, so only such as stand alone are put together."""
    names = [f"K{number}" for number in range(len(values))]
    data = "".join(f"{name}={value}\n" for name, value in zip(names, values, strict=True)).encode()
    asked = [*names, *NAMES]
    assert ours(data, asked, {}) == judged(project, data, asked, {})
