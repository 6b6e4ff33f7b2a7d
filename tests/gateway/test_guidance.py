"""What is wrong with a value is said in plain sentences that say what to do."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from gateway.guidance import OTHERWISE, guidance
from gateway.openapi import operations
from gateway.problems import invalid_request
from gateway.schemas.people import TokenForm
from gateway.schemas.shapes import Input
from tests.gateway.running import Running, problem

NOT_OURS = (
    "Input should", "should have", "should match", "should be", "Field required", "Extra inputs", "Value error",
    "valid ", "validation", "pydantic", "datetime", "(", "instance", "[^", "\\x", "^", "$", "{",
)  # fmt: skip
"""What pydantic says, and what regular expressions and Python look like."""
WRONG: tuple[Any, ...] = (
    None, True, 0, -1, 1, 10**18, 0.5, -1e300, float("inf"), float("nan"), "", " ", "x", "\0", "1", "1.5", "true",
    "no one@", "a" * 20_000, "2030-06-01", "2030-06-01T08:00:00", "2030-13-41T99:00:00Z", "1900-01-01", "9999-12-31",
    "0001-01-01T00:00:00+14:00", [], [None], [1], [{}], [{"zzz": 1}], ["x"] * 11_000, {}, {"zzz": 1}, b"\xff",
    object(),
)  # fmt: skip
RIDE = {"departure_id": "dep_1", "origin_stop_id": "stp_1", "destination_stop_id": "stp_2"}
RIDER = {"email": "ada@example.com", "password": "correct horse battery"}
HOLD = {
    "quote_token": "signed",
    "passengers": [{"name": "Ada", "category": "adult"}],
    "contact": {"email": "ada@example.com"},
}
PRICED = {"legs": [RIDE], "passengers": [{"category": "adult"}]}
POLICY = {"currency": "EUR", "base_minor": 200, "categories": [{"category": "adult", "percent": 100}]}
POINT = {"recorded_at": "2030-06-01T08:00:00Z", "latitude": 53.5, "longitude": 9.9}
DEPARTURE = {
    "operator_id": "demo",
    "route": {"short_name": "X7", "mode": "ferry"},
    "service_date": "2030-06-01",
    "calls": [{"stop_id": "stp_1"}, {"stop_id": "stp_2"}],
}
STAFF = {"email": "ben@example.com", "password": "correct horse battery", "role": "driver"}
TIME = "Give a time with its zone as RFC 3339 text, for example 2030-06-01T08:00:00Z."

REFUSED: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("POST", "riders", {"password": RIDER["password"]}, "/email", "Give this: it is required."),
    ("POST", "riders", RIDER | {"nmae": "Ada"}, "/nmae",
     "Leave this out, or mend its name: there is no such field here."),
    ("POST", "riders", RIDER | {"email": "ada"}, "/email", "Give an e-mail address, for example ada@example.com."),
    ("POST", "riders", RIDER | {"email": 1}, "/email", "Give text, in quotes."),
    ("POST", "riders", RIDER | {"password": "short"}, "/password", "Give at least 10 characters."),
    ("POST", "riders", RIDER | {"name": "x" * 201}, "/name", "Write at most 200 characters."),
    ("POST", "riders", RIDER | {"name": " "}, "/name", "Write something: this must not be empty."),
    ("POST", "quotes", PRICED | {"legs": []}, "/legs", "Give at least one item."),
    ("POST", "quotes", PRICED | {"legs": [RIDE] * 7}, "/legs", "Give at most 6 items."),
    ("POST", "quotes", PRICED | {"legs": {}}, "/legs", "Give a list, in square brackets."),
    ("POST", "quotes", PRICED | {"legs": ["dep_1"]}, "/legs/0", "Give an object, in curly brackets."),
    ("POST", "quotes", PRICED | {"legs": [RIDE | {"departure_id": "a b"}]}, "/legs/0/departure_id",
     "Give an identifier: 1 to 128 letters, digits and _ . : ~ - without spaces."),
    ("POST", "quotes", PRICED | {"promo_code": "SUMMER"}, "/promo_code", "Leave this out."),
    ("POST", "quotes", PRICED | {"extras": [{"kind": "bike", "quantity": 1}]}, "/extras", "Leave this list empty."),
    ("POST", "bookings", HOLD | {"seating": {"together": 1}}, "/seating/together", "Give true or false."),
    ("PUT", "fare-policies/demo", POLICY | {"currency": "euro"}, "/currency",
     "Give the three capital letters of a currency, for example EUR."),
    ("PUT", "fare-policies/demo", POLICY | {"base_minor": "200"}, "/base_minor", "Give a whole number, in digits."),
    ("PUT", "fare-policies/demo", POLICY | {"base_minor": -1}, "/base_minor", "Give at least 0."),
    ("PUT", "fare-policies/demo", POLICY | {"base_minor": 10**10}, "/base_minor", "Give at most 1000000000."),
    ("POST", "vehicles/veh_1/positions", {"positions": [POINT | {"latitude": "north"}]}, "/positions/0/latitude",
     "Give a number."),
    ("POST", "vehicles/veh_1/positions", {"positions": [POINT | {"recorded_at": "noon"}]}, "/positions/0/recorded_at",
     TIME),
    ("POST", "vehicles/veh_1/positions", {"positions": [POINT | {"recorded_at": "2030-06-01T08:00:00"}]},
     "/positions/0/recorded_at", TIME),
    ("POST", "departures", DEPARTURE | {"service_date": "1 June"}, "/service_date", "Give a date as in 2030-06-01."),
    ("POST", "departures", DEPARTURE | {"service_date": "1900-01-01"}, "/service_date",
     "Give a date from 1970 to 2199."),
    ("POST", "departures", DEPARTURE | {"calls": [{}, {"stop_id": "stp_2"}]}, "/calls/0",
     "Give either stop_id or stop."),
    ("POST", "departures", DEPARTURE | {"calls": [{"stop_id": "stp_1"}]}, "/calls", "Give at least 2 items."),
    ("POST", "departures", DEPARTURE | {"route": {"short_name": "X7", "mode": "train"}}, "/route/mode",
     "Choose 'coach', 'ferry', 'shuttle', 'bus', 'rail', 'tram' or 'metro'."),
    ("POST", "users", STAFF | {"operator_id": "a b"}, "/operator_id",
     'Give an operator\'s identifier, for example demo, or "*" for every operator.'),
]  # fmt: skip


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: f"{refused[1]}{refused[3]}")
async def test_a_refused_value_comes_with_what_to_do(
    shared: Running, refused: tuple[str, str, dict[str, Any], str, str]
):
    method, path, body, pointer, detail = refused
    headers = {**await shared.admin(), "Idempotency-Key": "key-1", "If-Match": '"1"'}
    reply = await shared.client.request(method, f"/v1/{path}", json=body, headers=headers)
    assert problem(reply, 422, "invalid_value")["errors"] == [{"pointer": pointer, "detail": detail}]


def models() -> Iterator[type[BaseModel]]:
    """List what bodies are read into, from the outermost to the innermost."""
    yield TokenForm
    waiting = [Input]
    while waiting:
        found = waiting.pop().__subclasses__()
        waiting += found
        yield from found


def errors_of(model: type[BaseModel], value: Any) -> list[Any]:
    try:
        model.model_validate(value)
    except ValidationError as refused:
        return list(refused.errors())
    return []


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.__name__)
def test_no_value_of_any_request_is_refused_in_the_validators_own_words(model: type[BaseModel]):
    errors = [error for wrong in WRONG for error in errors_of(model, wrong)]
    for name in model.model_fields:
        errors += [error for wrong in WRONG for error in errors_of(model, {name: wrong})]
    assert len(errors) > len(WRONG)
    for error in errors:
        assert_is_guidance(guidance(error), error)


def assert_is_guidance(detail: str, error: Any) -> None:
    assert detail != OTHERWISE, error
    assert not [words for words in NOT_OURS if words in detail], (detail, error["type"])
    assert detail[0].isupper(), detail
    assert detail.endswith("."), detail


async def test_no_parameter_is_refused_in_the_validators_own_words(shared: Running):
    headers = await shared.admin()
    seen = 0
    for path, method, operation in operations(shared.app.openapi()):
        wanted = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
        if method != "get" or not path.startswith("/v1/"):
            continue
        for wrong in ("", "%20", "-1", "1e9", "x" * 600, "2030-13-41", "a%00b", "0.5"):
            query = "&".join(f"{name}={wrong}" for name in wanted)
            reply = await shared.client.get(path.replace("{", "%20").replace("}", "") + f"?{query}", headers=headers)
            if reply.status_code == 422:
                seen += 1
                for error in reply.json()["errors"]:
                    assert_is_guidance(error["detail"], {"type": path})
    assert seen > 50


def test_an_error_that_nobody_foresaw_still_says_what_to_do():
    for kind in ("something_new", "string_pattern_mismatch"):
        error = {"type": kind, "loc": ("body", "x"), "msg": "Input should be {x}", "ctx": {"pattern": "^x$"}}
        assert [found.detail for found in invalid_request([error]).errors] == [OTHERWISE]
