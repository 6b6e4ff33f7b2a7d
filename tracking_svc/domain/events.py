"""Facts about vehicles that others may rely on."""

from dataclasses import dataclass
from enum import StrEnum


class CallFact(StrEnum):
    ARRIVED = "arrived"
    DEPARTED = "departed"
    # A late point shows that it was not then.
    ARRIVAL_RETRACTED = "arrival_retracted"
    DEPARTURE_RETRACTED = "departure_retracted"


class RideFact(StrEnum):
    SILENT = "silent"
    BACK = "back"
    OFF_ROUTE = "off_route"
    ON_ROUTE = "on_route"


@dataclass(frozen=True, slots=True)
class VehicleAtCall:
    """What a vehicle did at a call, and when, in microseconds since 1970."""

    fact: CallFact
    vehicle_id: str
    operator_id: str
    departure_id: str
    sequence: int
    stop_id: str
    occurred_at: int


@dataclass(frozen=True, slots=True)
class VehicleOnRide:
    """What became of a vehicle on its way, and when, in microseconds since 1970."""

    fact: RideFact
    vehicle_id: str
    operator_id: str
    departure_id: str
    occurred_at: int
