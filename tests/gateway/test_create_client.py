"""Programs sign in by themselves with what somebody has given them."""

from typing import Any

import pytest

from tests.gateway.records import audited, rows
from tests.gateway.running import Running, bearer, problem


async def created(gateway: Running, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    reply = await gateway.client.post("/v1/clients", json={"name": "Shop"} | body, headers=headers)
    assert reply.status_code == 201, reply.text
    assert reply.headers["cache-control"] == "no-store"
    return dict(reply.json())


async def headers_of(gateway: Running, client: dict[str, Any]) -> dict[str, str]:
    secrets = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    return bearer(await gateway.token(grant_type="client_credentials", **secrets))


async def test_a_client_signs_in_with_what_it_was_given(either_gateway: Running):
    client = await created(either_gateway, await either_gateway.admin(), scopes=["reports"], operator_id="demo")
    assert client["client_id"].startswith("cli_")
    me = (await either_gateway.client.get("/v1/me", headers=await headers_of(either_gateway, client))).json()
    assert (me["id"], me["role"], me["operator_id"], me["scopes"]) == (client["client_id"], None, "demo", ["reports"])


async def test_the_secret_is_shown_once_and_kept_nowhere(either_gateway: Running):
    client = await created(either_gateway, await either_gateway.admin(), scopes=["reports"], operator_id="demo")
    assert len(client["client_secret"]) == 43
    for table in ("clients", "audit"):
        assert client["client_secret"] not in str(await rows(either_gateway, table))
    assert ("client_created", client["client_id"], "headway-admin", "reports") in await audited(either_gateway)


async def test_a_client_gives_away_no_more_than_it_has(either_gateway: Running):
    admin = await either_gateway.admin()
    maker = await created(either_gateway, admin, scopes=["users:write", "reports"], operator_id="demo")
    headers = await headers_of(either_gateway, maker)
    await created(either_gateway, headers, scopes=["reports"])
    for scopes in (["reports", "fares:write"], ["bookings:all"]):
        reply = await either_gateway.client.post("/v1/clients", json={"name": "x", "scopes": scopes}, headers=headers)
        assert problem(reply, 403, "forbidden")["facts"]["scope"] == (set(scopes) - {"reports"}).pop()
    for operator_id in ("other", "*"):
        body = {"name": "x", "scopes": ["reports"], "operator_id": operator_id}
        problem(await either_gateway.client.post("/v1/clients", json=body, headers=headers), 403, "forbidden")


@pytest.mark.parametrize(
    "changes",
    [{"scopes": []}, {"scopes": ["nonsense"]}, {"scopes": ["reports"] * 50}, {"scopes": "reports"}, {"name": ""},
     {"client_secret": "mine"}, {"operator_id": "a b"}],
)  # fmt: skip
async def test_what_is_no_client_is_refused(shared: Running, changes: dict[str, Any]):
    body = {"name": "Shop", "scopes": ["reports"], "operator_id": "demo"} | changes
    reply = await shared.client.post("/v1/clients", json=body, headers=await shared.admin())
    problem(reply, 422, "invalid_value")
