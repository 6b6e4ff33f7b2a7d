"""What simulated riders look for and take, told by what they send."""

import json
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import httpx2

from cli.riders import book_something

RIDERS = 300
KNOWN = {"calls": [{"stop_id": "stp_1"}, {"stop_id": "stp_2"}]}


def ride(number: int) -> dict[str, Any]:
    return {"legs": [{"departure_id": f"dep_{number}", "origin": {"stop_id": "stp_1"},
                      "destination": {"stop_id": "stp_2"}}]}  # fmt: skip


async def test_riders_travel_mostly_soon_and_take_one_of_the_next_rides():
    days, taken = [], set()

    def door(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/itineraries":
            days.append(date.fromisoformat(request.url.params["date"]))
            return httpx2.Response(200, json={"items": [ride(number) for number in range(20)]})
        taken.add(json.loads(request.content)["legs"][0]["departure_id"])
        return httpx2.Response(409, json={})

    today, chance = datetime.now(UTC).date(), Random(7)
    async with httpx2.AsyncClient(base_url="http://door", transport=httpx2.MockTransport(door)) as rider:
        for _ in range(RIDERS):
            await book_something(rider, KNOWN, chance)
    assert sum(day == today for day in days) > RIDERS / 4
    assert set(days) == {today + timedelta(days=number) for number in range(7)}
    assert taken == {f"dep_{number}" for number in range(6)}
