"""Bodies that nobody should send, each made out of a good one, and the code that answers it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LARGE = 5_000_000
DEPTH = 10_000
HERE = "@here@"


@dataclass(frozen=True)
class Bad:
    """How to spoil a body, and what it is answered."""

    spoil: Callable[[Any], bytes]
    code: str
    content_type: str = "application/json"


def with_value(raw: str) -> Callable[[Any], bytes]:
    """Write something else, as it stands, in the place of the first text or number."""
    return lambda body: json.dumps(replaced(body)).replace(json.dumps(HERE), raw).encode()


def replaced(body: Any) -> Any:
    """Mark the first text or number in a body."""
    if isinstance(body, dict):
        first, *_ = body
        return {**body, first: replaced(body[first])}
    return [replaced(body[0]), *body[1:]] if isinstance(body, list) else HERE


def with_first_name_twice(body: Any) -> bytes:
    first, *_ = body
    return f"{{{json.dumps(first)}: 1, {json.dumps(body)[1:]}".encode()


def written(change: Callable[[Any], Any]) -> Callable[[Any], bytes]:
    """Write what a good body was changed into."""
    return lambda body: json.dumps(change(body)).encode()


BAD: Mapping[str, Bad] = {
    "not a number": Bad(with_value("NaN"), "malformed_body"),
    "infinity": Bad(with_value("-Infinity"), "malformed_body"),
    "a number beyond any float": Bad(with_value("1e999"), "malformed_body"),
    "an integer of 71 bits": Bad(with_value(str(2**70)), "malformed_body"),
    "a lone surrogate": Bad(with_value(r'"\ud800"'), "malformed_body"),
    "an escaped zero character": Bad(with_value(r'"a\u0000b"'), "malformed_body"),
    "a zero character": Bad(with_value('"a\0b"'), "malformed_body"),
    "a name twice": Bad(with_first_name_twice, "malformed_body"),
    "lists in lists": Bad(with_value("[" * DEPTH + "]" * DEPTH), "malformed_body"),
    "brackets never closed": Bad(lambda _: b"[" * DEPTH, "malformed_body"),
    "half an object": Bad(lambda body: json.dumps(body).encode()[:-1], "malformed_body"),
    "other letters": Bad(lambda body: json.dumps(body).encode("utf-16"), "malformed_body"),
    "5 MB": Bad(with_value(json.dumps("x" * LARGE)), "body_too_large"),
    "another content type": Bad(written(lambda body: body), "unsupported_media_type", "text/plain"),
    "a form": Bad(written(lambda body: body), "unsupported_media_type", "application/x-www-form-urlencoded"),
    "nothing": Bad(lambda _: b"", "invalid_value"),
    "null": Bad(written(lambda _: None), "invalid_value"),
    "an empty object": Bad(written(lambda _: {}), "invalid_value"),
    "a list of it": Bad(written(lambda body: [body]), "invalid_value"),
    "a field too many": Bad(written(lambda body: {**body, "surprise": 1}), "invalid_value"),
    "an object for a value": Bad(with_value("{}"), "invalid_value"),
    "a text of a megabyte's tenth": Bad(with_value(json.dumps("x" * 50_000)), "invalid_value"),
}
"""What is answered so wherever a JSON body is taken."""


def passengers(count: int) -> Callable[[Any], bytes]:
    """Write a body with so many of its first passenger."""
    return written(lambda body: {**body, "passengers": body["passengers"][:1] * count})


def with_passenger(**changes: Any) -> Callable[[Any], bytes]:
    """Write a body whose first passenger is another."""
    return written(lambda body: {**body, "passengers": [{**body["passengers"][0], **changes}]})


BAD_PASSENGERS: Mapping[str, Bad] = {
    "nobody": Bad(passengers(0), "invalid_value"),
    "a hundred passengers": Bad(passengers(100), "invalid_value"),
    "a category of 300 letters": Bad(with_passenger(category="x" * 300), "invalid_value"),
}
"""What is answered so wherever passengers are named."""
BAD_NAMES: Mapping[str, Bad] = {
    "a name of 300 letters": Bad(with_passenger(name="x" * 300), "invalid_value"),
    "a name of spaces": Bad(with_passenger(name="   "), "invalid_value"),
    "a name of control characters": Bad(with_passenger(name="\x01\x02"), "invalid_value"),
}
"""What is answered so where they have names."""
