"""How long a restore has the stack down: at some amount of data, and at many times as much."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen

from hermes_backup_core import RestoreRequest, plan_restore, run_restore
from tests.bench.mailtree import TreeSize, make_mail_tree
from tests.stack.miniature import Miniature
from tests.stack.script import back_up, environment

BASE = TreeSize(1_000, 30_000_000)
BASE_ROWS = 20_000
TIMES = 20

MAKE_ROWS = """
DROP TABLE IF EXISTS bench;
CREATE TABLE bench (id INT AUTO_INCREMENT PRIMARY KEY, said VARCHAR(200), KEY by_said (said)) ENGINE=InnoDB;
INSERT INTO bench (said) SELECT CONCAT('connect from host ', seq, ' ', REPEAT(SHA1(seq), 3)) FROM seq_1_to_{rows};
"""


@frozen
class Restores:
    """What restores of a so many times larger host took, in seconds: as a whole, and with the stack down."""

    times: int
    whole: float
    down: float


def run(hermes: Miniature, output: Path, rounds: int) -> Iterator[Restores]:
    """Yield the medians of ``rounds`` restores of scope `all`, at the base amount of data and at `TIMES` as much."""
    for times in (1, TIMES):
        _fill(hermes, times)
        tarball = back_up(hermes, "all", output=output).tarball
        pairs = [_restored(hermes, tarball) for _ in range(rounds)]
        tarball.unlink()
        whole, down = (statistics.median(figures) for figures in zip(*pairs, strict=True))
        yield Restores(times, whole, down)


def told(found: Iterator[Restores], show: Callable[[str], object] = lambda line: print(line, flush=True)) -> int:
    """Show the figures as they come; return 1 where the time with the stack down grows with the data, else 0."""
    show(f"{'data':>6} {'restore':>10} {'stack down':>11}")
    seen = []
    for each in found:
        seen.append(each)
        show(f"{each.times:>5}x {each.whole:>8.1f} s {each.down:>9.1f} s")
    growth = seen[-1].down / seen[0].down
    met = growth < 1.5
    show(f"{'met   ' if met else 'MISSED'}  stack down for no longer at {TIMES} times the data: {growth:.2f} times")
    return 0 if met else 1


def _fill(hermes: Miniature, times: int) -> None:
    mails = hermes.tiers["vmail"] / "dovecot" / f"bench-{times}"
    mails.mkdir()
    make_mail_tree(mails, TreeSize(BASE.files * times, BASE.total_bytes * times))
    hermes.sql(MAKE_ROWS.format(rows=BASE_ROWS * times), "Syslog")


def _restored(hermes: Miniature, tarball: Path) -> tuple[float, float]:
    prepared = plan_restore(str(hermes.root), RestoreRequest(str(tarball)), environ=environment(hermes))
    result = run_restore(prepared)
    print(f"  {result.seconds:.1f} s, stack down {result.stack_down:.1f} s", file=sys.stderr, flush=True)
    return result.seconds, result.stack_down
