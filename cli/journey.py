"""A rider's journey through the REST API: each call told in a line, as curl, and by what its answer means."""

import asyncio
import re
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from cli.outcomes import BreakdownError

Json = dict[str, Any]

OPERATOR = "nordlicht"
ROUTE = {"feed_route_id": "N4", "short_name": "N4", "long_name": "Hamburg - Rostock along the coast", "mode": "coach"}
STOPS = (
    ("hamburg", "Hamburg ZOB", 53.5517, 10.0113, time(7, 0)),
    ("luebeck", "Lübeck ZOB", 53.8664, 10.6698, time(8, 5)),
    ("wismar", "Wismar ZOB", 53.8932, 11.4531, time(9, 10)),
    ("rostock", "Rostock ZOB", 54.0785, 12.1322, time(10, 15)),
)
"""The operator's identifier, name, latitude, longitude and arrival in UTC. The towns are real, the coach is not."""
STAY = timedelta(minutes=5)
RIDERS = [{"name": "Ada Lovelace", "category": "adult"}, {"name": "Grace Hopper", "category": "adult"}]
CONTACT = {"email": "ada@example.com"}
TIMEOUT_SECONDS = 15.0
READS, PAUSE_SECONDS = 40, 0.25
SHOWN_HEADERS = ("authorization", "idempotency-key", "content-type")
SECRET = re.compile(r'(Bearer |token":"|client_secret=)([^"\s&\']{6})[^"\s&\']{12,}')


class Guide:
    """Makes calls and tells about them; raises BreakdownError at the first that fails."""

    def __init__(self, client: httpx2.AsyncClient, say: Callable[[str], None]) -> None:
        self._client = client
        self._say = say
        self._calls = 0
        self.bearer = ""

    async def call(
        self, title: str, path: str, tell: Callable[[Json], str], *, method: str = "POST", key: str = "", **body: Any
    ) -> Json:
        """Make a call and return its answer; `body` is json= or data=."""
        self._calls += 1
        request = self._request(method, path, key, **body)
        self._say(f"\n{self._calls}. {title}\n   {curl_line(request)}")
        answer = await self._answer(request)
        self._say(f"   {tell(answer)}")
        return answer

    async def wait(self, path: str, is_so: Callable[[Json], bool]) -> None:
        """Read, without a word, until something is so."""
        for _ in range(READS):
            if is_so(await self._answer(self._request("GET", path))):
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise BreakdownError(f"The journey ends here: nothing has changed for {READS * PAUSE_SECONDS:.0f} s.")

    def _request(self, method: str, path: str, key: str = "", **body: Any) -> httpx2.Request:
        headers = {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        headers |= {"Idempotency-Key": key} if key else {}
        return self._client.build_request(method, path, headers=headers, **body)

    async def _answer(self, request: httpx2.Request) -> Json:
        """Return an answer's JSON, or the size of what is not JSON."""
        try:
            response = await self._client.send(request)
        except httpx2.HTTPError as error:
            raise BreakdownError(f"The journey ends here: no answer ({type(error).__name__}).") from error
        is_json = "json" in response.headers.get("content-type", "")
        answer: Json = response.json() if is_json else {"bytes": len(response.content)}
        if response.status_code not in (200, 201):
            reason = answer.get("detail") or answer.get("state")
            raise BreakdownError(f"The journey ends here: {response.status_code}, {reason}")
        return answer


def curl_line(request: httpx2.Request) -> str:
    """Write the command that makes the same request, with its secrets cut short."""
    words = ["curl", "-X", request.method, str(request.url)]
    for name in SHOWN_HEADERS:
        if name in request.headers:
            words += ["-H", f"{name}: {request.headers[name]}"]
    if request.content:
        words += ["-d", request.content.decode()]
    return SECRET.sub(r"\1\2...", shlex.join(words))


async def travel(gateway_url: str, admin: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Put a departure on sale, book two seats on it and give them back; raise BreakdownError when that fails."""
    # The gateway is a neighbour: reached directly, whatever proxy the environment names.
    async with httpx2.AsyncClient(base_url=f"{gateway_url}/v1", timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        guide = Guide(client, say)
        departure = await put_on_sale(guide, admin)
        booking = await book(guide, departure)
        await give_back(guide, booking)


async def put_on_sale(guide: Guide, admin: Mapping[str, str]) -> Json:
    """Do what an operator does first; a second demo on the same day finds the departure of the first."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    token = await guide.call(
        "The operator's program signs in.",
        "/oauth/token",
        lambda token: f"a token for {token['expires_in'] // 60} minutes",
        data={"grant_type": "client_credentials", **admin},
    )
    guide.bearer = token["access_token"]
    return await guide.call(
        "It puts tomorrow's coach from Hamburg to Rostock on sale.",
        "/departures",
        lambda found: f"{found['id']} with {len(found['calls'])} stops and {found['capacity']} seats",
        key=f"demo-{tomorrow}",
        json=departure_on(tomorrow),
    )


def departure_on(day: date) -> Json:
    """Describe the departure of a day."""
    calls = []
    for identifier, name, latitude, longitude, at in STOPS:
        arrival = datetime.combine(day, at, UTC)
        stop = {"feed_stop_id": identifier, "name": name, "timezone": "Europe/Berlin"}
        calls.append(
            {
                "stop": stop | {"latitude": latitude, "longitude": longitude},
                "scheduled_arrival_at": arrival.isoformat(),
                "scheduled_departure_at": (arrival + STAY).isoformat(),
            }
        )
    return {"operator_id": OPERATOR, "route": ROUTE, "service_date": day.isoformat(), "calls": calls}


async def book(guide: Guide, departure: Json) -> Json:
    """Ride from the second stop to the last: ask for a price, hold seats, pay, see a ticket."""
    guide.bearer = ""
    token = await guide.call("A rider comes along, without an account.", "/guests", lambda _: "a token")
    guide.bearer = token["access_token"]
    origin, destination = (departure["calls"][place]["stop_id"] for place in (1, -1))
    leg = {"departure_id": departure["id"], "origin_stop_id": origin, "destination_stop_id": destination}
    quote = await guide.call(
        "What do two seats from Lübeck to Rostock cost?",
        "/quotes",
        lambda quote: f"{money(quote['total'])}, promised until {quote['expires_at']}",
        json={"legs": [leg], "passengers": [{"category": rider["category"]} for rider in RIDERS]},
    )
    booking = await guide.call(
        "Hold them, next to each other.",
        "/bookings",
        lambda held: f"{held['state']}: {seats(held)}, until {held['hold_expires_at']}",
        key=str(uuid4()),
        json={"quote_token": quote["token"], "passengers": RIDERS, "contact": CONTACT, "seating": {"together": True}},
    )
    booking = await guide.call(
        "Pay with a card that works.",
        f"/bookings/{booking['id']}/confirm",
        lambda paid: f"{paid['state']}, reference {paid['reference']}, {len(paid['tickets'])} tickets",
        key=str(uuid4()),
        json={"payment": {"method": "sandbox", "token": "tok_success"}},
    )
    ticket = f"/bookings/{booking['id']}/tickets/{booking['tickets'][0]['id']}.svg"
    await guide.call("Show the first ticket.", ticket, lambda image: f"{image['bytes']} bytes of SVG", method="GET")
    return booking


async def give_back(guide: Guide, booking: Json) -> None:
    """Ask what cancelling would refund, and cancel at that."""
    offer = await guide.call(
        "Plans change. What would be refunded?",
        f"/bookings/{booking['id']}/cancellation-quotes",
        lambda offer: f"{money(offer['refund'])}, and a fee of {money(offer['fee'])} is kept",
        json={},
    )
    await guide.call(
        "Cancel at that.",
        f"/bookings/{booking['id']}/cancel",
        lambda gone: f"{gone['state']}, payment {gone['payment']['state']}",
        key=str(uuid4()),
        json={"cancellation_quote_token": offer["token"]},
    )
    await guide.wait(f"/bookings/{booking['id']}", lambda gone: gone["payment"]["state"] == "refunded")
    await guide.call(
        "Is the money back?", f"/bookings/{booking['id']}", lambda gone: f"{gone['payment']['state']}", method="GET"
    )


def money(amount: Json) -> str:
    return f"{amount['amount_minor'] // 100}.{amount['amount_minor'] % 100:02} {amount['currency']}"


def seats(booking: Json) -> str:
    return " and ".join(f"{item['seat_id']} for {item['passenger']['name']}" for item in booking["items"])
