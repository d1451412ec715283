"""What Compose's resolved configuration says: volumes, mounts, images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hermes_backup_core.adapters.compose_config import project_of
from hermes_backup_core.domain.host import ComposeProject, Kind, Mount


def read(**parts: Any) -> ComposeProject:
    return project_of(json.dumps({"name": "hermes", **parts}).encode())


def bound(device: str) -> dict[str, Any]:
    return {"name": "hermes_v", "driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": device}}


def service(*volumes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"a": {"image": "i", "volumes": list(volumes), **more}}


def test_an_empty_configuration_has_nothing_but_a_name() -> None:
    assert read() == ComposeProject("hermes", {})
    assert read(volumes=None, services={}) == ComposeProject("hermes", {})


def test_every_dollar_was_written_twice() -> None:
    project = read(volumes={"v": bound("/mnt/a$$b")}, services={"a": {"image": "$$$$"}})
    assert project.volumes == {"v": "/mnt/a$b"}
    assert project.images == {"a": "$$"}


def test_the_settings_of_a_volume_do_not_depend_on_how_they_are_written() -> None:
    plain = read(volumes={"v": {"name": "hermes_v"}}).volume_settings
    spelled = read(volumes={"v": {"driver_opts": {}, "driver": "local", "name": "hermes_v"}}).volume_settings
    assert plain == spelled == {"v": '{"driver": "local", "driver_opts": {}, "name": "hermes_v"}'}


def test_another_device_is_another_setting_and_an_external_volume_is_not_compose_s() -> None:
    one, other = (read(volumes={"v": bound(device)}).volume_settings for device in ("/a", "/b"))
    assert one != other
    assert read(volumes={"v": {"name": "x", "external": True}, "w": None}).volume_settings.keys() == {"w"}


@pytest.mark.parametrize(
    ("volume", "mount"),
    [
        ({"type": "bind", "source": "/opt/x", "target": "/x"}, Mount("a", Kind.BIND, "/opt/x", "/x")),
        (
            {"type": "bind", "source": "/opt/x", "target": "/x", "read_only": True},
            Mount("a", Kind.BIND, "/opt/x", "/x", read_only=True),
        ),
        ({"type": "volume", "source": "v", "target": "/v"}, Mount("a", Kind.VOLUME, "/mnt/v", "/v")),
        (
            {"type": "volume", "source": "v", "target": "/v", "volume": {"subpath": "s"}},
            Mount("a", Kind.VOLUME, "/mnt/v/s", "/v"),
        ),
        ({"type": "volume", "source": "kept", "target": "/v"}, Mount("a", Kind.VOLUME, "", "/v")),
        ({"type": "volume", "target": "/anonymous", "volume": {}}, Mount("a", Kind.VOLUME, "", "/anonymous")),
    ],
)
def test_a_mount_is_told_by_what_it_is_on_the_host(volume: dict[str, Any], mount: Mount) -> None:
    project = read(volumes={"v": bound("/mnt/v"), "kept": {}}, services=service(volume))
    assert project.mounts == (mount,)


def test_memory_is_no_mount_of_the_host() -> None:
    assert read(services=service({"type": "tmpfs", "target": "/t"})).mounts == ()


def test_a_secret_or_a_configuration_that_is_a_file_is_a_mount_of_that_file() -> None:
    project = read(
        services=service(
            secrets=[{"source": "S", "target": "/run/secrets/S"}, {"source": "S", "target": "t"}, {"source": "E"}],
            configs=[{"source": "C"}, {"source": "C", "target": "/etc/c"}],
        ),
        secrets={"S": {"file": "/opt/s"}, "E": {"environment": "HOME"}},
        configs={"C": {"file": "/opt/c"}},
    )
    found = [(mount.source, mount.target, mount.kind, mount.read_only) for mount in project.mounts]
    assert found == [
        ("/opt/s", "/run/secrets/S", Kind.BIND, True),
        ("/opt/s", "/run/secrets/t", Kind.BIND, True),
        ("/opt/c", "/C", Kind.BIND, True),
        ("/opt/c", "/etc/c", Kind.BIND, True),
    ]


def test_a_service_that_is_built_here_runs_the_image_that_compose_names_after_it() -> None:
    assert read(services={"a": {"build": {}}, "b": {"image": "x:1"}}).images == {"a": "hermes-a", "b": "x:1"}
