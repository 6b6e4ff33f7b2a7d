"""GTFS-Realtime of the running system, as a journey planner's program reads it: with the official bindings."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from google.transit.gtfs_realtime_pb2 import Alert, FeedMessage, TripDescriptor, VehiclePosition

from tests.system.deadlines import until
from tests.system.journey import checked, coach, hold, key, leg_of, payment, publish, quote
from tests.system.running_stack import Stack
from tests.system.scene import Scene, scene_on

OPERATOR = "planner"
LATE = timedelta(minutes=30)


class Day:
    """A late coach, one that is full and waits at its first stop, and one that is cancelled."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.operator = scene, scene.operator
        seats = [{"id": f"{row}A", "row": row, "column": 1} for row in (1, 2)]
        layout = {"operator_id": OPERATOR, "name": "Two seats", "seats": seats}
        self.layout_id = checked(self.operator.post("/layouts", json=layout), 201)["id"]
        self.late = self.sell("T-late", -LATE)
        # A coach stands five minutes at its first stop.
        self.full = self.sell("T-full", timedelta(minutes=-1))
        self.cancelled = self.sell("T-cancelled", timedelta(hours=3))
        self.book(self.full, 2)
        self.book(self.cancelled, 1)
        self.cancel()
        # Twenty metres a second towards Coimbra.
        self.drive(self.late, "Coach 1", [(-120, 41.1496, -8.6110), (-1, 41.1287, -8.6066)])
        self.drive(self.full, "Coach 2", [(-20, 41.1496, -8.6110), (-1, 41.1496, -8.6110)])

    def sell(self, trip_id: str, starts_in: timedelta) -> Any:
        way = {"short_name": "R1", "long_name": "Porto - Lisboa", "mode": "coach", "feed_route_id": "R-1"}
        made = coach(
            operator_id=OPERATOR, starts_in=starts_in, feed_trip_id=trip_id, layout_id=self.layout_id, route=way
        )
        return publish(self.operator, made)

    def book(self, departure: Any, seats: int) -> None:
        rider, categories = self.scene.rider(), ("adult",) * seats
        quoted = quote(rider, leg_of(departure), categories=categories)
        held = hold(rider, quoted, passengers=[{"name": f"Rider {n}", "category": "adult"} for n in range(seats)])
        checked(rider.post(f"/bookings/{held['id']}/confirm", json=payment(), headers=key()), 200)

    def cancel(self) -> None:
        body = {"operator_id": OPERATOR, "departure_ids": [self.cancelled["id"]]}
        checked(self.operator.post("/departures/cancel", json=body, headers=key()), 200)

    def drive(self, departure: Any, label: str, way: list[tuple[int, float, float]]) -> None:
        """Let a vehicle of its own run a departure and report points, by their seconds from now."""
        made = {"operator_id": OPERATOR, "label": label, "layout_id": self.layout_id}
        vehicle = checked(self.operator.post("/vehicles", json=made), 201)
        until(lambda: self.operator.get(f"/vehicles/{vehicle['id']}").status_code == 200, seconds=10, what="tracked")
        path = f"/departures/{departure['id']}"
        tag = {"If-Match": self.operator.get(path).headers["etag"]}
        checked(self.operator.put(f"{path}/vehicle", json={"vehicle_id": vehicle["id"]}, headers=tag), 200)
        until(lambda: self.live(departure)["vehicle"] is not None, seconds=10, what="assigned")
        token = checked(self.operator.post(f"/vehicles/{vehicle['id']}/device-tokens"), 201)["token"]
        now = datetime.now(UTC)
        points = [
            {"recorded_at": (now + timedelta(seconds=at)).isoformat(), "latitude": latitude, "longitude": longitude}
            for at, latitude, longitude in way
        ]
        device = self.scene.signed_in(token)
        found = checked(device.post(f"/vehicles/{vehicle['id']}/positions", json={"positions": points}), 200)
        assert found["accepted"] == len(points), found

    def live(self, departure: Any) -> Any:
        return checked(self.scene.anybody.get(f"/departures/{departure['id']}/live"), 200)

    def read(self, name: str, **headers: str) -> Any:
        reply = self.scene.anybody.get(f"/gtfs-realtime/{name}", params={"operator_id": OPERATOR}, headers=headers)
        assert reply.status_code == 200, reply.text
        return reply

    def feed(self, name: str) -> dict[str, Any]:
        """Read a feed; return what it tells by departure."""
        feed = FeedMessage.FromString(self.read(name, Accept="*/*").content)
        assert abs(feed.header.timestamp - datetime.now(UTC).timestamp()) < 20
        return {entity.id: entity for entity in feed.entity}

    def trip(self, departure: Any, relationship: int) -> TripDescriptor:
        return TripDescriptor(
            trip_id=departure["feed_trip_id"],
            route_id="R-1",
            start_date=departure["service_date"].replace("-", ""),
            schedule_relationship=relationship,
        )


@pytest.fixture(scope="module")
def day(stack: Stack) -> Iterator[Day]:
    with scene_on(stack) as scene:
        yield Day(scene)


def test_vehicles_under_way_are_where_they_reported_and_as_full_as_they_are_booked(day: Day) -> None:
    found = day.feed("vehicle-positions")
    assert set(found) == {day.late["id"], day.full["id"]}
    late, full = found[day.late["id"]].vehicle, found[day.full["id"]].vehicle
    assert late.trip == day.trip(day.late, TripDescriptor.SCHEDULED)
    assert (late.position.latitude, late.position.longitude) == (pytest.approx(41.1287), pytest.approx(-8.6066))
    assert (late.current_status, late.stop_id) == (VehiclePosition.IN_TRANSIT_TO, "Coimbra")
    assert (late.occupancy_status, late.occupancy_percentage) == (VehiclePosition.EMPTY, 0)
    assert (full.current_status, full.stop_id) == (VehiclePosition.STOPPED_AT, "Porto")
    assert (full.occupancy_status, full.occupancy_percentage) == (VehiclePosition.FULL, 100)
    assert (late.vehicle.label, full.vehicle.label) == ("Coach 1", "Coach 2")


def test_what_is_late_says_when_it_is_expected_and_what_is_cancelled_that_it_is(day: Day) -> None:
    found = day.feed("trip-updates")
    assert set(found) == {day.late["id"], day.full["id"], day.cancelled["id"]}
    late, cancelled = found[day.late["id"]].trip_update, found[day.cancelled["id"]].trip_update
    assert late.delay == pytest.approx((LATE - timedelta(minutes=5)).total_seconds(), abs=150)
    assert [stop.stop_id for stop in late.stop_time_update] == ["Porto", "Coimbra", "Lisboa"]
    scheduled = datetime.fromisoformat(day.late["calls"][1]["scheduled_arrival_at"]).timestamp()
    coimbra = late.stop_time_update[1].arrival
    assert (coimbra.time - coimbra.delay, coimbra.delay) == (int(scheduled), late.delay)
    assert cancelled.trip == day.trip(day.cancelled, TripDescriptor.CANCELED)
    assert not cancelled.stop_time_update
    assert found[day.full["id"]].trip_update.trip == day.trip(day.full, TripDescriptor.SCHEDULED)


def test_what_is_cancelled_is_no_service_in_words_for_riders(day: Day) -> None:
    found = day.feed("alerts")
    assert list(found) == [day.cancelled["id"]]
    alert = found[day.cancelled["id"]].alert
    assert (alert.effect, alert.cause) == (Alert.NO_SERVICE, Alert.UNKNOWN_CAUSE)
    assert [informed.trip for informed in alert.informed_entity] == [day.trip(day.cancelled, TripDescriptor.CANCELED)]
    assert "from Porto to Lisboa" in alert.header_text.translation[0].text


@pytest.mark.parametrize("name", ["vehicle-positions", "trip-updates", "alerts"])
def test_json_says_the_same(day: Day, name: str) -> None:
    reply = day.read(name, Accept="application/json")
    assert reply.headers["content-type"] == "application/json"
    assert {entity.id for entity in Parse(reply.text, FeedMessage()).entity} == set(day.feed(name))
    again = day.scene.anybody.get(
        reply.request.url, headers={"Accept": "application/json", "If-None-Match": reply.headers["etag"]}
    )
    assert again.status_code == 304
