# An empty Debian in a folder, to be sourced: what deploy/fresh.sh and deploy/run-dockerfile-steps.sh stand on.
#
# Everything that depends on this machine (the Debian mirror, settings of package clients, certificates) is read
# when it runs and reaches the Debian as environment and read-only mounts; nothing of it is written down anywhere.
# shellcheck shell=bash

SUITE=bookworm
DEBIAN_ARCHIVE=${DEBIAN_ARCHIVE:-.cache/debian-$SUITE.tar.gz}

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Refuse early, in one sentence, where the work cannot be done.
require_debian_tools() {
    [ "$(id -u)" = 0 ] || fail "This needs root, for debootstrap and chroot: run it with sudo."
    if ! command -v debootstrap >/dev/null; then
        command -v apt-get >/dev/null || fail "This needs debootstrap, and there is no apt-get to install it with."
        apt-get -qq update && apt-get -qq install -y --no-install-recommends debootstrap >/dev/null ||
            fail "debootstrap could not be installed: apt-get install debootstrap."
    fi
}

# The mirror this host's own apt uses, when it is a Debian; otherwise debootstrap's default.
debian_mirror() {
    (. /etc/os-release && [ "${ID:-}" = debian ]) || return 0
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        awk '$1 == "deb" { i = 2; if ($2 ~ /^\[/) while ($i !~ /\]$/) i++; if ($2 ~ /^\[/) i++; print $i, $(i + 1) }' |
        awk -v s="$SUITE" '$2 == s { print $1; exit }' | grep . && return 0
    awk -v s="$SUITE" '
        /^URIs:/ { uri = $2 }
        /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == s) suited = 1 }
        /^$/ { if (suited && uri) { print uri; exit } uri = ""; suited = 0 }
        END { if (suited && uri) print uri }' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1
}

# debian_into FOLDER: an empty Debian; made once, then kept as an archive in .cache.
debian_into() {
    local root=$1 mirror new
    if [ ! -f "$DEBIAN_ARCHIVE" ]; then
        say "Making an empty Debian ($SUITE) ..."
        mirror=$(debian_mirror)
        debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
            { tail -n 5 "$root.log" >&2; fail "debootstrap could not make a Debian; its log ends above."; }
        rm -f "$root.log" "$root"/var/cache/apt/archives/*.deb
        mkdir -p "$(dirname "$DEBIAN_ARCHIVE")"
        find "$(dirname "$DEBIAN_ARCHIVE")" -name '*.new.*' -mmin +60 -delete
        new=$(mktemp "$DEBIAN_ARCHIVE.new.XXXXXX")
        (set -o pipefail && tar -C "$root" -c . | gzip -1 >"$new") && mv "$new" "$DEBIAN_ARCHIVE"
    else
        mkdir -p "$root"
        tar -C "$root" -xzpf "$DEBIAN_ARCHIVE" --numeric-owner
    fi
}

MOUNTED=()
mount_at() { # target, mount's own arguments without the target
    local target=$1
    shift
    mount "$@" "$target" && MOUNTED=("$target" "${MOUNTED[@]}")
}

# open_debian FOLDER: what a process expects of a machine, and this host's way to the package indexes.
open_debian() {
    local root=$1 path
    mount_at "$root/proc" -t proc -o nosuid,nodev,noexec proc
    mkdir -p "$root/dev/shm" "$root/dev/pts"
    mount_at "$root/dev/shm" -t tmpfs -o nosuid,nodev tmpfs
    mount_at "$root/dev/pts" -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666,newinstance devpts
    rm -f "$root/dev/ptmx" && ln -s pts/ptmx "$root/dev/ptmx"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cp -L /etc/hosts "$root/etc/hosts"
    for path in /etc/ssl/certs /etc/pip.conf "${PIP_FIND_LINKS:-}"; do
        case $path in /*) [ -e "$path" ] && show "$root" "$path" "$path" ;; esac
    done
    return 0
}

# show FOLDER OURS THEIRS: a file or folder of this host, read-only.
show() {
    local root=$1 ours=$2 theirs=$1$3
    if [ -d "$ours" ]; then
        mkdir -p "$theirs"
    else
        mkdir -p "$(dirname "$theirs")" && : >>"$theirs"
    fi
    mount_at "$theirs" --bind "$ours"
    mount -o remount,bind,ro "$theirs"
}

# show_user_settings FOLDER HOME: the caller's own settings of package clients, for a user of the Debian.
show_user_settings() {
    local root=$1 home=$2 path
    for path in .config/pip .pip .config/uv; do
        [ -e "${HOME:-/nonexistent}/$path" ] || continue
        # The folders on the way are the user's own, who writes beside what we show.
        mkdir -p "$root$home/.config" && chown --reference="$root$home" "$root$home/.config"
        show "$root" "${HOME}/$path" "$home/$path"
    done
}

# The settings of package clients in our environment, as NAME=value words in INDEX_SETTINGS.
read_index_settings() {
    local name
    INDEX_SETTINGS=()
    while IFS= read -r name; do
        case $name in
            PIP_* | UV_* | SSL_CERT_* | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | HTTP_PROXY | HTTPS_PROXY | ALL_PROXY | \
                NO_PROXY | http_proxy | https_proxy | all_proxy | no_proxy) INDEX_SETTINGS+=("$name=${!name}") ;;
        esac
    done < <(compgen -e)
}

# in_debian FOLDER USER COMMAND...: run it there, with nothing of our environment but the way to the indexes.
in_debian() {
    local root=$1 user=$2 home=/root
    shift 2
    [ "$user" = root ] || home=/home/$user
    chroot --userspec="$user:$user" "$root" /usr/bin/env -i "HOME=$home" "USER=$user" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "TERM=${TERM:-dumb}" \
        DEBIAN_FRONTEND=noninteractive "${INDEX_SETTINGS[@]}" "$@"
}

apt_in_debian() { # folder, packages
    local root=$1
    shift
    in_debian "$root" root sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"' sh "$@" \
        >"$root.apt.log" 2>&1 || { tail -n 5 "$root.apt.log" >&2; fail "apt-get could not install: $*."; }
    rm -f "$root.apt.log"
}

# The pids of processes that live in the Debian of FOLDER.
processes_in() {
    local root pid
    root=$(readlink -f "$1")
    for pid in /proc/[0-9]*; do
        case $(readlink "$pid/root" 2>/dev/null) in "$root" | "$root"/*) echo "${pid#/proc/}" ;; esac
    done
}

# close_debian FOLDER: end what lives there, take the mounts away, remove the folder.
close_debian() {
    local pid target
    for pid in $(processes_in "$1"); do kill -KILL "$pid" 2>/dev/null; done
    for target in "${MOUNTED[@]}"; do umount "$target" 2>/dev/null || umount -l "$target"; done
    if grep -qF " $1/" /proc/self/mounts; then
        say "Something is still mounted below $1, so it is left as it is."
    else
        rm -rf --one-file-system "$1"
    fi
}

# in_own_world SCRIPT ARGUMENTS...: makes FOLDER, and runs the script again where mounts and processes are its own and
# end with it, if the kernel lets us. Either way FOLDER and all that lives in it are gone when the script is.
in_own_world() {
    local world=(--mount --propagation private --pid --fork --kill-child --mount-proc) status=0
    FOLDER=${GATEHOUSE_WORLD:-}
    [ -z "$FOLDER" ] || return 0
    FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/gatehouse-debian.XXXXXX")
    chmod 755 "$FOLDER"
    trap 'exit 130' INT TERM HUP
    if ! unshare "${world[@]}" true 2>/dev/null; then
        trap 'close_debian "$FOLDER"' EXIT
        return 0
    fi
    trap 'end_world' EXIT
    GATEHOUSE_WORLD=$FOLDER unshare "${world[@]}" bash "$@" </dev/null &
    WORLD=$!
    wait "$WORLD" || status=$?
    exit "$status"
}

end_world() {
    kill -KILL "$WORLD" 2>/dev/null && wait "$WORLD" 2>/dev/null || true
    # Its mounts went with it; a process in the midst of writing may take a moment.
    rm -rf --one-file-system "$FOLDER" 2>/dev/null || { sleep 1 && rm -rf --one-file-system "$FOLDER"; }
}
