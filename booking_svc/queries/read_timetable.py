"""Read what departures of a feed are laid out from."""

from dataclasses import replace

from booking_svc.domain.feed_import import Feed
from booking_svc.domain.layout import DEFAULT_LAYOUT_ID
from booking_svc.domain.timetable_diff import Timetable, Trip
from booking_svc.store.work import Work


def read_timetable(work: Work, *, feed: Feed) -> Timetable:
    """Read the trips and calendars that are kept of a feed."""
    staged = work.feeds.trips(feed.id)
    routes = work.routes.get_many({one.route_id for one in staged})
    patterns = work.patterns.calls_of({one.pattern_id for one in staged})
    trips = tuple(Trip(one.trip, routes[one.route_id], patterns[one.pattern_id]) for one in staged)
    return replace(begin_timetable(work, feed=feed), services=work.feeds.services(feed.id), trips=trips)


def begin_timetable(work: Work, *, feed: Feed) -> Timetable:
    """Begin a timetable with the layouts that its departures will have."""
    ids = {DEFAULT_LAYOUT_ID, *feed.options.layout_ids.values()}
    return Timetable(feed.id, feed.options, {}, (), {layout_id: work.layouts.get(layout_id) for layout_id in ids})
