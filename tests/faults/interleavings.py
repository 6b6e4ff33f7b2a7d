"""Riders, a bank, an operator and time, of whom dice decide who does the next transaction; no threads, no waiting.

Each actor is a generator that yields between its transactions, as a flow lets others in while it waits. Every step is
taken by the real use case on the real store and by the model, and both must say the same; what can be seen of both in
the end must be the same, too.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from booking_svc.domain.payment import ChargeState
from booking_svc.queries.quote_cancellation import quote_cancellation
from booking_svc.store.work import Work
from booking_svc.use_cases.assign_vehicle import assign_vehicle
from booking_svc.use_cases.cancel_booking import cancel_booking
from booking_svc.use_cases.cancel_departures import cancel_departures
from booking_svc.use_cases.expire_holds import expire_holds
from booking_svc.use_cases.register_vehicle import register_vehicle
from booking_svc.use_cases.release_booking import release_booking
from chassis.errors import Failure
from chassis.store import Store
from tests.booking_svc import builders, model
from tests.booking_svc.builders import ADMIN, HOLD_SECONDS, OPERATOR, RIDER, ask, commit
from tests.booking_svc.likeness import assert_like_the_model
from tests.clocks import FixedClock

RIDERS = 5
STEPS_MAX = 400
OUTCOMES = (ChargeState.CAPTURED,) * 3 + (ChargeState.DECLINED, ChargeState.ACTION_REQUIRED, ChargeState.UNKNOWN)
PAUSES = (1, 60, HOLD_SECONDS // 2, HOLD_SECONDS, HOLD_SECONDS, 7200)
Turns = Iterator[None]


class Simulation:
    """One seed's world."""

    def __init__(self, seed: int, store: Store[Work], clock: FixedClock) -> None:
        self.chance = Random(seed)
        self.store, self.clock = store, clock
        self.network = model.Network(clock.now())
        self.published: dict[str, Any] = {}
        self.steps: list[str] = []
        self.layouts = {count: builders.layout(store, count) for count in self.chance.sample(range(1, 5), 2)}

    def run(self) -> int:
        """Let actors take turns until each is done; return how many transactions that took."""
        self.publish()
        actors = [self.operator(), self.keeper(), self.time(), *(self.rider() for _ in range(RIDERS))]
        while actors:
            actor = self.chance.choice(actors)
            if next(actor, self) is self:
                actors.remove(actor)
            assert len(self.steps) < STEPS_MAX
        assert_like_the_model(self.store, self.network, self.published)
        return len(self.steps)

    def did(self, what: str, act: Callable[[], Any], expected: str) -> Any:
        """Take a step; what it is refused for must be what the model says."""
        try:
            found, refused = act(), ""
        except Failure as failure:
            found, refused = None, failure.reason
        self.steps.append(f"{what}: {refused or 'done'}")
        assert refused == expected, f"{what} is refused by {refused!r} and should be by {expected!r}"
        return None if refused else found

    # The operator

    def publish(self) -> None:
        count, layout = self.chance.choice(list(self.layouts.items()))
        starts_at = self.clock.now().replace(microsecond=0) + timedelta(hours=self.chance.randint(1, 40))
        stops = range(self.chance.randint(2, 5))
        made = builders.publish(self.store, layout_id=layout.id, stops=stops, starts_at=starts_at)
        self.published[made.id] = made
        leaves_at = [call.departure_at for call in made.calls]
        self.network.departures[made.id] = model.Departure(made.id, seats_of(count), leaves_at, made.ends_at)
        self.steps.append("publish: done")

    def operator(self) -> Turns:
        """Publish, change vehicles and cancel, looking first and acting later."""
        yield
        self.publish()
        for _ in range(self.chance.randint(0, 2)):
            yield
            departure_id = self.chance.choice(list(self.published))
            seen_version = self.network.departures[departure_id].version
            count, layout = self.chance.choice(list(self.layouts.items()))
            vehicle = commit(
                self.store, register_vehicle, caller=ADMIN, operator_id=OPERATOR, label="Boat", layout_id=layout.id
            )
            yield
            self.assign(departure_id, vehicle.id, seats_of(count), seen_version)
        if self.chance.random() < 0.5:
            yield
            self.cancel_departure(self.chance.choice(list(self.published)))

    def assign(self, departure_id: str, vehicle_id: str, seats: list[str], seen_version: int) -> None:
        expected = self.network.refusal_of_vehicle(departure_id, seats, seen_version=seen_version)
        asked = {"caller": ADMIN, "departure_id": departure_id, "vehicle_id": vehicle_id, "version": seen_version}
        assigned = self.did("assign", lambda: commit(self.store, assign_vehicle, **asked), expected)
        if assigned is not None:
            self.published[departure_id] = assigned
            self.network.assign(departure_id, seats)

    def cancel_departure(self, departure_id: str) -> None:
        window = {"route_id": "", "starts_from": None, "starts_before": None, "is_dry_run": False}
        named = {"caller": ADMIN, "operator_id": OPERATOR, "departure_ids": [departure_id]}
        departure = self.network.departures[departure_id]
        expected = "ILLEGAL_STATE" if self.network.is_past(departure) else ""
        hit = self.did("cancel departure", lambda: commit(self.store, cancel_departures, **named, **window), expected)
        if hit is None:
            return
        live = {
            booking.id
            for booking in self.network.bookings.values()
            if any(item.ride[0] == departure_id and item.state in model.LIVE for item in booking.items)
        }
        assert set(hit.booking_ids) == live
        self.network.cancel_departure(departure_id)

    # Those who tidy up, and time

    def keeper(self) -> Turns:
        for _ in range(self.chance.randint(1, 3)):
            yield
            over = [booking for booking in self.network.bookings.values() if booking.is_over(self.network.now)]
            assert self.did("expire holds", lambda: commit(self.store, expire_holds), "") == len(over)
            self.network.end("expired", *over)

    def time(self) -> Turns:
        for _ in range(self.chance.randint(1, 4)):
            yield
            self.clock.advance(self.chance.choice(PAUSES))
            self.network.now = self.clock.now()

    # Riders

    def rider(self) -> Turns:
        """Hold, and then pay, give back or do nothing, with the others in between."""
        for _ in range(self.chance.randint(1, 3)):
            yield
            booking = self.hold()
            if booking is not None:
                yield from self.chance.choice((self.pay, self.pay, self.pay, self.release, self.forget))(booking)

    def hold(self) -> model.Booking | None:
        ids = self.chance.choices(list(self.published), k=self.chance.choice((1, 1, 1, 2)))
        rides = [self.ride(one) for one in ids]
        count = self.chance.choice((1, 1, 2))
        wishes = [[self.wish(one) for _ in range(count)] for one in ids]
        expected = self.network.refusal_of_hold(rides, wishes)
        passengers = [builders.passenger(*(wanted[place] for wanted in wishes)) for place in range(count)]
        quoted = [(self.published[one], origin, destination) for one, origin, destination in rides]
        held = self.did("hold", lambda: builders.hold(self.store, *quoted, passengers=passengers), expected)
        if held is None:
            return None
        leaves = [self.network.departures[one].leaves_at[origin] for one, origin, _ in rides]
        items = [
            model.Item(item.id, rides[item.leg_index], item.seat_id, item.price_minor, item.leg_index)
            for item in held.items
        ]
        for place, item in enumerate(items):
            assert item.seat in self.network.free_seats(item.ride)
            assert wishes[item.leg][place // len(rides)] in ("", item.seat)
        ends_at = min([self.clock.now() + timedelta(seconds=HOLD_SECONDS), *leaves])
        made = model.Booking(held.id, items, ends_at)
        self.network.hold(made)
        return made

    def ride(self, departure_id: str) -> model.Ride:
        calls = range(self.network.departures[departure_id].segments + 1)
        origin, destination = sorted(self.chance.sample(calls, 2))
        return departure_id, origin, destination

    def wish(self, departure_id: str) -> str:
        return self.chance.choice(["", "", *self.network.departures[departure_id].seats])

    def forget(self, _booking: model.Booking) -> Turns:
        yield

    def release(self, booking: model.Booking) -> Turns:
        yield
        expected = self.refusal_of_ending(booking)
        asked = {"caller": RIDER, "booking_id": booking.id, "version": 0}
        if self.did("release", lambda: commit(self.store, release_booking, **asked), expected) is not None:
            self.network.end("released", booking)

    def refusal_of_ending(self, booking: model.Booking) -> str:
        if self.network.seen_state(booking) == "expired":
            return "HOLD_EXPIRED"
        return "" if booking.state == "held" and booking.payment not in model.UNDER_WAY else "ILLEGAL_STATE"

    def pay(self, booking: model.Booking) -> Turns:
        """Begin, let the bank say several things in any order, and perhaps have it all back."""
        yield
        expected = self.refusal_of_ending(booking)
        if not expected and not self.network.runs(booking):
            expected = "DEPARTURE_CANCELLED"
        charge = self.did("begin payment", lambda: builders.begin(self.store, booking.id), expected)
        if charge is None:
            return
        booking.payment, booking.charge = "processing", charge.id
        booking.version += 1
        if self.chance.random() < 0.3:
            yield
            self.did("begin again", lambda: builders.begin(self.store, booking.id), "REQUEST_IN_FLIGHT")
        while booking.charge or self.chance.random() < 0.2:
            yield
            self.learn(booking, charge, self.chance.choice(OUTCOMES))
        if booking.state == "confirmed" and self.chance.random() < 0.6:
            yield from self.cancel(booking)

    def learn(self, booking: model.Booking, charge: Any, outcome: ChargeState) -> None:
        """Let the bank say something, perhaps once more or against what it said."""
        is_open = booking.charge == charge.id
        self.did(
            f"bank says {outcome.value}",
            lambda: builders.finish(self.store, charge, outcome, action_url="https://bank.example"),
            "",
        )
        if not is_open or booking.payment == outcome.value:
            return
        if outcome in (ChargeState.CAPTURED, ChargeState.DECLINED):
            booking.charge = ""
        if outcome is ChargeState.CAPTURED:
            self.network.confirm(booking)
            return
        booking.payment = outcome.value
        booking.version += 1

    def cancel(self, booking: model.Booking) -> Turns:
        """Ask the price of cancelling some items twice, and cancel by both quotes, the second of which is too late."""
        for _ in range(self.chance.choice((1, 1, 2))):
            yield
            confirmed = [item for item in booking.items if item.state == "confirmed"]
            if not confirmed:
                return
            chosen = self.chance.sample(confirmed, self.chance.randint(1, len(confirmed)))
            fees = [self.network.fee(item) for item in chosen]
            expected = self.refusal_of_cancelling(booking, chosen)
            wanted = {"caller": RIDER, "booking_id": booking.id, "item_ids": [item.id for item in chosen]}
            quoted = self.did("quote", partial(ask, self.store, quote_cancellation, **wanted), expected)
            if quoted is None:
                continue
            fee = sum(fee for fee in fees if fee is not None)
            assert (quoted.fee_minor, quoted.refund_minor) == (fee, sum(item.price for item in chosen) - fee)
            yield
            yield from self.cancel_as_quoted(booking, chosen, quoted)

    def refusal_of_cancelling(self, booking: model.Booking, chosen: list[model.Item]) -> str:
        if self.network.seen_state(booking) != "confirmed" or booking.payment in model.UNDER_WAY:
            return "ILLEGAL_STATE"
        return "DEPARTURE_GONE" if None in [self.network.fee(item) for item in chosen] else ""

    def cancel_as_quoted(self, booking: model.Booking, chosen: list[model.Item], quoted: Any) -> Turns:
        expected = self.refusal_of_cancelling(booking, chosen)
        if quoted.booking_version != booking.version and self.network.seen_state(booking) == "confirmed":
            expected = "QUOTE_CHANGED"
        asked = {"caller": RIDER, "booking_id": booking.id, "quote": quoted, "version": 0}
        if self.did("cancel", lambda: commit(self.store, cancel_booking, **asked), expected) is None:
            return
        self.network.cancel(booking, [item.id for item in chosen], fee=quoted.fee_minor, refund=quoted.refund_minor)
        self.did("cancel again", lambda: commit(self.store, cancel_booking, **asked), self.refusal_of_repeat(booking))
        if booking.owed:
            yield
            self.did("pay back", lambda: builders.pay_back(self.store, booking.id), "")
            self.network.pay_back(booking)

    def refusal_of_repeat(self, booking: model.Booking) -> str:
        return "QUOTE_CHANGED" if self.network.seen_state(booking) == "confirmed" else "ILLEGAL_STATE"


def seats_of(count: int) -> list[str]:
    return [str(number + 1) for number in range(count)]
