"""A small network of ferries, who uses it, and how tests bring its database to where they want it."""

import asyncio
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from booking_svc.bootstrap import open_store
from booking_svc.domain.booking import Booking, Contact
from booking_svc.domain.departure import Departure, Mode, Route, Stop
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID, Layout, LayoutSeat
from booking_svc.domain.payment import Charge, ChargeState, Outcome
from booking_svc.domain.quote import FareQuote, QuotedLeg, QuotedPassenger
from booking_svc.encode_event import encode_event
from booking_svc.queries.get_availability import get_availability
from booking_svc.queries.get_booking import get_booking
from booking_svc.queries.quote_cancellation import quote_cancellation
from booking_svc.store.ledger import LEDGER
from booking_svc.store.work import Work
from booking_svc.use_cases.begin_payment import begin_payment
from booking_svc.use_cases.cancel_booking import cancel_booking
from booking_svc.use_cases.create_layout import create_layout
from booking_svc.use_cases.finish_payment import finish_payment
from booking_svc.use_cases.finish_refund import finish_refund
from booking_svc.use_cases.hold_booking import PassengerWish, hold_booking
from booking_svc.use_cases.publish_departure import CallWish, publish_departure
from chassis.access import Caller
from chassis.clock import Clock
from chassis.outbox import Outbox
from chassis.replies import Once
from chassis.store import Store

OPERATOR, OTHER_OPERATOR = "opr_sea", "opr_land"
RIDER = Caller("usr_rider", frozenset({"bookings"}))
OTHER_RIDER = Caller("usr_other", frozenset({"bookings"}))
STAFF_SCOPES = frozenset({"bookings", "bookings:all", "timetable:write", "boarding", "fleet:read"})
STAFF = Caller("usr_staff", STAFF_SCOPES, operator_id=OPERATOR)
FOREIGN_STAFF = Caller("usr_foreign", STAFF_SCOPES, operator_id=OTHER_OPERATOR)
ADMIN = Caller("cli_admin", STAFF_SCOPES, operator_id="*")
ANYBODY = Caller()
CONTACT = Contact("rider@example.com", "")

SERVICE_DATE = date(2030, 1, 10)
STARTS_AT = datetime(2030, 1, 10, 8, tzinfo=UTC)
PRICE_MINOR = 1250
HOLD_SECONDS = 600


def stop(number: int, *, operator_id: str = OPERATOR) -> Stop:
    """Make one of an operator's stops, all on one meridian."""
    return Stop(f"stp_{operator_id}_{number}", f"s{number}", f"Pier {number}", "Europe/Lisbon", 38 + number / 100, -9.1)


def call_at(number: int, place: int, *, starts_at: datetime = STARTS_AT, **changes: Any) -> CallWish:
    """Call at a stop ten minutes after the call before, for one minute."""
    arrival = starts_at + timedelta(minutes=10 * place)
    usual = {
        "stop_id": "",
        "stop": stop(number),
        "arrival_at": arrival,
        "departure_at": arrival + timedelta(minutes=1),
        "is_boarding_allowed": True,
        "is_alighting_allowed": True,
    }
    return CallWish(**(usual | changes))


def calls_at(numbers: Sequence[int], *, starts_at: datetime = STARTS_AT) -> list[CallWish]:
    return [call_at(number, place, starts_at=starts_at) for place, number in enumerate(numbers)]


def departure_wish(**changes: Any) -> dict[str, Any]:
    """Say what to publish: four calls, the default layout."""
    starts_at = changes.pop("starts_at", STARTS_AT)
    operator_id = changes.get("operator_id", OPERATOR)
    usual = {
        "caller": ADMIN,
        "operator_id": operator_id,
        "feed_trip_id": "",
        "route": Route(f"rte_{operator_id}_1", "r1", "F1", "Around the bay", Mode.FERRY),
        "headsign": "Far shore",
        "service_date": starts_at.date(),
        "calls": calls_at(changes.pop("stops", range(4)), starts_at=starts_at),
        "layout_id": DEFAULT_LAYOUT_ID,
    }
    return usual | changes


def plain_seats(count: int, *, in_a_row: int = 4) -> list[LayoutSeat]:
    """Make seats "1" to "count" without features."""
    return [LayoutSeat(str(place + 1), place // in_a_row + 1, place % in_a_row + 1) for place in range(count)]


@contextmanager
def opened(url: str, clock: Clock) -> Iterator[Store[Work]]:
    """Open a migrated store whose writer does not run: calls are made by `commit`, or after `start()`."""
    store = open_store(url, clock)
    try:
        yield store
    finally:
        store.stop()


def commit(store: Store[Work], use_case: Callable[..., Any], **data: Any) -> Any:
    """Run a use case in a transaction of its own, as the writer would."""
    with store.database.writer.begin() as connection:
        return use_case(Work(connection, store.now(), encode=encode_event), **data)


def ask(store: Store[Work], query: Callable[..., Any], **data: Any) -> Any:
    """Run a query on a reader's connection."""
    with store.database.reader.begin() as connection:
        return query(Work(connection, store.now(), encode=encode_event), **data)


def publish(store: Store[Work], *, seats: int | Sequence[LayoutSeat] | None = None, **changes: Any) -> Departure:
    """Put a departure on sale; with `seats` it has a layout of that many, or of these."""
    if seats is not None:
        changes["layout_id"] = layout(store, seats, operator_id=changes.get("operator_id", OPERATOR)).id
    found: Departure = commit(store, publish_departure, **departure_wish(**changes))
    return found


def layout(store: Store[Work], seats: int | Sequence[LayoutSeat], *, operator_id: str = OPERATOR) -> Layout:
    own = plain_seats(seats) if isinstance(seats, int) else seats
    found: Layout = commit(store, create_layout, caller=ADMIN, operator_id=operator_id, name="Boat", seats=own)
    return found


def id_of(booking: Booking | str) -> str:
    return booking if isinstance(booking, str) else booking.id


Ride = tuple[Departure, int, int]
"""A departure and the calls where a rider gets on and off."""


def quote(*rides: Ride, categories: Sequence[str] = ("adult",), price_minor: int = PRICE_MINOR) -> FareQuote:
    """Price rides as pricing does: one price for every passenger and leg."""
    legs = tuple(
        QuotedLeg(
            departure.id,
            departure.pattern.calls[origin].stop.id,
            departure.pattern.calls[destination].stop.id,
            origin,
            destination,
        )
        for departure, origin, destination in rides
    )
    passengers = tuple(QuotedPassenger(category, (price_minor,) * len(legs)) for category in categories)
    return FareQuote("quo_1", "EUR", price_minor * len(legs) * len(passengers), legs, passengers)


def passenger(*seat_ids: str, category: str = "adult", needs: Sequence[str] = ()) -> PassengerWish:
    return PassengerWish("Ada Lovelace", category, seat_ids, frozenset(needs))


def hold_wish(*rides: Ride, **changes: Any) -> dict[str, Any]:
    """Say what to hold: one adult on every ride, in any seat."""
    passengers = changes.pop("passengers", [passenger()])
    usual = {
        "caller": RIDER,
        "quote": quote(*rides, categories=[one.category for one in passengers]),
        "passengers": passengers,
        "contact": CONTACT,
        "is_seated_together": False,
        "hold_seconds": HOLD_SECONDS,
        "holds_max": 0,
    }
    return usual | changes


def hold(store: Store[Work], *rides: Ride, **changes: Any) -> Booking:
    found: Booking = commit(store, hold_booking, **hold_wish(*rides, **changes))
    return found


def begin(store: Store[Work], booking: Booking | str, *, caller: Caller = RIDER, version: int = 0) -> Charge:
    """Open a charge for a hold, as a request whose key no other has."""
    waiting = Once.of(subject=caller.subject, operation="confirm", key=uuid4().hex, body=b"")
    _, charge = commit(store, begin_payment, caller=caller, booking_id=id_of(booking), version=version, waiting=waiting)
    found: Charge = charge
    return found


def finish(store: Store[Work], charge: Charge, state: ChargeState, **outcome: Any) -> Booking:
    """Let the provider say something of a charge."""
    said = Outcome(state, **({"provider_charge_id": f"ch_{charge.id}"} | outcome))
    found: Booking = commit(
        store, finish_payment, charge_id=charge.id, outcome=said, issue_ticket=lambda _b, item, _t: f"code {item.id}"
    )
    return found


def confirm(store: Store[Work], booking: Booking | str, *, caller: Caller = RIDER) -> Booking:
    return finish(store, begin(store, booking, caller=caller), ChargeState.CAPTURED)


def cancel(
    store: Store[Work], booking: Booking | str, item_ids: Sequence[str] = (), *, caller: Caller = RIDER
) -> Booking:
    """Cancel items at the price of this moment."""
    asked = {"caller": caller, "booking_id": id_of(booking)}
    quoted = ask(store, quote_cancellation, item_ids=list(item_ids), **asked)
    found: Booking = commit(store, cancel_booking, quote=quoted, version=0, **asked)
    return found


def pay_back(store: Store[Work], booking: Booking | str) -> None:
    """Record that what is owed for a booking has been paid."""
    for refund in ask(store, lambda work: work.payments.open_refunds(booking_id=id_of(booking), limit=100)):
        commit(store, finish_refund, refund_id=refund.id)


def see(store: Store[Work], booking: Booking | str, *, caller: Caller = RIDER) -> Booking:
    found: Booking = ask(store, get_booking, caller=caller, booking_id=id_of(booking))
    return found


def seats_free(store: Store[Work], departure: Departure, origin: int = 0, destination: int = -1) -> int:
    """Count as anybody may, between two calls."""
    stops = [call.stop.id for call in departure.pattern.calls]
    part = {"origin_stop_id": stops[origin], "destination_stop_id": stops[destination]}
    return int(ask(store, get_availability, departure_id=departure.id, **part).seats_available)


def seats_of(booking: Booking) -> list[str]:
    return [item.seat_id for item in booking.items]


def events(store: Store[Work], stream: str = "") -> list[Any]:
    """Read what waits to be published, in order: all, or a stream's."""
    return [row for row in rows(store, Outbox.table) if stream in ("", row.stream)]


def rows(store: Store[Work], table: sa.Table) -> list[Any]:
    with store.database.reader.begin() as connection:
        return list(connection.execute(sa.select(table).order_by(*table.primary_key)))


async def until(is_so: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait for what must come about; `is_so` may be a coroutine function."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = is_so()
        if await found if inspect.isawaitable(found) else found:
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


def account_balances(work: Work) -> dict[tuple[str, str], int]:
    """Sum up each account in each currency."""
    columns = LEDGER.c
    total = sa.func.sum(columns.amount_minor)
    query = sa.select(columns.account, columns.currency, total).group_by(columns.account, columns.currency)
    return {(row[0], row[1]): int(row[2]) for row in work.connection.execute(query)}
