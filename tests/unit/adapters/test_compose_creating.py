"""Containers are made anew, and those that go on are left alone, whoever needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from attrs import define, field

from hermes_backup_core.adapters.compose_creating import creating
from hermes_backup_core.adapters.engine_containers import SERVICE_LABEL
from hermes_backup_core.adapters.process import Door
from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.host import ComposeProject, Service

NEEDS = {"a": ("b", "d"), "b": ("c", "elsewhere"), "c": ("d",), "d": ()}
PROJECT = ComposeProject(
    "hermes",
    {},
    images=dict.fromkeys(NEEDS, "i:1"),
    services={name: Service(frozenset(needs)) for name, needs in NEEDS.items()},
)
HASH, IMAGE = "com.docker.compose.config-hash", "com.docker.compose.image"
ALL = ("create", "--no-build", "--pull", "never", "a", "gone")
ALONE = ("up", "--no-start", "--no-deps", "--no-build", "--pull", "never", "a", "gone", "b", "c")


@define
class Answering(Door):
    """Answers what Compose and the engine are asked, by the second word; None is a failure."""

    answers: Mapping[str, bytes | None] = field(factory=dict)

    def run(self, argv: Sequence[str], **_: Any) -> bytes:
        answer = self.answers[argv[1]]
        if answer is None:
            raise CommandFailed(tuple(argv), 1, "no")
        return answer


def told(service: str, **labels: str) -> dict[str, Any]:
    named = {HASH: "1234", IMAGE: "sha256:1", **labels, SERVICE_LABEL: service}
    return {"Name": f"/{service}", "Config": {"Labels": named}}


def command(*found: dict[str, Any], **answers: bytes | None) -> tuple[str, ...]:
    door = Answering({}, None, {"compose": b"d 1234\n", "image": b"sha256:1\n", **answers})
    return creating(("a", "gone"), ("d",), PROJECT, found, door)


def test_what_is_as_the_files_say_is_not_made_anew_by_compose_anyway() -> None:
    assert command(told("d")) == ALL
    assert command(told("d"), told("c", **{HASH: "other"})) == ALL
    assert command() == ALL


@pytest.mark.parametrize(
    "answers", [{"compose": b"d 5678\n"}, {"image": b"sha256:2\n"}, {"compose": None}, {"compose": b""}]
)
def test_what_is_not_is_left_alone_by_leaving_out_what_others_need(answers: dict[str, bytes | None]) -> None:
    assert command(told("d"), **answers) == ALONE


def test_a_container_that_was_made_of_no_known_image_is_told_by_its_definition() -> None:
    assert command(told("d", **{IMAGE: ""}), image=None) == ALL
