"""The write path: what is committed together, what is answered when, and what becomes of calls that fail."""

import asyncio
import logging
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from chassis.clock import SystemClock
from chassis.database import Database
from chassis.errors import DeadlineExceeded, LostRace, Overloaded, Unavailable
from chassis.store import Store
from chassis.writer import ATTEMPTS_ALONE, GROUP_MAX, QUEUE_MAX, SLOW_CALL_SECONDS, Call
from tests.chassis.shelf import (
    Taken,
    Work,
    add,
    count,
    fail_after_write,
    names,
    opened,
    outcomes,
    queued,
    refuse,
    take_label,
    things,
    value,
)
from tests.clocks import FixedClock

type_of = type


def commits_of(store: Store[Work]) -> list[Any]:
    seen: list[Any] = []
    sa.event.listen(store.database.writer, "commit", seen.append)
    return seen


# What is committed together


async def test_waiting_calls_are_committed_in_groups(store):
    commits = commits_of(store)
    tasks = await queued(*(store.write(add, name=f"{n:03}") for n in range(GROUP_MAX + 44)))
    store.start()
    assert await outcomes(*tasks) == [f"{n:03}" for n in range(GROUP_MAX + 44)]
    assert len(commits) == 2
    assert await store.read(count) == GROUP_MAX + 44
    assert value(store.metrics.group, "_sum") == GROUP_MAX + 44


async def test_callers_who_come_at_any_time_share_commits(store):
    store.start()
    commits = commits_of(store)

    async def add_ten(caller: int) -> None:
        for n in range(10):
            await store.write(add, name=f"{caller}-{n}")

    await asyncio.gather(*(add_ten(caller) for caller in range(64)))
    assert await store.read(count) == 640
    assert len(commits) < 320


async def test_no_answer_leaves_before_its_commit(store):
    loop = asyncio.get_running_loop()
    [task] = await queued(store.write(add, name="a"))
    before = []

    async def look() -> tuple[bool, int]:
        for _ in range(5):  # whatever answer is already on its way arrives
            await asyncio.sleep(0)
        return task.done(), await store.read(count)

    def at_commit(_connection: object) -> None:
        before.append(asyncio.run_coroutine_threadsafe(look(), loop).result(10))

    sa.event.listen(store.database.writer, "commit", at_commit)
    store.start()
    assert await task == "a"
    assert before == [(False, 0)]
    assert await store.read(count) == 1


async def test_a_call_sees_what_earlier_calls_of_its_group_wrote(store):
    commits = commits_of(store)
    tasks = await queued(store.write(add, name="a"), store.write(count), store.write(add, name="b"), store.write(names))
    store.start()
    assert await outcomes(*tasks) == ["a", 1, "b", ["a", "b"]]
    assert len(commits) == 1


async def test_the_clock_is_read_once_a_group(store, clock):
    tasks = await queued(*(store.write(lambda work: work.now) for _ in range(20)))
    store.start()
    assert set(await outcomes(*tasks)) == {clock.now()}
    assert clock.reads == 2  # the writer's and ours
    clock.advance(1)
    assert await store.write(lambda work: work.now) == clock.now()


async def test_on_postgresql_now_is_the_databases(postgresql_url):
    class SlowClock(SystemClock):
        def now(self) -> datetime:
            return datetime(2001, 1, 1, tzinfo=UTC)

    with opened(postgresql_url, SlowClock()) as store:
        store.start()
        now, transaction = await store.write(
            lambda work: (work.now, work.connection.execute(sa.text("SELECT now()")).scalar_one())
        )
        assert now.utcoffset().total_seconds() == 0
        assert 0 <= (now - transaction).total_seconds() < 5


async def test_on_sqlite_now_is_the_clocks_even_if_it_is_the_machines(sqlite_url):
    with opened(sqlite_url, SystemClock()) as store:
        store.start()
        assert abs((await store.write(lambda work: work.now) - datetime.now(UTC)).total_seconds()) < 5


# What becomes of calls that fail


async def test_a_refusal_before_the_first_write_is_only_its_answer(store):
    commits = commits_of(store)
    tasks = await queued(store.write(add, name="a"), store.write(refuse), store.write(add, name="b"))
    store.start()
    first, refused, last = await outcomes(*tasks)
    assert (first, type(refused), last) == ("a", Taken, "b")
    assert len(commits) == 1


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Taken("too late"), Taken),
        (ZeroDivisionError("a bug"), ZeroDivisionError),
        (StopIteration("no future takes it"), RuntimeError),
        (SystemExit("it would end a thread"), RuntimeError),
    ],
    ids=lambda value: getattr(value, "__name__", type_of(value).__name__),
)
async def test_a_poisoned_call_among_200_gives_199_right_answers_and_its_own_failure(store, failure, told):
    calls = [store.write(add, name=f"{n:03}") for n in range(199)]
    calls.insert(100, store.write(fail_after_write, failure=failure))
    tasks = await queued(*calls)
    store.start()
    answers = await outcomes(*tasks)
    poisoned = answers.pop(100)
    assert type(poisoned) is told
    assert answers == [f"{n:03}" for n in range(199)] == await store.read(names)


async def test_a_database_error_of_one_call_leaves_the_others_right(store):
    calls = [store.write(add, name=f"{n:03}") for n in range(49)]
    calls.insert(20, store.write(add, name=None))
    tasks = await queued(*calls)
    store.start()
    answers = await outcomes(*tasks)
    assert type(answers.pop(20)) is sa.exc.IntegrityError
    assert answers == [f"{n:03}" for n in range(49)] == await store.read(names)


def swallow(work: Work, *, statement: str, failure: Exception | None = None) -> str:
    try:
        work.connection.execute(sa.text(statement))
    except sa.exc.DBAPIError:
        if failure is not None:
            raise failure from None
    return "as if nothing had happened"


@pytest.mark.parametrize(
    ("statement", "failure"),
    [("INSERT INTO things (name) VALUES (NULL)", None), ("SELECT nothing FROM nowhere", Taken("refused"))],
    ids=["answer", "refusal"],
)
async def test_a_swallowed_database_error_does_not_undo_the_calls_before_it(store, statement, failure):
    """PostgreSQL answers the commit of a failed transaction with a silent rollback."""
    tasks = await queued(store.write(add, name="a"), store.write(swallow, statement=statement, failure=failure))
    store.start()
    first, swallowed = await outcomes(*tasks)
    assert first == "a"
    assert isinstance(swallowed, Taken if failure else sa.exc.IntegrityError)
    assert await store.read(names) == ["a"]


async def test_a_race_lost_after_a_write_is_run_again_alone_a_few_times(store):
    runs: Counter[str] = Counter()

    def lose(work: Work, *, name: str, times: int) -> int:
        runs[name] += 1
        add(work, name=name)
        if runs[name] <= times:
            raise LostRace
        return runs[name]

    tasks = await queued(store.write(lose, name="twice", times=2), store.write(lose, name="always", times=99))
    store.start()
    twice, always = await outcomes(*tasks)
    assert twice == 3
    assert type(always) is LostRace
    assert runs["always"] <= 1 + ATTEMPTS_ALONE
    assert await store.read(names) == ["twice"]


async def test_a_deadline_that_passed_before_the_call_began_drops_it(store):
    tasks = await queued(store.write(add, name="late", timeout_seconds=0), store.write(add, name="in time"))
    store.start()
    late, _ = await outcomes(*tasks)
    assert type(late) is DeadlineExceeded
    assert await store.read(names) == ["in time"]


async def test_a_cancelled_caller_does_not_stop_its_call(store):
    gone, waiting = await queued(store.write(add, name="a"), store.write(count))
    gone.cancel()
    store.start()
    assert await waiting == 1
    assert gone.cancelled()


async def test_a_caller_whose_event_loop_is_closed_disturbs_nobody(store):
    closed = asyncio.new_event_loop()
    future = closed.create_future()
    closed.close()
    store._writer.submit(Call(add, {"name": "a"}, None, None, None, None, closed, future))
    tasks = await queued(store.write(add, name="b"))
    store.start()
    assert await outcomes(*tasks) == ["b"]
    assert await outcomes(store.write(names)) == [["a", "b"]]


# Limits, metrics, start and stop


async def test_a_full_queue_is_refused_at_once(store):
    tasks = await queued(*(store.write(add, name="x") for _ in range(QUEUE_MAX)))
    assert value(store.metrics.waiting) == QUEUE_MAX
    with pytest.raises(Overloaded):
        await asyncio.wait_for(store.write(add, name="one too many"), 1)
    store.start()
    assert set(await outcomes(*tasks)) == {"x"}
    assert value(store.metrics.waiting) == 0
    assert await store.read(count) == QUEUE_MAX


async def test_a_call_that_holds_the_writer_is_counted_and_logged(store, caplog):
    def dawdle(_work: Work) -> None:
        time.sleep(SLOW_CALL_SECONDS + 0.01)

    store.start()
    with caplog.at_level(logging.WARNING):
        await store.write(add, name="quick")
        await store.write(dawdle)
    assert value(store.metrics.slow, "_total", use_case="dawdle") == 1
    assert value(store.metrics.longest) > SLOW_CALL_SECONDS
    assert [r.fields["use_case"] for r in caplog.records if r.message == "slow_call"] == ["dawdle"]


async def test_the_relay_is_woken_before_the_answer_and_only_by_what_was_committed(store):
    woken = []
    store.start(on_commit=lambda: woken.append(threading.current_thread().name))
    await outcomes(store.write(refuse))
    assert woken == []
    await store.write(add, name="a")
    assert woken == ["writer"]


async def test_a_relay_that_cannot_be_woken_costs_no_answer(store):
    def fail() -> None:
        raise RuntimeError("Event loop is closed")

    store.start(on_commit=fail)
    assert await outcomes(store.write(add, name="a")) == ["a"]
    assert await outcomes(store.write(names)) == [["a"]]


async def test_stop_commits_what_is_queued_and_refuses_what_comes_later(store, database_url):
    tasks = await queued(*(store.write(add, name=f"{n:03}") for n in range(GROUP_MAX + 1)))
    store.start()
    store.stop()
    assert await outcomes(*tasks) == [f"{n:03}" for n in range(GROUP_MAX + 1)]
    assert [type(answer) for answer in await outcomes(store.write(add, name="later"))] == [Unavailable]
    database = Database(database_url)
    with database.reader.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(things)).scalar_one() == GROUP_MAX + 1
    database.close()


async def test_stopping_twice_is_harmless(store, sqlite_url):
    store.stop()
    store.stop()


def test_use_cases_need_no_event_loop(store):
    with store.database.writer.begin() as connection:
        assert take_label(Work(connection, FixedClock().now()), name="x") == "x"
