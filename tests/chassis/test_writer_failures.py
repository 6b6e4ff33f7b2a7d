"""The writer when the database fails, and two writers on one PostgreSQL."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from chassis import faults
from chassis.clock import SystemClock
from chassis.database import Database
from chassis.errors import Unavailable
from chassis.store import Store
from tests.chassis.shelf import (
    Taken,
    Work,
    add,
    count,
    fail_after_write,
    meeting,
    names,
    opened,
    outcomes,
    promise,
    queued,
    refuse,
    take_label,
    until_another_waits,
)


def backend_of(connection: sa.Connection) -> int:
    return connection.connection.driver_connection.info.backend_pid


def terminate(url: str, backend: int) -> None:
    """End a PostgreSQL connection from the server's side and wait until it is gone."""
    with psycopg.connect(url, autocommit=True) as admin:
        assert admin.execute("SELECT pg_terminate_backend(%s, 5000)", [backend]).fetchone() == (True,)


def limit_deadlocks(url: str) -> None:
    """Have PostgreSQL look for deadlocks at once; it waits for a second otherwise."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {admin.info.dbname} SET deadlock_timeout = '20ms'")


async def assert_nothing_is_stored(store: Store[Work], group: list[asyncio.Task[Any]]) -> None:
    """Let a group meet a commit that fails; the next group must not."""
    woken = []
    store.start(on_commit=lambda: woken.append("relay"))
    answers = await outcomes(*group)
    assert [type(answer) for answer in answers] == [Unavailable] * len(group)
    assert len({id(answer) for answer in answers}) == len(group)  # nobody shares a traceback
    assert woken == []
    assert await outcomes(store.write(add, name="later")) == ["later"]
    assert await store.read(names) == ["later"]


async def test_a_failed_commit_answers_unavailable_to_all_and_stores_nothing(store):
    calls = store.write(add, name="a"), store.write(promise, label="none"), store.write(refuse)
    await assert_nothing_is_stored(store, await queued(*calls))


async def test_a_connection_lost_in_a_commit_answers_unavailable_to_all(postgresql_url, clock):
    with opened(postgresql_url, clock) as store:

        def at_commit(connection: sa.Connection) -> None:
            terminate(postgresql_url, backend_of(connection))

        sa.event.listen(store.database.writer, "commit", at_commit, once=True)
        calls = store.write(add, name="a"), store.write(add, name="b"), store.write(refuse)
        await assert_nothing_is_stored(store, await queued(*calls))


async def test_a_failure_while_calls_run_alone_is_the_answer_of_one(store, monkeypatch):
    monkeypatch.setattr(faults, "_passed", Counter())
    monkeypatch.setenv("HEADWAY_FAULTS", "writer.before_commit:fail:2")
    poison = store.write(fail_after_write, failure=Taken())
    tasks = await queued(store.write(add, name="a"), poison, store.write(add, name="b"), store.write(add, name="c"))
    store.start()
    first, poisoned, failed, last = await outcomes(*tasks)
    assert (first, type(poisoned), type(failed), last) == ("a", Taken, Unavailable, "c")
    assert await store.read(names) == ["a", "c"]


async def test_a_database_that_is_away_is_asked_once_a_group(clock):
    store = Store(Database("postgresql://nobody@127.0.0.1:1/nowhere"), Work, clock)
    attempts = []
    sa.event.listen(store.database.writer, "do_connect", lambda *_: attempts.append(1))
    tasks = await queued(*(store.write(add, name=f"{n}") for n in range(50)))
    store.start()
    assert {type(answer) for answer in await outcomes(*tasks)} == {Unavailable}
    assert len(attempts) == 1
    with pytest.raises(Unavailable):
        await store.read(count)
    store.stop()


async def test_a_connection_that_died_while_idle_is_replaced_unnoticed(postgresql_url, clock):
    with opened(postgresql_url, clock) as store:
        store.start()
        mine = lambda work: backend_of(work.connection)  # noqa: E731
        writing, reading = await store.write(mine), await store.read(mine)
        terminate(postgresql_url, writing)
        terminate(postgresql_url, reading)
        assert await outcomes(store.write(add, name="a")) == ["a"]
        assert await store.read(names) == ["a"]


async def test_a_connection_lost_in_the_middle_of_a_group_stores_nothing_of_it(postgresql_url, clock):
    def lose(work: Work) -> None:
        terminate(postgresql_url, backend_of(work.connection))
        count(work)

    with opened(postgresql_url, clock) as store:
        tasks = await queued(store.write(add, name="a"), store.write(lose), store.write(add, name="b"))
        store.start()
        assert {type(answer) for answer in await outcomes(*tasks)} == {Unavailable}
        assert await outcomes(store.write(names)) == [[]]


# Two processes on one PostgreSQL


async def test_of_two_writers_who_want_one_row_one_gets_it_and_one_is_refused(postgresql_url):
    with opened(postgresql_url, SystemClock()) as one, opened(postgresql_url, SystemClock()) as two:
        one.start()
        two.start()
        meet = meeting()
        answers = await outcomes(*(store.write(take_label, name="x", after_look=meet) for store in (one, two)))
        assert sorted(type(answer).__name__ for answer in answers) == ["Taken", "str"]


async def test_a_call_that_meets_a_quicker_rival_twice_is_run_until_it_sees_it(postgresql_url, clock):
    runs = []

    def take(work: Work) -> str:
        runs.append(1)
        with psycopg.connect(postgresql_url, autocommit=True) as rival:
            if len(runs) < 3:
                rival.execute("DELETE FROM labels")
            return take_label(work, name="x", after_look=lambda: rival.execute("INSERT INTO labels VALUES ('x')"))

    with opened(postgresql_url, clock) as store:
        store.start()
        assert [type(answer) for answer in await outcomes(store.write(take))] == [Taken]
        assert len(runs) == 3


async def test_a_call_that_is_twice_the_victim_of_a_deadlock_is_run_until_it_succeeds(postgresql_url, clock):
    limit_deadlocks(postgresql_url)
    runs = []

    def take_both(work: Work) -> str:
        runs.append(1)
        take_label(work, name="x")
        if len(runs) == 3:
            return take_label(work, name="y")
        with psycopg.connect(postgresql_url) as rival, ThreadPoolExecutor(1) as thread:
            rival.execute("SET deadlock_timeout = '9s'")  # it waits, and we are the victim
            rival.execute("INSERT INTO labels VALUES ('y')")
            waiting = thread.submit(rival.execute, "INSERT INTO labels VALUES ('x')")
            until_another_waits(work)
            try:
                return take_label(work, name="y")
            finally:
                waiting.result(5)
                rival.rollback()

    with opened(postgresql_url, clock) as store:
        store.start()
        assert await outcomes(store.write(take_both)) == ["y"]
        assert len(runs) == 3


async def test_groups_that_deadlock_are_resolved_call_by_call(postgresql_url):
    limit_deadlocks(postgresql_url)
    with opened(postgresql_url, SystemClock()) as one, opened(postgresql_url, SystemClock()) as two:
        meet = meeting()
        tasks = []
        for store, first, second in ((one, "x", "y"), (two, "y", "x")):
            tasks += await queued(
                store.write(take_label, name=first), store.write(take_label, name=second, after_look=meet)
            )
        one.start()
        two.start()
        x1, y1, y2, x2 = await outcomes(*tasks)
        for pair in ((x1, x2), (y1, y2)):
            assert sorted(type(answer).__name__ for answer in pair) == ["Taken", "str"]
