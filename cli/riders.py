"""Simulated riders: they look for a ride, hold seats, pay, cancel, or change their mind."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import httpx2

from cli.outcomes import BreakdownError
from cli.running import Renewing, open_client

NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Alan", "Radia", "Donald", "Frances")
THINKING_SECONDS = 4.0


async def ride_again_and_again(
    gateway_url: str, departures: list[dict[str, Any]], chance: Random, speed: float
) -> None:
    """Book one journey after the other; a refusal is part of life."""
    async with open_client(gateway_url) as rider:
        rider.auth = Renewing(rider.build_request("POST", "/guests"))
        while True:
            await asyncio.sleep(chance.expovariate(1) * THINKING_SECONDS / max(1.0, speed))
            with suppress(httpx2.TransportError, BreakdownError):
                await book_something(rider, chance.choice(departures), chance)


async def book_something(rider: httpx2.AsyncClient, like: dict[str, Any], chance: Random) -> None:
    """Search a ride like one that is known, mostly soon, and book it more often than not."""
    stops = [call["stop_id"] for call in like["calls"]]
    origin, destination = sorted(chance.sample(range(len(stops)), 2))
    day = datetime.now(UTC).date() + timedelta(days=min(6, int(chance.expovariate(0.5))))
    query = {"origin_stop_id": stops[origin], "destination_stop_id": stops[destination], "date": day.isoformat()}
    found = (await rider.get("/itineraries", params=query)).json().get("items")
    if not found or chance.random() < 0.2:
        return
    legs = [
        {
            "departure_id": leg["departure_id"],
            "origin_stop_id": leg["origin"]["stop_id"],
            "destination_stop_id": leg["destination"]["stop_id"],
        }
        for leg in chance.choice(found[:6])["legs"]
    ]
    party = [{"category": "adult"} for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    quote = await rider.post("/quotes", json={"legs": legs, "passengers": party})
    if quote.is_success:
        await hold_and_decide(rider, quote.json()["token"], party, chance)


async def hold_and_decide(rider: httpx2.AsyncClient, token: str, party: list[dict[str, str]], chance: Random) -> None:
    """Hold seats, then pay for them, give them back, or pay and cancel."""
    passengers = [one | {"name": chance.choice(NAMES)} for one in party]
    body = {"quote_token": token, "passengers": passengers, "contact": {"email": "rider@example.com"}}
    held = await rider.post("/bookings", json=body, headers=once())
    if not held.is_success:
        return
    path, mind = f"/bookings/{held.json()['id']}", chance.random()
    if mind < 0.15:
        await rider.post(f"{path}/release", headers=once())
        return
    await rider.post(f"{path}/confirm", json={"payment": {"method": "sandbox", "token": "tok_success"}}, headers=once())
    if mind < 0.25:
        offer = await rider.post(f"{path}/cancellation-quotes", json={})
        if offer.is_success:
            answer = {"cancellation_quote_token": offer.json()["token"]}
            await rider.post(f"{path}/cancel", json=answer, headers=once())


def once() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}
