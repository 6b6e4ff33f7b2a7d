"""An operator's feed on its way onto sale: what was asked, how far it is, what it changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum


class FeedState(StrEnum):
    # Its content is still coming in.
    RECEIVING = "receiving"
    # It is read and laid out; its new departures are not to be seen yet.
    IMPORTING = "importing"
    # Its new departures are on sale; what it changes of the old ones is being applied.
    FINISHING = "finishing"
    PUBLISHED = "published"
    REJECTED = "rejected"


WITHHELD_MAX = 1000
UNFINISHED = (FeedState.IMPORTING, FeedState.FINISHING)


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How a feed is to be put on sale: `days` service dates of the feed from `first_day`, or on later ones."""

    operator_id: str
    first_day: date
    days: int
    lay_on: date | None
    is_skipping_bad: bool
    is_dry_run: bool
    layout_ids: Mapping[str, str]

    @property
    def shift(self) -> timedelta:
        """Tell how long after its day in the feed a departure is sold."""
        return self.lay_on - self.first_day if self.lay_on else timedelta(0)


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """What is in a feed; departures and calls are those of the days on sale."""

    stops: int = 0
    routes: int = 0
    departures: int = 0
    calls: int = 0


@dataclass(frozen=True, slots=True)
class FeedChanges:
    """How many departures differ from what was on sale before."""

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class FeedProblem:
    """One thing that is wrong: line 1 is the header, 0 the whole file; severity is error or warning."""

    file: str
    line: int
    field: str
    reason: str
    severity: str


@dataclass(frozen=True, slots=True)
class FeedProgress:
    """How far an import is."""

    step: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class FeedReport:
    """What has been found out so far."""

    counts: FeedCounts = FeedCounts()
    changes: FeedChanges = FeedChanges()
    problems: tuple[FeedProblem, ...] = ()
    problems_total: int = 0
    # Departures that the feed no longer has, or that call elsewhere in it, but that have bookings.
    withheld_departure_ids: tuple[str, ...] = ()
    progress: FeedProgress | None = None


@dataclass(frozen=True, slots=True)
class FareRule:
    """A fare for some rides; an empty field fits all."""

    feed_route_id: str
    origin_zone_id: str
    destination_zone_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class FeedFares:
    """The fares of a feed; where several fit, the most particular counts."""

    currency: str
    rules: tuple[FareRule, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed and what has become of it."""

    id: str
    options: FeedOptions
    state: FeedState
    created_at: datetime
    report: FeedReport = field(default_factory=FeedReport)
    fares: FeedFares | None = None
    # The last service date on sale, as sold; None before it is published.
    on_sale_until: date | None = None
    version: int = 1

    @property
    def first_day(self) -> date:
        """Return the first service date, as sold."""
        return self.options.first_day + self.options.shift

    def last_day(self, today: date) -> date:
        """Return the last service date that should be on sale, as sold.

        A window that reached the day of the import moves on with the days; one that was past by then stays.
        """
        last = self.first_day + timedelta(days=self.options.days - 1)
        if last < self.created_at.date():
            return last
        return max(last, today + timedelta(days=self.options.days - 1))

    def extended(self, until: date, withheld: Iterable[str]) -> "Feed":
        """Have one more service date on sale, and perhaps more departures that the operator must look at."""
        known = dict.fromkeys((*self.report.withheld_departure_ids, *withheld))
        report = replace(self.report, withheld_departure_ids=tuple(known)[:WITHHELD_MAX])
        return replace(self, report=report, on_sale_until=until, version=self.version + 1)

    def becomes(self, state: FeedState, report: FeedReport, **changes: object) -> "Feed":
        """Go on to a state, with what is known by now."""
        return replace(self, state=state, report=report, version=self.version + 1, **changes)  # type: ignore[arg-type]
