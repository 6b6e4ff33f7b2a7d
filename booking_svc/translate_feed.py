"""Between the contract's messages about feeds and the domain, in both directions."""

from dataclasses import asdict
from datetime import date

from headway.booking.v1 import feed_events_pb2, feeds_pb2

from booking_svc.domain.feed_import import Feed, FeedOptions, FeedState
from booking_svc.translate import instant_out

STATES = {
    FeedState.PUBLISHED: feeds_pb2.FEED_STATE_PUBLISHED,
    FeedState.REJECTED: feeds_pb2.FEED_STATE_REJECTED,
}


def options_in(options: feeds_pb2.FeedOptions, *, today: date) -> FeedOptions:
    """Read how a feed is to be put on sale; the first day is today when none is given."""
    return FeedOptions(
        options.operator_id,
        date.fromisoformat(getattr(options, "from")) if getattr(options, "from") else today,
        options.days,
        date.fromisoformat(options.lay_on) if options.lay_on else None,
        options.is_skipping_bad,
        options.is_dry_run,
        dict(options.layout_ids),
    )


def feed_out(feed: Feed) -> feeds_pb2.Feed:
    options, report = feed.options, feed.report
    return feeds_pb2.Feed(
        id=feed.id,
        options=feeds_pb2.FeedOptions(
            operator_id=options.operator_id,
            days=options.days,
            lay_on=options.lay_on.isoformat() if options.lay_on else "",
            is_skipping_bad=options.is_skipping_bad,
            is_dry_run=options.is_dry_run,
            layout_ids=options.layout_ids,
            **{"from": options.first_day.isoformat()},
        ),
        state=STATES.get(feed.state, feeds_pb2.FEED_STATE_IMPORTING),
        counts=feeds_pb2.FeedCounts(**asdict(report.counts)),
        changes=feeds_pb2.FeedChanges(**asdict(report.changes)),
        problems=[feeds_pb2.FeedProblem(**asdict(problem)) for problem in report.problems],
        problems_total=report.problems_total,
        withheld_departure_ids=report.withheld_departure_ids,
        progress=feeds_pb2.FeedProgress(**asdict(report.progress)) if report.progress else None,
        created_at=instant_out(feed.created_at),
        on_sale_until=feed.on_sale_until.isoformat() if feed.on_sale_until else "",
        version=feed.version,
    )


def feed_published_out(feed: Feed) -> feed_events_pb2.FeedPublished:
    """Tell of a feed what others need: whose it is and what rides cost in it."""
    told = feed_events_pb2.FeedPublished(feed_id=feed.id, operator_id=feed.options.operator_id)
    if feed.fares is not None:
        told.fares.currency = feed.fares.currency
        told.fares.fares.extend(feed_events_pb2.FeedFare(**asdict(rule)) for rule in feed.fares.rules)
    return told
