"""The history is kept for seven days and goes in small steps."""

from datetime import timedelta

import sqlalchemy as sa

from chassis.inbox import Inbox
from chassis.store import Store
from tests.clocks import FixedClock
from tests.tracking_svc.fleet import FERRY, batch, commit, frame_count, history, newest, position, report, way
from tracking_svc.loops import until_done
from tracking_svc.store import sessions
from tracking_svc.store.work import Work
from tracking_svc.use_cases.prune_history import STEP_ROWS, prune_history

DAY = 86_400


def prune_all(store: Store[Work]) -> list[int]:
    """Prune until nothing is left to; return what each step took."""
    steps = []
    while taken := commit(store, prune_history):
        steps.append(taken)
    return steps


def count_sessions(store: Store[Work]) -> int:
    with store.database.reader.begin() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(sessions.TABLE)).scalar_one()


def test_frames_of_more_than_seven_days_go_and_younger_ones_and_the_newest_position_stay(
    store: Store[Work], clock: FixedClock
):
    old, young = position(1, clock.now()), position(2, clock.now() + timedelta(seconds=2))
    report(store, batch([old]))
    clock.advance(5)
    report(store, batch([young]))
    clock.advance(7 * DAY - 4)
    assert prune_all(store) == [1]
    assert history(store) == [young]
    clock.advance(10)
    prune_all(store)
    assert history(store) == []
    assert newest(store) == young


def test_a_frame_stays_until_its_last_point_is_too_old(store: Store[Work], clock: FixedClock):
    sent = way(clock.now() - timedelta(seconds=300), [1, 2], seconds=300)
    report(store, batch(sent))
    clock.advance(7 * DAY)
    assert prune_all(store) == []
    assert history(store) == sent


def test_many_frames_go_in_small_steps(store: Store[Work], clock: FixedClock):
    for point in way(clock.now(), range(1, 2 * STEP_ROWS + 51), seconds=0.01):
        report(store, batch([point], session=""))
    clock.advance(8 * DAY)
    assert prune_all(store) == [STEP_ROWS, STEP_ROWS, 50]
    assert frame_count(store) == 0


def test_a_point_that_was_pruned_is_not_taken_again(store: Store[Work], clock: FixedClock):
    sent = batch([position(1, clock.now())], session="")
    report(store, sent)
    clock.advance(7 * DAY + 1)
    prune_all(store)
    found = report(store, sent)
    assert [rejection.reason for rejection in found.rejected] == ["too_old"]


def test_a_session_is_forgotten_when_none_of_its_points_could_be_taken_any_more(store: Store[Work], clock: FixedClock):
    report(store, batch([position(1, clock.now())]))
    clock.advance(8 * DAY - 1)
    prune_all(store)
    assert count_sessions(store) == 1
    clock.advance(2)
    prune_all(store)
    assert count_sessions(store) == 0


def test_messages_taken_in_long_ago_are_forgotten(store: Store[Work], clock: FixedClock):
    with store.database.writer.begin() as connection:
        assert Inbox(connection).is_new("evt_1", now=clock.now())
    clock.advance(8 * DAY + 1)
    assert prune_all(store) == [1]


async def test_the_loop_prunes_what_is_too_old(store: Store[Work], clock: FixedClock):
    report(store, batch([position(1, clock.now())]))
    clock.advance(8 * DAY)
    store.start()
    await until_done(store, prune_history)
    assert frame_count(store) == 0
    assert newest(store, FERRY.id) is not None
