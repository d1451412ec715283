"""Reading what the engine tells of a project's containers, as `docker inspect` shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hermes_backup_core.domain.host import ComposeProject, Container, Dependency, Kind, Mount

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
_DEPENDS_LABEL = "com.docker.compose.depends_on"

_KINDS = {kind.value: kind for kind in Kind}


def containers_of(found: Sequence[dict[str, Any]], project: ComposeProject) -> tuple[Container, ...]:
    """Return the containers that the engine ``found``, less one-off ones, by their names."""
    own = [attrs for attrs in found if labels_of(attrs).get(ONE_OFF_LABEL, "False") != "True"]
    names = {labels_of(attrs).get(SERVICE_LABEL, ""): _name(attrs) for attrs in own}
    return tuple(sorted((_container(attrs, names, project) for attrs in own), key=lambda container: container.name))


def _container(attrs: dict[str, Any], names: Mapping[str, str], project: ComposeProject) -> Container:
    state, service = attrs["State"], labels_of(attrs).get(SERVICE_LABEL, "")
    return Container(
        name=_name(attrs),
        state=state["Status"],
        exit_code=state["ExitCode"],
        health=(state.get("Health") or {}).get("Status"),
        depends_on=_dependencies(labels_of(attrs).get(_DEPENDS_LABEL, ""), service, names, project),
        stop_seconds=attrs["Config"].get("StopTimeout"),
        service=service,
        mounts=tuple(_mounts(service, attrs)),
    )


def _dependencies(
    label: str, service: str, names: Mapping[str, str], project: ComposeProject
) -> tuple[Dependency, ...]:
    """Return what a label like ``db:service_healthy:false,ldap:service_started:false`` says, and Compose's files.

    Of a container that was made without what it depends on, the label does not tell it.
    """
    parts = [part.split(":") for part in label.split(",") if part]
    found = {
        needed: Dependency(names[needed], healthy=condition == "service_healthy")
        for needed, condition, *_ in parts
        if needed in names
    }
    for needed in sorted(project.services[service].needs) if service in project.services else ():
        if needed in names:
            found.setdefault(needed, Dependency(names[needed]))
    return tuple(found.values())


def _mounts(service: str, attrs: dict[str, Any]) -> Iterator[Mount]:
    for mount in attrs.get("Mounts") or ():
        if mount.get("Type") in _KINDS and mount.get("Source"):
            kind, read_only = _KINDS[mount["Type"]], not mount.get("RW", True)
            yield Mount(service or _name(attrs), kind, mount["Source"], mount["Destination"], read_only)


def _name(attrs: dict[str, Any]) -> str:
    return str(attrs["Name"]).lstrip("/")


def labels_of(attrs: dict[str, Any]) -> dict[str, str]:
    """Return the labels of a container."""
    return attrs["Config"].get("Labels") or {}
