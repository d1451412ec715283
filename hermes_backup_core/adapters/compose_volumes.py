"""Whether the volumes that the engine has are those that Compose's files describe."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.host import ComposeProject

_ANSWER_SECONDS = 300.0


def diverged(project: ComposeProject, door: Door) -> tuple[str, ...]:
    """Return a sentence on each volume of ``project`` that is there and is another one than ``project`` says."""
    return tuple(_differences(project, door))


def _differences(project: ComposeProject, door: Door) -> Iterator[str]:
    wanted = {facts["name"]: facts for facts in map(json.loads, project.volume_settings.values())}
    for name, found in _found(wanted, door).items():
        if not _same(found, wanted[name]):
            was, comes = (_shown(facts["driver"], facts["driver_opts"]) for facts in (found, wanted[name]))
            yield (
                f"volume {name} is {was}, but Compose's file says {comes}: "
                f"remove it with `docker volume rm {name}` once no container uses it"
            )


def _found(names: Collection[str], door: Door) -> dict[str, dict[str, Any]]:
    """Return what the engine has of the volumes ``names``."""
    listed = door.run(("docker", "volume", "ls", "--quiet"), timeout=_ANSWER_SECONDS).decode().split()
    there = [name for name in listed if name in names]
    if not there:
        return {}
    answer = json.loads(door.run(("docker", "volume", "inspect", *there), timeout=_ANSWER_SECONDS))
    return {facts["Name"]: {"driver": facts["Driver"], "driver_opts": facts.get("Options") or {}} for facts in answer}


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return bool(found["driver"] == wanted["driver"]) and _plain(found) == _plain(wanted)


def _plain(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the options, the device with links resolved: another way to the same folder is no difference."""
    options = {key: str(value) for key, value in facts["driver_opts"].items()}
    device = options.get("device", "")
    return {**options, "device": os.path.realpath(device)} if device.startswith("/") else options


def _shown(driver: str, options: Mapping[str, Any]) -> str:
    return str(options.get("device") or f"{driver} {json.dumps(options, sort_keys=True)}")
