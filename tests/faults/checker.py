"""Judges what is left after a run. Each rule yields a sentence for everything that should not be so."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from tests.faults.evidence import Evidence, Item, Outcome, Told, Wish

SHOWN_MAX = 5
RIDER = re.compile(r"Rider \d+")
"""What riders are called."""
AFTER = {
    "hold": {"held", "confirmed", "cancelled", "released", "expired"},
    "confirm": {"confirmed", "cancelled"},
    "release": {"released"},
    "cancel": {"cancelled"},
}
"""Acknowledged operation -> the states that a booking may be in afterwards."""
PAID = {"confirmed", "cancelled"}
TOLD_FACTS = {"held", "confirmed", "cancelled", "released", "expired"}
"""Facts of a booking's history that are published; the others are its rider's alone."""

Rule = Callable[[Evidence], Iterator[str]]


def judge(evidence: Evidence) -> list[str]:
    """Return every violation as "rule: sentence", a few for each rule."""
    found = []
    for rule in RULES:
        sentences = list(rule(evidence))
        found += [f"{rule.__name__}: {sentence}" for sentence in sentences[:SHOWN_MAX]]
        if len(sentences) > SHOWN_MAX:
            found.append(f"{rule.__name__}: and {len(sentences) - SHOWN_MAX} more")
    return found


def no_seat_is_sold_twice(evidence: Evidence) -> Iterator[str]:
    """Each seat has one rider on each segment, by the items alone."""
    taken = Counter(
        (item.departure_id, item.seat_index, segment)
        for item in evidence.items
        if item.is_taken
        for segment in item.segments
    )
    for (departure_id, seat, segment), times in taken.items():
        if times > 1:
            yield f"seat {seat} of {departure_id} is sold {times} times on segment {segment}"


def masks_and_counts_are_the_items(evidence: Evidence) -> Iterator[str]:
    """What is quick to read says the same as what was sold."""
    masks: dict[str, dict[int, int]] = defaultdict(dict)
    taken: dict[str, Counter[int]] = defaultdict(Counter)
    for item in filter(lambda one: one.is_taken, evidence.items):
        seats = masks[item.departure_id]
        seats[item.seat_index] = seats.get(item.seat_index, 0) | sum(1 << segment for segment in item.segments)
        taken[item.departure_id].update(item.segments)
    for departure_id in masks.keys() | evidence.masks.keys():
        stored = {seat: mask for seat, mask in evidence.masks.get(departure_id, {}).items() if mask}
        if stored != masks.get(departure_id, {}):
            yield f"the masks of {departure_id} are not its items"
    for departure_id in taken.keys() | evidence.counts.keys():
        counts, _ = evidence.counts.get(departure_id, ((), 0))
        if any(counts[segment] != taken[departure_id][segment] for segment in range(len(counts))) or (
            taken[departure_id] and len(counts) <= max(taken[departure_id])
        ):
            yield f"the counts of {departure_id} are {list(counts)} and not its items"


def nothing_acknowledged_is_lost(evidence: Evidence) -> Iterator[str]:
    """What a rider was told is so: the booking is there, with its seats and price, in a state that follows."""
    items = by_booking(evidence.items)
    for asked in evidence.log:
        if asked.outcome is not Outcome.OK or asked.operation not in AFTER:
            continue
        row = evidence.bookings.get(asked.booking_id or "")
        if row is None:
            yield f"{asked.booking_id} was acknowledged by {asked.operation} and is not there"
            continue
        if row.state not in AFTER[asked.operation]:
            yield f"{row.id} is {row.state} after an acknowledged {asked.operation}"
        if asked.operation == "hold" and told_items(asked.reply) != kept_items(items[row.id]):
            yield f"{row.id} has other seats or prices than its rider was told"
        if asked.wish is not None and asked.wish not in wishes_of(items[row.id]):
            yield f"{row.id} is another ride or costs something else than its rider's quote said"


def wishes_of(items: Sequence[Item]) -> set[Wish]:
    """Read what a booking's items are; more than one when they differ."""
    price = sum(item.price_minor for item in items)
    found = {Wish(item.departure_id, item.origin, item.destination, price) for item in items}
    return found if len(found) == 1 else set()


def what_was_told_can_be_read(evidence: Evidence) -> Iterator[str]:
    """Whoever reads right after an answer reads what was answered, or what came later."""
    for asked in evidence.log:
        if asked.read and asked.read.get("version", 0) < asked.reply.get("version", 0):
            yield f"{asked.booking_id} was read after {asked.operation} as {dict(asked.read)}"


def nobody_reads_about_others(evidence: Evidence) -> Iterator[str]:
    """No answer has another rider's name in it."""
    for asked in evidence.log:
        if strangers := set(RIDER.findall(json.dumps([asked.reply, asked.read], default=dict))) - {asked.rider}:
            yield f"{asked.rider} asked to {asked.operation} and read about {sorted(strangers)}"


def told_items(reply: object) -> list[tuple[str, int]]:
    assert isinstance(reply, dict)
    return sorted((item["seat_id"], item["price"]["amount_minor"]) for item in reply["items"])


def kept_items(items: Iterable[Item]) -> list[tuple[str, int]]:
    return sorted((item.seat_id, item.price_minor) for item in items)


def nothing_is_there_that_nobody_asked_for(evidence: Evidence) -> Iterator[str]:
    """Bookings beyond those acknowledged are at most the requests that nobody knows the end of."""
    holds = [asked for asked in evidence.log if asked.operation == "hold"]
    acknowledged = {asked.booking_id for asked in holds if asked.outcome is Outcome.OK}
    unknown = sum(asked.outcome is Outcome.UNKNOWN for asked in holds)
    beyond = evidence.bookings.keys() - acknowledged
    if len(beyond) > unknown:
        yield f"{len(beyond)} bookings were never acknowledged, and only {unknown} holds have no answer"
    times = Counter(asked.booking_id for asked in holds if asked.outcome is Outcome.OK)
    for booking_id, count in times.items():
        if count > 1:
            yield f"{booking_id} answered {count} different holds"


def no_answer_tells_of_a_bug(evidence: Evidence) -> Iterator[str]:
    """Whatever is dead, cut or full is told as unavailable; an internal error is ours."""
    yield from evidence.broken


def a_key_has_one_answer(evidence: Evidence) -> Iterator[str]:
    for asked in evidence.log:
        if asked.differed:
            yield f"{asked.operation} of {asked.booking_id}: {asked.differed}"


def every_fact_is_told_once_and_in_order(evidence: Evidence) -> Iterator[str]:
    """The outbox has one event for each fact of a booking's history, in that order."""
    departures = {
        booking_id: {item.departure_id for item in items} for booking_id, items in by_booking(evidence.items).items()
    }
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for booking_id, fact in evidence.history:
        for departure_id in departures.get(booking_id, ()):
            wanted[booking_id, departure_id] += [fact] if fact in TOLD_FACTS else []
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in evidence.outboxes.get("booking", []):
        if event.stream == "BOOKING":
            found[event.booking_id, event.entity].append(event.fact)
    for one in wanted.keys() | found.keys():
        if wanted[one] != found[one]:
            yield f"{one} has the history {wanted[one]} and told {found[one]}"


def the_newest_seats_are_told(evidence: Evidence) -> Iterator[str]:
    """Changes committed together are told by one availability event, so versions rise but may leap."""
    versions: dict[str, list[int]] = defaultdict(list)
    for event in evidence.outboxes.get("booking", []):
        if event.stream == "AVAILABILITY":
            versions[event.entity].append(event.version)
    for departure_id, (_, version) in evidence.counts.items():
        told = versions[departure_id]
        if told != sorted(set(told)) or (told or [0])[-1] != version:
            yield f"{departure_id} told versions {shown(told)} of its seats, which do not rise to {version}"


def shown(numbers: list[int]) -> str:
    return f"{numbers[:3]}...{numbers[-3:]} ({len(numbers)})"


def every_event_arrives_once_and_in_order(evidence: Evidence) -> Iterator[str]:
    """Streams hold what outboxes say, each once, and in one order for each departure, vehicle or policy."""
    written = [event for events in evidence.outboxes.values() for event in events]
    for stream in evidence.streams.keys() | {event.stream for event in written}:
        sent = [event for event in written if event.stream == stream]
        come = evidence.streams.get(stream, [])
        times = Counter(event.id for event in come)
        if lost := {event.id for event in sent} - times.keys():
            yield f"{len(lost)} of {len(sent)} events are not in {stream}"
        if phantoms := times.keys() - {event.id for event in sent}:
            yield f"{len(phantoms)} events of {stream} were never written"
        if twice := [event_id for event_id, count in times.items() if count > 1]:
            yield f"{len(twice)} events are in {stream} more than once"
        place = {event.id: at for at, event in enumerate(sent)}
        for entity, events in by_entity(come).items():
            places = [place[event.id] for event in events if event.id in place]
            if any(first > second for first, second in pairwise(places)):
                yield f"events of {entity} are in {stream} in another order than they happened"


def by_entity(events: Iterable[Told]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = defaultdict(list)
    for event in events:
        found[event.entity].append(event)
    return found


def each_booking_is_paid_for_once(evidence: Evidence) -> Iterator[str]:
    """One charge of the price for what was confirmed, none for the rest; at most one refund, never beyond it."""
    charged, refunded = amounts(evidence.charged), amounts(evidence.refunded)
    prices = {one: sum(item.price_minor for item in items) for one, items in by_booking(evidence.items).items()}
    for booking_id in charged.keys() | refunded.keys() | evidence.bookings.keys():
        row, price = evidence.bookings.get(booking_id), prices.get(booking_id, 0)
        taken, given = charged.get(booking_id, []), refunded.get(booking_id, [])
        if len(taken) > 1:
            yield f"{booking_id} was charged {len(taken)} times"
        if len(given) > 1:
            yield f"{booking_id} was refunded {len(given)} times"
        if sum(given) > sum(taken):
            yield f"{booking_id} got back {sum(given)} of {sum(taken)}"
        if row is None:
            yield f"{booking_id} was charged and is no booking"
        elif row.state in PAID and price and taken != [price]:
            yield f"{booking_id} is {row.state} at {price} and was charged {taken}"
        elif row.state not in PAID and sum(taken) != sum(given):
            yield f"{booking_id} is {row.state} and was charged {taken}, of which {given} came back"


def refunds_are_as_promised(evidence: Evidence) -> Iterator[str]:
    """Who was told that it is cancelled has got what the quote promised, all of it and no more."""
    refunded = amounts(evidence.refunded)
    for asked in evidence.log:
        if asked.operation == "cancel" and asked.outcome is Outcome.OK and asked.promised_minor is not None:
            given = sum(refunded.get(asked.booking_id or "", []))
            if given != asked.promised_minor:
                yield f"{asked.booking_id} was promised {asked.promised_minor} back and got {given}"


def amounts(entries: Iterable[object]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        found[entry.booking_id].append(entry.amount_minor)  # type: ignore[attr-defined]
    return found


def money_adds_up(evidence: Evidence) -> Iterator[str]:
    """The ledger sums to zero and agrees with the provider's."""
    if total := sum(evidence.balances.values()):
        yield f"the ledger sums to {total}"
    ours = evidence.balances.get("provider", 0)
    theirs = sum(one.amount_minor for one in evidence.charged) - sum(one.amount_minor for one in evidence.refunded)
    if ours != theirs:
        yield f"the provider owes us {ours} by our ledger and {theirs} by its own"


def everything_is_finished(evidence: Evidence) -> Iterator[str]:
    """Nothing is left half done once all parts have been well for a while."""
    for name, count in evidence.unfinished.items():
        if count:
            yield f"{count} {name}"


def followers_have_caught_up(evidence: Evidence) -> Iterator[str]:
    """Who keeps a copy of the seats has the newest, and it says the same."""
    for service, copies in evidence.followers.items():
        for departure_id, (taken, version) in evidence.counts.items():
            copied, copied_version = copies.get(departure_id, ((), 0))
            if copied_version != version:
                yield f"{service} has version {copied_version} of {departure_id}, which is at {version}"
            elif version and list(copied) != list(taken):
                yield f"{service} has {list(copied)} seats of {departure_id} taken, and {list(taken)} are"


def no_position_is_lost_or_doubled(evidence: Evidence) -> Iterator[str]:
    """What was acknowledged to a device is kept, once."""
    for device in evidence.points:
        kept = {number for first, last in device.settled for number in range(first, last + 1)}
        if missing := set(range(1, device.acknowledged + 1)) - kept:
            yield f"{len(missing)} acknowledged points of {device.vehicle_id} are not settled"
        times = Counter(device.stored)
        if doubled := [at for at, count in times.items() if count > 1]:
            yield f"{len(doubled)} points of {device.vehicle_id} are stored twice"
        if len(times) < len(kept):
            yield f"{len(kept)} points of {device.vehicle_id} are settled and {len(times)} are stored"


def no_vehicle_goes_back(evidence: Evidence) -> Iterator[str]:
    """Where a vehicle is said to be is never older than what was said before."""
    for device in evidence.points:
        for before, after in pairwise(device.shown):
            if after < before:
                yield f"{device.vehicle_id} was shown as of {before} and then as of {after}"


def by_booking(items: Iterable[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[item.booking_id].append(item)
    return found


RULES: tuple[Rule, ...] = (
    no_seat_is_sold_twice,
    masks_and_counts_are_the_items,
    nothing_acknowledged_is_lost,
    nothing_is_there_that_nobody_asked_for,
    what_was_told_can_be_read,
    nobody_reads_about_others,
    no_answer_tells_of_a_bug,
    a_key_has_one_answer,
    every_fact_is_told_once_and_in_order,
    the_newest_seats_are_told,
    every_event_arrives_once_and_in_order,
    each_booking_is_paid_for_once,
    refunds_are_as_promised,
    money_adds_up,
    everything_is_finished,
    followers_have_caught_up,
    no_position_is_lost_or_doubled,
    no_vehicle_goes_back,
)
