"""Rows that wait for their group: when they are written, who sees them, and what is remembered meanwhile."""

from typing import Any

import pytest
import sqlalchemy as sa

from chassis.errors import LostRace
from chassis.store import Store
from chassis.transaction import Transaction
from chassis.writer import reads_ahead
from tests.chassis.shelf import Taken, Work, add, count, labels, names, outcomes, queued, refuse, things

ADD = sa.insert(things)
RENAME = sa.update(things).where(things.c.name == sa.bindparam("old")).values(name=sa.bindparam("new"))


def add_later(work: Work, *, name: str | None) -> str | None:
    Transaction.of(work.connection).put_off(ADD, {"name": name, "added_at": work.now})
    return name


def statements_of(store: Store[Work]) -> list[str]:
    seen: list[str] = []
    sa.event.listen(store.database.writer, "before_cursor_execute", lambda *given: seen.append(given[2].split()[0]))
    return seen


async def test_rows_of_a_group_are_written_in_one_go(store):
    statements = statements_of(store)
    tasks = await queued(*(store.write(add_later, name=f"{n:03}") for n in range(50)))
    store.start()
    assert await outcomes(*tasks) == [f"{n:03}" for n in range(50)] == await store.read(names)
    assert statements.count("INSERT") == 1


async def test_rows_that_wait_are_seen_by_whatever_reads_or_writes_after_them(store):
    def rename(work: Work, *, old: str, new: str) -> int:
        return work.connection.execute(RENAME, {"old": old, "new": new}).rowcount

    calls = store.write(add_later, name="a"), store.write(count), store.write(add_later, name="b")
    tasks = await queued(*calls, store.write(rename, old="b", new="c"), store.write(names))
    store.start()
    assert await outcomes(*tasks) == ["a", 1, "b", 1, ["a", "c"]]


async def test_rows_are_written_in_the_order_in_which_they_came(store):
    tasks = await queued(*(store.write(add_later, name=name) for name in "cab"))
    store.start()
    await outcomes(*tasks)
    by_birth = sa.select(things.c.name).order_by(things.c.id)
    assert await store.read(lambda work: "".join(work.connection.execute(by_birth).scalars())) == "cab"


async def test_a_row_with_a_key_takes_the_place_of_the_one_before(store):
    def note(work: Work, *, name: str) -> Any:
        transaction = Transaction.of(work.connection)
        before = transaction.waiting(ADD, "the thing")
        transaction.put_off(ADD, {"name": name, "added_at": work.now}, key="the thing")
        return before and before["name"]

    tasks = await queued(
        *(store.write(note, name=name) for name in "ab"), store.write(count), store.write(note, name="c")
    )
    store.start()
    assert await outcomes(*tasks) == [None, "a", 1, None]
    assert await store.read(names) == ["b", "c"]


@pytest.mark.parametrize("after", [None, count, refuse], ids=["commit", "read", "refusal"])
async def test_a_waiting_row_that_the_database_refuses_fails_its_own_call_alone(store, after):
    calls = [store.write(add_later, name=f"{n:02}") for n in range(40)]
    calls.insert(20, store.write(add_later, name=None))
    if after is not None:
        calls.append(store.write(after))
    tasks = await queued(*calls)
    store.start()
    answers = await outcomes(*tasks)
    assert type(answers.pop(20)) is sa.exc.IntegrityError
    assert answers[:40] == [f"{n:02}" for n in range(40)] == await store.read(names)
    assert after is None or answers[40] == 40 or type(answers[40]) is Taken


async def test_a_waiting_row_that_changes_nothing_has_lost_a_race(store):
    def rename_later(work: Work, *, old: str) -> None:
        Transaction.of(work.connection).put_off(RENAME, {"old": old, "new": "new"})

    tasks = await queued(
        store.write(add, name="a"), store.write(rename_later, old="a"), store.write(rename_later, old="b")
    )
    store.start()
    first, renamed, lost = await outcomes(*tasks)
    assert (first, renamed, type(lost)) == ("a", None, LostRace)
    assert await store.read(names) == ["new"]


async def test_a_row_that_may_miss_loses_none(store):
    def rename_if_there(work: Work, *, old: str) -> None:
        Transaction.of(work.connection).put_off(RENAME.execution_options(may_miss=True), {"old": old, "new": "new"})

    tasks = await queued(
        store.write(add, name="a"), store.write(rename_if_there, old="a"), store.write(rename_if_there, old="b")
    )
    store.start()
    assert await outcomes(*tasks) == ["a", None, None]
    assert await store.read(names) == ["new"]


async def test_a_refusal_does_not_undo_the_rows_that_wait_before_it(store):
    statements = statements_of(store)
    tasks = await queued(store.write(add_later, name="a"), store.write(refuse), store.write(add_later, name="b"))
    store.start()
    first, refused, last = await outcomes(*tasks)
    assert (first, type(refused), last) == ("a", Taken, "b")
    assert statements.count("INSERT") == 2  # the refusal read in between; each call alone would make it three


async def test_a_call_that_fails_after_it_put_a_row_off_leaves_no_row(store):
    def fail_late(work: Work) -> None:
        add_later(work, name="poison")
        raise Taken

    tasks = await queued(store.write(add_later, name="a"), store.write(fail_late), store.write(add_later, name="b"))
    store.start()
    first, failed, last = await outcomes(*tasks)
    assert (first, type(failed), last) == ("a", Taken, "b")
    assert await store.read(names) == ["a", "b"]


# Memory and reading ahead


def remember(work: Work) -> int:
    """Count things, by what was counted before in this transaction if it is still remembered."""
    memory = Transaction.of(work.connection).memory
    if "things" not in memory:
        memory["things"] = count(work)
    found: int = memory["things"]
    return found


async def test_what_is_remembered_is_forgotten_by_any_write_that_does_not_wait(store):
    calls = store.write(remember), store.write(add, name="a"), store.write(remember), store.write(count)
    tasks = await queued(*calls, store.write(add, name="b"), store.write(remember))
    store.start()
    assert await outcomes(*tasks) == [0, "a", 1, 1, "b", 2]


async def test_a_write_that_is_apart_lets_memories_stand(store):
    def add_apart(work: Work, *, name: str) -> None:
        work.connection.execute(ADD.execution_options(is_apart=True), {"name": name, "added_at": work.now})

    tasks = await queued(store.write(remember), store.write(add_apart, name="a"), store.write(remember))
    store.start()
    assert await outcomes(*tasks) == [0, None, 0]
    assert await store.read(names) == ["a"]


async def test_what_is_remembered_ends_with_its_transaction(store):
    store.start()
    assert await store.write(remember) == 0
    await store.write(add_later, name="a")
    assert await store.write(remember) == 1


def read_labels(work: Work, calls: list[dict[str, Any]]) -> None:
    wanted = [call["name"] for call in calls]
    found = work.connection.execute(sa.select(labels.c.name).where(labels.c.name.in_(wanted))).scalars()
    Transaction.of(work.connection).memory["labels"] = (wanted, set(found))


@reads_ahead(read_labels)
def look_up(work: Work, *, name: str) -> Any:
    return Transaction.of(work.connection).memory.get("labels")


async def test_a_group_reads_ahead_for_the_calls_that_wait_and_one_call_for_none(store):
    tasks = await queued(store.write(look_up, name="x"), store.write(names), store.write(look_up, name="y"))
    store.start()
    first, _, last = await outcomes(*tasks)
    assert first == last == (["x", "y"], set())
    assert await store.write(look_up, name="x") is None


async def test_reading_ahead_that_fails_leaves_each_call_to_itself(store):
    def fail(work: Work, calls: list[dict[str, Any]]) -> None:
        work.connection.execute(sa.text("SELECT nothing FROM nowhere"))

    @reads_ahead(fail)
    def count_with_care(work: Work) -> int:
        return count(work)

    tasks = await queued(store.write(add, name="a"), store.write(count_with_care), store.write(count_with_care))
    store.start()
    assert await outcomes(*tasks) == ["a", 1, 1]
