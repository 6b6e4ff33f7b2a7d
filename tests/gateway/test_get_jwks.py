"""Whoever wants to can check our tokens by themselves."""

import json

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from tests.gateway.running import ADMIN_SECRET, Running


@pytest.mark.parametrize("path", ["/v1/.well-known/jwks.json", "/.well-known/jwks.json"])
async def test_a_token_can_be_checked_with_the_published_keys(shared: Running, path: str):
    reply = await shared.client.get(path)
    assert reply.headers["cache-control"] == "public, max-age=300"
    token = await shared.token(grant_type="client_credentials", client_id="headway-admin", client_secret=ADMIN_SECRET)
    checked = jws.deserialize_compact(token, KeySet.import_key_set(reply.json()), algorithms=["Ed25519"])
    assert json.loads(checked.payload)["sub"] == "headway-admin"


async def test_no_private_half_is_published(shared: Running):
    (key,) = (await shared.client.get("/.well-known/jwks.json")).json()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
    private = json.loads((shared.app.state.settings.keys_dir / "private" / "gateway.json").read_text())
    assert private["d"] not in str(key)
