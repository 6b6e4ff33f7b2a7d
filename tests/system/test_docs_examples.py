"""What the documentation shows works: every example is sent as it stands, but for the names of what is there."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from gateway.openapi import COMMITTED, EXAMPLES, operations
from tests.booking_svc.small_feed import small_feed
from tests.system.good_bodies import OPERATOR, Desk
from tests.system.journey import checked, key, leg_of, quote
from tests.system.running_stack import Stack
from tests.system.scene import scene_on

DOCUMENT = json.loads(COMMITTED.read_text())
OPERATIONS = {found["operationId"]: (method, path, found) for path, method, found in operations(DOCUMENT)}
SHOWN = EXAMPLES["parameters"]
PATTERN = EXAMPLES["operations"]["get_patterns"]["parameters"]["ids"][0]


class Clerk(Desk):
    """Knows what stands for each thing that examples name."""

    def names(self, operation: str) -> dict[str, Callable[[], str]]:
        """Say what to write in the place of what is shown."""
        is_new = operation in ("sign_up_rider", "create_user")
        path = f"/fare-policies/{OPERATOR}" if "policy" in operation else f"/departures/{self.departure['id']}"
        mine = cache(partial(self.booking_for, operation))
        return {
            '"demo"': lambda: f'"{OPERATOR}"',
            SHOWN["departure_id"]: lambda: self.departure["id"],
            SHOWN["origin_stop_id"]: lambda: self.departure["calls"][0]["stop_id"],
            SHOWN["destination_stop_id"]: lambda: self.departure["calls"][-1]["stop_id"],
            SHOWN["booking_id"]: lambda: mine()["id"],
            SHOWN["ticket_id"]: lambda: mine()["tickets"][0]["id"],
            SHOWN["vehicle_id"]: lambda: self.vehicle["id"],
            SHOWN["feed_id"]: lambda: self.feed["id"],
            PATTERN: lambda: checked(self.scene.anybody.get("/routes"), 200)["items"][0]["pattern_ids"][0],
            json.dumps(SHOWN["If-Match"]): lambda: json.dumps(self.operator.get(path).headers["etag"]),
            "the-token-that-quote_fare-answered": lambda: quote(self.rider, leg_of(self.departure))["token"],
            "the-token-that-quote_cancellation-answered": lambda: self.cancellation(mine()),
            "the-token-that-issue_device_token-answered": lambda: self.device_token,
            "the password that headway up prints": self.password,
            "K7M2QX": lambda: mine()["reference"],
            "ada@example.com": lambda: self.email if is_new else "ada@example.com",
            "grace@example.com": lambda: self.email,
            "2030-06-01T08:12:30Z": lambda: datetime.now(UTC).isoformat(),
            "2030-06-01": (datetime.now(UTC).date() + timedelta(days=2)).isoformat,
            "1906531200": lambda: str(int(datetime.now(UTC).timestamp())),
        }

    def booking_for(self, operation: str) -> Any:
        """Hold or pay a booking for what can be done with it once."""
        held = self.scene.hold(self.rider)
        return held if operation in ("confirm_booking", "release_booking") else self.scene.confirm(self.rider, held)

    def cancellation(self, booking: Any) -> str:
        return str(checked(self.rider.post(f"/bookings/{booking['id']}/cancellation-quotes", json={}), 200)["token"])

    @property
    def email(self) -> str:
        return f"{key()['Idempotency-Key']}@example.com"

    @cached_property
    def device_token(self) -> str:
        return str(self.device.headers["Authorization"]).removeprefix("Bearer ")

    @cached_property
    def feed(self) -> Any:
        body = {"operator_id": OPERATOR, "dry_run": "true"}
        sent = self.operator.post("/feeds", data=body, files={"file": ("feed.zip", small_feed().zip())}, headers=key())
        return checked(sent, 202)

    def password(self) -> str:
        folder = self.scene.stack.folder
        printed = re.search(r"password (\S+)", (folder.parent / f"{folder.name}.out").read_text())
        assert printed
        return printed[1]

    def caller(self, operation: str) -> httpx2.Client:
        """Choose who may do something, by the scopes that are documented."""
        security = OPERATIONS[operation][2].get("security")
        scopes = {scope for one in security or () for scope in one["OAuth2"]}
        if security is None:
            return self.scene.anybody
        if "positions:write" in scopes:
            return self.device
        return self.rider if not scopes or "bookings" in scopes else self.operator


@pytest.fixture(scope="module")
def clerk(stack: Stack) -> Iterator[Clerk]:
    with scene_on(stack) as scene:
        yield Clerk(scene)


def parameters(operation: Any) -> list[Any]:
    return [found for found in operation.get("parameters", []) if "example" in found]


def body_of(operation: Any) -> tuple[str, Any]:
    """Return the type and the content of the body that is shown."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        return kind, content["example"]
    return "", None


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_example_is_what_its_schema_says(name: str) -> None:
    found = OPERATIONS[name][2]
    shown = [(one["schema"], one["example"]) for one in parameters(found)]
    for kind, content in found.get("requestBody", {}).get("content", {}).items():
        # A file cannot be written down.
        shown.append((content["schema"], content["example"] | ({"file": ""} if "multipart" in kind else {})))
    for schema, example in shown:
        whole = {**schema, "components": DOCUMENT["components"]}
        assert list(Draft202012Validator(whole).iter_errors(example)) == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_required_is_shown(name: str) -> None:
    found = OPERATIONS[name][2]
    wanted = {one["name"] for one in found.get("parameters", []) if one["required"]}
    assert wanted <= {one["name"] for one in parameters(found)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_example_does_what_it_shows(clerk: Clerk, name: str) -> None:
    found = OPERATIONS[name][2]
    method, path, sent = request_of(clerk, name)
    if name == "report_owntracks":
        sent["auth"] = ("phone", clerk.device_token)
    # Only its head is waited for: some answers have no end.
    with clerk.caller(name).stream(method, clerk.scene.stack.url + path, **sent) as reply:
        assert str(reply.status_code) == min(found["responses"])
        assert reply.headers["content-type"].partition(";")[0] in found["responses"][str(reply.status_code)]["content"]


def request_of(clerk: Clerk, name: str) -> tuple[str, str, dict[str, Any]]:
    """Make a request of what is shown."""
    method, path, found = OPERATIONS[name]
    kind, body = body_of(found)
    text = json.dumps([{one["name"]: one["example"] for one in parameters(found)}, body], ensure_ascii=False)
    for shown, meant in clerk.names(name).items():
        text = text.replace(shown, meant()) if shown in text else text
    values, body = json.loads(text)
    places: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for one in parameters(found):
        places[one["in"]][one["name"]] = values[one["name"]]
    if "Idempotency-Key" in places["header"]:
        places["header"] |= key()
    sent: dict[str, Any] = {"params": places["query"], "headers": places["header"]}
    if kind:
        sent["json" if kind == "application/json" else "data"] = body
    if "multipart" in kind:
        sent["files"] = {"file": ("feed.zip", small_feed().zip())}
    return method, path.format(**places["path"]), sent
