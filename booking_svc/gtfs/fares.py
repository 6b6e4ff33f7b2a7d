"""The fares of a feed: fare_attributes.txt with fare_rules.txt."""

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from booking_svc.gtfs.archive import Archive
from booking_svc.gtfs.problems import BadValue, shown
from booking_svc.gtfs.rows import Row, visit
from booking_svc.gtfs.stops import ZONE_ID_MAX
from booking_svc.gtfs.tables import FARE_ATTRIBUTES, FARE_RULES
from booking_svc.gtfs.values import identifier

FARES_MAX = 20_000
PRICE = re.compile(r"\d{1,7}(\.\d{0,6})?", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}")
# ISO 4217; all others have two.
DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}

Key = tuple[str, str, str]
"""Route, origin zone and destination zone; a blank one is any."""


@dataclass(frozen=True, slots=True)
class Fares:
    """The cheapest fare of each key, in the smallest unit of the currency."""

    currency: str
    cheapest: dict[Key, int]


def read_fares(archive: Archive, *, routes: Container[str]) -> Fares | None:
    """Read the fares in the currency that most of them are in; None when there are none."""
    prices = read_prices(archive)
    if not prices:
        return None
    currency = Counter(found for found, _ in prices.values()).most_common(1)[0][0]
    keys: dict[str, set[Key]] = {}
    read_rules(archive, keys, prices=prices, routes=routes)
    cheapest: dict[Key, int] = {}
    for fare_id, (price_currency, amount_minor) in prices.items():
        if price_currency != currency:
            reason = f"{shown(fare_id)} is left out: it is in {price_currency}, most fares in {currency}."
            archive.problems.warning(FARE_ATTRIBUTES.file, 0, "currency_type", reason)
            continue
        for key in keys.get(fare_id, [("", "", "")]):
            cheapest[key] = min(amount_minor, cheapest.get(key, amount_minor))
    if len(cheapest) > FARES_MAX:
        reason = f"Makes more than {FARES_MAX} fares: leave some out."
        archive.problems.error(FARE_RULES.file, 0, "", reason)
        return None
    return Fares(currency, cheapest)


def read_prices(archive: Archive) -> dict[str, tuple[str, int]]:
    """Read the currency and the amount of every fare."""
    prices: dict[str, tuple[str, int]] = {}

    def take(_: Row, cells: list[str]) -> None:
        fare_id, price, currency = cells
        if fare_id in prices:
            raise BadValue("fare_id", f"{shown(fare_id)} stands twice: give each fare an identifier of its own.")
        if not CURRENCY.fullmatch(currency):
            raise BadValue("currency_type", f"Give a currency such as EUR, not {shown(currency)}.")
        if not PRICE.fullmatch(price):
            raise BadValue("price", f"Give a price such as 4.70, from 0 to 9999999, not {shown(price)}.")
        minor = Decimal(price).scaleb(DIGITS.get(currency, 2)).to_integral_value(ROUND_HALF_UP)
        prices[identifier("fare_id", fare_id)] = currency, int(minor)

    visit(archive, FARE_ATTRIBUTES, take)
    return prices


def read_rules(
    archive: Archive, keys: dict[str, set[Key]], *, prices: dict[str, tuple[str, int]], routes: Container[str]
) -> None:
    """Collect what each fare is for; one whose rules are all left out is for nothing, and not for everything."""

    def take(row: Row, cells: list[str]) -> None:
        fare_id, route_id, origin_id, destination_id, contains_id = cells
        if fare_id not in prices:
            raise BadValue("fare_id", f"No usable fare has the identifier {shown(fare_id)}: add it or mend it.")
        found = keys.setdefault(fare_id, set())
        if route_id and route_id not in routes:
            raise BadValue("route_id", f"No usable route has the identifier {shown(route_id)}: add it or mend it.")
        if contains_id:
            row.warn("contains_id", "Is left out: fares by the zones that a ride passes through are not sold.")
            return
        for field, zone_id in (("origin_id", origin_id), ("destination_id", destination_id)):
            if zone_id:
                identifier(field, zone_id, most=ZONE_ID_MAX)
        found.add((route_id, origin_id, destination_id))

    visit(archive, FARE_RULES, take)
