"""Whatever a body holds, it is read strictly and never breaks the gateway."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies import DEPTH_MAX, Malformed, parse
from gateway.limits import BODY_BYTES_MAX, largest_body
from gateway.openapi import operations
from tests.gateway.running import Running, bearer, problem

JSON = {"Content-Type": "application/json"}
NESTED = (1, 31, 32, 33, 100, 900, 1000, 5000, 30000)
BROKEN = {
    "not a number": b'{"email": NaN}',
    "a number that is not": b"NaN",
    "infinity": b'{"passengers": [Infinity, -Infinity]}',
    "a number beyond any float": b'{"email": 1e999}',
    "a large number below zero": b"[-1e999]",
    "an integer of 65 bits": b'{"email": 18446744073709551616}',
    "an integer that is just too large": b"9223372036854775808",
    "an integer of 5000 digits": b"1" * 5000,
    "a lone high surrogate": b'{"email": "\\ud800"}',
    "a lone low surrogate": b'{"\\udfff": 1}',
    "an escaped zero character": b'{"email": "a\\u0000b"}',
    "a zero character": b'{"email": "a\0b"}',
    "a doubled name": b'{"email": "a@example.com", "email": "b@example.com"}',
    "a doubled name far down": b'{"a": [{"b": {"c": 1, "c": 2}}]}',
    "broken UTF-8": b'{"email": "\xff\xfe"}',
    "an overlong zero": b'{"email": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"email": "\xed\xa0\x80"}',
    "UTF-16": '{"email": "a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"email": "a"}',
    "half an object": b'{"email": ',
    "single quotes": b"{'email': 1}",
    "a comma too many": b'{"email": 1,}',
    "two values": b"{} {}",
    "nothing but space": b"  ",
    "a leading zero": b'{"email": 01}',
    "hexadecimal": b'{"email": 0x10}',
    "a comment": b"{/* */}",
    **{f"{depth} nested lists": b"[" * depth + b"]" * depth for depth in NESTED if depth > DEPTH_MAX},
    **{f"{depth} nested objects": b'{"a":' * depth + b"1" + b"}" * depth for depth in NESTED if 33 < depth < 9000},
    **{f"{depth} brackets never closed": b"[" * depth for depth in NESTED},
}
WELL_FORMED = {
    "a list": b"[]",
    "text": b'"text"',
    "null": b"null",
    "a number": b"1",
    "other fields": b'{"zzz": 1}',
    "numbers for everything": b'{"email": 1, "password": 2, "name": 3}',
    "the largest integer": b'{"email": 9223372036854775807}',
    "a pair of surrogates": b'{"email": "\\ud83d\\ude80"}',
    "as deep as can be": b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
    "a wide object": json.dumps({f"k{n}": n for n in range(3000)}).encode(),
    "a name with everything in it": json.dumps({"<script>\n\u2028'": 1}).encode(),
}


def body_operations(shared: Running, content_type: str = "application/json") -> list[tuple[str, str]]:
    """List method and path of every operation that takes such a body."""
    return [
        (method, path.replace("{", "").replace("}", ""))
        for path, method, operation in operations(shared.app.openapi())
        if content_type in operation.get("requestBody", {}).get("content", {})
    ]


async def with_rights(shared: Running) -> dict[str, str]:
    return {**await shared.admin(), "Idempotency-Key": "key-1", "If-Match": '"1"'}


async def test_a_broken_body_is_malformed_everywhere(shared: Running):
    headers = JSON | await with_rights(shared)
    found = body_operations(shared)
    assert len(found) > 10
    for method, path in found:
        for name, body in BROKEN.items():
            reply = await shared.client.request(method, path, content=body, headers=headers)
            assert reply.status_code == 422, (method, path, name)
            problem(reply, 422, "malformed_body")


async def test_a_body_of_the_wrong_shape_is_an_invalid_value_everywhere(shared: Running):
    headers = JSON | await with_rights(shared)
    for method, path in body_operations(shared):
        for name, body in WELL_FORMED.items():
            reply = await shared.client.request(method, path, content=body, headers=headers)
            assert reply.status_code == 422, (method, path, name, reply.text)
            assert problem(reply, 422, "invalid_value")["errors"], (method, path, name)


async def test_another_content_type_is_not_served(shared: Running):
    rights = await with_rights(shared)
    for method, path in body_operations(shared):
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "x"):
            reply = await shared.client.request(method, path, content=b"{}", headers=rights | {"Content-Type": kind})
            problem(reply, 415, "unsupported_media_type")
        reply = await shared.client.request(method, path, content=b"{}", headers=rights)
        problem(reply, 415, "unsupported_media_type")


async def test_the_form_of_the_token_endpoint_takes_no_json_and_no_files(shared: Running):
    found = await shared.client.post("/v1/oauth/token", json={"grant_type": "password"})
    problem(found, 415, "unsupported_media_type")
    found = await shared.client.post("/v1/oauth/token", files={"grant_type": b"password"})
    problem(found, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"grant_type", b"=&=&", b"grant_type=password&grant_type=password", b"%00=%00", b"\xff\xfe=\xff",
        b"grant_type=password&username=%00&password=%00", b"grant_type=password&username=%ED%A0%80&password=x",
        b"grant_type=refresh_token&refresh_token=%F0%28", b"grant_type=client_credentials&client_id=%00",
        b"&" * 60_000, b"a=1&" * 5000, b"grant_type=" + b"x" * 60_000, b"grant_type=password&scope=" + b"x" * 5000,
    ],
    ids=lambda body: body[:40],
)  # fmt: skip
async def test_a_strange_form_is_refused_and_breaks_nothing(shared: Running, body: bytes):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = await shared.client.post("/v1/oauth/token", content=body, headers=headers)
    assert reply.status_code in {401, 422}, reply.text
    assert reply.headers["content-type"] == "application/problem+json"


async def test_basic_authentication_that_cannot_be_read_is_as_good_as_none(shared: Running):
    for value in ("Basic", "Basic !", "Basic /w==", "Basic AA==", "Basic OjpfOg==", "basic 1", "Other x"):
        reply = await shared.client.post(
            "/v1/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": value}
        )
        assert reply.status_code in {401, 422}, value


async def test_a_body_over_the_limit_is_too_large(shared: Running):
    headers = JSON | await with_rights(shared)
    for method, path in body_operations(shared):
        body = b'"' + b"x" * largest_body(path)[0] + b'"'
        reply = await shared.client.request(method, path, content=body, headers=headers)
        problem(reply, 413, "body_too_large")


async def test_a_body_over_the_limit_is_too_large_when_it_does_not_say_so_first(shared: Running):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1024

    headers = JSON | await with_rights(shared)
    for method, path in body_operations(shared):
        sent = 0
        problem(await shared.client.request(method, path, content=endless(), headers=headers), 413, "body_too_large")
        assert sent * 1024 <= largest_body(path)[0] + 2048


async def test_a_large_body_is_read_for_who_has_signed_in_only(shared: Running):
    body = b'"' + b"x" * BODY_BYTES_MAX + b'"'
    headers = JSON | await with_rights(shared)
    reply = await shared.client.post("/v1/departures", content=body, headers=headers)
    problem(reply, 422, "invalid_value")
    for stranger in (JSON, JSON | bearer("none")):
        problem(await shared.client.post("/v1/departures", content=body, headers=stranger), 413, "body_too_large")


async def test_a_body_at_the_limit_is_read(shared: Running):
    body = b'{"zzz": "' + b"x" * (BODY_BYTES_MAX - 11) + b'"}'
    assert len(body) == BODY_BYTES_MAX
    problem(await shared.client.post("/v1/riders", content=body, headers=JSON), 422, "invalid_value")


async def test_unusual_but_honest_types_of_json_are_served(shared: Running):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    reply = await shared.client.post("/v1/riders", content=b"{}", headers=headers)
    assert [error["pointer"] for error in problem(reply, 422, "invalid_value")["errors"]] == ["/email", "/password"]


async def test_what_was_sent_is_never_repeated(shared: Running):
    marked = {"email": "XYZZY", "password": "XYZZY", "XYZZY <script>": "XYZZY", "name": {"XYZZY": ["XYZZY"]}}
    reply = await shared.client.post("/v1/riders", json=marked)
    assert "XYZZY" not in reply.text
    assert "/*" in {error["pointer"] for error in reply.json()["errors"]}


async def test_a_misspelt_field_is_named(shared: Running):
    reply = await shared.client.post("/v1/riders", json={"emial": "a@example.com"})
    assert "/emial" in {error["pointer"] for error in reply.json()["errors"]}


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\u0d8fNaInity1e+-. ', max_size=60).map(str.encode))
def test_any_bytes_are_a_value_that_can_be_stored_or_malformed(body: bytes):
    try:
        value = parse(body)
    except Malformed:
        return
    written = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert b"\0" not in written


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
        max_leaves=20,
    )
)  # fmt: skip
def test_every_storable_value_is_read_as_it_was_written(value: object):
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value
