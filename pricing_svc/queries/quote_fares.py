from collections.abc import Sequence
from datetime import timedelta

from chassis.errors import Failure
from pricing_svc.domain.quote import Quote, QuoteRequest, Tariff
from pricing_svc.store.work import Work


def quote_fares(work: Work, *, asked: Sequence[QuoteRequest], lifetime: timedelta) -> list[Quote | Failure]:
    """Price many requests at once; one that cannot be priced is answered by its failure."""
    faults = [request.fault() for request in asked]
    tariff = read_tariff(work, [request for request, fault in zip(asked, faults, strict=True) if fault is None])
    return [
        fault or quote_or_failure(work, tariff, request, lifetime) for request, fault in zip(asked, faults, strict=True)
    ]


def read_tariff(work: Work, asked: Sequence[QuoteRequest]) -> Tariff:
    """Read the departures that are asked for, where known, and the fare policies of their operators."""
    departures = work.departures.find({departure_id for request in asked for departure_id in request.departure_ids})
    policies = work.fare_policies.in_force({departure.operator_id for departure in departures.values()})
    patterns = work.patterns.find({departure.pattern_id for departure in departures.values()})
    # A pattern that another process forgot just before its departure came is learned anew with it.
    whole = {id_: departure for id_, departure in departures.items() if departure.pattern_id in patterns}
    return Tariff(whole, patterns, policies)


def quote_or_failure(work: Work, tariff: Tariff, asked: QuoteRequest, lifetime: timedelta) -> Quote | Failure:
    """Price one of many."""
    try:
        return tariff.quote(asked, quote_id=work.new_id("quo"), now=work.now, lifetime=lifetime)
    except Failure as failure:
        return failure
