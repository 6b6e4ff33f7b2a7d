"""One good body for each of the main POSTs, and what they would leave behind."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx2

from tests.system.bad_bodies import BAD, BAD_NAMES, BAD_PASSENGERS, Bad
from tests.system.deadlines import until
from tests.system.journey import checked, coach, key, leg_of, payment, publish, quote
from tests.system.scene import Scene

OPERATOR = "strict"


@dataclass(frozen=True)
class Good:
    """A request that is taken as it stands."""

    by: httpx2.Client
    path: str
    body: Any
    status: int = 201


class Desk:
    """One rider and one operator whose things nobody else touches."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.rider = scene.rider()
        self.operator = scene.operator
        self.departure = publish(self.operator, coach(operator_id=OPERATOR))
        self.held = scene.hold(self.rider)
        self.paid = scene.confirm(self.rider, scene.hold(self.rider))

    @cached_property
    def vehicle(self) -> Any:
        body = {"operator_id": OPERATOR, "label": "Coach 7"}
        made = checked(self.operator.post("/vehicles", json=body), 201)
        # The tracking service learns of the vehicle by an event, a moment later.
        until(lambda: self.operator.get(f"/vehicles/{made['id']}").status_code == 200, seconds=10, what="tracked")
        return made

    @cached_property
    def device(self) -> httpx2.Client:
        issued = checked(self.operator.post(f"/vehicles/{self.vehicle['id']}/device-tokens"), 201)
        return self.scene.signed_in(issued["token"])

    def quoted(self) -> Any:
        return quote(self.rider, leg_of(self.departure))

    def stored(self) -> Any:
        """Read everything that a body could have left behind."""
        mine = self.rider.get("/bookings", params={"limit": 200}).json()["items"]
        of_operator = {"operator_id": OPERATOR, "limit": "200"}
        departures = self.operator.get("/departures", params=of_operator).json()["items"]
        layouts = self.operator.get("/layouts", params=of_operator).json()["items"]
        seats = self.operator.get(f"/departures/{self.departure['id']}/availability").json()
        seen = self.operator.get(f"/vehicles/{self.vehicle['id']}").json()
        history = self.rider.get(f"/bookings/{self.held['id']}/history").json()["items"]
        return mine, departures, layouts, seats["version"], seats["seats_available"], seen["position"], history


def hold_booking(desk: Desk) -> Good:
    passengers = [{"name": "Ada Lovelace", "category": "adult"}]
    contact = {"email": "ada@example.com"}
    return Good(
        desk.rider, "/bookings", {"quote_token": desk.quoted()["token"], "passengers": passengers, "contact": contact}
    )


def confirm_booking(desk: Desk) -> Good:
    return Good(desk.rider, f"/bookings/{desk.held['id']}/confirm", payment(), 200)


def cancel_booking(desk: Desk) -> Good:
    path = f"/bookings/{desk.paid['id']}"
    quoted = checked(desk.rider.post(f"{path}/cancellation-quotes", json={}), 200)
    return Good(desk.rider, f"{path}/cancel", {"cancellation_quote_token": quoted["token"]}, 200)


def look_up_booking(desk: Desk) -> Good:
    body = {"reference": desk.paid["reference"], "email": "ada@example.com"}
    return Good(desk.rider, "/bookings/lookup", body, 200)


def quote_fare(desk: Desk) -> Good:
    return Good(desk.rider, "/quotes", {"legs": [leg_of(desk.departure)], "passengers": [{"category": "adult"}]})


def quote_fares(desk: Desk) -> Good:
    return Good(desk.rider, "/quotes/batch", {"quotes": [quote_fare(desk).body]}, 200)


def publish_departure(desk: Desk) -> Good:
    return Good(desk.operator, "/departures", coach(operator_id=OPERATOR))


def publish_departures(desk: Desk) -> Good:
    return Good(desk.operator, "/departures/batch", {"departures": [coach(operator_id=OPERATOR)] * 2})


def cancel_departures(desk: Desk) -> Good:
    departure = publish(desk.operator, coach(operator_id=OPERATOR))
    return Good(desk.operator, "/departures/cancel", {"operator_id": OPERATOR, "departure_ids": [departure["id"]]}, 200)


def create_layout(desk: Desk) -> Good:
    seats = [{"id": "1A", "row": 1, "column": 1}]
    return Good(desk.operator, "/layouts", {"operator_id": OPERATOR, "name": "One seat", "seats": seats})


def register_vehicle(desk: Desk) -> Good:
    return Good(desk.operator, "/vehicles", {"operator_id": OPERATOR, "label": "Coach 8"})


def report_positions(desk: Desk) -> Good:
    point = {"recorded_at": datetime.now(UTC).isoformat(), "latitude": 41.1, "longitude": -8.6}
    return Good(desk.device, f"/vehicles/{desk.vehicle['id']}/positions", {"positions": [point]}, 200)


def sign_up_rider(desk: Desk) -> Good:
    email = f"{uuid.uuid4().hex}@example.com"
    return Good(desk.rider, "/riders", {"email": email, "password": "correct horse battery", "name": "Ada"})


GOOD: Mapping[str, tuple[Callable[[Desk], Good], Mapping[str, Bad]]] = {
    "hold_booking": (hold_booking, {**BAD, **BAD_PASSENGERS, **BAD_NAMES}),
    "confirm_booking": (confirm_booking, BAD),
    "look_up_booking": (look_up_booking, BAD),
    "quote_fare": (quote_fare, {**BAD, **BAD_PASSENGERS}),
    "quote_fares": (quote_fares, BAD),
    "publish_departure": (publish_departure, BAD),
    "publish_departures": (publish_departures, BAD),
    "cancel_departures": (cancel_departures, BAD),
    "create_layout": (create_layout, BAD),
    "register_vehicle": (register_vehicle, BAD),
    "report_positions": (report_positions, BAD),
    "sign_up_rider": (sign_up_rider, BAD),
    # Last, because its refund comes a moment later.
    "cancel_booking": (cancel_booking, BAD),
}
"""Operation -> its good body, and how that is spoilt."""


def with_key(good: Good, bad: Bad, same: Mapping[str, str]) -> httpx2.Response:
    """Send a spoilt body under a key."""
    headers = {**same, "Content-Type": bad.content_type}
    return good.by.post(good.path, content=bad.spoil(good.body), headers=headers)


def in_order(good: Good, same: Mapping[str, str] | None = None) -> httpx2.Response:
    return good.by.post(good.path, json=good.body, headers=same or key())
