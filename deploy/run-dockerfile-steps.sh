#!/usr/bin/env bash
# run-dockerfile-steps.sh TARGET [COMMAND...]: the steps of deploy/Dockerfile for a target, in an empty Debian with
# Debian's Python in place of the Python image; then COMMAND, or an import of what the target serves, as its user.
#
# A check for machines without a container engine; needs root (debootstrap, chroot).
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=deploy/debian.sh
. deploy/debian.sh

target=${1:?name a target of deploy/Dockerfile: authz, scim, sessions, demo or migrate}
shift
case $target in
    authz | scim | sessions) default=(python -c "import $target.app; print('$target.app imports')") ;;
    demo) default=(python -c "import gatehouse.demo.app; print('gatehouse.demo.app imports')") ;;
    migrate) default=(python -c "import gatehouse.dev.seed; print('gatehouse.dev.seed imports')") ;;
    *) fail "The steps of $target start from an image that this program has no stand-in for." ;;
esac
require_debian_tools
in_own_world "$0" "$target" "$@"

read_index_settings
debian_into "$FOLDER/base"
cp -L /etc/resolv.conf /etc/hosts "$FOLDER/base/etc/"
apt_in_debian "$FOLDER/base" python3 python3-venv ca-certificates
# As in the Python image: /usr/local/bin/python.
ln -s /usr/bin/python3 "$FOLDER/base/usr/local/bin/python"
ln -s /usr/bin/python3 "$FOLDER/base/usr/local/bin/python3"
# This host's way to the indexes goes into the throw-away copy: chroots of several stages are made from it.
for path in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
    [ ! -f "$path" ] || install -D -m 644 "$path" "$FOLDER/base$path"
done
for path in .config/pip .pip .config/uv; do
    [ ! -d "${HOME:-/nonexistent}/$path" ] || { mkdir -p "$FOLDER/base/root/$path" && cp -r "$HOME/$path/." "$FOLDER/base/root/$path"; }
done

[ $# -gt 0 ] || set -- "${default[@]}"
python3 deploy/dockerfile_steps.py --target "$target" --base "$FOLDER/base" --work "$FOLDER/stages" -- "$@"
