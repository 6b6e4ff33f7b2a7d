"""A small network to price: a ferry line of four stops, the last a loop, and who works for its operators."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from headway.types.v1 import timetable_pb2

from chassis.access import Caller
from pricing_svc import translate
from pricing_svc.domain.departure import Departure
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


def call(sequence: int, stop: str, zone: str, meters: float, *, at: datetime, **others: Any) -> timetable_pb2.Call:
    """Make a call that is left a minute after it is reached."""
    made = timetable_pb2.Call(
        sequence=sequence,
        stop=timetable_pb2.Stop(id=stop, name=f"Stop {stop[-1].upper()}", timezone="Europe/Lisbon", zone_id=zone),
        distance_meters=meters,
        **({"is_boarding_allowed": True, "is_alighting_allowed": True} | others),
    )
    made.scheduled_arrival_at.FromDatetime(at)
    made.scheduled_departure_at.FromDatetime(at + timedelta(minutes=1))
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
        calls=[call(place, *stop, at=start + timedelta(minutes=30 * place - 1)) for place, stop in enumerate(line)],
        capacity=50,
        version=version,
    )


def departure(id_: str = "dep_1", **others: Any) -> Departure:
    return translate.departure_in(message(id_, **others))


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
