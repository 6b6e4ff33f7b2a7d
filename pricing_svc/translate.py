"""Between the contract's messages and the domain; nothing else of this service knows both."""

from datetime import UTC, datetime
from math import isfinite
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from headway.booking.v1 import availability_events_pb2, departure_events_pb2, feed_events_pb2
from headway.pricing.v1 import fare_events_pb2, fares_pb2, pricing_service_pb2
from headway.types.v1 import money_pb2, timetable_pb2

from chassis.access import Caller
from chassis.bus import ROOT, Stream, subject_token
from chassis.errors import Failure, InvalidInput
from chassis.outbox import Envelope
from pricing_svc.domain.departure import (
    Availability,
    Call,
    Departure,
    DepartureState,
    Leg,
    Pattern,
    PatternCall,
    Route,
)
from pricing_svc.domain.events import FarePolicyPublished
from pricing_svc.domain.fare_policy import CategoryFare, FarePolicy, ZoneFare, policy_of_feed
from pricing_svc.domain.quote import LegRequest, Quote, QuoteRequest

STREAMS = (Stream("FARE", (f"{ROOT}.fare.>",)),)
"""The streams that this service owns."""

METERS_MAX = 100_000_000
MODES: dict[int, str] = {number: name.removeprefix("MODE_").lower() for name, number in timetable_pb2.Mode.items()}
MODE_NUMBERS: dict[str, Any] = {name: number for number, name in MODES.items()}
STATE_NUMBERS: dict[DepartureState, Any] = {
    state: timetable_pb2.DepartureState.Value(f"DEPARTURE_STATE_{state.upper()}") for state in DepartureState
}
STATES: dict[int, DepartureState] = {number: state for state, number in STATE_NUMBERS.items()}
DEPARTURE_EVENTS: dict[str, Any] = {
    message.DESCRIPTOR.full_name: message
    for message in (
        departure_events_pb2.DeparturePublished,
        departure_events_pb2.DepartureChanged,
        departure_events_pb2.DepartureCancelled,
        departure_events_pb2.VehicleAssigned,
    )
}
"""The facts of stream DEPARTURE that carry a departure, by the type that their header names."""


class MalformedPattern(InvalidInput):
    detail = "This pattern lacks calls or has impossible distances."


# Quotes


def quote_request_in(request: pricing_service_pb2.QuoteFareRequest) -> QuoteRequest:
    legs = [LegRequest(leg.departure_id, leg.origin_stop_id, leg.destination_stop_id) for leg in request.legs]
    return QuoteRequest(tuple(legs), tuple(request.passenger_categories))


def price_out(quote: Quote) -> fares_pb2.Quote:
    """Write what a list shows: explaining it would cost more than pricing it."""
    return fares_pb2.Quote(total=money_pb2.Money(amount_minor=quote.total_minor, currency=quote.currency))


def quote_out(quote: Quote, token: str) -> fares_pb2.Quote:
    return fares_pb2.Quote(
        id=quote.id,
        token=token,
        expires_at=timestamp(quote.expires_at),
        legs=[leg_out(leg) for leg in quote.legs],
        total=money_pb2.Money(amount_minor=quote.total_minor, currency=quote.currency),
        lines=lines_out(quote),
        policy_version=quote.policy_version,
    )


def lines_out(quote: Quote) -> list[fares_pb2.FareLine]:
    """Return the lines of every passenger on every leg."""
    return [
        fares_pb2.FareLine(
            rule_id=line.rule_id,
            description=line.description,
            passenger_index=passenger_index,
            leg_index=leg_index,
            price=money_pb2.Money(amount_minor=line.amount_minor, currency=quote.currency),
        )
        for leg_index, row in enumerate(quote.fares)
        for passenger_index, fare in enumerate(row)
        for line in fare.lines
    ]


def quote_claims(quote: Quote) -> dict[str, object]:
    """Return what booking must know to honour a quote; the names are a contract between the two."""
    return {
        "quote_id": quote.id,
        "currency": quote.currency,
        "total_minor": quote.total_minor,
        "policy_version": quote.policy_version,
        "legs": [
            {
                "departure_id": leg.departure.id,
                "origin_stop_id": leg.origin.stop_id,
                "destination_stop_id": leg.destination.stop_id,
                "origin_sequence": leg.origin.sequence,
                "destination_sequence": leg.destination.sequence,
                "departure_version": leg.departure.version,
            }
            for leg in quote.legs
        ],
        "passengers": [
            {"category": category, "leg_minor": [row[place].total_minor for row in quote.fares]}
            for place, category in enumerate(quote.categories)
        ],
    }


def failure_out(failure: Failure) -> pricing_service_pb2.QuoteFareOutcome:
    return pricing_service_pb2.QuoteFareOutcome(failure_reason=failure.reason)


def leg_out(leg: Leg) -> timetable_pb2.Leg:
    departure = leg.departure
    return timetable_pb2.Leg(
        departure_id=departure.id,
        route=route_out(departure.route),
        headsign=departure.headsign,
        service_date=departure.service_date,
        state=STATE_NUMBERS[departure.state],
        origin=leg_end_out(leg.origin, leg.origin.departs_at),
        destination=leg_end_out(leg.destination, leg.destination.arrives_at),
        operator_id=departure.operator_id,
    )


def route_out(route: Route) -> timetable_pb2.Route:
    return timetable_pb2.Route(
        id=route.id,
        feed_route_id=route.feed_route_id,
        short_name=route.short_name,
        long_name=route.long_name,
        mode=MODE_NUMBERS[route.mode],
    )


def leg_end_out(call: Call, scheduled_at: datetime) -> timetable_pb2.LegEnd:
    return timetable_pb2.LegEnd(
        stop_id=call.stop_id,
        stop_name=call.stop_name,
        timezone=call.timezone,
        scheduled_at=timestamp(scheduled_at),
        sequence=call.sequence,
    )


# Fare policies


def get_fare_policy_in(request: pricing_service_pb2.GetFarePolicyRequest, caller: Caller) -> dict[str, Any]:
    return {"caller": caller, "policy_id": request.policy_id}


def put_fare_policy_in(request: pricing_service_pb2.PutFarePolicyRequest, caller: Caller) -> dict[str, Any]:
    return {"caller": caller, "policy": fare_policy_in(request.policy), "seen_version": request.version}


def publish_fare_policy_in(request: pricing_service_pb2.PublishFarePolicyRequest, caller: Caller) -> dict[str, Any]:
    return {"caller": caller, "policy_id": request.policy_id, "seen_version": request.version}


def fare_policy_in(policy: fares_pb2.FarePolicy) -> FarePolicy:
    """Read what its author decides; version and state are ours."""
    return FarePolicy(
        id=policy.id,
        currency=policy.currency,
        base_minor=policy.base_minor,
        per_kilometer_minor=policy.per_kilometer_minor,
        categories=tuple(CategoryFare(fare.category, fare.percent) for fare in policy.categories),
        minimum_minor=policy.minimum_minor,
        maximum_minor=policy.maximum_minor,
        rounding_minor=policy.rounding_minor,
        zone_fares=tuple(
            ZoneFare(fare.origin_zone_id, fare.destination_zone_id, fare.amount_minor, fare.feed_route_id)
            for fare in policy.zone_fares
        ),
    )


def fare_policy_out(policy: FarePolicy) -> fares_pb2.FarePolicy:
    return fares_pb2.FarePolicy(
        id=policy.id,
        operator_id=policy.id,
        currency=policy.currency,
        base_minor=policy.base_minor,
        per_kilometer_minor=policy.per_kilometer_minor,
        categories=[fares_pb2.CategoryFare(category=fare.category, percent=fare.percent) for fare in policy.categories],
        minimum_minor=policy.minimum_minor,
        maximum_minor=policy.maximum_minor,
        rounding_minor=policy.rounding_minor,
        zone_fares=[
            fares_pb2.ZoneFare(
                origin_zone_id=fare.origin_zone_id,
                destination_zone_id=fare.destination_zone_id,
                amount_minor=fare.amount_minor,
                feed_route_id=fare.feed_route_id,
            )
            for fare in policy.zone_fares
        ],
        version=policy.version,
        is_published=policy.is_published,
        feed_id=policy.feed_id,
    )


def feed_fares_in(payload: bytes) -> FarePolicy:
    """Read the fares of a feed that is on sale."""
    told = feed_events_pb2.FeedPublished.FromString(payload)
    fares = [
        ZoneFare(fare.origin_zone_id, fare.destination_zone_id, fare.amount_minor, fare.feed_route_id)
        for fare in told.fares.fares
    ]
    return policy_of_feed(told.operator_id, told.feed_id, told.fares.currency, fares)


# Departures


def departure_event_in(type_: str, payload: bytes) -> Departure | None:
    """Read the departure that a fact of stream DEPARTURE is about; None for a fact that carries none."""
    message = DEPARTURE_EVENTS.get(type_)
    return None if message is None else departure_in(message.FromString(payload).departure)


def availability_event_in(payload: bytes) -> Availability:
    changed = availability_events_pb2.AvailabilityChanged.FromString(payload)
    return Availability(
        departure_id=changed.departure_id,
        capacity=changed.capacity,
        seats_free=tuple(changed.seats_free),
        version=changed.version,
        observed_at=changed.observed_at.ToDatetime(UTC),
    )


def departure_in(departure: timetable_pb2.Departure) -> Departure:
    """Read a departure without its calls: the pattern has them."""
    route = departure.route
    return Departure(
        id=departure.id,
        operator_id=departure.operator_id,
        route=Route(
            route.id, route.feed_route_id, route.short_name, route.long_name, MODES.get(route.mode, "unspecified")
        ),
        headsign=departure.headsign,
        service_date=departure.service_date,
        state=STATES.get(departure.state, DepartureState.SCHEDULED),
        starts_at=departure.starts_at.ToDatetime(UTC),
        pattern_id=departure.pattern_id,
        version=departure.version,
    )


def pattern_in(pattern: timetable_pb2.Pattern) -> Pattern:
    """Read a pattern; a call without a time of its own takes the last one given before it.

    Raises MalformedPattern where rides on it cannot be priced.
    """
    found: list[PatternCall] = []
    for call in pattern.calls:
        before = found[-1].departs_seconds if found else 0
        given = [name for name in ("arrival_seconds", "departure_seconds") if call.HasField(name)]
        arrives, departs = (getattr(call, given[0]), getattr(call, given[-1])) if given else (before, before)
        stop = call.stop
        found.append(
            PatternCall(
                stop_id=stop.id,
                stop_name=stop.name,
                timezone=stop.timezone,
                zone_id=stop.zone_id,
                arrives_seconds=arrives,
                departs_seconds=departs,
                is_boarding_allowed=call.is_boarding_allowed,
                is_alighting_allowed=call.is_alighting_allowed,
                distance_meters=meters(call.distance_meters),
            )
        )
    if len(found) < 2:
        raise MalformedPattern
    return Pattern(pattern.id, tuple(found))


def meters(distance: float) -> int:
    """Return a distance in whole metres, so that money is never made from a float."""
    if not isfinite(distance) or not 0 <= distance <= METERS_MAX:
        raise MalformedPattern
    return round(distance)


# Events


def event_out(event: object) -> Envelope:
    """Write a domain event as the broker sees it."""
    if not isinstance(event, FarePolicyPublished):
        raise TypeError(f"no envelope for {event!r}")
    message = fare_events_pb2.FarePolicyPublished(policy=fare_policy_out(event.policy))
    token = subject_token(event.policy.id)
    return Envelope(
        stream="FARE",
        subject=f"{ROOT}.fare.policy_published.{token}.{token}",
        type=message.DESCRIPTOR.full_name,
        payload=message.SerializeToString(deterministic=True),
    )


def timestamp(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found
