"""A rider's way from a quote to a ticket, as data flows through the public API."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def checked(reply: httpx2.Response, status: int) -> Any:
    """Return the body of the answer that was expected."""
    assert reply.status_code == status, f"{reply.request.method} {reply.request.url}: {reply.status_code} {reply.text}"
    return reply.json()


PLACES = (("Porto", 41.1496, -8.6110), ("Coimbra", 40.2033, -8.4103), ("Lisboa", 38.7223, -9.1393))


def coach(
    *,
    operator_id: str = "demo",
    starts_in: timedelta = timedelta(days=2),
    places: Sequence[tuple[str, float, float]] = PLACES,
    **changes: Any,
) -> dict[str, Any]:
    """Describe a coach that leaves in two days and calls every hour."""
    start = (datetime.now(UTC) + starts_in).replace(microsecond=0)
    calls = [
        {
            "stop": {
                "feed_stop_id": name,
                "name": name,
                "timezone": "Europe/Lisbon",
                "latitude": latitude,
                "longitude": longitude,
            },
            "scheduled_arrival_at": (start + timedelta(minutes=60 * place)).isoformat(),
            "scheduled_departure_at": (start + timedelta(minutes=60 * place + 5)).isoformat(),
        }
        for place, (name, latitude, longitude) in enumerate(places)
    ]
    return {
        "operator_id": operator_id,
        "route": {"short_name": "R1", "long_name": "Porto - Lisboa", "mode": "coach"},
        "headsign": places[-1][0],
        "service_date": start.date().isoformat(),
        "calls": calls,
        **changes,
    }


def publish(admin: httpx2.Client, departure: dict[str, Any]) -> Any:
    return checked(admin.post("/departures", json=departure, headers=key()), 201)


def leg_of(departure: Any, origin: int = 0, destination: int = -1) -> dict[str, str]:
    """Name the leg between two calls of a departure."""
    calls = departure["calls"]
    return {
        "departure_id": departure["id"],
        "origin_stop_id": calls[origin]["stop_id"],
        "destination_stop_id": calls[destination]["stop_id"],
    }


def quote(rider: httpx2.Client, *legs: dict[str, str], categories: tuple[str, ...] = ("adult",)) -> Any:
    passengers = [{"category": category} for category in categories]
    return checked(rider.post("/quotes", json={"legs": list(legs), "passengers": passengers}), 201)


def hold_body(quoted: Any, *, categories: tuple[str, ...] = ("adult",), **changes: Any) -> dict[str, Any]:
    passengers = [{"name": f"Rider {place}", "category": category} for place, category in enumerate(categories)]
    return {
        "quote_token": quoted["token"],
        "passengers": passengers,
        "contact": {"email": "ada@example.com"},
        **changes,
    }


def hold(rider: httpx2.Client, quoted: Any, **changes: Any) -> Any:
    return checked(rider.post("/bookings", json=hold_body(quoted, **changes), headers=key()), 201)


def payment(token: str = "tok_success") -> dict[str, Any]:
    return {"payment": {"method": "sandbox", "token": token}}
