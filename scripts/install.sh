#!/usr/bin/env bash
set -uo pipefail
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

CHECKOUT=$(checkout)
MARK='# hermes-backup launcher'
ROOT=/opt/hermes-seg-docker-gl
COMMANDS='system_backup system_restore'
ACTION=install
PIP_OPTIONS=()

usage() {
    cat <<END
Usage: sudo scripts/install.sh [--root DIR] [--wheels DIR] [--uninstall] [--help]

Puts this checkout into use on a Hermes host: its own virtual environment (.venv in the checkout), and launchers in
DIR/scripts/ under the names that cron files and operators call. What stood there is kept beside as .orig. Can be repeated.

  --root DIR     the Hermes install root (default: $ROOT)
  --wheels DIR   for a host without network: take the packages from DIR, filled on another one of the same Python with
                 pip download --no-deps --require-hashes -r requirements.lock -d DIR
  --uninstall    put back what stood in DIR/scripts/ before; the checkout itself stays
  --help         show this
END
}

usage_error() {
    printf 'ERROR: %s\n' "$1" >&2
    usage >&2
    exit 1
}

read_arguments() {
    while [ "$#" -gt 0 ]; do
        case $1 in
            --root=* | --wheels=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;&
            --root | --wheels) [ -n "${2-}" ] || usage_error "$1 needs a folder." ;;&
            --root) ROOT=$2 && shift 2 ;;
            --wheels) use_wheels "$2" && shift 2 ;;
            --uninstall) ACTION=uninstall && shift ;;
            --help | -h) usage && exit ;;
            *) usage_error "unknown argument: $1" ;;
        esac
    done
}

use_wheels() {
    [ -d "$1" ] || usage_error "--wheels: $1 is no folder."
    PIP_OPTIONS=(--no-index --find-links "$(readlink -f -- "$1")")
}

# Everything that speaks against it, before anything is changed.
check_root() {
    [ -f "$ROOT/docker-compose.yml" ] ||
        fail "$ROOT holds no docker-compose.yml, so it is no Hermes install root: name the right one with --root."
    ROOT=$(readlink -f -- "$ROOT")
}

check_checkout() {
    case $CHECKOUT/ in
        "${ROOT%/}"/*) fail "this checkout ($CHECKOUT) lies below the install root ($ROOT), where a restore would" \
            "swap the program under itself: move it elsewhere, for example to /opt/hermes-backup." ;;
        *\\* | *[[:cntrl:]]*) fail "the launchers cannot carry a backslash or a control character in the path of this" \
            "checkout ($CHECKOUT): move it elsewhere, for example to /opt/hermes-backup." ;;
    esac
    iconv -f UTF-8 -t UTF-8 <<<"$CHECKOUT" >/dev/null 2>&1 ||
        fail "the path of this checkout is no UTF-8: move it elsewhere, for example to /opt/hermes-backup."
}

check_targets() {
    local name
    for name in $(names); do
        [ ! -d "$ROOT/scripts/$name" ] || fail "$ROOT/scripts/$name is a folder: move it away, then run this again."
    done
}

names() {
    local command
    for command in $COMMANDS; do echo "$command.sh" "$command.py"; done
}

is_ours() { [ -f "$1" ] && head -n 3 -- "$1" | grep -qaF -- "$MARK"; }

# What a launcher says that stood in its place before: a file's name, "nothing", or "no folder".
before() { sed -n 's/^# before: //p' "$1" | head -n 1; }

# keep FILE: keeps what stands there (a launcher of ours is nothing to keep), and prints under which name.
keep() {
    local file=$1 kept=$1.orig number=1
    if is_ours "$file"; then
        before "$file"
    elif [ ! -e "$file" ] && [ ! -L "$file" ]; then
        echo nothing
    else
        # A name that is taken holds an older original: it is never overwritten.
        while { [ -e "$kept" ] || [ -L "$kept" ]; } && ! cmp -s -- "$file" "$kept"; do
            number=$((number + 1))
            kept=$file.orig.$number
        done
        # A second name for the same file keeps owner, mode and times, and the command is there at every moment.
        [ -e "$kept" ] || ln -PT -- "$file" "$kept" 2>/dev/null || cp -aT -- "$file" "$kept" || return
        echo "${kept##*/}"
    fi
}

# put FILE BEFORE: writes a launcher from stdin, whole or not at all.
put() {
    local fresh
    fresh=$(mktemp -- "$1.XXXXXXXX") && cat >"$fresh" && chmod 755 "$fresh" && mv -fT -- "$fresh" "$1" && return
    rm -f -- "$fresh"
    return 1
}

sh_quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }
py_quoted() { printf '"%s"' "${1//\"/\\\"}"; }

GONE='it is gone: put it back, or take this launcher away with the --uninstall of another checkout.'

sh_launcher() { # COMMAND BEFORE
    cat <<END
#!/bin/sh
$MARK
# before: $2
program=$(sh_quoted "$CHECKOUT/scripts/$1.sh")
[ -f "\$program" ] || { printf 'ERROR: %s: %s\n' "\$program" '$GONE' >&2; exit 1; }
HERMES_BACKUP_CALLED_AS=\$0
export HERMES_BACKUP_CALLED_AS
exec /bin/sh "\$program" "\$@"
END
}

# Runs alone, whatever Python is on the PATH or none, and as `python3 FILE` with any: a shell reads the lines between the
# triple quotes, which are a string to Python, and never comes to the lines below.
py_launcher() { # COMMAND BEFORE
    cat <<END
#!/bin/sh
''':'
$(sh_launcher "$1" "$2" | tail -n +2)
'''
import os
import sys

program = $(py_quoted "$CHECKOUT/scripts/$1.sh")
if not os.path.isfile(program):
    sys.exit("ERROR: " + program + ": $GONE")
os.environ["HERMES_BACKUP_CALLED_AS"] = sys.argv[0]
os.execv("/bin/sh", ["sh", program] + sys.argv[1:])
END
}

install_launcher() { # COMMAND ENDING
    local file=$ROOT/scripts/$1.$2 kept
    kept=$(keep "$file") || fail "cannot keep $file beside itself: is ${file%/*} writable, has the disk room?"
    [ "$MADE_FOLDER" = no ] || kept='no folder'
    "$2_launcher" "$1" "$kept" | put "$file" || fail "cannot write $file; what stood there is unchanged."
    say "$file (before: $kept)"
}

install_all() {
    local command MADE_FOLDER=no
    check_checkout
    check_targets
    make_venv "$CHECKOUT/.venv" "$CHECKOUT/requirements.lock" "${PIP_OPTIONS[@]}"
    if [ ! -d "$ROOT/scripts" ]; then
        mkdir -m 755 -- "$ROOT/scripts" || fail "cannot make $ROOT/scripts."
        MADE_FOLDER=yes
    fi
    for command in $COMMANDS; do
        install_launcher "$command" sh
        install_launcher "$command" py
    done
    say "Installed. Try them: $ROOT/scripts/system_backup.sh --help, $ROOT/scripts/system_restore.sh --help"
}

uninstall_launcher() { # FILE
    local kept
    kept=$(before "$1")
    case $kept in
        nothing | 'no folder') rm -f -- "$1" ;;
        *) mv -fT -- "${1%/*}/$kept" "$1" ;;
    esac || fail "cannot put back what stood in the place of $1."
    [ "$kept" != 'no folder' ] || rmdir --ignore-fail-on-non-empty -- "$ROOT/scripts"
    say "$1 is what it was before: $kept"
}

uninstall_all() {
    local file kept ours=()
    for file in "$ROOT"/scripts/system_{backup,restore}.{sh,py}; do
        if is_ours "$file"; then
            kept=$(before "$file")
            case $kept in
                nothing | 'no folder') ;;
                */* | '') fail "$file does not say what stood there before it: put that back by hand." ;;
                *) [ -e "$ROOT/scripts/$kept" ] || [ -L "$ROOT/scripts/$kept" ] ||
                    fail "$ROOT/scripts/$kept, which stood in the place of $file, is gone: bring it back first." ;;
            esac
            ours+=("$file")
        elif [ -e "$file" ]; then
            say "$file is not ours: left as it is."
        fi
    done
    for file in "${ours[@]}"; do uninstall_launcher "$file"; done
    say "Uninstalled from $ROOT. This checkout and its .venv stay: delete them when nothing else uses them."
}

read_arguments "$@"
need_root
check_root
"${ACTION}_all"
