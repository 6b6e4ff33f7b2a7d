"""Builds the whole gateway from its settings and starts nothing; its lifespan does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge, GCCollector, PlatformCollector, ProcessCollector
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import Scope

from chassis.access import Caller
from chassis.clock import Clock, SystemClock
from chassis.errors import Failure
from chassis.keys import Verifier, open_signer
from chassis.lifecycle import every, keep_running, stop_tasks
from chassis.rpc_client import ServiceIdentity
from gateway import problems
from gateway.accounts.bootstrap import keep_admin, keep_demo_users, open_accounts, prune
from gateway.backends import Backends
from gateway.caller import identify
from gateway.edge import Edge
from gateway.limits import BodyLimit, RateLimits
from gateway.live import AGE_SECONDS, BEAT_SECONDS, Live
from gateway.openapi import DESCRIPTION, TAGS, Api
from gateway.public_cache import PublicCache
from gateway.routes import (
    bookings,
    docs,
    fares,
    feeds,
    gtfs_realtime,
    health,
    live,
    operations,
    people,
    phones,
    search,
    timetable,
    vehicles,
)
from gateway.settings import GatewaySettings
from gateway.streams import Places

NAME = "gateway"
PRUNE_SECONDS = 3600.0
STREAMS_OF_ONE_MAX = 50
EXPOSED_HEADERS = (
    "ETag", "Idempotent-Replayed", "Location", "Retry-After", "X-Request-ID", "RateLimit", "RateLimit-Policy"
)  # fmt: skip


def create_app(
    settings: GatewaySettings, *, clock: Clock | None = None, ticks: Callable[[], float] = time.monotonic
) -> FastAPI:
    """Wire the parts together; `ticks` are the seconds by which requests are limited and answers kept."""
    registry = CollectorRegistry()
    app = Api(
        title="Headway",
        version="0.1.0",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=running,
        generate_unique_id_function=lambda route: route.name,
        middleware=layers(settings, registry, ticks),
    )
    app.state.settings = settings
    app.state.clock = clock or SystemClock()
    app.state.registry = registry
    problems.add_handlers(app)
    add_routes(app)
    return app


def add_routes(app: FastAPI) -> None:
    """Serve the API under /v1, and what browsers and operations ask for beside it."""
    for module in (
        search,
        operations,
        timetable,
        feeds,
        fares,
        bookings,
        vehicles,
        live,
        phones,
        gtfs_realtime,
        people,
    ):
        app.include_router(module.router, prefix="/v1")
    app.include_router(health.keys_router, prefix="/v1")
    app.include_router(health.keys_router, include_in_schema=False)
    app.include_router(health.router)
    app.include_router(docs.router)
    docs.serve_files(app)


def layers(
    settings: GatewaySettings, registry: CollectorRegistry, ticks: Callable[[], float] = time.monotonic
) -> list[Middleware]:
    """List what a request passes before the routes, outermost first."""
    found = [Middleware(Edge, registry=registry)]
    if origins := [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]:
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=["GET", "POST", "PUT", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"],
                expose_headers=EXPOSED_HEADERS,
            )
        )
    if settings.rate_limits == "on":
        found.append(Middleware(RateLimits, subject_of=subject_of, clock=ticks))
    found.append(Middleware(PublicCache, subject_of=subject_of, clock=ticks))
    found.append(Middleware(BodyLimit, caller_of=caller_of))
    return found


def caller_of(scope: Scope) -> Caller:
    """Tell who is calling; nobody for a token that is not good."""
    try:
        caller, _ = identify(Request(scope))
    except Failure:
        return Caller()
    return caller


def subject_of(scope: Scope) -> str:
    return caller_of(scope).subject


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """Open what the routes work on, and close it again."""
    state, settings = app.state, app.state.settings
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=state.registry)
    state.signer = open_signer(NAME, settings.keys_dir)
    state.verifier = Verifier(settings.keys_dir / "trusted")
    state.identity = ServiceIdentity(state.signer, now=state.clock.now)
    state.accounts = open_accounts(
        settings.database_url, signer=state.signer, clock=state.clock, registry=state.registry
    )
    state.backends = Backends.open(settings.booking_address, settings.tracking_address, settings.pricing_address)
    state.live = Live(state.backends.tracking, state.identity, places_of(settings), state.clock.now)
    listening = Gauge("headway_live_listeners", "Clients of streams", registry=state.registry)
    listening.set_function(lambda: len(state.live.places))
    await keep_known_accounts(app)
    loops = (
        (PRUNE_SECONDS, lambda: prune(state.accounts)),
        (BEAT_SECONDS, state.live.beat),
        (AGE_SECONDS, state.live.age),
    )
    tasks = [asyncio.ensure_future(keep_running(partial(every, seconds, act))) for seconds, act in loops]
    try:
        yield
    finally:
        await stop_tasks(tasks)
        await state.live.close()
        await state.backends.close()
        await asyncio.to_thread(state.accounts.close)


def places_of(settings: GatewaySettings) -> Places:
    """Bound the streams, and those of one caller where callers are limited."""
    of_one = STREAMS_OF_ONE_MAX if settings.rate_limits == "on" else settings.streams_max
    return Places(most=settings.streams_max, most_of_one=of_one)


async def keep_known_accounts(app: FastAPI) -> None:
    """Make or renew the accounts that the settings name."""
    settings, accounts = app.state.settings, app.state.accounts
    if settings.admin_client_secret:
        await keep_admin(accounts, secret=settings.admin_client_secret)
    if settings.demo_password:
        await keep_demo_users(accounts, password=settings.demo_password, operator_id=settings.demo_operator_id)
