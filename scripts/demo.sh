#!/usr/bin/env bash
# A real backup of a real mail stack, and its restore, from a bare Debian 12 machine on: sudo scripts/demo.sh
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

Brings up a miniature Hermes of real servers, backs all of it up with scripts/system_backup.py, shows what the backup
holds, damages the stack, brings all back with scripts/system_restore.py, and shows that it is. A second run finds the
stack in place and takes less than a minute.

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

MAILBOX=$BASE/mnt/vmail/dovecot/example.com/u1
KEY=config/hermes/opt/hermes/keys/dkim.private

# What the demo damages, in figures: the same before the damage and after the restore.
state() {
    local rows
    rows=$(docker exec hermes_db_server mariadb -u root -Ne 'SELECT COUNT(*) FROM Syslog.SystemEvents' 2>/dev/null)
    printf '%-56s %s\n' \
        'mails of u1@example.com' "$(find "$MAILBOX" -type f 2>/dev/null | wc -l)" \
        'rows of Syslog.SystemEvents' "${rows:-no such table}" \
        'entries of the LDAP directory' "$(docker exec hermes_ldap slapcat -F /etc/ldap/slapd.d | grep -c '^dn:')" \
        "checksum of $KEY" "$(sha256sum <"$HERMES_ROOT/$KEY" | cut -c 1-16)"
}

damage() {
    section "The stack as it is"
    BEFORE=$(state)
    printf '%s\n' "$BEFORE"
    section "Now somebody makes a mess of it"
    set -x
    rm -rf -- "$MAILBOX"
    docker exec hermes_db_server mariadb -u root -e 'DROP TABLE Syslog.SystemEvents'
    docker exec hermes_ldap ldapdelete -x -H ldap://localhost -D cn=admin,dc=hermes,dc=local -w secret \
        uid=u1,ou=users,dc=hermes,dc=local uid=u2,ou=users,dc=hermes,dc=local uid=u3,ou=users,dc=hermes,dc=local
    echo 'this is no key' >"$HERMES_ROOT/$KEY"
    { set +x; } 2>/dev/null
    section "What is left"
    state
    [ "$(state)" != "$BEFORE" ] || fail "nothing was damaged: see above."
}

bring_back() {
    section "scripts/system_restore.py -F $TARBALL --yes"
    "$PYTHON" "$CHECKOUT/scripts/system_restore.py" -F "$TARBALL" --yes ||
        fail "the restore failed: the line that begins with ERROR says why."
    section "All is back"
    state
    [ "$(state)" = "$BEFORE" ] || fail "not all is back: compare with what stands under 'The stack as it is'."
}

say_what_next() {
    local backup restore tarball
    backup=$(printf '%q %q' "$PYTHON" "$CHECKOUT/scripts/system_backup.py")
    restore=$(printf '%q %q' "$PYTHON" "$CHECKOUT/scripts/system_restore.py")
    tarball=$(printf %q "$TARBALL")
    section "What to type next"
    cat <<END
The stack is still up. As root, to point docker and the scripts at it:
  $(printf 'export DOCKER_HOST=%q HERMES_ROOT=%q' "$DOCKER_HOST" "$HERMES_ROOT")
Then, for example:
  docker ps
  $backup -P $(printf %q "$BACKUPS") -B system --cold --yes
  $restore -F $tarball --dry-run
  $restore --help
  docker exec -u www-data hermes_nextcloud php /var/www/html/occ maintenance:mode
  tar -xOf $tarball vmail.tar.gz | tar -tvz
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
damage
bring_back
say_what_next
