"""What operations ask of the gateway itself, outside of /v1: alive, ready, measured; and its public keys."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from chassis.errors import Failure, Unavailable
from gateway.accounts.store.work import Work
from gateway.bodies import Router
from gateway.schemas.people import KeySet
from gateway.schemas.shapes import Output

router = Router(tags=["Integration"])
keys_router = Router(tags=["Integration"])


Waiting = Annotated[
    dict[str, dict[str, int]] | None,
    Field(description="Events that wait to leave a service (`outbox`) or to be taken in, by stream"),
]


class Alive(Output):
    status: Literal["ok"] = "ok"


class Ready(Output):
    status: Literal["ready"] = "ready"
    checks: dict[str, bool] | None = None
    waiting: Waiting = None


class NotReady(Unavailable):
    detail = "Not ready: what `facts` names does not answer."


@router.get("/livez", summary="Is it alive?")
async def livez() -> Alive:
    """Tell that the process answers."""
    return Alive()


@router.get("/readyz", summary="Is it ready?", response_model_exclude_none=True)
async def readyz(
    request: Request,
    verbose: Annotated[str | None, Query(max_length=10, description="Say of each part whether it answers")] = None,
) -> Ready:
    """Tell whether all that is needed answers: the database and the three services; 503 says in `facts` which not.

    With `verbose` also how far behind each service is with its events.
    """
    state = request.app.state
    has_database, services = await asyncio.gather(database_answers(state), state.backends.health())
    checks = {"database": has_database} | {name: health.is_serving for name, health in services.items()}
    waiting = {name: dict(health.waiting) for name, health in services.items() if health.is_serving}
    if not all(checks.values()):
        raise NotReady(down=[name for name, is_up in checks.items() if not is_up], checks=checks, waiting=waiting)
    return Ready() if verbose is None else Ready(checks=checks, waiting=waiting)


async def database_answers(state: Any) -> bool:
    try:
        await state.accounts.store.read(ask_database)
    except Failure:
        return False
    return True


def ask_database(work: Work) -> None:
    work.users.find("")


@router.get("/metrics", summary="Measure", response_class=PlainTextResponse)
async def get_metrics(request: Request) -> Response:
    """Give the measurements as Prometheus reads them."""
    measured = generate_latest(request.app.state.registry)
    return Response(measured, media_type=CONTENT_TYPE_LATEST)


@keys_router.get("/.well-known/jwks.json", summary="Read the public keys")
async def get_jwks(request: Request, response: Response) -> KeySet:
    """Read the public keys that our tokens are signed with (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return KeySet.model_validate(request.app.state.verifier.jwks("gateway"))
