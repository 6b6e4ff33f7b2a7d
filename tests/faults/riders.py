"""Riders who use a system which is being broken, and remember what they were told."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import httpx2

from tests.faults.evidence import Asked, Outcome, Wish
from tests.system.journey import leg_of, payment

REQUEST_SECONDS = 6.0
PATIENCE_SECONDS = 40.0
SETTLE_SECONDS = 60.0
REPEATED_SHARE = 0.08
"""How many finished requests are sent again with their keys, to see whether the answer is the same."""
READ_SHARE = 0.2
"""After how many answers a rider looks whether it is so."""
IMPATIENT_SHARE = 0.1
"""How many riders give up after the first try that nobody answered."""
FINAL_WITHOUT_KEY = (401, 403, 404, 422)
CARDS = ("tok_success",) * 12 + ("tok_declined", "tok_error_once", "tok_timeout")
ENDINGS = ("confirm",) * 9 + ("release",) * 5 + ("cancel",) * 3 + ("expire",) * 3

Send = Callable[[], Awaitable[httpx2.Response]]


class Client:
    """One caller's requests over REST, repeated until they have an outcome or patience ends."""

    def __init__(self, url: str, chance: Random, market: "Market") -> None:
        self._market = market
        self._http = httpx2.AsyncClient(base_url=f"{url}/v1", timeout=REQUEST_SECONDS, trust_env=False)
        self._chance = chance
        self.requests = 0

    def sign_in(self, token: str) -> None:
        self._http.headers["Authorization"] = f"Bearer {token}"

    def key(self) -> dict[str, str]:
        return {"Idempotency-Key": str(uuid.UUID(int=self._chance.getrandbits(128)))}

    async def post(self, path: str, *, headers: dict[str, str] | None = None, **body: Any) -> httpx2.Response:
        self.requests += 1
        return await self._http.post(path, headers=headers, **body)

    async def get(self, path: str) -> httpx2.Response:
        self.requests += 1
        return await self._http.get(path)

    async def put(self, path: str, **more: Any) -> httpx2.Response:
        return await self._http.put(path, **more)

    async def insist(self, send: Send, *, seconds: float) -> httpx2.Response | None:
        """Repeat a request until its outcome is final; None when nobody tells within some seconds."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                reply = await send()
            except httpx2.TransportError:
                reply = None
            if reply is not None and reply.status_code == 500:
                self._market.broken.append(f"{reply.request.method} {reply.request.url.path}: {reply.text[:300]}")
            if reply is not None and is_final(reply):
                return reply
            if asyncio.get_running_loop().time() > until:
                return None
            await asyncio.sleep(self._chance.uniform(0.05, 0.3))

    async def sure(self, send: Send) -> Any:
        """Insist on what must work; return its body."""
        reply = await self.insist(send, seconds=SETTLE_SECONDS)
        assert reply is not None, "nobody answered"
        assert reply.status_code in (200, 201, 202), reply.text
        return reply.json()

    async def close(self) -> None:
        await self._http.aclose()


def is_final(reply: httpx2.Response) -> bool:
    """Tell whether an answer stands; all others ask to be asked again with the same key."""
    if reply.status_code in (202, 429) or reply.status_code >= 500:
        return False
    return reply.status_code != 409 or json_of(reply).get("code") != "request_in_flight"


def json_of(reply: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = reply.json()
    return found


@dataclass
class Market:
    """What is on sale, and how many seats are to be sold."""

    wanted: int
    departures: list[Any] = field(default_factory=list)
    held: int = 0
    log: list[Asked] = field(default_factory=list)
    # Answers that tell of a bug: what is away or broken by us is told otherwise.
    broken: list[str] = field(default_factory=list)
    # What nobody has answered: sent again at the end.
    loose: list[tuple[Asked, Send, "Client"]] = field(default_factory=list)

    @property
    def progress(self) -> float:
        return min(1.0, self.held / self.wanted)


class Rider:
    """Holds seats and does with them what riders do."""

    def __init__(self, client: Client, chance: Random, market: Market, *, name: str) -> None:
        self._client, self._chance, self._market, self._name = client, chance, market, name
        self._quotes: dict[str, Any] = {}

    async def ride(self) -> None:
        """Book until enough is booked."""
        guest = await self._client.sure(lambda: self._client.post("/guests"))
        self._client.sign_in(guest["access_token"])
        while self._market.held < self._market.wanted:
            await self.travel()

    async def travel(self) -> None:
        """Go one way of those that a booking can go."""
        departure = self.departure()
        quoted = await self.quote(departure)
        if quoted is None:
            return
        asked = Asked("hold", Outcome.UNKNOWN, None, rider=self._name, wish=quoted["wish"])
        held = await self.ask(asked, "/bookings", self.hold_body(departure, quoted))
        if held.outcome is not Outcome.OK:
            return
        self._market.held += 1
        path, ending = f"/bookings/{held.booking_id}", self._chance.choice(ENDINGS)
        asked = Asked(ending, Outcome.UNKNOWN, held.booking_id, rider=self._name)
        if ending == "release":
            await self.ask(asked, f"{path}/release", None)
        elif ending in ("confirm", "cancel"):
            card = payment(self._chance.choice(CARDS))
            paid = await self.ask(replace(asked, operation="confirm"), f"{path}/confirm", card)
            if paid.outcome is Outcome.OK and ending == "cancel":
                await self.cancel(asked, path)

    async def cancel(self, asked: Asked, path: str) -> None:
        offered = await self._client.insist(
            lambda: self._client.post(f"{path}/cancellation-quotes", json={}), seconds=PATIENCE_SECONDS
        )
        if offered is not None and offered.status_code == 200:
            body = {"cancellation_quote_token": json_of(offered)["token"]}
            promised = json_of(offered)["refund"]["amount_minor"]
            await self.ask(replace(asked, promised_minor=promised), f"{path}/cancel", body)

    def departure(self) -> Any:
        """Choose where to go: half of all riders want the same two."""
        departures = self._market.departures
        return self._chance.choice(departures[:2] if self._chance.random() < 0.5 else departures)

    async def quote(self, departure: Any) -> Any:
        """Ask the price of one ride for one or two, or remember it."""
        calls = len(departure["calls"])
        origin, destination = sorted(self._chance.sample(range(calls), 2))
        count = 2 if self._chance.random() < 0.2 else 1
        known = f"{departure['id']} {origin} {destination} {count}"
        if known not in self._quotes or self._chance.random() < 0.1:
            body = {"legs": [leg_of(departure, origin, destination)], "passengers": [{"category": "adult"}] * count}
            reply = await self._client.insist(lambda: self._client.post("/quotes", json=body), seconds=PATIENCE_SECONDS)
            if reply is None:
                return None
            assert reply.status_code == 201, reply.text
            wish = Wish(departure["id"], origin, destination, json_of(reply)["total"]["amount_minor"])
            self._quotes[known] = json_of(reply) | {"count": count, "wish": wish}
        return self._quotes[known]

    def hold_body(self, departure: Any, quoted: Any) -> dict[str, Any]:
        """Name seats now and then, so that riders want the same ones."""
        count = quoted["count"]
        named = self._chance.sample(range(1, departure["capacity"] + 1), count)
        has_wish = self._chance.random() < 0.25
        passengers = [
            {"name": self._name, "category": "adult"} | ({"seat_ids": [str(seat)]} if has_wish else {})
            for seat in named
        ]
        return {"quote_token": quoted["token"], "passengers": passengers, "contact": {"email": "ada@example.com"}}

    async def ask(self, asked: Asked, path: str, body: Any) -> Asked:
        """Ask with a key of its own and write down what came of it."""
        same = self._client.key()
        content = {} if body is None else {"json": body}
        send = lambda: self._client.post(path, headers=same, **content)  # noqa: E731 - sent again later
        patience = 0.0 if self._chance.random() < IMPATIENT_SHARE else PATIENCE_SECONDS
        reply = await self._client.insist(send, seconds=patience)
        asked = outcome_of(asked, reply)
        if asked.outcome is Outcome.OK and self._chance.random() < REPEATED_SHARE:
            again = await self._client.insist(send, seconds=PATIENCE_SECONDS)
            asked = replace(asked, differed=difference(reply, again))
        if asked.outcome is Outcome.OK and self._chance.random() < READ_SHARE:
            asked = replace(asked, read=await self.read(f"/bookings/{asked.booking_id}"))
        if asked.outcome is Outcome.UNKNOWN:
            self._market.loose.append((asked, send, self._client))
        else:
            self._market.log.append(asked)
        return asked

    async def read(self, path: str) -> dict[str, Any]:
        """Read what is there; nothing when nobody answers."""
        reply = await self._client.insist(lambda: self._client.get(path), seconds=PATIENCE_SECONDS)
        return {} if reply is None else json_of(reply)


def outcome_of(asked: Asked, reply: httpx2.Response | None) -> Asked:
    """Say what a rider knows after an answer, or after none."""
    if reply is None:
        return asked
    body = json_of(reply)
    told = replace(asked, reply=body, status=reply.status_code)
    if reply.status_code < 300:
        return replace(told, outcome=Outcome.OK, booking_id=str(body["id"]))
    return replace(told, outcome=Outcome.FAIL)


def difference(first: httpx2.Response | None, second: httpx2.Response | None) -> str:
    """Compare two answers to one key; nothing is said of a second that never came."""
    if first is None or second is None or first.content == second.content:
        return ""
    return f"first {first.status_code} {first.text[:300]}, then {second.status_code} {second.text[:300]}"


async def settle(market: Market, chance: Random) -> None:
    """Send again most of what nobody answered; of the rest nobody will ever know."""

    async def once_more(asked: Asked, send: Send, client: Client) -> None:
        if chance.random() < 0.2:
            market.log.append(asked)
            return
        reply = await client.insist(send, seconds=SETTLE_SECONDS)
        market.log.append(outcome_of(asked, reply))

    loose, market.loose = market.loose, []
    await asyncio.gather(*(once_more(*one) for one in loose))


def seeded(seed: int, *names: object) -> Random:
    """Make the dice of one actor."""
    return Random(json.dumps([seed, *map(str, names)]))
