"""Between the contract's messages and the domain, in both directions."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from booking_svc.domain.booking import Booking, Contact, Item, ItemState
from booking_svc.domain.departure import Call, Departure, Leg, LegEnd, Mode, Route, Stop
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID, Layout, LayoutSeat, Vehicle
from booking_svc.queries.get_availability import Availability
from booking_svc.queries.get_seat_map import SeatMap
from booking_svc.store.departures import Filter
from booking_svc.store.history import HistoryEntry
from booking_svc.use_cases.cancel_departures import Hit
from booking_svc.use_cases.hold_booking import PassengerWish
from booking_svc.use_cases.publish_departure import CallWish
from chassis.errors import FieldError, InvalidInput
from chassis.ids import stable_id
from headway.booking.v1 import booking_service_pb2, bookings_pb2, timetable_service_pb2, vehicles_pb2
from headway.types.v1 import money_pb2, timetable_pb2
