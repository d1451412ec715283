#!/bin/sh
# The name that runbooks and other tools call; all it does is to start system_restore.py beside it.
here=$(dirname -- "$(readlink -f -- "$0")")
HERMES_BACKUP_CALLED_AS=${HERMES_BACKUP_CALLED_AS:-$0}
export HERMES_BACKUP_CALLED_AS
for python in "$here/../.venv/bin/python" python3; do
    ! command -v "$python" >/dev/null || exec "$python" "$here/system_restore.py" "$@"
done
echo "ERROR: no Python that this tool can use: run \`sudo $here/install.sh\` once." >&2
exit 1
