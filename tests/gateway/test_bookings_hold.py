"""Holding seats: what is asked of the booking service, what becomes of its answers, and a new quote for an old one."""

import base64
import json
from collections.abc import AsyncIterator

import pytest
from headway.booking.v1 import booking_service_pb2
from headway.pricing.v1 import pricing_service_pb2
from headway.types.v1 import timetable_pb2

from chassis.errors import Failure, InvalidInput, NotAllowedNow, OverLimit
from tests.gateway.recording_services import (
    HELD_IN_JSON,
    QUOTE,
    QUOTE_IN_JSON,
    Edge,
    gateway_and_services,
    held,
    pointers,
)
from tests.gateway.running import problem

TO_HOLD = {
    "quote_token": "signed",
    "passengers": [
        {"name": " Ada Lovelace ", "category": "adult", "seat_ids": ["7C", None], "needs": ["wheelchair"]},
        {"name": "Byron", "category": "child", "seat_ids": None},
    ],
    "contact": {"email": "ada@example.com", "phone": "+49 40 123"},
    "seating": {"together": True},
}


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


async def test_hold_booking_asks_for_what_the_body_says_and_answers_the_hold(edge: Edge):
    edge.services.answers("HoldBooking", held())
    reply = await edge.client.post("/v1/bookings", json=TO_HOLD, headers=edge.signed_in("bookings", key="k1"))
    assert (reply.status_code, reply.json(), reply.headers["etag"].split("-")[0]) == (201, HELD_IN_JSON, '"1')
    assert "idempotent-replayed" not in reply.headers
    asked = edge.services.last("HoldBooking")
    assert asked.message == booking_service_pb2.HoldBookingRequest(
        quote_token="signed",
        passengers=[
            booking_service_pb2.PassengerInput(
                name="Ada Lovelace", category="adult", seat_ids=["7C", ""], needs=["wheelchair"]
            ),
            booking_service_pb2.PassengerInput(name="Byron", category="child"),
        ],
        contact=booking_service_pb2.Contact(email="ada@example.com", phone="+49 40 123"),
        is_seated_together=True,
    )
    assert asked.metadata["idempotency-key"] == "k1"


async def test_hold_booking_repeated_answers_the_same_and_says_so(edge: Edge):
    edge.services.answers("HoldBooking", held(), replayed=True)
    reply = await edge.client.post("/v1/bookings", json=TO_HOLD, headers=edge.signed_in("bookings", key="k1"))
    assert (reply.status_code, reply.json(), reply.headers["idempotent-replayed"]) == (201, HELD_IN_JSON, "true")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"quote_token": ""}, "/quote_token"),
        ({"passengers": []}, "/passengers"),
        ({"passengers": TO_HOLD["passengers"] * 26}, "/passengers"),
        ({"passengers": [{"name": "  ", "category": "adult"}]}, "/passengers/0/name"),
        ({"passengers": [{"name": "Ada", "category": "adult", "seat_ids": ["123456789"]}]}, "/passengers/0/seat_ids/0"),
        ({"contact": {"email": "nobody"}}, "/contact/email"),
        ({"seating": {"together": 1}}, "/seating/together"),
        ({"price": 1}, "/price"),
    ],
)
async def test_hold_booking_points_at_what_is_wrong_and_asks_nobody(edge: Edge, change: dict, pointer: str):
    reply = await edge.client.post("/v1/bookings", json=TO_HOLD | change, headers=edge.signed_in("bookings", key="k1"))
    assert pointers(problem(reply, 422, "invalid_value")) == {pointer}
    assert edge.services.calls == []


class SeatTaken(NotAllowedNow):
    reason = "SEAT_TAKEN"


class QuoteChanged(NotAllowedNow):
    reason = "QUOTE_CHANGED"


class QuoteExpired(NotAllowedNow):
    reason = "QUOTE_EXPIRED"


class QuoteInvalid(InvalidInput):
    reason = "QUOTE_INVALID"


class TooManyHolds(OverLimit):
    reason = "TOO_MANY_HOLDS"


@pytest.mark.parametrize(
    ("failure", "status", "code", "facts"),
    [
        (SeatTaken(seat_ids=["7C"], seats_available=3), 409, "seat_taken", {"seat_ids": ["7C"], "seats_available": 3}),
        (QuoteInvalid(), 422, "quote_invalid", {}),
        (TooManyHolds(holds_max=5), 429, "too_many_holds", {"holds_max": 5}),
        (Failure("line 7 of a table"), 500, "internal", {}),
    ],
)
async def test_hold_booking_that_fails_is_the_right_problem(
    edge: Edge, failure: Failure, status: int, code: str, facts: dict
):
    edge.services.fails("HoldBooking", failure)
    reply = await edge.client.post("/v1/bookings", json=TO_HOLD, headers=edge.signed_in("bookings", key="k1"))
    assert problem(reply, status, code)["facts"] == facts
    assert "line 7" not in reply.text


def quote_token(legs: object) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"legs": legs}).encode()).decode().rstrip("=")
    return f"header.{claims}.signature"


@pytest.mark.parametrize("failure", [QuoteChanged(departure_id="dep_1"), QuoteExpired(departure_id="dep_1")])
async def test_hold_booking_offers_a_new_quote_for_one_that_no_longer_holds(edge: Edge, failure: Failure):
    edge.services.fails("HoldBooking", failure)
    edge.services.answers("QuoteFare", QUOTE)
    ride = {"departure_id": "dep_1", "origin_stop_id": "stp_1", "destination_stop_id": "stp_2"}
    body = TO_HOLD | {"quote_token": quote_token([ride | {"origin_sequence": 0, "destination_sequence": 3}])}
    reply = await edge.client.post("/v1/bookings", json=body, headers=edge.signed_in("bookings", key="k1"))
    facts = problem(reply, 409, failure.reason.lower())["facts"]
    assert facts == {"departure_id": "dep_1", "replacement_quote": QUOTE_IN_JSON}
    assert edge.services.last("QuoteFare").message == pricing_service_pb2.QuoteFareRequest(
        legs=[timetable_pb2.LegRequest(**ride)], passenger_categories=["adult", "child"]
    )


async def test_hold_booking_offers_no_new_quote_when_pricing_has_none(edge: Edge):
    edge.services.fails("HoldBooking", QuoteChanged(departure_id="dep_1"))
    edge.services.fails("QuoteFare", InvalidInput())
    reply = await edge.client.post("/v1/bookings", json=TO_HOLD, headers=edge.signed_in("bookings", key="k1"))
    assert problem(reply, 409, "quote_changed")["facts"] == {"departure_id": "dep_1"}


class DepartureGone(NotAllowedNow):
    reason = "DEPARTURE_GONE"


class DepartureCancelled(NotAllowedNow):
    reason = "DEPARTURE_CANCELLED"


@pytest.mark.parametrize("quote", [QuoteChanged(), QuoteExpired()])
@pytest.mark.parametrize("refusal", [DepartureGone(departure_id="dep_1"), DepartureCancelled(departure_id="dep_1")])
async def test_hold_booking_says_that_a_departure_does_not_run_any_more(edge: Edge, quote: Failure, refusal: Failure):
    edge.services.fails("HoldBooking", quote)
    edge.services.fails("QuoteFare", refusal)
    reply = await edge.client.post("/v1/bookings", json=TO_HOLD, headers=edge.signed_in("bookings", key="k1"))
    assert problem(reply, 409, refusal.reason.lower())["facts"] == {"departure_id": "dep_1"}


@pytest.mark.parametrize(
    "token",
    ["a", "a.b.c", "a.e30.c", "a.W10.c", "a.bnVsbA.c", quote_token("x"), quote_token([1]), quote_token([{}]),
     quote_token([{"departure_id": 1, "origin_stop_id": 2, "destination_stop_id": 3}]), "a.é.c", "a." + "W" * 8000],
)  # fmt: skip
async def test_hold_booking_survives_whatever_stands_in_a_token(edge: Edge, token: str):
    edge.services.fails("HoldBooking", QuoteChanged())
    edge.services.fails("QuoteFare", InvalidInput())
    body = TO_HOLD | {"quote_token": token}
    reply = await edge.client.post("/v1/bookings", json=body, headers=edge.signed_in("bookings", key="k1"))
    problem(reply, 409, "quote_changed")
    assert list(edge.services.last("QuoteFare").message.legs) == []
