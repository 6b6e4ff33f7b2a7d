"""The booking machine against a model in plain Python, step by step, in any order that Hypothesis can think of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from booking_svc.domain.payment import ChargeState
from booking_svc.store.work import Work
from booking_svc.use_cases.expire_holds import expire_holds
from booking_svc.use_cases.release_booking import release_booking
from chassis.errors import Failure
from chassis.store import Store
from tests.booking_svc import builders, model
from tests.booking_svc.builders import HOLD_SECONDS, RIDER, commit
from tests.booking_svc.likeness import assert_like_the_model
from tests.clocks import FixedClock

OUTCOMES = (ChargeState.CAPTURED, ChargeState.DECLINED, ChargeState.ACTION_REQUIRED, ChargeState.UNKNOWN)
DEPARTURES_MAX = 3
ships = st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(1, 60))
"""Seats, calls, and hours until it leaves."""


class BookingMachine(RuleBasedStateMachine):
    """Does the same to the service and to the model and compares everything that can be seen of both."""

    departures = Bundle("departures")
    bookings = Bundle("bookings")
    charges = Bundle("charges")

    def __init__(self, store: Store[Work], clock: FixedClock) -> None:
        super().__init__()
        self.store, self.clock = store, clock
        wipe(store)
        self.network = model.Network(clock.now())
        self.published: dict[str, Any] = {}

    @initialize(target=departures, ships=st.lists(ships, min_size=1, max_size=DEPARTURES_MAX))
    def publish(self, ships: list[tuple[int, int, int]]) -> Any:
        return multiple(*(self.publish_one(*ship) for ship in ships))

    def publish_one(self, seats: int, calls: int, hours: int) -> str:
        starts_at = self.clock.now().replace(microsecond=0) + timedelta(hours=hours)
        made = builders.publish(self.store, seats=seats, stops=range(calls), starts_at=starts_at)
        self.published[made.id] = made
        leaves_at = [call.departure_at for call in made.calls]
        self.network.departures[made.id] = model.Departure(
            made.id, [str(n + 1) for n in range(seats)], leaves_at, made.ends_at
        )
        return made.id

    @rule(target=bookings, data=st.data(), departure_id=departures)
    def hold_one(self, data: st.DataObject, departure_id: str) -> Any:
        return self.hold(data, [departure_id], 1)

    @rule(target=bookings, data=st.data(), ids=st.lists(departures, min_size=1, max_size=2), count=st.integers(1, 3))
    def hold_some(self, data: st.DataObject, ids: list[str], count: int) -> Any:
        return self.hold(data, ids, count)

    def hold(self, data: st.DataObject, ids: list[str], count: int) -> Any:
        rides = [data.draw(rides_of(self.network.departures[one])) for one in ids]
        wishes = [data.draw(seats_of(self.network.departures[one], count)) for one in ids]
        expected = self.network.refusal_of_hold(rides, wishes)
        passengers = [builders.passenger(*(wanted[place] for wanted in wishes)) for place in range(count)]
        quoted = [(self.published[one], origin, destination) for one, origin, destination in rides]
        held, refused = attempt(lambda: builders.hold(self.store, *quoted, passengers=passengers))
        assert refused == expected
        if held is None:
            return multiple()
        ends_at = min([self.clock.now() + timedelta(seconds=HOLD_SECONDS), *map(self.leaves_at, rides)])
        items = [
            model.Item(item.id, rides[item.leg_index], item.seat_id, item.price_minor, item.leg_index)
            for item in held.items
        ]
        for item, made in zip(items, held.items, strict=True):
            assert item.seat in self.network.free_seats(item.ride)
            wanted = wishes[made.leg_index][held.items.index(made) // len(rides)]
            assert wanted in ("", item.seat)
        self.network.hold(model.Booking(held.id, items, ends_at))
        return str(held.id)

    def leaves_at(self, ride: model.Ride) -> Any:
        return self.network.departures[ride[0]].leaves_at[ride[1]]

    @rule(booking_id=bookings)
    def release(self, booking_id: str) -> None:
        booking = self.network.bookings[booking_id]
        _, refused = attempt(
            lambda: commit(self.store, release_booking, caller=RIDER, booking_id=booking_id, version=0)
        )
        assert refused == refusal_of_paying(booking, self.network, otherwise="ILLEGAL_STATE")
        if not refused:
            self.network.end("released", booking)

    @rule(seconds=st.sampled_from([1, HOLD_SECONDS // 2, HOLD_SECONDS, HOLD_SECONDS, 8 * 3600]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.network.now = self.clock.now()

    @rule()
    def tidy_holds(self) -> None:
        over = [booking for booking in self.network.bookings.values() if booking.is_over(self.network.now)]
        assert commit(self.store, expire_holds) == len(over)
        self.network.end("expired", *over)

    @rule(target=charges, booking_id=bookings)
    def begin_payment(self, booking_id: str) -> Any:
        booking = self.network.bookings[booking_id]
        charge, refused = attempt(lambda: builders.begin(self.store, booking_id))
        assert refused == refusal_of_paying(booking, self.network, otherwise="REQUEST_IN_FLIGHT")
        if refused:
            return multiple()
        booking.payment, booking.charge = "processing", charge.id
        booking.version += 1
        return charge, booking_id

    @rule(begun=charges, outcome=st.sampled_from(OUTCOMES))
    def learn_of_payment(self, begun: tuple[Any, str], outcome: ChargeState) -> None:
        """Let the provider say something; it may say it twice, or something else after the end."""
        charge, booking_id = begun
        booking = self.network.bookings[booking_id]
        is_open = booking.charge == charge.id
        builders.finish(self.store, charge, outcome, action_url="https://bank.example")
        if is_open and booking.payment != outcome.value:
            self.learn(booking, outcome)

    @rule(booking_id=bookings)
    def pay(self, booking_id: str) -> None:
        """Go the usual way without a turn."""
        booking = self.network.bookings[booking_id]
        _, refused = attempt(lambda: builders.confirm(self.store, booking_id))
        assert refused == refusal_of_paying(booking, self.network, otherwise="REQUEST_IN_FLIGHT")
        if not refused:
            booking.version += 1
            self.network.confirm(booking)

    def learn(self, booking: model.Booking, outcome: ChargeState) -> None:
        if outcome is ChargeState.CAPTURED:
            booking.charge = ""
            self.network.confirm(booking)
            return
        booking.payment = outcome.value
        booking.version += 1
        if outcome is ChargeState.DECLINED:
            booking.charge = ""

    @rule(data=st.data(), booking_id=bookings)
    def cancel(self, data: st.DataObject, booking_id: str) -> None:
        booking = self.network.bookings[booking_id]
        confirmed = [item for item in booking.items if item.state == "confirmed"]
        ids = data.draw(st.sets(st.sampled_from([item.id for item in confirmed]))) if confirmed else set()
        chosen = [item for item in confirmed if item.id in ids or not ids]
        fees = [self.network.fee(item) for item in chosen]
        _, refused = attempt(lambda: builders.cancel(self.store, booking_id, sorted(ids)))
        if self.network.seen_state(booking) != "confirmed" or booking.payment in model.UNDER_WAY:
            assert refused == "ILLEGAL_STATE"
        elif None in fees:
            assert refused == "DEPARTURE_GONE"
        else:
            assert not refused
            fee = sum(fee for fee in fees if fee is not None)
            refund = sum(item.price for item in chosen) - fee
            self.network.cancel(booking, [item.id for item in chosen], fee=fee, refund=refund)

    @rule(booking_id=bookings)
    def pay_back(self, booking_id: str) -> None:
        booking = self.network.bookings[booking_id]
        if booking.owed:
            builders.pay_back(self.store, booking_id)
            self.network.pay_back(booking)

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        assert_like_the_model(self.store, self.network, self.published)


def rides_of(departure: model.Departure) -> st.SearchStrategy[model.Ride]:
    ends = st.lists(st.integers(0, departure.segments), min_size=2, max_size=2, unique=True)
    return ends.map(sorted).map(lambda pair: (departure.id, pair[0], pair[1]))


def seats_of(departure: model.Departure, count: int) -> st.SearchStrategy[Sequence[str]]:
    """Name a seat for each passenger, or leave it to the service."""
    return st.lists(st.sampled_from(["", "", "", *departure.seats]), min_size=count, max_size=count)


def refusal_of_paying(booking: model.Booking, network: model.Network, *, otherwise: str) -> str:
    """Say why a hold cannot be paid for or released; `otherwise` is the reason while money is moving."""
    if network.seen_state(booking) == "expired":
        return "HOLD_EXPIRED"
    if booking.state != "held":
        return "ILLEGAL_STATE"
    return otherwise if booking.payment in model.UNDER_WAY else ""


def attempt(act: Any) -> tuple[Any, str]:
    """Act; return what came of it, or the reason why not."""
    try:
        return act(), ""
    except Failure as failure:
        return None, failure.reason


def wipe(store: Store[Work]) -> None:
    """Empty every table, so that each example begins anew."""
    with store.database.writer.begin() as connection:
        for name in sa.inspect(connection).get_table_names():
            if name != "alembic_version":
                connection.execute(sa.delete(sa.table(name)))


EXAMPLES = {"sqlite": 25, "postgresql": 6}


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_booking_machine_is_its_model(kind: str, request: pytest.FixtureRequest, clock: FixedClock) -> None:
    with builders.opened(request.getfixturevalue(f"ready_{kind}_url"), clock) as store:
        run_state_machine_as_test(
            lambda: BookingMachine(store, clock),
            settings=settings(
                max_examples=EXAMPLES[kind],
                stateful_step_count=40,
                suppress_health_check=list(HealthCheck),
            ),
        )
