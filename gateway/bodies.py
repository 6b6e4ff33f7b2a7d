"""Reads JSON bodies strictly, once: what pydantic is given is finite, shallow, unambiguous and storable.

Routers of this gateway are `Router()`s, so that every route with a body has this and nothing else to think of.
"""

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.problems import UnsupportedMediaType, invalid_request

DEPTH_MAX = 32
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
Model = TypeVar("Model", bound=BaseModel)
INTEGER_CHARS_MAX = len(str(INTEGER_MIN))


class Malformed(HTTPException):
    """The framework lets only its own exceptions through while it reads a body."""

    def __init__(self) -> None:
        super().__init__(422)


def parse(body: bytes) -> Any:
    """Read a body as JSON, or raise Malformed."""
    try:
        text = body.decode()
        value = json.loads(
            text,
            parse_constant=refuse_constant,
            parse_float=finite,
            parse_int=bounded,
            object_pairs_hook=unambiguous,
        )
    except (ValueError, RecursionError):
        raise Malformed from None
    # Escapes alone can write what UTF-8 cannot, and few brackets cannot nest deeply: most bodies need no second look.
    if "\\u" in text or text.count("[") + text.count("{") > DEPTH_MAX:
        inspect(value, DEPTH_MAX)
    return value


def validated(model: type[Model], told: object) -> Model:
    """Read what was parsed apart from the framework; raise InvalidInput like it."""
    try:
        return model.model_validate(told)
    except ValidationError as error:
        raise invalid_request([{**found, "loc": ("body", *found["loc"])} for found in error.errors()]) from None


def refuse_constant(name: str) -> None:
    raise ValueError(name)


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def bounded(text: str) -> int:
    if len(text) > INTEGER_CHARS_MAX or not INTEGER_MIN <= (number := int(text)) <= INTEGER_MAX:
        raise ValueError
    return number


def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of pairs; two readers of a doubled name might each believe another value."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def inspect(value: Any, depth_left: int) -> None:
    """Refuse what is too deep to walk and text that cannot be stored."""
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and has_surrogate(value)):
            raise Malformed
    elif isinstance(value, (dict, list)):
        if depth_left == 0:
            raise Malformed
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            inspect(item, depth_left - 1)


def has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


class StrictRequest(Request):
    async def json(self) -> Any:
        """Parse the body strictly, once."""
        if not hasattr(self, "_json"):
            self._json = parse(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that takes a body of its documented content type only, strictly read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        field = self.body_field
        if field is None:
            return handle
        wanted = field.field_info.media_type  # type: ignore[attr-defined]

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            # No body at all has no type: where one is needed, validation says so.
            if given != wanted and (given or await strict.body()):
                raise UnsupportedMediaType
            return await handle(strict)

        return handle_strictly


class Router(APIRouter):
    """An APIRouter whose routes read their bodies strictly."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=StrictRoute, **options)
