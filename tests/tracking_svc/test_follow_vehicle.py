"""What follows from a vehicle's points: visits and facts in the transaction of the frame, late points taken in."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from headway.tracking.v1 import vehicle_events_pb2

from chassis.outbox import Outbox
from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import ADMIN, COACH, FERRY, FERRY_DEVICE, batch, commit, position, report
from tests.tracking_svc.timetable import LATITUDE, START, STOP_DEGREES, departure, pattern
from tracking_svc.domain.points import Position
from tracking_svc.queries.get_delays import get_delays
from tracking_svc.store.work import Work
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns
from tracking_svc.use_cases.notice_silence import notice_silence

Tracked = Store[Work]
Facts = list[tuple[str, int | None]]


@pytest.fixture
def store(store: Tracked, clock: FixedClock) -> Tracked:
    """A store whose ferry runs dep_1, which began ten minutes ago."""
    commit(store, keep_patterns, patterns=[pattern()])
    commit(store, keep_departures, departures=[departure()])
    clock.advance(600)
    return store


def at(seconds: float, kilometers: float, *, east: float = 0.0) -> Position:
    return position(
        0, START + timedelta(seconds=seconds), latitude=LATITUDE + STOP_DEGREES * kilometers, longitude=20.0 + east
    )


def ride(*, late: float = 0.0, stops: int = 4) -> list[Position]:
    """Stand a while, then go a kilometre in two minutes."""
    return [at(-30, 0), *(at(late + n * 10, n / 12) for n in range((stops - 1) * 12 + 1))]


def send(store: Tracked, *sent: Position, vehicle: str = FERRY.id) -> None:
    report(store, batch(sent, vehicle=vehicle, session=""), caller=FERRY_DEVICE)


def facts(store: Tracked) -> Facts:
    """Return what was told, in order, with the call that it is about."""
    columns = Outbox.table.c
    found: Facts = []
    with store.database.reader.begin() as connection:
        for type_, payload in connection.execute(sa.select(columns.type, columns.payload).order_by(columns.position)):
            name = type_.rpartition(".")[2]
            event = getattr(vehicle_events_pb2, name).FromString(payload)
            has_call = "at" in event.DESCRIPTOR.fields_by_name
            found.append((name.removeprefix("Vehicle"), event.at.call_sequence if has_call else None))
    return found


def delays(store: Tracked) -> dict[str, int]:
    found: dict[str, int] = store._query(get_delays, departure_ids=["dep_1", "dep_2", "\0"])
    return found


ONCE: Facts = [
    ("Arrived", 0), ("Departed", 0), ("Arrived", 1), ("Departed", 1), ("Arrived", 2), ("Departed", 2), ("Arrived", 3),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 5, 100])
def test_every_call_is_told_once_in_order_however_points_are_put_together(store: Tracked, size: int):
    way = ride()
    for start in range(0, len(way), size):
        send(store, *way[start : start + size])
        send(store, *way[start : start + size])
    assert facts(store) == ONCE


def test_a_fact_says_what_when_and_where(store: Tracked):
    send(store, *ride(stops=2))
    columns = Outbox.table.c
    with store.database.reader.begin() as connection:
        row = connection.execute(sa.select(Outbox.table).order_by(columns.position).limit(1)).one()
    event = vehicle_events_pb2.VehicleArrived.FromString(row.payload)
    assert (row.stream, row.subject) == ("VEHICLE", f"headway.v1.vehicle.arrived.{FERRY.operator_id}.{FERRY.id}")
    assert (event.at.vehicle_id, event.at.operator_id, event.at.departure_id) == (FERRY.id, "opr_sea", "dep_1")
    assert (event.at.call_sequence, event.at.stop_id) == (0, "stp_0")
    assert event.at.occurred_at.ToSeconds() == int((START - timedelta(seconds=30)).timestamp())


def test_a_late_point_that_changes_nothing_tells_nothing(store: Tracked):
    way = ride()
    send(store, *way[:20], *way[21:])
    send(store, way[20])
    assert facts(store) == ONCE


def test_a_late_point_that_shows_another_time_retracts_and_tells_anew(store: Tracked):
    way = ride()
    held_up = at(95, 11.9 / 12)
    send(store, *(point for point in way if not 90 <= (point.recorded_at - START).total_seconds() <= 130))
    before = len(facts(store))
    send(store, held_up)
    assert facts(store)[before:] == [
        ("ArrivalRetracted", 1), ("DepartureRetracted", 1), ("Arrived", 1), ("Departed", 1)
    ]  # fmt: skip


def test_points_of_a_vehicle_without_a_departure_are_kept_and_tell_nothing(store: Tracked):
    report(store, batch(ride(), vehicle=COACH.id, session=""), caller=ADMIN)
    assert facts(store) == []


def test_a_departure_that_is_cancelled_is_run_no_further(store: Tracked):
    way = ride()
    send(store, *way[:15])
    told = facts(store)
    commit(store, keep_departures, departures=[departure(version=2, state="CANCELLED")])
    send(store, *way[15:])
    assert facts(store) == told


def test_how_late_a_departure_is_is_known_while_it_is_on_its_way(store: Tracked, clock: FixedClock):
    assert delays(store) == {}
    way = ride(late=70)
    send(store, *way[:20])
    assert delays(store) == {"dep_1": 70}
    clock.advance(16 * 60)
    assert delays(store) == {}
    send(store, *way[20:])
    assert delays(store) == {}, "it has come to its end"


def test_silence_is_told_once_and_so_is_coming_back(store: Tracked, clock: FixedClock):
    way = ride(late=500)
    send(store, *way[:12])
    assert commit(store, notice_silence) == 0
    clock.advance(100)
    assert commit(store, notice_silence) == 1
    assert commit(store, notice_silence) == 0
    send(store, *way[12:20])
    assert [name for name, call in facts(store) if call is None] == ["Silent", "Back"]
    assert commit(store, notice_silence) == 0


def test_a_vehicle_at_the_end_of_its_ride_may_be_silent(store: Tracked, clock: FixedClock):
    send(store, *ride())
    clock.advance(300)
    assert commit(store, notice_silence) == 0


def test_leaving_the_line_and_coming_back_is_told_once_each(store: Tracked):
    away = [at(130 + n * 10, 1.1, east=0.01) for n in range(10)]
    way = ride(stops=2)
    for point in [*way, *away, *(at(240 + n * 10, 1.2 + n / 12) for n in range(5))]:
        send(store, point)
    assert [name for name, call in facts(store) if call is None] == ["OffRoute", "OnRoute"]


def test_a_vehicle_that_goes_home_after_its_ride_has_not_left_its_line(store: Tracked):
    send(store, *ride(), *(at(400 + n * 10, 3.1 + n / 12, east=0.01) for n in range(15)))
    assert facts(store) == ONCE


def test_after_a_change_of_vehicle_the_other_goes_on(store: Tracked):
    way = ride()
    send(store, *way[:16])
    commit(store, keep_departures, departures=[departure(version=2, vehicle=COACH)])
    report(store, batch(way[16:], vehicle=COACH.id, session=""), caller=ADMIN)
    assert [call for name, call in facts(store) if name == "Arrived"] == [0, 1, 2, 3]


def test_very_many_points_are_not_gone_over_again_for_a_late_one(store: Tracked, monkeypatch: Any):
    monkeypatch.setattr("tracking_svc.use_cases.follow_vehicle.AGAIN_MAX", 10)
    way = ride()
    send(store, way[0], *way[2:])
    send(store, way[1])
    assert facts(store) == ONCE
