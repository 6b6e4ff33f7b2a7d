"""Real buses of one day: what is found of their calls, and that late, doubled and shuffled points change nothing."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import sqlalchemy as sa
from headway.tracking.v1 import vehicle_events_pb2

from chassis.access import Caller
from chassis.outbox import Outbox
from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc.buses import Buses, read_buses, vehicle
from tests.tracking_svc.fleet import commit
from tracking_svc.bootstrap import open_store
from tracking_svc.domain.points import SECOND, Points
from tracking_svc.domain.progress import Follower, Progress, Visit, ride_of
from tracking_svc.domain.reports import Batch
from tracking_svc.store.work import Work
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns
from tracking_svc.use_cases.record_vehicle import record_vehicle
from tracking_svc.use_cases.report_positions import report_positions

TOLERANCE_SECONDS = 60
FOUND_MIN = 0.9
FALSE_MAX = 0.02
DEVICE = Caller("dev_1", frozenset({"positions:write"}), operator_id="*")
KEY = tuple[str, int]


def follow(buses: Buses, vehicle_id: str) -> dict[KEY, Visit]:
    rides = [ride_of(found, buses.patterns[found.pattern_id].line) for found in buses.runs(vehicle_id)]
    follower = Follower(Progress(), rides)
    follower.follow(buses.points(vehicle_id))
    return follower.visits


def test_nine_of_ten_calls_that_buses_are_seen_to_pass_are_found():
    """The device's own word for its next stop is the truth; a call it never names but we find is false."""
    buses, counts = read_buses(), Counter()
    for vehicle_id in buses.positions:
        visits, passed = follow(buses, vehicle_id), buses.passed(vehicle_id)
        for key, (since, until) in passed.items():
            found = visits.get(key)
            slack = TOLERANCE_SECONDS
            if found is None:
                counts["missed"] += 1
            elif since - slack <= found.arrived_at / SECOND <= until + slack:
                counts["found"] += 1
            else:
                counts["at another time"] += 1
        counts["false"] += len(visits.keys() - passed.keys())
    shown = counts["found"] + counts["missed"] + counts["at another time"]
    print(f"\n{shown} calls shown: {dict(counts)}; found {counts['found'] / shown:.1%}")
    assert shown > 2500
    assert counts["found"] >= FOUND_MIN * shown
    assert counts["false"] <= FALSE_MAX * shown


def test_every_call_is_left_after_it_is_reached_and_calls_come_in_order():
    buses = read_buses()
    for vehicle_id in buses.positions:
        visits = sorted(follow(buses, vehicle_id).values(), key=lambda visit: (visit.departure_id, visit.sequence))
        assert all(visit.departed_at is None or visit.arrived_at <= visit.departed_at for visit in visits)
        for before, after in pairwise(visits):
            if before.departure_id == after.departure_id:
                assert before.arrived_at <= after.arrived_at


def opened(path: Path, buses: Buses) -> Store[Work]:
    """Open a store that knows the day's departures; every vehicle has a copy of what it ran, as one may be swapped."""
    clock = FixedClock(datetime(2026, 2, 17, tzinfo=UTC))
    store = open_store(f"sqlite:///{path}", clock)
    commit(store, keep_patterns, patterns=list(buses.patterns.values()))
    for vehicle_id in buses.positions:
        commit(store, record_vehicle, vehicle=vehicle(vehicle_id))
        runs = [
            replace(found, id=f"{found.id}.{vehicle_id}", vehicle_id=vehicle_id) for found in buses.runs(vehicle_id)
        ]
        commit(store, keep_departures, departures=runs)
    return store


def send(store: Store[Work], vehicle_id: str, batches: Iterable[Points]) -> None:
    """Report batch after batch, in one transaction for the sake of time."""
    with store.database.writer.begin() as connection:
        work = store._open_work(connection, store.now())
        for points in batches:
            report_positions(work, caller=DEVICE, batch=Batch(vehicle_id, "", points))


def in_order(points: Points, random: Random) -> Iterable[Points]:
    yield from (points.take([place]) for place in range(len(points)))


def disturbed(points: Points, random: Random) -> Iterable[Points]:
    """Send three of ten points late by up to ten minutes, one of ten twice, and what is due together shuffled."""
    due: list[tuple[float, int]] = []
    for place, at in enumerate(points.recorded):
        is_late = random.random() < 0.3
        due.append((at + is_late * random.uniform(0, 600 * SECOND), place))
        if random.random() < 0.1:
            due.append((at + random.uniform(0, 600 * SECOND), place))
    due.sort()
    while due:
        count = random.randint(1, 3)
        together, due = [place for _, place in due[:count]], due[count:]
        random.shuffle(together)
        yield points.take(together)


def told(store: Store[Work]) -> tuple[list[tuple[str, ...]], Counter[str]]:
    """Return the arrivals and departures that hold in the end, as a listener to the events knows them."""
    columns = Outbox.table.c
    query = sa.select(columns.type, columns.payload).order_by(columns.position)
    held: Counter[tuple[str, ...]] = Counter()
    facts: Counter[str] = Counter()
    with store.database.reader.begin() as connection:
        for type_, payload in connection.execute(query):
            name = type_.rpartition(".")[2]
            facts[name] += 1
            event = getattr(vehicle_events_pb2, name).FromString(payload)
            if "at" not in event.DESCRIPTOR.fields_by_name:
                continue
            kind = "departed" if "Depart" in name else "arrived"
            key = (kind, event.at.departure_id, str(event.at.call_sequence), event.at.occurred_at.ToJsonString())
            held[key] += -1 if "Retracted" in name else 1
            assert held[key] in (0, 1), f"{name} was told twice: {key}"
    return sorted(held.elements()), facts


def outcome(path: Path, buses: Buses, order: Callable[[Points, Random], Iterable[Points]], seed: int = 1):
    store = opened(path, buses)
    for vehicle_id in buses.positions:
        send(store, vehicle_id, order(buses.points(vehicle_id), Random(f"{seed}{vehicle_id}")))
    try:
        return told(store)
    finally:
        store.stop()


def test_points_that_come_late_doubled_and_shuffled_give_the_same_arrivals_each_once(tmp_path: Path):
    buses = read_buses()
    some = replace(buses, positions=dict(sorted(buses.positions.items())[::4]))
    expected, plain = outcome(tmp_path / "plain.db", some, in_order)
    assert len(expected) > 700
    assert plain["VehicleArrivalRetracted"] == plain["VehicleDepartureRetracted"] == 0
    found, facts = outcome(tmp_path / "disturbed.db", some, disturbed)
    print(f"\nin order {dict(plain)}; disturbed {dict(facts)}")
    assert found == expected
