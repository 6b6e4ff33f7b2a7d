import asyncio
from collections.abc import Sequence, Set

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

LEARN_MAX = STEP_DEPARTURES
LEARN_SECONDS = 1.0
"""How long a quote waits for departures, and once more for patterns."""
AT_ONCE = 16
STEP_PATTERNS = 20
PATTERN_SECONDS = 5.0
"""Less than the broker waits before it sends an event again."""
KNOWN_MAX = 50_000


class Learning:
    """Keeps the read models of departures and patterns; what many wait for is asked for once."""

    def __init__(self, store: Store[Work], timetable: Timetable) -> None:
        self._store = store
        self._timetable = timetable
        self._asking = asyncio.Lock()
        # Spares a look for each event; the writer looks again.
        self._known: set[str] = set()

    async def keep(
        self, departures: Sequence[Departure], *, message_id: str | None = None, seconds: float = PATTERN_SECONDS
    ) -> None:
        """Keep departures; ask booking for patterns first that are met for the first time.

        Raise Unavailable where booking does not answer in time. A departure whose pattern cannot be priced is left out.
        """
        missing: set[str] = set()
        if unknown := {departure.pattern_id for departure in departures} - self._known:
            try:
                async with asyncio.timeout(seconds), self._asking:
                    missing = await self._learn_patterns(unknown)
            except TimeoutError:
                raise Unavailable(dependency="booking") from None
        known = [departure for departure in departures if departure.pattern_id not in missing]
        try:
            await self._store.write(keep_departures, departures=known, message_id=message_id)
        except Unavailable:
            self._known.clear()
            raise

    async def _learn_patterns(self, pattern_ids: Set[str]) -> set[str]:
        """Ask for patterns, in steps that let others in between; return those that there are none of."""
        unknown = await self._store.read(find_unknown_patterns, pattern_ids=pattern_ids - self._known)
        patterns = await self._timetable.patterns(unknown) if unknown else []
        for start in range(0, len(patterns), STEP_PATTERNS):
            await self._store.write(keep_patterns, patterns=patterns[start : start + STEP_PATTERNS])
        missing = set(unknown) - {pattern.id for pattern in patterns}
        if missing:
            log.warning("patterns_not_found", pattern_ids=sorted(missing))
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
        self._known |= pattern_ids - missing
        return missing

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
        failed = {id_: answer for id_, answer in zip(asked, answers, strict=True) if isinstance(answer, Failure)}
        try:
            await self.keep(found, seconds=LEARN_SECONDS)
        except Failure as failure:
            failed |= {departure.id: failure for departure in found}
        return failed | {id_: Unavailable(dependency="booking") for id_ in too_many}
