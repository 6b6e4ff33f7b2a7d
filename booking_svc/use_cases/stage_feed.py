"""Keep what a feed consists of, before any of it is on sale: in steps, each safe to repeat."""

from collections.abc import Sequence

from booking_svc.domain.departure import Pattern, Route, Stop
from booking_svc.domain.feed import ServiceCalendar
from booking_svc.store.feeds import StagedTrip
from booking_svc.store.work import Work

ROWS_A_STEP = 250
CALLS_A_STEP = 400


def stage_stops(work: Work, *, operator_id: str, stops: Sequence[Stop]) -> None:
    """Keep some stops."""
    work.stops.save(stops, operator_id=operator_id)


def stage_routes(work: Work, *, operator_id: str, routes: Sequence[Route]) -> None:
    """Keep some routes."""
    work.routes.save(routes, operator_id=operator_id)


def stage_patterns(work: Work, *, patterns: Sequence[Pattern]) -> None:
    """Keep some patterns."""
    work.patterns.save(patterns)


def unstage_trips(work: Work, *, feed_id: str) -> int:
    """Forget some trips of an earlier, interrupted go of this import; return how many."""
    return work.feeds.drop_staged(feed_id, limit=ROWS_A_STEP)


def stage_trips(
    work: Work, *, feed_id: str, trips: Sequence[StagedTrip] = (), services: Sequence[ServiceCalendar] = ()
) -> None:
    """Keep some trips or calendars, from which departures are laid out also later."""
    work.feeds.stage_trips(feed_id, trips)
    work.feeds.stage_services(feed_id, services)
