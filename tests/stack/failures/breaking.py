"""Ways to break a Hermes, each mended again when its context ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.miniature import Miniature

MEGABYTE = 1 << 20


def big_file(path: Path, megabytes: int) -> None:
    """A file that no compression makes smaller."""
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))


@contextmanager
def tmpfs(place: Path, *, size: str = "64m", inodes: int = 0) -> Iterator[Path]:
    """A file system of its own in memory; `inodes` is how many names it has, its own folder's included."""
    place.mkdir(exist_ok=True)
    options = f"size={size},mode=0700" + (f",nr_inodes={inodes}" if inodes else "")
    command("mount", "-t", "tmpfs", "-o", options, "none", str(place))
    try:
        yield place
    finally:
        command("umount", str(place))


@contextmanager
def ext4(place: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system on a loop device; `<place>.image` is what it lies in."""
    image = place.with_name(f"{place.name}.image")
    with image.open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    command("mkfs.ext4", "-q", "-O", "^has_journal", str(image))
    place.mkdir(exist_ok=True)
    command("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        command("umount", str(place))
        image.unlink()


@contextmanager
def moved(path: Path) -> Iterator[Path]:
    """Something is not where it was, for a while; gives where it is."""
    away = path.with_name(f"{path.name}.away")
    path.rename(away)
    try:
        yield away
    finally:
        away.rename(path)


@contextmanager
def replaced(path: Path, text: str) -> Iterator[None]:
    """A file holds something else, for a while; its owner and mode stay."""
    before = path.read_bytes()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_bytes(before)


@contextmanager
def stopped(hermes: Miniature, container: str) -> Iterator[None]:
    """A container does not run, for a while."""
    hermes.engine.docker("stop", container)
    try:
        yield
    finally:
        hermes.engine.docker("start", container)
        hermes.wait_until_ready()


@contextmanager
def without_program(hermes: Miniature, container: str, program: str) -> Iterator[None]:
    """An image lacks a program, for a while."""
    path = hermes.exec(container, "sh", "-c", f"command -v {program}").decode().strip()
    hermes.exec(container, "mv", path, f"{path}.away")
    try:
        yield
    finally:
        hermes.exec(container, "mv", f"{path}.away", path)


@contextmanager
def altered(hermes: Miniature, *, do: str, undo: str) -> Iterator[None]:
    """A change in the databases, for a while."""
    try:
        hermes.sql(do)
        yield
    finally:
        hermes.sql(undo)


@contextmanager
def large_table(hermes: Miniature, *, megabytes: int, name: str = "a_large_one") -> Iterator[None]:
    """A table of random bytes in `hermes`, the first of it by name."""
    hermes.sql(
        f"CREATE TABLE {name} (id INT PRIMARY KEY, content LONGBLOB);"
        f"INSERT INTO {name} SELECT seq, RANDOM_BYTES(1024) FROM seq_1_to_1024;",
        "hermes",
    )
    try:
        while (count := int(hermes.sql(f"SELECT COUNT(*) FROM {name}", "hermes"))) < megabytes * 1024:
            hermes.sql(f"INSERT INTO {name} SELECT id + {count}, content FROM {name}", "hermes")
        yield
    finally:
        hermes.sql(f"DROP TABLE {name}", "hermes")


def command(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout
