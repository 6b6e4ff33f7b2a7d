import asyncio
from collections.abc import Sequence

from chassis.errors import Failure, Unavailable
from chassis.store import Store
from pricing_svc.domain.departure import Departure
from pricing_svc.flows.timetable import Timetable
from pricing_svc.store.work import Work
from pricing_svc.use_cases.keep_departures import STEP_DEPARTURES, keep_departures

LEARN_MAX = 200
LEARN_SECONDS = 1.0
AT_ONCE = 16


async def learn_departures(
    store: Store[Work], timetable: Timetable, departure_ids: Sequence[str]
) -> dict[str, Failure]:
    """Ask booking for departures whose events have not come yet and keep those that it has.

    Returns the failure of each that could not be asked for in time, or was one too many.
    """
    loop = asyncio.get_running_loop()
    places, until = asyncio.Semaphore(AT_ONCE), loop.time() + LEARN_SECONDS

    async def get(departure_id: str) -> Departure | Failure | None:
        async with places:
            try:
                return await timetable.get(departure_id, seconds=max(0.0, until - loop.time()))
            except Failure as failure:
                return failure

    asked, too_many = departure_ids[:LEARN_MAX], departure_ids[LEARN_MAX:]
    answers = await asyncio.gather(*map(get, asked))
    found = [answer for answer in answers if isinstance(answer, Departure)]
    for start in range(0, len(found), STEP_DEPARTURES):
        await store.write(keep_departures, departures=found[start : start + STEP_DEPARTURES])
    failed = {id_: answer for id_, answer in zip(asked, answers, strict=True) if isinstance(answer, Failure)}
    return failed | {id_: Unavailable(dependency="booking") for id_ in too_many}
