"""Everyday tasks of a developer; `scripts/test.sh` runs all checks on a bare machine."""

from __future__ import annotations

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
DEV_LOCK = "requirements-dev.lock"

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "tests"]


def install_dev(session: nox.Session) -> None:
    session.install("--no-deps", "--require-hashes", "-r", DEV_LOCK)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and faults that a machine can see."""
    install_dev(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types over library, scripts, tests and stubs."""
    install_dev(session)
    session.run("mypy")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Unit and CLI tests, on each Python that a Hermes host may have."""
    install_dev(session)
    session.run("pytest", *session.posargs)


@nox.session
def stack(session: nox.Session) -> None:
    """The tests on real servers in real containers (root)."""
    install_dev(session)
    session.run("pytest", "tests/stack", *session.posargs)


@nox.session
def vm(session: nox.Session) -> None:
    """Logical volumes and power cuts, in a small virtual machine that is emulated (root, ten minutes)."""
    install_dev(session)
    session.run("pytest", "tests/vm", *session.posargs)


@nox.session
def kills(session: nox.Session) -> None:
    """Restores killed before and after every entry of their journal, each undone and each finished (root, an hour)."""
    install_dev(session)
    killed = "tests/stack/failures/test_restore_killed.py"
    session.run("pytest", killed, *session.posargs, env={"HERMES_ALL_KILLS": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Our times beside those of the shell pipelines (root)."""
    install_dev(session)
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Lock anew what `pyproject.toml` allows; with `-- --upgrade`, at the newest releases.

    The locks serve all Pythons, and name no index: whoever installs has one of their own.
    """
    session.install("uv")
    options = ["--universal", "--python-version=3.10", "--generate-hashes", "--quiet"]
    options += [
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--no-annotate",
        "--no-header",
        *session.posargs,
    ]
    compiled = ["uv", "pip", "compile", *options, "pyproject.toml"]
    session.run(*compiled, "--output-file", "requirements.lock")
    # The tests run with the very releases that a host gets.
    session.run(*compiled, "--extra=dev", "--constraints=requirements.lock", f"--output-file={DEV_LOCK}")
