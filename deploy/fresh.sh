#!/usr/bin/env bash
# `make fresh`: the README's two commands, by an ordinary user, in an empty Debian: clone, `make run`, and sign in to
# the demo application. Then once more, for the time of a warm start.
#
# Needs root (debootstrap, chroot) and free default ports. FRESH_SOURCE=worktree tries the files as they are here
# instead of the last commit. What the newcomer installs is NEEDS, and nothing else of this machine is used but its
# network and its way to the package indexes.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=deploy/debian.sh
. deploy/debian.sh

NEEDS="python3 python3-venv make git ca-certificates"
PORTS="8000 8001 8002 8010 8100 8101 8102"
NEWCOMER=newcomer

require_debian_tools
for port in $PORTS; do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && fail "Port $port is taken, and make fresh uses the default ports."
done
command -v git >/dev/null || fail "This needs git, to hand the last commit to the newcomer."
in_own_world "$0" "$@"

root=$FOLDER/debian
mkdir -p "$root"

seconds() { # name, command...: the wall time of a step
    local since=$SECONDS name=$1
    shift
    "$@"
    printf '%-34s %4d s\n' "$name" $((SECONDS - since))
}

# What the newcomer will clone: a bare repository of the last commit, or of the files as they are here.
offer_repository() {
    local offered=$root/srv/gatehouse.git snapshot=$root/srv/snapshot
    if [ "${FRESH_SOURCE:-commit}" = worktree ]; then
        mkdir -p "$snapshot"
        git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
            [ ! -e "$file" ] || printf '%s\0' "$file"
        done | tar -c --null --files-from=- | tar -x -C "$snapshot"
        git -C "$snapshot" init -q -b main
        git -C "$snapshot" add -A
        git -C "$snapshot" -c user.name=fresh -c user.email=fresh@localhost -c commit.gpgsign=false commit -q -m snapshot
        git clone -q --bare --no-hardlinks "$snapshot" "$offered"
        rm -rf "$snapshot"
    else
        git -c safe.directory="$PWD" clone -q --bare --no-hardlinks . "$offered"
    fi
    chroot "$root" chown -R "$NEWCOMER:$NEWCOMER" /srv/gatehouse.git
}

by_newcomer() { in_debian "$root" "$NEWCOMER" sh -c 'cd && exec "$@"' sh "$@"; }

run_once() { # cold or warm
    python3 deploy/fresh_run.py --root "$root" --user "$NEWCOMER" --name "$1" -- "${INDEX_SETTINGS[@]}"
    left=$(processes_in "$root")
    [ -z "$left" ] || {
        for pid in $left; do tr '\0' ' ' <"/proc/$pid/cmdline" >&2; say ""; done
        fail "Ctrl-C left these running."
    }
    for port in $PORTS; do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && fail "Ctrl-C left port $port open."
    done
    return 0
}

read_index_settings
seconds "an empty Debian" debian_into "$root"
open_debian "$root"
seconds "what the newcomer installs" apt_in_debian "$root" $NEEDS
chroot "$root" useradd --create-home --shell /bin/bash "$NEWCOMER"
show_user_settings "$root" "/home/$NEWCOMER"
offer_repository
seconds "git clone" by_newcomer git clone -q /srv/gatehouse.git gatehouse
run_once cold
run_once warm
echo "make fresh: passed"
