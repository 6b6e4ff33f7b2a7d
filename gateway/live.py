"""What happens on the road, asked of tracking once for all who follow it here."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from grpc import StatusCode, aio
from headway.tracking.v1 import live_pb2, tracking_service_pb2
from headway.tracking.v1.tracking_service_pb2_grpc import TrackingServiceStub

from chassis.errors import Failure, Unavailable
from chassis.lifecycle import stop_tasks
from chassis.logs import EventLog
from chassis.rpc_client import ServiceIdentity, reading_failures
from chassis.rpc_errors import code_of
from gateway.schemas.live import LiveDeparture, RunningVehicle
from gateway.schemas.vehicles import Freshness, TrackedVehicle
from gateway.streams import Event, Places, Topic

log = EventLog(__name__)

BEAT_SECONDS = 15.0
IDLE_BEATS_MAX = 2
"""How long a watch goes on without anybody, so that who comes back is told only what has changed."""
AGAIN_SECONDS = 1.0
WATCH_SECONDS = 3600.0
AGE_SECONDS = 5.0
LIVE_SECONDS_MAX, STALE_SECONDS_MAX = 15.0, 90.0
FLEET = ""
PARTS = {"position": {"vehicle"}, "arrival": {"calls", "delay_seconds", "off_route"},
    "availability": {"occupancy", "availability"}}  # fmt: skip
"""Which parts of a departure each event tells; `state` tells all of it."""

Place = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Area:
    """What of the fleet is followed: one operator's or everybody's, in a box of degrees or everywhere."""

    operator_id: str = ""
    box: tuple[float, float, float, float] | None = None
    """West, south, east, north; a west beyond the east goes over the date line."""

    def has_any(self, places: tuple[Place, ...]) -> bool:
        """Tell whether a vehicle is within, or was when it was told of before: who sees it leave is told."""
        return any(self._has(*place) for place in places)

    def _has(self, operator_id: str, latitude: float, longitude: float) -> bool:
        if self.operator_id not in ("", operator_id):
            return False
        if self.box is None:
            return True
        west, south, east, north = self.box
        is_between = west <= longitude <= east if west <= east else not east < longitude < west
        return south <= latitude <= north and is_between


class Watch:
    """A call that feeds a topic, made again whenever it breaks, until there is nothing more to tell."""

    def __init__(self, topic: Topic, ask: Callable[[], Any], take: Callable[[Any], None]) -> None:
        self.topic = topic
        self.idle_beats = 0
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun.add_done_callback(lambda begun: begun.cancelled() or begun.exception())
        self._ask = ask
        self._take = take
        # In nobody's name: whoever came first may be gone long before the others.
        self.task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    async def _run(self) -> None:
        failure: Failure | None = None
        try:
            while (failure := await self._listen()) is None or code_of(failure) is not StatusCode.NOT_FOUND:
                if not self.begun.done():
                    return
                await asyncio.sleep(AGAIN_SECONDS)
        except Exception:
            log.bug("watch_failed")
        finally:
            if not self.begun.done():
                self.begun.set_exception(failure or Unavailable(dependency="tracking"))
            self.topic.end()

    async def _listen(self) -> Failure | None:
        """Take what is told until the call ends; return why."""
        call = self._ask()
        try:
            with reading_failures():
                async for update in call:
                    self._take(update)
                    if not self.begun.done():
                        self.begun.set_result(None)
        except Failure as failure:
            return failure
        finally:
            call.cancel()
        return None


class Live:
    """All that is followed through this process."""

    def __init__(
        self,
        tracking: TrackingServiceStub,
        identity: ServiceIdentity,
        places: Places,
        now: Callable[[], datetime],
    ) -> None:
        self.places = places
        self._followed_fleet = FollowedFleet()
        self._now = now
        self._tracking = tracking
        self._identity = identity
        self._watches: dict[str, Watch] = {}

    async def departure(self, departure_id: str, *, seconds: float) -> Topic:
        """Follow a departure as soon as it is known how it runs; raise NotFound's like, or Unavailable."""
        watch = self._watches.get(departure_id) or self._watch_departure(departure_id)
        watch.idle_beats = 0
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(watch.begun)
        except TimeoutError:
            raise Unavailable(dependency="tracking") from None
        return watch.topic

    def fleet(self) -> Topic:
        """Follow all vehicles on their way; where they are is told as it becomes known."""
        watch = self._watches.get(FLEET) or self._watch_fleet()
        watch.idle_beats = 0
        return watch.topic

    async def beat(self) -> None:
        """Show all that we are here, and let go what nobody follows any more."""
        for watch in self._watches.values():
            watch.idle_beats = 0 if watch.topic.listeners else watch.idle_beats + 1
            for listener in watch.topic.listeners:
                listener.beat()
            if watch.idle_beats > IDLE_BEATS_MAX:
                watch.task.cancel()

    async def age(self) -> None:
        """Tell which vehicles have fallen silent."""
        self._followed_fleet.age(self._now())

    async def close(self) -> None:
        await stop_tasks([watch.task for watch in self._watches.values()])

    def _watch_departure(self, departure_id: str) -> Watch:
        request = tracking_service_pb2.WatchDepartureRequest(departure_id=departure_id)
        followed = FollowedDeparture()
        ask = partial(self._ask, self._tracking.WatchDeparture, request)
        return self._keep(departure_id, Watch(followed.topic, ask, followed.take))

    def _watch_fleet(self) -> Watch:
        self._followed_fleet = FollowedFleet()
        ask = partial(self._ask, self._tracking.WatchVehicles, tracking_service_pb2.WatchVehiclesRequest())
        return self._keep(FLEET, Watch(self._followed_fleet.topic, ask, self._followed_fleet.take))

    def _keep(self, key: str, watch: Watch) -> Watch:
        self._watches[key] = watch
        watch.task.add_done_callback(lambda _: self._watches.pop(key))
        return watch

    def _ask(self, method: Any, request: Any) -> Any:
        """Make a call in our own name: the answers are for many."""
        return method(request, timeout=WATCH_SECONDS, metadata=aio.Metadata(*self._identity.metadata()))


class FollowedDeparture:
    """One departure, told as events of what has changed."""

    def __init__(self) -> None:
        self.topic = Topic(lambda: self._whole)
        self._whole: Event
        self._known: LiveDeparture | None = None

    def take(self, update: live_pb2.DepartureUpdate) -> None:
        """Tell what differs from what was known."""
        if not update.HasField("departure"):
            return
        before, now = self._known, LiveDeparture.from_proto(update.departure)
        self._known = now
        for name, parts in PARTS.items() if before else ():
            if any(getattr(before, part) != getattr(now, part) for part in parts):
                told = now.model_dump_json(include={"departure_id", "observed_at", *parts})
                self.topic.tell(name, self.topic.write(name, told))
        self._whole = self.topic.write("state", now.model_dump_json())
        if before and before.state != now.state:
            self.topic.tell("state", self._whole)


class FollowedFleet:
    """The vehicles that run departures, each told as it moves and as it falls silent."""

    def __init__(self) -> None:
        self.topic = Topic()
        self._running: dict[str, RunningVehicle] = {}

    def take(self, update: live_pb2.VehicleUpdate) -> None:
        """Tell where a vehicle is."""
        if update.HasField("vehicle") and update.vehicle.HasField("position"):
            self._tell(RunningVehicle.from_proto(update))

    def age(self, now: datetime) -> None:
        """Tell of those that have not been heard of for a while, and forget those that may be anywhere by now."""
        for running in list(self._running.values()):
            freshness = freshness_of(running.vehicle, now)
            if freshness != running.vehicle.freshness:
                aged = running.vehicle.model_copy(update={"freshness": freshness})
                self._tell(running.model_copy(update={"vehicle": aged}))
            if freshness == "unknown":
                del self.topic.newest[running.vehicle.id], self._running[running.vehicle.id]

    def _tell(self, now: RunningVehicle) -> None:
        before = self._running.get(now.vehicle.id, now)
        self._running[now.vehicle.id] = now
        written = self.topic.write("position", now.model_dump_json())
        self.topic.tell(now.vehicle.id, written, (place_of(now.vehicle), place_of(before.vehicle)))


def place_of(vehicle: TrackedVehicle) -> Place:
    assert vehicle.position
    return vehicle.operator_id, vehicle.position.latitude, vehicle.position.longitude


def freshness_of(vehicle: TrackedVehicle, now: datetime) -> Freshness:
    """Tell how far a position can be trusted by now, as tracking does when it comes in."""
    assert vehicle.position
    since = min(vehicle.position.recorded_at, vehicle.position.received_at or vehicle.position.recorded_at)
    seconds = (now - since).total_seconds()
    return "live" if seconds <= LIVE_SECONDS_MAX else "stale" if seconds <= STALE_SECONDS_MAX else "unknown"
