"""Tokens that nobody may believe, each made by somebody who has everything but what it takes."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, OKPKey

Claims = dict[str, Any]


def coded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Forger:
    """Holds keys of this system and of none, and a good token to start from."""

    def __init__(self, keys: Path, good: str) -> None:
        self.good = good
        self.head, self.body, self.signature = good.split(".")
        self.header, self.claims = decoded(self.head), decoded(self.body)
        self._keys = {path.stem: OKPKey.import_key(json.loads(path.read_text())) for path in keys.glob("*.json")}
        self._mine = OKPKey.generate_key("Ed25519")

    def public(self) -> dict[str, Any]:
        return dict(self._mine.as_dict(private=False))

    def known_public(self) -> bytes:
        return base64.urlsafe_b64decode(self._keys["gateway"].as_dict(private=False)["x"] + "=")

    def signed(self, header: Mapping[str, Any] = {}, claims: Mapping[str, Any] = {}, *, by: str = "") -> str:
        """Sign with a key of ours, or with one that nobody knows; None leaves a member out."""
        changed = [{k: v for k, v in {**old, **new}.items() if v is not None}
                   for old, new in ((self.header, header), (self.claims, claims))]  # fmt: skip
        signing = ".".join(map(coded, changed))
        key: Any = self._keys[by] if by else self._mine
        return f"{signing}.{coded(key.private_key.sign(signing.encode()))}"

    def unsigned(self, algorithm: str, signature: str = "") -> str:
        return f"{coded({**self.header, 'alg': algorithm})}.{self.body}.{signature}"

    def with_secret(self, secret: bytes) -> str:
        signing = f"{coded({**self.header, 'alg': 'HS256'})}.{self.body}"
        return f"{signing}.{coded(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}"

    def elliptic(self) -> str:
        from joserfc import jws

        header = {**self.header, "alg": "ES256"}
        payload = json.dumps(self.claims).encode()
        return jws.serialize_compact(header, payload, ECKey.generate_key("P-256"), algorithms=["ES256"])


def now() -> int:
    return int(time.time())


FORGED: Mapping[str, Callable[[Forger], str]] = {
    "no algorithm": lambda forger: forger.unsigned("none"),
    "no algorithm in capitals": lambda forger: forger.unsigned("NONE"),
    "no algorithm, but a signature": lambda forger: forger.unsigned("none", forger.signature),
    "the public key as a secret": lambda forger: forger.with_secret(forger.known_public()),
    "an empty secret": lambda forger: forger.with_secret(b""),
    "another curve": Forger.elliptic,
    "the algorithm's general name": lambda forger: forger.signed({"alg": "EdDSA"}, by="gateway"),
    "an algorithm of no name": lambda forger: forger.signed({"alg": None}, by="gateway"),
    "somebody's key under the gateway's name": lambda forger: forger.signed(),
    "pricing's key under the gateway's name": lambda forger: forger.signed(by="pricing"),
    "pricing's key under its own name": lambda forger: forger.signed(
        {"kid": "pricing"}, {"iss": "pricing"}, by="pricing"
    ),
    "booking's key under its own name": lambda forger: forger.signed(
        {"kid": "booking"}, {"iss": "booking"}, by="booking"
    ),
    "a key nobody knows": lambda forger: forger.signed({"kid": "stranger"}, {"iss": "stranger"}),
    "no key's name": lambda forger: forger.signed({"kid": None}, by="gateway"),
    "an empty key's name": lambda forger: forger.signed({"kid": ""}, by="gateway"),
    "a key's name that is a path": lambda forger: forger.signed({"kid": "../private/gateway"}, by="gateway"),
    "a key's name that is a list": lambda forger: forger.signed({"kid": ["gateway"]}, by="gateway"),
    "a key in the header": lambda forger: forger.signed({"jwk": forger.public()}),
    "a key's address in the header": lambda forger: forger.signed({"jku": "http://127.0.0.1:1/keys"}),
    "a certificate's address in the header": lambda forger: forger.signed({"x5u": "http://127.0.0.1:1/c"}),
    "an unknown critical header": lambda forger: forger.signed({"crit": ["b64"], "b64": False}, by="gateway"),
    "no type": lambda forger: forger.signed({"typ": None}, by="gateway"),
    "a plain type": lambda forger: forger.signed({"typ": "JWT"}, by="gateway"),
    "a service's type": lambda forger: forger.signed({"typ": "service+jwt"}, by="gateway"),
    "a quote's type": lambda forger: forger.signed({"typ": "quote+jwt", "kid": "pricing"}, by="pricing"),
    "a ticket's type": lambda forger: forger.signed({"typ": "ticket+jwt", "kid": "booking"}, by="booking"),
    "expired": lambda forger: forger.signed(claims={"exp": now() - 3600}, by="gateway"),
    "expired a second ago": lambda forger: forger.signed(claims={"exp": now() - 1}, by="gateway"),
    "without an end": lambda forger: forger.signed(claims={"exp": None}, by="gateway"),
    "an end in words": lambda forger: forger.signed(claims={"exp": "tomorrow"}, by="gateway"),
    "an end without end": lambda forger: forger.signed(claims={"exp": 1e400}, by="gateway"),
    "not valid yet": lambda forger: forger.signed(claims={"nbf": now() + 3600}, by="gateway"),
    "not valid before somebody says": lambda forger: forger.signed(claims={"nbf": "later"}, by="gateway"),
    "of another issuer": lambda forger: forger.signed(claims={"iss": "pricing"}, by="gateway"),
    "of no issuer": lambda forger: forger.signed(claims={"iss": None}, by="gateway"),
    "other claims under the signature": lambda forger: (
        f"{forger.head}.{coded({**forger.claims, 'operator_id': '*'})}.{forger.signature}"
    ),
    "another header over the signature": lambda forger: (
        f"{coded({**forger.header, 'typ': 'at+jwt '})}.{forger.body}.{forger.signature}"
    ),
    "a signature cut short": lambda forger: forger.good[:-8],
    "an empty signature": lambda forger: f"{forger.head}.{forger.body}.",
    "no signature": lambda forger: f"{forger.head}.{forger.body}",
    "four parts": lambda forger: f"{forger.good}.{forger.signature}",
    "claims that are a list": lambda forger: f"{forger.head}.{coded([1])}.{forger.signature}",
    "garbage": lambda _: "x.y.z",
    "ten thousand letters": lambda _: "a" * 10_000,
    "dots": lambda _: "..",
}
"""What is wrong with it -> the token."""
