"""Guests travel without an account."""

from tests.gateway.records import audited
from tests.gateway.running import Running, bearer


async def test_a_guest_is_somebody_at_once(either_gateway: Running):
    reply = await either_gateway.client.post("/v1/guests")
    assert reply.status_code == 201
    assert reply.headers["cache-control"] == "no-store"
    guest = reply.json()
    assert (guest["token_type"], guest["expires_in"], guest["scope"]) == ("Bearer", 600, "bookings")
    me = (await either_gateway.client.get("/v1/me", headers=bearer(guest["access_token"]))).json()
    assert (me["email"], me["role"], me["scopes"]) == (None, "rider", ["bookings"])
    assert ("guest_created", me["id"], me["id"], "") in await audited(either_gateway)


async def test_every_guest_is_somebody_else(either_gateway: Running):
    guests = [await either_gateway.guest() for _ in range(3)]
    ids = {
        (await either_gateway.client.get("/v1/me", headers=bearer(guest["access_token"]))).json()["id"]
        for guest in guests
    }
    assert len(ids) == 3


async def test_a_guest_stays_the_same_over_a_refresh(either_gateway: Running):
    guest = await either_gateway.guest()
    before = await either_gateway.client.get("/v1/me", headers=bearer(guest["access_token"]))
    form = {"grant_type": "refresh_token", "refresh_token": guest["refresh_token"]}
    after = await either_gateway.client.get("/v1/me", headers=bearer(await either_gateway.token(**form)))
    assert before.json()["id"] == after.json()["id"]
