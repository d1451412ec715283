#!/usr/bin/env bash
# A real backup of a real mail stack, from a bare Debian 12 machine on: sudo scripts/demo.sh
# What is missing is installed first. The stack lives in a Docker engine of its own, so no other engine is touched.
set -uo pipefail
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

CHECKOUT=$(checkout)
VENV=$CHECKOUT/.venv
HOME_OF_ALL=${HERMES_MINIATURE_HOME:-/var/lib/hermes-miniature}
BASE=$HOME_OF_ALL/demo
BACKUPS=$BASE/backups

usage() {
    cat <<END
Usage: sudo scripts/demo.sh [--down | --help]

Brings up a miniature Hermes of real servers, backs all of it up with scripts/system_backup.py, and shows what the
backup holds. A second run finds everything in place and takes seconds.

  --down   take all of it away again: stack, backups, image and engine
  --help   show this

Everything lies below $HOME_OF_ALL (another folder: HERMES_MINIATURE_HOME).
END
}

section() { printf '\n== %s ==\n' "$*"; }

# The miniature's own commands: see tests/stack/miniature/__main__.py.
miniature() {
    (cd -- "$CHECKOUT" && PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m tests.stack.miniature "$@")
}

bring_up() {
    section "A miniature Hermes"
    local started=$SECONDS lines
    lines=$(miniature up --base "$BASE") || fail "the miniature Hermes did not come up: see above."
    # Its output is two export lines, quoted for a shell: DOCKER_HOST and HERMES_ROOT.
    eval "$lines"
    miniature status --base "$BASE"
    say "Up after $((SECONDS - started)) s"
}

back_up() {
    section "scripts/system_backup.py -P $BACKUPS -B all --yes"
    mkdir -p -m 700 -- "$BACKUPS"
    "$PYTHON" "$CHECKOUT/scripts/system_backup.py" -P "$BACKUPS" -B all --yes ||
        fail "the backup failed: the line that begins with ERROR says why."
}

newest_backup() {
    # The names hold the time in a form that sorts.
    find "$BACKUPS" -maxdepth 1 -name 'hermes-backup-all-*.tar' -printf '%f %p\n' | sort | tail -n 1 | cut -d ' ' -f 2-
}

# Whoever made a tarball may have named its members with or without "./" in front.
member() { tar -xOf "$TARBALL" --wildcards --no-anchored "$1"; }

show() {
    TARBALL=$(newest_backup)
    [ -n "$TARBALL" ] || fail "the backup ended well, but there is no tarball in $BACKUPS."
    section "The manifest: tar -xOf $TARBALL backup_manifest.json"
    # Its slot in the tarball is filled up with blanks.
    member backup_manifest.json | sed -e 's/ *$//' -e '/^$/d'
    section "The members: tar -tvf $TARBALL"
    tar -tvf "$TARBALL"
    section "The six dumps: ... databases.tar.gz | tar -tvz"
    member databases.tar.gz | tar -tvz
    section "The first LDAP entries: ... ldap.ldif.gz | gzip -dc"
    member ldap.ldif.gz | gzip -dc | sed -n '1,12p'
    section "Some of the mailboxes: ... vmail.tar.gz | tar -tvz"
    member vmail.tar.gz | tar -tvz --numeric-owner | sed -n '1,20p'
}

say_what_next() {
    local command
    command=$(printf '%q %q' "$PYTHON" "$CHECKOUT/scripts/system_backup.py")
    section "What to type next"
    cat <<END
The stack is still up. As root, to point docker and the scripts at it:
  $(printf 'export DOCKER_HOST=%q HERMES_ROOT=%q' "$DOCKER_HOST" "$HERMES_ROOT")
Then, for example:
  docker ps
  $command -P $(printf %q "$BACKUPS") -B all --dry-run
  $command -P $(printf %q "$BACKUPS") -B system --cold --yes
  docker exec -u www-data hermes_nextcloud php /var/www/html/occ maintenance:mode
  tar -xOf $(printf %q "$TARBALL") vmail.tar.gz | tar -tvz
And when done:
  sudo $(printf %q "$CHECKOUT/scripts/demo.sh") --down
END
}

take_down() {
    PYTHON=$VENV/bin/python
    serves "$PYTHON" || PYTHON=$(find_python) || exit
    miniature down --base "$BASE" --everything || fail "not all could be taken away: see above."
    say "What stays: the tool's environment ($VENV), and Debian packages that were installed."
}

case $#:${1-} in
    0:) ;;
    1:--down) ACTION=down ;;
    1:--help | 1:-h) usage && exit ;;
    *)
        printf 'ERROR: unknown argument: %s\n' "${1-}" >&2
        usage >&2
        exit 1
        ;;
esac

need_root
if [ "${ACTION-up}" = down ]; then
    take_down
    exit
fi
make_venv "$VENV" "$CHECKOUT/requirements.lock"
PYTHON=$VENV/bin/python
bring_up
back_up
show
say_what_next
