"""A feed as the reader tells it: a process of its own, so that parsing never keeps a rider waiting."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from booking_svc.domain.departure import Mode, Pattern, PatternCall, Route, Stop
from booking_svc.domain.feed import FeedTrip, Frequency, ServiceCalendar
from booking_svc.domain.feed_import import FareRule, FeedCounts, FeedFares, FeedProblem
from chassis.errors import Unavailable
from chassis.ids import stable_id

LINE_BYTES_MAX = 4 * 1024 * 1024
READING_SECONDS_MAX = 900.0
SERVICES = TypeAdapter(list[ServiceCalendar])
UNREADABLE = FeedProblem("", 0, "", "The feed cannot be read: it is too large, or broken in an unusual way.", "error")


@dataclass(slots=True)
class ReadFeed:
    """What a feed consists of, under the operator's stable ids; patterns have no ids yet, only their number."""

    operator_id: str
    stops: dict[str, Stop] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    patterns: list[Pattern] = field(default_factory=list)
    services: dict[str, ServiceCalendar] = field(default_factory=dict)
    trips: list[FeedTrip] = field(default_factory=list)
    fares: FeedFares | None = None
    problems: list[FeedProblem] = field(default_factory=list)
    problems_total: int = 0
    is_usable: bool = False

    @property
    def counts(self) -> FeedCounts:
        return FeedCounts(stops=len(self.stops), routes=len(self.routes))

    def take(self, line: dict[str, Any]) -> None:
        """Take in one line of the reader's."""
        for kind, told in line.items():
            getattr(self, f"_take_{kind}")(told)

    def _take_stops(self, told: Iterable[dict[str, Any]]) -> None:
        for one in told:
            station = one.pop("feed_station_id")
            station_id = stable_id("stp", self.operator_id, station) if station else ""
            stop_id = stable_id("stp", self.operator_id, one["feed_stop_id"])
            self.stops[one["feed_stop_id"]] = Stop(id=stop_id, station_id=station_id, **one)

    def _take_routes(self, told: Iterable[dict[str, Any]]) -> None:
        for one in told:
            route_id = stable_id("rte", self.operator_id, one["feed_route_id"])
            self.routes[one["feed_route_id"]] = Route(route_id, **one | {"mode": Mode(one["mode"])})

    def _take_patterns(self, told: Iterable[dict[str, Any]]) -> None:
        for one in told:
            # Nobody gets off where a ride begins, nor on where it ends.
            one["calls"][0]["is_alighting_allowed"] = one["calls"][-1]["is_boarding_allowed"] = False
            calls = tuple(PatternCall(self.stops[call.pop("feed_stop_id")], **call) for call in one["calls"])
            shape = tuple((latitude, longitude, meters) for latitude, longitude, meters in one["shape"])
            self.patterns.append(Pattern("", calls, shape))

    def _take_services(self, told: object) -> None:
        self.services |= {one.service_id: one for one in SERVICES.validate_python(told)}

    def _take_trips(self, told: Iterable[dict[str, Any]]) -> None:
        self.trips.extend(
            FeedTrip(**one | {"frequencies": tuple(Frequency(*part) for part in one["frequencies"])}) for one in told
        )

    def _take_fares(self, told: dict[str, Any]) -> None:
        self.fares = FeedFares(told["currency"], tuple(FareRule(**rule) for rule in told["fares"]))

    def _take_problems(self, told: Iterable[dict[str, Any]]) -> None:
        self.problems.extend(FeedProblem(**one) for one in told)

    def _take_end(self, told: dict[str, Any]) -> None:
        self.is_usable = told["is_usable"]
        self.problems_total = told["errors"] + told["warnings"]


async def read_feed(path: Path, *, operator_id: str, is_skipping_bad: bool) -> ReadFeed:
    """Read a zip; what cannot be read at all is told as a problem like any other."""
    found = ReadFeed(operator_id)
    ended = False
    try:
        async with asyncio.timeout(READING_SECONDS_MAX):
            async for line in lines_of_reader(path, is_skipping_bad=is_skipping_bad):
                await asyncio.to_thread(found.take, line)
                ended = "end" in line
    except (TimeoutError, ValueError):
        ended = False
    if not ended:
        found.is_usable = False
        found.problems.append(UNREADABLE)
        found.problems_total += 1
    return found


async def lines_of_reader(path: Path, *, is_skipping_bad: bool) -> AsyncIterator[dict[str, Any]]:
    """Run the reader and yield its lines; it does not outlive its caller."""
    command = [sys.executable, "-m", "booking_svc.gtfs", str(path), *(["--skip-bad"] if is_skipping_bad else [])]
    try:
        reader = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX
        )
    except OSError as error:
        raise Unavailable(dependency="reader") from error
    assert reader.stdout is not None
    try:
        while line := await reader.stdout.readline():
            yield json.loads(line)
    finally:
        with suppress(ProcessLookupError):
            reader.kill()
        await reader.wait()
