"""How to have Compose make some containers anew and leave others alone, whoever needs them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from hermes_backup_core.adapters.engine_containers import SERVICE_LABEL, labels_of
from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.host import ComposeProject

_HASH_LABEL = "com.docker.compose.config-hash"
_IMAGE_LABEL = "com.docker.compose.image"
_PLAINLY = ("--no-build", "--pull", "never")
_ANSWER_SECONDS = 300.0


def creating(
    services: Sequence[str],
    spared: Collection[str],
    project: ComposeProject,
    found: Sequence[dict[str, Any]],
    door: Door,
) -> tuple[str, ...]:
    """Return what to tell Compose so that it makes ``services`` and what they need, but none of ``spared``.

    ``found`` is what the engine tells of the project's containers. `create` would make one of ``spared`` anew only
    where it is not what Compose's files say, from before. Then what they need must be kept out, which Compose takes
    for another definition: their containers are made anew once more at the next `up`.
    """
    if not any(_is_outdated(attrs, project, door) for attrs in found if labels_of(attrs).get(SERVICE_LABEL) in spared):
        return ("create", *_PLAINLY, *services)
    wanted = dict.fromkeys(services)
    waiting = list(services)
    while waiting:
        more = [name for name in _needs(waiting.pop(), project) if name not in {*wanted, *spared}]
        wanted |= dict.fromkeys(more)
        waiting += more
    return ("up", "--no-start", "--no-deps", *_PLAINLY, *wanted)


def _needs(service: str, project: ComposeProject) -> Iterator[str]:
    needs = project.services[service].needs if service in project.services else ()
    yield from (name for name in sorted(needs) if name in project.services)


def _is_outdated(attrs: dict[str, Any], project: ComposeProject, door: Door) -> bool:
    """Whether Compose would make a container anew, for its definition or for its image."""
    labels = labels_of(attrs)
    service = labels[SERVICE_LABEL]
    try:
        defined = _asked(door, "compose", "config", "--hash", service).split()[-1:]
        image = labels.get(_IMAGE_LABEL)
        there = _asked(door, "image", "inspect", "--format", "{{.Id}}", project.images[service]) if image else image
    except (CommandFailed, KeyError):
        return True  # nobody knows
    return defined != [labels.get(_HASH_LABEL)] or there != image


def _asked(door: Door, *argv: str) -> str:
    return door.run(("docker", *argv), timeout=_ANSWER_SECONDS).decode("utf-8", "replace").strip()
