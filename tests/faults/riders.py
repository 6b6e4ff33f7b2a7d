"""Riders, an operator and a device that use a system which is being broken, and remember what they were told."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx2

from tests.booking_svc.small_feed import small_feed
from tests.faults.evidence import Asked, Outcome
from tests.faults.test_import_killed import zipped
from tests.system.journey import coach, leg_of, payment

OPERATOR = "demo"
REQUEST_SECONDS = 6.0
PATIENCE_SECONDS = 40.0
SETTLE_SECONDS = 60.0
REPEATED_SHARE = 0.08
"""How many finished requests are sent again with their keys, to see whether the answer is the same."""
IMPATIENT_SHARE = 0.1
"""How many riders give up after the first try that nobody answered."""
FINAL_WITHOUT_KEY = (401, 403, 404, 422)
CARDS = ("tok_success",) * 12 + ("tok_declined", "tok_error_once", "tok_timeout")
ENDINGS = ("confirm",) * 9 + ("release",) * 5 + ("cancel",) * 3 + ("expire",) * 3

Send = Callable[[], Awaitable[httpx2.Response]]


class Client:
    """One caller's requests over REST, repeated until they have an outcome or patience ends."""

    def __init__(self, url: str, chance: Random) -> None:
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
    # What nobody has answered: sent again at the end.
    loose: list[tuple[Asked, Send, "Client"]] = field(default_factory=list)

    @property
    def progress(self) -> float:
        return min(1.0, self.held / self.wanted)


class Rider:
    """Holds seats and does with them what riders do."""

    def __init__(self, client: Client, chance: Random, market: Market) -> None:
        self._client, self._chance, self._market = client, chance, market
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
        held = await self.ask("hold", "/bookings", self.hold_body(departure, quoted))
        if held.outcome is not Outcome.OK:
            return
        self._market.held += 1
        path, ending = f"/bookings/{held.booking_id}", self._chance.choice(ENDINGS)
        if ending == "release":
            await self.ask("release", f"{path}/release", None, held.booking_id)
        elif ending in ("confirm", "cancel"):
            paid = await self.ask("confirm", f"{path}/confirm", payment(self._chance.choice(CARDS)), held.booking_id)
            if paid.outcome is Outcome.OK and ending == "cancel":
                await self.cancel(path, paid.booking_id)

    async def cancel(self, path: str, booking_id: str | None) -> None:
        offered = await self._client.insist(
            lambda: self._client.post(f"{path}/cancellation-quotes", json={}), seconds=PATIENCE_SECONDS
        )
        if offered is not None and offered.status_code == 200:
            body = {"cancellation_quote_token": json_of(offered)["token"]}
            await self.ask("cancel", f"{path}/cancel", body, booking_id)

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
            self._quotes[known] = json_of(reply) | {"count": count}
        return self._quotes[known]

    def hold_body(self, departure: Any, quoted: Any) -> dict[str, Any]:
        """Name seats now and then, so that riders want the same ones."""
        count = quoted["count"]
        named = self._chance.sample(range(1, departure["capacity"] + 1), count)
        has_wish = self._chance.random() < 0.25
        passengers = [
            {"name": "Ada", "category": "adult"} | ({"seat_ids": [str(seat)]} if has_wish else {}) for seat in named
        ]
        return {"quote_token": quoted["token"], "passengers": passengers, "contact": {"email": "ada@example.com"}}

    async def ask(self, operation: str, path: str, body: Any, booking_id: str | None = None) -> Asked:
        """Ask with a key of its own and write down what came of it."""
        same = self._client.key()
        content = {} if body is None else {"json": body}
        send = lambda: self._client.post(path, headers=same, **content)  # noqa: E731 - sent again later
        patience = 0.0 if self._chance.random() < IMPATIENT_SHARE else PATIENCE_SECONDS
        reply = await self._client.insist(send, seconds=patience)
        asked = outcome_of(operation, reply, booking_id)
        if asked.outcome is Outcome.OK and self._chance.random() < REPEATED_SHARE:
            again = await self._client.insist(send, seconds=PATIENCE_SECONDS)
            asked = replace(asked, differed=difference(reply, again))
        if asked.outcome is Outcome.UNKNOWN:
            self._market.loose.append((asked, send, self._client))
        else:
            self._market.log.append(asked)
        return asked


def outcome_of(operation: str, reply: httpx2.Response | None, booking_id: str | None) -> Asked:
    """Say what a rider knows after an answer, or after none."""
    if reply is None:
        return Asked(operation, Outcome.UNKNOWN, booking_id)
    body = json_of(reply)
    if reply.status_code < 300:
        return Asked(operation, Outcome.OK, str(body["id"]), body, reply.status_code)
    return Asked(operation, Outcome.FAIL, booking_id, body, reply.status_code)


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
        market.log.append(outcome_of(asked.operation, reply, asked.booking_id))

    loose, market.loose = market.loose, []
    await asyncio.gather(*(once_more(*one) for one in loose))


class Operator:
    """Puts departures on sale, changes them, imports a feed, keeps the fares."""

    def __init__(self, client: Client, chance: Random) -> None:
        self._client, self._chance = client, chance

    async def sign_in(self, secret: dict[str, str]) -> None:
        granted = await self._client.sure(
            lambda: self._client.post("/oauth/token", data={"grant_type": "client_credentials", **secret})
        )
        self._client.sign_in(granted["access_token"])

    async def do(self, path: str, body: Any) -> Any:
        same = self._client.key()
        return await self._client.sure(lambda: self._client.post(path, json=body, headers=same))

    async def open_market(self, market: Market, *, departures: int, seats: int) -> None:
        """Put some departures with few seats on sale."""
        labels = [{"id": str(number + 1), "row": number, "column": 1} for number in range(seats)]
        layout = await self.do("/layouts", {"operator_id": OPERATOR, "name": "Coach", "seats": labels})
        for number in range(departures):
            on_sale = coach(starts_in=timedelta(days=2, hours=number), layout_id=layout["id"])
            market.departures.append(await self.do("/departures", on_sale))

    async def change_things(self) -> None:
        """Do whatever tells an event: a policy in force, a departure that is cancelled, a feed."""
        policy = {"currency": "EUR", "base_minor": 300, "per_kilometer_minor": 10,
                  "categories": [{"category": "adult", "percent": 100}]}  # fmt: skip
        for number in range(4):
            await self.put_in_force(f"policy{number}", policy)
        gone = await self.do("/departures", coach(starts_in=timedelta(days=5)))
        await self.do("/departures/cancel", {"operator_id": OPERATOR, "departure_ids": [gone["id"]]})
        await self.import_feed()

    async def put_in_force(self, name: str, policy: Any) -> None:
        path = f"/fare-policies/{name}"
        await self._client.insist(
            lambda: self._client.put(path, json=policy, headers={"If-Match": '"0"'}), seconds=SETTLE_SECONDS
        )
        headers = {"If-Match": '"1"', **self._client.key()}
        await self._client.insist(lambda: self._client.post(f"{path}/publish", headers=headers), seconds=SETTLE_SECONDS)

    async def import_feed(self) -> None:
        """Import a feed, and the same one changed, each with one key until it is settled."""
        texts = {name: text.replace("20300101", "20200101") for name, text in small_feed().texts().items()}
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        form = {"operator_id": "ferries", "from": tomorrow.isoformat(), "days": "5"}
        for name in ("Far shore", "Near shore"):
            content = zipped({file: text.replace("Far shore", name) for file, text in texts.items()})
            same = self._client.key()
            send = lambda content=content, same=same: self._client.post(  # noqa: E731
                "/feeds", data=form, files={"file": content}, headers=same
            )
            await self.settled(send)

    async def settled(self, send: Send) -> None:
        """Send a feed until it is taken, then wait until it is on sale."""
        async with asyncio.timeout(SETTLE_SECONDS):
            path = ""
            while True:
                try:
                    reply = await (self._client.get(path) if path else send())
                    if path and json_of(reply).get("state") == "published":
                        return
                    if reply.status_code == 202:
                        path = f"/feeds/{json_of(reply)['id']}"
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.2)

    async def register_vehicle(self) -> tuple[str, str]:
        """Give a vehicle a departure to run and its device a token."""
        vehicle = await self.do("/vehicles", {"operator_id": OPERATOR, "label": "Coach 7"})
        on_the_road = coach(starts_in=-RUN)
        on_the_road["calls"][1]["stop"] |= {"feed_stop_id": "half way", **place(0.5)}
        departure = await self.do("/departures", on_the_road)
        path = f"/departures/{departure['id']}"
        read = await self._client.insist(lambda: self._client.get(path), seconds=SETTLE_SECONDS)
        assert read is not None
        wanted = {"json": {"vehicle_id": vehicle["id"]}, "headers": {"If-Match": read.headers["ETag"]}}
        # A repeat of what has been done meets another version.
        await self._client.insist(lambda: self._client.put(f"{path}/vehicle", **wanted), seconds=SETTLE_SECONDS)

        async def issue() -> httpx2.Response:
            reply = await self._client.post(f"/vehicles/{vehicle['id']}/device-tokens")
            # The tracking service learns of the vehicle by an event, a moment later.
            return httpx2.Response(503) if reply.status_code == 404 else reply

        return vehicle["id"], (await self._client.sure(issue))["token"]


RUN = timedelta(hours=2)
STEP_SECONDS, POINTS = 30, 5
HALF_WAY = 160
"""So many points are past the second stop, so that there is something to tell."""


class Device:
    """Drives a coach from Porto to Lisboa in a hurry, reporting until everybody has booked."""

    def __init__(self, client: Client, market: Market, vehicle_id: str, token: str) -> None:
        client.sign_in(token)
        self._client, self._market = client, market
        self.vehicle_id = vehicle_id
        self.acknowledged = 0
        self._began = datetime.now(UTC) - RUN

    async def drive(self) -> None:
        """Report some points at a time, the same ones until they are acknowledged."""
        steps = int(RUN.total_seconds()) // STEP_SECONDS
        while (self._market.progress < 1 or self.acknowledged < HALF_WAY) and self.acknowledged < steps:
            batch = [self.point(self.acknowledged + number) for number in range(1, POINTS + 1)]
            body = {"session_id": "s1", "positions": batch}
            reply = await self._client.insist(
                lambda body=body: self._client.post(f"/vehicles/{self.vehicle_id}/positions", json=body),
                seconds=PATIENCE_SECONDS,
            )
            if reply is not None:
                assert reply.status_code == 200, reply.text
                self.acknowledged = int(json_of(reply)["acknowledged_sequence"])
            await asyncio.sleep(0.4)

    def point(self, sequence: int) -> dict[str, Any]:
        share = sequence * STEP_SECONDS / RUN.total_seconds()
        return {
            "sequence": sequence,
            "recorded_at": (self._began + timedelta(seconds=STEP_SECONDS * sequence)).isoformat(),
            **place(share),
        }


def place(share: float) -> dict[str, float]:
    """Find the place on the straight line from Porto to Lisboa."""
    return {
        "latitude": round(41.1496 + (38.7223 - 41.1496) * share, 6),
        "longitude": round(-8.6110 + (-9.1393 + 8.6110) * share, 6),
    }


def seeded(seed: int, *names: object) -> Random:
    """Make the dice of one actor."""
    return Random(json.dumps([seed, *map(str, names)]))
