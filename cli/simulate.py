"""`headway simulate`: vehicles that drive what is on sale and riders who book it, all through the public doors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import httpx2

from cli.outcomes import BreakdownError
from cli.riders import ride_again_and_again
from cli.running import checked, open_client, sign_in_staff
from cli.vehicle_run import VehicleRun

REPORT_SECONDS = 5.0
# How long before its start a vehicle may stand ready.
READY, LOOK_BACK = timedelta(minutes=10), timedelta(hours=3)
PAGE = 200
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
    """Drive and ride until told to stop, or for some seconds; return the exit code."""
    async with open_client(ready["gateway_url"]) as staff, asyncio.timeout(asked.seconds):
        await sign_in_staff(staff, ready)
        now = datetime.now(UTC)
        began = now if asked.speed <= 1 else now - LOOK_BACK
        found = await departures_between(staff, began, now + READY)
        if not found:
            raise BreakdownError("Nothing runs at this hour. Put a timetable on sale first: headway import --sample")
        say(f"{min(asked.vehicles, len(found))} vehicles drive, {asked.riders} riders look around. Ctrl-C stops them.")
        chances = [Random(f"{asked.seed}-{number}") for number in range(asked.vehicles + asked.riders)]  # noqa: S311
        Random(asked.seed).shuffle(found)  # noqa: S311 - a game of chance, no secret
        async with asyncio.TaskGroup() as tasks:
            for number, (departure, chance) in enumerate(zip(found, chances[: asked.vehicles], strict=False)):
                driver = Driver(staff, departure, chance, f"HW {100 + number}")
                tasks.create_task(driver.drive(began, asked.speed))
            for chance in chances[asked.vehicles :]:
                tasks.create_task(ride_again_and_again(ready["gateway_url"], found, chance, asked.speed))
    return 0


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
    return departure["state"] == "scheduled" and not is_over


@dataclass(frozen=True, slots=True)
class Driver:
    """Whoever drives a departure, with a device that reports."""

    staff: httpx2.AsyncClient
    departure: dict[str, Any]
    chance: Random
    label: str

    async def drive(self, began: datetime, speed: float) -> None:
        """Put a vehicle on the departure and let its device report until it has arrived."""
        patterns = checked(await self.staff.get("/patterns", params={"ids": self.departure["pattern_id"]}))["items"]
        run = VehicleRun.of(datetime.fromisoformat(self.departure["starts_at"]), patterns[0], self.chance)
        vehicle = self.departure["vehicle"]
        vehicle_id = vehicle["id"] if vehicle else await self._assign()
        real, sequence, session = datetime.now(UTC), 0, uuid4().hex
        async with device(self.staff, vehicle_id) as phone:
            while (now := simulated(began, real, speed)) < run.ends_at:
                if now > run.starts_at - READY and (point := run.report(now)) is not None:
                    sequence += 1
                    body = {"session_id": session, "positions": [point | {"sequence": sequence}]}
                    with suppress(httpx2.TransportError):  # a phone without a net loses a point
                        await phone.post(f"/vehicles/{vehicle_id}/positions", json=body)
                await asyncio.sleep(REPORT_SECONDS / max(1.0, speed / 4))

    async def _assign(self) -> str:
        """Give the departure a vehicle of its layout, the same one at every simulation of a day."""
        told = {name: self.departure[name] for name in ("operator_id", "layout_id")}
        key = {"Idempotency-Key": f"simulate-{told['operator_id']}-{told['layout_id']}-{self.label}".replace(" ", "")}
        vehicle = checked(await self.staff.post("/vehicles", json=told | {"label": self.label}, headers=key))
        path = f"/departures/{self.departure['id']}"
        tag = {"If-Match": (await self.staff.get(path)).headers["ETag"]}
        checked(await self.staff.put(f"{path}/vehicle", json={"vehicle_id": vehicle["id"]}, headers=tag))
        return str(vehicle["id"])


def simulated(began: datetime, real: datetime, speed: float) -> datetime:
    """Tell the time of the simulation, which catches up with the world's and then goes with it."""
    now = datetime.now(UTC)
    return min(now, began + (now - real) * max(1.0, speed))


@asynccontextmanager
async def device(staff: httpx2.AsyncClient, vehicle_id: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client with a device's own token; tracking hears of a new vehicle a moment after booking."""
    for _ in range(20):
        issued = await staff.post(f"/vehicles/{vehicle_id}/device-tokens")
        if issued.is_success:
            break
        await asyncio.sleep(0.25)
    token = checked(issued)["token"]
    async with httpx2.AsyncClient(base_url=staff.base_url, headers={"Authorization": f"Bearer {token}"}) as phone:
        yield phone
