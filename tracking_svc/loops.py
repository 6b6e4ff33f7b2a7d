"""What goes on in the background."""

from collections.abc import Callable
from functools import partial

from chassis.lifecycle import Loop, every
from chassis.store import Store
from tracking_svc.flows.learn_departures import Learning
from tracking_svc.flows.rebuild_departures import rebuild_departures
from tracking_svc.flows.timetable import Timetable
from tracking_svc.store.work import Work
from tracking_svc.use_cases.notice_silence import notice_silence
from tracking_svc.use_cases.prune_history import prune_history

REBUILD_SECONDS = 60.0
TIDY_SECONDS = 60.0
SILENCE_SECONDS = 5.0


def build_loops(store: Store[Work], timetable: Timetable, learning: Learning) -> list[Loop]:
    """Build the loops that fill an empty read model, forget what is too old and notice who is silent."""

    async def rebuild_when_empty() -> None:
        await every(REBUILD_SECONDS, partial(rebuild_departures, store, timetable, learning))

    async def tidy_now_and_then() -> None:
        await every(TIDY_SECONDS, partial(until_done, store, prune_history))

    async def notice_silence_soon() -> None:
        await every(SILENCE_SECONDS, partial(until_done, store, notice_silence))

    return [rebuild_when_empty, tidy_now_and_then, notice_silence_soon]


async def until_done(store: Store[Work], step: Callable[[Work], int]) -> None:
    """Take step by step, so that others come in between."""
    while await store.write(step):
        pass
