"""`python -m tests.bench`: our times beside those of the shell pipelines.

`… downtime`: how long a restore has the stack down, at 1 and at 20 times the data. `… levels`: levels of compression.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import contest, downtime, levels
from tests.bench.mailtree import TreeSize, make_mail_tree
from tests.bench.watch import Cost
from tests.stack.miniature import Miniature, debian, stop_engine
from tests.stack.miniature.engine import exclusive, located


def main() -> int:
    """Print the figures; 1 where an expectation is not met."""
    options = _options()
    if options.what == "levels":
        for line in levels.study():
            print(line, flush=True)
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        if options.what == "downtime":
            return _downtime(Path(folder), options.rounds)
        return _contest(Path(folder), TreeSize(options.files, options.megabytes * 1_000_000), options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("contest", "downtime", "levels"), default="contest")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--megabytes", type=int, default=700)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the tree and the backups are made (default: the system's)")
    return parser.parse_args()


def _contest(folder: Path, size: TreeSize, rounds: int) -> int:
    debian.need({"pigz": "pigz"})
    work = folder / "work"
    work.mkdir()
    with _hermes(folder) as hermes:
        print(f"making {size.files:,} files, {size.total_bytes / 1e6:,.0f} MB", flush=True)
        mails = hermes.tiers["vmail"] / "dovecot" / "bench"
        mails.mkdir()
        make_mail_tree(mails, size)
        os.environ.update(hermes.environ, HERMES_BACKUP_STATE=str(folder / "state"))
        figures = contest.run(hermes.tiers["vmail"], work, rounds)
    return _told({name: contest.medians(costs) for name, costs in figures.items()})


def _downtime(folder: Path, rounds: int) -> int:
    output = folder / "work"
    output.mkdir()
    with _hermes(folder) as hermes:
        return downtime.told(downtime.run(hermes, output, rounds))


def _told(figures: dict[str, Cost]) -> int:
    print(*contest.table(figures), sep="\n")
    expected = list(contest.expectations(figures))
    for each in expected:
        print(f"{'met   ' if each.met else 'MISSED'}  {each.text}: {each.actual}")
    return 0 if all(each.met for each in expected) else 1


@contextmanager
def _hermes(folder: Path) -> Iterator[Miniature]:
    """A Hermes that is up, below ``folder``; an engine that was not running before is stopped again."""
    with exclusive():
        was_running = located().answers()
        hermes = Miniature.create(folder / "hermes")
        try:
            hermes.up()
            yield hermes
        finally:
            hermes.remove()
            if not was_running:
                stop_engine()


if __name__ == "__main__":
    sys.exit(main())
