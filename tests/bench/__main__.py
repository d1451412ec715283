"""`python -m tests.bench`: our times beside those of the shell pipelines. `… levels`: levels of compression."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench import contest, levels
from tests.bench.mailtree import TreeSize, make_mail_tree


def main() -> int:
    """Print the figures; 1 where an expectation is not met."""
    options = _options()
    if options.what == "levels":
        for line in levels.study():
            print(line, flush=True)
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        return _contest(Path(folder), TreeSize(options.files, options.megabytes * 1_000_000), options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("contest", "levels"), default="contest")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--megabytes", type=int, default=700)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the tree and the backups are made (default: the system's)")
    return parser.parse_args()


def _contest(folder: Path, size: TreeSize, rounds: int) -> int:
    tier, work = folder / "vmail", folder / "work"
    tier.mkdir()
    work.mkdir()
    print(f"making {size.files:,} files, {size.total_bytes / 1e6:,.0f} MB", flush=True)
    make_mail_tree(tier, size)
    figures = {name: contest.medians(costs) for name, costs in contest.run(tier, work, rounds).items()}
    print(*contest.table(figures), sep="\n")
    expected = list(contest.expectations(figures))
    for each in expected:
        print(f"{'met   ' if each.met else 'MISSED'}  {each.text}: {each.actual}")
    return 0 if all(each.met for each in expected) else 1


if __name__ == "__main__":
    sys.exit(main())
