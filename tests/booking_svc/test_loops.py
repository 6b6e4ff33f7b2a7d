"""What the service does without being asked goes on, whatever happens."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from booking_svc import loops
from booking_svc.store.bookings import BOOKINGS
from booking_svc.store.work import Work
from booking_svc.use_cases import expire_holds
from booking_svc.use_cases.tidy import ROWS_A_STEP, tidy
from chassis.errors import Unavailable
from chassis.lifecycle import keep_running
from chassis.outbox import Outbox
from chassis.replies import Replies
from chassis.store import Store
from tests.booking_svc import service
from tests.booking_svc.builders import HOLD_SECONDS, commit, events, hold, publish, rows, until
from tests.booking_svc.payments import Provider
from tests.clocks import FixedClock

DAY = 86_400


async def test_holds_expire_by_themselves(
    ready_url: str, keys_dir: Path, provider: Provider, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "EXPIRE_SECONDS", 0.02)
    async with service.serving(service.settings(ready_url, keys_dir, provider.url), clock) as booking:
        departure = await booking.publish()
        for _ in range(expire_holds.HOLDS_A_STEP + 1):
            await booking.hold((departure, 0, 1))
        clock.advance(HOLD_SECONDS)
        await until(lambda: all(row.state == "expired" for row in rows(booking.store, BOOKINGS)))


async def test_steps_are_repeated_until_nothing_is_left() -> None:
    left = [3, 3, 1, 0, 9]

    async def step() -> int:
        return left.pop(0)

    await loops.in_steps(step)
    assert left == [9]


async def test_a_loop_that_fails_goes_on(store: Store[Work], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.lifecycle.RESTART_SECONDS", 0.01)
    looked: list[int] = []

    class Failing:
        async def resolve_open_charges(self) -> None:
            looked.append(1)
            raise Unavailable if len(looked) == 1 else RuntimeError("a bug")

    payments: Any = Failing()
    _, resolving, *_ = loops.loops(store, payments, payments, asyncio.Event())
    task = asyncio.ensure_future(keep_running(resolving))
    await until(lambda: len(looked) >= 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def keep_replies(work: Work, *, keys: Sequence[str]) -> None:
    made = [{"digest": key, "fingerprint": "", "reply": b"x", "created_at": work.now} for key in keys]
    work.connection.execute(sa.insert(Replies.table), made)


def mark_published(work: Work, *, position: int) -> None:
    row = sa.update(Outbox.table).where(Outbox.table.c.position == position)
    work.connection.execute(row.values(published_at=work.now, stream_sequence=1))


def test_old_replies_and_published_events_are_forgotten(store: Store[Work], clock: FixedClock) -> None:
    publish(store)
    publish(store)
    commit(store, keep_replies, keys=["old"])
    commit(store, mark_published, position=events(store)[0].position)
    clock.advance(2 * DAY - 1)
    commit(store, keep_replies, keys=["young"])
    assert commit(store, tidy) == 0
    clock.advance(2)
    assert commit(store, tidy) == 1
    assert len(rows(store, Replies.table)) == 1
    clock.advance(5 * DAY)
    assert commit(store, tidy) == 2
    # An event that nobody has had is kept for as long as it takes.
    assert [row.published_at for row in events(store)] == [None]


def test_tidying_takes_a_bounded_step(store: Store[Work], clock: FixedClock) -> None:
    commit(store, keep_replies, keys=[str(number) for number in range(ROWS_A_STEP + 10)])
    clock.advance(3 * DAY)
    assert [commit(store, tidy) for _ in range(3)] == [ROWS_A_STEP, 10, 0]


def test_live_holds_survive_tidying(store: Store[Work], clock: FixedClock) -> None:
    held = hold(store, (publish(store), 0, 1))
    clock.advance(HOLD_SECONDS - 1)
    commit(store, tidy)
    assert [row.id for row in rows(store, BOOKINGS)] == [held.id]
