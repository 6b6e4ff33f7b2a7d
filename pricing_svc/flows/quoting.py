"""Prices; a departure that was published a moment ago is learned first, so that it can be quoted at once."""

from collections.abc import Sequence
from datetime import timedelta

from chassis.errors import Failure
from chassis.store import Store
from pricing_svc.domain.errors import UnknownDepartures
from pricing_svc.domain.quote import Quote, QuoteRequest
from pricing_svc.flows.learn_departures import Learning
from pricing_svc.queries.quote_fare import quote_fare
from pricing_svc.queries.quote_fares import quote_fares
from pricing_svc.store.work import Work


class Quoting:
    """The queries that price, over a read model that fills its own gaps."""

    def __init__(self, store: Store[Work], learning: Learning, *, lifetime: timedelta) -> None:
        self._store = store
        self._learning = learning
        self._lifetime = lifetime

    async def one(self, asked: QuoteRequest) -> Quote:
        """Price a request or raise why not; Unavailable when only booking knows the departure and does not answer."""
        try:
            return await self._store.read(quote_fare, asked=asked, lifetime=self._lifetime)
        except UnknownDepartures as unknown:
            for failure in (await self._learning.learn_departures(unknown.departure_ids)).values():
                raise failure from None
        return await self._store.read(quote_fare, asked=asked, lifetime=self._lifetime)

    async def many(self, asked: Sequence[QuoteRequest]) -> list[Quote | Failure]:
        """Price requests, each answered by its quote or its failure."""
        outcomes = await self._store.read(quote_fares, asked=asked, lifetime=self._lifetime)
        unknown = [outcome for outcome in outcomes if isinstance(outcome, UnknownDepartures)]
        if not unknown:
            return outcomes
        missing = dict.fromkeys(departure_id for failure in unknown for departure_id in failure.departure_ids)
        failed = await self._learning.learn_departures(list(missing))
        again = await self._store.read(quote_fares, asked=asked, lifetime=self._lifetime)
        return [cause_of(outcome, failed) for outcome in again]


def cause_of(outcome: Quote | Failure, failed: dict[str, Failure]) -> Quote | Failure:
    """Tell departures that do not exist from those that could not be asked for."""
    if isinstance(outcome, UnknownDepartures):
        return next((failed[key] for key in outcome.departure_ids if key in failed), outcome)
    return outcome
