"""A program that signs in with a secret of its own."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Client:
    """Its secret has 256 random bits, so that a plain digest of it cannot be guessed back."""

    id: str
    name: str
    secret_digest: str
    scopes: frozenset[str]
    operator_id: str
    created_by: str
    created_at: datetime

    def knows(self, secret: str) -> bool:
        return hmac.compare_digest(self.secret_digest, digest_of(secret))


def digest_of(secret: str) -> str:
    """Digest a secret that is too long to be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
