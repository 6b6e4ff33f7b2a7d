"""What is left after a run: what riders were told, and what databases, streams and the payment provider hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What a caller knows of a request: it was done, it was refused, or nobody told."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Wish:
    """What a rider held by a quote: which seats of the ride, and what it costs in all."""

    departure_id: str
    origin: int
    destination: int
    price_minor: int


@dataclass(frozen=True)
class Asked:
    """One request with one key, as its rider remembers it."""

    operation: str
    outcome: Outcome
    # None when it was asked for and nobody answered.
    booking_id: str | None
    reply: Mapping[str, Any] = field(default_factory=dict)
    status: int = 0
    # The answer to the same key was another one the second time.
    differed: str = ""
    # The name of who asked; nobody else has it.
    rider: str = ""
    # What was read of the booking right after the answer; empty when nobody looked.
    read: Mapping[str, Any] = field(default_factory=dict)
    # What a hold is for, and what a cancellation was promised to give back.
    wish: Wish | None = None
    promised_minor: int | None = None


@dataclass(frozen=True)
class Row:
    """A booking as the database has it."""

    id: str
    state: str
    payment_state: str
    version: int


@dataclass(frozen=True)
class Item:
    """A seat on a ride, as the database has it."""

    booking_id: str
    departure_id: str
    seat_index: int
    seat_id: str
    origin: int
    destination: int
    state: str
    price_minor: int

    @property
    def segments(self) -> range:
        return range(self.origin, self.destination)

    @property
    def is_taken(self) -> bool:
        return self.state in ("held", "confirmed")


@dataclass(frozen=True)
class Told:
    """An event, in an outbox or in a stream."""

    id: str
    stream: str
    # headway.v1.AREA.FACT.OPERATOR.ENTITY
    subject: str
    booking_id: str = ""
    version: int = 0

    @property
    def fact(self) -> str:
        return self.subject.split(".")[3]

    @property
    def entity(self) -> str:
        return self.subject.rpartition(".")[2]


@dataclass(frozen=True)
class Charge:
    """Money that the provider has taken or given back."""

    booking_id: str
    amount_minor: int


@dataclass(frozen=True)
class Points:
    """What tracking keeps of one device, and what it had acknowledged."""

    vehicle_id: str
    acknowledged: int
    settled: Sequence[tuple[int, int]]
    stored: Sequence[int]
    # When the vehicle was where the public was told that it is, one reading after the other.
    shown: Sequence[str] = ()


@dataclass
class Evidence:
    """Everything that the checker judges by."""

    log: list[Asked] = field(default_factory=list)
    # Answers that tell of a bug.
    broken: list[str] = field(default_factory=list)
    bookings: dict[str, Row] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    # Booking, fact.
    history: list[tuple[str, str]] = field(default_factory=list)
    # Departure -> seat -> mask of taken segments; departure -> taken seats of each segment and the version of that.
    masks: dict[str, dict[int, int]] = field(default_factory=dict)
    counts: dict[str, tuple[Sequence[int], int]] = field(default_factory=dict)
    # By the service that tells, in order; by stream, in order.
    outboxes: dict[str, list[Told]] = field(default_factory=dict)
    streams: dict[str, list[Told]] = field(default_factory=dict)
    charged: list[Charge] = field(default_factory=list)
    refunded: list[Charge] = field(default_factory=list)
    balances: dict[str, int] = field(default_factory=dict)
    # What should be finished by now and is not: name -> how many.
    unfinished: dict[str, int] = field(default_factory=dict)
    # Service -> departure -> taken seats of each segment and the version of that, as it has followed.
    followers: dict[str, dict[str, tuple[Sequence[int], int]]] = field(default_factory=dict)
    points: list[Points] = field(default_factory=list)
