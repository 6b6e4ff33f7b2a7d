"""Fares: what a ride costs, and why."""

from typing import Annotated

from headway.pricing.v1 import pricing_service_pb2

from gateway.alternatives import naming_alternatives
from gateway.backends import Services
from gateway.bodies import Router
from gateway.caller import Anonymous, Call, signed_in
from gateway.preconditions import RequiredIfMatch
from gateway.problems import problems
from gateway.schemas.fares import FarePolicy, Quote, QuoteRequest, QuoteRequests, Quotes
from gateway.schemas.shapes import PathId

router = Router()

Staff = Annotated[Call, signed_in("fares:write")]


@router.post(
    "/quotes",
    status_code=201,
    tags=["Rider"],
    summary="Quote a fare",
    responses=problems("not_found", "unknown_stop", "not_served", "departure_gone", "departure_cancelled"),
)
async def quote_fare(body: QuoteRequest, call: Anonymous, services: Services) -> Quote:
    """Price passengers on one or more legs and promise the price until the quote expires.

    The legs are one operator's, in the order of the journey. The token is the promise: send it with POST /bookings.
    When a departure has left, was cancelled or does not serve a stop, `facts.alternatives` are the next ones.
    """
    request = body.to_proto()
    async with naming_alternatives(lambda: request.legs, len(body.passengers), call, services):
        return Quote.from_proto(await services.ask(services.pricing.QuoteFare, request, call))


@router.post("/quotes/batch", tags=["Rider"], summary="Quote many fares")
async def quote_fares(body: QuoteRequests, call: Anonymous, services: Services) -> Quotes:
    """Price many journeys at once, in the order asked; one that has no price has a code that says why."""
    return Quotes.from_proto(await services.ask(services.pricing.QuoteFares, body.to_proto(), call))


@router.get(
    "/fare-policies/{policy_id}", tags=["Operator"], summary="Read a fare policy", responses=problems("not_found")
)
async def get_fare_policy(policy_id: PathId, call: Staff, services: Services) -> FarePolicy:
    """Read an operator's fare policy: the draft, or what is in force where there is none. Its id is the operator's."""
    request = pricing_service_pb2.GetFarePolicyRequest(policy_id=policy_id)
    policy = await services.ask(services.pricing.GetFarePolicy, request, call)
    return FarePolicy.from_proto(services.tagged(policy))


@router.put(
    "/fare-policies/{policy_id}",
    tags=["Operator"],
    summary="Replace the draft of a fare policy",
    responses=problems("not_found", "stale_version", "missing_precondition"),
)
async def put_fare_policy(
    *,
    policy_id: PathId,
    body: FarePolicy,
    version: RequiredIfMatch,
    call: Staff,
    services: Services,
) -> FarePolicy:
    """Replace the draft of a fare policy; nothing is priced by it before it is published.

    Send the ETag that GET gave as If-Match. An operator that never had a policy of its own reads the default one,
    whose ETag is "0".
    """
    request = pricing_service_pb2.PutFarePolicyRequest(policy=body.to_proto(policy_id), version=version)
    policy = await services.ask(services.pricing.PutFarePolicy, request, call)
    return FarePolicy.from_proto(services.tagged(policy))


@router.post(
    "/fare-policies/{policy_id}/publish",
    tags=["Operator"],
    summary="Publish a fare policy",
    responses=problems("not_found", "illegal_state", "stale_version", "missing_precondition"),
)
async def publish_fare_policy(
    policy_id: PathId, version: RequiredIfMatch, call: Staff, services: Services
) -> FarePolicy:
    """Put the draft of a fare policy in force. Send its ETag as If-Match, so that it is the draft that was read."""
    request = pricing_service_pb2.PublishFarePolicyRequest(policy_id=policy_id, version=version)
    policy = await services.ask(services.pricing.PublishFarePolicy, request, call)
    return FarePolicy.from_proto(services.tagged(policy))
