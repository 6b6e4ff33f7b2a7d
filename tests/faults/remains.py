"""Reads what a run has left in databases, streams and the provider's ledger."""

import asyncio
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import httpx2
import psycopg
from headway.booking.v1 import availability_events_pb2, booking_events_pb2

from tests.faults.evidence import Charge, Evidence, Item, Points, Row, Told
from tests.faults.riders import Market
from tests.faults.staff import Device
from tests.system.event_streams import read_streams
from tests.system.provider_ledger import address_of_provider
from tests.system.running_stack import Stack
from tracking_svc.store.frames import unpack

STREAMS = ("DEPARTURE", "BOOKING", "AVAILABILITY", "FLEET", "FARE", "FEED", "VEHICLE")
SERVICES = ("booking", "pricing", "tracking")
WORD_BITS = 62
UNFINISHED = {
    "live holds": "SELECT count(*) FROM bookings WHERE state = 'held'",
    "open charges": "SELECT count(*) FROM charges WHERE state IN ('processing', 'action_required', 'unknown')",
    "open refunds": "SELECT count(*) FROM refunds WHERE NOT is_done",
    "payments under way": "SELECT count(*) FROM bookings WHERE payment_state IN ('processing', 'unknown')",
    "replies never given": "SELECT count(*) FROM replies WHERE reply IS NULL",
    "feeds being imported": "SELECT count(*) FROM feeds WHERE state = 'importing'",
}
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"


class Databases:
    """The databases of a stack, read from outside."""

    def __init__(self, stack: Stack, template: str = "") -> None:
        self._stack, self._template = stack, template

    def rows(self, service: str, query: str) -> list[dict[str, Any]]:
        """Read what one service has written, as it is committed now."""
        connection: Any
        if self._template:
            connection = psycopg.connect(self._template.replace("{service}", service), connect_timeout=5)
        else:
            connection = sqlite3.connect(f"file:{self._stack.folder}/{service}.sqlite?mode=ro", uri=True)
        with closing(connection):
            found = connection.execute(query)
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def number(self, service: str, query: str) -> int:
        return int(next(iter(self.rows(service, query)[0].values())))

    def unfinished(self) -> dict[str, int]:
        """Count what should come to an end by itself."""
        found = {name: self.number("booking", query) for name, query in UNFINISHED.items()}
        waiting = {f"events of {service} waiting": self.number(service, UNPUBLISHED) for service in SERVICES}
        return found | waiting


async def read_evidence(stack: Stack, databases: Databases, market: Market, device: Device) -> Evidence:
    """Read everything that the checker judges by."""
    rows = databases.rows
    ledger = httpx2.get(f"{address_of_provider(stack)}/v1/ledger", timeout=10, trust_env=False).json()
    return Evidence(
        log=market.log,
        broken=market.broken,
        bookings={row["id"]: Row(**row) for row in rows("booking", BOOKINGS)},
        items=[Item(**row) for row in rows("booking", ITEMS)],
        history=[(row["booking_id"], row["fact"]) for row in rows("booking", HISTORY)],
        masks=masks_of(rows("booking", "SELECT departure_id, seat_index, word, taken FROM seat_masks")),
        counts={
            row["departure_id"]: (json.loads(row["taken"]), row["version"])
            for row in rows("booking", "SELECT departure_id, taken, version FROM occupancies")
        },
        outboxes={service: list(map(told, rows(service, OUTBOX))) for service in SERVICES},
        streams=await streams_of(stack),
        charged=[
            Charge(charge["reference"], charge["amount_minor"])
            for charge in ledger["charges"]
            if charge["status"] == "captured"
        ],
        refunded=list(refunds_of(ledger)),
        balances={row["account"]: int(row["total"]) for row in rows("booking", BALANCES)},
        # Asked from a thread: what is asked may be behind a link, which runs in this one.
        unfinished=databases.unfinished() | {"parts that are not ready": await asyncio.to_thread(parts_down, stack)},
        followers={
            service: {row["departure_id"]: (taken_of(row), row["version"]) for row in rows(service, FOLLOWED)}
            for service in ("pricing", "tracking")
        },
        points=[points_of(databases, device)],
    )  # fmt: skip


BOOKINGS = "SELECT id, state, payment_state, version FROM bookings"
ITEMS = (
    "SELECT booking_id, departure_id, seat_index, seat_id, origin_sequence AS origin,"
    " destination_sequence AS destination, state, price_minor FROM items"
)
HISTORY = "SELECT booking_id, fact FROM booking_history ORDER BY booking_id, version"
OUTBOX = "SELECT id, stream, subject, payload FROM outbox ORDER BY position"
BALANCES = "SELECT account, sum(amount_minor) AS total FROM ledger_entries GROUP BY account"
FOLLOWED = "SELECT departure_id, version, capacity, seats_free FROM availabilities"


def parts_down(stack: Stack) -> int:
    """Count the parts that the gateway says are not ready, itself included."""
    try:
        reply = httpx2.get(f"{stack.url}/readyz", timeout=10, trust_env=False)
    except httpx2.TransportError:
        return 1
    return 0 if reply.status_code == 200 else len(reply.json()["facts"]["down"])


def taken_of(row: dict[str, Any]) -> list[int]:
    return [row["capacity"] - free for free in json.loads(row["seats_free"])]


def masks_of(rows: Iterable[dict[str, Any]]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        found[row["departure_id"]][row["seat_index"]] |= row["taken"] << row["word"] * WORD_BITS
    return {departure_id: dict(seats) for departure_id, seats in found.items()}


def told(row: dict[str, Any]) -> Told:
    """Read an event for what tells whom and which change it is about."""
    booking_id, version = "", 0
    if row["stream"] == "BOOKING":
        # All of them have the same one field.
        booking_id = booking_events_pb2.BookingHeld.FromString(bytes(row["payload"])).booking.booking_id
    elif row["stream"] == "AVAILABILITY":
        version = availability_events_pb2.AvailabilityChanged.FromString(bytes(row["payload"])).version
    return Told(row["id"], row["stream"], row["subject"], booking_id, version)


async def streams_of(stack: Stack) -> dict[str, list[Told]]:
    """Read the durable streams, keeping each entity's order."""
    found = await read_streams(stack.ready["nats_url"], STREAMS)
    return {
        stream: [
            Told(event.id, stream, f"headway.v1.{stream.lower()}.{event.fact}.{about[0]}.{about[1]}")
            for about, events in by_entity.items()
            for event in events
        ]
        for stream, by_entity in found.items()
    }


def refunds_of(ledger: dict[str, Any]) -> Iterable[Charge]:
    booking_of = {charge["id"]: charge["reference"] for charge in ledger["charges"]}
    for refund in ledger["refunds"]:
        yield Charge(booking_of[refund["charge_id"]], refund["amount_minor"])


def points_of(databases: Databases, device: Device) -> Points:
    """Read what tracking keeps of one device."""
    of_it = f"WHERE vehicle_id = '{device.vehicle_id}'"
    sessions = databases.rows("tracking", f"SELECT settled FROM sessions {of_it}")
    frames = databases.rows("tracking", f"SELECT points FROM frames {of_it}")
    settled = [(first, last) for row in sessions for first, last in json.loads(row["settled"])]
    stored = [at for row in frames for at in unpack(bytes(row["points"])).recorded]
    return Points(device.vehicle_id, device.acknowledged, settled, stored, device.shown)


def states(evidence: Evidence) -> Counter[str]:
    """Count bookings by what has become of them."""
    return Counter(row.state for row in evidence.bookings.values())
