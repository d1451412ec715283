"""Whether the engine's volumes are those of Compose's files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from hermes_backup_core.adapters.compose_config import settings
from hermes_backup_core.adapters.compose_volumes import diverged
from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.host import ComposeProject


@define
class EngineDoor(Door):
    """Answers as `docker volume` does, for an engine that has ``volumes``."""

    volumes: dict[str, dict[str, Any]] = field(factory=dict)

    def run(self, argv: Sequence[str], **_options: Any) -> bytes:
        if argv[2] == "ls":
            return "".join(f"{name}\n" for name in self.volumes).encode()
        return json.dumps([{"Name": name, **self.volumes[name]} for name in argv[3:]]).encode()


def judged(options: dict[str, str] | None, wanted: dict[str, str] | None, driver: str = "local") -> tuple[str, ...]:
    door = EngineDoor({}, None, {"hermes_v": {"Driver": driver, "Options": options}})
    volume = {"name": "hermes_v", "driver_opts": wanted}
    return diverged(ComposeProject("hermes", {}, volume_settings={"v": settings(volume)}), door)


def bound(device: str) -> dict[str, str]:
    return {"type": "none", "o": "bind", "device": device}


def test_a_volume_that_is_not_there_yet_is_no_difference() -> None:
    wanted = {"v": settings({"name": "hermes_v"})}
    assert diverged(ComposeProject("hermes", {}, volume_settings=wanted), EngineDoor({}, None, {"x": {}})) == ()


@pytest.mark.parametrize(("options", "wanted"), [(None, None), ({}, None), (bound("/mnt/a"), bound("/mnt/a/"))])
def test_the_same_volume_is_no_difference(options: dict[str, str] | None, wanted: dict[str, str] | None) -> None:
    assert judged(options, wanted) == ()


def test_another_way_to_the_same_folder_is_no_difference(tmp_path: Path) -> None:
    os.symlink(tmp_path, tmp_path / "link")
    assert judged(bound(f"{tmp_path}/link"), bound(str(tmp_path))) == ()


def test_another_folder_is_named_with_what_to_do() -> None:
    (said,) = judged(bound("/mnt/a"), bound("/mnt/b"))
    assert "hermes_v is /mnt/a, but Compose's file says /mnt/b: remove it with `docker volume rm hermes_v`" in said


def test_another_driver_or_another_option_is_a_difference() -> None:
    (said,) = judged({}, {}, driver="nfs")
    assert "is nfs {}, but Compose's file says local {}" in said
    assert judged({"size": "1g"}, {"size": "2g"})
