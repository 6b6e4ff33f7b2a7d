"""Serve the payment provider's HTTP API."""

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cli.payments.ledger import Charge, Ledger, PaymentError, Record, Refund, Status

BODY_LIMIT_BYTES = 16 * 1024
AMOUNT_LIMIT_MINOR = 10**12
KEY_PATTERN = r"^[!-~]{1,255}$"
SLOW, TIMEOUT, ERROR_ONCE = "tok_slow", "tok_timeout", "tok_error_once"
OUTCOMES: dict[str, tuple[Status, str | None]] = {
    "tok_success": ("captured", None),
    "tok_declined": ("declined", "card_declined"),
    "tok_action_required": ("action_required", None),
    SLOW: ("captured", None),
    TIMEOUT: ("captured", None),
    ERROR_ONCE: ("captured", None),
}
STATUS_BY_CODE = {
    "idempotency_key_required": 400,
    "not_found": 404,
    "refund_exceeds_charge": 409,
    "idempotency_key_reused": 422,
    "unknown_token": 422,
    "provider_unavailable": 503,
}
CODE_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 422: "invalid_request"}
FAULT_POINTS = ("before_capture", "after_capture")
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Sandbox payment</title></head>
<body><h1>Sandbox payment</h1>
{content}
</body>
</html>
"""
DECISION = """<p>{amount_minor} minor units of {currency} for {reference}</p>
<form method="post">
<button formaction="{url}/approve">Approve the payment</button>
<button formaction="{url}/refuse">Refuse</button>
</form>"""


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ChargeBody(Body):
    amount_minor: int = Field(ge=0, le=AMOUNT_LIMIT_MINOR)
    currency: str = Field(pattern="^[A-Z]{3}$")
    token: str = Field(max_length=64)
    reference: str = Field(max_length=64)


class RefundBody(Body):
    charge_id: str = Field(max_length=64)
    amount_minor: int = Field(ge=1, le=AMOUNT_LIMIT_MINOR)
    reference: str = Field(max_length=64)


class VoidBody(Body):
    key: str = Field(pattern=KEY_PATTERN)


async def required_key(idempotency_key: Annotated[str, Header()] = "") -> str:
    if not re.fullmatch(KEY_PATTERN, idempotency_key):
        raise PaymentError("idempotency_key_required", "Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return idempotency_key


Key = Annotated[str, Depends(required_key)]


@dataclass(frozen=True)
class Fault:
    """Kill this process once at a chosen point, and not again after a restart."""

    point: str | None
    ledger_path: Path

    def strike(self, point: str) -> None:
        if point == self.point:
            with suppress(FileExistsError):
                self.ledger_path.with_name(f"{self.ledger_path.name}.{point}").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Provider:
    ledger: Ledger
    clock: Callable[[], datetime]
    slow_seconds: float
    fault: Fault

    async def create_charge(self, request: Request, key: Key, body: ChargeBody) -> JSONResponse:
        """Make a charge, or repeat the answer that its key already has."""
        if body.token not in OUTCOMES:
            raise PaymentError("unknown_token", "There is no such token.")
        charge = await run_in_threadpool(self.ledger.earlier_charge, key, body.model_dump_json())
        if charge is None:
            await self._hesitate(key, body.token)
            charge = await self._capture(key, body, request)
        return charge_reply(request, charge, 402 if charge.status == "declined" else 201)

    def charge_by_key(self, request: Request, key: str) -> JSONResponse:
        return charge_reply(request, self.ledger.charge_by_key(key))

    def charge_by_id(self, request: Request, charge_id: str) -> JSONResponse:
        return charge_reply(request, self.ledger.charge_by_id(charge_id))

    def void(self, request: Request, body: VoidBody) -> JSONResponse:
        placeholder = Charge(key=body.key, status="declined", decline_reason="voided", created_at=self.now())
        return charge_reply(request, self.ledger.void(placeholder))

    def create_refund(self, key: Key, body: RefundBody) -> JSONResponse:
        terms = body.model_dump(exclude={"reference"})
        refund = Refund(key=key, request=body.model_dump_json(), created_at=self.now(), **terms)
        return JSONResponse(public_fields(self.ledger.store_refund(refund)), 201)

    def refund_by_key(self, key: str) -> JSONResponse:
        return JSONResponse(public_fields(self.ledger.refund_by_key(key)))

    def whole_ledger(self, request: Request) -> JSONResponse:
        charges, refunds = self.ledger.everything()
        return JSONResponse(
            {
                "charges": [charge_fields(request, charge) for charge in charges],
                "refunds": [public_fields(refund) for refund in refunds],
                "captured_minor": totals(charge for charge in charges if charge.status == "captured"),
                "refunded_minor": totals(refunds),
            }
        )

    def action_page(self, request: Request, charge_id: str) -> HTMLResponse:
        return payer_page(request, self.ledger.charge_by_id(charge_id))

    def approve(self, request: Request, charge_id: str) -> HTMLResponse:
        return payer_page(request, self.ledger.decide(charge_id, "captured", None))

    def refuse(self, request: Request, charge_id: str) -> HTMLResponse:
        return payer_page(request, self.ledger.decide(charge_id, "declined", "payer_refused"))

    def now(self) -> str:
        return self.clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def _hesitate(self, key: str, token: str) -> None:
        """Be late or fail, as the token asks."""
        if token == SLOW:
            await asyncio.sleep(self.slow_seconds)
        elif token == ERROR_ONCE and await run_in_threadpool(self.ledger.fail_once, key):
            raise PaymentError("provider_unavailable", "Nothing was charged; try again.")

    async def _capture(self, key: str, body: ChargeBody, request: Request) -> Charge:
        """Store the charge, and then keep the reply back if the token asks."""
        status, reason = OUTCOMES[body.token]
        charge = Charge(
            key=key,
            request=body.model_dump_json(),
            status=status,
            decline_reason=reason,
            created_at=self.now(),
            **body.model_dump(exclude={"token"}),
        )
        self.fault.strike("before_capture")
        stored = await run_in_threadpool(self.ledger.store_charge, charge)
        self.fault.strike("after_capture")
        if body.token == TIMEOUT and stored is charge:
            await disconnection(request)
        return stored


class BodyLimit:
    """Stop reading a request body that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received_bytes = 0

        async def limited_receive() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > BODY_LIMIT_BYTES:
                raise HTTPException(413, "The body is too large.")
            return message

        await self.app(scope, limited_receive, send)


async def disconnection(request: Request) -> None:
    """Wait until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def utc_now() -> datetime:
    return datetime.now(UTC)


def public_fields(record: Charge | Refund) -> dict[str, object]:
    """Return what a caller may see; the request holds the card's token."""
    return {name: value for name, value in asdict(record).items() if name != "request"}


def charge_fields(request: Request, charge: Charge) -> dict[str, object]:
    """Return a charge with the address where its payer decides, while that is open."""
    is_open = charge.status == "action_required"
    return public_fields(charge) | {"action_url": action_url(request, charge) if is_open else None}


def charge_reply(request: Request, charge: Charge, status: int = 200) -> JSONResponse:
    return JSONResponse(charge_fields(request, charge), status)


def action_url(request: Request, charge: Charge) -> str:
    return str(request.url_for("action_page", charge_id=charge.id))


def totals(records: Iterable[Record]) -> dict[str, int]:
    """Add amounts up per currency."""
    sums: Counter[str] = Counter()
    for record in records:
        sums[record.currency] += record.amount_minor
    return sums


def payer_page(request: Request, charge: Charge) -> HTMLResponse:
    """Ask the payer to decide, or tell what was decided."""
    if charge.status == "action_required":
        url = action_url(request, charge)
        shown = {name: escape(str(value)) for name, value in public_fields(charge).items()}
        content = DECISION.format(**shown, url=escape(url))
    else:
        content = f"<p>The payment was {'made' if charge.status == 'captured' else 'not made'}.</p>"
    return HTMLResponse(PAGE.format(content=content))


def error_reply(status: int, code: str, detail: str) -> JSONResponse:
    # A caller's field names may hold lone surrogates, which UTF-8 cannot carry.
    printable = detail.encode("ascii", "backslashreplace").decode()
    return JSONResponse({"code": code, "detail": printable[:200]}, status)


async def payment_error_reply(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PaymentError)
    return error_reply(STATUS_BY_CODE[error.code], error.code, error.detail)


async def http_error_reply(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    # FastAPI says 400 to JSON that overflows the parser; it is as invalid as any other.
    status = 422 if error.status_code == 400 else error.status_code
    return error_reply(status, CODE_BY_STATUS.get(status, "http_error"), error.detail)


async def invalid_request_reply(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return error_reply(422, "invalid_request", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


async def livez() -> JSONResponse:
    return JSONResponse({"status": "ok"})


def add_routes(app: FastAPI, provider: Provider) -> None:
    get, post = ["GET"], ["POST"]
    app.add_api_route("/v1/charges", provider.create_charge, methods=post)
    app.add_api_route("/v1/charges", provider.charge_by_key, methods=get)
    app.add_api_route("/v1/charges/{charge_id}", provider.charge_by_id, methods=get)
    app.add_api_route("/v1/refunds", provider.create_refund, methods=post)
    app.add_api_route("/v1/refunds", provider.refund_by_key, methods=get)
    app.add_api_route("/v1/voids", provider.void, methods=post)
    app.add_api_route("/v1/ledger", provider.whole_ledger, methods=get)
    app.add_api_route("/v1/actions/{charge_id}", provider.action_page, methods=get)
    app.add_api_route("/v1/actions/{charge_id}/approve", provider.approve, methods=post)
    app.add_api_route("/v1/actions/{charge_id}/refuse", provider.refuse, methods=post)
    app.add_api_route("/livez", livez, methods=get)


def create_app(
    ledger_path: Path,
    *,
    clock: Callable[[], datetime] = utc_now,
    slow_seconds: float = 5.0,
    fault_point: str | None = None,
) -> FastAPI:
    """Build the provider over one ledger file, which is made when missing."""
    ledger = Ledger(ledger_path)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        ledger.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_middleware(BodyLimit)
    app.add_exception_handler(PaymentError, payment_error_reply)
    app.add_exception_handler(HTTPException, http_error_reply)
    app.add_exception_handler(RequestValidationError, invalid_request_reply)
    add_routes(app, Provider(ledger, clock, slow_seconds, Fault(fault_point, ledger_path)))
    return app
