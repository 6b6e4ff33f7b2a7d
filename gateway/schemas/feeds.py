"""Feeds in JSON: how one is to be put on sale, and what has become of it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import UploadFile
from headway.booking.v1 import feeds_pb2
from pydantic import AliasPath, BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException

from gateway.bodies import parse
from gateway.schemas.shapes import Id, Input, Output, text
from gateway.schemas.timetable import Day

DAYS, DAYS_MAX = 28, 365
LAYOUTS_MAX = 300

FeedState = Literal["importing", "published", "rejected"]
DateOrNone = Annotated[date | None, BeforeValidator(lambda told: told or None)]


def object_of(value: Any) -> Any:
    """Read a field of a form that is JSON."""
    try:
        return parse(value.encode()) if isinstance(value, str) else value
    except HTTPException:
        raise ValueError("Give a JSON object of route and layout identifiers") from None


class ImportFeed(Input):
    """A GTFS feed and how it is to be put on sale."""

    file: UploadFile = Field(description="The zip", json_schema_extra={"format": "binary"})
    operator_id: Id = Field(description="Whose timetable it is: one feed an operator", examples=["demo"])
    first_day: Day | None = Field(None, alias="from", description="The first service date; today if left out")
    days: int = Field(DAYS, ge=1, le=DAYS_MAX, description="How many service dates to keep on sale")
    lay_on: Day | None = Field(None, description="Sell the days from `from` as those from here; same weekday")
    skip_bad: bool = Field(False, description="Leave out what is wrong and take the rest")
    dry_run: bool = Field(False, description="Only tell what would change")
    layouts: Annotated[dict[Annotated[str, text(128)], Id], BeforeValidator(object_of)] = Field(
        {}, max_length=LAYOUTS_MAX, description="A route's own identifier and its layout; others get the default one"
    )

    def to_proto(self) -> feeds_pb2.FeedOptions:
        days = {"from": self.first_day, "lay_on": self.lay_on}
        return feeds_pb2.FeedOptions(
            operator_id=self.operator_id,
            days=self.days,
            is_skipping_bad=self.skip_bad,
            is_dry_run=self.dry_run,
            layout_ids=self.layouts,
            **{name: day.isoformat() for name, day in days.items() if day},
        )


class FeedCounts(Output):
    """What is in a feed; departures and calls are those of the days on sale."""

    stops: int
    routes: int
    departures: int
    calls: int


class FeedChanges(Output):
    """How many departures differ from what was on sale before."""

    added: int
    changed: int
    withdrawn: int
    unchanged: int


class FeedProblem(Output):
    """One thing that is wrong with a feed."""

    severity: Literal["error", "warning"] = Field(description="A warning keeps no feed from being taken")
    file: str = Field(examples=["stop_times.txt"])
    line: int = Field(description="1 is the header, 0 the whole file")
    field: str
    reason: str


class FeedProgress(Output):
    """How far an import is."""

    step: str = Field(examples=["laying_out"])
    done: int
    total: int


class Feed(Output):
    """A feed and what has become of it."""

    model_config = ConfigDict(serialize_by_alias=True)

    id: str = Field(examples=["fed_01jd8k2m3n4p5q6r7s8t9v0w1x"])
    state: FeedState
    operator_id: str = Field(validation_alias=AliasPath("options", "operator_id"))
    first_day: date = Field(validation_alias=AliasPath("options", "from"), serialization_alias="from")
    days: int = Field(validation_alias=AliasPath("options", "days"))
    lay_on: DateOrNone = Field(validation_alias=AliasPath("options", "lay_on"))
    dry_run: bool = Field(validation_alias=AliasPath("options", "is_dry_run"))
    counts: FeedCounts
    changes: FeedChanges
    problems: list[FeedProblem] = Field(description="The first of them")
    problems_total: int
    withheld_departure_ids: list[str] = Field(description="Changed or gone, but booked: yours to decide")
    progress: FeedProgress | None = Field(description="null when there is nothing to wait for")
    on_sale_until: DateOrNone = Field(description="The last service date, as sold")
    created_at: datetime
    version: int
