#!/usr/bin/env python3
"""Restore a backup of a Hermes: see --help. The work is done in `hermes_backup_core`."""

from __future__ import annotations

import sys

from _checkout import called_as, enter

if __name__ == "__main__":
    enter()
    from hermes_backup_core.cli.restore import main

    sys.exit(main(sys.argv[1:], called_as=called_as()))
