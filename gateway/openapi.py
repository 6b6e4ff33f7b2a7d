"""The public contract: what FastAPI derives from the routes, completed with what holds for all of them.

python -m gateway.openapi   writes gateway/openapi.json, which is reviewed like code.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gateway.caller import KEY_EXAMPLE
from gateway.problems import PROBLEMS, documented
from gateway.schemas.problems import Problem

COMMITTED = Path(__file__).parent / "openapi.json"
TAGS = [
    {"name": "Rider", "description": "Find a ride, know its price, book it, follow it."},
    {"name": "Driver", "description": "Report where the vehicle is, see who travels, let them board."},
    {"name": "Operator", "description": "Put departures on sale, keep the fleet, the fares and the staff."},
    {"name": "Integration", "description": "For programs: keys, events, reports."},
]
JOURNEY = ("search_itineraries", "quote_fare", "create_guest", "hold_booking", "confirm_booking")
"""What the documentation opens with, in order."""
DESCRIPTION = """Sell seats on coaches, ferries and shuttles, track the vehicles, price the rides.

A journey, from top to bottom: `search_itineraries`, `quote_fare`, a token by `create_guest`, `hold_booking`, then
`confirm_booking`. Looking and quoting need no token. In Swagger, `create_guest` signs you in as well, and
the first ride that was found, its quote and your booking take the place of those in the examples. To be somebody else,
press **Authorize** and sign in as one of the demo users that `headway up` prints, without a client.

Times are RFC 3339 in UTC, amounts are whole numbers of the currency's smallest unit. Refusals are
`application/problem+json`; [every code is explained](/problems)."""
EXAMPLES = json.loads((Path(__file__).parent / "examples.json").read_text())
"""What the documentation shows by the name of an operation, and by the name of a parameter that is required."""
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

Json = dict[str, Any]


class Api(FastAPI):
    """A FastAPI whose document is complete."""

    def openapi(self) -> Json:
        """Return the document; it is made once."""
        if not self.openapi_schema:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def completed(document: Json) -> Json:
    """Add what every operation answers, and put the journey first."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    for path, _, operation in operations(document):
        complete(path, operation)
    document["paths"] = dict(sorted(document["paths"].items(), key=lambda item: place_of(item[1])))
    document["servers"] = [{"url": "/"}]
    return document


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """List every operation with its path and method."""
    for path, found in document["paths"].items():
        for method in METHODS:
            if method in found:
                yield path, method, found[method]


def complete(path: str, operation: Json) -> None:
    """Document what one operation may answer and must be sent."""
    for parameter in operation.get("parameters", []):
        mend_header(parameter)
    if "security" in operation:
        operation["security"] = alternatives(operation["security"])
    show(operation)
    responses = operation["responses"]
    for code in common_codes(path, operation):
        status = str(PROBLEMS[code].status)
        known = responses.get(status, {}).get("x-problem-codes", [])
        responses[status] = documented([*known, code])
    operation["responses"] = dict(sorted(responses.items()))


def show(operation: Json) -> None:
    """Put examples to what is sent; the ids of stops are those of the sample network."""
    own = EXAMPLES["operations"].get(operation["operationId"], {})
    required = EXAMPLES["parameters"]
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        shown = own.get("parameters", {}) | (
            {name: required[name]} if parameter["required"] and name in required else {}
        )
        if name in shown:
            parameter["example"] = shown[name]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = own["body"]
    if "answer" in own:
        operation["responses"]["200"]["content"]["application/json"]["example"] = own["answer"]
    if scopes := [f"`{scope}`" for one in operation.get("security", []) for scope in one["OAuth2"]]:
        operation["description"] += f"\n\nScope: {' or '.join(dict.fromkeys(scopes))}."


def mend_header(parameter: Json) -> None:
    """Say which headers are required: we answer their absence ourselves, with a status of its own."""
    if parameter["schema"].pop("x-required", False):
        parameter["required"] = True
        parameter["schema"] = {"minLength": 1, **parameter["schema"]}
        parameter["schema"].pop("default")
    if parameter["name"] == "Idempotency-Key":
        parameter["schema"]["pattern"] = "^[!-~]*$"
        parameter["example"] = KEY_EXAMPLE


def alternatives(security: list[Json]) -> list[Json]:
    """Write "any of these scopes", which is what our routes mean, as OpenAPI does: one requirement each."""
    return [
        {scheme: [scope] if scope else []}
        for requirement in security
        for scheme, scopes in requirement.items()
        for scope in (scopes or [""])
    ]


def common_codes(path: str, operation: Json) -> Iterator[str]:
    """Tell what an operation may answer because of what it is, whatever it does."""
    headers = {parameter["name"]: parameter["required"] for parameter in operation.get("parameters", [])}
    yield from ("invalid_value", "internal", "overloaded", "dependency_down")
    if path.startswith("/v1/"):
        # A token is checked wherever one is sent, also where none is needed.
        yield from ("unauthenticated", "rate_limited", "deadline_exceeded")
    if "security" in operation:
        yield "forbidden"
    if "requestBody" in operation:
        yield from ("malformed_body", "body_too_large", "unsupported_media_type")
    if "Idempotency-Key" in headers:
        yield from ("missing_idempotency_key", "idempotency_key_reused", "request_in_flight")
    if "If-Match" in headers:
        yield "stale_version"
        if headers["If-Match"]:
            yield "missing_precondition"


def place_of(path: Json) -> int:
    """Put the journey's operations before all others, which stay as they are."""
    places = [JOURNEY.index(op["operationId"]) for op in path.values() if op["operationId"] in JOURNEY]
    return min(places, default=len(JOURNEY))


def written(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the committed document anew."""
    from gateway.app import create_app  # noqa: PLC0415 - the application needs this module
    from gateway.settings import GatewaySettings  # noqa: PLC0415

    COMMITTED.write_text(written(create_app(GatewaySettings.nowhere()).openapi()))


if __name__ == "__main__":
    main()
