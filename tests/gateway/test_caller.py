"""Who is let in: forged tokens by nobody, scopes by name, keys where they are asked for."""

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from chassis.keys import SERVICE_TOKEN, Signer, open_signer
from gateway.caller import call_of, metadata_of
from gateway.openapi import operations
from tests.clocks import FixedClock
from tests.gateway.running import Running, bearer, problem

CLAIMS = {"sub": "usr_forged", "scope": "bookings users:write", "aud": "headway", "jti": "jti_1"}
HOUR = timedelta(hours=1)


def encoded(part: object) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Forge:
    """Makes tokens that nobody should take, from all that an attacker may have and more."""

    def __init__(self, keys_dir: Path, clock: FixedClock) -> None:
        self.keys_dir, self.clock = keys_dir, clock
        self.gateway = open_signer("gateway", keys_dir)
        self.booking = open_signer("booking", keys_dir)
        self.public = json.loads((keys_dir / "trusted" / "gateway.json").read_text())
        self.own = OKPKey.generate_key("Ed25519")
        now = int(clock.now().timestamp())
        self.claims = CLAIMS | {"iss": "gateway", "iat": now, "exp": now + 3600}

    def good(self, signer: Signer | None = None, typ: str = "at+jwt", ttl: timedelta = HOUR) -> str:
        return (signer or self.gateway).sign(CLAIMS, typ=typ, now=self.clock.now(), ttl=ttl)

    def signed(self, header: dict[str, Any], payload: object = None, key: OKPKey | None = None) -> str:
        """Sign with a key of the attacker's, or the gateway's own."""
        header = {"alg": "Ed25519", "kid": "gateway", "typ": "at+jwt"} | header
        body = json.dumps(self.claims if payload is None else payload).encode()
        registry = jws.JWSRegistry(algorithms=["Ed25519", "EdDSA"], strict_check_header=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)
            return jws.serialize_compact(header, body, key or self.own, registry=registry)

    def with_own_key_of_gateway(self, header: dict[str, Any], payload: object = None) -> str:
        private = json.loads((self.keys_dir / "private" / "gateway.json").read_text())
        return self.signed(header, payload, OKPKey.import_key(private))

    def hmac_signed(self, secret: bytes) -> str:
        head = encoded({"alg": "HS256", "kid": "gateway", "typ": "at+jwt"}) + "." + encoded(self.claims)
        return f"{head}.{encoded(hmac.digest(secret, head.encode(), hashlib.sha256))}"


def tampered(token: str) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"scope": "users:write", "operator_id": "*"}
    return f"{header}.{encoded(claims)}.{signature}"


def none_signed(forge: Forge, alg: str) -> str:
    return f"{encoded({'alg': alg, 'kid': 'gateway', 'typ': 'at+jwt'})}.{encoded(forge.claims)}."


FORGERIES: dict[str, Callable[[Forge], str]] = {
    "alg none": lambda f: none_signed(f, "none"),
    "alg None": lambda f: none_signed(f, "None"),
    "alg none with a signature": lambda f: none_signed(f, "none") + f.good().split(".")[2],
    "no signature": lambda f: f.good().rpartition(".")[0] + ".",
    "two parts": lambda f: f.good().rpartition(".")[0],
    "four parts": lambda f: f.good() + ".x",
    "HS256 with the public key": lambda f: f.hmac_signed(base64.urlsafe_b64decode(f.public["x"] + "=")),
    "HS256 with the public key as JSON": lambda f: f.hmac_signed(json.dumps(f.public).encode()),
    "HS256 with nothing": lambda f: f.hmac_signed(b""),
    "another algorithm's name": lambda f: f.with_own_key_of_gateway({"alg": "EdDSA"}),
    "another's key": lambda f: f.signed({}),
    "another's key in jwk": lambda f: f.signed({"jwk": f.own.as_dict(private=False)}),
    "another's key by jku": lambda f: f.signed({"jku": "http://127.0.0.1:1/keys.json"}),
    "another's key by x5u": lambda f: f.signed({"x5u": "http://127.0.0.1:1/cert.pem"}),
    "the right key with jwk beside": lambda f: f.with_own_key_of_gateway({"jwk": f.public}),
    "kid of the private key": lambda f: f.signed({"kid": "../private/gateway"}),
    "kid of a file": lambda f: f.signed({"kid": "/etc/passwd"}),
    "kid with a zero": lambda f: f.signed({"kid": "gateway\0"}),
    "kid that is a list": lambda f: f"{encoded({'alg': 'Ed25519', 'kid': ['gateway'], 'typ': 'at+jwt'})}.e30.e30",
    "no kid": lambda f: f"{encoded({'alg': 'Ed25519', 'typ': 'at+jwt'})}.{encoded(f.claims)}.e30",
    "crit that nobody knows": lambda f: (
        encoded({"alg": "Ed25519", "kid": "gateway", "typ": "at+jwt", "crit": ["x"], "x": 1})
        + f".{encoded(f.claims)}.{f.good().split('.')[2]}"
    ),
    "wrong typ": lambda f: f.good(typ="JWT"),
    "a service's token": lambda f: f.good(typ="service+jwt"),
    "a quote's token": lambda f: f.good(typ="quote+jwt"),
    "no typ": lambda f: f"{encoded({'alg': 'Ed25519', 'kid': 'gateway'})}.{encoded(f.claims)}.e30",
    "a trusted process that may not": lambda f: f.good(f.booking),
    "a trusted process in the gateway's name": lambda f: f.good(Signer("gateway", f.booking._key)),
    "another issuer claimed": lambda f: f.with_own_key_of_gateway({}, f.claims | {"iss": "booking"}),
    "expired": lambda f: f.good(ttl=timedelta(seconds=-1)),
    "expired a moment ago": lambda f: f.good(ttl=timedelta()),
    "no expiry": lambda f: f.with_own_key_of_gateway({}, {"iss": "gateway", "sub": "usr_1"}),
    "expiry as text": lambda f: f.with_own_key_of_gateway({}, f.claims | {"exp": "9999999999"}),
    "claims that are a list": lambda f: f.with_own_key_of_gateway({}, [1]),
    "claims that are no JSON": lambda f: f"{f.good().split('.')[0]}.{encoded(b'hello')}.{f.good().split('.')[2]}",
    "tampered claims": lambda f: tampered(f.good()),
    "truncated": lambda f: f.good()[:-5],
    "a letter more": lambda f: f.good() + "A",
    "10 KB": lambda f: f.good() + "A" * 10_000,
    "10 KB of scope": lambda f: f.with_own_key_of_gateway({}, f.claims | {"scope": "x" * 10_000}),
    "nested header": lambda f: f"{encoded(b'[' * 5000)}.e30.e30",
    "header that is a list": lambda f: f"{encoded([])}.e30.e30",
    "header that is null": lambda f: f"{encoded(None)}.e30.e30",
    "NaN in the header": lambda _: encoded(b'{"alg": NaN}') + ".e30.e30",
    "dots": lambda _: "..",
    "one letter": lambda _: "x",
    "nothing": lambda _: "",
    "a space": lambda _: " ",
    "letters beyond ASCII": lambda _: "\xe9\xff.\xe9.\xe9",
    "a JSON serialisation": lambda f: json.dumps({"payload": encoded(f.claims), "signatures": []}),
}


@pytest.fixture(scope="session")
def forge(shared: Running) -> Forge:
    return Forge(shared.app.state.settings.keys_dir, shared.app.state.clock)


def guarded(shared: Running) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """List method, path and description of every operation that asks for a token."""
    for path, method, operation in operations(shared.app.openapi()):
        if "security" in operation:
            yield method, path.replace("{", "").replace("}", ""), operation


async def ask(shared: Running, method: str, path: str, operation: dict[str, Any], headers: dict[str, str]) -> Any:
    """Make a request that is right but for its headers and what is in its body."""
    extra = {"Idempotency-Key": "key-1", "If-Match": '"1"'}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in (extra | headers).items()]
    return await shared.client.request(method, path, headers=raw, **body_of(operation))


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    """Write a body of the right type with nothing right in it."""
    if "requestBody" not in operation:
        return {}
    return {"files": {"zzz": b""}} if "multipart/form-data" in operation["requestBody"]["content"] else {"json": {}}


async def test_the_token_that_the_forgeries_differ_from_is_good(shared: Running, forge: Forge):
    reply = await shared.client.get("/v1/me", headers=bearer(forge.good()))
    assert reply.status_code == 200
    assert reply.json()["id"] == "usr_forged"
    assert (await shared.client.get("/v1/me", headers=bearer(forge.with_own_key_of_gateway({})))).status_code == 200


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_good_nowhere(shared: Running, forge: Forge, name: str):
    headers = {"Authorization": f"Bearer {FORGERIES[name](forge)}"}
    for method, path, operation in guarded(shared):
        reply = await ask(shared, method, path, operation, headers)
        problem(reply, 401, "unauthenticated")
        assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_not_taken_for_no_token(shared: Running, forge: Forge, name: str):
    """Where nobody needs to sign in, a bad token still tells its bearer so."""
    headers = {"Authorization": f"Bearer {FORGERIES[name](forge)}"}
    for path, method, operation in operations(shared.app.openapi()):
        if method == "get" and path in ("/v1/departures/{departure_id}", "/v1/departures"):
            problem(await ask(shared, method, path.replace("{", ""), operation, headers), 401, "unauthenticated")


@pytest.mark.parametrize("value", ["Basic YTpi", "Digest x", "bearer", "Bearer", "Token x", "\xff"])
async def test_another_scheme_is_no_token(shared: Running, value: str):
    headers = [(b"authorization", value.encode("latin-1"))]
    problem(await shared.client.get("/v1/me", headers=headers), 401, "unauthenticated")


async def test_no_token_is_refused_wherever_one_is_needed(shared: Running):
    found = list(guarded(shared))
    assert len(found) > 15
    for method, path, operation in found:
        problem(await ask(shared, method, path, operation, {}), 401, "unauthenticated")


async def test_a_token_without_the_scope_is_forbidden(shared: Running, forge: Forge):
    nobody = forge.gateway.sign({"sub": "usr_1", "scope": ""}, typ="at+jwt", now=forge.clock.now(), ttl=HOUR)
    scoped = [found for found in guarded(shared) if any(found[2]["security"][0].values())]
    assert len(scoped) > 15
    for method, path, operation in scoped:
        document = problem(await ask(shared, method, path, operation, bearer(nobody)), 403, "forbidden")
        wanted = {scope for requirement in operation["security"] for scope in requirement["OAuth2"]}
        assert set(document["facts"]["scope"].split(" or ")) == wanted


async def test_any_one_of_the_documented_scopes_is_enough(shared: Running, forge: Forge):
    for method, path, operation in guarded(shared):
        for requirement in operation["security"]:
            claims = {"sub": "usr_1", "scope": " ".join(requirement["OAuth2"]), "operator_id": "demo"}
            token = forge.gateway.sign(claims, typ="at+jwt", now=forge.clock.now(), ttl=HOUR)
            reply = await ask(shared, method, path, operation, bearer(token))
            assert reply.status_code not in {401, 403}, (method, path, requirement, reply.text)


async def test_a_key_is_asked_for_wherever_it_is_documented(shared: Running):
    headers = await shared.admin()
    found = [
        (method, path, operation)
        for method, path, operation in guarded(shared)
        if {"Idempotency-Key"} & {given["name"] for given in operation.get("parameters", []) if given["required"]}
    ]
    assert len(found) >= 5
    for method, path, operation in found:
        for key in ({}, {"Idempotency-Key": ""}, {"Idempotency-Key": "a b"}, {"Idempotency-Key": "\xe9"}):
            body = body_of(operation)
            raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers | key).items()]
            reply = await shared.client.request(method, path, headers=raw, **body)
            problem(reply, 400, "missing_idempotency_key")
        long = headers | {"Idempotency-Key": "x" * 256}
        problem(await shared.client.request(method, path, headers=long, **body), 422, "invalid_value")


class Arrived:
    """A request as far as the caller's code looks at it."""

    def __init__(self, shared: Running, **headers: str) -> None:
        self.app = shared.app
        self.headers = headers


async def test_a_call_carries_who_calls_and_in_whose_name(shared: Running, forge: Forge):
    token = forge.good()
    call = call_of(Arrived(shared, authorization=f"bearer {token}"), scopes=("bookings",), timeout=10.0, key="k1")  # type: ignore[arg-type]
    metadata = dict(call.metadata)
    assert metadata["authorization"] == f"Bearer {token}"
    assert metadata["idempotency-key"] == "k1"
    ours = shared.app.state.verifier.check(metadata["x-headway-service"], SERVICE_TOKEN, now=forge.clock.now())
    assert ours["iss"] == "gateway"
    assert (call.timeout, call.caller.subject) == (10.0, "usr_forged")


async def test_an_anonymous_call_carries_no_authorization(shared: Running):
    names = {name for name, _ in metadata_of(Arrived(shared), "")}  # type: ignore[arg-type]
    assert names >= {"x-headway-service"}
    assert not names & {"authorization", "idempotency-key"}


async def test_a_token_ends_when_it_says(gateway: Running, clock: FixedClock):
    guest = await gateway.guest()
    headers = bearer(guest["access_token"])
    clock.advance(599)
    assert (await gateway.client.get("/v1/me", headers=headers)).status_code == 200
    clock.advance(2)
    problem(await gateway.client.get("/v1/me", headers=headers), 401, "unauthenticated")
