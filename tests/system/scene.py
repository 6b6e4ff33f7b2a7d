"""What has to stand ready before somebody can be refused something."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cached_property
from itertools import count
from typing import Any

import httpx2

from tests.system.journey import checked, coach, hold, hold_body, key, leg_of, payment, publish, quote
from tests.system.running_stack import Stack, admin, client, insist


class Scene:
    """An operator with departures on sale, and as many riders as are asked for."""

    def __init__(self, stack: Stack, opened: ExitStack) -> None:
        self.stack = stack
        self._opened = opened
        self._addresses = count(1)
        self.anybody = opened.enter_context(client(stack))
        self.operator = opened.enter_context(admin(stack))
        self.departure = publish(self.operator, coach())
        self.leg = leg_of(self.departure)
        # In the first second pricing may still be waiting before it looks for booking once more.
        insist(lambda: self.anybody.post("/quotes", json={"legs": [self.leg], "passengers": [{"category": "adult"}]}))
        # Begun now, so that they are over when they are needed.
        self.late_rider = self.rider()
        self.late_quote = self.quote()
        self.late_hold = self.hold(self.late_rider)

    def rider(self) -> httpx2.Client:
        """Let a guest come who has an address of their own."""
        address = {"X-Forwarded-For": f"203.0.113.{next(self._addresses)}"}
        granted = checked(self.anybody.post("/guests", headers=address), 201)
        rider = self.signed_in(granted["access_token"])
        rider.headers.update(address)
        return rider

    def signed_in(self, token: str) -> httpx2.Client:
        return self._opened.enter_context(client(self.stack, token))

    def publish(self, **changes: Any) -> Any:
        return publish(self.operator, coach(**changes))

    def quote(self, leg: dict[str, str] | None = None, *, categories: tuple[str, ...] = ("adult",)) -> Any:
        return quote(self.anybody, leg or self.leg, categories=categories)

    def hold_body(self, **changes: Any) -> dict[str, Any]:
        """Write what holds a seat for one adult."""
        return hold_body(self.quote(), **changes)

    def hold(self, rider: httpx2.Client) -> Any:
        return hold(rider, self.quote())

    def confirm(self, rider: httpx2.Client, booking: Any) -> Any:
        return checked(rider.post(f"/bookings/{booking['id']}/confirm", json=payment(), headers=key()), 200)

    @cached_property
    def gone(self) -> Any:
        """A departure that has left."""
        return self.publish(starts_in=timedelta(hours=-1))

    def small(self, seats: int, *, operator_id: str = "demo") -> Any:
        """Put a vehicle with few seats on sale."""
        labels = [{"id": f"{row}A", "row": row, "column": 1} for row in range(1, seats + 1)]
        layout = {"operator_id": operator_id, "name": f"{seats} seats", "seats": labels}
        made = checked(self.operator.post("/layouts", json=layout), 201)
        return self.publish(operator_id=operator_id, layout_id=made["id"])


@contextmanager
def scene_on(stack: Stack) -> Iterator[Scene]:
    with ExitStack() as opened:
        yield Scene(stack, opened)
