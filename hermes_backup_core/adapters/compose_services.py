"""What Compose's resolved configuration says of how services hang together, and whether one has changed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hermes_backup_core.domain.host import Service

_SHARED = ("networks", "volumes", "secrets", "configs")
"""What is declared once for all services, and used by each."""

_NO_TALK = frozenset({"build", "container_name", "depends_on", "deploy", "hostname", "image", "logging", *_SHARED})
"""Parts of a definition that tell nothing of whom a service talks to: a path may hold another one's name."""

_JOINS = ("ipc", "network_mode", "pid")
_IN = re.compile(r"(?:service|container):(.+)")


def services_of(config: Mapping[str, Any]) -> dict[str, Service]:
    """Return the services of Compose's whole ``config``, which it has resolved."""
    definitions: dict[str, dict[str, Any]] = {name: facts or {} for name, facts in _part(config, "services").items()}
    called = {name: _called(name, facts) for name, facts in definitions.items()}
    return {
        name: Service(
            needs=frozenset(_needs(facts)),
            mentions=frozenset(_mentions(name, facts, called)),
            digest=_digest(facts, config),
        )
        for name, facts in definitions.items()
    }


def _part(config: Mapping[str, Any], name: str) -> Any:
    return config.get(name) or {}


def _needs(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a service waits for, lives in, or has its mounts of."""
    yield from _part(facts, "depends_on")
    for key in _JOINS:
        if joined := _IN.fullmatch(str(facts.get(key) or "")):
            yield joined[1]
    for whole in _part(facts, "volumes_from"):
        yield whole.removeprefix("container:").partition(":")[0]
    for key in ("links", "external_links"):
        yield from (whole.partition(":")[0] for whole in _part(facts, key))


def _called(name: str, facts: Mapping[str, Any]) -> re.Pattern[str]:
    """Return what finds any name or address of a service, as a word of its own."""
    names = {name, facts.get("container_name"), facts.get("hostname")}
    networks = facts.get("networks")
    for used in networks.values() if isinstance(networks, dict) else ():
        names |= {*_part(used or {}, "aliases"), *((used or {}).get(key) for key in ("ipv4_address", "ipv6_address"))}
    words = "|".join(re.escape(word) for word in sorted(filter(None, names)))
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)


def _mentions(name: str, facts: Mapping[str, Any], called: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    text = "\n".join(_texts({key: value for key, value in facts.items() if key not in _NO_TALK}))
    yield from (other for other, pattern in called.items() if other != name and pattern.search(text))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in ``value``, which is made of lists and dictionaries; of the latter, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)


def _digest(facts: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Return a digest of a definition with all that it uses."""
    used = {part: {name: _part(config, part).get(name) for name in _used(facts, part)} for part in _SHARED}
    return hashlib.sha256(json.dumps([facts, used], sort_keys=True).encode()).hexdigest()


def _used(facts: Mapping[str, Any], part: str) -> Iterator[str]:
    for one in _part(facts, part):
        name = one if isinstance(one, str) else one.get("source")
        if name:
            yield str(name)
