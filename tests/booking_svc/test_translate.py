"""The domain in the contract's words."""

from datetime import UTC, timedelta
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from headway.booking.v1 import booking_service_pb2, bookings_pb2
from headway.booking.v1 import timetable_service_pb2 as timetable_pb
from headway.types.v1 import timetable_pb2
from hypothesis import given
from hypothesis import strategies as st

from booking_svc import translate
from booking_svc.domain.booking import Boarding, BookingState, ItemState, PaymentState
from booking_svc.domain.departure import DepartureState, Mode
from tests.booking_svc.bookings import HOLD_UNTIL, NOW, confirmed, held
from tests.booking_svc.builders import stop


@given(st.integers(0, 7_258_000_000_000_000))
def test_an_instant_is_the_same_on_both_sides(microseconds: int) -> None:
    instant = translate.EPOCH + timedelta(microseconds=microseconds)
    expected = Timestamp()
    expected.FromDatetime(instant)
    assert translate.instant_out(instant) == expected
    message = timetable_pb.CallInput(scheduled_arrival_at=expected)
    assert translate.instant_in(message, "scheduled_arrival_at") == instant
    assert translate.instant_in(message, "scheduled_departure_at") is None


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (BookingState, bookings_pb2.BookingState, "BOOKING_STATE_"),
        (ItemState, bookings_pb2.ItemState, "ITEM_STATE_"),
        (Boarding, bookings_pb2.Boarding, "BOARDING_"),
        (PaymentState, bookings_pb2.PaymentState, "PAYMENT_STATE_"),
        (DepartureState, timetable_pb2.DepartureState, "DEPARTURE_STATE_"),
        (Mode, timetable_pb2.Mode, "MODE_"),
    ],
)
def test_every_word_of_ours_is_one_of_the_contract_s(ours: type[StrEnum], theirs: Any, prefix: str) -> None:
    assert {f"{prefix}{word.name}" for word in ours} == set(theirs.keys()) - {f"{prefix}UNSPECIFIED"}


def test_a_hold_is_told_with_its_seats_and_its_end_and_without_tickets() -> None:
    told = translate.booking_out(held(), now=NOW)
    assert told.hold_expires_at.ToDatetime(tzinfo=UTC) == HOLD_UNTIL
    assert [item.seat_id for item in told.items] == ["1A", "2A"]
    assert (told.total.amount_minor, told.total.currency) == (2000, "EUR")
    assert len(told.tickets) == 0


@pytest.mark.parametrize("ended", [held().release(now=NOW), held().expire()], ids=["released", "expired"])
def test_a_seat_that_was_given_back_is_nobody_s(ended: Any) -> None:
    told = translate.booking_out(ended, now=NOW)
    assert [item.seat_id for item in told.items] == ["", ""]
    assert not told.HasField("hold_expires_at")


def test_a_cancelled_item_has_neither_seat_nor_ticket() -> None:
    told = translate.booking_out(confirmed().cancel(["itm_0"], is_refunded=False), now=NOW)
    assert [item.seat_id for item in told.items] == ["", "2A"]
    assert [ticket.item_id for ticket in told.tickets] == ["itm_1"]


def test_a_stop_s_message_is_not_shared_between_calls() -> None:
    call = SimpleNamespace(
        sequence=0, stop=stop(1), arrival_at=NOW, departure_at=NOW + timedelta(minutes=1),
        is_boarding_allowed=True, is_alighting_allowed=True, distance_meters=0.0, is_interpolated=False,
    )  # fmt: skip
    first = translate.call_out(call)  # type: ignore[arg-type]
    first.stop.name = "changed"
    assert translate.call_out(call).stop.name == "Pier 1"  # type: ignore[arg-type]


def test_the_same_route_and_stop_of_an_operator_always_get_the_same_id() -> None:
    by_feed = timetable_pb.StopInput(feed_stop_id="s1", name="A", timezone="Europe/Lisbon")
    renamed = timetable_pb.StopInput(feed_stop_id="s1", name="B", timezone="Europe/Lisbon")
    assert translate.stop_in(by_feed, "opr_1").id == translate.stop_in(renamed, "opr_1").id
    assert translate.stop_in(by_feed, "opr_1").id != translate.stop_in(by_feed, "opr_2").id
    places = [timetable_pb.StopInput(name="A", timezone="UTC", latitude=at) for at in (1.0, 1.000001, 2.0)]
    ids = [translate.stop_in(place, "opr_1").id for place in places]
    assert ids[0] == ids[1] != ids[2]
    routes = [timetable_pb.RouteInput(short_name="1", long_name=name, mode=1) for name in ("a", "a", "b")]
    ids = [translate.route_in(route, "opr_1").id for route in routes]
    assert ids[0] == ids[1] != ids[2]


def test_an_address_is_kept_as_it_will_be_looked_up() -> None:
    request = booking_service_pb2.HoldBookingRequest(
        contact=booking_service_pb2.Contact(email=" Rider@Example.COM ", phone="1")
    )
    assert translate.hold_booking_in(request)["contact"].email == "rider@example.com"


@pytest.mark.parametrize(("asked", "given_size"), [(-1, 50), (0, 50), (1, 1), (200, 200), (201, 200), (2**31 - 1, 200)])
def test_a_page_has_a_size_within_bounds(asked: int, given_size: int) -> None:
    assert translate.page_size(asked) == given_size
