"""What operations ask of the gateway itself, outside of /v1: alive, ready, measured; and its public keys."""

import asyncio
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chassis.errors import Failure, Unavailable
from gateway.accounts.store.work import Work
from gateway.bodies import Router

router = Router(include_in_schema=False)
keys_router = Router()


class NotReady(Unavailable):
    detail = "Not ready: what `facts` names does not answer."


@router.get("/livez")
async def livez() -> JSONResponse:
    """Tell that the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request, verbose: Annotated[str | None, Query(max_length=10)] = None) -> JSONResponse:
    """Tell whether all that is needed answers: the database and the three services; 503 says which does not."""
    state = request.app.state
    has_database, services = await asyncio.gather(database_answers(state), state.backends.ready())
    checks = {"database": has_database, **services}
    if not all(checks.values()):
        raise NotReady(down=[name for name, is_up in checks.items() if not is_up], checks=checks)
    return JSONResponse({"status": "ready"} if verbose is None else {"status": "ready", "checks": checks})


async def database_answers(state: Any) -> bool:
    try:
        await state.accounts.store.read(ask_database)
    except Failure:
        return False
    return True


def ask_database(work: Work) -> None:
    work.users.find("")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Give the measurements as Prometheus reads them."""
    measured = generate_latest(request.app.state.registry)
    return Response(measured, media_type=CONTENT_TYPE_LATEST)


@keys_router.get("/.well-known/jwks.json", tags=["Integration"])
async def get_jwks(request: Request) -> JSONResponse:
    """Read the public keys that our tokens are signed with (RFC 7517)."""
    keys = request.app.state.verifier.jwks("gateway")
    return JSONResponse(keys, headers={"Cache-Control": "public, max-age=300"})
