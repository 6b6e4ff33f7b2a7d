"""The inbox: a message that is delivered again has its effect once."""

from datetime import timedelta

import pytest

from chassis.clock import SystemClock
from chassis.inbox import Inbox
from tests.chassis.shelf import Taken, Work, add, count, opened, outcomes, queued, until_another_waits


async def test_a_message_delivered_fifty_times_has_one_effect(store):
    tasks = await queued(*(store.write(add, message_id="evt-1", name="a") for _ in range(50)))
    store.start()
    assert await outcomes(*tasks) == ["a"] + [None] * 49
    assert await store.read(count) == 1


async def test_without_the_guard_it_has_fifty_effects(store, monkeypatch):
    """Show that the test before this one would notice."""
    monkeypatch.setenv("HEADWAY_FAULTS_OFF", "inbox")
    tasks = await queued(*(store.write(add, message_id="evt-1", name="a") for _ in range(50)))
    store.start()
    await outcomes(*tasks)
    assert await store.read(count) == 50


async def test_every_message_is_its_own(store):
    store.start()
    for n in range(3):
        await store.write(add, message_id=f"evt-{n}", name="a")
    assert await store.read(count) == 3


async def test_a_message_whose_effect_failed_is_new_when_it_comes_again(store):
    def fail(_work: Work) -> None:
        raise Taken

    store.start()
    with pytest.raises(Taken):
        await store.write(fail, message_id="evt-1")
    assert await store.write(add, message_id="evt-1", name="a") == "a"


async def test_of_two_processes_with_the_same_message_one_has_the_effect(postgresql_url):
    def add_when_the_other_waits(work: Work) -> str:
        until_another_waits(work)
        return add(work, name="a")

    with opened(postgresql_url, SystemClock()) as one, opened(postgresql_url, SystemClock()) as two:
        one.start()
        two.start()
        calls = (store.write(add_when_the_other_waits, message_id="evt-1") for store in (one, two))
        assert sorted(await outcomes(*calls), key=str) == [None, "a"]
        assert await one.read(count) == 1


async def test_prune_forgets_old_messages_a_few_at_a_time(store, clock):
    def prune(work: Work) -> int:
        return Inbox(work.connection).prune(before=work.now - timedelta(seconds=30), limit=3)

    store.start()
    for n in range(5):
        await store.write(add, message_id=f"old-{n}", name="a")
    clock.advance(60)
    await store.write(add, message_id="young", name="a")
    assert [await store.write(prune) for _ in range(3)] == [3, 2, 0]
    assert await store.write(add, message_id="young", name="a") is None
    assert await store.write(add, message_id="old-0", name="a") == "a"
