from datetime import date

import pytest

from booking_svc.domain.feed_import import (
    FareRule,
    Feed,
    FeedChanges,
    FeedCounts,
    FeedFares,
    FeedOptions,
    FeedProblem,
    FeedProgress,
    FeedReport,
    FeedState,
)
from booking_svc.queries.get_feed import get_feed
from booking_svc.store.work import Work
from chassis.errors import NotFound
from chassis.store import Store
from tests.booking_svc.builders import FOREIGN_STAFF, OPERATOR, STAFF, ask, commit
from tests.clocks import FixedClock


def feed(clock: FixedClock) -> Feed:
    """Make a feed of which everything is known."""
    options = FeedOptions(
        OPERATOR, date(2018, 6, 4), 28, date(2030, 1, 7), is_skipping_bad=True, is_dry_run=False, layout_ids={"r1": "l"}
    )
    report = FeedReport(
        FeedCounts(1, 2, 3, 4),
        FeedChanges(5, 6, 7, 8),
        (FeedProblem("trips.txt", 3, "route_id", "No such route.", "error"),),
        9,
        ("dep_1",),
        FeedProgress("staging", 1, 2),
    )
    fares = FeedFares("EUR", (FareRule("r1", "a", "b", 1250), FareRule("", "", "", 300)))
    return Feed("fed_1", options, FeedState.PUBLISHED, clock.now(), report, fares, date(2030, 2, 3), 7)


def test_a_feed_is_told_as_it_was_written_down(store: Store[Work], clock: FixedClock) -> None:
    known = feed(clock)
    commit(store, lambda work: work.feeds.save(known))
    assert ask(store, get_feed, caller=STAFF, feed_id="fed_1") == known


def test_another_operator_s_feed_is_as_absent_as_none(store: Store[Work], clock: FixedClock) -> None:
    commit(store, lambda work: work.feeds.save(feed(clock)))
    for caller, feed_id in ((FOREIGN_STAFF, "fed_1"), (STAFF, "fed_2")):
        with pytest.raises(NotFound):
            ask(store, get_feed, caller=caller, feed_id=feed_id)
