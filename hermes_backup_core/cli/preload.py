"""What a run would load late, loaded now: a restore may exchange the very files that it would come from."""

from __future__ import annotations

import io


def load_all() -> None:
    """Load what shows progress and what asks the engine, with all that these load at their first use."""
    import docker
    import requests.exceptions  # noqa: F401 - what asks the engine loads it late
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # A rehearsal: a list of modules would be out of date with the next release.
    nowhere = Console(file=io.StringIO(), force_terminal=True, emoji=False, width=80)
    nowhere.print("tëxt 文", style="red", markup=False, highlight=False, soft_wrap=True)
    with Live(Text("text"), console=nowhere, transient=True, auto_refresh=False) as live:
        live.update(Text("tëxt 文", overflow="ellipsis", no_wrap=True), refresh=True)
    docker.DockerClient(base_url="unix:///dev/null", version="1.24").close()
