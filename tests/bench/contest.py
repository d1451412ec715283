"""Our backup of a mail tree beside those of the shell, whole processes in turn, in one run, on a warm cache.

Ours is the command that an operator types, with all that it asks a real stack before it begins.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from tests.bench.watch import Cost, cost

CHECKOUT = Path(__file__).parents[2]

_SHELL = """set -eu
{pack}
( cd "$2" && sha256sum vmail.tar.gz > manifest )
tar -cf "$3/backup.tar.partial" -C "$2" .
mv "$3/backup.tar.partial" "$3/backup.tar"
rm -r "$2"/*
"""
_GUIDE = _SHELL.format(pack='tar -czf "$2/vmail.tar.gz" -C "$1" .')
_PIGZ = _SHELL.format(pack='tar -cf "$2/vmail.tar.gz" --use-compress-program=pigz -C "$1" .')
# GNU tar notices /dev/null and does not even read the files then.
_BARE = 'tar -cf - -C "$1" . | cat > /dev/null'


@frozen
class Contestant:
    """A way of making a backup of one tier; ``{tier}``, ``{staging}`` and ``{output}`` are put into ``argv``."""

    name: str
    argv: tuple[str, ...]

    def command(self, places: Mapping[str, Path]) -> list[str]:
        """The command for these places."""
        return [part.format(**places) for part in self.argv]


def _shell(name: str, script: str) -> Contestant:
    escaped = script.replace("{", "{{").replace("}", "}}")
    return Contestant(name, ("sh", "-c", escaped, "sh", "{tier}", "{staging}", "{output}"))


_SCRIPT = str(CHECKOUT / "scripts" / "system_backup.py")
OURS = Contestant("ours", (sys.executable, _SCRIPT, "-P", "{output}", "-B", "vmail", "--yes"))
GUIDE = _shell("guide", _GUIDE)
PIGZ = _shell("pigz", _PIGZ)
BARE = _shell("bare reading", _BARE)
CONTESTANTS = (OURS, GUIDE, PIGZ, BARE)


@frozen
class Expectation:
    """What must hold between the medians."""

    text: str
    actual: str
    met: bool


def run(tier: Path, work: Path, rounds: int) -> dict[str, list[Cost]]:
    """Time every contestant in turn, `rounds` times, with `work` for staging and output."""
    subprocess.run(["sh", "-c", BARE.argv[2], "sh", str(tier)], check=True)  # warms the cache
    costs: dict[str, list[Cost]] = {each.name: [] for each in CONTESTANTS}
    for _ in range(rounds):
        for each in CONTESTANTS:
            costs[each.name].append(_one(each, tier, work))
    return costs


def _one(contestant: Contestant, tier: Path, work: Path) -> Cost:
    places = {"tier": tier, "staging": work / "staging", "output": work / "output"}
    for folder in (places["staging"], places["output"]):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    found = cost(contestant.command(places), [places["staging"], places["output"]], cwd=CHECKOUT)
    for folder in (places["staging"], places["output"]):
        shutil.rmtree(folder)
    return found


def medians(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; of memory and disk the highest."""
    return Cost(
        wall=statistics.median(each.wall for each in costs),
        cpu=statistics.median(each.cpu for each in costs),
        memory=max(each.memory for each in costs),
        extra_disk=max(each.extra_disk for each in costs),
        result=max(each.result for each in costs),
    )


def expectations(figures: Mapping[str, Cost]) -> Iterator[Expectation]:
    """What is expected of ours, and what came out."""
    ours, guide, pigz, bare = (figures[each.name] for each in CONTESTANTS)
    for text, ratio, least in (
        ("12 times as fast as the guide's way", guide.wall / ours.wall, 12),
        ("6 times as fast as pigz", pigz.wall / ours.wall, 6),
    ):
        yield Expectation(text, f"{ratio:.1f} times", ratio >= least)
    slower, larger = ours.wall / bare.wall, ours.result / guide.result
    yield Expectation("within 4 times of bare reading", f"{slower:.1f} times", slower <= 4)
    yield Expectation("less than 150 MB of memory", _mb(ours.memory), ours.memory < 150_000_000)
    yield Expectation("no extra disk", _mb(ours.extra_disk), ours.extra_disk < 1 << 20)
    yield Expectation("size within 5 % of gzip -6", f"{100 * (larger - 1):+.1f} %", larger <= 1.05)


def table(figures: Mapping[str, Cost]) -> Iterator[str]:
    """The figures, and the time of each as a multiple of ours."""
    ours = figures[OURS.name]
    yield f"{'':14}{'wall s':>8}{'x ours':>8}{'cpu s':>8}{'memory':>10}{'extra disk':>12}{'result':>11}"
    for name, found in figures.items():
        yield (
            f"{name:14}{found.wall:8.2f}{found.wall / ours.wall:8.2f}{found.cpu:8.2f}"
            f"{_mb(found.memory):>10}{_mb(found.extra_disk):>12}{_mb(found.result):>11}"
        )


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
