"""What the documentation shows works: every example, sent as it stands but for the names of what is there."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from gateway.openapi import COMMITTED, EXAMPLES, JOURNEY, operations
from tests.booking_svc.small_feed import small_feed
from tests.system.deadlines import until
from tests.system.good_bodies import Desk
from tests.system.journey import checked, coach, leg_of, publish, quote
from tests.system.running_stack import Stack
from tests.system.scene import Scene, scene_on

DOCUMENT = json.loads(COMMITTED.read_text())
OPERATIONS = {found["operationId"]: (method, path, found) for path, method, found in operations(DOCUMENT)}
ID = "01jd8k2m3n4p5q6r7s8t9v0w1x"
SHOWN = EXAMPLES["parameters"]


class Clerk(Desk):
    """Knows what to write where an example shows a name."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.accounts = 0

    def names(self, operation: str) -> dict[str, Callable[[], str]]:
        """Say what stands for each thing that examples name."""
        is_gone = operation in ("cancel_departures", "assign_vehicle")
        return {
            SHOWN["departure_id"]: lambda: self.fresh["id"] if is_gone else self.departure["id"],
            SHOWN["origin_stop_id"]: lambda: self.departure["calls"][0]["stop_id"],
            SHOWN["destination_stop_id"]: lambda: self.departure["calls"][-1]["stop_id"],
            SHOWN["booking_id"]: lambda: self.booking_for(operation)["id"],
            SHOWN["ticket_id"]: lambda: self.paid["tickets"][0]["id"],
            SHOWN["vehicle_id"]: lambda: self.vehicle["id"],
            SHOWN["feed_id"]: lambda: self.feed_id,
            f"pat_{ID}": lambda: checked(self.scene.anybody.get("/routes"), 200)["items"][0]["pattern_ids"][0],
            json.dumps(SHOWN["If-Match"])[1:-1]: lambda: json.dumps(self.tag_for(operation))[1:-1],
            "the-token-that-quote_fare-answered": lambda: quote(self.rider, leg_of(self.departure))["token"],
            "the-token-that-quote_cancellation-answered": self.cancellation,
            "the-token-that-issue_device_token-answered": lambda: self.device.headers["Authorization"].split()[1],
            "the password that headway up prints": self.password,
            "K7M2QX": lambda: self.paid["reference"],
            '"ada@example.com", "password"': self.new_email,
            '"grace@example.com"': lambda: self.new_email().partition(",")[0],
            "2030-06-01T08:12:30Z": lambda: datetime.now(UTC).isoformat(),
            "2030-06-01": lambda: (datetime.now(UTC).date() + timedelta(days=2)).isoformat(),
            "1906531200": lambda: str(int(datetime.now(UTC).timestamp())),
        }

    @property
    def fresh(self) -> Any:
        return publish(self.operator, coach(operator_id="strict"))

    def booking_for(self, operation: str) -> Any:
        if operation in ("confirm_booking", "release_booking"):
            return self.scene.hold(self.rider)
        return self.paid

    def tag_for(self, operation: str) -> str:
        path = "/fare-policies/demo" if "policy" in operation else f"/departures/{self.assigned}"
        return str(self.operator.get(path).headers["etag"])

    def cancellation(self) -> str:
        quoted = checked(self.rider.post(f"/bookings/{self.paid['id']}/cancellation-quotes", json={}), 200)
        return str(quoted["token"])

    def password(self) -> str:
        folder = self.scene.stack.folder
        printed = re.search(r"password (\S+)", (folder.parent / f"{folder.name}.out").read_text())
        assert printed
        return printed[1]

    def new_email(self) -> str:
        self.accounts += 1
        return f'"new-{self.accounts}-{datetime.now(UTC).timestamp()}@example.com", "password"'
