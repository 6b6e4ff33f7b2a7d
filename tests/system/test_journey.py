"""The whole journey over REST on real processes, and what a plain NATS client sees of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import nats
import pytest

from tests.system.journey import checked, coach, hold, key, leg_of, payment, publish, quote
from tests.system.running_stack import Stack, admin, client, guest, insist


@pytest.fixture(scope="module")
def operator(stack: Stack) -> Iterator[httpx2.Client]:
    with admin(stack) as opened:
        yield opened


@pytest.fixture
def rider(stack: Stack) -> Iterator[httpx2.Client]:
    with guest(stack) as opened:
        yield opened


def test_a_rider_signs_up_quotes_holds_pays_shows_a_ticket_and_cancels(stack: Stack, operator: httpx2.Client) -> None:
    departure = publish(operator, coach())
    with client(stack) as anybody:
        password = "correct horse battery"
        checked(anybody.post("/riders", json={"email": "ada@example.com", "password": password, "name": "Ada"}), 201)
        form = {"grant_type": "password", "username": "ada@example.com", "password": password}
        token = checked(anybody.post("/oauth/token", data=form), 200)["access_token"]
    with client(stack, token) as rider:
        quoted = quote(rider, leg_of(departure), categories=("adult", "child"))
        booking = hold(rider, quoted, categories=("adult", "child"))
        assert (booking["state"], booking["total"]) == ("held", quoted["total"])
        paid = checked(rider.post(f"/bookings/{booking['id']}/confirm", json=payment(), headers=key()), 200)
        assert (paid["state"], paid["payment"]["state"], len(paid["tickets"])) == ("confirmed", "captured", 2)
        picture = rider.get(paid["tickets"][0]["svg_url"].removeprefix("/v1"))
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert "<svg" in picture.text
        found = checked(
            rider.post("/bookings/lookup", json={"reference": paid["reference"], "email": "Ada@Example.com"}), 200
        )
        assert found["id"] == paid["id"]
        cancelled = cancel(rider, paid)
        assert cancelled["state"] == "cancelled"
        insist_on_refund(rider, paid["id"])
        facts = [entry["fact"] for entry in checked(rider.get(f"/bookings/{paid['id']}/history"), 200)["items"]]
        assert facts == ["held", "confirmed", "cancelled", "refunded"]


def cancel(rider: httpx2.Client, booking: Any) -> Any:
    quoted = checked(rider.post(f"/bookings/{booking['id']}/cancellation-quotes", json={}), 200)
    body = {"cancellation_quote_token": quoted["token"]}
    return checked(rider.post(f"/bookings/{booking['id']}/cancel", json=body, headers=key()), 200)


def insist_on_refund(rider: httpx2.Client, booking_id: str) -> None:
    def refunded() -> httpx2.Response:
        reply = rider.get(f"/bookings/{booking_id}")
        return reply if reply.json()["payment"]["state"] == "refunded" else httpx2.Response(202)

    insist(refunded)


async def test_a_plain_client_sees_on_nats_what_happened(
    stack: Stack, operator: httpx2.Client, rider: httpx2.Client
) -> None:
    departure = await asyncio.to_thread(publish, operator, coach())
    booking = await asyncio.to_thread(lambda: hold(rider, quote(rider, leg_of(departure, 0, 1))))
    released = await asyncio.to_thread(
        lambda: checked(rider.post(f"/bookings/{booking['id']}/release", headers=key()), 200)
    )
    assert released["state"] == "released"
    connection = await nats.connect(stack.ready["nats_url"])
    seen = await messages(connection, f"headway.v1.*.*.demo.{departure['id']}", count=5)
    await connection.close()
    subjects = [message.subject.split(".")[2:4] for message in seen]
    assert sorted(map(tuple, subjects)) == [
        ("availability", "changed"), ("availability", "changed"),
        ("booking", "held"), ("booking", "released"), ("departure", "published"),
    ]  # fmt: skip
    for message in seen:
        assert message.headers["Nats-Msg-Id"] == message.headers["ce-id"]
        assert {"ce-type", "ce-source", "ce-time", "traceparent"} <= message.headers.keys()


async def messages(connection: Any, subject: str, *, count: int) -> list[Any]:
    """Read what the streams hold on a subject, in the order of each stream, until there is as much as expected."""
    found: list[Any] = []
    async with asyncio.timeout(15):
        for stream in ("DEPARTURE", "AVAILABILITY", "BOOKING"):
            subscription = await connection.jetstream().subscribe(subject, stream=stream, ordered_consumer=True)
            found.extend([await subscription.next_msg(10) for _ in range({"DEPARTURE": 1}.get(stream, 2))])
            await subscription.unsubscribe()
    assert len(found) == count
    return found


def test_the_same_key_gives_the_same_answer_and_says_so(operator: httpx2.Client, rider: httpx2.Client) -> None:
    departure = publish(operator, coach())
    quoted = quote(rider, leg_of(departure))
    body = {
        "quote_token": quoted["token"],
        "passengers": [{"name": "Ada", "category": "adult"}],
        "contact": {"email": "ada@example.com"},
    }
    same = key()
    first = rider.post("/bookings", json=body, headers=same)
    again = rider.post("/bookings", json=body, headers=same)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = rider.post("/bookings", json={**body, "contact": {"email": "eve@example.com"}}, headers=same)
    assert checked(other, 422)["code"] == "idempotency_key_reused"


def test_a_slow_payment_is_202_then_in_flight_then_the_stored_reply(
    operator: httpx2.Client, rider: httpx2.Client
) -> None:
    booking = hold(rider, quote(rider, leg_of(publish(operator, coach()))))
    same = key()
    path = f"/bookings/{booking['id']}/confirm"
    first = checked(rider.post(path, json=payment("tok_slow"), headers=same), 202)
    assert first["payment"]["state"] == "processing"
    assert checked(rider.post(path, json=payment("tok_slow"), headers=same), 409)["code"] == "request_in_flight"
    final = insist(lambda: rider.post(path, json=payment("tok_slow"), headers=same))
    assert (final.status_code, final.json()["state"]) == (200, "confirmed")
    assert final.headers["Idempotent-Replayed"] == "true"
