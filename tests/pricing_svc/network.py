"""A small network to price: a ferry line of four stops, the last a loop, and who works for its operators."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import timestamp_pb2
from headway.types.v1 import timetable_pb2

from chassis.access import Caller
from pricing_svc import translate
from pricing_svc.domain.departure import Departure, Leg, Pattern
from pricing_svc.domain.fare_policy import CategoryFare, FarePolicy, ZoneFare
from pricing_svc.domain.quote import LegRequest, QuoteRequest
from tests.clocks import FixedClock

START = FixedClock().now().replace(microsecond=0) + timedelta(hours=1)
SEA_STAFF = Caller("usr_1", frozenset({"fares:write"}), operator_id="opr_sea")
LAND_STAFF = Caller("usr_2", frozenset({"fares:write"}), operator_id="opr_land")
ADMIN = Caller("cli_1", frozenset({"fares:write"}), operator_id="*")
RIDER = Caller("usr_3", frozenset({"bookings"}))
DRIVER_AND_STAFF = Caller("usr_4", frozenset({"boarding"}), operator_id="opr_sea")

# Stop, zone, metres from the first call.
LINE = (("stp_a", "Z1", 0), ("stp_b", "Z1", 10_000), ("stp_c", "Z2", 25_500), ("stp_d", "", 60_000))


PATTERNS: dict[str, timetable_pb2.Pattern] = {}
"""The patterns of all departures that tests have made, by id."""


def pattern(line: Sequence[tuple[str, str, float]] = LINE, **others: Any) -> timetable_pb2.Pattern:
    """Make the pattern of a line as booking tells it: calls half an hour apart, each reached a minute before."""
    calls = [
        timetable_pb2.PatternCall(
            stop=timetable_pb2.Stop(id=stop, name=f"Stop {stop[-1].upper()}", timezone="Europe/Lisbon", zone_id=zone),
            arrival_seconds=1800 * place - 60,
            departure_seconds=1800 * place,
            distance_meters=meters,
            **({"is_boarding_allowed": True, "is_alighting_allowed": True} | others),
        )
        for place, (stop, zone, meters) in enumerate(line)
    ]
    made = timetable_pb2.Pattern(id=f"pat_{abs(hash((*line, *others.items())))}", calls=calls)
    PATTERNS[made.id] = made
    return made


def message(
    id_: str = "dep_1",
    *,
    operator: str = "opr_sea",
    start: datetime = START,
    line: Sequence[tuple[str, str, float]] = LINE,
    state: str = "SCHEDULED",
    version: int = 1,
) -> timetable_pb2.Departure:
    """Make a departure as booking tells it; its calls are half an hour apart."""
    return timetable_pb2.Departure(
        id=id_,
        operator_id=operator,
        route=timetable_pb2.Route(id="rte_1", short_name="F1", long_name="Ferry", mode=timetable_pb2.MODE_FERRY),
        headsign="Stop D",
        service_date=start.date().isoformat(),
        state=timetable_pb2.DepartureState.Value(f"DEPARTURE_STATE_{state}"),
        capacity=50,
        version=version,
        pattern_id=pattern(line).id,
        starts_at=timestamp_pb2.Timestamp(seconds=int(start.timestamp())),
    )


def departure(id_: str = "dep_1", **others: Any) -> Departure:
    return translate.departure_in(message(id_, **others))


def following(count: int, **others: Any) -> list[Departure]:
    """Make departures dep_0, dep_1 and so on, each of which leaves when the one before it has long arrived."""
    return [departure(f"dep_{number}", start=START + timedelta(hours=3 * number), **others) for number in range(count)]


def alter(made: timetable_pb2.Departure, sequence: int, **changes: Any) -> timetable_pb2.Departure:
    """Give a departure a pattern of its own in which one call is otherwise; None clears a field."""
    own = timetable_pb2.Pattern()
    own.CopyFrom(PATTERNS[made.pattern_id])
    for name, value in changes.items():
        if value is None:
            own.calls[sequence].ClearField(name)
        else:
            setattr(own.calls[sequence], name, value)
    own.id = made.pattern_id = f"{own.id}_{sequence}_{len(PATTERNS)}"
    PATTERNS[own.id] = own
    return made


def leg_of(found: Departure, origin: str, destination: str, *, now: datetime) -> Leg:
    return found.leg(pattern_of(found), origin, destination, now=now)


def pattern_of(found: Departure) -> Pattern:
    return translate.pattern_in(PATTERNS[found.pattern_id])


def leg(id_: str = "dep_1", origin: str = "stp_a", destination: str = "stp_c") -> LegRequest:
    return LegRequest(id_, origin, destination)


def asked(*legs: LegRequest, categories: Sequence[str] = ("adult",)) -> QuoteRequest:
    return QuoteRequest(legs or (leg(),), tuple(categories))


def policy(id_: str = "opr_sea", **others: Any) -> FarePolicy:
    """Make a policy of round figures."""
    return FarePolicy(
        **{
            "id": id_,
            "currency": "EUR",
            "base_minor": 300,
            "per_kilometer_minor": 10,
            "categories": (CategoryFare("adult", 100), CategoryFare("child", 50), CategoryFare("business", 150)),
            "minimum_minor": 0,
            "maximum_minor": 0,
            "rounding_minor": 1,
            "zone_fares": (),
        }
        | others
    )


def zone_fare(origin: str, destination: str, amount_minor: int) -> ZoneFare:
    return ZoneFare(origin, destination, amount_minor)


def instant(timestamp: Any) -> datetime:
    return timestamp.ToDatetime(UTC)
