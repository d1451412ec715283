"""The order in which containers start: each after those that it depends on."""

from __future__ import annotations

from collections.abc import Sequence

from hermes_backup_core.domain.host import Container


def start_order(containers: Sequence[Container]) -> list[list[Container]]:
    """Return ``containers`` in groups, each of which needs only earlier ones; a circle forms one group.

    Dependencies on containers that are not among them do not count.
    """
    waiting = {container.name: container for container in containers}
    groups: list[list[Container]] = []
    while waiting:
        ready = [
            container
            for container in waiting.values()
            if not any(needed.name in waiting for needed in container.depends_on)
        ]
        groups.append(ready or list(waiting.values()))
        for container in groups[-1]:
            del waiting[container.name]
    return groups
