"""What is kept about who came in, who was turned away and who was given what. Never a secret, never a typed name."""

from dataclasses import dataclass
from enum import StrEnum


class Event(StrEnum):
    SIGNED_UP = "signed_up"
    GUEST_CREATED = "guest_created"
    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    REFRESHED = "refreshed"
    REFRESH_REFUSED = "refresh_refused"
    FAMILY_REVOKED = "family_revoked"
    USER_CREATED = "user_created"
    CLIENT_CREATED = "client_created"
    DEVICE_TOKEN_ISSUED = "device_token_issued"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: to whom, done by whom, from where."""

    event: Event
    # The user, client or vehicle that it is about; empty when nobody known.
    subject: str
    actor: str = ""
    address: str = ""
    # Scopes given, or the reason of a refusal.
    note: str = ""
