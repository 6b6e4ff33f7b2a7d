"""Server-sent events on the running system: a ride and a map are followed from a device's report to the page."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.listening import listening
from tests.system.bus import Bus, bus_on_its_way
from tests.system.journey import hold, leg_of, quote
from tests.system.running_stack import Stack, admin, guest

OPERATOR = "followed"


@pytest.fixture
def bus(stack: Stack) -> Iterator[Bus]:
    with admin(stack) as operator:
        yield bus_on_its_way(operator, OPERATOR)


async def test_a_ride_is_followed_from_what_is_so_to_what_changes(stack: Stack, bus: Bus) -> None:
    path = f"/v1/departures/{bus.departure['id']}/live/stream"
    async with listening(int(urlsplit(stack.url).port or 0), path) as rider:
        first = await rider.event()
        assert (first.name, first.data["departure_id"]) == ("state", bus.departure["id"])
        assert (len(first.data["calls"]), first.data["availability"]["seats_free"]) == (3, [50, 50])
        began = time.monotonic()
        bus.report(41.1496, -8.6110)
        told: dict[str, Any] = {}
        while not {"position", "arrival", "state"} <= told.keys():
            found = await rider.event()
            told[found.name] = found.data
        assert time.monotonic() - began < 5
        assert told["position"]["vehicle"]["position"]["latitude"] == 41.1496
        assert told["arrival"]["calls"][0]["arrived_at"]
        assert told["state"]["state"] == "boarding"
        with guest(stack) as other:
            hold(other, quote(other, leg_of(bus.departure, 1)))
        seats = await rider.event("availability")
        assert seats.data["availability"]["seats_free"] == [50, 49]
        assert seats.data["availability"]["capacity"] == 50


async def test_a_map_is_told_where_a_vehicle_is_and_where_it_moves(stack: Stack, bus: Bus) -> None:
    bus.report(41.1496, -8.6110)
    path = f"/v1/live/stream?bbox=-9,41,-8,42&operator_id={OPERATOR}"
    async with listening(int(urlsplit(stack.url).port or 0), path) as page:
        while (found := await page.event()).data["vehicle"]["id"] != bus.vehicle["id"]:
            pass
        assert (found.name, found.data["departure_id"]) == ("position", bus.departure["id"])
        bus.report(41.1490, -8.6105)
        while found.data["vehicle"]["position"]["latitude"] != 41.1490:
            found = await page.event()
