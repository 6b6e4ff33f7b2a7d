"""A rider's journey through the REST API: each call told in a line, as curl, and by what its answer means."""

import asyncio
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from cli.outcomes import BreakdownError

Json = dict[str, Any]

ORIGIN, DESTINATION = "Hamburg ZOB", "Rostock ZOB"
"""Two stations of the sample network."""
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
        """Make a call and return its answer; `body` is json=, data= or params=."""
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


async def travel(gateway_url: str, say: Callable[[str], None]) -> None:
    """Find a coach of the sample network, book two seats and give them back; raise BreakdownError when that fails."""
    # The gateway is a neighbour: reached directly, whatever proxy the environment names.
    async with httpx2.AsyncClient(base_url=f"{gateway_url}/v1", timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        guide = Guide(client, say)
        ride = await find_ride(guide)
        booking = await book(guide, ride)
        await give_back(guide, booking)


async def find_ride(guide: Guide) -> Json:
    """Look for tomorrow's first coach from one station to the other."""
    ends = [await find_stop(guide, name) for name in (ORIGIN, DESTINATION)]
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    query = {"origin_stop_id": ends[0], "destination_stop_id": ends[1], "date": tomorrow.isoformat(), "passengers": 2}
    found = await guide.call(
        "What runs tomorrow, for two?",
        "/itineraries",
        lambda found: "; ".join(map(shown, found["items"][:3])),
        method="GET",
        params=query,
    )
    if not found["items"]:
        raise BreakdownError("The journey ends here: nothing runs tomorrow.")
    return dict(found["items"][0]["legs"][0])


async def find_stop(guide: Guide, name: str) -> str:
    found = await guide.call(
        f"Where is {name}?",
        "/stops",
        lambda found: ", ".join(f"{one['name']} ({one['id']})" for one in found["items"][:3]) or "nowhere",
        method="GET",
        params={"q": name},
    )
    if not found["items"]:
        raise BreakdownError(f"The journey ends here: {name} is not in the timetable.")
    return str(found["items"][0]["id"])


def shown(ride: Json) -> str:
    """Write a ride that was found in a few words."""
    leg = ride["legs"][0]
    price = money(ride["price_from"]) if ride["price_from"] else "no price yet"
    return f"{leg['route']['short_name']} at {leg['origin']['scheduled_at']}, {ride['seats_available']} seats, {price}"


async def book(guide: Guide, ride: Json) -> Json:
    """Ride it: ask for a price, hold seats, pay, see a ticket."""
    token = await guide.call("A rider comes along, without an account.", "/guests", lambda _: "a token")
    guide.bearer = token["access_token"]
    ends = {f"{end}_stop_id": ride[end]["stop_id"] for end in ("origin", "destination")}
    quote = await guide.call(
        "What do two seats cost on the first of them?",
        "/quotes",
        lambda quote: f"{money(quote['total'])}, promised until {quote['expires_at']}",
        json={
            "legs": [{"departure_id": ride["departure_id"], **ends}],
            "passengers": [{"category": rider["category"]} for rider in RIDERS],
        },
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
