"""Shapes that several operations share. Input models are `Input`s: nothing unknown gets in."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from fastapi import Path, Query
from google.protobuf.message import Message
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from gateway.schemas.messages import plain

T = TypeVar("T")
Told = TypeVar("Told", bound=Message)

PAGE_DEFAULT, PAGE_MAX = 50, 200
AMOUNT_MAX = 10**12
WITHOUT_NUL = r"^[^\x00]*$"
ID_PATTERN = r"^[A-Za-z0-9_.:~-]{1,128}$"
OPERATOR_PATTERN = r"^(\*|[A-Za-z0-9_.:~-]{1,128})$"
EMAIL_PATTERN = r"^[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}$"
CURRENCY_PATTERN = r"^[A-Z]{3}$"
PLACE_PATTERN = r"^-?\d{1,2}(\.\d{1,15})?,-?\d{1,3}(\.\d{1,15})?$"
BOX_PATTERN = r"^-?\d{1,3}(\.\d{1,15})?(,-?\d{1,3}(\.\d{1,15})?){3}$"
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


class Input(BaseModel):
    """What a caller sends: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Output(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def from_proto(cls, message: Told) -> Self:
        """Read what a service tells; fields are called alike, and what we do not show is left out."""
        return cls.model_validate(plain(message))


def only_text(value: object) -> object:
    """Let no number pass for a time."""
    if isinstance(value, (str, datetime)):
        return value
    raise ValueError("Give a time as RFC 3339 text, for example 2030-06-01T08:00:00Z")


def to_utc(value: datetime) -> datetime:
    """Write a time in UTC, which the first and last days of the calendar cannot always be."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("This time is out of range") from None


Instant = Annotated[AwareDatetime, BeforeValidator(only_text), AfterValidator(to_utc)]
"""An aware time; it leaves as RFC 3339 in UTC, ending in Z."""


TextOrNone = Annotated[str | None, BeforeValidator(lambda told: told or None)]
"""What services tell as text that may be empty."""


def text(max_length: int, *, min_length: int = 1) -> Any:
    """Bound people's own words; it stands in the Annotated of a str."""
    return StringConstraints(min_length=min_length, max_length=max_length, pattern=WITHOUT_NUL)


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""An identifier in a body or a query."""
PathId = Annotated[str, Path(pattern=ID_PATTERN)]
"""An identifier in a path."""
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False, examples=[53.5511])]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False, examples=[9.9937])]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="How many items at most")]
"""`limit: Limit = PAGE_DEFAULT`."""
Cursor = Annotated[str, Query(max_length=500, pattern=WITHOUT_NUL, description="`next_cursor` of the page before")]
"""`cursor: Cursor = ""`."""
Currency = Annotated[str, StringConstraints(pattern=CURRENCY_PATTERN)]


class Money(BaseModel):
    """An amount in the smallest unit of its currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={
        "examples": [{"amount_minor": 1250, "currency": "EUR"}]})  # fmt: skip

    amount_minor: int = Field(ge=-AMOUNT_MAX, le=AMOUNT_MAX, strict=True)
    currency: Currency


class Page(Output, Generic[T]):
    """Some items of a list and where the next ones begin."""

    items: list[T]
    next_cursor: str | None = None
