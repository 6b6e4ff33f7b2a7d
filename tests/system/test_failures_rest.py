"""Every failure of the contract, raised over REST on the running system."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier
from typing import Any

import httpx2
import pytest

from gateway.problems import PROBLEMS
from tests.system.broken_parts import stopped
from tests.system.failures import FAILURES, NOT_RAISED, ON_REST_ONLY, WITHOUT_DETAILS, Failing, is_plain
from tests.system.good_bodies import GOOD, Desk, in_order, with_key
from tests.system.hasty_stack import hasty  # noqa: F401 - the fixture
from tests.system.journey import checked, hold_body, key, leg_of, payment
from tests.system.running_stack import Stack
from tests.system.scene import Scene, scene_on
from tests.system.two_doors import all_at_once, over_rest


@pytest.fixture(scope="module")
def scene(hasty: Stack) -> Iterator[Scene]:  # noqa: F811
    with scene_on(hasty) as ready:
        yield ready


def test_the_table_holds_every_code_that_there_is() -> None:
    assert set(FAILURES) | set(NOT_RAISED) == set(PROBLEMS)
    assert set(FAILURES).isdisjoint(NOT_RAISED)
    assert {code for code, failing in FAILURES.items() if failing.canonical is None} == set(ON_REST_ONLY)
    assert set(WITHOUT_DETAILS) <= set(FAILURES) - set(ON_REST_ONLY)


@pytest.mark.parametrize(
    "sentence",
    ["", "seat taken.", "Seat taken", "SeatTaken.", "A ValueError was raised.", "Table bookings: sqlalchemy.exc."],
)
def test_what_is_not_for_people_is_seen(sentence: str) -> None:
    assert not is_plain(sentence)


@pytest.mark.parametrize("code", FAILURES)
def test_rest_answers_a_failure_as_the_contract_says(scene: Scene, code: str) -> None:
    failing = FAILURES[code]
    asked = failing.ask(scene)
    with stopped(scene.stack, failing.stopped) if failing.stopped else nullcontext():
        replies = all_at_once(asked, callers=failing.callers, **{"X-Request-ID": f"req.{code}"})
    reply = next((reply for reply in replies if reply.status_code == failing.status), replies[0])
    document = reply.json()
    assert (reply.status_code, document.get("code")) == (failing.status, code), reply.text
    assert document["facts"] == {**failing.facts, **failing.added_facts, **told_to_wait(reply, failing)}
    assert document["retryable"] is failing.is_retryable
    assert tuple(error["pointer"] for error in document.get("errors", ())) == failing.pointers
    assert document["instance"] == f"/v1{asked.path}"
    assert document["request_id"] == reply.headers["X-Request-ID"] == f"req.{code}"
    assert_is_a_problem_document(reply, document, code)
    assert ("WWW-Authenticate" in reply.headers) is (reply.status_code == 401)


def assert_is_a_problem_document(reply: httpx2.Response, document: dict[str, Any], code: str) -> None:
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["Cache-Control"] == "no-store"
    wanted = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable", "facts"}
    assert set(document) == wanted | ({"errors"} if reply.status_code == 422 else set())
    assert (document["type"], document["status"]) == (f"/problems#{code}", reply.status_code)
    assert document["title"] == PROBLEMS[code].title
    assert is_plain(document["title"] + "."), document["title"]
    assert is_plain(document["detail"]), document["detail"]
    assert all(is_plain(f"{error['detail'].rstrip('.')}.") for error in document.get("errors", ())), document


def told_to_wait(reply: httpx2.Response, failing: Failing) -> dict[str, int]:
    """Read when to come back, which a program finds among the facts as well."""
    if not failing.retry_after_seconds_max:
        assert "Retry-After" not in reply.headers
        return {}
    seconds = int(reply.headers["Retry-After"])
    assert 1 <= seconds <= failing.retry_after_seconds_max
    return {"retry_after_seconds": seconds}


@pytest.mark.parametrize("code", ["quote_expired", "quote_changed"])
def test_a_replacement_quote_can_be_accepted_at_once(scene: Scene, code: str) -> None:
    asked = FAILURES[code].ask(scene)
    replacement = checked(over_rest(asked), 409)["facts"]["replacement_quote"]
    categories = ("adult",) if code == "quote_expired" else ("child",)
    held = checked(asked.by.post("/bookings", json=hold_body(replacement, categories=categories), headers=key()), 201)
    assert held["total"] == replacement["total"]


def test_every_code_is_explained_where_its_type_points(scene: Scene) -> None:
    page = scene.anybody.get(scene.stack.url + "/problems").text
    assert [code for code in PROBLEMS if f'id="{code}"' not in page] == []


@pytest.fixture(scope="module")
def desk(stack: Stack) -> Iterator[Desk]:
    with scene_on(stack) as ready:
        yield Desk(ready)


@pytest.mark.parametrize("operation", GOOD)
def test_a_bad_body_is_refused_and_leaves_nothing_behind(desk: Desk, operation: str) -> None:
    prepare, spoilt = GOOD[operation]
    good, same = prepare(desk), key()
    before, wrong = desk.stored(), {}
    for name, bad in spoilt.items():
        reply = with_key(good, bad, same)
        if (reply.json().get("code"), reply.status_code) != (bad.code, PROBLEMS[bad.code].status):
            wrong[name] = reply.text[:200]
        elif reply.status_code == 422 and bad.code == "invalid_value" and not reply.json()["errors"]:
            wrong[name] = "no errors"
    assert wrong == {}
    assert desk.stored() == before
    # It is the spoiling that is refused, and none of it has used up the key.
    checked(in_order(good, same), good.status)


def test_ten_seats_go_to_ten_of_thirty(stack: Stack) -> None:
    with scene_on(stack) as scene:
        departure = scene.small(10, operator_id="rush")
        riders = [scene.rider() for _ in range(30)]
        start = Barrier(len(riders))

        def buy(number: int) -> tuple[str, str]:
            """Buy a seat, every third rider a named one; tell how it ended and where they sit."""
            body = hold_body(scene.quote(leg_of(departure)))
            if number % 3 == 0:
                body["passengers"][0]["seat_ids"] = [f"{number // 3 + 1}A"]
            start.wait(10)
            held = riders[number].post("/bookings", json=body, headers=key())
            if held.status_code != 201:
                return held.json()["code"], ""
            path = f"/bookings/{held.json()['id']}/confirm"
            paid = checked(riders[number].post(path, json=payment(), headers=key()), 200)
            return paid["state"], paid["items"][0]["seat_id"]

        with ThreadPoolExecutor(len(riders)) as threads:
            ended = list(threads.map(buy, range(len(riders))))
        outcomes = Counter(outcome for outcome, _ in ended)
        assert outcomes["confirmed"] == 10
        assert set(outcomes) <= {"confirmed", "sold_out", "seat_taken"}
        assert {seat for outcome, seat in ended if outcome == "confirmed"} == {f"{row}A" for row in range(1, 11)}
        free = checked(scene.anybody.get(f"/departures/{departure['id']}/availability"), 200)
        assert (free["seats_available"], free["capacity"]) == (0, 10)
        on_board = scene.operator.get("/bookings", params={"departure_id": departure["id"], "limit": 200})
        assert [one["state"] for one in checked(on_board, 200)["items"]] == ["confirmed"] * 10
