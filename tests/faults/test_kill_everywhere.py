"""Every process is killed once at every named point; the journey ends right by repeating with the same keys."""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import nats
import pytest

from tests.system.journey import coach, hold_body, key, leg_of, payment
from tests.system.running_stack import Stack, admin, client, guest, insist, running

# CI's lives pass these points, too; here each is passed alone.
pytestmark = pytest.mark.release

BOOKING_POINTS = (
    ("writer.before_commit@booking:kill:12", "booking.before_begin_payment@booking:kill:1"),
    ("writer.after_commit@booking:kill:14", "booking.before_charge@booking:kill:1"),
    ("booking.seats_taken@booking:kill:1", "booking.after_charge@booking:kill:1"),
    ("booking.payment_finished@booking:kill:1", "booking.before_refund@booking:kill:1"),
    ("relay.read@booking:kill:1", "booking.after_refund@booking:kill:1"),
    ("relay.acknowledged@booking:kill:1", "relay.marked@booking:kill:3"),
)
OTHER_POINTS = (
    ("consumer.fetched@pricing:kill:1", "consumer.fetched@tracking:kill:1", "writer.before_commit@gateway:kill:4"),
    ("consumer.applied@pricing:kill:1", "consumer.applied@tracking:kill:1", "writer.after_commit@gateway:kill:4"),
    ("relay.read@pricing:kill:1", "tracking.frame_committed@tracking:kill:1", "payments:before_capture"),
    ("relay.acknowledged@pricing:kill:1", "writer.before_commit@tracking:kill:2", "payments:after_capture"),
    ("relay.marked@pricing:kill:1", "writer.after_commit@tracking:kill:2", "writer.before_commit@pricing:kill:6"),
    ("writer.after_commit@pricing:kill:6",),
)
GROUPS = [first + second for first, second in zip(BOOKING_POINTS, OTHER_POINTS, strict=True)]


@dataclass(frozen=True)
class Journey:
    """What one rider and one vehicle did, as they were told."""

    departure: Any
    booking: Any
    cancelled: Any


@pytest.mark.parametrize("points", GROUPS, ids=lambda points: points[0].split(":")[0])
async def test_a_journey_survives_the_death_of_every_process_at_every_point(
    points: tuple[str, ...], tmp_path: Path
) -> None:
    happened = tmp_path / "happened"
    happened.mkdir()
    with running(tmp_path / "data", environment=faults(points, happened)) as stack:
        journey = await asyncio.to_thread(travel, stack)
        assert journey.cancelled["state"] == "cancelled"
        missing = [point for point in points if not has_happened(point, happened, tmp_path / "data")]
        assert not missing, f"these points were never passed: {missing}"
        await asyncio.to_thread(assert_money_is_right, stack, journey)
        await assert_events_are_whole(stack, journey)


def faults(points: tuple[str, ...], happened: Path) -> dict[str, str]:
    """Write the environment that breaks each process once at its point."""
    plan = [point for point in points if not point.startswith("payments:")]
    environment = {"HEADWAY_FAULTS": ",".join(plan), "HEADWAY_FAULTS_DIR": str(happened)}
    for point in points:
        if point.startswith("payments:"):
            environment["PAYMENTS_FAULT"] = point.removeprefix("payments:")
    return environment


def has_happened(point: str, happened: Path, data: Path) -> bool:
    if point.startswith("payments:"):
        return any(data.glob(f"payments.sqlite.{point.removeprefix('payments:')}*"))
    return (happened / point.replace(":", "-")).exists()


def travel(stack: Stack) -> Journey:
    """Go the whole way, repeating with the same keys whatever is refused for the moment."""
    with contextlib.ExitStack() as opened:
        operator = opened.enter_context(signed_in(lambda: admin(stack)))
        rider = opened.enter_context(signed_in(lambda: guest(stack)))
        put_policy_in_force(operator)
        report_a_position(stack, operator)
        departure = posted(operator, "/departures", coach(), 201)
        quoted = posted(rider, "/quotes", {"legs": [leg_of(departure)], "passengers": [{"category": "adult"}]}, 201)
        booking = posted(rider, "/bookings", hold_body(quoted), 201)
        paid = posted(rider, f"/bookings/{booking['id']}/confirm", payment(), 200)
        assert (paid["state"], paid["payment"]["state"]) == ("confirmed", "captured")
        back = posted(rider, f"/bookings/{booking['id']}/cancellation-quotes", {}, 200)
        cancel = {"cancellation_quote_token": back["token"]}
        cancelled = posted(rider, f"/bookings/{booking['id']}/cancel", cancel, 200)
        insist(lambda: refunded(rider, booking["id"]))
        return Journey(departure, paid, cancelled)


def signed_in(sign_in: Any) -> httpx2.Client:
    """Sign in, however often it takes."""
    found: list[httpx2.Client] = []

    def attempt() -> httpx2.Response:
        try:
            found.append(sign_in())
        except AssertionError:
            return httpx2.Response(503)
        return httpx2.Response(200)

    insist(attempt)
    return found[0]


def posted(caller: httpx2.Client, path: str, body: Any, status: int) -> Any:
    same = key()
    reply = insist(lambda: caller.post(path, json=body, headers=same))
    assert reply.status_code == status, f"{path}: {reply.status_code} {reply.text}"
    return reply.json()


def refunded(rider: httpx2.Client, booking_id: str) -> httpx2.Response:
    reply = rider.get(f"/bookings/{booking_id}")
    is_refunded = reply.status_code == 200 and reply.json()["payment"]["state"] == "refunded"
    return reply if is_refunded else httpx2.Response(202)


def put_policy_in_force(operator: httpx2.Client) -> None:
    policy = {
        "operator_id": "demo", "currency": "EUR", "base_minor": 300, "per_kilometer_minor": 10,
        "categories": [{"category": "adult", "percent": 100}], "minimum_minor": 0, "maximum_minor": 0,
        "rounding_minor": 5, "zone_fares": [],
    }  # fmt: skip
    put = insist(lambda: operator.put("/fare-policies/demo", json=policy, headers={"If-Match": '"0"'}))
    assert put.status_code in (200, 412), put.text
    version = {"If-Match": insist(lambda: operator.get("/fare-policies/demo")).headers["ETag"], **key()}
    published = insist(lambda: operator.post("/fare-policies/demo/publish", headers=version))
    assert published.status_code in (200, 412), published.text


def report_a_position(stack: Stack, operator: httpx2.Client) -> None:
    """A vehicle is registered, gets a token for its device, and reports where it is."""
    vehicle = posted(operator, "/vehicles", {"operator_id": "demo", "label": "Coach 7"}, 201)
    path = f"/vehicles/{vehicle['id']}/device-tokens"

    def issue() -> httpx2.Response:
        reply = operator.post(path)
        # The tracking service learns of the vehicle by an event, a moment later.
        return httpx2.Response(503) if reply.status_code == 404 else reply

    issued = insist(issue)
    with client(stack, issued.json()["token"]) as device:
        point = {"sequence": 1, "recorded_at": "2026-01-01T00:00:00Z", "latitude": 41.1, "longitude": -8.6}
        now = {**point, "recorded_at": datetime.now(UTC).isoformat()}
        batch = {"session_id": "s1", "positions": [now]}
        reply = insist(lambda: device.post(f"/vehicles/{vehicle['id']}/positions", json=batch))
    assert reply.status_code == 200, reply.text
    assert reply.json()["acknowledged_sequence"] == 1


def assert_money_is_right(stack: Stack, journey: Journey) -> None:
    """Exactly one charge of the price and one refund of what was promised."""
    command = Path(f"/proc/{stack.pid('payments')}/cmdline").read_text().split("\0")
    port = command[command.index("--port") + 1]
    ledger = httpx2.get(f"http://127.0.0.1:{port}/v1/ledger").json()
    captured = [charge for charge in ledger["charges"] if charge["status"] == "captured"]
    assert [charge["amount_minor"] for charge in captured] == [journey.booking["total"]["amount_minor"]]
    assert len(ledger["refunds"]) == 1
    assert ledger["refunds"][0]["amount_minor"] < captured[0]["amount_minor"]


async def assert_events_are_whole(stack: Stack, journey: Journey) -> None:
    """Each fact is in its stream exactly once."""
    ready = json.loads((stack.folder / "ready.json").read_text())
    connection = await nats.connect(ready["nats_url"])
    wanted = Counter({"published": 1, "held": 1, "confirmed": 1, "cancelled": 1, "changed": 2})
    found: Counter[str] = Counter()
    async with asyncio.timeout(30):
        while found != wanted:
            found = Counter()
            for stream in ("DEPARTURE", "BOOKING", "AVAILABILITY"):
                filtered = f"headway.v1.*.*.demo.{journey.departure['id']}"
                for subject, count in (await subjects(connection, stream, filtered)).items():
                    found[subject.split(".")[3]] += count
            assert all(found[fact] <= count for fact, count in wanted.items()), found
            await asyncio.sleep(0.2)
    await connection.close()


async def subjects(connection: Any, stream: str, filtered: str) -> dict[str, int]:
    """Count a stream's messages by subject."""
    question = json.dumps({"subjects_filter": filtered}).encode()
    reply = await connection.request(f"$JS.API.STREAM.INFO.{stream}", question, timeout=2)
    return dict(json.loads(reply.data).get("state", {}).get("subjects") or {})
