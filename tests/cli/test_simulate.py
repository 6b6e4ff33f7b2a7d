"""A simulated city goes on: drivers take one departure after the other, and phones keep what they cannot send."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx2
import pytest

from cli import simulate
from cli.simulate import LOOK_BACK, Driver, Pace, Rota
from tests.cli.test_vehicle_run import pattern
from tests.tracking_svc.fleet import until

LASTS = timedelta(seconds=1800)
Json = dict[str, Any]


class City:
    """Stands for the gateway: departures without vehicles, and what is reported of each vehicle."""

    def __init__(self, *starts: datetime) -> None:
        self.departures = {f"dep_{number}": departure(f"dep_{number}", start) for number, start in enumerate(starts)}
        self.reported: dict[str, list[Json]] = {}
        self.is_out_of_reach = False
        self.failures = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        parts = request.url.path.split("/")[2:]
        body = json.loads(request.content or b"{}")
        answer: Json = {}
        match request.method, *parts:
            case "GET", "departures":
                day = request.url.params["date"]
                items = [one for one in self.departures.values() if one["starts_at"].startswith(day)]
                answer = {"items": items, "next_cursor": None}
            case "GET", "departures", id_:
                answer = self.departures[id_]
            case "PUT", "departures", id_, "vehicle":
                self.departures[id_]["vehicle"] = {"id": body["vehicle_id"]}
            case "GET", "patterns":
                answer = {"items": [pattern()]}
            case "POST", "vehicles":
                answer = {"id": "veh_" + body["label"]}
            case "POST", "vehicles", id_, "device-tokens":
                answer = {"token": id_}
            case "POST", "vehicles", id_, "positions":
                assert request.headers["authorization"] == f"Bearer {id_}"
                self._take(id_, body["positions"])
            case other:
                raise AssertionError(other)
        return httpx2.Response(200, json=answer, headers={"ETag": '"1"'})

    def _take(self, vehicle_id: str, points: list[Json]) -> None:
        if self.is_out_of_reach:
            self.failures += 1
            raise httpx2.ConnectError("out of reach")
        self.reported.setdefault(vehicle_id, []).extend(points)


def departure(id_: str, start: datetime) -> Json:
    ends = {"scheduled_arrival_at": (start + LASTS).isoformat(), "scheduled_departure_at": None}
    told = {"operator_id": "op", "layout_id": "lay", "pattern_id": "pat", "state": "scheduled", "vehicle": None}
    calls = [{"stop_id": "stp_1"}, {"stop_id": "stp_2", **ends}]
    return {"id": id_, "starts_at": start.isoformat(), "calls": calls, **told}


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "REPORT_SECONDS", 0.004)


@asynccontextmanager
async def working(city: City, *, drivers: int, speed: float) -> AsyncIterator[None]:
    """Let some drivers work, from three hours ago."""
    now = datetime.now(UTC)
    async with httpx2.AsyncClient(base_url="http://h/v1", transport=httpx2.MockTransport(city)) as staff:
        rota = Rota(staff, Pace(now - LOOK_BACK, now, speed), seed=1)
        await rota.look()
        tasks = [
            asyncio.ensure_future(Driver(staff, rota, Random(number), f"HW{number}").work())
            for number in range(drivers)
        ]
        yield
        for task in tasks:
            assert not task.done()
            task.cancel()
        await asyncio.wait(tasks)


def hours_ago(*hours: float) -> list[datetime]:
    return [datetime.now(UTC) - timedelta(hours=some) for some in hours]


def assert_whole(points: list[Json]) -> None:
    """Nothing is lost on the way, nothing sent twice."""
    assert [point["sequence"] for point in points] == [*range(1, len(points) + 1)]
    times = [point["recorded_at"] for point in points]
    assert times == sorted(times)


async def test_a_driver_takes_one_departure_after_the_other() -> None:
    city = City(*hours_ago(2.9, 1.9, 1.0))
    async with working(city, drivers=1, speed=40_000):
        await until(lambda: all(one["vehicle"] for one in city.departures.values()))
    assert {one["vehicle"]["id"] for one in city.departures.values()} == {"veh_HW0"}


async def test_a_driver_goes_on_from_where_the_last_ride_ended() -> None:
    city, now = City(*hours_ago(2.9, 2.9, 2.9)), datetime.now(UTC)
    city.departures["dep_1"]["calls"][0]["stop_id"] = "stp_2"
    async with httpx2.AsyncClient(base_url="http://h/v1", transport=httpx2.MockTransport(city)) as staff:
        rota = Rota(staff, Pace(now - LOOK_BACK, now, 1), seed=1)
        given = [await rota.next(stop_id) for stop_id in ("stp_2", "stp_2", "", "")]
    assert [one and one["calls"][0]["stop_id"] for one in given] == ["stp_2", "stp_1", "stp_1", None]


async def test_what_runs_at_once_has_a_driver_and_a_vehicle_each() -> None:
    city = City(*hours_ago(2.9, 2.9, 2.9, 2.9))
    async with working(city, drivers=3, speed=1):
        await until(lambda: sum(bool(one["vehicle"]) for one in city.departures.values()) == 3)
        await until(lambda: len(city.reported) == 3)
    given = [one["vehicle"]["id"] for one in city.departures.values() if one["vehicle"]]
    assert sorted(given) == ["veh_HW0", "veh_HW1", "veh_HW2"]


async def test_a_vehicle_that_is_on_its_way_is_not_put_onto_another_departure() -> None:
    city = City(*hours_ago(2.9, 2.9))
    for one in city.departures.values():
        one["vehicle"] = {"id": "veh_old"}
    async with working(city, drivers=2, speed=1):
        await until(lambda: len(city.reported) == 2)
    assert len({one["vehicle"]["id"] for one in city.departures.values()} & {"veh_old", "veh_HW0", "veh_HW1"}) == 2


async def test_a_phone_out_of_reach_tells_all_of_it_when_it_is_back() -> None:
    city = City(*hours_ago(2.9))
    async with working(city, drivers=1, speed=1):
        await until(lambda: len(city.reported.get("veh_HW0", [])) > 5)
        city.is_out_of_reach, before = True, len(city.reported["veh_HW0"])
        await until(lambda: city.failures > 20)
        city.is_out_of_reach = False
        await until(lambda: len(city.reported["veh_HW0"]) > before + 20)
    assert_whole(city.reported["veh_HW0"])
