from datetime import timedelta

from pricing_svc.domain.quote import Quote, QuoteRequest
from pricing_svc.queries.quote_fares import read_tariff
from pricing_svc.store.work import Work


def quote_fare(work: Work, *, asked: QuoteRequest, lifetime: timedelta) -> Quote:
    """Price passengers on one or more legs; nothing of it is stored."""
    if fault := asked.fault():
        raise fault
    return read_tariff(work, [asked]).quote(asked, quote_id=work.new_id("quo"), now=work.now, lifetime=lifetime)
