"""The bookings' routes: what is asked of the booking service, and what becomes of its answers."""

import base64
import json
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import pytest
from headway.booking.v1 import booking_service_pb2, bookings_pb2
from headway.pricing.v1 import pricing_service_pb2
from headway.types.v1 import money_pb2, timetable_pb2

from chassis.errors import Failure, InvalidInput, LostRace, NotAllowedNow, NotFound, OverLimit, RequestInFlight
from tests.gateway.recording_services import (
    LEG,
    LEG_IN_JSON,
    QUOTE,
    QUOTE_IN_JSON,
    Edge,
    at,
    gateway_and_services,
    pointers,
)
from tests.gateway.running import problem


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


def euro(amount_minor: int) -> money_pb2.Money:
    return money_pb2.Money(amount_minor=amount_minor, currency="EUR")


def held(version: int = 1) -> bookings_pb2.Booking:
    return bookings_pb2.Booking(
        id="bkg_1",
        reference="K7M2QX",
        state=bookings_pb2.BOOKING_STATE_HELD,
        hold_expires_at=at(2030, 5, 1, 12, 10, 0, 500_000),
        legs=[LEG],
        items=[
            bookings_pb2.Item(
                id="itm_1",
                passenger=bookings_pb2.Passenger(name="Ada Lovelace", category="adult"),
                seat_id="7C",
                state=bookings_pb2.ITEM_STATE_HELD,
                boarding=bookings_pb2.BOARDING_EXPECTED,
                price=euro(1250),
            )
        ],
        total=euro(1250),
        payment=bookings_pb2.Payment(state=bookings_pb2.PAYMENT_STATE_NONE),
        available_actions=["confirm_booking", "release_booking"],
        version=version,
        rider_id="usr_ada",
        created_at=at(2030, 5, 1, 12),
    )


def confirmed() -> bookings_pb2.Booking:
    found = held(version=3)
    found.state = bookings_pb2.BOOKING_STATE_CONFIRMED
    found.ClearField("hold_expires_at")
    found.items[0].state = bookings_pb2.ITEM_STATE_CONFIRMED
    found.payment.state = bookings_pb2.PAYMENT_STATE_CAPTURED
    found.tickets.add(id="tkt_1", item_id="itm_1", code="signed")
    return found


def paying(state: bookings_pb2.PaymentState, action_url: str = "") -> bookings_pb2.Booking:
    found = held(version=2)
    found.payment.state = state
    found.payment.action_url = action_url
    return found


HELD_IN_JSON = {
    "id": "bkg_1",
    "reference": "K7M2QX",
    "state": "held",
    "hold_expires_at": "2030-05-01T12:10:00.500000Z",
    "legs": [LEG_IN_JSON],
    "items": [
        {
            "id": "itm_1",
            "leg_index": 0,
            "passenger": {"name": "Ada Lovelace", "category": "adult"},
            "seat_id": "7C",
            "state": "held",
            "boarding": "expected",
            "price": {"amount_minor": 1250, "currency": "EUR"},
        }
    ],
    "total": {"amount_minor": 1250, "currency": "EUR"},
    "payment": {"state": "none", "action_url": None},
    "tickets": [],
    "available_actions": ["confirm_booking", "release_booking"],
    "version": 1,
    "created_at": "2030-05-01T12:00:00Z",
}
TO_HOLD = {
    "quote_token": "signed",
    "passengers": [
        {"name": " Ada Lovelace ", "category": "adult", "seat_ids": ["7C", None], "needs": ["wheelchair"]},
        {"name": "Byron", "category": "child", "seat_ids": None},
    ],
    "contact": {"email": "ada@example.com", "phone": "+49 40 123"},
    "seating": {"together": True},
}
TO_PAY = {"payment": {"method": "sandbox", "token": "tok_success"}}


async def test_hold_booking_asks_for_what_the_body_says_and_answers_the_hold(edge: Edge):
    edge.services.answers("HoldBooking", held())
    reply = await edge.client.post("/v1/bookings", json=TO_HOLD, headers=edge.signed_in("bookings", key="k1"))
    assert (reply.status_code, reply.json(), reply.headers["etag"]) == (201, HELD_IN_JSON, '"1"')
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


class PaymentDeclined(NotAllowedNow):
    reason = "PAYMENT_DECLINED"


class StaleVersion(LostRace):
    reason = "STALE_VERSION"


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


async def test_list_bookings_pages(edge: Edge):
    found = booking_service_pb2.ListBookingsResponse(bookings=[held()], next_cursor="behind bkg_1")
    edge.services.answers("ListBookings", found, booking_service_pb2.ListBookingsResponse())
    query = {"limit": "1", "cursor": "c", "departure_id": "dep_1"}
    reply = await edge.client.get("/v1/bookings", params=query, headers=edge.signed_in("bookings:all"))
    assert (reply.status_code, reply.json()) == (200, {"items": [HELD_IN_JSON], "next_cursor": "behind bkg_1"})
    assert edge.services.last("ListBookings").message == booking_service_pb2.ListBookingsRequest(
        limit=1, cursor="c", departure_id="dep_1"
    )
    last = await edge.client.get("/v1/bookings", headers=edge.signed_in("bookings"))
    assert last.json() == {"items": [], "next_cursor": None}
    assert edge.services.last("ListBookings").message == booking_service_pb2.ListBookingsRequest(limit=50)


async def test_get_booking_is_always_of_one_shape(edge: Edge):
    edge.services.answers("GetBooking", confirmed())
    reply = await edge.client.get("/v1/bookings/bkg_1", headers=edge.signed_in("bookings"))
    assert (reply.status_code, reply.headers["etag"]) == (200, '"3"')
    assert reply.json() == HELD_IN_JSON | {
        "state": "confirmed",
        "hold_expires_at": None,
        "items": [HELD_IN_JSON["items"][0] | {"state": "confirmed"}],
        "payment": {"state": "captured", "action_url": None},
        "tickets": [
            {"id": "tkt_1", "item_id": "itm_1", "code": "signed", "svg_url": "/v1/bookings/bkg_1/tickets/tkt_1.svg"}
        ],
        "version": 3,
    }
    assert edge.services.last("GetBooking").message == booking_service_pb2.GetBookingRequest(booking_id="bkg_1")


async def test_get_booking_shows_no_seat_once_it_is_given_back(edge: Edge):
    found = held()
    found.items[0].seat_id = ""
    edge.services.answers("GetBooking", found)
    reply = await edge.client.get("/v1/bookings/bkg_1", headers=edge.signed_in("bookings"))
    assert reply.json()["items"][0]["seat_id"] is None


async def test_get_booking_answers_304_while_it_is_what_the_caller_has(edge: Edge):
    edge.services.answers("GetBooking", held(version=1), held(version=2))
    headers = edge.signed_in("bookings", if_none_match='"1"')
    assert (await edge.client.get("/v1/bookings/bkg_1", headers=headers)).status_code == 304
    assert (await edge.client.get("/v1/bookings/bkg_1", headers=headers)).status_code == 200


async def test_get_booking_of_somebody_else_is_the_404_of_one_that_is_not_there(edge: Edge):
    edge.services.fails("GetBooking", NotFound())
    reply = await edge.client.get("/v1/bookings/bkg_9", headers=edge.signed_in("bookings"))
    problem(reply, 404, "not_found")


async def test_look_up_booking_needs_no_token(edge: Edge):
    edge.services.answers("LookUpBooking", held())
    body = {"reference": "K7M2QX", "email": "ada@example.com"}
    reply = await edge.client.post("/v1/bookings/lookup", json=body)
    assert (reply.status_code, reply.json()) == (200, HELD_IN_JSON)
    asked = edge.services.last("LookUpBooking")
    assert asked.message == booking_service_pb2.LookUpBookingRequest(**body)
    assert "x-headway-service" in asked.metadata, "the service lets no other process look bookings up"


async def test_confirm_booking_pays_and_answers_the_tickets(edge: Edge):
    edge.services.answers("ConfirmBooking", confirmed())
    headers = edge.signed_in("bookings", key="k1", if_match='"2"')
    reply = await edge.client.post("/v1/bookings/bkg_1/confirm", json=TO_PAY, headers=headers)
    assert (reply.status_code, reply.json()["state"], reply.headers["etag"]) == (200, "confirmed", '"3"')
    asked = edge.services.last("ConfirmBooking")
    assert asked.message == booking_service_pb2.ConfirmBookingRequest(
        booking_id="bkg_1", payment_method="sandbox", payment_token="tok_success", version=2
    )
    assert asked.seconds_left > 5, "the service waits some seconds for the payment provider"


async def test_confirm_booking_checks_no_version_that_nobody_sent(edge: Edge):
    edge.services.answers("ConfirmBooking", confirmed())
    headers = edge.signed_in("bookings", key="k1")
    await edge.client.post("/v1/bookings/bkg_1/confirm", json=TO_PAY, headers=headers)
    assert edge.services.last("ConfirmBooking").message.version == 0


@pytest.mark.parametrize(
    ("state", "action_url", "in_json"),
    [
        (bookings_pb2.PAYMENT_STATE_PROCESSING, "", {"state": "processing", "action_url": None}),
        (
            bookings_pb2.PAYMENT_STATE_ACTION_REQUIRED,
            "https://bank.example/3ds",
            {"state": "action_required", "action_url": "https://bank.example/3ds"},
        ),
        (bookings_pb2.PAYMENT_STATE_UNKNOWN, "", {"state": "unknown", "action_url": None}),
    ],
)
async def test_confirm_booking_answers_202_while_the_payment_is_not_settled(
    edge: Edge, state: bookings_pb2.PaymentState, action_url: str, in_json: dict
):
    edge.services.answers("ConfirmBooking", paying(state, action_url))
    headers = edge.signed_in("bookings", key="k1")
    reply = await edge.client.post("/v1/bookings/bkg_1/confirm", json=TO_PAY, headers=headers)
    assert (reply.status_code, reply.json()["state"], reply.json()["payment"]) == (202, "held", in_json)


async def test_confirm_booking_that_is_declined_is_a_402(edge: Edge):
    edge.services.fails("ConfirmBooking", PaymentDeclined(provider_reason="insufficient_funds"))
    headers = edge.signed_in("bookings", key="k1")
    reply = await edge.client.post("/v1/bookings/bkg_1/confirm", json=TO_PAY, headers=headers)
    assert problem(reply, 402, "payment_declined")["facts"] == {"provider_reason": "insufficient_funds"}


async def test_confirm_booking_still_under_way_says_when_to_come_back(edge: Edge):
    edge.services.fails("ConfirmBooking", RequestInFlight())
    headers = edge.signed_in("bookings", key="k1")
    reply = await edge.client.post("/v1/bookings/bkg_1/confirm", json=TO_PAY, headers=headers)
    assert problem(reply, 409, "request_in_flight")["retryable"] is True
    assert reply.headers["retry-after"] == "1"


async def test_release_booking_sends_no_body_and_answers_the_booking(edge: Edge):
    edge.services.answers("ReleaseBooking", held(version=2))
    headers = edge.signed_in("bookings", key="k1", if_match='"1"')
    reply = await edge.client.post("/v1/bookings/bkg_1/release", headers=headers)
    assert (reply.status_code, reply.json()["version"], reply.headers["etag"]) == (200, 2, '"2"')
    asked = edge.services.last("ReleaseBooking")
    assert asked.message == booking_service_pb2.ReleaseBookingRequest(booking_id="bkg_1", version=1)
    assert asked.metadata["idempotency-key"] == "k1"


async def test_release_booking_that_has_changed_is_a_412(edge: Edge):
    edge.services.fails("ReleaseBooking", StaleVersion(version=5))
    headers = edge.signed_in("bookings", key="k1", if_match='"1"')
    reply = await edge.client.post("/v1/bookings/bkg_1/release", headers=headers)
    assert problem(reply, 412, "stale_version")["facts"] == {"version": 5}


@pytest.mark.parametrize(("body", "item_ids"), [({}, []), ({"item_ids": ["itm_1"]}, ["itm_1"])])
async def test_quote_cancellation_needs_no_key(edge: Edge, body: dict, item_ids: list[str]):
    found = booking_service_pb2.CancellationQuote(
        token="signed", refund=euro(1125), fee=euro(125), expires_at=at(2030, 5, 1)
    )
    edge.services.answers("QuoteCancellation", found)
    reply = await edge.client.post(
        "/v1/bookings/bkg_1/cancellation-quotes", json=body, headers=edge.signed_in("bookings")
    )
    assert reply.status_code == 200
    assert reply.json() == {
        "token": "signed",
        "refund": {"amount_minor": 1125, "currency": "EUR"},
        "fee": {"amount_minor": 125, "currency": "EUR"},
        "expires_at": "2030-05-01T00:00:00Z",
    }
    assert edge.services.last("QuoteCancellation").message == booking_service_pb2.QuoteCancellationRequest(
        booking_id="bkg_1", item_ids=item_ids
    )


async def test_cancel_booking_hands_on_what_was_quoted(edge: Edge):
    edge.services.answers("CancelBooking", held(version=5), replayed=True)
    headers = edge.signed_in("bookings", key="k1", if_match='"4"')
    body = {"cancellation_quote_token": "signed"}
    reply = await edge.client.post("/v1/bookings/bkg_1/cancel", json=body, headers=headers)
    assert (reply.status_code, reply.headers["etag"], reply.headers["idempotent-replayed"]) == (200, '"5"', "true")
    assert edge.services.last("CancelBooking").message == booking_service_pb2.CancelBookingRequest(
        booking_id="bkg_1", cancellation_quote_token="signed", version=4
    )


@pytest.mark.parametrize("path", ["", "/bkg_1/confirm", "/bkg_1/release", "/bkg_1/cancel"])
async def test_every_change_of_a_booking_needs_a_key(edge: Edge, path: str):
    reply = await edge.client.post(f"/v1/bookings{path}", json=TO_HOLD, headers=edge.signed_in("bookings"))
    problem(reply, 400, "missing_idempotency_key")
    assert edge.services.calls == []


@pytest.mark.parametrize("path", ["", "/bkg_1", "/bkg_1/history", "/bkg_1/tickets/tkt_1.svg"])
async def test_reading_bookings_needs_the_scope(edge: Edge, path: str):
    problem(await edge.client.get(f"/v1/bookings{path}"), 401, "unauthenticated")
    reply = await edge.client.get(f"/v1/bookings{path}", headers=edge.signed_in("positions:write"))
    problem(reply, 403, "forbidden")
    assert edge.services.calls == []


async def test_get_booking_history_tells_what_happened(edge: Edge):
    entries = [
        booking_service_pb2.HistoryEntry(
            occurred_at=at(2030, 5, 1), fact="held", item_ids=["itm_1"], amount=euro(1250), actor="usr_ada"
        ),
        booking_service_pb2.HistoryEntry(occurred_at=at(2030, 5, 2), fact="expired", actor="system"),
    ]
    edge.services.answers("GetBookingHistory", booking_service_pb2.BookingHistory(entries=entries))
    reply = await edge.client.get("/v1/bookings/bkg_1/history", headers=edge.signed_in("bookings"))
    assert (reply.status_code, reply.json()) == (
        200,
        {
            "items": [
                {
                    "occurred_at": "2030-05-01T00:00:00Z",
                    "fact": "held",
                    "item_ids": ["itm_1"],
                    "amount": {"amount_minor": 1250, "currency": "EUR"},
                    "actor": "usr_ada",
                },
                {
                    "occurred_at": "2030-05-02T00:00:00Z",
                    "fact": "expired",
                    "item_ids": [],
                    "amount": None,
                    "actor": "system",
                },
            ],
            "next_cursor": None,
        },
    )


async def test_get_ticket_draws_the_code_with_a_quiet_zone_and_nothing_that_runs(edge: Edge):
    code = "eyJ0a3QiOiJ0a3RfMSJ9." * 12
    edge.services.answers("GetTicket", bookings_pb2.Ticket(id="tkt_1", item_id="itm_1", code=code))
    reply = await edge.client.get("/v1/bookings/bkg_1/tickets/tkt_1.svg", headers=edge.signed_in("bookings"))
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/svg+xml")
    image = ET.fromstring(reply.content)
    assert {element.tag.rpartition("}")[2] for element in image.iter()} == {"svg", "title", "g", "path"}
    assert not [name for element in image.iter() for name in element.attrib if name.startswith("on")]
    background, modules = image.iter("{http://www.w3.org/2000/svg}path")
    assert background.attrib["fill"] == "#fff"
    assert modules.attrib["d"].startswith("M4 4.5h7"), "the first finder begins behind four modules of quiet"
    assert edge.services.last("GetTicket").message == booking_service_pb2.GetTicketRequest(
        booking_id="bkg_1", ticket_id="tkt_1"
    )


async def test_get_ticket_that_is_not_there_is_a_problem_and_no_image(edge: Edge):
    edge.services.fails("GetTicket", NotFound())
    reply = await edge.client.get("/v1/bookings/bkg_1/tickets/tkt_9.svg", headers=edge.signed_in("bookings"))
    problem(reply, 404, "not_found")
