"""Clients that stay signed in for longer than a token lasts."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from cli.outcomes import BreakdownError
from cli.running import sign_in_staff

READY = {"admin": {"client_id": "headway-admin", "client_secret": "s"}}


class Gateway:
    """Gives out tokens, of which the newest is good."""

    def __init__(self) -> None:
        self.issued = 0
        self.is_shut = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/oauth/token":
            if self.is_shut:
                return httpx2.Response(429, json={"detail": "Too many."})
            assert request.content == b"grant_type=client_credentials&client_id=headway-admin&client_secret=s"
            self.issued += 1
            return httpx2.Response(200, json={"access_token": f"t{self.issued}"})
        is_good = request.headers.get("authorization") == f"Bearer t{self.issued}"
        return httpx2.Response(200 if is_good else 401, json={"sent": request.content.decode()})


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url="http://h/v1", transport=httpx2.MockTransport(gateway)) as made:
        sign_in_staff(made, READY)
        yield made


async def test_a_token_is_asked_for_once_and_again_when_it_has_run_out(gateway: Gateway, client: httpx2.AsyncClient):
    assert [(await client.get("/x")).status_code for _ in range(3)] == [200, 200, 200]
    assert gateway.issued == 1
    gateway.issued = 7  # so that the one in use is no longer good
    assert (await client.post("/x", content=b"body")).json() == {"sent": "body"}
    assert gateway.issued == 8


async def test_calls_at_once_go_on_with_whatever_token_is_the_newest(gateway: Gateway, client: httpx2.AsyncClient):
    await client.get("/x")
    gateway.issued = 2
    found = await asyncio.gather(*(client.get("/x") for _ in range(5)))
    assert [reply.status_code for reply in found] == [200] * 5
    assert gateway.issued == 3


async def test_what_refuses_a_token_is_told(gateway: Gateway, client: httpx2.AsyncClient):
    gateway.is_shut = True
    with pytest.raises(BreakdownError, match="Too many"):
        await client.get("/x")
