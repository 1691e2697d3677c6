"""For each own lint: a breach planted where it would be made, and the sound way of doing the same."""

from __future__ import annotations

from typing import NamedTuple


class Sample(NamedTuple):
    """A file that breaks one rule, and one that does not."""

    rule: str
    path: str
    planted: str
    clean: str


# In two halves, so that the lint does not find them here.
_NOTE = "TO" + "DO"

SAMPLES = (
    Sample(
        "async-route",
        "services/scim/http/users.py",
        "@router.get('/Users')\ndef users(): ...\n",
        "@router.get('/Users')\nasync def users(): ...\n",
    ),
    Sample(
        "async-route",
        "services/authz/app.py",
        "def token(request): ...\nroutes = [Route('/token', token, methods=['POST'])]\n",
        "async def token(request): ...\nroutes = [Route('/token', token, methods=['POST'])]\n",
    ),
    Sample(
        "async-route",
        "services/authz/app.py",
        "def health(): ...\napp.add_api_route('/health', endpoint=health)\n",
        "async def health(): ...\napp.add_api_route('/health', endpoint=health)\n",
    ),
    Sample(
        "async-dependency",
        "services/sessions/http/revocations.py",
        "def who(): ...\nasync def revoke(actor=Depends(who)): ...\n",
        "async def who(): ...\nasync def revoke(actor=Depends(who)): ...\n",
    ),
    Sample(
        "asgi-middleware",
        "libs/identity_core/web/headers.py",
        "from starlette.middleware.base import BaseHTTPMiddleware\n",
        "from starlette.middleware import Middleware\n",
    ),
    Sample(
        "asgi-middleware",
        "services/scim/app.py",
        "@app.middleware('http')\nasync def timing(request, call_next): ...\n",
        "app.add_middleware(Timing)\n",
    ),
    Sample(
        "sql-in-storage",
        "services/authz/http/token.py",
        "QUERY = 'SELECT id FROM authz.client WHERE id = $1'\n",
        "LABEL = 'Select a client'\n",
    ),
    Sample(
        "sql-in-storage",
        "services/authz/grants/refresh.py",
        "QUERY = f'UPDATE {table} SET generation = $1'\n",
        "LABEL = 'Update your password'\n",
    ),
    Sample(
        "sql-in-storage",
        "services/scim/http/users.py",
        "from sqlalchemy import select\n",
        "from scim.ports import Users\n",
    ),
    Sample(
        "commit-in-unit-of-work",
        "services/scim/storage/users.py",
        "async def put(connection):\n    async with connection.transaction():\n        ...\n",
        "async def put(work):\n    await work.execute(PUT)\n",
    ),
    Sample(
        "clock-offset",
        "services/authz/http/authorize.py",
        "async def read(store):\n    return await store.read(offset_ms=5000)\n",
        "async def read(store, clock):\n    return await store.read(offset_ms=clock.offset_ms)\n",
    ),
    Sample(
        "clock-offset",
        "services/authz/storage/codes.py",
        "async def take(store):\n    offset_ms = 5000\n    return await store.take(offset_ms=offset_ms)\n",
        "async def take(store, *, offset_ms=0):\n    return await store.take(offset_ms=offset_ms)\n",
    ),
    Sample(
        "clock-in-protocol",
        "services/authz/protocol/id_token.py",
        "def expired(token):\n    return token.exp <= time.time()\n",
        "def expired(token, now):\n    return token.exp <= now\n",
    ),
    Sample(
        "clock-in-protocol",
        "services/scim/protocol/etag.py",
        "stamp = datetime.now(UTC)\n",
        "stamp = datetime.fromtimestamp(now, UTC)\n",
    ),
    Sample(
        "secret-compare",
        "services/authz/protocol/client_auth.py",
        "sound = given_secret == client.secret_hash\n",
        "sound = same(given_secret, client.secret_hash)\n",
    ),
    Sample(
        "secret-compare",
        "libs/identity_core/totp.py",
        "sound = hmac.new(key, message).hexdigest() != given\n",
        "sound = client.token_type == given.token_type and kind == Kind.TOKEN and token != ''\n",
    ),
    Sample(
        "secret-compare",
        "services/scim/protocol/etag.py",
        "unchanged = row['body_hash'] == other.body_hash\n",
        "unchanged = row['body_hash'] == other.body_hash  # a cache key  # lint: public\n",
    ),
    Sample(
        "authlib-jose",
        "tests/authz/test_id_token.py",
        "from authlib.jose import jwt\n",
        "from authlib.oidc.core import IDToken\n",
    ),
    Sample("authlib-jose", "libs/gatehouse/demo/app.py", "import authlib.jose.errors\n", "import authlib\n"),
    Sample("vague-name", "services/authz/http/utils.py", "", ""),
    Sample("vague-name", "libs/identity_core/common/words.py", "", ""),
    Sample("long-file", "services/authz/app.py", "x = 1\n" * 401, "x = 1\n" * 400),
    Sample("undone", "services/authz/app.py", f"x = 1  # {_NOTE}: later\n", "x = 1  # a todo list is fine\n"),
    Sample("undone", "services/authz/ports.py", "def take():\n    raise NotImplementedError\n", "x = 1\n"),
    Sample("syntax", "services/authz/app.py", "def (:\n", "x = 1\n"),
)
