"""No call holds the writer for 50 ms: the heaviest that the limits allow, through the writer itself."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from booking_svc import translate
from booking_svc.domain.booking import Booking
from booking_svc.domain.payment import ChargeState, Outcome
from booking_svc.queries.quote_cancellation import quote_cancellation
from booking_svc.servicers.tokens import Tokens
from booking_svc.store.work import Work
from booking_svc.use_cases.begin_payment import begin_payment
from booking_svc.use_cases.cancel_booking import cancel_booking
from booking_svc.use_cases.cancel_departures import CALLS_MAX as CALLS_CANCELLED_MAX
from booking_svc.use_cases.cancel_departures import DEPARTURES_MAX, cancel_departures
from booking_svc.use_cases.expire_holds import HOLDS_A_STEP, expire_holds
from booking_svc.use_cases.finish_payment import finish_payment
from booking_svc.use_cases.hold_booking import hold_booking
from booking_svc.use_cases.publish_departure import CALLS_MAX, publish_departure
from booking_svc.use_cases.release_booking import release_booking
from booking_svc.use_cases.tidy import ROWS_A_STEP, tidy
from chassis.keys import Verifier, open_signer
from chassis.replies import Once
from chassis.store import Store
from tests.booking_svc.builders import (
    HOLD_SECONDS,
    OPERATOR,
    RIDER,
    STAFF,
    STARTS_AT,
    ask,
    calls_at,
    commit,
    departure_wish,
    hold,
    hold_wish,
    passenger,
    publish,
)
from tests.booking_svc.test_loops import keep_replies
from tests.clocks import FixedClock

LIMIT_SECONDS = 0.05
ATTEMPTS = 5
FIFTY = [passenger() for _ in range(50)]


class Stopwatch:
    """Runs use cases through the writer and notes the best time of each: this machine has other things to do, too."""

    def __init__(self, store: Store[Work], clock: FixedClock, tokens: Tokens) -> None:
        self.store, self.clock, self.tokens = store, clock, tokens
        self.seconds: dict[str, float] = {}

    async def write(self, name: str, use_case: Callable[..., Any], **data: Any) -> Any:
        self.store.metrics.longest_seconds = 0.0
        found = await self.store.write(use_case, **data)
        self.seconds[name] = min(self.seconds.get(name, 1.0), self.store.metrics.longest_seconds)
        return found

    async def hold(self, name: str, *rides: Any, **wish: Any) -> str:
        """Hold as a servicer does, with the reply kept; return the booking's id."""
        wanted = hold_wish(*rides, passengers=FIFTY, **wish)
        message = await self.write(name, hold_booking, once=key(), answer=self.answer, **wanted)
        return str(message.id)

    def answer(self, booking: Booking) -> Any:
        return translate.booking_out(booking, now=self.clock.now())


def key() -> Once:
    return Once.of(subject="usr_1", operation="x", key=uuid4().hex, body=b"")


@pytest.fixture
def stopwatch(store: Store[Work], tmp_path: Path, clock: FixedClock) -> Stopwatch:
    keys_dir = tmp_path / "keys"
    store.start()
    return Stopwatch(store, clock, Tokens(open_signer("booking", keys_dir), Verifier(keys_dir / "trusted"), clock))


async def life_of_a_hundred_items(watch: Stopwatch) -> None:
    """Hold 50 seats on two legs, pay and cancel them all; hold as many and release them."""
    ships = [publish(watch.store, seats=2000, calls=calls_at(range(150))) for _ in range(2)]
    rides = [(ship, 0, 149) for ship in ships]
    held = await watch.hold("hold 50 on 2 legs", *rides)
    asked = {"caller": RIDER, "booking_id": held, "version": 0}
    _, charge = await watch.write("begin payment", begin_payment, waiting=key(), **asked)
    captured = Outcome(ChargeState.CAPTURED, "ch_1")
    paid = {"charge_id": charge.id, "outcome": captured, "issue_ticket": watch.tokens.issue_ticket}
    await watch.write("confirm 100 items", finish_payment, answer=watch.answer, **paid)
    quoted = ask(watch.store, quote_cancellation, caller=RIDER, booking_id=held, item_ids=[])
    await watch.write("cancel 100 items", cancel_booking, answer=watch.answer, quote=quoted, **asked)
    asked["booking_id"] = await watch.hold("hold 50 together on 2 legs", *rides, is_seated_together=True)
    await watch.write("release 100 items", release_booking, answer=watch.answer, **asked)


async def holds_that_are_over(watch: Stopwatch) -> None:
    """Take the seats of many holds at once, and expire small ones and a large one."""
    coach, ship = publish(watch.store), publish(watch.store, seats=2000, calls=calls_at(range(150)))
    for _ in range(50):
        hold(watch.store, (coach, 0, 3))
    watch.clock.advance(HOLD_SECONDS)
    await watch.hold("hold 50 in the way of 50 holds", (coach, 0, 3))
    watch.clock.advance(HOLD_SECONDS)
    while await watch.write("expire the rest", expire_holds):
        pass
    for _ in range(HOLDS_A_STEP):
        hold(watch.store, (ship, 0, 149), passengers=FIFTY[:2])
    watch.clock.advance(HOLD_SECONDS)
    await watch.write("expire small holds", expire_holds)
    while await watch.write("expire the rest", expire_holds):
        pass
    hold(watch.store, (ship, 0, 149), (coach, 0, 3), passengers=FIFTY)
    watch.clock.advance(HOLD_SECONDS)
    await watch.write("expire 100 items", expire_holds)


async def a_timetable(watch: Stopwatch) -> None:
    """Publish the longest departure with stops that nobody knew, and cancel as many departures as may be."""
    stops = range(*(len(watch.seconds) * 1000 + end for end in (0, CALLS_MAX)))
    wish = departure_wish(calls=calls_at(stops))
    await watch.write("publish 300 calls", publish_departure, once=key(), answer=translate.departure_out, **wish)
    calls = CALLS_CANCELLED_MAX // DEPARTURES_MAX
    departures = [
        publish(watch.store, calls=calls_at(range(calls), starts_at=STARTS_AT + timedelta(minutes=number)))
        for number in range(DEPARTURES_MAX)
    ]
    named = {"operator_id": OPERATOR, "departure_ids": [departure.id for departure in departures], "route_id": ""}
    window = {"starts_from": None, "starts_before": None, "is_dry_run": False}
    await watch.write("cancel 100 departures", cancel_departures, caller=STAFF, **named, **window)


async def much_to_forget(watch: Stopwatch) -> None:
    commit(watch.store, keep_replies, keys=[uuid4().hex for _ in range(ROWS_A_STEP)])
    watch.clock.advance(3 * 86_400)
    await watch.write("forget 500 replies", tidy)


@pytest.mark.parametrize(
    "work", [life_of_a_hundred_items, holds_that_are_over, a_timetable, much_to_forget], ids=lambda work: work.__name__
)
async def test_no_call_holds_the_writer_for_long(stopwatch: Stopwatch, work: Callable[..., Any]) -> None:
    for _ in range(ATTEMPTS):
        await work(stopwatch)
        if max(stopwatch.seconds.values()) < LIMIT_SECONDS:
            break
    too_long = {name: seconds for name, seconds in stopwatch.seconds.items() if seconds >= LIMIT_SECONDS}
    assert too_long == {}
