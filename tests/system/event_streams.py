"""What the streams hold, as a plain NATS client reads it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import nats
from headway.booking.v1 import availability_events_pb2, booking_events_pb2
from nats.js.errors import NotFoundError

STREAMS = ("DEPARTURE", "BOOKING", "AVAILABILITY", "FLEET", "FARE")
BOOKING_FACTS: dict[str, Any] = {
    "held": booking_events_pb2.BookingHeld,
    "confirmed": booking_events_pb2.BookingConfirmed,
}


@dataclass(frozen=True)
class Event:
    """One message of a stream."""

    id: str
    fact: str
    # Operator and departure, vehicle or policy.
    about: tuple[str, str]
    payload: bytes


Events = dict[str, dict[tuple[str, str], list[Event]]]
"""Stream -> what it is about -> events in the order of the stream."""


async def read_streams(url: str, streams: Sequence[str] = STREAMS) -> Events:
    """Read streams from their beginning; one that is missing is empty."""
    connection = await nats.connect(url)
    try:
        return {stream: await read_stream(connection.jetstream(), stream) for stream in streams}
    finally:
        await connection.close()


async def read_stream(jetstream: Any, stream: str) -> dict[tuple[str, str], list[Event]]:
    try:
        count = (await jetstream.stream_info(stream)).state.messages
    except NotFoundError:
        count = 0
    found: dict[tuple[str, str], list[Event]] = defaultdict(list)
    if count:
        reading = await jetstream.subscribe("headway.v1.>", stream=stream, ordered_consumer=True)
        for _ in range(count):
            event = event_of(await reading.next_msg(5))
            found[event.about].append(event)
        await reading.unsubscribe()
    return dict(found)


def event_of(message: Any) -> Event:
    *_, fact, operator_id, about_id = message.subject.split(".")
    return Event(message.headers["Nats-Msg-Id"], fact, (operator_id, about_id), message.data)


async def streams_when(url: str, is_so: Callable[[Events], bool], *, seconds: float) -> Events:
    """Read until the streams hold what they should; return what they held last, for the test to look at."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        found = await read_streams(url)
        if is_so(found) or loop.time() > until:
            return found
        await asyncio.sleep(0.2)


def bookings_told(events: list[Event]) -> list[tuple[str, str]]:
    """Read what happened to which booking."""
    return [(event.fact, BOOKING_FACTS[event.fact].FromString(event.payload).booking.booking_id) for event in events]


def versions_told(events: list[Event]) -> list[int]:
    """Read the versions of a departure's seats."""
    return [availability_events_pb2.AvailabilityChanged.FromString(event.payload).version for event in events]
