# Functions that the scripts of this folder share. Sourced by bash, never run:
#   . "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"
# shellcheck shell=bash

# say TEXT…: one line to the person who watches.
say() { printf '[%s] %s\n' "${0##*/}" "$*"; }

# fail TEXT…: say why on stderr, and end.
fail() {
    printf '[%s] ERROR: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# checkout: the project's folder, links resolved.
checkout() { dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")"; }

need_root() {
    [ "$(id -u)" -eq 0 ] || fail "this needs root: run it with sudo."
}

# need_packages PKG…: Debian packages, the missing ones installed. The package lists are fetched only when the ones at
# hand do not serve: most runs find nothing to do, and then touch neither apt nor the network.
need_packages() {
    local package missing=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    need_root
    command -v apt-get >/dev/null || fail "missing: ${missing[*]}; there is no apt-get here, so install them by hand."
    say "Installing Debian packages: ${missing[*]}"
    quiet_apt install "${missing[@]}" 2>/dev/null && return
    quiet_apt update || say "WARN: not every package source answered; going on with those that did."
    quiet_apt install "${missing[@]}" || fail "apt-get could not install ${missing[*]}; its message stands above."
}

# quiet_apt update | quiet_apt install PKG…: waits for another apt (as on a host that has just booted), asks nothing.
quiet_apt() {
    local action=$1 options=()
    shift
    [ "$action" = update ] || options=(-y --no-install-recommends)
    DEBIAN_FRONTEND=noninteractive apt-get "$action" -q=2 -o DPkg::Lock::Timeout=300 "${options[@]}" "$@" \
        </dev/null >/dev/null
}

# serves PYTHON: whether it is a Python that we run on and can make an environment with pip.
serves() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null
}

# open_to_all FILE: whether every user of the machine may get at it, whatever links lead there.
open_to_all() {
    local path
    path=$(readlink -f -- "$1") || return
    while [ "$path" != / ]; do
        [ -n "$(find "$path" -maxdepth 0 -perm -o=x)" ] || return
        path=${path%/*}
        path=${path:-/}
    done
}

# find_python: prints a Python that serves. One that lies in root's own home would keep a dry run from everybody else,
# so it is taken only where Debian's cannot be had.
find_python() {
    local name path last=
    for name in python3 python3.13 python3.12 python3.11 python3.10; do
        # All of a name on the PATH: the first may be somebody's own build, without what the second has.
        while IFS= read -r path; do
            serves "$path" || continue
            last=${last:-$path}
            if open_to_all "$path"; then
                printf '%s\n' "$path"
                return
            fi
        done < <(type -aP "$name")
    done
    (need_packages python3 python3-venv >&2) && serves /usr/bin/python3 && last=/usr/bin/python3
    [ -n "$last" ] || fail "no Python from 3.10 to 3.13 here, and Debian's is none either: install one."
    printf '%s\n' "$last"
}

# make_venv DIR LOCKFILE [PIP-OPTION…]: a virtual environment with exactly what the lock names. One that serves is left
# as it is, without a look at the network. DIR is a link: a new environment is made whole beside the one in use, and
# takes its place at the end, so that a failed installation leaves what cron calls every night as it was.
make_venv() {
    local place=$1 lock=$2
    shift 2
    (
        umask 022
        flock 9
        venv_serves "$place" "$lock" || build_venv "$place" "$lock" "$@"
    ) 9>"$place.lock" || exit
}

# What an environment was made from. Python's version belongs to it (an upgrade of the system brings another one, which
# looks elsewhere for packages), and its place (a checkout that was moved takes the old place's scripts along).
venv_key() { printf '%s %s %s\n' "$("$1/bin/python" -c 'import sys; print(*sys.version_info[:2])')" "$1" "$(sha256sum <"$2")"; }

venv_serves() { serves "$1/bin/python" && [ "$(cat -- "$1/.made-from" 2>/dev/null)" = "$(venv_key "$1" "$2")" ]; }

build_venv() {
    local place=$1 lock=$2 fresh python old
    shift 2
    python=$(find_python) || exit
    fresh=$(mktemp -d -- "$place.XXXXXXXX") || fail "cannot write in ${place%/*}."
    chmod 755 "$fresh"
    say "Making ${place##*/} with $("$python" -V) and the packages of ${lock##*/}"
    "$python" -m venv -- "$fresh" || fail "$python could not make an environment in $fresh."
    # The lock is whole: were pip to resolve anything, it would look at releases that came later.
    "$fresh/bin/python" -m pip install -q --disable-pip-version-check --no-input --no-deps --require-hashes "$@" \
        -r "$lock" ||
        fail "the packages of ${lock##*/} could not be installed; pip's message stands above."
    [ -L "$place" ] || rm -rf -- "$place"
    { ln -s -- "${fresh##*/}" "$fresh.link" && mv -fT -- "$fresh.link" "$place"; } || fail "cannot write $place."
    venv_key "$place" "$lock" >"$fresh/.made-from"
    for old in "$place".????????; do
        [ "$old" = "$fresh" ] || rm -rf -- "$old"
    done
}
