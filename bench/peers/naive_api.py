"""One FastAPI program with SQLModel on aiosqlite that quotes, holds and confirms.

What a good tutorial leads to, made safe and durable: one connection, BEGIN IMMEDIATE, synchronous=FULL, idempotency
keys, the payment provider asked between two transactions. It signs nothing, publishes nothing and keeps no history.
Run it as python -m bench.peers.naive_api FILE PROVIDER_URL.
"""

import json
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx2
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.peers.async_orm import open_engine

PRICE_MINOR = 500


class Row(SQLModel, registry=registry()):
    """What all tables of this program are registered under."""


class Departure(Row, table=True):
    id: str = Field(primary_key=True)
    capacity: int


class Rider(Row, table=True):
    token: str = Field(primary_key=True)


class Quote(Row, table=True):
    token: str = Field(primary_key=True)
    departure_id: str
    total_minor: int
    expires_at: datetime


class Booking(Row, table=True):
    id: str = Field(primary_key=True)
    rider: str = Field(index=True)
    departure_id: str
    state: str
    total_minor: int
    hold_expires_at: datetime


class Seat(Row, table=True):
    departure_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    booking_id: str = Field(index=True)


class Reply(Row, table=True):
    key: str = Field(primary_key=True)
    content: str


class Asked(BaseModel):
    legs: list[dict[str, str]]
    passengers: list[dict[str, Any]]


class Wish(BaseModel):
    quote_token: str
    passengers: list[dict[str, Any]]
    contact: dict[str, str]


class Payment(BaseModel):
    payment: dict[str, str]


class Program:
    """What the routes share."""

    engine: AsyncEngine
    provider: httpx2.AsyncClient


program = Program()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    program.engine = open_engine(sys.argv[1])
    program.provider = httpx2.AsyncClient(base_url=sys.argv[2])
    async with program.engine.begin() as connection:
        await connection.run_sync(Row.metadata.create_all)
    yield
    await program.provider.aclose()
    await program.engine.dispose()


async def open_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(program.engine, expire_on_commit=False) as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]
app = FastAPI(lifespan=lifespan)


async def rider_of(session: AsyncSession, authorization: str) -> str:
    """Refuse who is nobody."""
    rider = await session.get(Rider, authorization.removeprefix("Bearer "))
    if rider is None:
        raise HTTPException(401)
    return rider.token


@app.post("/departures", status_code=201)
async def publish(departure: Departure, session: Session) -> dict[str, str]:
    session.add(Departure(**departure.model_dump()))
    await session.commit()
    return {"id": departure.id}


@app.post("/guests", status_code=201)
async def guest(session: Session) -> dict[str, str]:
    rider = Rider(token=secrets.token_urlsafe(32))
    session.add(rider)
    await session.commit()
    return {"access_token": rider.token}


@app.post("/quotes", status_code=201)
async def quote(asked: Asked, session: Session) -> Quote:
    departure = await session.get(Departure, asked.legs[0]["departure_id"])
    if departure is None:
        raise HTTPException(404)
    found = Quote(
        token=secrets.token_urlsafe(32),
        departure_id=departure.id,
        total_minor=PRICE_MINOR * len(asked.passengers),
        expires_at=datetime.now(UTC) + timedelta(minutes=15),
    )
    session.add(found)
    await session.commit()
    return found


@app.post("/bookings", status_code=201)
async def hold(
    wish: Wish, session: Session, authorization: Annotated[str, Header()], idempotency_key: Annotated[str, Header()]
) -> Any:
    rider = await rider_of(session, authorization)
    if (known := await session.get(Reply, idempotency_key)) is not None:
        return json.loads(known.content)
    quoted = await session.get(Quote, wish.quote_token)
    if quoted is None:
        raise HTTPException(422)
    departure = await session.get_one(Departure, quoted.departure_id)
    last = select(Seat.number).where(Seat.departure_id == departure.id).order_by(Seat.number.desc()).limit(1)  # type: ignore[attr-defined]
    number = ((await session.exec(last)).first() or 0) + 1
    if number > departure.capacity:
        raise HTTPException(409)
    booking = Booking(
        id=secrets.token_urlsafe(16),
        rider=rider,
        departure_id=departure.id,
        state="held",
        total_minor=quoted.total_minor,
        hold_expires_at=datetime.now(UTC) + timedelta(minutes=10),
    )
    session.add_all([booking, Seat(departure_id=departure.id, number=number, booking_id=booking.id)])
    answer = booking.model_dump(mode="json") | {"items": [{"seat_id": str(number)}]}
    session.add(Reply(key=idempotency_key, content=json.dumps(answer)))
    await session.commit()
    return answer


@app.post("/bookings/{booking_id}/confirm")
async def confirm(
    booking_id: str,
    payment: Payment,
    session: Session,
    authorization: Annotated[str, Header()],
    idempotency_key: Annotated[str, Header()],
) -> Any:
    rider = await rider_of(session, authorization)
    booking = await session.get(Booking, booking_id)
    if booking is None or booking.rider != rider:
        raise HTTPException(404)
    booking.state = "paying"
    session.add(booking)
    await session.commit()
    body = {
        "amount_minor": booking.total_minor,
        "currency": "EUR",
        "token": payment.payment["token"],
        "reference": booking_id,
    }
    paid = await program.provider.post("/v1/charges", headers={"Idempotency-Key": idempotency_key}, json=body)
    booking.state = "confirmed" if paid.status_code == 201 else "held"
    session.add(booking)
    answer = booking.model_dump(mode="json")
    session.add(Reply(key=idempotency_key, content=json.dumps(answer)))
    await session.commit()
    return answer


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False)).run(sockets=[listener])
