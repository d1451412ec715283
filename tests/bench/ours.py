"""Our way of packing one tier, without the stack around it: `python -m tests.bench.ours TIER TARBALL`."""

from __future__ import annotations

import os
import sys

from hermes_backup_core.adapters.gnu_tar import GnuTar
from hermes_backup_core.archive.gzip_stream import FILES_LEVEL, GzipStream
from hermes_backup_core.archive.outer import OuterTar
from hermes_backup_core.domain.selection import TierSelection


def main(tier: str, tarball: str) -> None:
    """Write `tarball` as a backup of `tier` does, to the disk and under its final name."""
    partial = f"{tarball}.partial"
    with open(partial, "x+b") as file:
        outer = OuterTar(file, mtime=0)
        with outer.member("vmail.tar.gz") as member, GzipStream(member, FILES_LEVEL) as stream:
            report = GnuTar().pack(TierSelection(tier), stream.write, tag=os.path.basename(partial))
        outer.finish(f'{{"sha256": "{member.record.sha256}", "entries": {report.entries}}}\n'.encode())
        os.fsync(file.fileno())
    os.rename(partial, tarball)


if __name__ == "__main__":
    main(*sys.argv[1:])
