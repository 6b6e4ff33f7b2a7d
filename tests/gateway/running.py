"""A whole gateway in this process: real routes, real database, real keys; the services are wherever a test says."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from chassis.clock import Clock
from gateway.app import create_app
from gateway.settings import GatewaySettings

ADMIN_SECRET = "the-administration's-own-secret"
DEMO_PASSWORD = "a password for the demo"
NOBODY = "127.0.0.1:1"


@dataclass(frozen=True)
class Running:
    app: FastAPI
    client: httpx2.AsyncClient

    async def token(self, **form: str) -> str:
        reply = await self.client.post("/v1/oauth/token", data=form)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["access_token"])

    async def admin(self) -> dict[str, str]:
        """Return the headers of the administration's client."""
        return bearer(
            await self.token(grant_type="client_credentials", client_id="headway-admin", client_secret=ADMIN_SECRET)
        )

    async def user(self, email: str, password: str = DEMO_PASSWORD) -> dict[str, str]:
        """Return the headers of a user."""
        return bearer(await self.token(grant_type="password", username=email, password=password))

    async def guest(self) -> dict[str, Any]:
        reply = await self.client.post("/v1/guests")
        assert reply.status_code == 201, reply.text
        return dict(reply.json())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def settings_for(database_url: str, folder: Path, **changes: Any) -> GatewaySettings:
    settings = {
        "database_url": database_url,
        "keys_dir": folder / "keys",
        "booking_address": NOBODY,
        "tracking_address": NOBODY,
        "pricing_address": NOBODY,
        "rate_limits": "off",
        "admin_client_secret": ADMIN_SECRET,
    }
    return GatewaySettings(**(settings | changes))


@asynccontextmanager
async def running(
    settings: GatewaySettings, clock: Clock | None = None, ticks: Callable[[], float] = time.monotonic
) -> AsyncIterator[Running]:
    app = create_app(settings, clock=clock, ticks=ticks)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        yield Running(app, client)


def problem(reply: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem document that was expected."""
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    document = dict(reply.json())
    assert (reply.status_code, document["code"]) == (status, code), document
    assert document["status"] == status
    assert document["type"] == f"/problems#{code}"
    assert document["request_id"] == reply.headers["x-request-id"]
    assert {"title", "detail", "instance", "retryable", "facts"} <= set(document)
    assert ("errors" in document) == (status == 422)
    return document
