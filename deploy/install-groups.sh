#!/bin/sh
# install-groups.sh GROUP...: dependency groups of pyproject.toml into ./.venv, at the versions and with the hashes of
# requirements.lock. What the lock does not hold, or holds with another hash, is refused.
set -eu

# uv comes by pip, at the lock's own version and hashes; it stays outside of what is installed.
tools=$(mktemp -d)
python -m venv "$tools"
awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock >"$tools/uv.txt"
"$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$tools/uv.txt"

python -m venv --without-pip .venv

install() {
    for group in "$@"; do set -- "$@" --group "$group" && shift; done
    "$tools/bin/uv" pip install --quiet --python .venv/bin/python --compile-bytecode --link-mode copy \
        --require-hashes --constraint requirements.lock "$@"
}

# uv reads no pip settings: where only pip has been told of an index, the second try tells uv the same.
install "$@" || {
    UV_DEFAULT_INDEX=${PIP_INDEX_URL:-$("$tools/bin/pip" config get global.index-url)}
    export UV_DEFAULT_INDEX
    install "$@"
}
rm -rf "$tools"
