"""Read many departures, in order of their start."""

from datetime import UTC, datetime, timedelta

from booking_svc.domain.departure import Departure
from booking_svc.store.departures import Filter
from booking_svc.store.work import Work
from chassis.errors import FieldError, InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def list_departures(work: Work, *, wanted: Filter, cursor: str, limit: int) -> list[Departure]:
    """Read some departures from behind a cursor on."""
    return list(work.departures.page(wanted, after=read_cursor(cursor), limit=limit))


def cursor_of(departure: Departure) -> str:
    """Write the place behind a departure."""
    return place_of(departure.starts_at, departure.id)


def place_of(time: datetime, departure_id: str) -> str:
    """Write a place in an order by time, in letters that a URL may hold."""
    return f"{(time - EPOCH) // MICROSECOND}~{departure_id}"


def read_cursor(cursor: str) -> tuple[datetime, str] | None:
    """Read a place back, or refuse one that is not ours."""
    if not cursor:
        return None
    microseconds, _, departure_id = cursor.partition("~")
    try:
        starts_at = EPOCH + int(microseconds) * MICROSECOND
    except (ValueError, OverflowError):
        departure_id = ""
    if not departure_id:
        raise InvalidInput(errors=[FieldError("/cursor", "Send a cursor that a list gave you.")])
    return starts_at, departure_id
