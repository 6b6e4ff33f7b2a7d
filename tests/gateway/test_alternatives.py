"""Whose departure does not run for them is told which run next."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from headway.booking.v1 import timetable_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import NotAllowedNow, NotFound, Unavailable
from tests.clocks import FixedClock
from tests.gateway.recording_services import LEG, Edge, at, gateway_and_services
from tests.gateway.running import problem

RIDE = {"departure_id": "dep_1", "origin_stop_id": "stp_1", "destination_stop_id": "stp_2"}
TO_QUOTE = {"legs": [RIDE], "passengers": [{"category": "adult"}] * 2}
NOW = datetime(2030, 5, 31, 12, tzinfo=UTC)


class DepartureGone(NotAllowedNow):
    reason = "DEPARTURE_GONE"


class DepartureCancelled(NotAllowedNow):
    reason = "DEPARTURE_CANCELLED"


class NotServed(NotAllowedNow):
    reason = "NOT_SERVED"


class SoldOut(NotAllowedNow):
    reason = "SOLD_OUT"


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway"), clock=FixedClock(NOW)) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


def ride(departure_id: str, leaves_at: Timestamp) -> timetable_service_pb2.Itinerary:
    leg = timetable_pb2.Leg()
    leg.CopyFrom(LEG)
    leg.departure_id = departure_id
    leg.origin.scheduled_at.CopyFrom(leaves_at)
    return timetable_service_pb2.Itinerary(legs=[leg], seats_available=7)


def runs(edge: Edge, leaves_at: Timestamp) -> None:
    """Let dep_1 call at stp_1 at a time, and others before and after it."""
    stop = timetable_pb2.Stop(id="stp_1", timezone="Europe/Berlin")
    calls = [
        timetable_pb2.Call(stop=timetable_pb2.Stop(id="stp_0", timezone="Europe/Berlin")),
        timetable_pb2.Call(sequence=1, stop=stop, scheduled_departure_at=leaves_at),
    ]
    edge.services.answers("GetDeparture", timetable_pb2.Departure(id="dep_1", calls=calls))
    found = [
        ride(f"dep_{number}", Timestamp(seconds=leaves_at.seconds + later))
        for number, later in enumerate((-60, 0, 60, 120, 180, 240))
    ]
    edge.services.answers("SearchItineraries", timetable_service_pb2.SearchItinerariesResponse(itineraries=found))


@pytest.mark.parametrize("refusal", [DepartureGone, DepartureCancelled, NotServed])
async def test_a_quote_for_what_does_not_run_names_the_next_three(edge: Edge, refusal: type[NotAllowedNow]):
    runs(edge, at(2030, 6, 1, 22, 30))
    edge.services.fails("QuoteFare", refusal(departure_id="dep_1"))
    reply = await edge.client.post("/v1/quotes", json=TO_QUOTE)
    facts = problem(reply, 409, refusal.reason.lower())["facts"]
    assert facts == {"departure_id": "dep_1", "alternatives": ["dep_2", "dep_3", "dep_4"]}
    # Half past ten at night in UTC is the next day where the stop is.
    assert edge.services.last("SearchItineraries").message == timetable_service_pb2.SearchItinerariesRequest(
        origin_stop_id="stp_1", destination_stop_id="stp_2", date="2030-06-02", passengers=2, limit=200
    )


async def test_what_left_on_another_day_has_alternatives_today(edge: Edge):
    runs(edge, at(2030, 5, 29, 8))
    edge.services.fails("QuoteFare", DepartureGone(departure_id="dep_1"))
    await edge.client.post("/v1/quotes", json=TO_QUOTE)
    assert edge.services.last("SearchItineraries").message.date == "2030-05-31"


async def test_a_hold_of_what_was_cancelled_names_the_next_ones(edge: Edge):
    runs(edge, at(2030, 6, 1, 8))
    edge.services.fails("HoldBooking", DepartureCancelled(departure_id="dep_1"))
    reply = await hold(edge)
    facts = problem(reply, 409, "departure_cancelled")["facts"]
    assert facts == {"departure_id": "dep_1", "alternatives": ["dep_2", "dep_3", "dep_4"]}


async def hold(edge: Edge) -> Any:
    claims = base64.urlsafe_b64encode(json.dumps({"legs": [RIDE]}).encode()).decode().rstrip("=")
    body = {
        "quote_token": f"x.{claims}.x",
        "passengers": [{"name": "Ada", "category": "adult"}],
        "contact": {"email": "ada@example.com"},
    }
    return await edge.client.post("/v1/bookings", json=body, headers=edge.signed_in("bookings", key="k1"))


async def test_a_rush_on_what_is_sold_out_asks_nobody_else(edge: Edge):
    edge.services.fails("HoldBooking", SoldOut(departure_id="dep_1"))
    assert problem(await hold(edge), 409, "sold_out")["facts"] == {"departure_id": "dep_1"}
    assert [call.rpc for call in edge.services.calls] == ["HoldBooking"]


@pytest.mark.parametrize("rpc", ["GetDeparture", "SearchItineraries"])
@pytest.mark.parametrize("failure", [NotFound(), Unavailable()])
async def test_nobody_who_knows_others_is_no_other_failure(edge: Edge, rpc: str, failure: Any):
    runs(edge, at(2030, 6, 1, 8))
    edge.services.fails(rpc, failure)
    edge.services.fails("QuoteFare", DepartureGone(departure_id="dep_1"))
    reply = await edge.client.post("/v1/quotes", json=TO_QUOTE)
    assert problem(reply, 409, "departure_gone")["facts"] == {"departure_id": "dep_1", "alternatives": []}


async def test_a_stop_that_it_does_not_call_at_has_no_alternatives(edge: Edge):
    runs(edge, at(2030, 6, 1, 8))
    edge.services.fails("QuoteFare", NotServed(departure_id="dep_1"))
    body = TO_QUOTE | {"legs": [RIDE | {"origin_stop_id": "stp_9"}]}
    reply = await edge.client.post("/v1/quotes", json=body)
    assert problem(reply, 409, "not_served")["facts"]["alternatives"] == []


@pytest.mark.parametrize("facts", [{}, {"departure_id": "dep_9"}])
async def test_a_refusal_of_no_leg_that_was_asked_for_is_passed_on(edge: Edge, facts: dict[str, str]):
    edge.services.fails("QuoteFare", DepartureGone(**facts))
    reply = await edge.client.post("/v1/quotes", json=TO_QUOTE)
    assert problem(reply, 409, "departure_gone")["facts"] == facts
