"""Fares in JSON: quotes and the policies that they come from."""

from datetime import datetime
from typing import Annotated, Self

from headway.pricing.v1 import fares_pb2, pricing_service_pb2
from headway.types.v1 import timetable_pb2
from pydantic import AfterValidator, Field, StrictInt, StringConstraints

from gateway.schemas.messages import plain
from gateway.schemas.shapes import WITHOUT_NUL, Currency, Id, Input, Money, Output, text
from gateway.schemas.timetable import Leg

LEGS_MAX = 6
PASSENGERS_MAX = 50
QUOTES_MAX = 200
MINOR_MAX = 10**9

Category = Annotated[str, text(32)]
Minor = Annotated[int, Field(ge=0, le=MINOR_MAX, strict=True)]
# Compared as they stand in the operator's feed, so nothing is trimmed off them.
ZoneId = Annotated[str, StringConstraints(max_length=64, pattern=WITHOUT_NUL, strip_whitespace=False)]
FeedRouteId = Annotated[str, StringConstraints(max_length=200, pattern=WITHOUT_NUL, strip_whitespace=False)]
READ_ONLY = Field(json_schema_extra={"readOnly": True})


class LegInput(Input):
    """A ride to price."""

    departure_id: Id
    origin_stop_id: Id
    destination_stop_id: Id

    def to_proto(self) -> timetable_pb2.LegRequest:
        return timetable_pb2.LegRequest(**self.model_dump())


class PassengerCategory(Input):
    """Whom to price."""

    category: Category = Field(description="One that the operator's fare policy knows", examples=["adult"])


class ExtraInput(Input):
    """Something sold beside the seat."""

    kind: Annotated[str, text(32)]
    quantity: StrictInt = Field(ge=1, le=100)


class QuoteRequest(Input):
    """What to price: every passenger on every leg."""

    legs: list[LegInput] = Field(min_length=1, max_length=LEGS_MAX)
    passengers: list[PassengerCategory] = Field(min_length=1, max_length=PASSENGERS_MAX)
    extras: list[ExtraInput] = Field(default=[], max_length=0, description="None are sold yet")
    promo_code: None = Field(None, description="None are known yet")

    def to_proto(self) -> pricing_service_pb2.QuoteFareRequest:
        return pricing_service_pb2.QuoteFareRequest(
            legs=[leg.to_proto() for leg in self.legs],
            passenger_categories=[passenger.category for passenger in self.passengers],
        )


class QuoteRequests(Input):
    """Much to price at once."""

    quotes: list[QuoteRequest] = Field(min_length=1, max_length=QUOTES_MAX)

    def to_proto(self) -> pricing_service_pb2.QuoteFaresRequest:
        return pricing_service_pb2.QuoteFaresRequest(quotes=[quote.to_proto() for quote in self.quotes])


class FareLine(Output):
    """One reason for a part of the price; the lines sum to the total."""

    rule_id: str
    description: str = Field(examples=["Child pays 50 %"])
    passenger_index: int | None
    leg_index: int | None
    price: Money


class Quote(Output):
    """A price, promised until it expires."""

    id: str
    token: str = Field(description="Signed; what a booking needs to get this price")
    expires_at: datetime
    legs: list[Leg]
    total: Money
    lines: list[FareLine]
    policy_version: int


class Quoted(Output):
    """A price of many."""

    quote: Quote


class Unpriced(Output):
    """The reason why there is no price: a code of the failure table."""

    code: Annotated[str, AfterValidator(str.lower)] = Field(validation_alias="failure_reason", examples=["not_served"])


class Quotes(Output):
    """A quote or the reason why not, in the order asked."""

    items: list[Quoted | Unpriced] = Field(validation_alias="outcomes")


class CategoryFare(Input):
    """What a category pays of the fare."""

    category: Annotated[str, text(32)] = Field(examples=["child"])
    percent: StrictInt = Field(ge=0, le=1000, description="100 is the whole fare")


class ZoneFare(Input):
    """A fixed fare between two zones or on one route; where several fit a ride, the most particular counts."""

    origin_zone_id: ZoneId = Field("", description="Any zone when left out")
    destination_zone_id: ZoneId = Field("", description="Any zone when left out")
    feed_route_id: FeedRouteId = Field("", description="Any route when left out")
    amount_minor: Minor


class FarePolicy(Input):
    """How an operator's fares come about. What was read may be sent back changed; what only we set is not looked at."""

    id: Annotated[str, READ_ONLY] = ""
    operator_id: Annotated[str, READ_ONLY] = ""
    currency: Currency = Field(examples=["EUR"])
    base_minor: Minor = Field(examples=[200])
    per_kilometer_minor: Minor = Field(0, examples=[12])
    categories: list[CategoryFare] = Field(min_length=1, max_length=50)
    minimum_minor: Minor = Field(0, description="Least fare of a passenger on a leg, before the category")
    maximum_minor: Minor = Field(0, description="Highest fare of a passenger on a leg, likewise; 0 is no bound")
    rounding_minor: Annotated[int, Field(ge=1, le=MINOR_MAX, strict=True, description="Fares are multiples of it")] = 1
    zone_fares: list[ZoneFare] = Field(
        default=[], max_length=20_000, description="Where one fits a ride, it takes the place of base and distance"
    )
    version: Annotated[int, READ_ONLY] = Field(0, description="Also the ETag; 0 is the default, in force until another")
    is_published: Annotated[bool, READ_ONLY] = Field(False, description="false: a draft, which prices nothing yet")
    feed_id: Annotated[str, READ_ONLY] = Field("", description="The feed that it was taken from; empty by hand")

    @classmethod
    def from_proto(cls, message: fares_pb2.FarePolicy) -> Self:
        return cls.model_validate(plain(message))

    def to_proto(self, policy_id: str) -> fares_pb2.FarePolicy:
        sent = self.model_dump(exclude={"id", "operator_id", "version", "is_published", "feed_id"})
        return fares_pb2.FarePolicy(id=policy_id, **sent)
