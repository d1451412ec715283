"""Where the tiers of a miniature lie: the four layouts of mounts, and the `.env` that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LAYOUTS = ("separate", "nested", "single", "odd")
ODD_NAME = "it's an odd [1] disk"
ENV_KEYS = {
    "data": "DATA_MOUNT",
    "archive": "ARCHIVE_MOUNT",
    "vmail": "VMAIL_MOUNT",
    "nextcloud": "FILES_MOUNT",
}

ENV_TEXT = """\
# Written by install_hermes_docker.sh
HERMES_HOSTNAME=mail.example.com
HOST_IP=192.0.2.10

# Storage tiers
{mounts}
TZ=Etc/UTC
"""


@dataclass(frozen=True)
class Layout:
    """A named arrangement: tier paths below `<base>/mnt`, and how `.env` writes each of them."""

    name: str
    tiers: dict[str, Path]
    env: str


def laid_out(name: str, base: Path) -> Layout:
    """The layout of that name (one of LAYOUTS) below `base`."""
    if name not in LAYOUTS:
        raise ValueError(f"{name!r} is no layout: choose one of {', '.join(LAYOUTS)}")
    tiers = {tier: path.absolute() for tier, path in PLACES[name](base / "mnt").items()}
    mounts = "\n".join(f"{ENV_KEYS[tier]}={QUOTING[name][tier](str(path))}" for tier, path in tiers.items())
    return Layout(name=name, tiers=tiers, env=ENV_TEXT.format(mounts=mounts))


def separate(mnt: Path) -> dict[str, Path]:
    return {
        "data": mnt / "data",
        "archive": mnt / "archive",
        "vmail": mnt / "vmail",
        "nextcloud": mnt / "files",
    }


def nested(mnt: Path) -> dict[str, Path]:
    return separate(mnt) | {"archive": mnt / "data/amavis"}


def single(mnt: Path) -> dict[str, Path]:
    return dict.fromkeys(ENV_KEYS, mnt / "data")


def odd(mnt: Path) -> dict[str, Path]:
    return separate(mnt / ODD_NAME)


def bare(value: str) -> str:
    return value


def in_double_quotes(value: str) -> str:
    return f'"{value}"'


def in_single_quotes(value: str) -> str:
    return f"'{value}'"


PLACES: dict[str, Callable[[Path], dict[str, Path]]] = {
    "separate": separate,
    "nested": nested,
    "single": single,
    "odd": odd,
}
# As found in the field: some with quotes, some without. A path with a single quote in it needs double ones.
MIXED = {"data": bare, "archive": in_double_quotes, "vmail": in_single_quotes, "nextcloud": bare}
QUOTING = {
    "separate": MIXED,
    "nested": MIXED,
    "single": dict.fromkeys(ENV_KEYS, bare),
    "odd": dict.fromkeys(ENV_KEYS, in_double_quotes),
}
