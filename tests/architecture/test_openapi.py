"""The public contract: fresh, valid, complete, and never one that breaks who relies on it unnoticed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.app import create_app
from gateway.bodies import StrictRoute
from gateway.openapi import COMMITTED, JOURNEY, TAGS, operations, written
from gateway.problems import PROBLEMS
from gateway.settings import GatewaySettings
from tests.architecture.tree import OPENAPI

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    return create_app(GatewaySettings.nowhere()).openapi()


@pytest.fixture(scope="module")
def described(document: Json) -> list[tuple[str, Json]]:
    """List every operation with what it is called."""
    return [(operation["operationId"], operation) for _, _, operation in operations(document)]


def test_the_committed_document_is_fresh(document: Json):
    """python -m gateway.openapi writes it."""
    assert COMMITTED == OPENAPI
    assert COMMITTED.read_text() == written(document)


def test_the_document_is_the_same_each_time(document: Json):
    assert written(create_app(GatewaySettings.nowhere()).openapi()) == written(document)


def test_the_document_is_valid(document: Json):
    assert document["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_operation_is_described(described: list[tuple[str, Json]]):
    for name, operation in described:
        assert operation.get("summary"), name
        assert operation.get("description", "").endswith("."), name
        assert len(operation["tags"]) == 1, name
        assert name.replace("_", "").isalnum(), name


def test_every_tag_is_described(document: Json, described: list[tuple[str, Json]]):
    assert [tag["name"] for tag in document["tags"]] == ["Rider", "Driver", "Operator", "Integration"]
    assert all(tag["description"] for tag in TAGS)
    assert {tag for _, operation in described for tag in operation["tags"]} == {tag["name"] for tag in TAGS}


def test_every_refusal_is_a_problem(described: list[tuple[str, Json]]):
    for name, operation in described:
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], name
                assert response["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem"), name
                assert {PROBLEMS[code].status for code in response["x-problem-codes"]} == {int(status)}, name


def test_every_operation_documents_what_any_may_answer(document: Json):
    for path, _, operation in operations(document):
        wanted = {"422", "500", "503"}
        if path.startswith("/v1/"):
            wanted |= {"401", "429", "504"}
        if "security" in operation:
            wanted |= {"403"}
        if "requestBody" in operation:
            wanted |= {"413", "415"}
        assert wanted <= set(operation["responses"]), path


def test_every_operation_says_what_a_success_looks_like(described: list[tuple[str, Json]]):
    for name, operation in described:
        assert [status for status in operation["responses"] if int(status) < 300], name


def test_keys_and_preconditions_are_documented_as_required(document: Json):
    keyed = matched = 0
    for _, method, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert "x-required" not in json.dumps(parameter)
            if parameter["name"] == "Idempotency-Key" and parameter["required"]:
                keyed += 1
                assert {"400", "409", "422"} <= set(operation["responses"])
            if parameter["name"] == "If-Match" and parameter["required"]:
                matched += 1
                assert {"412", "428"} <= set(operation["responses"])
            if parameter["name"] == "If-Match" and method == "put":
                assert parameter["required"]
    assert (keyed >= 5, matched >= 2) == (True, True)


def test_everything_that_is_sent_is_bounded(document: Json):
    """No field of a body takes text, lists or whole numbers without an end; a finite number has one."""
    sent = set()
    for _, _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            sent |= references(content["schema"], document)
    unbounded = [
        f"{name}{pointer}" for name in sent for pointer, part in parts(document["components"]["schemas"][name])
        if is_unbounded(part)
    ]  # fmt: skip
    assert unbounded == []


def references(schema: object, document: Json) -> set[str]:
    """Name every schema that one refers to, over any number of steps."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(document["components"]["schemas"][name])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found


def parts(schema: Json, pointer: str = "") -> Iterator[tuple[str, Json]]:
    """Walk the parts of one schema that describe values."""
    yield pointer, schema
    for name, inner in schema.get("properties", {}).items():
        yield from parts(inner, f"{pointer}/{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from parts(schema[name], f"{pointer}/{name}")
    for inner in schema.get("anyOf", []):
        yield from parts(inner, pointer)


def is_unbounded(part: Json) -> bool:
    if {"enum", "const"} & set(part) or part.get("readOnly"):
        return False
    bounds = {
        "string": {"maxLength", "format", "pattern"},
        "array": {"maxItems"},
        "integer": {"maximum", "exclusiveMaximum"},
    }
    return bool(bounds.get(part.get("type", ""))) and not bounds[part["type"]] & set(part)


@pytest.mark.parametrize(
    "part", [{"type": "string"}, {"type": "array", "items": {}}, {"type": "integer", "minimum": 0}]
)
def test_what_has_no_bound_is_seen(part: Json):
    assert is_unbounded(part)


def test_the_journey_comes_first_and_in_order(described: list[tuple[str, Json]]):
    names = [name for name, _ in described]
    present = [name for name in JOURNEY if name in names]
    assert len(present) >= 4
    assert [name for name in names if name in JOURNEY] == present
    assert names[0] == present[0]


def test_every_route_with_a_body_reads_it_strictly():
    app = create_app(GatewaySettings.nowhere())
    for included in app.routes:
        router = getattr(included, "original_router", None)
        for route in router.routes if router else [included]:
            if getattr(route, "body_field", None) is not None:
                assert isinstance(route, StrictRoute), route


def test_no_operation_names_what_is_inside(document: Json):
    """A reader of the document learns nothing of tables, modules or machines."""
    text = written(document)
    for hidden in (
        "gateway.",
        "booking_svc",
        "pricing_svc",
        "tracking_svc",
        "sqlalchemy",
        "pydantic",
        "_pb2",
        "/home/",
    ):
        assert hidden not in text
