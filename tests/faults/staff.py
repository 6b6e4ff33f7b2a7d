"""Who is no rider: an operator that changes what is on sale, and a device that reports where its vehicle is."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx2

from tests.booking_svc.small_feed import small_feed
from tests.faults.riders import PATIENCE_SECONDS, SETTLE_SECONDS, Client, Market, Send, json_of
from tests.faults.test_import_killed import zipped
from tests.system.journey import coach

OPERATOR = "demo"
IMPORT_SECONDS = 180.0
"""How long a feed may take to be on sale while booking dies at each step of it, on a machine that does much else."""


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
        async with asyncio.timeout(IMPORT_SECONDS):
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

    async def register_vehicle(self) -> tuple[str, str, str]:
        """Give a vehicle a departure to run and its device a token; return the names of both, and the token."""
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

        return vehicle["id"], departure["id"], (await self._client.sure(issue))["token"]


RUN = timedelta(hours=2)
STEP_SECONDS, POINTS = 30, 5
LATE_EVERY = 4 * POINTS
HALF_WAY = 160
"""So many points are past the second stop, so that there is something to tell."""


class Device:
    """Drives a coach from Porto to Lisboa in a hurry, reporting until everybody has booked, and looks where it is."""

    def __init__(self, client: Client, market: Market, vehicle_id: str, departure_id: str, token: str) -> None:
        client.sign_in(token)
        self._client, self._market = client, market
        self.vehicle_id, self._departure_id = vehicle_id, departure_id
        self.shown: list[str] = []
        self.acknowledged = 0
        self._began = datetime.now(UTC) - RUN

    async def drive(self) -> None:
        """Report some points at a time, the same ones until they are acknowledged; some late, and then once more."""
        steps = int(RUN.total_seconds()) // STEP_SECONDS
        while (self._market.progress < 1 or self.acknowledged < HALF_WAY) and self.acknowledged < steps:
            first = self.acknowledged + 1
            is_late = first % LATE_EVERY == 1 and first + 2 * POINTS <= steps
            # The last of them are no batch that came before, but points of two that did.
            for start in (first + POINTS, first, first + 2) if is_late else (first,):
                await self.report(range(start, start + POINTS))
                await self.look()
            await asyncio.sleep(0.4)

    async def report(self, sequences: range) -> None:
        """Send points until somebody says what has been taken."""
        body = {"session_id": "s1", "positions": [self.point(sequence) for sequence in sequences]}
        reply = await self._client.insist(
            lambda: self._client.post(f"/vehicles/{self.vehicle_id}/positions", json=body), seconds=PATIENCE_SECONDS
        )
        if reply is not None:
            assert reply.status_code == 200, reply.text
            self.acknowledged = int(json_of(reply)["acknowledged_sequence"])

    async def look(self) -> None:
        """Note as of when everybody is told where the vehicle is; right after a start nobody knows."""
        path = f"/departures/{self._departure_id}/live"
        reply = await self._client.insist(lambda: self._client.get(path), seconds=PATIENCE_SECONDS)
        vehicle = json_of(reply).get("vehicle") if reply is not None else None
        if vehicle and vehicle["position"]:
            self.shown.append(vehicle["position"]["recorded_at"])

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
