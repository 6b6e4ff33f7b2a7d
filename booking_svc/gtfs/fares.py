"""The fares of a feed: fare_attributes.txt with fare_rules.txt."""

import re
from collections import Counter
from collections.abc import Container
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, Row, shown
from booking_svc.gtfs.rows import visit
from booking_svc.gtfs.stops import ZONE_ID_MAX
from booking_svc.gtfs.tables import FARE_ATTRIBUTES, FARE_PRODUCTS, FARE_RULES
from booking_svc.gtfs.values import identifier, known

FARES_MAX = 20_000
PRICE = re.compile(r"\d{1,7}(\.\d{0,6})?", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}")
# ISO 4217; all others have two.
NO_DIGITS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())  # noqa: SIM905
THREE_DIGITS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
ANYWHERE = ("", "", "")
KEY = ("feed_route_id", "origin_zone_id", "destination_zone_id")


class Price(NamedTuple):
    """What a fare costs, in the smallest unit of its currency, and where that stands."""

    row: Row
    currency: str
    amount_minor: int


def read_fares(archive: Archive, *, routes: Container[str]) -> dict[str, Any] | None:
    """Return the record of the cheapest fares, in the currency that most are in; None when there are none."""
    prices = read_prices(archive)
    rules = read_rules(archive, fares=prices, routes=routes)
    if not prices:
        if FARE_PRODUCTS.file in archive:
            archive.problems.warning(FARE_PRODUCTS.file, 0, "", "Is not read: give fares in fare_attributes.txt.")
        return None
    (currency, _), *_ = Counter(price.currency for price in prices.values()).most_common(1)
    cheapest: dict[tuple[str, ...], int] = {}
    for fare_id, price in prices.items():
        if price.currency != currency:
            price.row.warn("currency_type", f"Is left out, for most fares are in {currency}: use one currency.")
            continue
        for key in rules.get(fare_id, {ANYWHERE}):
            cheapest[key] = min(price.amount_minor, cheapest.get(key, price.amount_minor))
    if len(cheapest) > FARES_MAX:
        archive.problems.error(FARE_RULES.file, 0, "", f"Makes more than {FARES_MAX} fares: leave some out.")
        return None
    if not cheapest:
        archive.problems.warning(FARE_ATTRIBUTES.file, 0, "", "Has no fare that is sold: rides cost the usual fare.")
        return None
    fares = [dict(zip(KEY, key, strict=True)) | {"amount_minor": amount} for key, amount in cheapest.items()]
    return {"currency": currency, "fares": fares}


def read_prices(archive: Archive) -> dict[str, Price]:
    """Read what every fare costs."""
    prices: dict[str, Price] = {}

    def take(row: Row, cells: list[str]) -> None:
        fare_id, price, currency = cells
        if not CURRENCY.fullmatch(currency):
            raise BadValue("currency_type", f"Give a currency such as EUR, not {shown(currency)}.")
        if not PRICE.fullmatch(price):
            raise BadValue("price", f"Give a price such as 4.70, from 0 to 9999999, not {shown(price)}.")
        digits = 0 if currency in NO_DIGITS else 3 if currency in THREE_DIGITS else 2
        amount_minor = int(Decimal(price).scaleb(digits).to_integral_value(ROUND_HALF_UP))
        prices[fare_id] = Price(row, currency, amount_minor)

    visit(archive, FARE_ATTRIBUTES, take)
    return prices


def read_rules(archive: Archive, *, fares: Container[str], routes: Container[str]) -> dict[str, set[tuple[str, ...]]]:
    """Read what each fare is for; one whose rules are all left out is for nothing, and not for everything."""
    rules: dict[str, set[tuple[str, ...]]] = {}

    def take(row: Row, cells: list[str]) -> None:
        fare_id, route_id, *zone_ids, contains_id = cells
        found = rules.setdefault(known("fare_id", fare_id, fares), set())
        if route_id:
            known("route_id", route_id, routes)
        for field, zone_id in zip(("origin_id", "destination_id"), zone_ids, strict=True):
            if zone_id:
                identifier(field, zone_id, most=ZONE_ID_MAX)
        if contains_id:
            row.warn("contains_id", "Is left out: fares by the zones that a ride passes through are not sold.")
        else:
            found.add((route_id, *zone_ids))

    visit(archive, FARE_RULES, take)
    return rules
