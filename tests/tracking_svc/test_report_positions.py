"""A batch of points: who may report, what is kept, what moves, and that order makes no difference."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.access import Caller
from chassis.errors import InvalidInput, NotFound
from chassis.ids import new_id
from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import (
    ADMIN,
    COACH,
    FERRY,
    FERRY_DEVICE,
    LAND_STAFF,
    SEA_STAFF,
    TENDER,
    batch,
    commit,
    frame_count,
    history,
    newest,
    opened,
    position,
    reasons,
    report,
    way,
)
from tracking_svc.domain.vehicles import Vehicle
from tracking_svc.store.work import Work
from tracking_svc.use_cases.record_vehicle import record_vehicle

Tracked = Store[Work]


def test_a_batch_is_one_row_and_all_of_it_comes_back(store: Tracked, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=9), range(1, 501))
    sent[7] = replace(sent[7], speed_meters_per_second=12.3, heading_degrees=271.5, accuracy_meters=4.25)
    found = report(store, batch(sent))
    assert (found.accepted, found.rejected, found.acknowledged_sequence) == (500, (), 500)
    assert found.vehicle == FERRY
    assert history(store) == sent
    assert frame_count(store) == 1
    assert newest(store) == sent[-1]
    assert found.moved_to is not None
    assert (found.moved_to.position, found.moved_to.received_at) == (sent[-1], clock.now())


def test_a_repeat_is_harmless_and_answers_the_same_sequence(store: Tracked, clock: FixedClock):
    sent = way(clock.now() - timedelta(seconds=9), [1, 2, 3])
    first, again = report(store, batch(sent)), report(store, batch(sent))
    assert again.accepted == 0
    assert reasons(again) == [(0, "duplicate"), (1, "duplicate"), (2, "duplicate")]
    assert again.acknowledged_sequence == first.acknowledged_sequence == 3
    assert again.moved_to is None
    assert history(store) == sent


def test_bad_points_get_their_reasons_and_leave_the_good_ones_alone(store: Tracked, clock: FixedClock):
    at = clock.now()
    sent = [
        position(1, at - timedelta(seconds=5)),
        position(2, at, latitude=math.nan),
        position(3, at, latitude=91.0),
        position(4, at, latitude=0.0, longitude=0.0),
        position(5, at + timedelta(seconds=61)),
        position(6, at - timedelta(days=8)),
        position(7, at, accuracy_meters=501.0),
        position(1, at - timedelta(seconds=4)),
        position(8, at - timedelta(seconds=5)),
        position(9, at, speed_meters_per_second=-1.0, heading_degrees=math.inf),
    ]
    found = report(store, batch(sent))
    assert reasons(found) == [
        (1, "not_finite"), (2, "out_of_range"), (3, "null_island"), (4, "in_the_future"), (5, "too_old"),
        (6, "inaccurate"), (7, "duplicate"), (8, "duplicate"),
    ]  # fmt: skip
    assert found.accepted == 2
    assert found.acknowledged_sequence == 9, "a rejected point is settled"
    assert history(store) == [sent[0], replace(sent[9], speed_meters_per_second=None, heading_degrees=None)]


def test_a_batch_of_nothing_but_bad_points_is_answered(store: Tracked, clock: FixedClock):
    found = report(store, batch([position(1, clock.now(), latitude=math.nan)]))
    assert (found.accepted, found.acknowledged_sequence, found.moved_to) == (0, 1, None)
    assert history(store) == []


def test_a_late_point_is_kept_and_does_not_move_the_vehicle_back(store: Tracked, clock: FixedClock):
    early, late, later = way(clock.now() - timedelta(hours=1), [1, 2, 3], seconds=600)
    assert report(store, batch([later])).moved_to is not None
    found = report(store, batch([early, late]))
    assert (found.accepted, found.moved_to) == (2, None)
    assert newest(store) == later
    assert history(store) == [early, late, later]


def test_points_out_of_order_in_a_batch_move_the_vehicle_to_the_latest_of_them(store: Tracked, clock: FixedClock):
    first, last = way(clock.now() - timedelta(minutes=1), [1, 2])
    found = report(store, batch([last, first]))
    assert found.moved_to is not None
    assert found.moved_to.position == last


def test_a_gap_stops_the_acknowledgement_until_it_is_filled(store: Tracked, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=1), range(1, 10))
    assert report(store, batch(sent[:3])).acknowledged_sequence == 3
    assert report(store, batch(sent[5:])).acknowledged_sequence == 3
    assert report(store, batch(sent[3:5])).acknowledged_sequence == 9


def test_sessions_count_apart_and_share_the_history(store: Tracked, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=1), range(1, 5))
    assert report(store, batch(sent[:2], session="a")).acknowledged_sequence == 2
    other = report(store, batch([replace(sent[2], sequence=70)], session="b"))
    assert (other.accepted, other.acknowledged_sequence) == (1, 70)
    third = report(store, batch([replace(sent[0], sequence=71), replace(sent[3], sequence=72)], session="b"))
    assert reasons(third) == [(0, "duplicate")], "a vehicle is at one place at a time, whatever the session"
    assert third.acknowledged_sequence == 72
    assert report(store, batch(sent[3:], session="a")).acknowledged_sequence == 2, "rejected, but 3 is missing"


def test_two_vehicles_may_have_points_of_one_time_and_sessions_of_one_name(store: Tracked, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=1), [1, 2])
    assert report(store, batch(sent), caller=ADMIN).accepted == 2
    assert report(store, batch(sent, vehicle=COACH.id), caller=ADMIN).accepted == 2


@pytest.mark.parametrize(("session", "numbers"), [("", (1, 2, 3)), ("s", (0, 0, 0)), ("", (0, 0, 0))])
def test_without_session_or_sequence_points_are_told_apart_by_their_times(
    store: Tracked, clock: FixedClock, session: str, numbers: tuple[int, ...]
):
    times = [clock.now() - timedelta(seconds=seconds) for seconds in (3, 2, 1)]
    sent = [position(number, at) for number, at in zip(numbers, times, strict=True)]
    found = report(store, batch(sent, session=session))
    assert (found.accepted, found.acknowledged_sequence) == (3, 0)
    again = report(store, batch([*sent, position(0, clock.now())], session=session))
    assert reasons(again) == [(0, "duplicate"), (1, "duplicate"), (2, "duplicate")]
    assert len(history(store)) == 4


def test_a_session_goes_on_after_a_restart(database_url: str, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=1), range(1, 7))
    with opened(database_url, clock) as store:
        assert report(store, batch(sent[:3])).acknowledged_sequence == 3
    with opened(database_url, clock) as store:
        found = report(store, batch(sent))
        assert (found.accepted, found.acknowledged_sequence) == (3, 6)
        assert history(store) == sent


def test_points_days_apart_are_each_found_again(store: Tracked, clock: FixedClock):
    sent = way(clock.now() - timedelta(days=6), range(1, 101), seconds=4000)
    assert report(store, batch(sent, session="")).accepted == 100
    assert report(store, batch(sent, session="")).accepted == 0
    assert history(store) == sent


@pytest.mark.parametrize("caller", [FERRY_DEVICE, SEA_STAFF, ADMIN], ids=lambda caller: caller.subject)
def test_its_device_and_its_operators_staff_may_report_for_a_vehicle(store: Tracked, clock: FixedClock, caller: Caller):
    assert report(store, batch(way(clock.now(), [1])), caller=caller).accepted == 1


@pytest.mark.parametrize(
    ("caller", "vehicle"),
    [
        (FERRY_DEVICE, COACH.id),
        (FERRY_DEVICE, TENDER.id),
        (replace(FERRY_DEVICE, operator_id="*"), TENDER.id),
        (LAND_STAFF, FERRY.id),
        (Caller("usr_3", frozenset({"positions:write"})), FERRY.id),
        (ADMIN, "veh_unknown"),
    ],
    ids=["other operator", "same operator", "device of all", "other staff", "nobody's staff", "unknown"],
)
def test_a_foreign_vehicle_answers_like_an_unknown_one(store: Tracked, clock: FixedClock, caller: Caller, vehicle: str):
    with pytest.raises(NotFound) as refusal:
        report(store, batch(way(clock.now(), [1]), vehicle=vehicle), caller=caller)
    assert (refusal.value.reason, refusal.value.facts) == ("NOT_FOUND", {})
    assert refusal.value.detail == "There is no vehicle under this identifier."
    assert history(store, vehicle) == []


def test_a_vehicle_that_changed_hands_is_the_new_operators(store: Tracked, clock: FixedClock):
    commit(store, record_vehicle, vehicle=replace(COACH, operator_id="opr_sea", version=2))
    sent = batch(way(clock.now(), [1]), vehicle=COACH.id)
    assert report(store, sent, caller=SEA_STAFF).accepted == 1
    with pytest.raises(NotFound):
        report(store, sent, caller=LAND_STAFF)


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"vehicle_id": ""}, "/vehicle_id"),
        ({"vehicle_id": "v" * 65}, "/vehicle_id"),
        ({"vehicle_id": "veh_\0"}, "/vehicle_id"),
        ({"session_id": "s" * 65}, "/session_id"),
        ({"session_id": "s\0"}, "/session_id"),
        ({"points": batch([]).points}, "/positions"),
    ],
)
def test_what_is_no_batch_is_refused_and_says_where(
    store: Tracked, clock: FixedClock, values: dict[str, object], pointer: str
):
    with pytest.raises(InvalidInput) as refusal:
        report(store, replace(batch(way(clock.now(), [1])), **values), caller=ADMIN)
    assert [error.pointer for error in refusal.value.errors] == [pointer]


def test_more_than_five_hundred_points_are_no_batch(store: Tracked, clock: FixedClock):
    start = clock.now() - timedelta(hours=1)
    assert report(store, batch(way(start, range(1, 501)))).accepted == 500
    with pytest.raises(InvalidInput):
        report(store, batch(way(start, range(501, 1002))))


def test_two_processes_that_are_told_the_same_at_once_keep_it_once(postgresql_url: str, clock: FixedClock):
    sent = way(clock.now() - timedelta(minutes=9), range(1, 201))
    with opened(postgresql_url, clock) as one, opened(postgresql_url, clock) as other, ThreadPoolExecutor(2) as pool:
        for place in range(0, 200, 4):
            same = batch(sent[place : place + 4])
            found = list(pool.map(lambda store, same=same: report(store, same), (one, other)))
            assert sorted(each.accepted for each in found) == [0, 4]
            assert {each.acknowledged_sequence for each in found} == {place + 4}
        assert history(one) == sent


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shuffled_doubled_and_late_points_leave_the_same_history_and_the_same_newest_position(
    store: Tracked, clock: FixedClock, data: st.DataObject
):
    """Points of a day in any order, some batches twice, some bad points among them."""
    count = data.draw(st.integers(1, 40), label="points")
    seconds = data.draw(st.sampled_from([1, 30, 500, 3000]), label="seconds between")
    session = data.draw(st.sampled_from(["", "s"]), label="session")
    random = Random(data.draw(st.integers(0, 2**32), label="seed"))
    vehicle = Vehicle(new_id("veh"), "opr_sea", "", 1)
    commit(store, record_vehicle, vehicle=vehicle)
    sent = way(clock.now() - timedelta(seconds=seconds * count), range(1, count + 1), seconds=seconds)
    for place in random.sample(range(count), count // 4):
        sent[place] = replace(sent[place], latitude=random.choice([math.nan, 95.0]))
    good = [point for point in sent if abs(point.latitude) <= 90]

    first = sent[0]
    promised = report(store, batch([first], vehicle=vehicle.id, session=session), caller=ADMIN).acknowledged_sequence
    coming = sent[1:] + random.sample(sent, count // 2)
    random.shuffle(coming)
    arrived = {first.sequence}
    while coming:
        size = random.randint(1, 7)
        some, coming = coming[:size], coming[size:]
        found = report(store, batch(some, vehicle=vehicle.id, session=session), caller=ADMIN)
        arrived |= {point.sequence for point in some}
        assert found.accepted + len(found.rejected) == len(some)
        assert found.acknowledged_sequence >= promised
        promised = found.acknowledged_sequence
        if session:
            assert promised == next(number for number in range(1, count + 2) if number + 1 not in arrived)

    assert history(store, vehicle.id) == good
    assert newest(store, vehicle.id) == (good[-1] if good else None)
