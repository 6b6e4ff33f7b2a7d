from dataclasses import replace
from datetime import timedelta

import pytest
from headway.booking.v1 import availability_events_pb2, booking_events_pb2

from booking_svc.domain.departure import DepartureState
from booking_svc.domain.errors import (
    DepartureCancelled,
    DepartureGone,
    NeedsNotMet,
    NotServed,
    QuoteChanged,
    SeatTaken,
    SoldOut,
    TooManyHolds,
)
from booking_svc.domain.layout import LayoutSeat
from booking_svc.domain.quote import QuotedPassenger
from booking_svc.store.bookings import BOOKINGS, ITEMS
from booking_svc.store.occupancies import MASKS
from booking_svc.store.work import Work
from booking_svc.use_cases.release_booking import release_booking
from chassis.errors import InvalidInput, NotFound
from chassis.store import Store
from tests.booking_svc.builders import (
    HOLD_SECONDS,
    OTHER_OPERATOR,
    OTHER_RIDER,
    PRICE_MINOR,
    RIDER,
    STARTS_AT,
    ask,
    begin,
    call_at,
    commit,
    events,
    hold,
    hold_wish,
    passenger,
    publish,
    quote,
    rows,
    seats_free,
    seats_of,
    see,
)
from tests.clocks import FixedClock


def test_a_hold_keeps_seats_at_the_quoted_price_until_its_time_is_up(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    held = hold(store, (departure, 0, 2), passengers=[passenger(), passenger(category="child")])
    assert (held.state, held.payment_state, held.version) == ("held", "none", 1)
    assert (held.total_minor, held.currency) == (2 * PRICE_MINOR, "EUR")
    assert held.hold_expires_at == clock.now() + timedelta(seconds=HOLD_SECONDS)
    assert [item.category for item in held.items] == ["adult", "child"]
    assert held.rider_id == RIDER.subject
    assert (held.legs[0].origin.sequence, held.legs[0].destination.sequence) == (0, 2)
    assert seats_free(store, departure, 0, 2) == 48


def test_each_passenger_pays_their_own_price_on_each_leg(store: Store[Work]) -> None:
    first, second = publish(store), publish(store)
    priced = replace(
        quote((first, 0, 1), (second, 0, 1)),
        passengers=(QuotedPassenger("adult", (1000, 2000)), QuotedPassenger("child", (30, 4))),
    )
    held = hold(store, quote=priced, passengers=[passenger(), passenger(category="child")])
    prices = {(item.category, item.leg_index): item.price_minor for item in held.items}
    assert prices == {("adult", 0): 1000, ("adult", 1): 2000, ("child", 0): 30, ("child", 1): 4}
    assert held.total_minor == 3034


def test_a_hold_ends_when_the_first_leg_leaves_if_not_before(store: Store[Work], clock: FixedClock) -> None:
    first, second = publish(store, starts_at=STARTS_AT), publish(store, starts_at=STARTS_AT - timedelta(hours=1))
    clock.advance((second.starts_at - timedelta(seconds=60) - clock.now()).total_seconds())
    held = hold(store, (first, 0, 1), (second, 0, 1))
    assert held.hold_expires_at == second.starts_at
    clock.advance(60)
    assert see(store, held).state == "expired"


def test_holding_is_told_to_each_departure_with_its_own_items_and_no_name(store: Store[Work]) -> None:
    first, second = publish(store), publish(store)
    before = len(events(store))
    held = hold(store, (first, 0, 1), (second, 0, 2), passengers=[passenger(), passenger()])
    told = events(store)[before:]
    summaries = [
        booking_events_pb2.BookingHeld.FromString(event.payload).booking for event in told if event.stream == "BOOKING"
    ]
    assert [(one.booking_id, one.departure_id) for one in summaries] == [(held.id, first.id), (held.id, second.id)]
    assert [[item.destination_sequence for item in one.items] for one in summaries] == [[1, 1], [2, 2]]
    assert all(b"Lovelace" not in event.payload and b"example.com" not in event.payload for event in told)
    seats = [
        availability_events_pb2.AvailabilityChanged.FromString(event.payload)
        for event in told
        if event.stream == "AVAILABILITY"
    ]
    assert {one.departure_id: list(one.seats_free) for one in seats} == {
        first.id: [48, 50, 50],
        second.id: [48, 48, 50],
    }


def test_seats_are_given_in_order_and_shared_by_rides_that_do_not_meet(store: Store[Work]) -> None:
    departure = publish(store, seats=2)
    assert seats_of(hold(store, (departure, 0, 1))) == ["1"]
    assert seats_of(hold(store, (departure, 1, 2))) == ["1"]
    assert seats_of(hold(store, (departure, 0, 3))) == ["2"]
    assert seats_of(hold(store, (departure, 2, 3))) == ["1"]
    with pytest.raises(SoldOut):
        hold(store, (departure, 0, 1))


def test_a_seat_that_came_back_is_given_again(store: Store[Work]) -> None:
    departure = publish(store, seats=3)
    first, *_ = (hold(store, (departure, 0, 3)) for _ in range(3))
    commit(store, release_booking, caller=RIDER, booking_id=first.id, version=0)
    assert seats_of(hold(store, (departure, 1, 2))) == ["1"]


def test_named_seats_are_held_leg_by_leg(store: Store[Work]) -> None:
    first, second = publish(store, seats=4), publish(store, seats=4)
    held = hold(store, (first, 0, 1), (second, 0, 1), passengers=[passenger("3", ""), passenger("", "1")])
    assert [(item.leg_index, item.seat_id) for item in held.items] == [(0, "3"), (1, "2"), (0, "1"), (1, "1")]


def test_named_seats_that_are_taken_are_told_and_nothing_is_held(store: Store[Work]) -> None:
    departure = publish(store, seats=4)
    hold(store, (departure, 1, 2), passengers=[passenger("2")])
    with pytest.raises(SeatTaken) as refused:
        hold(store, (departure, 0, 3), passengers=[passenger("1"), passenger("2"), passenger("3")])
    assert refused.value.facts == {"seat_ids": ["2"]}
    assert seats_free(store, departure, 0, 1) == 4


def test_a_departure_is_sold_out_when_nobody_could_keep_a_seat(store: Store[Work]) -> None:
    departure = publish(store, seats=2, stops=range(3))
    hold(store, (departure, 0, 1), passengers=[passenger("1")])
    hold(store, (departure, 1, 2), passengers=[passenger("2")])
    with pytest.raises(SoldOut) as refused:
        hold(store, (departure, 0, 2))
    assert refused.value.facts["seats_available"] == 0
    with pytest.raises(SoldOut) as refused:
        hold(store, (departure, 0, 1), passengers=[passenger(), passenger()])
    assert refused.value.facts == {"departure_id": departure.id, "seats_available": 1}


def test_several_legs_are_held_all_or_none(store: Store[Work]) -> None:
    roomy, full = publish(store, seats=5), publish(store, seats=1)
    hold(store, (full, 0, 3))
    before = [rows(store, table) for table in (BOOKINGS, ITEMS, MASKS)], events(store)
    with pytest.raises(SoldOut):
        hold(store, (roomy, 0, 3), (full, 0, 3))
    with pytest.raises(SeatTaken):
        hold(store, (roomy, 0, 3), (full, 0, 3), passengers=[passenger("1", "1")])
    assert ([rows(store, table) for table in (BOOKINGS, ITEMS, MASKS)], events(store)) == before
    assert seats_free(store, roomy) == 5


def test_one_departure_may_be_ridden_twice_but_not_at_once(store: Store[Work]) -> None:
    loop = publish(store, stops=[0, 1, 2, 0, 1], seats=1)
    with pytest.raises(InvalidInput):
        hold(store, (loop, 0, 2), (loop, 1, 3))
    assert seats_of(hold(store, (loop, 0, 1), (loop, 3, 4))) == ["1", "1"]


def test_needs_are_met_or_refused(store: Store[Work]) -> None:
    departure = publish(store, seats=[LayoutSeat("A", 1, 1), LayoutSeat("B", 1, 2, frozenset({"wheelchair"}))])
    with pytest.raises(NeedsNotMet):
        hold(store, (departure, 0, 1), passengers=[passenger(needs=["wheelchair"]), passenger(needs=["wheelchair"])])
    held = hold(store, (departure, 0, 1), passengers=[passenger(), passenger(needs=["wheelchair"])])
    assert seats_of(held) == ["A", "B"]


def test_passengers_sit_together_or_not_at_all(store: Store[Work]) -> None:
    departure = publish(store, seats=8)
    hold(store, (departure, 0, 3), passengers=[passenger("2")])
    together = hold(
        store, (departure, 0, 3), passengers=[passenger(), passenger(), passenger()], is_seated_together=True
    )
    assert seats_of(together) == ["5", "6", "7"]
    assert seats_of(hold(store, (departure, 0, 3))) == ["1"]
    with pytest.raises(NeedsNotMet):
        hold(store, (departure, 0, 3), passengers=[passenger(), passenger(), passenger()], is_seated_together=True)


def test_a_departure_with_more_segments_than_two_words_have_bits(store: Store[Work]) -> None:
    long = publish(store, seats=2, calls=[call_at(number, number) for number in range(150)])
    rides = [(0, 149), (0, 61), (61, 63), (63, 124), (124, 125), (125, 149)]
    held = [hold(store, (long, *ride)) for ride in rides]
    assert [seats_of(one) for one in held] == [["1"], *[["2"]] * 5]
    with pytest.raises(SoldOut):
        hold(store, (long, 148, 149))
    commit(store, release_booking, caller=RIDER, booking_id=held[3].id, version=0)
    assert seats_free(store, long, 63, 124) == 1
    assert seats_free(store, long, 62, 124) == 0
    assert seats_of(hold(store, (long, 70, 100))) == ["2"]
    assert seats_free(store, long, 100, 124) == 1


def test_a_large_ship_sells_its_last_seat(store: Store[Work]) -> None:
    ship = publish(store, seats=2000, stops=[0, 1])
    for start in range(0, 1950, 50):
        hold(store, (ship, 0, 1), passengers=[passenger(str(start + place + 1)) for place in range(50)])
    held = hold(store, (ship, 0, 1), passengers=[passenger() for _ in range(50)])
    assert seats_of(held) == [str(number) for number in range(1951, 2001)]
    with pytest.raises(SoldOut):
        hold(store, (ship, 0, 1))


@pytest.mark.parametrize(
    "passengers",
    [
        [passenger(category="child")],
        [passenger(), passenger()],
        [],
        [passenger(category="child"), passenger()],
    ],
)
def test_other_passengers_than_were_priced_are_refused(store: Store[Work], passengers: list) -> None:
    departure = publish(store)
    priced = quote((departure, 0, 1), categories=["adult", "child"])
    with pytest.raises(QuoteChanged):
        hold(store, quote=priced, passengers=passengers)


@pytest.mark.parametrize("part", [(0, 2), (1, 3), (3, 3), (3, 0), (0, 9), (-4, 3), (0, -1)])
def test_calls_that_are_not_the_ones_priced_are_refused(store: Store[Work], part: tuple[int, int]) -> None:
    departure = publish(store)
    priced = quote((departure, 0, 3))
    moved = replace(priced.legs[0], origin_sequence=part[0], destination_sequence=part[1])
    with pytest.raises(QuoteChanged):
        hold(store, quote=replace(priced, legs=(moved,)))


def test_nobody_is_held_a_seat_where_nobody_gets_on_or_off(store: Store[Work]) -> None:
    calls = [
        call_at(0, 0),
        call_at(1, 1, is_boarding_allowed=False),
        call_at(2, 2, is_alighting_allowed=False),
        call_at(3, 3),
    ]
    departure = publish(store, calls=calls)
    for part in ((1, 3), (0, 2)):
        with pytest.raises(NotServed):
            hold(store, (departure, *part))
    hold(store, (departure, 0, 1), (departure, 2, 3))


def test_what_has_left_is_gone_at_its_own_origin(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    clock.advance((departure.starts_at - clock.now()).total_seconds())
    with pytest.raises(DepartureGone) as refused:
        hold(store, (departure, 0, 3))
    assert refused.value.facts == {"departure_id": departure.id}
    assert hold(store, (departure, 1, 3)).state == "held"


def test_what_does_not_run_is_not_sold(store: Store[Work]) -> None:
    departure = publish(store)
    commit(store, lambda work: work.departures.save(departure.cancel()))
    assert ask(store, lambda work: work.departures.get(departure.id)).state is DepartureState.CANCELLED
    with pytest.raises(DepartureCancelled):
        hold(store, (departure, 0, 3))


def test_what_is_not_there_is_not_found(store: Store[Work]) -> None:
    departure = publish(store)
    with pytest.raises(NotFound) as refused:
        hold(store, (replace(departure, id="dep_none"), 0, 3))
    assert refused.value.facts == {"departure_id": "dep_none"}


def test_departures_of_two_operators_are_booked_one_at_a_time(store: Store[Work]) -> None:
    with pytest.raises(InvalidInput):
        hold(store, (publish(store), 0, 1), (publish(store, operator_id=OTHER_OPERATOR), 0, 1))


def test_seats_are_named_for_every_leg_or_none(store: Store[Work]) -> None:
    first, second = publish(store, seats=4), publish(store, seats=4)
    for seat_ids in (["1"], ["1", "1", "1"]):
        with pytest.raises(InvalidInput) as refused:
            hold(store, (first, 0, 1), (second, 0, 1), passengers=[passenger(), passenger(*seat_ids)])
        assert [error.pointer for error in refused.value.errors] == ["/passengers/1/seat_ids"]


def test_a_rider_has_as_many_live_holds_as_the_cap_says(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    first = hold(store, (departure, 0, 1), holds_max=2)
    clock.advance(60)
    hold(store, (departure, 0, 1), holds_max=2)
    with pytest.raises(TooManyHolds) as refused:
        hold(store, (departure, 0, 1), holds_max=2)
    assert refused.value.facts == {"holds_max": 2}
    assert refused.value.retry_after_seconds == HOLD_SECONDS - 60
    hold(store, (departure, 0, 1), holds_max=2, caller=OTHER_RIDER)
    hold(store, (departure, 0, 1), holds_max=0)
    commit(store, release_booking, caller=RIDER, booking_id=first.id, version=0)
    with pytest.raises(TooManyHolds):  # the one without a cap counts
        hold(store, (departure, 0, 1), holds_max=2)
    clock.advance(HOLD_SECONDS)
    hold(store, (departure, 0, 1), holds_max=1)


def test_a_hold_that_is_being_paid_counts_for_the_cap(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store)
    begin(store, hold(store, (departure, 0, 1)))
    clock.advance(HOLD_SECONDS)
    with pytest.raises(TooManyHolds) as refused:
        hold(store, (departure, 0, 1), holds_max=1)
    assert refused.value.retry_after_seconds == 1.0


def test_whoever_needs_the_seats_of_a_hold_that_is_over_takes_them(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=2)
    over = hold(store, (departure, 0, 3), passengers=[passenger("1")])
    clock.advance(HOLD_SECONDS)
    before = len(events(store))
    taken = hold(store, (departure, 1, 2), passengers=[passenger("1")])
    assert seats_of(taken) == ["1"]
    assert see(store, over).state == "expired"
    facts = [".".join(event.subject.split(".")[2:4]) for event in events(store)[before:]]
    assert facts == ["availability.changed", "booking.expired", "availability.changed", "booking.held"]
    assert seats_free(store, departure, 0, 1) == 2


def test_holds_that_are_over_stay_out_of_the_way_of_others(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=3)
    over = hold(store, (departure, 0, 1), passengers=[passenger("1"), passenger("2")])
    clock.advance(HOLD_SECONDS)
    hold(store, (departure, 0, 1), passengers=[passenger("3")])
    assert [row.state for row in rows(store, BOOKINGS) if row.id == over.id] == ["held"]


def test_every_seat_of_many_holds_that_are_over_can_be_taken_at_once(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=40)
    for _ in range(40):
        hold(store, (departure, 0, 3))
    with pytest.raises(SoldOut):
        hold(store, (departure, 0, 3))
    clock.advance(HOLD_SECONDS)
    assert seats_free(store, departure) == 40
    held = hold(store, (departure, 0, 3), passengers=[passenger() for _ in range(40)])
    assert len(set(seats_of(held))) == 40
    assert seats_free(store, departure) == 0


def test_a_hold_that_is_over_but_being_paid_keeps_its_seats(store: Store[Work], clock: FixedClock) -> None:
    departure = publish(store, seats=1)
    begin(store, hold(store, (departure, 0, 3)))
    clock.advance(HOLD_SECONDS)
    with pytest.raises(SoldOut):
        hold(store, (departure, 0, 3))
    with pytest.raises(SeatTaken):
        hold(store, (departure, 0, 3), passengers=[passenger("1")])


def test_every_booking_has_its_own_reference(store: Store[Work]) -> None:
    departure = publish(store)
    wish = hold_wish((departure, 0, 1))
    references = {hold(store, **wish).reference for _ in range(30)}
    assert len(references) == 30
