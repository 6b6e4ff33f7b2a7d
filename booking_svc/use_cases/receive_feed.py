"""Take in a feed's content, piece by piece."""

from booking_svc.domain.feed_import import Feed, FeedOptions, FeedReport, FeedState
from booking_svc.store.work import Work
from chassis.access import Caller
from chassis.errors import FieldError, ForbiddenOperator, InvalidInput, Overloaded

WAITING_MAX = 20
CONTENT_BYTES_MAX = 64 * 1024 * 1024
PIECES_A_STEP = 32


def receive_feed(work: Work, *, caller: Caller, feed_id: str, options: FeedOptions) -> bool:
    """Make ready for a feed; tell whether its content is wanted, which it is not when it has come before."""
    if not caller.works_for(options.operator_id):
        raise ForbiddenOperator(operator_id=options.operator_id)
    if options.lay_on is not None and options.shift.days % 7:
        raise InvalidInput(errors=[FieldError("/lay_on", "Give a date of the same weekday as `from`.")])
    for layout_id in options.layout_ids.values():
        work.layouts.get_for(options.operator_id, layout_id)
    known = work.feeds.find(feed_id)
    if known is not None and known.state is not FeedState.RECEIVING:
        return False
    if len(work.feeds.unfinished()) >= WAITING_MAX:
        raise Overloaded("Too many feeds wait for their import. Repeat with the same key when one is done.")
    work.feeds.save(Feed(feed_id, options, FeedState.RECEIVING, work.now))
    return True


def drop_feed_content(work: Work, *, feed_id: str) -> int:
    """Forget some pieces of an earlier attempt to send the content; return how many."""
    return work.feeds.drop_content(feed_id, limit=PIECES_A_STEP)


def add_feed_content(work: Work, *, feed_id: str, position: int, content: bytes) -> None:
    """Keep a piece of the content."""
    work.feeds.add_content(feed_id, position, content)


def begin_import(work: Work, *, feed_id: str) -> Feed:
    """Let a feed whose content is complete be imported."""
    feed = work.feeds.get(feed_id).becomes(FeedState.IMPORTING, FeedReport())
    work.feeds.save(feed)
    return feed
