#!/bin/sh
# Writes .env: the secrets of one `docker compose` house, random, readable by you alone. Never writes over one that is
# there: the database in the volume cannot be opened with other secrets.
set -eu
cd "$(dirname "$0")/.."
umask 077

if [ -e .env ]; then
    echo "There is an .env already; it is left as it is. (To start anew: docker compose down --volumes; rm .env)" >&2
    exit 1
fi

hex() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }
base64_key() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }
# 32 random bytes as Gatehouse writes its secrets: base64url without padding.
typed() { printf '%s%s' "$1" "$(base64_key | tr '+/' '-_' | tr -d '=')"; }

set -C
cat >.env <<END
# Made by deploy/make-env.sh for compose.yaml. Keep it beside the volumes it belongs to; never commit it.
POSTGRES_PASSWORD=$(hex 24)
AUTHZ_DB_PASSWORD=$(hex 24)
SCIM_DB_PASSWORD=$(hex 24)
SESSIONS_DB_PASSWORD=$(hex 24)
VALKEY_PASSWORD=$(hex 24)
TAG_KEY=$(base64_key)
KEY_ENCRYPTION_KEY=compose1:$(base64_key)
DEMO_CLIENT_SECRET=$(typed gk_)
DEMO_COOKIE_KEY=$(hex 32)
ADMIN_CLIENT_SECRET=$(typed gk_)
SCIM_TOKEN=$(typed gm_)
USER_PASSWORD=$(hex 10)
END
echo "Wrote .env. The demo's user is ada; her password is USER_PASSWORD in it."
