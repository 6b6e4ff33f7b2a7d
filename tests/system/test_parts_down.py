"""One part after the other is killed, stopped or robbed: the others go on, and it is well again by itself."""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from tests.system.broken_parts import dead, kill, started_again, stopped
from tests.system.deadlines import until
from tests.system.event_streams import Event, Events, bookings_told, streams_when, versions_told
from tests.system.journey import checked, coach, hold_body, key, leg_of, payment
from tests.system.provider_ledger import address_of_provider, captured, is_there
from tests.system.running_stack import Stack, insist, running
from tests.system.scene import Scene, scene_on

REFUSED_SECONDS = 2
SERVICE_SECONDS = 5
GATEWAY_SECONDS = 3
DEADLINE_SECONDS = 5
NATS_SECONDS = 10
LOST_STREAMS_SECONDS = 40
PAYMENT_SECONDS = 35
TRIES_MAX = 4
"""One quick return proves what a part can do; at others the machine may have been busy."""

Send = Callable[[], httpx2.Response]


@dataclass(frozen=True)
class Charge:
    """A charge whose provider has died, so that nobody knows whether there is one."""

    scene: Scene
    rider: httpx2.Client
    booking: Any
    provider: str
    key: dict[str, str]
    began_at: datetime

    def confirm(self) -> httpx2.Response:
        return self.rider.post(f"/bookings/{self.booking['id']}/confirm", json=payment(), headers=self.key)

    def seconds_until(self, fact: str) -> float:
        """Tell how long nobody knew, by the booking's own history."""
        history = checked(self.rider.get(f"/bookings/{self.booking['id']}/history"), 200)["items"]
        assert [entry["fact"] for entry in history] == ["held", fact]
        return (datetime.fromisoformat(history[-1]["occurred_at"]) - self.began_at).total_seconds()


@contextmanager
def charge_that_kills(folder: Path, point: str) -> Iterator[Charge]:
    """Start a system whose first charge kills the provider at some point, and make that charge."""
    with running(folder, environment={"PAYMENTS_FAULT": point}) as stack, scene_on(stack) as scene:
        rider, pid, provider = scene.rider(), stack.pid("payments"), address_of_provider(stack)
        charge = Charge(scene, rider, scene.hold(rider), provider, key(), datetime.now(UTC))
        told = checked(charge.confirm(), 202)
        assert (told["payment"]["state"], told["available_actions"]) == ("unknown", [])
        assert checked(charge.confirm(), 409)["code"] == "request_in_flight"
        started_again(stack, "payments", pid=pid)
        until(lambda: is_there(provider), seconds=SERVICE_SECONDS, what="the provider is there again")
        yield charge


@pytest.fixture(scope="module", autouse=True)
def unpaid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Charge]:
    """Begin with what takes longest; it goes on by itself while the other system's parts are broken."""
    with charge_that_kills(tmp_path_factory.mktemp("unpaid") / "data", "before_capture") as charge:
        yield charge


@pytest.fixture(scope="module")
def paid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Charge]:
    with charge_that_kills(tmp_path_factory.mktemp("paid") / "data", "after_capture") as charge:
        yield charge


@pytest.fixture(scope="module")
def scene(paid: Charge) -> Scene:
    return paid.scene


@pytest.fixture(scope="module")
def device(scene: Scene) -> tuple[httpx2.Client, str]:
    """A vehicle's own client, and where it reports positions."""
    vehicle = checked(scene.operator.post("/vehicles", json={"operator_id": "demo", "label": "Coach 7"}), 201)
    path = f"/vehicles/{vehicle['id']}"
    until(lambda: scene.operator.get(path).status_code == 200, seconds=10, what="the vehicle is tracked")
    issued = checked(scene.operator.post(f"{path}/device-tokens"), 201)
    return scene.signed_in(issued["token"]), f"{path}/positions"


def report(device: tuple[httpx2.Client, str]) -> httpx2.Response:
    by, path = device
    point = {"recorded_at": datetime.now(UTC).isoformat(), "latitude": 41.1, "longitude": -8.6}
    return by.post(path, json={"positions": [point]})


def assert_refused(send: Send) -> None:
    """It is said at once, and plainly, that a part does not answer."""
    began = time.monotonic()
    reply = send()
    assert time.monotonic() - began < REFUSED_SECONDS
    problem = checked(reply, 503)
    assert (problem["code"], problem["retryable"]) == ("dependency_down", True)
    assert int(reply.headers["Retry-After"]) >= 1


def assert_well_again(stack: Stack, name: str, send: Send, *, pid: int, seconds: float = SERVICE_SECONDS) -> None:
    """Soon after it was started again a part serves as before, and the gateway says that all is well."""
    started_again(stack, name, pid=pid)
    began = time.monotonic()
    insist(send, seconds=seconds)
    with httpx2.Client(base_url=stack.url) as probe:
        until(lambda: probe.get("/readyz").status_code == 200, seconds=seconds, what="ready")
    assert time.monotonic() - began < seconds


def not_ready(stack: Stack) -> list[str]:
    problem = checked(httpx2.get(f"{stack.url}/readyz"), 503)
    return list(problem["facts"]["down"])


def buy(scene: Scene, rider: httpx2.Client, departure: Any) -> str:
    """Hold and pay, repeating with the same keys what is not known yet; return the booking's id."""
    body, same = hold_body(scene.quote(leg_of(departure))), key()
    held = checked(insist(lambda: rider.post("/bookings", json=body, headers=same)), 201)
    again = key()
    path = f"/bookings/{held['id']}/confirm"
    assert checked(insist(lambda: rider.post(path, json=payment(), headers=again)), 200)["state"] == "confirmed"
    return str(held["id"])


def bookings_of(rider: httpx2.Client) -> list[str]:
    return [booking["id"] for booking in checked(rider.get("/bookings"), 200)["items"]]


# Services


def test_without_booking_nothing_is_sold_and_the_rest_goes_on(scene: Scene, device: tuple[httpx2.Client, str]) -> None:
    rider, same, pid = scene.rider(), key(), scene.stack.pid("booking")
    body = hold_body(scene.quote())

    def hold() -> httpx2.Response:
        return rider.post("/bookings", json=body, headers=same)

    with dead(scene.stack, "booking"):
        path = f"/departures/{scene.departure['id']}"
        for send in (hold, lambda: rider.get(path), lambda: rider.get(f"{path}/availability"),
                     lambda: rider.get("/bookings"),
                     lambda: scene.operator.post("/departures", json=coach(), headers=key())):  # fmt: skip
            assert_refused(send)
        assert not_ready(scene.stack) == ["booking"]
        assert scene.quote()["total"]["amount_minor"] > 0
        assert checked(report(device), 200)["accepted"] == 1
        assert scene.rider().get("/me").status_code == 200
    assert_well_again(scene.stack, "booking", hold, pid=pid)
    held = checked(hold(), 201)
    assert bookings_of(rider) == [held["id"]]


def found(scene: Scene) -> Any:
    """Search for the scene's own departure."""
    leaves_at = datetime.fromisoformat(scene.departure["starts_at"]).astimezone(ZoneInfo("Europe/Lisbon"))
    query = {**scene.leg, "date": leaves_at.date().isoformat(), "limit": "200"}
    del query["departure_id"]
    rides = checked(scene.anybody.get("/itineraries", params=query), 200)["items"]
    return next(ride for ride in rides if ride["legs"][0]["departure_id"] == scene.departure["id"])


def test_without_pricing_what_was_quoted_is_still_sold(scene: Scene) -> None:
    rider, pid = scene.rider(), scene.stack.pid("pricing")
    quoted = scene.quote()

    def ask() -> httpx2.Response:
        return rider.post("/quotes", json={"legs": [scene.leg], "passengers": [{"category": "adult"}]})

    with dead(scene.stack, "pricing"):
        assert_refused(ask)
        assert_refused(lambda: scene.operator.get("/fare-policies/demo"))
        assert not_ready(scene.stack) == ["pricing"]
        held = checked(rider.post("/bookings", json=hold_body(quoted), headers=key()), 201)
        assert held["total"] == quoted["total"]
        assert scene.confirm(rider, held)["state"] == "confirmed"
        other = hold_body(quoted, categories=("child",))
        changed = checked(rider.post("/bookings", json=other, headers=key()), 409)
        assert (changed["code"], changed["facts"]) == ("quote_changed", {})
        assert found(scene)["price_from"] is None
    assert_well_again(scene.stack, "pricing", ask, pid=pid)
    assert checked(ask(), 201)["total"] == quoted["total"]
    until(lambda: found(scene)["price_from"] == quoted["total"], seconds=SERVICE_SECONDS, what="a price in the search")


def test_without_tracking_seats_are_sold_and_no_position_is_lost(
    scene: Scene, device: tuple[httpx2.Client, str]
) -> None:
    rider, pid = scene.rider(), scene.stack.pid("tracking")
    with dead(scene.stack, "tracking"):
        assert_refused(lambda: report(device))
        assert_refused(lambda: scene.operator.get(device[1].removesuffix("/positions")))
        assert not_ready(scene.stack) == ["tracking"]
        assert buy(scene, rider, scene.departure) in bookings_of(rider)
        assert found(scene)["legs"][0]["delay_seconds"] is None
    assert_well_again(scene.stack, "tracking", lambda: report(device), pid=pid)
    seen = checked(scene.operator.get(device[1].removesuffix("/positions")), 200)
    assert seen["freshness"] == "live"


def test_services_that_stand_still_are_not_waited_for_and_do_it_once(
    scene: Scene, device: tuple[httpx2.Client, str]
) -> None:
    rider, same = scene.rider(), key()
    body = hold_body(scene.quote())
    point = {"sequence": 1, "recorded_at": datetime.now(UTC).isoformat(), "latitude": 41.2, "longitude": -8.6}
    asked: list[Send] = [
        lambda: rider.post("/bookings", json=body, headers=same),
        lambda: rider.post("/quotes", json={"legs": [scene.leg], "passengers": [{"category": "adult"}]}),
        lambda: device[0].post(device[1], json={"session_id": "still", "positions": [point]}),
    ]
    with ExitStack() as still, ThreadPoolExecutor(len(asked)) as threads:
        for name in ("booking", "pricing", "tracking"):
            still.enter_context(stopped(scene.stack, name))
        began = time.monotonic()
        late = [checked(reply, 504) for reply in threads.map(lambda send: send(), asked)]
        assert time.monotonic() - began < DEADLINE_SECONDS + 1
    assert {(problem["code"], problem["retryable"]) for problem in late} == {("deadline_exceeded", True)}
    held, quoted, reported = (insist(send, seconds=SERVICE_SECONDS) for send in asked)
    assert bookings_of(rider) == [checked(held, 201)["id"]]
    assert checked(quoted, 201)["total"] == held.json()["total"]
    assert checked(reported, 200)["acknowledged_sequence"] == 1
    assert checked(asked[2](), 200)["rejected"] == [{"index": 0, "reason": "duplicate"}]


def test_the_gateway_is_back_before_anybody_has_left(scene: Scene) -> None:
    rider, same = scene.rider(), key()
    body = hold_body(scene.quote())
    held = checked(rider.post("/bookings", json=body, headers=same), 201)
    took: list[float] = []
    while len(took) < TRIES_MAX and not is_quick(took):
        began, pid = time.monotonic(), kill(scene.stack, "gateway")
        again = insist(lambda: rider.post("/bookings", json=body, headers=same))
        took.append(time.monotonic() - began)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert checked(again, 201) == held
        started_again(scene.stack, "gateway", pid=pid)
    assert is_quick(took), took


def is_quick(took: list[float]) -> bool:
    return min(took, default=GATEWAY_SECONDS) < GATEWAY_SECONDS


# Events


async def test_without_nats_seats_are_sold_and_every_event_comes_later_in_order(scene: Scene) -> None:
    rider, pid = scene.rider(), scene.stack.pid("nats")
    before = scene.publish()
    sold = [buy(scene, rider, before)]
    with dead(scene.stack, "nats"):
        sold += [buy(scene, rider, before) for _ in range(3)]
        meanwhile = scene.publish()
        sold_meanwhile = [buy(scene, rider, meanwhile) for _ in range(3)]
    started_again(scene.stack, "nats", pid=pid)
    journeys = {before["id"]: sold, meanwhile["id"]: sold_meanwhile}
    found = await streams_when(
        scene.stack.ready["nats_url"], lambda events: is_all_told(events, journeys), seconds=NATS_SECONDS
    )
    for departure_id, booking_ids in journeys.items():
        about = ("demo", departure_id)
        assert [event.fact for event in found["DEPARTURE"][about]] == ["published"]
        assert bookings_told(found["BOOKING"][about]) == facts_of(booking_ids)
        seats = checked(rider.get(f"/departures/{departure_id}/availability"), 200)
        assert versions_told(found["AVAILABILITY"][about]) == list(range(1, seats["version"] + 1))
        assert seats["seats_available"] == seats["capacity"] - len(booking_ids)


def facts_of(booking_ids: list[str]) -> list[tuple[str, str]]:
    return [(fact, booking_id) for booking_id in booking_ids for fact in ("held", "confirmed")]


def is_all_told(events: Events, journeys: dict[str, list[str]]) -> bool:
    """Tell whether there are as many events of some departures as there should be."""
    return all(
        len(events["BOOKING"].get(("demo", departure_id), ())) >= 2 * len(booking_ids)
        and len(events["AVAILABILITY"].get(("demo", departure_id), ())) >= len(booking_ids)
        for departure_id, booking_ids in journeys.items()
    )


async def test_streams_that_are_lost_come_back_whole(scene: Scene) -> None:
    stack, rider, pid = scene.stack, scene.rider(), scene.stack.pid("nats")
    put_policy_in_force(scene)
    departure = scene.publish()
    sold = [buy(scene, rider, departure)]
    about = ("demo", departure["id"])
    url = stack.ready["nats_url"]
    before = await streams_when(
        url, lambda events: is_all_told(events, {about[1]: sold}) and bool(events["FARE"]), seconds=NATS_SECONDS
    )
    assert all(before.values()), {stream: len(events) for stream, events in before.items()}
    with dead(stack, "nats"):
        shutil.rmtree(stack.folder / "nats" / "jetstream")
        sold += [buy(scene, rider, departure) for _ in range(2)]
    started_again(stack, "nats", pid=pid)

    def is_back(events: Events) -> bool:
        return not lost(before, events) and is_all_told(events, {about[1]: sold})

    found = await streams_when(url, is_back, seconds=LOST_STREAMS_SECONDS)
    assert lost(before, found) == {}
    assert bookings_told(found["BOOKING"][about]) == facts_of(sold)
    assert_each_event_is_there_once(found)
    assert_consumers_follow_again(scene)


def put_policy_in_force(scene: Scene) -> None:
    """Let pricing have something to tell as well."""
    policy = {"currency": "EUR", "base_minor": 300, "categories": [{"category": "adult", "percent": 100}]}
    path = "/fare-policies/rural"
    drafted = checked(scene.operator.put(path, json=policy, headers={"If-Match": '"0"'}), 200)
    version = {"If-Match": f'"{drafted["version"]}"'}
    assert checked(scene.operator.post(f"{path}/publish", headers=version), 200)["is_published"] is True


def lost(before: Events, now: Events) -> dict[str, list[Event]]:
    """List the events of each stream that are not where they were: at the beginning, in the same order."""
    missing: dict[str, list[Event]] = {}
    for stream, by_entity in before.items():
        for about, events in by_entity.items():
            if now[stream].get(about, [])[: len(events)] != events:
                missing.setdefault(stream, []).extend(events)
    return missing


def assert_each_event_is_there_once(found: Events) -> None:
    for stream, by_entity in found.items():
        ids = [event.id for events in by_entity.values() for event in events]
        assert len(ids) == len(set(ids)), stream


def assert_consumers_follow_again(scene: Scene) -> None:
    """What follows the streams reads on: a new vehicle is tracked, a cancelled departure is not priced."""
    vehicle = checked(scene.operator.post("/vehicles", json={"operator_id": "demo", "label": "Coach 8"}), 201)
    departure = scene.publish()
    scene.quote(leg_of(departure))
    cancel = {"operator_id": "demo", "departure_ids": [departure["id"]]}
    checked(scene.operator.post("/departures/cancel", json=cancel, headers=key()), 200)
    wanted = {"legs": [leg_of(departure)], "passengers": [{"category": "adult"}]}
    path = f"/vehicles/{vehicle['id']}"
    until(lambda: scene.operator.get(path).status_code == 200, seconds=NATS_SECONDS, what="the vehicle is tracked")
    until(
        lambda: scene.anybody.post("/quotes", json=wanted).json().get("code") == "departure_cancelled",
        seconds=NATS_SECONDS, what="pricing knows of the cancellation",
    )  # fmt: skip


# Money


def test_a_provider_that_died_after_it_took_the_money_has_taken_it_once(paid: Charge) -> None:
    final = insist(paid.confirm, seconds=PAYMENT_SECONDS)
    assert checked(final, 200)["state"] == "confirmed"
    assert final.headers["Idempotent-Replayed"] == "true"
    assert paid.seconds_until("confirmed") < PAYMENT_SECONDS
    assert captured(paid.provider, paid.booking) == [paid.booking["total"]["amount_minor"]]


def test_a_provider_that_died_before_it_took_the_money_never_takes_it(unpaid: Charge) -> None:
    def payment_state() -> str:
        return str(checked(unpaid.rider.get(f"/bookings/{unpaid.booking['id']}"), 200)["payment"]["state"])

    until(lambda: payment_state() != "unknown", seconds=PAYMENT_SECONDS, what="the outcome is known")
    assert payment_state() == "declined"
    assert unpaid.seconds_until("payment_declined") < PAYMENT_SECONDS
    assert captured(unpaid.provider, unpaid.booking) == []
    assert checked(unpaid.confirm(), 200)["state"] == "confirmed"
    assert captured(unpaid.provider, unpaid.booking) == [unpaid.booking["total"]["amount_minor"]]
