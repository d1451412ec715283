#!/usr/bin/env bash
# All checks, from a bare Debian 12 machine on: sudo scripts/test.sh
# What is missing is installed first. The first part that fails ends the run, and is named.
set -uo pipefail
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

CHECKOUT=$(checkout)
PYTHON=$CHECKOUT/.venv-test/bin/python

# part NAME COMMAND…
part() {
    local name=$1
    shift
    say "== $name =="
    "$@" || fail "$name failed: see above."
}

# The tests' own Docker engine does not outlive them, unless it ran before (a demo that is up).
engine_runs() { "$PYTHON" -m tests.stack.miniature status | grep -q '^engine .* answers$'; }
stop_engine() { "$PYTHON" -c 'from tests.stack.miniature import stop_engine; stop_engine()'; }

need_root
cd -- "$CHECKOUT" || exit
# The caller's own settings are no part of what is tested.
unset HERMES_ROOT HERMES_BACKUP_CALLED_AS FORCE_REMAP FORCE_VERSION_MISMATCH
need_packages acl attr btrfs-progs e2fsprogs mount procps rsync tar
make_venv "$CHECKOUT/.venv-test" "$CHECKOUT/requirements-dev.lock"

part "ruff check" "$PYTHON" -m ruff check .
part "ruff format" "$PYTHON" -m ruff format --check .
part "mypy" "$PYTHON" -m mypy
part "unit and CLI tests" "$PYTHON" -m pytest --cov --cov-report=
part "coverage of the library, 95 %" "$PYTHON" -m coverage report --fail-under=95
part "coverage of the domain, 100 %" "$PYTHON" -m coverage report --include='*/domain/*' --fail-under=100
engine_runs || trap stop_engine EXIT
part "tests on the real stack" "$PYTHON" -m pytest tests/stack
