"""Read many departures, in order of their start."""

from datetime import datetime

from booking_svc.domain.departure import Departure
from booking_svc.store.departures import Filter
from booking_svc.store.work import Work
from chassis.errors import FieldError, InvalidInput


def list_departures(work: Work, *, wanted: Filter, cursor: str, limit: int) -> list[Departure]:
    """Read some departures from behind a cursor on."""
    return list(work.departures.page(wanted, after=read_cursor(cursor), limit=limit))


def cursor_of(departure: Departure) -> str:
    """Write the place behind a departure."""
    return f"{departure.starts_at.isoformat()}~{departure.id}"


def read_cursor(cursor: str) -> tuple[datetime, str] | None:
    """Read a place back, or refuse one that is not ours."""
    if not cursor:
        return None
    starts_at, _, departure_id = cursor.partition("~")
    try:
        found = datetime.fromisoformat(starts_at)
        found.astimezone()
    except (ValueError, OverflowError):
        found = None
    if found is None or found.tzinfo is None or not departure_id:
        raise InvalidInput(errors=[FieldError("/cursor", "Send a cursor that a list gave you.")])
    return found, departure_id
