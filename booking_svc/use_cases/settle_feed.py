"""Write down how far a feed is."""

from collections.abc import Sequence
from datetime import date

from booking_svc.domain.events import FeedPublished
from booking_svc.domain.feed_import import Feed, FeedFares, FeedReport, FeedState
from booking_svc.store.work import Work


def settle_feed(
    work: Work, *, feed_id: str, state: FeedState, report: FeedReport, fares: FeedFares | None = None
) -> Feed:
    """Let a feed go on to a state; from `finishing` on its departures are on sale, and `published` tells others."""
    feed = work.feeds.get(feed_id)
    settled = feed.becomes(state, report, fares=fares or feed.fares)
    if state is FeedState.PUBLISHED and not feed.options.is_dry_run:
        work.outbox.add(FeedPublished(settled))
    work.feeds.save(settled)
    return settled


def extend_feed(work: Work, *, feed_id: str, until: date, withheld: Sequence[str] = ()) -> None:
    """Write down that one more service date is on sale."""
    work.feeds.save(work.feeds.get(feed_id).extended(until, withheld))
