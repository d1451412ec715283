"""What must hold of the host before a restore does any work."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from hermes_backup_core.domain.checks import Verdict
from hermes_backup_core.domain.contents import Contents, DumpContents
from hermes_backup_core.domain.host import DATABASE_CONTAINER, LDAP_CONTAINER, TierFacts
from hermes_backup_core.domain.paths import is_within, join, shown
from hermes_backup_core.domain.restore_facts import Place, RestoreFacts, ServerFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.restore_room import room_refusals
from hermes_backup_core.domain.tier_checks import tier_refusals, tier_unknown

# utf8 is an alias that servers write out as utf8mb3 from MariaDB 10.6 on.
_OLD_NAME, _NEW_NAME = "utf8mb3", "utf8"


def check_ground(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> Verdict:
    """Return what of the host stands in the way of restoring ``contents`` onto it."""
    refusals = (
        *([facts.target_problem] if facts.target_problem else []),
        *facts.resolved.conflicts(),
        *(reason for place in facts.places.values() for reason in _place_refusals(place)),
        *_service_refusals(contents, facts),
        *_leftover_schemas(facts),
        *_image_refusals(facts),
        *_stage_refusals(request, facts),
        *room_refusals(request, contents, facts),
    )
    unknown = (
        *([facts.stack_problem] if facts.stack_problem else []),
        *(reason for place in facts.places.values() for reason in tier_unknown(place.found)),
    )
    return Verdict(refusals, (*facts.warnings, *_warnings(request, facts)), unknown)


def _place_refusals(place: Place) -> Iterator[str]:
    yield from tier_refusals(place.found, where_new=_where_new(place.found))
    if place.hidden:
        left = shlex.join(shown(path) for path in place.hidden)
        yield (
            f"an earlier restore that nothing remembers left {left}: look whether anybody needs what is in there, and "
            f"run `rm -rf --one-file-system {left}` if not"
        )


def _where_new(found: TierFacts) -> str:
    """Return how to say that a disk is empty because it is new; any entry will do."""
    folders = found.missing or (join(found.selection.root, "new-disk"),)
    return f" If its disk is a new one, run `mkdir -p {shlex.join(map(shown, folders))}` first"


def _service_refusals(contents: Contents, facts: RestoreFacts) -> Iterator[str]:
    if not contents.manifest.scope.has_dumps:
        return
    for container, programs in facts.missing_tools.items():
        yield (
            f"{', '.join(programs)} cannot be found in {container}: its image is not one that this restore can "
            "work with; go back to the image that Hermes ships"
        )
    if not facts.stack_problem:
        yield from _container_refusals(facts)
        if facts.directory is None:
            yield facts.directory_problem or (
                f"where {LDAP_CONTAINER} keeps its files cannot be told: run `docker compose config` in "
                f"{shown(facts.root)} and look at its volumes"
            )
    if facts.server:
        yield from _unknown_to_server(contents, facts.server)


def _container_refusals(facts: RestoreFacts) -> Iterator[str]:
    for service in (DATABASE_CONTAINER, LDAP_CONTAINER):
        if facts.container(service) is None:
            yield (
                f"container {service} does not exist: run `docker compose up -d {service}` in {shown(facts.root)}, "
                "then restore again"
            )
    database = facts.container(DATABASE_CONTAINER)
    if database and database.state != "running":
        verb = "unpause" if database.state == "paused" else "start"
        yield (
            f"container {DATABASE_CONTAINER} is {database.state}, and the dumps are loaded and checked while it runs: "
            f"run `docker compose {verb} {DATABASE_CONTAINER}` in {shown(facts.root)}, then restore again"
        )
    elif database and facts.server is None:
        yield facts.server_problem or (
            f"{DATABASE_CONTAINER} does not answer: look at `docker logs {DATABASE_CONTAINER}`, then restore again"
        )


def _unknown_to_server(contents: Contents, server: ServerFacts) -> Iterator[str]:
    for database, dump in contents.dumps.items():
        if missing := sorted(_not_known(dump, server)):
            service = DATABASE_CONTAINER
            yield (
                f"the dump of {database} needs {shown(', '.join(missing))}, which {service} does not know: bring its "
                f"image to the version of the backup's host (`docker compose pull {service}`, `docker compose up -d "
                f"{service}`), then restore again"
            )


def _not_known(dump: DumpContents, server: ServerFacts) -> Iterator[str]:
    charsets, collations = _canonical(server.charsets), _canonical(server.collations)
    for name in dump.charsets:
        if not _canonical({name}) <= charsets:
            yield f"character set {name}"
    for name in dump.collations:
        # MariaDB 10.10 and newer list a collation of several character sets once, without theirs.
        if not {*_canonical({name}), name.lower().partition("_")[2]} & collations:
            yield f"collation {name}"
    engines = {name.lower() for name in server.engines}
    yield from (f"engine {name}" for name in dump.engines if name.lower() not in engines)


def _canonical(names: frozenset[str] | set[str]) -> set[str]:
    return {name.lower().replace(_OLD_NAME, _NEW_NAME) for name in names}


def _leftover_schemas(facts: RestoreFacts) -> Iterator[str]:
    leftovers = facts.server.leftovers if facts.server else ()
    if leftovers:
        drops = " ".join(f"DROP DATABASE {name};" for name in leftovers)
        yield (
            f"an earlier restore that nothing remembers left the schemas {', '.join(leftovers)} in "
            f"{DATABASE_CONTAINER}: look whether anybody needs them, and run `docker exec {DATABASE_CONTAINER} mariadb "
            f"-u root -e '{drops}'` if not"
        )


def _image_refusals(facts: RestoreFacts) -> Iterator[str]:
    if facts.lacking_images:
        pulls = "; ".join(f"docker pull {image}" for image in facts.lacking_images)
        yield (
            f"the backup's Compose file runs images that this host does not have, and nothing is fetched while the "
            f"stack is down: run `{pulls}`, then restore again"
        )


def _stage_refusals(request: RestoreRequest, facts: RestoreFacts) -> Iterator[str]:
    if request.stage_dir is not None and facts.stage_problem:
        yield f"--stage-dir {shown(request.stage_dir)} {facts.stage_problem}"


def _warnings(request: RestoreRequest, facts: RestoreFacts) -> Iterator[str]:
    around = [place.found for place in facts.places.values() if _is_inside(request.path, place.found)]
    if around:
        tier = max(around, key=lambda found: len(found.selection.root)).tier
        yield (
            f"{shown(request.path)} lies inside the {tier.value} tier, where it stays; a folder on another disk would "
            "be safer"
        )
    for container in facts.containers:
        if container.state == "paused":
            yield (
                f"container {container.name} is paused, and stays so: run `docker compose restart {container.name}` "
                "after the restore, or it goes on with what it holds of the old state"
            )


def _is_inside(path: str, found: TierFacts) -> bool:
    return is_within(path, found.selection.root) or is_within(path, found.path)
