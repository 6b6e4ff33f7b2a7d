"""How an operator's fares come about: base and distance or zones, bounds, categories, rounding."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from chassis.access import Caller
from chassis.errors import FieldError, Forbidden, InvalidInput, LostRace, NotFound
from pricing_svc.domain.departure import Leg
from pricing_svc.domain.errors import NoDraft
from pricing_svc.domain.fare import Fare
from pricing_svc.domain.identifiers import ID_CHARS_MAX, is_identifier
from pricing_svc.domain.money import MINOR_MAX, round_half_up

SCOPE = "fares:write"
CATEGORIES_MAX = 50
CATEGORY = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
CURRENCY = re.compile(r"[A-Z]{3}")
PERCENT_MAX = 1000
# As many fares, and as long names of routes, as booking takes out of a feed.
ZONE_FARES_MAX = 20_000
ROUTE_CHARS_MAX = 200
# A policy is told in one message of the broker, which takes a mebibyte.
ZONE_BYTES_MAX = 700_000

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class CategoryFare:
    """What a category pays of the fare, in percent."""

    category: str
    percent: int


@dataclass(frozen=True, slots=True)
class ZoneFare:
    """A fixed fare from one zone to another, or on one route; what is empty fits all."""

    origin_zone_id: str
    destination_zone_id: str
    amount_minor: int
    feed_route_id: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.feed_route_id, self.origin_zone_id, self.destination_zone_id


# No slots: the tables that a fare is looked up in are made on first use and kept with the policy.
@dataclass(frozen=True)
class FarePolicy:
    """One version of an operator's fares; the policy's id is the operator's."""

    id: str
    currency: str
    base_minor: int
    per_kilometer_minor: int
    categories: tuple[CategoryFare, ...]
    minimum_minor: int
    maximum_minor: int
    rounding_minor: int
    zone_fares: tuple[ZoneFare, ...] = ()
    version: int = 0
    is_published: bool = False
    # The feed that it was taken from; empty when somebody has put it.
    feed_id: str = ""

    @cached_property
    def percents(self) -> dict[str, int]:
        """Return what each category pays of the fare, in percent."""
        return {fare.category: fare.percent for fare in self.categories}

    @cached_property
    def fixed(self) -> dict[tuple[str, str, str], int]:
        """Return each fixed fare by route, origin zone and destination zone."""
        return {fare.key: fare.amount_minor for fare in self.zone_fares}

    def fare(self, leg: Leg, category: str) -> Fare:
        """Price one passenger of a known category on one leg.

        The exact fare is kept in thousandths, and after the category in hundred-thousandths, of the smallest unit;
        only the end is rounded. What the lines before it cut off is in the line of the rounding.
        """
        percent = self.percents[category]
        rule, description, exact = self._basis(leg)
        bound, bounded = self._bounded(exact)
        charged = bounded * percent
        total_minor = round_half_up(charged, 100_000, multiple=self.rounding_minor)
        return Fare.of(
            (
                (rule, description, exact // 1000),
                (bound, BOUNDS[bound], bounded // 1000),
                (f"category:{category}", f"{category.capitalize()} pays {percent} %", charged // 100_000),
                ("rounding", "Rounding", total_minor),
            )
        )

    def _basis(self, leg: Leg) -> tuple[str, str, int]:
        """Return the rule that a leg is priced by, its description and its fare in thousandths."""
        if self.zone_fares and (found := self._fixed_fare(leg)) is not None:
            return found
        if not self.per_kilometer_minor:
            return "flat", "Flat fare", self.base_minor * 1000
        meters = leg.meters
        kilometers = f"{meters // 1000}.{meters % 1000 // 100}"
        return "distance", f"Ride of {kilometers} km", self.base_minor * 1000 + self.per_kilometer_minor * meters

    def _fixed_fare(self, leg: Leg) -> tuple[str, str, int] | None:
        """Find the most particular fixed fare of a leg: both zones count more than one, and any zone than the route."""
        origin, destination = leg.origin.zone_id, leg.destination.zone_id
        for zones in ((origin, destination), (origin, ""), ("", destination), ("", "")):
            for route in (leg.departure.route.feed_route_id, ""):
                if (amount_minor := self.fixed.get((route, *zones))) is not None:
                    return "zone", zone_description(*zones), amount_minor * 1000
        return None

    def _bounded(self, exact: int) -> tuple[str, int]:
        """Keep a fare in thousandths between the bounds and name the one that it comes near."""
        if self.maximum_minor and exact > self.maximum_minor * 1000:
            return "maximum", self.maximum_minor * 1000
        return "minimum", max(exact, self.minimum_minor * 1000)

    def replaced_by(self, draft: "FarePolicy", *, seen_version: int) -> "FarePolicy":
        """Return the draft that comes after this version, if it is the one that its author has seen."""
        self._must_be(seen_version)
        draft.must_be_valid()
        return replace(draft, version=self.version + 1, is_published=False)

    def publish(self, *, seen_version: int) -> "FarePolicy":
        """Put the draft in force; one that is in force already stays as it is."""
        self._must_be(seen_version)
        if not self.version:
            raise NoDraft(policy_id=self.id)
        return self if self.is_published else replace(self, is_published=True)

    def has_fares_of(self, other: "FarePolicy") -> bool:
        """Tell whether two versions cost the same everywhere, wherever they come from."""
        return self == replace(other, version=self.version, is_published=self.is_published, feed_id=self.feed_id)

    def must_be_valid(self) -> None:
        """Raise InvalidInput with everything that is wrong."""
        errors = [*bound_errors(self), *category_errors(self.categories), *zone_errors(self.zone_fares)]
        if errors:
            raise InvalidInput(errors=errors)

    def _must_be(self, seen_version: int) -> None:
        if seen_version != self.version:
            raise LostRace(version=self.version)


def zone_description(origin: str, destination: str) -> str:
    """Tell people what a fixed fare is for."""
    if origin and destination:
        return f"From zone {origin} to zone {destination}"
    if origin or destination:
        return f"From zone {origin}" if origin else f"To zone {destination}"
    return "Fixed fare"


BOUNDS = {"minimum": "Minimum fare of a ride", "maximum": "Maximum fare of a ride"}
DEFAULT = FarePolicy(
    id="",
    currency="EUR",
    base_minor=200,
    per_kilometer_minor=12,
    categories=(
        CategoryFare("adult", 100),
        CategoryFare("child", 50),
        CategoryFare("senior", 70),
        CategoryFare("student", 80),
        CategoryFare("infant", 0),
    ),
    minimum_minor=100,
    maximum_minor=0,
    rounding_minor=5,
    is_published=True,
)
"""In force for operators that have published none, as version 0."""


def default_policy(operator_id: str) -> FarePolicy:
    """Return what is in force for an operator that has published nothing."""
    return replace(DEFAULT, id=operator_id)


def policy_of_feed(operator_id: str, feed_id: str, currency: str, fares: Sequence[ZoneFare]) -> FarePolicy:
    """Make a policy of a feed's fares, with the usual categories.

    A ride that none of them fits costs what the feed asks for any ride, or else its dearest fare: no ride is sold for
    less than the operator would ask. Without any fare it is the default.
    """
    if not fares:
        return replace(default_policy(operator_id), is_published=False, feed_id=feed_id)
    everywhere = [fare.amount_minor for fare in fares if not any(fare.key)]
    base_minor = min(everywhere) if everywhere else max(fare.amount_minor for fare in fares)
    return replace(
        default_policy(operator_id),
        currency=currency,
        base_minor=base_minor,
        per_kilometer_minor=0,
        minimum_minor=0,
        rounding_minor=1,
        zone_fares=tuple(fare for fare in fares if any(fare.key)),
        is_published=False,
        feed_id=feed_id,
    )


def must_handle(caller: Caller, policy_id: str) -> None:
    """Raise NotFound unless a policy is this member of staff's to handle."""
    if not is_identifier(policy_id) or not caller.works_for(policy_id):
        raise NotFound


def must_read(caller: Caller, policy_id: str) -> None:
    """Let our own processes read any policy; whoever else reads, also through one of them, must handle it."""
    if caller.service and not caller.subject:
        return
    if not caller.has(SCOPE):
        raise Forbidden(scope=SCOPE)
    must_handle(caller, policy_id)


def bound_errors(policy: FarePolicy) -> Iterator[FieldError]:
    """Yield what is wrong with the currency and the single amounts."""
    if not CURRENCY.fullmatch(policy.currency):
        yield FieldError("/currency", "Give three upper-case letters, as in ISO 4217.")
    for name in ("base_minor", "per_kilometer_minor", "minimum_minor", "maximum_minor"):
        if not 0 <= getattr(policy, name) <= MINOR_MAX:
            yield FieldError(f"/{name}", f"Give 0 to {MINOR_MAX}.")
    if not 1 <= policy.rounding_minor <= MINOR_MAX:
        yield FieldError("/rounding_minor", f"Give 1 (no rounding) to {MINOR_MAX}.")
    if 0 < policy.maximum_minor < policy.minimum_minor:
        yield FieldError("/maximum_minor", "Give no less than the minimum, or 0 for no maximum.")


def category_errors(categories: Sequence[CategoryFare]) -> Iterator[FieldError]:
    """Yield what is wrong with the categories."""
    if not 1 <= len(categories) <= CATEGORIES_MAX:
        yield FieldError("/categories", f"Give 1 to {CATEGORIES_MAX} categories.")
    for place, fare in enumerate(categories[:CATEGORIES_MAX]):
        if not CATEGORY.fullmatch(fare.category):
            yield FieldError(f"/categories/{place}/category", "Give 1 to 32 lower-case letters, digits, - or _.")
        if not 0 <= fare.percent <= PERCENT_MAX:
            yield FieldError(f"/categories/{place}/percent", f"Give 0 to {PERCENT_MAX}.")
    if twice := repeated(fare.category for fare in categories):
        yield FieldError("/categories", f"Give each category once: {', '.join(twice)[:200]}.")


def zone_errors(zone_fares: Sequence[ZoneFare]) -> Iterator[FieldError]:
    """Yield what is wrong with the fares between zones."""
    if len(zone_fares) > ZONE_FARES_MAX:
        yield FieldError("/zone_fares", f"Give at most {ZONE_FARES_MAX} pairs of zones.")
    if sum(len("".join(fare.key).encode()) for fare in zone_fares) > ZONE_BYTES_MAX:
        yield FieldError("/zone_fares", f"Give zones whose names are {ZONE_BYTES_MAX} bytes in all at most.")
    for place, fare in enumerate(zone_fares[:ZONE_FARES_MAX]):
        yield from fixed_fare_errors(f"/zone_fares/{place}", fare)
    if twice := repeated(fare.key for fare in zone_fares):
        named = ", ".join(" to ".join(filter(None, key)) for key in twice)
        yield FieldError("/zone_fares", f"Give each pair of zones once: {named[:200]}.")


def fixed_fare_errors(at: str, fare: ZoneFare) -> Iterator[FieldError]:
    """Yield what is wrong with one fixed fare."""
    if not any(fare.key):
        yield FieldError(at, "Give zones, or a route; a fare for all rides is the base.")
    zones = {"origin_zone_id": ID_CHARS_MAX, "destination_zone_id": ID_CHARS_MAX}
    for name, most in (zones | {"feed_route_id": ROUTE_CHARS_MAX}).items():
        if getattr(fare, name) and not is_identifier(getattr(fare, name), most=most):
            yield FieldError(f"{at}/{name}", f"Give 1 to {most} printable characters.")
    if not 0 <= fare.amount_minor <= MINOR_MAX:
        yield FieldError(f"{at}/amount_minor", f"Give 0 to {MINOR_MAX}.")


def repeated(things: Iterable[T]) -> list[T]:
    """Return what occurs more than once."""
    return [thing for thing, times in Counter(things).items() if times > 1]
