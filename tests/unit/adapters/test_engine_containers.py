"""What the engine tells of a project's containers."""

from __future__ import annotations

from typing import Any

from hermes_backup_core.adapters.engine_containers import ONE_OFF_LABEL, SERVICE_LABEL, containers_of
from hermes_backup_core.domain.host import ComposeProject, Dependency, Kind, Mount, Service

DEPENDS = "com.docker.compose.depends_on"


def told(name: str, service: str = "", label: str = "", **more: Any) -> dict[str, Any]:
    labels = {SERVICE_LABEL: service or name, DEPENDS: label}
    return {"Name": f"/{name}", "State": {"Status": "running", "ExitCode": 0}, "Config": {"Labels": labels}, **more}


def project(**needs: tuple[str, ...]) -> ComposeProject:
    return ComposeProject("hermes", {}, services={name: Service(frozenset(on)) for name, on in needs.items()})


def test_a_container_has_a_name_and_a_service() -> None:
    (found,) = containers_of([told("hermes-mail-1", "mail")], project())
    assert (found.name, found.service, found.runs, found.mounts) == ("hermes-mail-1", "mail", True, ())


def test_what_it_depends_on_is_told_by_its_label_and_by_compose_s_files() -> None:
    boxes = [told("box-a", "a", "b:service_healthy:false,gone:service_started:false"), told("box-b", "b"), told("c")]
    found, *_ = containers_of(boxes, project(a=("b", "c", "gone")))
    assert found.depends_on == (Dependency("box-b", healthy=True), Dependency("c"))


def test_its_mounts_are_those_that_lie_on_the_host() -> None:
    mounts = [
        {"Type": "bind", "Source": "/mnt/a", "Destination": "/a", "RW": False},
        {"Type": "volume", "Source": "/var/lib/docker/volumes/v/_data", "Destination": "/v", "RW": True},
        {"Type": "tmpfs", "Source": "", "Destination": "/t", "RW": True},
    ]
    (found,) = containers_of([told("a", Mounts=mounts)], project())
    assert found.mounts == (
        Mount("a", Kind.BIND, "/mnt/a", "/a", read_only=True),
        Mount("a", Kind.VOLUME, "/var/lib/docker/volumes/v/_data", "/v"),
    )


def test_a_one_off_container_is_none_of_the_stack() -> None:
    one_off = told("a-run-1", "a")
    one_off["Config"]["Labels"][ONE_OFF_LABEL] = "True"
    assert containers_of([one_off, told("bare", Config={})], project())[0].name == "bare"
