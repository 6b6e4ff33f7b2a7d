"""Accounts and tokens in JSON."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.accounts.domain.roles import SCOPES, Role
from gateway.accounts.domain.sessions import Session
from gateway.accounts.domain.users import User
from gateway.accounts.tokens import ACCESS_TTL, AccessTokens, Issued
from gateway.schemas.shapes import EMAIL_PATTERN, OPERATOR_PATTERN, WITHOUT_NUL, Input, Output, text

PASSWORD_CHARS_MIN, SECRET_CHARS_MAX = 10, 256

Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=EMAIL_PATTERN),
    Field(examples=["ada@example.com"]),
]
Password = Annotated[
    str,
    # Spaces belong to it, wherever they stand.
    StringConstraints(
        min_length=PASSWORD_CHARS_MIN, max_length=SECRET_CHARS_MAX, pattern=WITHOUT_NUL, strip_whitespace=False
    ),
    Field(examples=["correct horse battery staple"]),
]
Name = Annotated[str, text(200)]
Scope = Annotated[str, Field(json_schema_extra={"enum": list(SCOPES)})]
OperatorId = Annotated[
    str,
    StringConstraints(pattern=OPERATOR_PATTERN),
    Field(description='Whom they work for, your own operator by default; "*" is every operator', examples=["demo"]),
]
FormText = Annotated[str, StringConstraints(max_length=SECRET_CHARS_MAX, pattern=WITHOUT_NUL)]


class RiderInput(Input):
    """Who signs up."""

    email: Email
    password: Password
    name: Name | None = Field(None, examples=["Ada Lovelace"])


class UserInput(Input):
    """A member of staff."""

    email: Email
    password: Password
    name: Name | None = None
    role: Literal["driver", "dispatcher", "pricing", "support", "operator"]
    operator_id: OperatorId | None = None


class ClientInput(Input):
    """A program that signs in by itself."""

    name: Name = Field(examples=["Ticket shop at the harbour"])
    scopes: list[Literal[tuple(SCOPES)]] = Field(min_length=1, max_length=len(SCOPES))  # type: ignore[valid-type]
    operator_id: OperatorId | None = None


class TokenForm(BaseModel):
    """What an OAuth 2 client sends, as a form; fields that are not known are ignored (RFC 6749, 3.2)."""

    model_config = ConfigDict(extra="ignore")

    grant_type: Literal["password", "refresh_token", "client_credentials"]
    username: FormText = Field("", description="For `password`: the e-mail address")
    password: FormText = Field("", description="For `password`", json_schema_extra={"format": "password"})
    refresh_token: FormText = Field("", description="For `refresh_token`; it works once, the answer has the next one")
    scope: Annotated[str, StringConstraints(max_length=1000, pattern=WITHOUT_NUL)] = Field(
        "", description="Scopes with spaces between; all that the account has when empty"
    )
    client_id: FormText = Field("", description="For `client_credentials`, here or as HTTP Basic authentication")
    client_secret: FormText = Field("", description="As `client_id`", json_schema_extra={"format": "password"})


class TokenReply(Output):
    """A token to send as `Authorization: Bearer ...`."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the access token ends", examples=[600])
    refresh_token: str | None = Field(None, description="Gets the next tokens, once; a client has none")
    scope: str = Field(examples=["bookings"])

    @classmethod
    def of(cls, session: Session, tokens: AccessTokens) -> Self:
        """Sign the access token of a session that has just begun or gone on."""
        issued = tokens.issue(subject=session.subject, scope=session.scope, operator_id=session.operator_id)
        return cls(
            access_token=issued.token,
            expires_in=int(ACCESS_TTL.total_seconds()),
            refresh_token=session.refresh_token or None,
            scope=session.scope,
        )


class Account(Output):
    """A person's account."""

    id: str
    email: str | None
    name: str | None
    role: Role
    operator_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role,
            operator_id=user.operator_id or None,
            created_at=user.created_at,
        )


class Me(Output):
    """Who the token says is calling. Guests have no e-mail address; clients and devices have no role."""

    id: str
    email: str | None
    name: str | None
    role: Role | None
    operator_id: str | None
    vehicle_id: str | None = Field(description="The one vehicle that a device's token is for")
    scopes: list[str]


class ClientReply(Output):
    """A client, and its secret for this one time."""

    client_id: str
    client_secret: str = Field(description="Keep it: it is not shown again")
    name: str
    scopes: list[str]
    operator_id: str


class DeviceTokenReply(Output):
    """What a vehicle's device reports positions with."""

    token: str
    expires_at: datetime
    grpc_address: str = Field(description="Where the device opens its stream", examples=["localhost:50052"])

    @classmethod
    def of(cls, issued: Issued, *, grpc_address: str) -> Self:
        return cls(token=issued.token, expires_at=issued.expires_at, grpc_address=grpc_address)


class PublicKey(Output):
    """An Ed25519 key (RFC 8037)."""

    kty: str = Field(examples=["OKP"])
    crv: str = Field(examples=["Ed25519"])
    x: str
    kid: str = Field(examples=["gateway"])
    alg: str = Field(examples=["Ed25519"])
    use: str = Field(examples=["sig"])


class KeySet(Output):
    """Public keys, for whoever checks our tokens."""

    keys: list[PublicKey]
