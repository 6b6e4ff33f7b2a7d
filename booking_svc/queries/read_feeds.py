"""Read the feeds that there is work to do for."""

from booking_svc.domain.feed_import import Feed
from booking_svc.store.work import Work


def unfinished_feeds(work: Work) -> list[Feed]:
    """Read the feeds that wait for their import or are in it, the oldest first."""
    return work.feeds.unfinished()


def feeds_on_sale(work: Work) -> list[Feed]:
    """Read the feed of each operator that is on sale."""
    return work.feeds.on_sale()


def feed_content(work: Work, *, feed_id: str, position: int) -> bytes | None:
    """Read a piece of a feed's zip; None behind the last."""
    return work.feeds.content(feed_id, position)
