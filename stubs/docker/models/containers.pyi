from collections.abc import Mapping, Sequence
from typing import Any

class Container:
    # What the engine's API answers, as decoded JSON.
    attrs: dict[str, Any]
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...

class ContainerCollection:
    def list(
        self,
        all: bool = False,
        *,
        filters: Mapping[str, str | Sequence[str]] | None = None,
        ignore_removed: bool = False,
    ) -> list[Container]: ...
