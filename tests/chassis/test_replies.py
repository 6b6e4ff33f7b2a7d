"""Idempotency keys: a request that is repeated has its effect once and gets the same reply."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from chassis.clock import SystemClock
from chassis.errors import KeyReused, RequestInFlight
from chassis.replies import Once, Phase, Replies
from tests.chassis.shelf import Taken, Work, add, count, meeting, message, opened, outcomes, queued


def key(name: str = "key-1", *, subject: str = "rider-1", operation: str = "Add", body: bytes = b"a") -> Once:
    return Once.of(subject=subject, operation=operation, key=name, body=body)


def prune(work: Work, *, seconds: float, limit: int = 100) -> int:
    return Replies(work.connection).prune(before=work.now - timedelta(seconds=seconds), limit=limit)


@pytest.fixture
def serving(store):
    store.start()
    return store


async def test_a_repeat_gets_the_stored_reply_and_has_no_second_effect(serving):
    first = await serving.write(add, answer=message, once=key(), name="a")
    again = await serving.write(add, answer=message, once=key(), name="a")
    assert first == again == StringValue(value="a")
    assert await serving.read(count) == 1


async def test_only_a_repeat_is_announced_as_one(serving):
    replays = []
    once = replace(key(), on_replay=lambda: replays.append(1))
    await serving.write(add, answer=message, once=once, name="a")
    assert replays == []
    await serving.write(add, answer=message, once=once, name="a")
    assert replays == [1]


async def test_a_reply_comes_back_as_the_type_it_was(serving):
    def stamp(_work: Work) -> Timestamp:
        return Timestamp(seconds=12, nanos=34)

    await serving.write(stamp, once=key())
    again = await serving.write(stamp, once=key())
    assert type(again) is Timestamp
    assert again == Timestamp(seconds=12, nanos=34)


async def test_a_reply_without_content_is_a_reply(serving):
    for _ in range(2):
        assert await serving.write(add, answer=lambda _: StringValue(), once=key(), name="a") == StringValue()
    assert await serving.read(count) == 1


async def test_fifty_at_once_have_one_effect_and_one_reply(store):
    def number(work: Work) -> StringValue:
        add(work, name="a")
        return StringValue(value=f"{count(work)}")

    tasks = await queued(*(store.write(number, once=key()) for _ in range(50)))
    store.start()
    assert await outcomes(*tasks) == [StringValue(value="1")] * 50
    assert await store.read(count) == 1


async def test_without_the_guard_fifty_at_once_have_fifty_effects(store, monkeypatch):
    """Show that the test before this one would notice."""
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "once")
    tasks = await queued(*(store.write(add, answer=message, once=key(), name="a") for _ in range(50)))
    store.start()
    await outcomes(*tasks)
    assert await store.read(count) == 50


async def test_of_two_processes_with_the_same_request_one_acts_and_both_reply(postgresql_url):
    meet = meeting()

    def add_together(work: Work) -> str:
        meet()
        return add(work, name="a")

    with opened(postgresql_url, SystemClock()) as one, opened(postgresql_url, SystemClock()) as two:
        one.start()
        two.start()
        calls = (store.write(add_together, answer=message, once=key()) for store in (one, two))
        assert await outcomes(*calls) == [StringValue(value="a")] * 2
        assert await one.read(count) == 1


async def test_another_body_under_the_same_key_is_refused(serving):
    await serving.write(add, answer=message, once=key(), name="a")
    with pytest.raises(KeyReused):
        await serving.write(add, answer=message, once=key(body=b"b"), name="b")
    assert await serving.read(count) == 1


@pytest.mark.parametrize("other", [key(subject="rider-2"), key(operation="Remove"), key("key-2")])
async def test_another_subject_operation_or_key_is_another_request(serving, other):
    await serving.write(add, answer=message, once=key(), name="a")
    await serving.write(add, answer=message, once=other, name="a")
    assert await serving.read(count) == 2


@pytest.mark.parametrize("writes", [False, True])
async def test_a_failure_is_not_stored(serving, writes):
    def refuse_first(work: Work, *, is_first: bool) -> str:
        if writes:
            add(work, name="undone")
        if is_first:
            raise Taken
        return "done"

    with pytest.raises(Taken):
        await serving.write(refuse_first, answer=message, once=key(), is_first=True)
    for _ in range(2):
        reply = await serving.write(refuse_first, answer=message, once=key(), is_first=False)
        assert reply == StringValue(value="done")
    assert await serving.read(count) == writes


async def test_while_a_flow_is_open_repeats_learn_that_it_is_in_flight(serving):
    await serving.write(add, once=key().opening(), name="begun")
    with pytest.raises(RequestInFlight):
        await serving.write(add, once=key().opening(), name="begun")
    with pytest.raises(KeyReused):
        await serving.write(add, once=key(body=b"b").opening(), name="other")
    await serving.write(add, once=replace(key(), phase=Phase.WAIT), name="not yet known")
    with pytest.raises(RequestInFlight):
        await serving.write(add, once=key().opening(), name="begun")
    await serving.write(add, answer=message, once=replace(key(), phase=Phase.CLOSE), name="finished")
    for once in (key(), key().opening()):
        assert await serving.write(add, answer=message, once=once, name="again") == StringValue(value="finished")
    assert await serving.read(count) == 3


async def test_a_flow_that_failed_drops_its_key_and_may_be_made_again(serving):
    await serving.write(add, once=key().opening(), name="begun")
    await serving.write(add, once=replace(key(), phase=Phase.DROP), name="given up")
    await serving.write(add, once=key().opening(), name="begun again")
    assert await serving.read(count) == 3


async def test_a_reply_that_is_stored_outlives_a_second_end_of_its_flow(serving):
    """A flow that is resumed while it still runs ends twice."""
    await serving.write(add, once=key().opening(), name="begun")
    await serving.write(add, answer=message, once=replace(key(), phase=Phase.CLOSE), name="first")
    await serving.write(add, answer=message, once=replace(key(), phase=Phase.CLOSE), name="second")
    await serving.write(add, once=replace(key(), phase=Phase.DROP), name="third")
    assert await serving.write(add, answer=message, once=key(), name="again") == StringValue(value="first")


async def test_prune_forgets_old_replies_a_few_at_a_time_and_no_open_flow(serving, clock):
    for n in range(5):
        await serving.write(add, answer=message, once=key(f"old-{n}"), name="a")
    await serving.write(add, once=key("open").opening(), name="a")
    clock.advance(60)
    await serving.write(add, answer=message, once=key("young"), name="a")
    clock.advance(1)
    assert [await serving.write(prune, seconds=30, limit=3) for _ in range(3)] == [3, 2, 0]
    kept = await serving.read(lambda work: set(work.connection.execute(sa.select(Replies.table.c.digest)).scalars()))
    assert kept == {key("open").digest, key("young").digest}
