"""`headway simulate`: vehicles that drive what is on sale and riders who book it, all through the public doors."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import httpx2

from cli.outcomes import BreakdownError, SetupError
from cli.riders import ride_again_and_again
from cli.running import checked, open_client, sign_in_staff
from cli.vehicle_run import VehicleRun

REPORT_SECONDS = 5.0
# How long before its start a vehicle may stand ready.
READY, LOOK_BACK = timedelta(minutes=10), timedelta(hours=3)
PAGE, POINTS_MAX = 200, 500
LOOK_SECONDS = 300.0
# At each report: that a phone stays in the network's reach, and that it comes back.
ONLINE_CHANCE, BACK_CHANCE = 0.97, 0.3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate: `speed` times as fast as the world, from as long ago as that takes."""

    vehicles: int = 10
    riders: int = 0
    speed: float = 1.0
    seconds: float | None = None
    seed: int = 1


async def simulate(ready: dict[str, Any], asked: Simulation, say: Say) -> int:
    """Drive and ride until told to stop, or for some seconds; return the exit code.

    Raises BreakdownError when nothing runs at this hour, and SetupError when the system gives no answer.
    """
    async with open_client(ready["gateway_url"]) as staff, asyncio.timeout(asked.seconds):
        sign_in_staff(staff, ready)
        real = datetime.now(UTC)
        rota = Rota(staff, Pace(real if asked.speed <= 1 else real - LOOK_BACK, real, asked.speed), asked.seed)
        try:
            found = await rota.look()
        except httpx2.HTTPError as error:
            raise SetupError(f"{ready['gateway_url']} gives no answer ({type(error).__name__}).") from error
        if not found:
            raise BreakdownError("Nothing runs at this hour. Put a timetable on sale first: headway import --sample")
        say(f"{min(asked.vehicles, len(found))} vehicles drive, {asked.riders} riders look around. Ctrl-C stops them.")
        chances = [Random(f"{asked.seed}-{number}") for number in range(asked.vehicles + asked.riders)]  # noqa: S311
        async with asyncio.TaskGroup() as tasks:
            for number, chance in enumerate(chances[: asked.vehicles]):
                tasks.create_task(Driver(staff, rota, chance, f"HW {100 + number}").work())
            for chance in chances[asked.vehicles :]:
                tasks.create_task(ride_again_and_again(ready["gateway_url"], found, chance, asked.speed))
    return 0


@dataclass(frozen=True, slots=True)
class Pace:
    """The time of the simulation, which catches up with the world's and then goes with it."""

    began: datetime
    real: datetime
    speed: float

    def now(self) -> datetime:
        real = datetime.now(UTC)
        return min(real, self.began + (real - self.real) * max(1.0, self.speed))


class Rota:
    """What wants to be driven, in no order; each departure and each vehicle is one driver's at a time."""

    def __init__(self, staff: httpx2.AsyncClient, pace: Pace, seed: int) -> None:
        self.pace = pace
        self.vehicles: set[str] = set()
        self._staff = staff
        self._chance = Random(seed)  # noqa: S311 - a game of chance, no secret
        self._given: set[str] = set()
        self._looked_at = 0.0
        self._found: list[dict[str, Any]] = []

    async def look(self) -> list[dict[str, Any]]:
        """List what runs from now on until the next look."""
        self._looked_at = time.monotonic()
        until = datetime.now(UTC) + READY + timedelta(seconds=LOOK_SECONDS)
        found = await departures_between(self._staff, self.pace.now(), until)
        self._chance.shuffle(found)
        self._found = found
        return found

    async def next(self, stop_id: str) -> dict[str, Any] | None:
        """Give out a departure that runs now or soon, one from a stop if there is; None when all have a driver."""
        if time.monotonic() - self._looked_at > LOOK_SECONDS:
            await self.look()
        now = self.pace.now()
        open_ones = [one for one in self._found if one["id"] not in self._given and runs_between(one, now, now + READY)]
        departure = min(open_ones, key=lambda one: one["calls"][0]["stop_id"] != stop_id, default=None)
        if departure is not None:
            self._given.add(departure["id"])
        return departure


async def departures_between(staff: httpx2.AsyncClient, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """List departures that are on their way at some time of a window."""
    found: list[dict[str, Any]] = []
    for day in (start.date() - timedelta(days=1), start.date(), start.date() + timedelta(days=1)):
        cursor = ""
        while cursor is not None:
            query: dict[str, str | int] = {"date": day.isoformat(), "limit": PAGE, "cursor": cursor}
            page = checked(await staff.get("/departures", params=query))
            found += [one for one in page["items"] if runs_between(one, start, end)]
            cursor = page["next_cursor"]
    return found


def runs_between(departure: dict[str, Any], start: datetime, end: datetime) -> bool:
    """Tell whether a departure is on its way at some time of a window."""
    last = departure["calls"][-1]
    arrives = datetime.fromisoformat(last["scheduled_arrival_at"] or last["scheduled_departure_at"])
    is_over = arrives <= start or datetime.fromisoformat(departure["starts_at"]) >= end
    return departure["state"] in ("scheduled", "departed") and not is_over


@dataclass(frozen=True, slots=True)
class Driver:
    """Whoever drives one departure after the other, with a device that reports."""

    staff: httpx2.AsyncClient
    rota: Rota
    chance: Random
    label: str

    async def work(self) -> None:
        """Drive what wants to be driven; what cannot be, somebody else's concern."""
        stop_id = ""
        while True:
            with suppress(httpx2.TransportError, BreakdownError):
                if departure := await self.rota.next(stop_id):
                    stop_id = departure["calls"][-1]["stop_id"]
                    await self.drive(departure)
                    continue
            await asyncio.sleep(REPORT_SECONDS)

    async def drive(self, departure: dict[str, Any]) -> None:
        """Put a vehicle on the departure and let its device report until it has arrived."""
        patterns = checked(await self.staff.get("/patterns", params={"ids": departure["pattern_id"]}))["items"]
        run = VehicleRun.of(datetime.fromisoformat(departure["starts_at"]), patterns[0], self.chance)
        vehicle_id = await self._vehicle_for(departure["id"])
        if vehicle_id in self.rota.vehicles:
            raise BreakdownError(f"{vehicle_id} is on its way already.")
        self.rota.vehicles.add(vehicle_id)
        try:
            await self._report(await self._token_of(vehicle_id), vehicle_id, run)
        finally:
            self.rota.vehicles.discard(vehicle_id)

    async def _report(self, token: str, vehicle_id: str, run: VehicleRun) -> None:
        """Report until the end; what is seen out of the network's reach is told when it is back."""
        session, sequence, is_online = uuid4().hex, 0, True
        headers = {"Authorization": f"Bearer {token}"}
        waiting: list[dict[str, Any]] = []
        pause = REPORT_SECONDS / max(1.0, self.rota.pace.speed / 4)
        while (now := self.rota.pace.now()) < run.ends_at or waiting:
            if now > run.starts_at - READY and (point := run.report(now)) is not None:
                sequence += 1
                waiting = [*waiting[1 - POINTS_MAX :], point | {"sequence": sequence}]
            is_online = self.chance.random() < (ONLINE_CHANCE if is_online else BACK_CHANCE)
            if waiting and is_online:
                body = {"session_id": session, "positions": waiting}
                with suppress(httpx2.TransportError):
                    path = f"/vehicles/{vehicle_id}/positions"
                    checked(await self.staff.post(path, json=body, headers=headers, auth=httpx2.Auth()))
                    waiting = []
            await asyncio.sleep(pause)

    async def _token_of(self, vehicle_id: str) -> str:
        """Ask for a device's own token; tracking hears of a new vehicle a moment after booking."""
        for _ in range(20):
            issued = await self.staff.post(f"/vehicles/{vehicle_id}/device-tokens")
            if issued.is_success:
                break
            await asyncio.sleep(0.25)
        return str(checked(issued)["token"])

    async def _vehicle_for(self, departure_id: str) -> str:
        """Find the vehicle of a departure, or give it our own of its layout; raise BreakdownError where that is out."""
        found = await self.staff.get(f"/departures/{departure_id}")
        departure = checked(found)
        vehicle = departure["vehicle"]
        if vehicle and vehicle["id"] not in self.rota.vehicles:
            return str(vehicle["id"])
        told = {name: departure[name] for name in ("operator_id", "layout_id")}
        key = f"simulate-{told['operator_id']}-{told['layout_id']}-{self.label}".replace(" ", "")
        body = told | {"label": self.label}
        own = checked(await self.staff.post("/vehicles", json=body, headers={"Idempotency-Key": key}))
        if own["id"] in self.rota.vehicles:
            raise BreakdownError(f"{self.label} is on its way already.")
        path, tag = f"/departures/{departure_id}/vehicle", {"If-Match": found.headers["ETag"]}
        checked(await self.staff.put(path, json={"vehicle_id": own["id"]}, headers=tag))
        return str(own["id"])
