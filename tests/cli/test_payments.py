import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.payments.app import create_app

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]


class Process:
    """Run the provider over one ledger, as often as a test kills it."""

    def __init__(self, ledger: Path, **environment: str) -> None:
        self.ledger = ledger
        self.environment = environment
        self.start()

    def start(self) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "cli.payments", "--port", "0", "--ledger", str(self.ledger)],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.popen.stdout is not None
        self.url = self.popen.stdout.readline().split()[-1]

    def end(self, how: signal.Signals) -> str:
        """Send a signal and return what the process had printed since its start."""
        self.popen.send_signal(how)
        return self.popen.communicate(timeout=5)[0]

    def restart(self) -> None:
        self.end(signal.SIGKILL)
        self.start()

    def client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=5)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("payments") / "ledger.sqlite", PAYMENTS_SLOW_SECONDS="0.5")
    yield process
    process.end(signal.SIGKILL)


@pytest.fixture
async def client(provider: Process) -> AsyncIterator[httpx2.AsyncClient]:
    async with provider.client() as client:
        yield client


@pytest.fixture
def mortal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Process]:
    process = Process(tmp_path / "ledger.sqlite", PAYMENTS_FAULT=getattr(request, "param", ""))
    yield process
    process.end(signal.SIGKILL)


def charge_body(token: str, **changes: object) -> Json:
    return {"amount_minor": 1250, "currency": "EUR", "token": token, "reference": "bkg_1"} | changes


async def charge(client: httpx2.AsyncClient, key: str, token: str, **changes: object) -> httpx2.Response:
    return await client.post("/v1/charges", headers={"Idempotency-Key": key}, json=charge_body(token, **changes))


async def charge_by_key(client: httpx2.AsyncClient, key: str) -> httpx2.Response:
    return await client.get("/v1/charges", params={"key": key})


async def refund(client: httpx2.AsyncClient, key: str, charge_id: str, amount_minor: int) -> httpx2.Response:
    body = {"charge_id": charge_id, "amount_minor": amount_minor, "reference": "bkg_1"}
    return await client.post("/v1/refunds", headers={"Idempotency-Key": key}, json=body)


async def void(client: httpx2.AsyncClient, key: str) -> Json:
    response = await client.post("/v1/voids", json={"key": key})
    assert response.status_code == 200
    return response.json()


async def ledger(client: httpx2.AsyncClient) -> Json:
    return (await client.get("/v1/ledger")).json()


async def stored(client: httpx2.AsyncClient, key: str) -> list[Json]:
    return [each for each in (await ledger(client))["charges"] if each["key"] == key]


async def captured_in_the_end(client: httpx2.AsyncClient, key: str) -> Json:
    async with asyncio.timeout(5):
        while (response := await charge_by_key(client, key)).status_code == 404:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
    assert response.json()["status"] == "captured"
    return response.json()


def assert_error(response: httpx2.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == {"code", "detail"}


async def test_success_captures_once_and_repeats_its_answer(client: httpx2.AsyncClient) -> None:
    first = await charge(client, "success", "tok_success")
    paid = first.json()
    asked = {"key": "success", "amount_minor": 1250, "currency": "EUR", "reference": "bkg_1"}
    given = {"status": "captured", "decline_reason": None, "action_url": None, "refunded_minor": 0}
    assert paid == asked | given | {"id": paid["id"], "created_at": paid["created_at"]}
    assert (first.status_code, paid["id"][:3], paid["created_at"][-1]) == (201, "ch_", "Z")
    again = await charge(client, "success", "tok_success")
    assert (again.status_code, again.json()) == (201, paid)
    assert (await charge_by_key(client, "success")).json() == paid
    assert (await client.get(f"/v1/charges/{paid['id']}")).json() == paid


@pytest.mark.parametrize("changes", [{"amount_minor": 1}, {"currency": "CHF"}, {"reference": ""}])
async def test_key_takes_no_other_body(client: httpx2.AsyncClient, changes: Json) -> None:
    await charge(client, "reused", "tok_success")
    assert_error(await charge(client, "reused", "tok_success", **changes), 422, "idempotency_key_reused")
    assert_error(await charge(client, "reused", "tok_declined"), 422, "idempotency_key_reused")
    assert len(await stored(client, "reused")) == 1


async def test_declined_charge_is_stored(client: httpx2.AsyncClient) -> None:
    first, again = [await charge(client, "declined", "tok_declined") for _ in range(2)]
    assert (first.status_code, first.json()["status"]) == (402, "declined")
    assert first.json()["decline_reason"] == "card_declined"
    assert (again.status_code, again.json()) == (402, first.json())


@pytest.mark.parametrize(("chosen", "other", "status"), [("approve", "refuse", 201), ("refuse", "approve", 402)])
async def test_payer_decides_once(client: httpx2.AsyncClient, chosen: str, other: str, status: int) -> None:
    first = await charge(client, chosen, "tok_action_required", reference="<b>")
    assert (first.status_code, first.json()["status"]) == (201, "action_required")
    url = first.json()["action_url"]
    page = await client.get(url)
    assert page.headers["content-type"].startswith("text/html")
    for expected in ("Approve the payment", "Refuse", f'"{url}/approve"', f'"{url}/refuse"', "&lt;b&gt;"):
        assert expected in page.text
    for decision in (chosen, chosen, other):
        page = await client.post(f"{url}/{decision}")
        assert ("was made" if chosen == "approve" else "was not made") in page.text
    assert "<form" not in (await client.get(url)).text
    repeated = await charge(client, chosen, "tok_action_required", reference="<b>")
    assert (repeated.status_code, repeated.json()["action_url"]) == (status, None)
    assert repeated.json()["status"] == ("captured" if chosen == "approve" else "declined")


async def test_slow_charge_holds_nobody_up(client: httpx2.AsyncClient) -> None:
    slow = [asyncio.create_task(charge(client, "slow", "tok_slow")) for _ in range(2)]
    assert (await charge(client, "quick", "tok_success")).status_code == 201
    assert_error(await charge_by_key(client, "slow"), 404, "not_found")
    assert not any(task.done() for task in slow)
    replies = await asyncio.gather(*slow)
    assert [reply.status_code for reply in replies] == [201, 201]
    assert [reply.json() for reply in replies] == 2 * await stored(client, "slow")


async def test_void_wins_over_slow_charge(client: httpx2.AsyncClient) -> None:
    slow = asyncio.create_task(charge(client, "slow-void", "tok_slow"))
    voided = await void(client, "slow-void")
    reply = await slow
    assert (reply.status_code, reply.json()) == (402, voided)


async def test_timeout_captures_without_a_reply(client: httpx2.AsyncClient) -> None:
    attempts = [asyncio.create_task(charge(client, "timeout", "tok_timeout")) for _ in range(10)]
    paid = await captured_in_the_end(client, "timeout")
    replies = [await reply for reply in islice(asyncio.as_completed(attempts, timeout=4), 9)]
    assert all((reply.status_code, reply.json()) == (201, paid) for reply in replies)
    (unanswered,) = [attempt for attempt in attempts if not attempt.done()]
    unanswered.cancel()
    await asyncio.wait([unanswered])
    assert (await charge(client, "timeout", "tok_timeout")).json() == paid


@pytest.mark.parametrize("token", ["tok_success", "tok_declined", "tok_action_required", "tok_slow"])
async def test_parallel_requests_make_one_charge(client: httpx2.AsyncClient, token: str) -> None:
    key = f"parallel-{token}"
    replies = await asyncio.gather(*(charge(client, key, token) for _ in range(20)))
    assert len({reply.status_code for reply in replies}) == 1
    assert [reply.json() for reply in replies] == 20 * await stored(client, key)


async def test_parallel_refunds_stay_within_the_charge(client: httpx2.AsyncClient) -> None:
    paid = (await charge(client, "refunded", "tok_success", amount_minor=1000)).json()
    replies = await asyncio.gather(*(refund(client, f"refund-{n}", paid["id"], 300) for n in range(10)))
    made = [reply.json() for reply in replies if reply.status_code == 201]
    assert len(made) == 3
    assert {reply.status_code for reply in replies} == {201, 409}
    assert (await refund(client, "refund-rest", paid["id"], 100)).status_code == 201
    assert_error(await refund(client, "refund-more", paid["id"], 1), 409, "refund_exceeds_charge")
    assert (await charge_by_key(client, "refunded")).json()["refunded_minor"] == 1000
    assert (await charge(client, "refunded", "tok_success", amount_minor=1000)).status_code == 201
    assert all(each["currency"] == "EUR" and each["charge_id"] == paid["id"] for each in made)


async def test_refund_repeats_its_answer(client: httpx2.AsyncClient) -> None:
    paid = (await charge(client, "refund-once", "tok_success")).json()
    replies = await asyncio.gather(*(refund(client, "same", paid["id"], 700) for _ in range(10)))
    assert {reply.status_code for reply in replies} == {201}
    first = replies[0].json()
    assert set(first) == {"id", "key", "charge_id", "amount_minor", "currency", "created_at"}
    assert all(reply.json() == first for reply in replies)
    assert (await client.get("/v1/refunds", params={"key": "same"})).json() == first
    assert_error(await refund(client, "same", paid["id"], 1), 422, "idempotency_key_reused")
    assert (await charge_by_key(client, "refund-once")).json()["refunded_minor"] == 700


@pytest.mark.parametrize("token", ["tok_declined", "tok_action_required"])
async def test_only_captured_money_is_refunded(client: httpx2.AsyncClient, token: str) -> None:
    unpaid = (await charge(client, f"unpaid-{token}", token)).json()
    assert_error(await refund(client, f"refund-{token}", unpaid["id"], 1), 409, "refund_exceeds_charge")


async def test_unknown_records_are_not_found(client: httpx2.AsyncClient) -> None:
    assert_error(await refund(client, "refund-nothing", "ch_0", 1), 404, "not_found")
    for path in ("/v1/refunds?key=none", "/v1/charges?key=none", "/v1/charges/ch_0", "/v1/actions/ch_0", "/nowhere"):
        assert_error(await client.get(path), 404, "not_found")
    assert_error(await client.post("/v1/actions/ch_0/approve"), 404, "not_found")


async def test_void_leaves_captured_charge(client: httpx2.AsyncClient) -> None:
    paid = (await charge(client, "void-captured", "tok_success")).json()
    assert await void(client, "void-captured") == paid


async def test_void_declines_open_charge(client: httpx2.AsyncClient) -> None:
    opened = (await charge(client, "void-open", "tok_action_required")).json()
    voided = await void(client, "void-open")
    assert (voided["id"], voided["status"], voided["decline_reason"]) == (opened["id"], "declined", "voided")
    assert "was not made" in (await client.post(f"{opened['action_url']}/approve")).text
    assert (await charge(client, "void-open", "tok_action_required")).status_code == 402


@pytest.mark.parametrize("token", ["tok_success", "tok_error_once", "tok_timeout"])
async def test_void_bars_later_charge(client: httpx2.AsyncClient, token: str) -> None:
    key = f"void-none-{token}"
    voided = await void(client, key)
    assert (voided["status"], voided["decline_reason"], voided["amount_minor"]) == ("declined", "voided", 0)
    late = await charge(client, key, token)
    assert (late.status_code, late.json()) == (402, voided)
    assert await void(client, key) == voided


async def test_parallel_void_and_charge_agree(client: httpx2.AsyncClient) -> None:
    for n in range(10):
        reply, voided = await asyncio.gather(charge(client, f"race-{n}", "tok_success"), void(client, f"race-{n}"))
        assert reply.json() == voided
        assert reply.status_code == (201 if voided["status"] == "captured" else 402)


async def test_ledger_adds_up(mortal: Process) -> None:
    async with mortal.client() as client:
        paid = (await charge(client, "eur", "tok_success")).json()
        await charge(client, "chf", "tok_success", currency="CHF", amount_minor=0)
        await charge(client, "no", "tok_declined")
        await refund(client, "back", paid["id"], 50)
        whole = await ledger(client)
    assert [each["key"] for each in whole["charges"]] == ["eur", "chf", "no"]
    assert [each["key"] for each in whole["refunds"]] == ["back"]
    assert whole["captured_minor"] == {"EUR": 1250, "CHF": 0}
    assert whole["refunded_minor"] == {"EUR": 50}


@pytest.mark.parametrize(("mortal", "charges"), [("before_capture", 0), ("after_capture", 1)], indirect=["mortal"])
async def test_killed_at_fault_point(mortal: Process, charges: int) -> None:
    async with mortal.client() as client:
        with pytest.raises(httpx2.TransportError):
            await charge(client, "killed", "tok_success")
    assert mortal.popen.wait(timeout=5) == -signal.SIGKILL
    mortal.restart()
    async with mortal.client() as client:
        assert (await charge_by_key(client, "killed")).status_code == (200 if charges else 404)
        assert len(await stored(client, "killed")) == charges
        assert (await charge(client, "killed", "tok_success")).status_code == 201
        assert len(await stored(client, "killed")) == 1


async def test_acknowledged_charges_outlive_a_kill(mortal: Process) -> None:
    acknowledged: dict[str, Json] = {}
    enough = asyncio.Event()

    async def charge_until_killed(client: httpx2.AsyncClient, worker: int) -> None:
        for n in range(10_000):
            key = f"{worker}-{n}"
            acknowledged[key] = (await charge(client, key, "tok_success")).json()
            if len(acknowledged) >= 50:
                enough.set()

    async with mortal.client() as client:
        workers = [asyncio.create_task(charge_until_killed(client, worker)) for worker in range(8)]
        await asyncio.wait_for(enough.wait(), 5)
        mortal.restart()
        ended = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(outcome, httpx2.TransportError) for outcome in ended)
    async with mortal.client() as client:
        kept = {each["key"]: each for each in (await ledger(client))["charges"]}
    assert acknowledged.items() <= kept.items()
    assert len(kept) <= len(acknowledged) + len(workers)


async def test_error_once_and_void_outlive_a_kill(mortal: Process) -> None:
    async with mortal.client() as client:
        voided = await void(client, "voided")
        assert_error(await charge(client, "error", "tok_error_once"), 503, "provider_unavailable")
        assert_error(await charge_by_key(client, "error"), 404, "not_found")
    mortal.restart()
    async with mortal.client() as client:
        second, third = [await charge(client, "error", "tok_error_once") for _ in range(2)]
        assert (second.status_code, second.json()["status"]) == (201, "captured")
        assert third.json() == second.json()
        assert (await charge(client, "voided", "tok_success")).json() == voided


async def test_stops_in_time_with_hanging_client(mortal: Process) -> None:
    async with mortal.client() as client:
        hanging = asyncio.create_task(charge(client, "hanging", "tok_timeout"))
        await captured_in_the_end(client, "hanging")
        begun = time.monotonic()
        assert await asyncio.to_thread(mortal.end, signal.SIGTERM) == ""
        assert time.monotonic() - begun < 2
        await asyncio.gather(hanging, return_exceptions=True)


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(tmp_path / "ledger.sqlite", clock=lambda: datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC))
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://payments.test") as client,
    ):
        yield client


async def test_clock_and_address_are_the_callers(local: httpx2.AsyncClient) -> None:
    opened = (await charge(local, "open", "tok_action_required")).json()
    assert opened["created_at"] == "2031-05-06T07:08:09.000Z"
    assert opened["action_url"] == f"http://payments.test/v1/actions/{opened['id']}"


@pytest.mark.parametrize("key", ["", "k" * 256, "a key"])
async def test_key_is_required(local: httpx2.AsyncClient, key: str) -> None:
    assert_error(await charge(local, key, "tok_success"), 400, "idempotency_key_required")
    assert_error(await refund(local, key, "ch_0", 1), 400, "idempotency_key_required")
    assert_error(await local.post("/v1/charges", json=charge_body("tok_success")), 400, "idempotency_key_required")
    assert_error(await local.post("/v1/voids", json={"key": key}), 422, "invalid_request")


AMOUNTS = [("amount_minor", value) for value in (-1, 1.5, "1", True, 10**30)]
TEXTS = [("currency", "eur"), ("currency", "EURO"), ("currency", "EUR\n"), ("reference", "r" * 65), ("reference", None)]


@pytest.mark.parametrize(("field", "value"), [*AMOUNTS, *TEXTS, ("extra", 1)])
async def test_invalid_charge_is_refused(local: httpx2.AsyncClient, field: str, value: object) -> None:
    assert_error(await charge(local, "invalid", "tok_success", **{field: value}), 422, "invalid_request")
    assert (await ledger(local))["charges"] == []
    assert_error(await charge(local, "invalid", "tok_other"), 422, "unknown_token")


ODD = ["", "NaN", "Infinity", "1e400", r'1, "\ud800": 1', r'1, "reference": "\ud800"', "9" * 5000, "[" * 5000]


@pytest.mark.parametrize("amount", ODD, ids=range(len(ODD)))
async def test_odd_json_is_refused(local: httpx2.AsyncClient, amount: str) -> None:
    text = f'{{"currency": "EUR", "token": "tok_success", "reference": "r", "amount_minor": {amount}}}'
    headers = {"Idempotency-Key": "odd", "Content-Type": "application/json"}
    reply = await local.post("/v1/charges", headers=headers, content=text)
    assert_error(reply, 422, "invalid_request")


@pytest.mark.parametrize("path", ["/v1/charges", "/v1/refunds", "/v1/voids"])
async def test_large_body_is_refused(local: httpx2.AsyncClient, path: str) -> None:
    reply = await local.post(path, headers={"Idempotency-Key": "large"}, json={"reference": "r" * 16 * 1024})
    assert_error(reply, 413, "body_too_large")


async def test_lives(local: httpx2.AsyncClient) -> None:
    reply = await local.get("/livez")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
    assert_error(await local.delete("/v1/charges"), 405, "method_not_allowed")
