"""What we make of a provider's answers: an outcome that cannot be told is unknown, never a guess."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from booking_svc.domain.payment import Charge, ChargeState, Outcome, Refund
from booking_svc.flows.payment_provider import PaymentProvider

NOW = datetime(2030, 1, 2, tzinfo=UTC)
CHARGE = Charge("chg_1", "bkg_1", 1250, "EUR", ChargeState.PROCESSING, "", "", "", "usr_1", NOW, NOW)
REFUND = Refund("ref_1", "bkg_1", "chg_1", "ch_1", 1000, "EUR", is_done=False)
PAID = {"id": "ch_1", "status": "captured", "action_url": None, "decline_reason": None}


@asynccontextmanager
async def answering(*answers: tuple[int, Any] | None) -> AsyncIterator[tuple[PaymentProvider, list[str]]]:
    """Run an HTTP server that gives these answers in turn, the last for ever; None hangs up without one."""
    requests: list[str] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        requests.append(head)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is not None:
            status, content = answer
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            start = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(start.encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider = PaymentProvider(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_seconds=0.5)
    try:
        yield provider, requests
    finally:
        await provider.close()
        server.close()


UNTELLABLE = [
    None,
    (200, b"not json"),
    (200, b""),
    (200, []),
    (200, None),
    (200, {"status": "captured"}),
    (201, PAID | {"status": "something new"}),
    (302, PAID),
    (400, PAID),
    (409, PAID),
    (500, PAID),
    (503, b""),
    (422, b"not json"),
    (422, {"code": "idempotency_key_reused"}),
]


@pytest.mark.parametrize("answer", UNTELLABLE)
async def test_an_answer_that_tells_nothing_is_unknown(answer: tuple[int, Any] | None) -> None:
    async with answering(answer) as (provider, _):
        assert (await provider.charge(CHARGE, token="tok_success")).state is ChargeState.UNKNOWN
        assert (await provider.void(CHARGE)).state is ChargeState.UNKNOWN
        found = await provider.find(CHARGE)
        assert found is not None
        assert found.state is ChargeState.UNKNOWN


@pytest.mark.parametrize("answer", [one for one in UNTELLABLE if one is None or one[0] != 201])
async def test_only_a_refund_that_was_made_is_done(answer: tuple[int, Any] | None) -> None:
    async with answering(answer) as (provider, _):
        assert not await provider.refund(REFUND)


async def test_nobody_listening_is_unknown() -> None:
    provider = PaymentProvider("http://127.0.0.1:1", timeout_seconds=0.5)
    assert (await provider.charge(CHARGE, token="tok_success")).state is ChargeState.UNKNOWN
    assert not await provider.refund(REFUND)
    await provider.close()


async def test_every_state_is_read_with_what_goes_with_it() -> None:
    async with answering(
        (201, PAID),
        (402, PAID | {"status": "declined", "decline_reason": "card_declined"}),
        (201, PAID | {"status": "action_required", "action_url": "https://bank.example"}),
    ) as (provider, _):
        outcomes = [await provider.charge(CHARGE, token="t") for _ in range(3)]
    assert outcomes == [
        Outcome(ChargeState.CAPTURED, "ch_1"),
        Outcome(ChargeState.DECLINED, "ch_1", decline_reason="card_declined"),
        Outcome(ChargeState.ACTION_REQUIRED, "ch_1", action_url="https://bank.example"),
    ]


async def test_a_server_error_is_asked_once_more_with_the_same_key() -> None:
    async with answering((503, b""), (201, PAID)) as (provider, requests):
        assert (await provider.charge(CHARGE, token="t")).state is ChargeState.CAPTURED
    assert len(requests) == 2
    assert all("idempotency-key: chg_1" in request.lower() for request in requests)


async def test_an_answer_that_never_came_is_not_asked_for_again() -> None:
    async with answering(None) as (provider, requests):
        await provider.charge(CHARGE, token="t")
    assert len(requests) == 1


async def test_a_request_that_was_looked_at_and_refused_is_declined() -> None:
    async with answering((422, {"code": "unknown_token"})) as (provider, _):
        refused = await provider.charge(CHARGE, token="t")
    assert refused == Outcome(ChargeState.DECLINED, decline_reason="unknown_token")


async def test_a_charge_that_is_not_there_is_none() -> None:
    async with answering((404, {"code": "not_found"})) as (provider, _):
        assert await provider.find(CHARGE) is None
        assert (await provider.void(CHARGE)).state is ChargeState.UNKNOWN
