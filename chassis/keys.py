"""Ed25519 keys and the tokens they sign. Every process has a key of its own and one folder of keys it trusts."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from chassis.errors import NotAuthenticated
from chassis.files import sync_folder
from chassis.logs import EventLog

log = EventLog(__name__)

ALGORITHM = "Ed25519"
"""Fully named signature algorithm. https://www.rfc-editor.org/rfc/rfc9864"""
LEEWAY_SECONDS = 30
REMEMBERED_MAX = 10_000
TOKEN_BYTES_MAX = 8192
SETTLED_NANOSECONDS = 1_000_000_000
HEADER_NAMES = {"alg", "kid", "typ"}


class InvalidToken(NotAuthenticated):
    """Forged, tampered with, for another purpose or by nobody we trust."""


class ExpiredToken(InvalidToken):
    detail = "The token has expired. Ask for a new one."


class Signer:
    """Signs tokens in the name of one process."""

    def __init__(self, name: str, key: OKPKey) -> None:
        self.name = name
        self._key = key

    def sign(self, claims: Mapping[str, object], *, typ: str, now: datetime, ttl: timedelta) -> str:
        """Make a compact JWS of claims, ours to answer for until it expires."""
        header = {"alg": ALGORITHM, "kid": self.name, "typ": typ}
        issued = int(now.timestamp())
        times = {"iss": self.name, "iat": issued, "exp": issued + int(ttl.total_seconds())}
        payload = json.dumps({**claims, **times}, separators=(",", ":")).encode()
        return jws.serialize_compact(header, payload, self._key, algorithms=[ALGORITHM])


@dataclass(frozen=True, slots=True)
class Purpose:
    """A kind of token and the one process that may sign it; an empty issuer is any trusted process."""

    typ: str
    issuer: str


USER_TOKEN = Purpose("at+jwt", "gateway")
SERVICE_TOKEN = Purpose("service+jwt", "")


class Verifier:
    """Checks tokens against a folder of public keys, without asking anybody; a key is replaced by a file renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_at = 0
        self._keys: dict[str, OKPKey] = {}
        # Claims of tokens whose signature was found good, oldest first.
        self._remembered: dict[tuple[Purpose, bytes], dict[str, Any]] = {}

    def check(self, token: str, purpose: Purpose, *, now: datetime) -> dict[str, Any]:
        """Return the claims of a token; raise InvalidToken or ExpiredToken."""
        self._reread()
        known = purpose, hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        if (claims := self._remembered.get(known)) is None:
            claims = self._remembered[known] = self._claims(token, purpose)
            if len(self._remembered) > REMEMBERED_MAX:
                del self._remembered[next(iter(self._remembered))]
        if claims["exp"] + (LEEWAY_SECONDS if purpose.typ == SERVICE_TOKEN.typ else 0) <= now.timestamp():
            raise ExpiredToken
        if claims.get("nbf", 0) > now.timestamp() + LEEWAY_SECONDS:
            raise InvalidToken
        return claims

    def jwks(self, name: str) -> dict[str, Any]:
        """Return a process's public key as a key set."""
        self._reread()
        return {"keys": [{**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"}
                         for kid, key in self._keys.items() if kid == name]}  # fmt: skip

    def _claims(self, token: str, purpose: Purpose) -> dict[str, Any]:
        if len(token) > TOKEN_BYTES_MAX:
            raise InvalidToken
        try:
            header = jws.extract_compact(token.encode()).headers()
            key = self._key(header, purpose)
            claims = json.loads(jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload)
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidToken from error
        if not isinstance(claims, dict) or claims.get("iss") != header["kid"]:
            raise InvalidToken
        if not (isinstance(claims.get("exp"), int) and isinstance(claims.get("nbf", 0), int)):
            raise InvalidToken
        return claims

    def _key(self, header: Mapping[str, object], purpose: Purpose) -> OKPKey:
        """Choose by our own folder only: a header that brings its key, or anything unknown, is refused."""
        kid = str(header["kid"])
        if set(header) != HEADER_NAMES or header["typ"] != purpose.typ or purpose.issuer not in ("", kid):
            raise InvalidToken
        return self._keys[kid]

    def _reread(self) -> None:
        """Read the folder again when it has changed; what was checked with the old keys is forgotten."""
        changed_at = self._folder.stat().st_mtime_ns
        if changed_at != self._read_at:
            # A change that is fresh may hide another one in the same tick of the file system's clock.
            is_settled = time.time_ns() - changed_at > SETTLED_NANOSECONDS
            self._read_at = changed_at if is_settled else 0
            self._keys = read_keys(self._folder)
            self._remembered.clear()


def read_keys(folder: Path) -> dict[str, OKPKey]:
    """Read the keys of a folder by name; a file that holds none must not take the others along."""
    found = {}
    for path in folder.glob("*.json"):
        try:
            found[path.stem] = OKPKey.import_key(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, JoseError) as error:
            log.warning("key_unreadable", name=path.stem, cause=type(error).__name__)
    return found


def open_signer(name: str, folder: Path) -> Signer:
    """Load a process's key from folder/private, or make one; its public half goes to folder/trusted."""
    private, trusted = folder / "private" / f"{name}.json", folder / "trusted" / f"{name}.json"
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    trusted.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not private.exists():
        write_once(private, OKPKey.generate_key("Ed25519").as_dict(private=True))
    key = OKPKey.import_key(json.loads(private.read_text()))
    public = key.as_dict(private=False)
    if trusted.exists() and json.loads(trusted.read_text())["x"] != public["x"]:
        trusted.unlink()
    if not trusted.exists():
        write_once(trusted, public)
    return Signer(name, key)


def write_once(path: Path, content: Mapping[str, object]) -> None:
    """Write a file that nobody ever sees half written, for its owner's eyes; whoever was first keeps what he wrote."""
    with NamedTemporaryFile("w", dir=path.parent) as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
    sync_folder(path.parent)
