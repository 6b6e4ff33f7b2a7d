"""A quote: what some passengers pay on some legs, and until when that holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from chassis.errors import FieldError, InvalidInput
from pricing_svc.domain.departure import Departure, Leg, Pattern
from pricing_svc.domain.errors import LegTooEarly, OtherOperator, UnknownCategory, UnknownDepartures
from pricing_svc.domain.fare import Fare
from pricing_svc.domain.fare_policy import FarePolicy
from pricing_svc.domain.identifiers import ID_CHARS_MAX, is_identifier

LEGS_MAX = 6
PASSENGERS_MAX = 50


@dataclass(frozen=True, slots=True)
class LegRequest:
    """A departure and where to get on and off."""

    departure_id: str
    origin_stop_id: str
    destination_stop_id: str


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """What to price: some legs for passengers of some categories."""

    legs: tuple[LegRequest, ...]
    categories: tuple[str, ...]

    @property
    def departure_ids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(leg.departure_id for leg in self.legs))

    @property
    def fares(self) -> int:
        """Tell how many fares this asks for: one a passenger and leg."""
        return len(self.legs) * len(self.categories)

    def fault(self) -> InvalidInput | None:
        """Return everything that is wrong whatever the timetable says."""
        errors = list(request_errors(self))
        return InvalidInput(errors=errors) if errors else None


@dataclass(frozen=True, slots=True)
class Quote:
    """A price for passengers on legs, promised until it expires; `fares` has one row a leg, one column a passenger."""

    id: str
    quoted_at: datetime
    expires_at: datetime
    currency: str
    legs: tuple[Leg, ...]
    categories: tuple[str, ...]
    fares: tuple[tuple[Fare, ...], ...]
    total_minor: int
    policy_version: int

    @property
    def lifetime(self) -> timedelta:
        return self.expires_at - self.quoted_at


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a quote is made from: the departures that are known and the fare policies of their operators."""

    departures: Mapping[str, Departure]
    patterns: Mapping[str, Pattern]
    policies: Mapping[str, FarePolicy]

    def quote(self, asked: QuoteRequest, *, quote_id: str, now: datetime, lifetime: timedelta) -> Quote:
        """Price a request.

        Raises UnknownDepartures, OtherOperator, LegTooEarly, UnknownCategory or what keeps a leg from being sold.
        """
        legs = self._legs(asked, now=now)
        must_be_one_journey(legs)
        policy = self.policies[legs[0].departure.operator_id]
        fares = tuple(fares_of(policy, leg, asked.categories) for leg in legs)
        quoted_at = now.replace(microsecond=0)
        return Quote(
            id=quote_id,
            quoted_at=quoted_at,
            expires_at=min(quoted_at + lifetime, *(leg.origin.departs_at.replace(microsecond=0) for leg in legs)),
            currency=policy.currency,
            legs=legs,
            categories=asked.categories,
            fares=fares,
            total_minor=sum(fare.total_minor for row in fares for fare in row),
            policy_version=policy.version,
        )

    def _legs(self, asked: QuoteRequest, *, now: datetime) -> tuple[Leg, ...]:
        missing = [departure_id for departure_id in asked.departure_ids if departure_id not in self.departures]
        if missing:
            raise UnknownDepartures(missing)
        return tuple(self._leg(leg, now=now) for leg in asked.legs)

    def _leg(self, asked: LegRequest, *, now: datetime) -> Leg:
        departure = self.departures[asked.departure_id]
        pattern = self.patterns[departure.pattern_id]
        return departure.leg(pattern, asked.origin_stop_id, asked.destination_stop_id, now=now)


def must_be_one_journey(legs: Sequence[Leg]) -> None:
    """Raise OtherOperator or LegTooEarly unless one operator runs the legs, each after the one before."""
    for place, (before, leg) in enumerate(pairwise(legs), 1):
        if leg.departure.operator_id != before.departure.operator_id:
            raise OtherOperator(place)
        if leg.origin.departs_at < before.destination.arrives_at:
            raise LegTooEarly(place)


def fares_of(policy: FarePolicy, leg: Leg, categories: Sequence[str]) -> tuple[Fare, ...]:
    """Price every passenger on one leg; passengers of a category share their fare."""
    priced: dict[str, Fare] = {}
    for place, category in enumerate(categories):
        if category not in priced:
            if category not in policy.percents:
                raise UnknownCategory(f"/passengers/{place}/category", list(policy.percents))
            priced[category] = policy.fare(leg, category)
    return tuple([priced[category] for category in categories])


def request_errors(asked: QuoteRequest) -> Iterator[FieldError]:
    """Yield what is wrong with a request."""
    if not 1 <= len(asked.legs) <= LEGS_MAX:
        yield FieldError("/legs", f"Give 1 to {LEGS_MAX} legs.")
    if not 1 <= len(asked.categories) <= PASSENGERS_MAX:
        yield FieldError("/passengers", f"Give 1 to {PASSENGERS_MAX} passengers.")
    for place, leg in enumerate(asked.legs[:LEGS_MAX]):
        for name in ("departure_id", "origin_stop_id", "destination_stop_id"):
            if not is_identifier(getattr(leg, name)):
                yield FieldError(f"/legs/{place}/{name}", f"Give 1 to {ID_CHARS_MAX} printable characters.")
