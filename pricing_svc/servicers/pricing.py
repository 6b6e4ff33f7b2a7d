"""PricingService on the wire."""

from headway.pricing.v1 import fares_pb2, pricing_service_pb2, pricing_service_pb2_grpc

from chassis.errors import Failure, FieldError, InvalidInput
from chassis.keys import Signer
from chassis.rpc_server import Context, current_caller, seconds_left
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.domain.quote import Quote, QuoteRequest
from pricing_svc.flows.quoting import Quoting
from pricing_svc.queries.get_fare_policy import get_fare_policy
from pricing_svc.servicers.quote_tokens import quote_token
from pricing_svc.store.work import Work
from pricing_svc.use_cases.publish_fare_policy import publish_fare_policy
from pricing_svc.use_cases.put_fare_policy import put_fare_policy

QUOTES_MAX = 200
FARES_MAX = 10_000
"""What one batch may cost: 200 quotes of 50 passengers on one leg."""


class PricingServicer(pricing_service_pb2_grpc.PricingServiceServicer):
    def __init__(self, store: Store[Work], quoting: Quoting, signer: Signer) -> None:
        self.store = store
        self.quoting = quoting
        self.signer = signer

    async def QuoteFare(self, request: pricing_service_pb2.QuoteFareRequest, context: Context) -> fares_pb2.Quote:
        quote = await self.quoting.one(translate.quote_request_in(request))
        return translate.quote_out(quote, quote_token(self.signer, quote))

    async def QuoteFares(
        self, request: pricing_service_pb2.QuoteFaresRequest, context: Context
    ) -> pricing_service_pb2.QuoteFaresResponse:
        asked = [translate.quote_request_in(quote) for quote in request.quotes]
        must_be_affordable(asked)
        signer = None if request.is_without_tokens else self.signer
        outcomes = [outcome_out(outcome, signer) for outcome in await self.quoting.many(asked)]
        return pricing_service_pb2.QuoteFaresResponse(outcomes=outcomes)

    async def GetFarePolicy(
        self, request: pricing_service_pb2.GetFarePolicyRequest, context: Context
    ) -> fares_pb2.FarePolicy:
        data = translate.get_fare_policy_in(request, current_caller())
        return translate.fare_policy_out(await self.store.read(get_fare_policy, **data))

    async def PutFarePolicy(
        self, request: pricing_service_pb2.PutFarePolicyRequest, context: Context
    ) -> fares_pb2.FarePolicy:
        data = translate.put_fare_policy_in(request, current_caller())
        policy = await self.store.write(put_fare_policy, timeout_seconds=seconds_left(context), **data)
        return translate.fare_policy_out(policy)

    async def PublishFarePolicy(
        self, request: pricing_service_pb2.PublishFarePolicyRequest, context: Context
    ) -> fares_pb2.FarePolicy:
        data = translate.publish_fare_policy_in(request, current_caller())
        policy = await self.store.write(publish_fare_policy, timeout_seconds=seconds_left(context), **data)
        return translate.fare_policy_out(policy)


def outcome_out(outcome: Quote | Failure, signer: Signer | None) -> pricing_service_pb2.QuoteFareOutcome:
    """Answer one of many; without a signer it is a price to show, not one to book."""
    if isinstance(outcome, Failure):
        return translate.failure_out(outcome)
    if signer is None:
        return pricing_service_pb2.QuoteFareOutcome(quote=translate.price_out(outcome))
    try:
        token = quote_token(signer, outcome)
    except Failure as failure:
        return translate.failure_out(failure)
    return pricing_service_pb2.QuoteFareOutcome(quote=translate.quote_out(outcome, token))


def must_be_affordable(asked: list[QuoteRequest]) -> None:
    """Refuse a batch that would keep everybody else waiting."""
    if len(asked) > QUOTES_MAX:
        raise InvalidInput(errors=[FieldError("/quotes", f"Ask for at most {QUOTES_MAX} quotes.")])
    if sum(request.fares for request in asked) > FARES_MAX:
        detail = f"Ask for at most {FARES_MAX} fares at once: passengers times legs, over all quotes."
        raise InvalidInput(errors=[FieldError("/quotes", detail)])
