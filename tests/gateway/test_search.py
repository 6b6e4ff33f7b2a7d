"""What riders look for: what is asked of whom, and that what nobody knows is null and no error."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from headway.booking.v1 import timetable_service_pb2
from headway.pricing.v1 import fares_pb2, pricing_service_pb2
from headway.tracking.v1 import tracking_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import FieldError, InvalidInput, NotFound, Overloaded, Unavailable
from gateway.routes import search
from tests.clocks import FixedClock
from tests.gateway.recording_services import (
    LEG,
    LEG_IN_JSON,
    Edge,
    RecordingServices,
    euro,
    gateway_and_services,
    gateway_before,
    in_haste,
    pointers,
    recording_server,
)
from tests.gateway.running import problem

STOP = timetable_pb2.Stop(
    id="stp_1",
    feed_stop_id="PF1",
    name="São Bento",
    timezone="Europe/Lisbon",
    latitude=41.1456,
    longitude=-8.6103,
    zone_id="A",
    station_id="stp_0",
)
STOP_IN_JSON = {
    "id": "stp_1",
    "feed_stop_id": "PF1",
    "name": "São Bento",
    "timezone": "Europe/Lisbon",
    "latitude": 41.1456,
    "longitude": -8.6103,
    "zone_id": "A",
    "station_id": "stp_0",
    "is_station": False,
}
STATION = timetable_pb2.Stop(id="stp_0", name="São Bento", timezone="Europe/Lisbon", is_station=True)
ROUTE = LEG.route
PATTERN = timetable_pb2.Pattern(
    id="pat_1",
    calls=[
        timetable_pb2.PatternCall(stop=STOP, departure_seconds=0, is_boarding_allowed=True),
        timetable_pb2.PatternCall(
            stop=STATION, arrival_seconds=600, is_alighting_allowed=True, distance_meters=900.5, is_interpolated=True
        ),
    ],
    shape=[timetable_pb2.ShapePoint(latitude=41.1456, longitude=-8.6103, distance_meters=3.5)],
)
RIDE = {"origin_stop_id": "stp_1", "destination_stop_id": "stp_2", "date": "2030-06-01"}
THE_DAY_BEFORE = datetime(2030, 5, 31, 8, 0, 1, tzinfo=UTC)
NOTHING = tracking_service_pb2.GetDelaysResponse()


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("gateway")
    async with gateway_and_services(folder, clock=FixedClock(THE_DAY_BEFORE), ticks=in_haste()) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


async def test_list_stops_by_the_beginnings_of_words(edge: Edge):
    found = timetable_service_pb2.FoundStop(stop=STOP, operator_id="op")
    edge.services.answers("ListStops", timetable_service_pb2.ListStopsResponse(stops=[found], next_cursor="stp_1"))
    query = {"q": "são b", "operator_id": "op", "limit": "1", "cursor": "stp_0"}
    reply = await edge.client.get("/v1/stops", params=query)
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "public, max-age=1")
    item = STOP_IN_JSON | {"operator_id": "op", "distance_meters": None}
    assert reply.json() == {"items": [item], "next_cursor": "stp_1"}
    assert edge.services.last("ListStops").message == timetable_service_pb2.ListStopsRequest(
        query="são b", operator_id="op", limit=1, cursor="stp_0"
    )


async def test_list_stops_around_a_place_needs_no_radius(edge: Edge):
    found = timetable_service_pb2.FoundStop(stop=STATION, operator_id="op", distance_meters=0.0)
    edge.services.answers("ListStops", timetable_service_pb2.ListStopsResponse(stops=[found]))
    reply = await edge.client.get("/v1/stops", params={"near": "41.1456,-8.6103"})
    (item,) = reply.json()["items"]
    assert (item["distance_meters"], item["is_station"], item["station_id"], item["zone_id"]) == (0, True, None, None)
    near = edge.services.last("ListStops").message.near
    assert (near.latitude, near.longitude, near.radius_meters) == (41.1456, -8.6103, 1000)
    await edge.client.get("/v1/stops", params={"near": "-90,180", "radius_meters": "50000"})
    near = edge.services.last("ListStops").message.near
    assert (near.latitude, near.longitude, near.radius_meters) == (-90, 180, 50_000)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"near": "here"}, "/near"),
        ({"near": "41.1"}, "/near"),
        ({"near": "41.1,-8.6,3"}, "/near"),
        ({"near": "nan,inf"}, "/near"),
        ({"near": "1,1", "radius_meters": "50001"}, "/radius_meters"),
        ({"near": "1,1", "radius_meters": "0"}, "/radius_meters"),
        ({"near": "1,1", "radius_meters": "nan"}, "/radius_meters"),
        ({"q": "x" * 101}, "/q"),
        ({"q": "a\nb"}, "/q"),
        ({"limit": "201"}, "/limit"),
        ({"operator_id": "a b"}, "/operator_id"),
    ],
)
async def test_list_stops_points_at_what_is_wrong_and_asks_nobody(edge: Edge, query: dict[str, str], pointer: str):
    reply = await edge.client.get("/v1/stops", params=query)
    assert pointers(problem(reply, 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


async def test_list_stops_passes_on_what_the_service_refuses(edge: Edge):
    edge.services.fails("ListStops", InvalidInput(errors=[FieldError("/near/latitude", "Give -90 to 90.")]))
    reply = await edge.client.get("/v1/stops", params={"near": "91,0"})
    assert pointers(problem(reply, 422, "invalid_value")) == {"/near/latitude"}
    assert reply.headers["cache-control"] == "no-store"


async def test_list_routes_tells_the_ways_that_they_take(edge: Edge):
    listed = timetable_service_pb2.ListedRoute(route=ROUTE, operator_id="op", pattern_ids=["pat_1", "pat_2"])
    edge.services.answers("ListRoutes", timetable_service_pb2.ListRoutesResponse(routes=[listed]))
    reply = await edge.client.get("/v1/routes", params={"operator_id": "op", "limit": "7", "cursor": "rte_0"})
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "public, max-age=1")
    item = LEG_IN_JSON["route"] | {"operator_id": "op", "pattern_ids": ["pat_1", "pat_2"]}
    assert reply.json() == {"items": [item], "next_cursor": None}
    assert edge.services.last("ListRoutes").message == timetable_service_pb2.ListRoutesRequest(
        operator_id="op", limit=7, cursor="rte_0"
    )


async def test_get_patterns_may_be_kept_for_ever(edge: Edge):
    edge.services.answers("GetPatterns", [PATTERN])
    reply = await edge.client.get("/v1/patterns", params={"ids": "pat_1"})
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    common = {"arrival_seconds": None, "departure_seconds": None}
    station = {"feed_stop_id": None, "latitude": 0, "longitude": 0, "zone_id": None, "station_id": None}
    assert reply.json() == {
        "items": [
            {
                "id": "pat_1",
                "calls": [
                    common
                    | {"stop": STOP_IN_JSON, "departure_seconds": 0, "boarding": True, "alighting": False}
                    | {"distance_meters": 0, "interpolated": False},
                    common
                    | {"stop": STOP_IN_JSON | station | {"id": "stp_0", "is_station": True}}
                    | {"arrival_seconds": 600, "boarding": False, "alighting": True}
                    | {"distance_meters": 900.5, "interpolated": True},
                ],
                "shape": [{"latitude": 41.1456, "longitude": -8.6103, "distance_meters": 3.5}],
            }
        ]
    }
    same = await edge.client.get(
        "/v1/patterns", params={"ids": "pat_1"}, headers={"If-None-Match": reply.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")


async def test_get_patterns_leaves_none_out_that_was_asked_for(edge: Edge):
    edge.services.answers("GetPatterns", [PATTERN])
    reply = await edge.client.get("/v1/patterns", params={"ids": ["pat_1", "pat_3", "pat_2"]})
    assert problem(reply, 404, "not_found")["facts"] == {"pattern_ids": ["pat_2", "pat_3"]}
    asked = edge.services.last("GetPatterns").message
    assert list(asked.pattern_ids) == ["pat_1", "pat_3", "pat_2"]


@pytest.mark.parametrize("ids", [[], ["a b"], [f"pat_{number}" for number in range(51)]])
async def test_get_patterns_has_bounds(edge: Edge, ids: list[str]):
    problem(await edge.client.get("/v1/patterns", params={"ids": ids}), 422, "invalid_value")
    assert edge.services.calls == []


def itinerary(departure_id: str = "dep_1", seats: int = 7) -> timetable_service_pb2.Itinerary:
    leg = timetable_pb2.Leg()
    leg.CopyFrom(LEG)
    leg.departure_id = departure_id
    return timetable_service_pb2.Itinerary(legs=[leg], seats_available=seats)


def in_json(departure_id: str, *, price: int | None = None, delay: tuple[int, str, str] | None = None) -> Any:
    leg: dict[str, Any] = LEG_IN_JSON | {"departure_id": departure_id}
    if delay is not None:
        seconds, left_at, arrived_at = delay
        leg |= {
            "delay_seconds": seconds,
            "origin": leg["origin"] | {"expected_at": left_at},
            "destination": leg["destination"] | {"expected_at": arrived_at},
        }
    money = None if price is None else {"amount_minor": price, "currency": "EUR"}
    return {"legs": [leg], "seats_available": 7, "price_from": money}


def finds(edge: Edge, *ids: str, next_cursor: str = "") -> None:
    """Let booking find departures, and the others know nothing of them."""
    found = [itinerary(departure_id) for departure_id in ids]
    edge.services.answers(
        "SearchItineraries",
        timetable_service_pb2.SearchItinerariesResponse(itineraries=found, next_cursor=next_cursor),
    )
    unknown = pricing_service_pb2.QuoteFareOutcome(failure_reason="NOT_FOUND")
    edge.services.answers("QuoteFares", pricing_service_pb2.QuoteFaresResponse(outcomes=[unknown] * len(ids)))
    edge.services.answers("GetDelays", NOTHING)


def priced(amount_minor: int) -> pricing_service_pb2.QuoteFareOutcome:
    return pricing_service_pb2.QuoteFareOutcome(quote=fares_pb2.Quote(total=euro(amount_minor)))


async def test_search_itineraries_puts_seats_prices_and_delays_together(edge: Edge):
    finds(edge, "dep_1", "dep_2", "dep_3", next_cursor="more")
    unserved = pricing_service_pb2.QuoteFareOutcome(failure_reason="NOT_SERVED")
    outcomes = [priced(1250), unserved, priced(0)]
    edge.services.answers("QuoteFares", pricing_service_pb2.QuoteFaresResponse(outcomes=outcomes))
    delays = [
        tracking_service_pb2.Delay(departure_id="dep_3", delay_seconds=-30),
        tracking_service_pb2.Delay(departure_id="dep_2", delay_seconds=90),
    ]
    edge.services.answers("GetDelays", tracking_service_pb2.GetDelaysResponse(delays=delays))
    query = RIDE | {"passengers": "2", "limit": "3", "cursor": "before"}
    reply = await edge.client.get("/v1/itineraries", params=query)
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "public, max-age=1")
    assert reply.json() == {
        "items": [
            in_json("dep_1", price=1250),
            in_json("dep_2", delay=(90, "2030-06-01T08:01:30Z", "2030-06-01T08:31:30Z")),
            in_json("dep_3", price=0, delay=(-30, "2030-06-01T07:59:30Z", "2030-06-01T08:29:30Z")),
        ],
        "next_cursor": "more",
    }
    assert edge.services.last("SearchItineraries").message == timetable_service_pb2.SearchItinerariesRequest(
        **RIDE, passengers=2, limit=3, cursor="before"
    )
    ids = ["dep_1", "dep_2", "dep_3"]
    assert list(edge.services.last("GetDelays").message.departure_ids) == ids
    ends = {"origin_stop_id": "stp_1", "destination_stop_id": "stp_2"}
    quotes = [
        pricing_service_pb2.QuoteFareRequest(
            legs=[timetable_pb2.LegRequest(departure_id=departure_id, **ends)], passenger_categories=["adult"]
        )
        for departure_id in ids
    ]
    assert edge.services.last("QuoteFares").message == pricing_service_pb2.QuoteFaresRequest(
        quotes=quotes, is_without_tokens=True
    )


async def test_search_itineraries_takes_one_traveller_and_a_page_where_nothing_is_said(edge: Edge):
    finds(edge, "dep_1")
    await edge.client.get("/v1/itineraries", params=RIDE)
    asked = edge.services.last("SearchItineraries").message
    assert (asked.passengers, asked.limit, asked.cursor) == (1, 10, "")


async def test_search_itineraries_that_finds_nothing_asks_nobody_else(edge: Edge):
    finds(edge)
    reply = await edge.client.get("/v1/itineraries", params=RIDE)
    assert (reply.status_code, reply.json()) == (200, {"items": [], "next_cursor": None})
    assert [call.rpc for call in edge.services.calls] == ["SearchItineraries"]


async def test_search_itineraries_asks_for_the_delays_of_the_coming_day_only(edge: Edge):
    finds(edge, "dep_1", "dep_2")
    found = [itinerary("dep_1"), itinerary("dep_2")]
    found[1].legs[0].origin.scheduled_at.FromDatetime(THE_DAY_BEFORE + timedelta(days=1))
    edge.services.answers("SearchItineraries", timetable_service_pb2.SearchItinerariesResponse(itineraries=found))
    await edge.client.get("/v1/itineraries", params=RIDE)
    assert list(edge.services.last("GetDelays").message.departure_ids) == ["dep_1"]
    finds(edge, "dep_1")
    found[0].legs[0].CopyFrom(found[1].legs[0])
    edge.services.answers("SearchItineraries", timetable_service_pb2.SearchItinerariesResponse(itineraries=found[:1]))
    edge.services.calls.clear()
    assert (await edge.client.get("/v1/itineraries", params=RIDE)).status_code == 200
    assert sorted(call.rpc for call in edge.services.calls) == ["QuoteFares", "SearchItineraries"]


@pytest.mark.parametrize("failure", [Unavailable(), Overloaded(), NotFound(), InvalidInput()])
async def test_search_itineraries_does_without_prices_and_delays(edge: Edge, failure: Any):
    finds(edge, "dep_1")
    edge.services.fails("QuoteFares", failure)
    edge.services.fails("GetDelays", failure)
    reply = await edge.client.get("/v1/itineraries", params=RIDE)
    assert (reply.status_code, reply.json()["items"]) == (200, [in_json("dep_1")])


async def test_search_itineraries_does_without_services_that_are_not_there(tmp_path: Path):
    services = RecordingServices()
    async with (
        recording_server(services) as server,
        gateway_before(services, tmp_path, booking_address=server.address) as edge,
    ):
        finds(edge, "dep_1")
        reply = await edge.client.get("/v1/itineraries", params=RIDE)
        assert (reply.status_code, reply.json()["items"]) == (200, [in_json("dep_1")])


async def test_search_itineraries_waits_for_others_at_the_same_time_and_not_for_long(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(search, "PATIENCE_SECONDS", 1.0)
    finds(edge, "dep_1")
    cancelled = edge.services.hangs("QuoteFares")
    slow = edge.services.hangs("GetDelays")
    began = time.monotonic()
    reply = await edge.client.get("/v1/itineraries", params=RIDE)
    assert (reply.status_code, reply.json()["items"]) == (200, [in_json("dep_1")])
    assert 0.95 <= time.monotonic() - began < 1.9
    await asyncio.wait_for(asyncio.gather(cancelled.wait(), slow.wait()), 2)


async def test_search_itineraries_is_nothing_without_booking(edge: Edge):
    edge.services.fails("SearchItineraries", Unavailable())
    problem(await edge.client.get("/v1/itineraries", params=RIDE), 503, "dependency_down")


async def test_search_itineraries_from_a_stop_that_nobody_knows_is_a_404(edge: Edge):
    unknown = NotFound(stop_id="stp_1")
    unknown.reason = "UNKNOWN_STOP"
    edge.services.fails("SearchItineraries", unknown)
    reply = await edge.client.get("/v1/itineraries", params=RIDE)
    assert problem(reply, 404, "unknown_stop")["facts"] == {"stop_id": "stp_1"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"origin_stop_id": None}, "/origin_stop_id"),
        ({"destination_stop_id": "a b"}, "/destination_stop_id"),
        ({"date": None}, "/date"),
        ({"date": "tomorrow"}, "/date"),
        ({"date": "9999-12-31"}, "/date"),
        ({"passengers": "51"}, "/passengers"),
        ({"passengers": "-1"}, "/passengers"),
        ({"limit": "0"}, "/limit"),
        ({"cursor": "x" * 501}, "/cursor"),
    ],
)
async def test_search_itineraries_points_at_what_is_wrong_and_asks_nobody(
    edge: Edge, change: dict[str, str | None], pointer: str
):
    query = {name: value for name, value in (RIDE | change).items() if value is not None}
    reply = await edge.client.get("/v1/itineraries", params=query)
    assert pointers(problem(reply, 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


async def test_search_itineraries_passes_a_token_on(edge: Edge):
    finds(edge, "dep_1")
    headers = edge.signed_in("bookings")
    await edge.client.get("/v1/itineraries", params=RIDE, headers=headers)
    seen = {
        edge.services.last(rpc).metadata["authorization"] for rpc in ("SearchItineraries", "QuoteFares", "GetDelays")
    }
    assert seen == {headers["Authorization"]}
