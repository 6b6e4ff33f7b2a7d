"""Take departures in, with the patterns that they follow."""

import asyncio
from collections.abc import Sequence

from chassis.logs import EventLog
from chassis.store import Store
from tracking_svc.domain.departures import Departure
from tracking_svc.flows.timetable import Timetable
from tracking_svc.queries.find_unknown_patterns import find_unknown_patterns
from tracking_svc.store.work import Work
from tracking_svc.use_cases.keep_departures import keep_departures
from tracking_svc.use_cases.keep_patterns import keep_patterns

log = EventLog(__name__)

STEP_PATTERNS = 10


class Learning:
    """Keeps the read models of departures and patterns; what many wait for is asked for once."""

    def __init__(self, store: Store[Work], timetable: Timetable) -> None:
        self._store = store
        self._timetable = timetable
        self._asking = asyncio.Lock()

    async def learn_departures(self, departures: Sequence[Departure], *, message_id: str | None = None) -> None:
        """Keep departures; ask booking for patterns first that are met for the first time.

        Raise Unavailable where booking does not answer. A departure whose pattern cannot be followed is left out.
        """
        wanted = {departure.pattern_id for departure in departures}
        unknown = await self._store.read(find_unknown_patterns, pattern_ids=wanted)
        if unknown:
            async with self._asking:
                unknown = await self._learn_patterns(unknown)
            for pattern_id in unknown:
                log.warning("pattern_not_found", pattern_id=pattern_id)
        known = [departure for departure in departures if departure.pattern_id not in unknown]
        await self._store.write(keep_departures, departures=known, message_id=message_id)

    async def _learn_patterns(self, pattern_ids: Sequence[str]) -> list[str]:
        """Ask for patterns, in steps that let others in between; return those that there are none of."""
        unknown = await self._store.read(find_unknown_patterns, pattern_ids=pattern_ids)
        patterns = await self._timetable.patterns(unknown) if unknown else []
        for start in range(0, len(patterns), STEP_PATTERNS):
            await self._store.write(keep_patterns, patterns=patterns[start : start + STEP_PATTERNS])
        return sorted(set(unknown) - {pattern.id for pattern in patterns})
