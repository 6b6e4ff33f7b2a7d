"""What nobody asks for any more is forgotten in steps, and nothing else is."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from chassis.inbox import Inbox
from chassis.outbox import Outbox
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.domain.departure import Availability
from pricing_svc.loops import tidy
from pricing_svc.store.availabilities import Availabilities
from pricing_svc.store.departures import TABLE as DEPARTURES
from pricing_svc.store.patterns import TABLE
from pricing_svc.store.work import Work
from pricing_svc.use_cases import prune as pruning
from pricing_svc.use_cases.keep_availability import keep_availability
from pricing_svc.use_cases.keep_patterns import keep_patterns
from pricing_svc.use_cases.prune import prune
from tests.clocks import FixedClock
from tests.pricing_svc import network
from tests.pricing_svc.network import START
from tests.pricing_svc.service import ask, commit, keep, put_in_force

DAY = timedelta(days=1)


def rows(store: Store[Work], table: sa.Table, column: str) -> set[str]:
    return set(ask(store, lambda work: work.connection.execute(sa.select(table.c[column])).scalars().all()))


def test_departures_are_forgotten_two_days_after_their_end_with_their_availability(store: Store[Work]):
    now = store._clock.now()
    for id_, days in (("dep_old", 3), ("dep_new", 1)):
        keep(store, network.departure(id_, start=now - days * DAY))
        commit(store, keep_availability, availability=Availability(id_, 1, (1,), 1, now))
    assert commit(store, prune) == 1
    assert rows(store, DEPARTURES, "id") == {"dep_new"}
    assert rows(store, Availabilities.table, "departure_id") == {"dep_new"}
    assert commit(store, prune) == 0


def test_patterns_are_forgotten_two_days_after_they_came_once_no_departure_has_them(
    store: Store[Work], clock: FixedClock
):
    soon, late = (
        network.departure("dep_soon"),
        network.departure("dep_late", line=network.LINE[:2], start=START + 9 * DAY),
    )
    keep(store, soon, late)
    commit(store, keep_patterns, patterns=[network.pattern_of(network.departure(line=network.LINE[1:]))])
    assert commit(store, prune) == 0, "a pattern comes before its departures"
    clock.advance(5 * DAY.total_seconds())
    assert commit(store, prune) == 3, "a departure, its pattern and the one that nobody has"
    assert rows(store, TABLE, "id") == {late.pattern_id}
    assert commit(store, prune) == 0


def test_patterns_are_forgotten_in_steps(store: Store[Work], clock: FixedClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pruning, "STEP_ROWS", 2)
    lines = [network.LINE[:2], network.LINE[:3], network.LINE[1:], network.LINE[2:], network.LINE]
    commit(store, keep_patterns, patterns=[translate.pattern_in(network.pattern(line)) for line in lines])
    clock.advance(3 * DAY.total_seconds())
    assert [commit(store, prune) for _ in range(4)] == [2, 2, 1, 0]


def test_messages_are_remembered_longer_than_a_stream_keeps_them(store: Store[Work]):
    now = store._clock.now()
    for id_, days in (("evt_old", 9), ("evt_new", 7.5)):
        commit(store, lambda work, id_=id_, days=days: work.inbox.is_new(id_, now=now - days * DAY))
    assert commit(store, prune) == 1
    assert rows(store, Inbox.table, "message_id") == {"evt_new"}


def test_events_stay_for_seven_days_after_they_were_published_and_for_ever_before(store: Store[Work]):
    now = store._clock.now()
    for operator in ("opr_old", "opr_new", "opr_unpublished"):
        put_in_force(store, network.policy(operator))

    def mark(work: Work) -> None:
        for operator, days in (("opr_old", 8), ("opr_new", 6)):
            row = sa.update(Outbox.table).where(Outbox.table.c.subject.endswith(operator))
            work.connection.execute(row.values(published_at=now - days * DAY))

    commit(store, mark)
    assert commit(store, prune) == 1
    kept = {subject.rpartition(".")[2] for subject in rows(store, Outbox.table, "subject")}
    assert kept == {"opr_new", "opr_unpublished"}


async def test_tidying_goes_on_in_steps_until_nothing_is_left(
    store: Store[Work], clock: FixedClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pruning, "STEP_ROWS", 2)
    keep(store, *(network.departure(f"dep_{number}") for number in range(5)))
    clock.advance(10 * DAY.total_seconds())
    store.start()
    await tidy(store)
    assert rows(store, DEPARTURES, "id") == set()
