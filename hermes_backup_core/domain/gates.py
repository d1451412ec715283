"""The gates of a restore: all of them run before there is a verdict, and all their refusals are shown together."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from enum import Enum

from attrs import frozen

from hermes_backup_core.domain.checks import Verdict
from hermes_backup_core.domain.contents import Contents
from hermes_backup_core.domain.differences import Difference, differences, misfits, pairs_for, uncovered
from hermes_backup_core.domain.env_file import EnvFileError, read_env
from hermes_backup_core.domain.host import DATABASE_CONTAINER, MAIL_CONTAINER, ComposeProject
from hermes_backup_core.domain.host_gate import check_ground
from hermes_backup_core.domain.manifest import Manifest
from hermes_backup_core.domain.naming import UNKNOWN_BUILD
from hermes_backup_core.domain.paths import join, shown
from hermes_backup_core.domain.restore_facts import RestoreFacts
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.scope import Tier


class Gate(Enum):
    """What a backup and a host must pass; the value is the gate's name."""

    INTEGRITY = "integrity"
    VERSION = "version"
    TOPOLOGY = "topology"
    HOST = "host"


@frozen
class GateResult:
    """What one gate found. ``unknown`` is what this user could not look at; see `Verdict`."""

    gate: Gate
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def run_gates(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> tuple[GateResult, ...]:
    """Return what every gate found, in their order."""
    return (
        check_integrity(contents),
        check_version(request, contents, facts),
        check_topology(request, contents, facts),
        check_host(request, contents, facts),
    )


def verdict_of(results: Sequence[GateResult]) -> Verdict:
    """Return the one verdict of all gates."""
    return Verdict(
        tuple(refusal for result in results for refusal in result.refusals),
        tuple(warning for result in results for warning in result.warnings),
        # Several gates may miss the same fact.
        tuple(dict.fromkeys(reason for result in results for reason in result.unknown)),
    )


def check_integrity(contents: Contents) -> GateResult:
    """Return whether the backup is whole, and holds nothing that no backup may hold."""
    remedy = "copy the backup here again, or give -F another one"
    return GateResult(Gate.INTEGRITY, tuple(f"{problem}: {remedy}" for problem in contents.problems))


def check_version(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> GateResult:
    """Return whether the backup was made by the build that this host runs, whatever its scope."""
    there, here = shown(contents.manifest.build_no), facts.server.build_no if facts.server else None
    is_known = there not in ("", UNKNOWN_BUILD)
    if is_known and there == here:
        return GateResult(Gate.VERSION)
    if is_known and here is None and facts.server and facts.server.is_fresh:
        return GateResult(Gate.VERSION, warnings=(_fresh(there, facts),))
    trouble, remedy = _trouble(there if is_known else None, here, facts)
    if request.force_version:
        return GateResult(Gate.VERSION, warnings=(f"{trouble}, and FORCE_VERSION_MISMATCH=1 lets it pass",))
    command = _command(request, facts, _covered(request, contents.manifest, facts), force_version=True)
    sentence = f"{trouble}: {remedy} `{command}`"
    if is_known and facts.server is None and facts.stack_problem:
        return GateResult(Gate.VERSION, unknown=(sentence,))
    return GateResult(Gate.VERSION, (sentence,))


def _fresh(there: str, facts: RestoreFacts) -> str:
    return (
        f"this host's database is a fresh one that tells no build number: make sure that build {there} is installed "
        f"(`git -C {shown(facts.root)} describe --tags`)"
    )


def _trouble(there: str | None, here: str | None, facts: RestoreFacts) -> tuple[str, str]:
    """Return what is wrong with the builds, and what to do short of the command that forces."""
    if there is None:
        ours = f"that of this host, {here}" if here else "that of this host"
        return "the build number of the backup is unknown", f"where you know that it is {ours}, run"
    root = shown(facts.root)
    if here is None:
        starting = f"run `docker compose up -d {DATABASE_CONTAINER}` in {root} and restore again"
        trouble = f"the build number of this host is unknown ({_why_unknown(facts)})"
        return trouble, f"{starting}; or, where you know that it is the backup's, {there}, run"
    matching = f"run `git checkout {there}` in {root} and install that build, restore, then upgrade with"
    trouble = f"the backup was made by build {there} and this host runs build {here}"
    return trouble, f"{matching} scripts/system_update_docker.sh; or, where another schema does no harm, run"


def _why_unknown(facts: RestoreFacts) -> str:
    if facts.server:
        return "its database has none"
    return facts.server_problem or facts.stack_problem or f"{DATABASE_CONTAINER} does not run"


def check_topology(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> GateResult:
    """Return whether the tiers lie where they lay on the backup's host, and Compose's volumes stay what they are."""
    manifest = contents.manifest
    covered = _covered(request, manifest, facts)
    refusals = (
        *_path_refusals(request, manifest, facts),
        *misfits(request, manifest, facts.topology),
        *_compose_refusals(manifest, facts),
    )
    return GateResult(Gate.TOPOLOGY, refusals, (_block("restored to this host's paths", covered),) if covered else ())


def _path_refusals(request: RestoreRequest, manifest: Manifest, facts: RestoreFacts) -> Iterator[str]:
    """Yield the differences that nothing lets pass, as one refusal, with the commands that let them."""
    found = uncovered(request, manifest, facts.topology)
    if not found:
        return
    each = _command(request, facts, differences(manifest, facts.topology))
    every = _command(request, facts, force_remap=True)
    title = "the backup's paths are not those of this host"
    yield (
        f"{_block(title, found)}\n"
        f"  To restore onto the paths of this host, run `{each}`, or, to let every path differ, `{every}`"
    )


def _covered(request: RestoreRequest, manifest: Manifest, facts: RestoreFacts) -> tuple[Difference, ...]:
    refused = uncovered(request, manifest, facts.topology)
    return tuple(found for found in differences(manifest, facts.topology) if found not in refused)


def _block(title: str, found: Sequence[Difference]) -> str:
    return "\n".join((f"{title}:", *(f"    {difference}" for difference in found)))


def _compose_refusals(manifest: Manifest, facts: RestoreFacts) -> Iterator[str]:
    """Yield why Compose would not find its volumes again once the backup's files are in the install root."""
    if Tier.CONFIG not in manifest.scope.tiers or not facts.project.name:
        return
    if facts.future_problem:
        yield (
            f"Compose can make nothing of the backup's docker-compose.yml and .env ({facts.future_problem}): give -F "
            "another backup, or bring Compose here to the version of the backup's host"
        )
    there = facts.future.name if facts.future else manifest.compose.project if manifest.compose else ""
    if there not in ("", facts.project.name):
        yield _renamed(shown(there), facts)
    elif facts.future:
        yield from _volume_refusals(manifest, facts, facts.future)


def _renamed(there: str, facts: RestoreFacts) -> str:
    return (
        f"Compose's project is called {facts.project.name} here and would be {there} with the backup's files, so that "
        f"its volumes would be new and empty: run `docker compose down`, set COMPOSE_PROJECT_NAME={there} in "
        f"{shown(join(facts.root, '.env'))}, run `docker compose up -d`, then restore again"
    )


def _volume_refusals(manifest: Manifest, facts: RestoreFacts, future: ComposeProject) -> Iterator[str]:
    present = facts.project
    moves = [(moved.there, moved.here) for moved in differences(manifest, facts.topology)]
    for name in sorted(present.volume_settings.keys() & future.volume_settings.keys()):
        before, after = present.volume_settings[name], future.volume_settings[name]
        # What differs by a path that differs anyway is this host's own after a remap.
        if before not in (after, *(after.replace(there, here) for there, here in moves)):
            yield _recreated(name, present, future)


def _recreated(name: str, present: ComposeProject, future: ComposeProject) -> str:
    now, then = (shown(project.volumes.get(name, "kept by the engine")) for project in (present, future))
    data = f"what lies in {now} stays" if name in present.volumes else "copy what it holds first"
    return (
        f"Compose would have to recreate volume {shown(name)} ({now} here, {then} with the backup's files): run "
        f"`docker compose down` and `docker volume rm {present.name}_{shown(name)}` ({data}), give the volume the "
        "backup's settings in this host's docker-compose.yml, run `docker compose up -d`, then restore again"
    )


def check_host(request: RestoreRequest, contents: Contents, facts: RestoreFacts) -> GateResult:
    """Return whether this host is in order, knows what the backup needs, and has room for the staged copies."""
    verdict = check_ground(request, contents, facts)
    return GateResult(Gate.HOST, verdict.refusals, verdict.warnings, verdict.unknown)


def checklist(contents: Contents, facts: RestoreFacts) -> tuple[str, ...]:
    """Return what is left to do by hand after a restore on another host; nothing where this is the backup's own."""
    if Tier.CONFIG not in contents.manifest.scope.tiers:
        return ()
    signs = tuple(_signs_of_another_host(contents, facts))
    if not signs:
        return ()
    rehost = shown(join(facts.root, "scripts/system_rehost.sh"))
    return (
        f"this is another host than the backup's ({'; '.join(signs)}). What is left to do by hand:",
        f"run `{rehost}`, which gives the install this host's name and address",
        "activate the Pro licence again in the admin console",
        "open the Content Checks pages in the admin console and save each again, which sets the milters anew",
        f"check them with `docker exec {MAIL_CONTAINER} postconf smtpd_milters`",
    )


def _signs_of_another_host(contents: Contents, facts: RestoreFacts) -> Iterator[str]:
    if contents.manifest.hostname != facts.hostname:
        yield f"{shown(contents.manifest.hostname)} there, {shown(facts.hostname)} here"
    address = _host_ip(contents)
    if address and facts.addresses and address not in facts.addresses:
        yield f"HOST_IP={shown(address)} in the restored .env is no address of this machine"


def _host_ip(contents: Contents) -> str:
    try:
        return read_env(contents.files.get(".env", b"")).get("HOST_IP", "").strip()
    except EnvFileError:
        # Compose refuses such a file as well, and is asked about it.
        return ""


def _command(
    request: RestoreRequest,
    facts: RestoreFacts,
    remapped: Sequence[Difference] = (),
    *,
    force_remap: bool = False,
    force_version: bool = False,
) -> str:
    """Return the command line that runs this restore again, as given and as forced, with ``remapped`` let pass."""
    every = force_remap or request.force_remap
    forces = [
        *(["FORCE_REMAP=1"] if every else []),
        *(["FORCE_VERSION_MISMATCH=1"] if force_version or request.force_version else []),
    ]
    script = join(facts.root, "scripts/system_restore.sh")
    staging = ["--stage-dir", request.stage_dir] if request.stage_dir else []
    stopping = ["--stop-all"] if request.stop_all else []
    remaps = [word for pair in pairs_for(() if every else remapped) for word in ("--remap-tiers", pair)]
    return shown(shlex.join(["sudo", *forces, script, "-F", request.path, *staging, *stopping, *remaps]))
