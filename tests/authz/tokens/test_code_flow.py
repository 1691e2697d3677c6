"""The code's way to tokens, end to end."""

from authz.protocol.pkce import s256
from identity_core import jose
from identity_core.testing.spec import spec
from tests.authz.world import CALLBACK, ISSUER, VERIFIER, World


async def test_a_code_becomes_tokens(world: World) -> None:
    client = await world.client()
    code = await world.code(client, scopes=("openid", "profile"), challenge=s256(VERIFIER))
    response = await world.redeem(client, code, code_verifier=VERIFIER)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["token_type"] == "Bearer"
    assert response.headers["cache-control"] == "no-store"
