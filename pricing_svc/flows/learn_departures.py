import asyncio
from collections.abc import Sequence

from chassis.errors import Failure, Unavailable
from chassis.logs import EventLog
from chassis.store import Store
from pricing_svc.domain.departure import Departure
from pricing_svc.flows.timetable import Timetable
from pricing_svc.queries.find_unknown_patterns import find_unknown_patterns
from pricing_svc.store.work import Work
from pricing_svc.use_cases.keep_departures import STEP_DEPARTURES, keep_departures
from pricing_svc.use_cases.keep_patterns import keep_patterns

log = EventLog(__name__)

LEARN_MAX = 200
LEARN_SECONDS = 1.0
AT_ONCE = 16
STEP_PATTERNS = 20


class Learning:
    """Keeps the read models of departures and patterns; what many wait for is asked for once."""

    def __init__(self, store: Store[Work], timetable: Timetable) -> None:
        self._store = store
        self._timetable = timetable
        self._asking = asyncio.Lock()

    async def keep(self, departures: Sequence[Departure], *, message_id: str | None = None) -> None:
        """Keep departures; ask booking for patterns first that are met for the first time.

        Raise Unavailable where booking does not answer. A departure whose pattern cannot be priced is left out.
        """
        wanted = {departure.pattern_id for departure in departures}
        unknown = await self._store.read(find_unknown_patterns, pattern_ids=wanted)
        if unknown:
            async with self._asking:
                unknown = await self._learn_patterns(unknown)
            log.warning("patterns_not_found", pattern_ids=unknown) if unknown else None
        known = [departure for departure in departures if departure.pattern_id not in unknown]
        await self._store.write(keep_departures, departures=known, message_id=message_id)

    async def _learn_patterns(self, pattern_ids: Sequence[str]) -> list[str]:
        """Ask for patterns, in steps that let others in between; return those that there are none of."""
        unknown = await self._store.read(find_unknown_patterns, pattern_ids=pattern_ids)
        patterns = await self._timetable.patterns(unknown) if unknown else []
        for start in range(0, len(patterns), STEP_PATTERNS):
            await self._store.write(keep_patterns, patterns=patterns[start : start + STEP_PATTERNS])
        return sorted(set(unknown) - {pattern.id for pattern in patterns})

    async def learn_departures(self, departure_ids: Sequence[str]) -> dict[str, Failure]:
        """Ask booking for departures whose events have not come yet and keep those that it has.

        Returns the failure of each that could not be asked for in time, or was one too many.
        """
        loop = asyncio.get_running_loop()
        places, until = asyncio.Semaphore(AT_ONCE), loop.time() + LEARN_SECONDS

        async def get(departure_id: str) -> Departure | Failure | None:
            async with places:
                try:
                    return await self._timetable.get(departure_id, seconds=max(0.0, until - loop.time()))
                except Failure as failure:
                    return failure

        asked, too_many = departure_ids[:LEARN_MAX], departure_ids[LEARN_MAX:]
        answers = await asyncio.gather(*map(get, asked))
        found = [answer for answer in answers if isinstance(answer, Departure)]
        for start in range(0, len(found), STEP_DEPARTURES):
            await self.keep(found[start : start + STEP_DEPARTURES])
        failed = {id_: answer for id_, answer in zip(asked, answers, strict=True) if isinstance(answer, Failure)}
        return failed | {id_: Unavailable(dependency="booking") for id_ in too_many}
