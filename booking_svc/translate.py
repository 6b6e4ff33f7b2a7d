"""Between the contract's messages and the domain, in both directions."""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from headway.booking.v1 import booking_service_pb2, bookings_pb2, timetable_service_pb2, vehicles_pb2
from headway.types.v1 import money_pb2, timetable_pb2

from booking_svc.domain.booking import LIVE, Booking, Contact, Item, ItemState
from booking_svc.domain.departure import Call, Departure, Leg, LegEnd, Mode, Pattern, Route, Stop
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID, Layout, LayoutSeat, Vehicle
from booking_svc.domain.quote import CancellationQuote
from booking_svc.queries.get_availability import Availability
from booking_svc.queries.get_seat_map import SeatMap
from booking_svc.queries.list_stops import FoundStop
from booking_svc.queries.search_itineraries import Itinerary
from booking_svc.store.departures import Filter
from booking_svc.store.history import HistoryEntry
from booking_svc.store.routes import OwnedRoute
from booking_svc.store.stops import Circle
from booking_svc.use_cases.hold_booking import PassengerWish
from booking_svc.use_cases.publish_departure import CallWish
from chassis.ids import stable_id

AboutPart = booking_service_pb2.GetAvailabilityRequest | booking_service_pb2.GetSeatMapRequest
PAGE_SIZE, PAGE_SIZE_MAX = 50, 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STOPS_REMEMBERED = 10_000


def page_size(asked: int) -> int:
    """Bring a page size into bounds; 0 is the usual one."""
    return min(asked, PAGE_SIZE_MAX) if asked > 0 else PAGE_SIZE


def instant_out(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    since = time - EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def instant_in(message: Any, field: str) -> datetime | None:
    """Read an optional time; absent is None."""
    return getattr(message, field).ToDatetime(tzinfo=UTC) if message.HasField(field) else None


def money_out(amount_minor: int, currency: str) -> money_pb2.Money:
    return money_pb2.Money(amount_minor=amount_minor, currency=currency)


@lru_cache(maxsize=STOPS_REMEMBERED)
def stop_out(stop: Stop) -> timetable_pb2.Stop:
    return timetable_pb2.Stop(
        id=stop.id,
        feed_stop_id=stop.feed_stop_id,
        name=stop.name,
        timezone=stop.timezone,
        latitude=stop.latitude,
        longitude=stop.longitude,
        zone_id=stop.zone_id,
        station_id=stop.station_id,
        is_station=stop.is_station,
    )


def route_out(route: Route) -> timetable_pb2.Route:
    return timetable_pb2.Route(
        id=route.id,
        feed_route_id=route.feed_route_id,
        short_name=route.short_name,
        long_name=route.long_name,
        mode=timetable_pb2.Mode.Value(f"MODE_{route.mode.name}"),
    )


def call_out(call: Call) -> timetable_pb2.Call:
    return timetable_pb2.Call(
        sequence=call.sequence,
        stop=stop_out(call.stop),
        scheduled_arrival_at=instant_out(call.arrival_at),
        scheduled_departure_at=instant_out(call.departure_at),
        is_boarding_allowed=call.is_boarding_allowed,
        is_alighting_allowed=call.is_alighting_allowed,
        distance_meters=call.distance_meters,
        is_interpolated=call.is_interpolated,
    )


def pattern_out(pattern: Pattern) -> timetable_pb2.Pattern:
    calls = [
        timetable_pb2.PatternCall(
            stop=stop_out(call.stop),
            arrival_seconds=call.arrival_seconds,
            departure_seconds=call.departure_seconds,
            is_boarding_allowed=call.is_boarding_allowed,
            is_alighting_allowed=call.is_alighting_allowed,
            distance_meters=call.distance_meters,
            is_interpolated=call.is_interpolated,
        )
        for call in pattern.calls
    ]
    shape = [
        timetable_pb2.ShapePoint(latitude=latitude, longitude=longitude, distance_meters=meters)
        for latitude, longitude, meters in pattern.shape
    ]
    return timetable_pb2.Pattern(id=pattern.id, calls=calls, shape=shape)


def departure_state_out(leg: Leg | Departure) -> timetable_pb2.DepartureState.ValueType:
    return timetable_pb2.DepartureState.Value(f"DEPARTURE_STATE_{leg.state.name}")


def departure_out(departure: Departure, *, has_calls: bool = True) -> timetable_pb2.Departure:
    """Write a departure; without calls for those who know its pattern."""
    vehicle = departure.vehicle
    return timetable_pb2.Departure(
        id=departure.id,
        operator_id=departure.operator_id,
        feed_trip_id=departure.feed_trip_id,
        route=route_out(departure.route),
        headsign=departure.headsign,
        service_date=departure.service_date.isoformat(),
        state=departure_state_out(departure),
        calls=map(call_out, departure.calls) if has_calls else (),
        vehicle=timetable_pb2.AssignedVehicle(id=vehicle.id, label=vehicle.label) if vehicle else None,
        layout_id=departure.layout_id,
        capacity=departure.capacity,
        version=departure.version,
        pattern_id=departure.pattern.id,
        starts_at=instant_out(departure.starts_at),
        feed_start_time=departure.feed_start_time,
        cancellation_reason=departure.cancellation_reason,
    )


def leg_end_out(end: LegEnd) -> timetable_pb2.LegEnd:
    return timetable_pb2.LegEnd(
        stop_id=end.stop.id,
        stop_name=end.stop.name,
        timezone=end.stop.timezone,
        scheduled_at=instant_out(end.scheduled_at),
        sequence=end.sequence,
    )


def leg_out(leg: Leg) -> timetable_pb2.Leg:
    return timetable_pb2.Leg(
        departure_id=leg.departure_id,
        operator_id=leg.operator_id,
        route=route_out(leg.route),
        headsign=leg.headsign,
        service_date=leg.service_date.isoformat(),
        state=departure_state_out(leg),
        origin=leg_end_out(leg.origin),
        destination=leg_end_out(leg.destination),
        cancellation_reason=leg.cancellation_reason,
    )


def found_stop_out(found: FoundStop) -> timetable_service_pb2.FoundStop:
    return timetable_service_pb2.FoundStop(
        stop=stop_out(found.stop), operator_id=found.operator_id, distance_meters=found.distance_meters
    )


def listed_route_out(found: OwnedRoute) -> timetable_service_pb2.ListedRoute:
    return timetable_service_pb2.ListedRoute(
        route=route_out(found.route), operator_id=found.operator_id, pattern_ids=found.pattern_ids
    )


def itinerary_out(found: Itinerary) -> timetable_service_pb2.Itinerary:
    return timetable_service_pb2.Itinerary(legs=map(leg_out, found.legs), seats_available=found.seats_available)


def layout_out(layout: Layout) -> vehicles_pb2.Layout:
    seats = [
        vehicles_pb2.LayoutSeat(id=seat.id, row=seat.row, column=seat.column, features=sorted(seat.features))
        for seat in layout.seats
    ]
    return vehicles_pb2.Layout(
        id=layout.id, operator_id=layout.operator_id, name=layout.name, seats=seats, version=layout.version
    )


def vehicle_out(vehicle: Vehicle) -> vehicles_pb2.Vehicle:
    return vehicles_pb2.Vehicle(
        id=vehicle.id,
        operator_id=vehicle.operator_id,
        label=vehicle.label,
        layout_id=vehicle.layout_id,
        version=vehicle.version,
    )


def availability_out(found: Availability) -> booking_service_pb2.Availability:
    return booking_service_pb2.Availability(
        seats_available=found.seats_available,
        capacity=found.capacity,
        observed_at=instant_out(found.observed_at),
        version=found.version,
    )


def seat_map_out(found: SeatMap) -> booking_service_pb2.SeatMap:
    seats = [
        booking_service_pb2.Seat(
            id=seat.id, row=seat.row, column=seat.column, features=sorted(seat.features), is_available=is_free
        )
        for seat, is_free in found.seats
    ]
    return booking_service_pb2.SeatMap(
        layout_id=found.layout_id, seats=seats, observed_at=instant_out(found.observed_at), version=found.version
    )


def item_out(item: Item, currency: str) -> bookings_pb2.Item:
    return bookings_pb2.Item(
        id=item.id,
        leg_index=item.leg_index,
        passenger=bookings_pb2.Passenger(name=item.passenger_name, category=item.category),
        seat_id=item.seat_id if item.state in LIVE else "",
        state=bookings_pb2.ItemState.Value(f"ITEM_STATE_{item.state.name}"),
        boarding=bookings_pb2.Boarding.Value(f"BOARDING_{item.boarding.name}"),
        price=money_out(item.price_minor, currency),
    )


def ticket_out(item: Item) -> bookings_pb2.Ticket:
    return bookings_pb2.Ticket(id=item.ticket_id, item_id=item.id, code=item.ticket_code)


def booking_out(booking: Booking, *, now: datetime) -> bookings_pb2.Booking:
    """Write a booking as it is at a time."""
    payment = bookings_pb2.PaymentState.Value(f"PAYMENT_STATE_{booking.payment_state.name}")
    return bookings_pb2.Booking(
        id=booking.id,
        reference=booking.reference,
        state=bookings_pb2.BookingState.Value(f"BOOKING_STATE_{booking.state.name}"),
        hold_expires_at=instant_out(booking.hold_expires_at),
        legs=map(leg_out, booking.legs),
        items=[item_out(item, booking.currency) for item in booking.items],
        total=money_out(booking.total_minor, booking.currency),
        payment=bookings_pb2.Payment(state=payment, action_url=booking.action_url),
        tickets=[ticket_out(item) for item in booking.items if item.state is ItemState.CONFIRMED],
        available_actions=booking.available_actions(now),
        version=booking.version,
        rider_id=booking.rider_id,
        created_at=instant_out(booking.created_at),
    )


def history_out(entries: list[HistoryEntry]) -> booking_service_pb2.BookingHistory:
    return booking_service_pb2.BookingHistory(
        entries=[
            booking_service_pb2.HistoryEntry(
                occurred_at=instant_out(entry.occurred_at),
                fact=entry.fact,
                item_ids=entry.item_ids,
                amount=money_out(entry.amount_minor, entry.currency),
                actor=entry.actor,
            )
            for entry in entries
        ]
    )


def cancellation_quote_out(
    quote: CancellationQuote, *, token: str, expires_at: datetime
) -> booking_service_pb2.CancellationQuote:
    return booking_service_pb2.CancellationQuote(
        token=token,
        refund=money_out(quote.refund_minor, quote.currency),
        fee=money_out(quote.fee_minor, quote.currency),
        expires_at=instant_out(expires_at),
    )


def route_in(message: timetable_service_pb2.RouteInput, operator_id: str) -> Route:
    """Read a route; the same operator's same route always gets the same id."""
    key = message.feed_route_id or f"{message.short_name}\x1f{message.long_name}"
    return Route(
        stable_id("rte", operator_id, key),
        message.feed_route_id,
        message.short_name,
        message.long_name,
        Mode[timetable_pb2.Mode.Name(message.mode).removeprefix("MODE_")],
    )


def stop_in(message: timetable_service_pb2.StopInput, operator_id: str) -> Stop:
    """Read a stop; the same operator's same stop always gets the same id."""
    key = message.feed_stop_id or f"{message.name}\x1f{message.latitude:.5f}\x1f{message.longitude:.5f}"
    return Stop(
        stable_id("stp", operator_id, key),
        message.feed_stop_id,
        message.name,
        ZoneInfo(message.timezone).key,
        message.latitude,
        message.longitude,
        message.zone_id,
    )


def call_in(message: timetable_service_pb2.CallInput, operator_id: str) -> CallWish:
    return CallWish(
        message.stop_id,
        stop_in(message.stop, operator_id) if message.WhichOneof("at") == "stop" else None,
        instant_in(message, "scheduled_arrival_at"),
        instant_in(message, "scheduled_departure_at"),
        not message.is_boarding_refused,
        not message.is_alighting_refused,
    )


def publish_departure_in(request: timetable_service_pb2.PublishDepartureRequest) -> dict[str, Any]:
    return {
        "operator_id": request.operator_id,
        "feed_trip_id": request.feed_trip_id,
        "route": route_in(request.route, request.operator_id),
        "headsign": request.headsign,
        "service_date": date.fromisoformat(request.service_date),
        "calls": [call_in(call, request.operator_id) for call in request.calls],
        "layout_id": request.layout_id or DEFAULT_LAYOUT_ID,
    }


def list_departures_in(request: timetable_service_pb2.ListDeparturesRequest) -> Filter:
    return Filter(request.operator_id, request.route_id, request.stop_id, request.service_date)


def list_stops_in(request: timetable_service_pb2.ListStopsRequest) -> dict[str, Any]:
    near = request.near
    circle = Circle(near.latitude, near.longitude, near.radius_meters) if request.HasField("near") else None
    return {"words": request.query, "near": circle, "operator_id": request.operator_id, "cursor": request.cursor}


def search_itineraries_in(request: timetable_service_pb2.SearchItinerariesRequest) -> dict[str, Any]:
    return {
        "origin_stop_id": request.origin_stop_id,
        "destination_stop_id": request.destination_stop_id,
        "day": date.fromisoformat(request.date),
        "passengers": request.passengers,
        "cursor": request.cursor,
        "limit": page_size(request.limit),
    }


def cancel_departures_in(request: timetable_service_pb2.CancelDeparturesRequest) -> dict[str, Any]:
    return {
        "operator_id": request.operator_id,
        "departure_ids": list(request.departure_ids),
        "route_id": request.route_id,
        "starts_from": instant_in(request, "starts_from"),
        "starts_before": instant_in(request, "starts_before"),
        "reason": request.reason,
        "is_dry_run": request.is_dry_run,
    }


def layout_seats_in(request: timetable_service_pb2.CreateLayoutRequest) -> list[LayoutSeat]:
    return [LayoutSeat(seat.id, seat.row, seat.column, frozenset(seat.features)) for seat in request.seats]


def part_in(request: AboutPart) -> dict[str, str]:
    return {
        "departure_id": request.departure_id,
        "origin_stop_id": request.origin_stop_id,
        "destination_stop_id": request.destination_stop_id,
    }


def hold_booking_in(request: booking_service_pb2.HoldBookingRequest) -> dict[str, Any]:
    passengers = [
        PassengerWish(one.name, one.category, tuple(one.seat_ids), frozenset(one.needs)) for one in request.passengers
    ]
    return {
        "passengers": passengers,
        "contact": Contact(request.contact.email.strip().lower(), request.contact.phone),
        "is_seated_together": request.is_seated_together,
    }
