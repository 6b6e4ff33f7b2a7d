"""The bookings' routes: what is asked of the booking service, and what becomes of its answers."""

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import pytest
from headway.booking.v1 import booking_service_pb2, bookings_pb2

from chassis.errors import LostRace, NotAllowedNow, NotFound, RequestInFlight
from gateway.preconditions import etag
from tests.gateway.recording_services import HELD_IN_JSON, Edge, at, euro, gateway_and_services, held
from tests.gateway.running import problem


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with gateway_and_services(tmp_path_factory.mktemp("gateway")) as edge:
        yield edge


@pytest.fixture
def edge(running: Edge) -> Edge:
    running.services.forget()
    return running


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


TO_PAY = {"payment": {"method": "sandbox", "token": "tok_success"}}


class PaymentDeclined(NotAllowedNow):
    reason = "PAYMENT_DECLINED"


class StaleVersion(LostRace):
    reason = "STALE_VERSION"


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
    assert (reply.status_code, reply.headers["etag"].split("-")[0]) == (200, '"3')
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
    headers = edge.signed_in("bookings", if_none_match=etag(held(version=1)))
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
    assert (reply.status_code, reply.json()["state"], reply.headers["etag"].split("-")[0]) == (200, "confirmed", '"3')
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
    assert (reply.status_code, reply.json()["version"], reply.headers["etag"].split("-")[0]) == (200, 2, '"2')
    asked = edge.services.last("ReleaseBooking")
    assert asked.message == booking_service_pb2.ReleaseBookingRequest(booking_id="bkg_1", version=1)
    assert asked.metadata["idempotency-key"] == "k1"


async def test_release_booking_that_has_changed_is_a_412(edge: Edge):
    edge.services.fails("ReleaseBooking", StaleVersion(version=5))
    headers = edge.signed_in("bookings", key="k1", if_match='"1"')
    reply = await edge.client.post("/v1/bookings/bkg_1/release", headers=headers)
    assert problem(reply, 412, "stale_version")["facts"] == {"version": 5}


@pytest.mark.parametrize(("body", "item_ids"), [(None, []), ({}, []), ({"item_ids": ["itm_1"]}, ["itm_1"])])
async def test_quote_cancellation_needs_no_key_and_for_all_items_no_body(
    edge: Edge, body: dict | None, item_ids: list[str]
):
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
    assert (reply.status_code, reply.headers["idempotent-replayed"]) == (200, "true")
    assert reply.headers["etag"].startswith('"5-')
    assert edge.services.last("CancelBooking").message == booking_service_pb2.CancelBookingRequest(
        booking_id="bkg_1", cancellation_quote_token="signed", version=4
    )


@pytest.mark.parametrize("path", ["", "/bkg_1/confirm", "/bkg_1/release", "/bkg_1/cancel"])
async def test_every_change_of_a_booking_needs_a_key(edge: Edge, path: str):
    reply = await edge.client.post(f"/v1/bookings{path}", json={}, headers=edge.signed_in("bookings"))
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
