"""What the service does without being asked."""

from functools import partial

from chassis.lifecycle import Loop, every
from chassis.store import Store
from pricing_svc.flows.learn_departures import Learning
from pricing_svc.flows.rebuild_departures import rebuild_departures
from pricing_svc.flows.timetable import Timetable
from pricing_svc.store.work import Work
from pricing_svc.use_cases.prune import prune

REBUILD_SECONDS = 60.0
TIDY_SECONDS = 600.0


def build_loops(store: Store[Work], timetable: Timetable, learning: Learning) -> list[Loop]:
    """Make the loops that fill an empty read model and keep the tables small."""

    async def rebuild_when_empty() -> None:
        await every(REBUILD_SECONDS, partial(rebuild_departures, store, timetable, learning))

    async def tidy_now_and_then() -> None:
        await every(TIDY_SECONDS, partial(tidy, store))

    return [rebuild_when_empty, tidy_now_and_then]


async def tidy(store: Store[Work]) -> None:
    """Prune step by step until nothing is left to prune."""
    while await store.write(prune):
        pass
