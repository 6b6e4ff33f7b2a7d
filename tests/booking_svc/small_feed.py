"""A feed of a few ferries, to be changed and imported again; and how a test imports it."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.booking.v1 import feeds_pb2
from headway.booking.v1 import timetable_service_pb2 as pb

from chassis.access import Caller
from tests.booking_svc.builders import OPERATOR, STAFF
from tests.booking_svc.service import Booking

FIRST_DAY = "2030-01-07"
"""A Monday, a few days after the tests' clock."""
IMPORT_SECONDS = 60


@dataclass(frozen=True)
class Run:
    """A trip that calls every ten minutes at stops s0, s1, ..."""

    start: str = "08:00"
    stops: str = "0123"
    service: str = "daily"
    route: str = "r1"
    headsign: str = "Far shore"


@dataclass(frozen=True)
class SmallFeed:
    """The texts of a feed; `files` replaces whole ones, None leaves one out."""

    runs: Mapping[str, Run]
    names: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | None] = field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        stops = [f"s{n},{self.names.get(f's{n}', f'Pier {n}')},{38 + n / 100},-9.1,z{n}" for n in range(6)]
        trips = [f"{run.route},{run.service},{trip_id},{run.headsign}" for trip_id, run in self.runs.items()]
        found: dict[str, str | None] = {
            "agency.txt": "agency_id,agency_name,agency_url,agency_timezone\na,Ferries,https://f.example,Europe/Lisbon\n",
            "stops.txt": "stop_id,stop_name,stop_lat,stop_lon,zone_id\n" + lines(stops),
            "routes.txt": "route_id,agency_id,route_short_name,route_long_name,route_type\nr1,a,F1,Around the bay,4\n",
            "trips.txt": "route_id,service_id,trip_id,trip_headsign\n" + lines(trips),
            "calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
            "daily,1,1,1,1,1,1,1,20300101,20301231\nworkdays,1,1,1,1,1,0,0,20300101,20301231\n",
            "stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" + lines(self.stop_times()),
        } | dict(self.files)
        return {name: text for name, text in found.items() if text is not None}

    def stop_times(self) -> list[str]:
        found = []
        for trip_id, run in self.runs.items():
            hours, minutes = map(int, run.start.split(":"))
            for place, stop in enumerate(run.stops):
                at = hours * 60 + minutes + 10 * place
                time = f"{at // 60:02}:{at % 60:02}:00"
                found.append(f"{trip_id},{time},{time},s{stop},{place + 1}")
        return found

    def zip(self) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in self.texts().items():
                archive.writestr(name, text)
        return packed.getvalue()


def lines(found: list[str]) -> str:
    return "".join(f"{line}\n" for line in found)


def small_feed(**runs: Run) -> SmallFeed:
    """Make a feed of three daily runs, or of those given."""
    return SmallFeed(runs or {"t1": Run(), "t2": Run("09:00"), "t3": Run("10:00", "3210")})


def options(**changes: Any) -> feeds_pb2.FeedOptions:
    usual = {"operator_id": OPERATOR, "from": FIRST_DAY, "days": 7}
    return feeds_pb2.FeedOptions(**(usual | changes))


async def send(
    booking: Booking, content: bytes, *, caller: Caller = STAFF, key: str = "", piece: int = 1000, **changes: Any
) -> Any:
    """Call import_feed; returns its answer, which comes before the import itself."""

    async def requests() -> AsyncIterator[pb.ImportFeedRequest]:
        yield pb.ImportFeedRequest(options=options(**changes))
        for start in range(0, len(content), piece):
            yield pb.ImportFeedRequest(content=content[start : start + piece])

    return await booking.timetable.ImportFeed(requests(), metadata=booking.metadata(caller, key=key))


async def settled(booking: Booking, feed_id: str, *, caller: Caller = STAFF) -> feeds_pb2.Feed:
    """Wait until a feed is published or rejected."""
    async with asyncio.timeout(IMPORT_SECONDS):
        while True:
            request = pb.GetFeedRequest(feed_id=feed_id)
            found: feeds_pb2.Feed = await booking.timetable.GetFeed(request, metadata=booking.metadata(caller))
            if found.state != feeds_pb2.FEED_STATE_IMPORTING:
                return found
            await asyncio.sleep(0.02)


async def imported(booking: Booking, feed: SmallFeed | bytes, **changes: Any) -> feeds_pb2.Feed:
    """Import a feed and wait for what becomes of it."""
    content = feed if isinstance(feed, bytes) else feed.zip()
    return await settled(booking, (await send(booking, content, **changes)).id)
