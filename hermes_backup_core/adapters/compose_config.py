"""Reading what `docker compose config --format json` says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hermes_backup_core.adapters.compose_services import services_of
from hermes_backup_core.domain.host import ComposeProject, Kind, Mount
from hermes_backup_core.domain.paths import join, normalised

_FILES_FOLDERS = {"secrets": "/run/secrets", "configs": "/"}
"""Where Compose puts the files of a service that it was told no absolute path for."""


def project_of(output: bytes) -> ComposeProject:
    """Return the project that Compose's ``output`` describes; services that no profile asks for are not in it."""
    # Compose writes every dollar twice, so that its output would be read as what was meant.
    config: dict[str, Any] = json.loads(output.replace(b"$$", b"$"))
    volumes: dict[str, dict[str, Any]] = {name: volume or {} for name, volume in _part(config, "volumes").items()}
    devices = {name: _device(volume) for name, volume in volumes.items()}
    return ComposeProject(
        name=config["name"],
        volumes={name: device for name, device in devices.items() if device},
        volume_settings={name: settings(volume) for name, volume in volumes.items() if not volume.get("external")},
        mounts=tuple(_mounts(config, devices)),
        images={
            service: facts.get("image") or f"{config['name']}-{service}"
            for service, facts in _part(config, "services").items()
        },
        services=services_of(config),
    )


def settings(volume: Mapping[str, Any]) -> str:
    """Return the name, driver and options of ``volume``, always in the same words."""
    facts = {
        "name": volume.get("name"),
        "driver": volume.get("driver") or "local",
        "driver_opts": volume.get("driver_opts") or {},
    }
    return json.dumps(facts, sort_keys=True)


def _part(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    return config.get(name) or {}


def _device(volume: Mapping[str, Any]) -> str:
    """Return the folder of the host that ``volume`` is, or nothing."""
    device = str((volume.get("driver_opts") or {}).get("device", ""))
    return device if device.startswith("/") else ""


def _mounts(config: Mapping[str, Any], devices: Mapping[str, str]) -> Iterator[Mount]:
    for service, facts in _part(config, "services").items():
        for mount in facts.get("volumes") or ():
            yield from _mount(service, mount, devices)
        for part, folder in _FILES_FOLDERS.items():
            yield from _file_mounts(service, facts.get(part) or [], _part(config, part), folder)


def _mount(service: str, mount: Mapping[str, Any], devices: Mapping[str, str]) -> Iterator[Mount]:
    # A volume without a source is one that the engine makes anew for each container.
    source, read_only = mount.get("source", ""), bool(mount.get("read_only"))
    if mount["type"] == "bind":
        yield Mount(service, Kind.BIND, source, mount["target"], read_only)
    elif mount["type"] == "volume":
        device = devices.get(source, "")
        subpath = (mount.get("volume") or {}).get("subpath", "")
        yield Mount(service, Kind.VOLUME, join(device, subpath) if device else "", mount["target"], read_only)


def _file_mounts(service: str, used: list[dict[str, Any]], declared: Mapping[str, Any], folder: str) -> Iterator[Mount]:
    for one in used:
        file = (declared.get(one["source"]) or {}).get("file")
        if file:
            target = normalised(join(folder, one.get("target") or one["source"]))
            yield Mount(service, Kind.BIND, file, target, read_only=True)
