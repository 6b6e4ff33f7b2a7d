"""What riders should know, in GTFS-Realtime."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from google.transit.gtfs_realtime_pb2 import Alert, TripDescriptor

from tests.tracking_svc.feeds import keep, told
from tests.tracking_svc.fleet import Tracking
from tests.tracking_svc.timetable import START, departure, departure_message
from tracking_svc import translate

FEED = "Alerts"


async def test_a_departure_that_does_not_run_is_no_service_of_that_trip_on_that_day(tracking: Tracking):
    await keep(tracking, departure(), departure("dep_2", state="CANCELLED"), departure("dep_3", state="NOT_COMING"))
    found = await told(tracking, FEED)
    assert sorted(found) == ["dep_2", "dep_3"]
    alert = found["dep_2"]
    assert (alert.cause, alert.effect) == (Alert.UNKNOWN_CAUSE, Alert.NO_SERVICE)
    assert [informed.trip for informed in alert.informed_entity] == [
        TripDescriptor(
            trip_id="trip_1",
            route_id="F1",
            start_date=START.date().strftime("%Y%m%d"),
            schedule_relationship=TripDescriptor.CANCELED,
        )
    ]


async def test_an_alert_names_the_ride_by_the_clock_of_its_first_stop(tracking: Tracking):
    start = datetime(START.year + 1, 7, 1, 23, 30, tzinfo=ZoneInfo("UTC"))
    await keep(tracking, departure(start=start, state="CANCELLED"))
    tracking.clock.advance((start - START).total_seconds())
    (text,) = (await told(tracking, FEED))["dep_1"].header_text.translation
    # Lisbon is an hour ahead in summer.
    day = f"{START.year + 1}-07-02"
    assert (text.text, text.language) == (f"The 00:30 from Stop 0 to Stop 3 on {day} does not run.", "en")


async def test_an_alert_says_why_in_the_operator_s_own_words(tracking: Tracking):
    stormy = departure_message("dep_1", state="CANCELLED")
    stormy.cancellation_reason = "Sturm auf See"
    await keep(tracking, translate.departure_in(stormy), departure("dep_2", state="CANCELLED"))
    found = await told(tracking, FEED)
    assert [text.text for text in found["dep_1"].description_text.translation] == ["Sturm auf See"]
    assert not found["dep_2"].HasField("description_text")


async def test_of_what_is_in_no_feed_and_of_other_operators_nothing_is_told(tracking: Tracking):
    await keep(tracking, replace(departure(state="CANCELLED"), feed_trip_id=""), departure("dep_2", state="CANCELLED"))
    assert list(await told(tracking, FEED)) == ["dep_2"]
    assert list(await told(tracking, FEED, "opr_sea")) == ["dep_2"]
    assert await told(tracking, FEED, "opr_land") == {}
    assert await told(tracking, FEED, "\0") == {}
