"""Read what has become of a feed."""

from booking_svc.domain.feed_import import Feed
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import NotFound


def get_feed(work: Work, *, caller: Caller, feed_id: str) -> Feed:
    """Read a feed of an operator that the caller works for."""
    feed = work.feeds.get(feed_id)
    if not caller.works_for(feed.options.operator_id):
        raise NotFound(feed_id=feed_id)
    return feed
