"""A price for passengers on legs, explained, signed and promised for a while."""

import json
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest
from headway.types.v1 import timetable_pb2

from chassis.errors import Failure, InvalidInput
from chassis.keys import TOKEN_BYTES_MAX, ExpiredToken, InvalidToken, Purpose, Verifier
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.domain.errors import LegTooEarly, OtherOperator, UnknownCategory, UnknownDepartures
from pricing_svc.domain.fare_policy import CategoryFare
from pricing_svc.domain.quote import LegRequest, Quote, QuoteRequest
from pricing_svc.queries.quote_fare import quote_fare
from pricing_svc.store.work import Work
from tests.pricing_svc import network
from tests.pricing_svc.network import START, asked, instant, leg
from tests.pricing_svc.service import LIFETIME, Pricing, ask, keep, put_in_force, refusal, wire

FARE_QUOTE = Purpose("quote+jwt", "pricing")


def quote(store: Store[Work], request: QuoteRequest) -> Quote:
    found: Quote = ask(store, quote_fare, asked=request, lifetime=LIFETIME)
    return found


def refuses(store: Store[Work], request: QuoteRequest) -> Failure:
    with pytest.raises(Failure) as caught:
        quote(store, request)
    return caught.value


def test_each_passenger_pays_on_each_leg(store: Store[Work]):
    put_in_force(store, network.policy())
    keep(store, network.departure("dep_1"), network.departure("dep_2", start=START + timedelta(hours=9)))
    found = quote(store, asked(leg("dep_1"), leg("dep_2", "stp_c", "stp_d"), categories=["adult", "child", "adult"]))
    prices = [[fare.total_minor for fare in row] for row in found.fares]
    assert prices == [[555, 278, 555], [645, 323, 645]]  # 277.5 and 322.5 upwards
    assert found.total_minor == sum(map(sum, prices))
    assert (found.currency, found.policy_version, found.categories) == ("EUR", 1, ("adult", "child", "adult"))
    assert found.id.startswith("quo_")


def test_an_operator_without_a_policy_charges_the_default(store: Store[Work]):
    keep(store, network.departure())
    found = quote(store, asked())
    assert (found.total_minor, found.policy_version) == (505, 0)


def test_zones_are_those_of_the_calls(store: Store[Work]):
    put_in_force(store, network.policy(zone_fares=(network.zone_fare("Z1", "Z2", 1234),)))
    keep(store, network.departure())
    assert quote(store, asked(leg(origin="stp_b"))).total_minor == 1234
    assert quote(store, asked(leg(destination="stp_b"))).total_minor == 400


def test_each_operator_charges_by_the_newest_of_its_own_policies(store: Store[Work]):
    put_in_force(store, network.policy("opr_sea"))
    put_in_force(store, network.policy("opr_land", base_minor=7))
    put_in_force(store, network.policy("opr_land", base_minor=0), seen_version=1)
    keep(store, network.departure("dep_1"), network.departure("dep_2", operator="opr_land"))
    found = [quote(store, asked(leg(id_))) for id_ in ("dep_1", "dep_2")]
    assert [(one.total_minor, one.policy_version) for one in found] == [(555, 1), (255, 2)]


@pytest.mark.parametrize("currency", ["EUR", "CHF"])
def test_legs_of_two_operators_are_refused_as_they_would_be_when_held(store: Store[Work], currency: str):
    put_in_force(store, network.policy("opr_land", currency=currency))
    there, and_on = network.following(2)
    keep(store, there, replace(and_on, operator_id="opr_land"))
    failure = refuses(store, asked(leg("dep_0"), leg("dep_1")))
    assert isinstance(failure, OtherOperator)
    assert [error.pointer for error in failure.errors] == ["/legs/1"]


def test_the_way_there_and_back_are_one_journey(store: Store[Work]):
    back = [
        (stop, zone, meters) for (stop, zone, _), (_, _, meters) in zip(network.LINE[::-1], network.LINE, strict=True)
    ]
    keep(store, network.departure("dep_1"), network.departure("dep_2", start=START + timedelta(days=3), line=back))
    found = quote(store, asked(leg("dep_1", "stp_a", "stp_d"), leg("dep_2", "stp_d", "stp_a")))
    assert [row[0].total_minor for row in found.fares] == [920, 920]


@pytest.mark.parametrize(
    "legs",
    [
        (leg("dep_1"), leg("dep_0")),
        (leg("dep_0"), leg("dep_0")),
        (leg("dep_0", "stp_b", "stp_d"), leg("dep_0", "stp_a", "stp_b")),
        (leg("dep_0", "stp_a", "stp_c"), leg("dep_0", "stp_b", "stp_d")),
    ],
    ids=["back in time", "the same twice", "the end before the beginning", "in part the same"],
)
def test_a_leg_that_leaves_before_the_last_arrives_is_pointed_at(store: Store[Work], legs: tuple[LegRequest, ...]):
    keep(store, *network.following(2))
    failure = refuses(store, asked(*legs))
    assert isinstance(failure, LegTooEarly)
    assert [error.pointer for error in failure.errors] == ["/legs/1"]


def test_of_many_legs_the_first_that_comes_too_early_is_pointed_at(store: Store[Work]):
    keep(store, *network.following(3))
    failure = refuses(store, asked(*(leg(id_) for id_ in ("dep_0", "dep_2", "dep_1", "dep_0"))))
    assert [error.pointer for error in failure.errors] == ["/legs/2"]


@pytest.mark.parametrize(("seconds", "is_in_time"), [(0, True), (-1, False)])
def test_a_leg_may_leave_in_the_second_in_which_the_last_arrives(store: Store[Work], seconds: int, is_in_time: bool):
    arrives = START + timedelta(minutes=59)
    keep(store, network.departure("dep_1"), network.departure("dep_2", start=arrives + timedelta(seconds=seconds)))
    request = asked(leg("dep_1", "stp_a", "stp_c"), leg("dep_2"))
    assert (
        (quote(store, request).total_minor == 1010) if is_in_time else isinstance(refuses(store, request), LegTooEarly)
    )


def test_a_quote_ends_after_its_lifetime_in_whole_seconds(store: Store[Work]):
    keep(store, network.departure())
    found = quote(store, asked())
    now = store._clock.now()
    assert now.microsecond
    assert found.expires_at == now.replace(microsecond=0) + LIFETIME


def test_a_quote_ends_when_its_first_departure_leaves(store: Store[Work]):
    soon = store._clock.now().replace(microsecond=0) + timedelta(minutes=5)
    keep(store, network.departure("dep_1", start=START + timedelta(hours=3)), network.departure("dep_2", start=soon))
    assert quote(store, asked(leg("dep_2"))).expires_at == soon
    assert quote(store, asked(leg("dep_2"), leg("dep_1"))).expires_at == soon
    # Only the origin's time counts: half an hour later this departure leaves the next stop.
    assert quote(store, asked(leg("dep_2", "stp_b"))).expires_at > soon


def test_categories_that_no_policy_knows_are_pointed_at(store: Store[Work]):
    keep(store, network.departure())
    failure = refuses(store, asked(categories=["adult", "dog", "adult"]))
    assert isinstance(failure, UnknownCategory)
    (error,) = failure.errors
    assert error.pointer == "/passengers/1/category"
    assert "adult, child, senior, student, infant" in error.detail


def test_a_category_must_be_known_to_the_operator(store: Store[Work]):
    put_in_force(store, network.policy("opr_land", categories=(CategoryFare("adult", 100),)))
    keep(store, network.departure("dep_1"), network.departure("dep_2", operator="opr_land"))
    assert quote(store, asked(leg("dep_1"), categories=["child"])).total_minor == 255
    assert isinstance(refuses(store, asked(leg("dep_2"), categories=["child"])), UnknownCategory)


def test_every_departure_that_is_not_known_is_named(store: Store[Work]):
    keep(store, network.departure("dep_1"))
    failure = refuses(store, asked(leg("dep_9"), leg("dep_1"), leg("dep_8"), leg("dep_9")))
    assert isinstance(failure, UnknownDepartures)
    assert failure.departure_ids == ("dep_9", "dep_8")


@pytest.mark.parametrize(
    ("request_", "pointers"),
    [
        (QuoteRequest((), ()), ["/legs", "/passengers"]),
        (QuoteRequest((leg(),) * 7, ("adult",)), ["/legs"]),
        (QuoteRequest((leg(),), ("adult",) * 51), ["/passengers"]),
        (QuoteRequest((leg(), LegRequest("", "stp_a", "x" * 65)), ("adult",)),
         ["/legs/1/departure_id", "/legs/1/destination_stop_id"]),
        (QuoteRequest((LegRequest("dep\0", "stp_a", "stp\n"),), ("adult",)),
         ["/legs/0/departure_id", "/legs/0/destination_stop_id"]),
    ],
)  # fmt: skip
def test_a_request_out_of_bounds_is_pointed_at(store: Store[Work], request_: QuoteRequest, pointers: list[str]):
    failure = refuses(store, request_)
    assert isinstance(failure, InvalidInput)
    assert [error.pointer for error in failure.errors] == pointers


def test_six_legs_and_fifty_passengers_are_within_bounds(store: Store[Work]):
    keep(store, *network.following(6))
    found = quote(store, asked(*(leg(f"dep_{number}") for number in range(6)), categories=["adult"] * 50))
    assert found.total_minor == 6 * 50 * 505


async def test_a_quote_through_grpc_explains_itself_exactly(pricing: Pricing):
    await pricing.keep(network.departure("dep_1"), network.departure("dep_2", start=START + timedelta(hours=9)))
    found = await pricing.quote(asked(leg("dep_1"), leg("dep_2", "stp_c", "stp_d"), categories=["adult", "child"]))
    assert sum(line.price.amount_minor for line in found.lines) == found.total.amount_minor == 505 + 255 + 615 + 305
    assert {line.price.currency for line in found.lines} == {found.total.currency} == {"EUR"}
    explained = [(line.leg_index, line.passenger_index, line.rule_id, line.price.amount_minor) for line in found.lines]
    assert explained == [
        (0, 0, "distance", 506),
        (0, 0, "rounding", -1),
        (0, 1, "distance", 506),
        (0, 1, "category:child", -253),
        (0, 1, "rounding", 2),
        (1, 0, "distance", 614),
        (1, 0, "rounding", 1),
        (1, 1, "distance", 614),
        (1, 1, "category:child", -307),
        (1, 1, "rounding", -2),
    ]
    assert all(line.HasField("leg_index") and line.HasField("passenger_index") for line in found.lines)


async def test_a_quote_shows_its_legs_in_full(pricing: Pricing):
    await pricing.keep(network.departure(state="BOARDING"))
    (shown,) = (await pricing.quote(asked())).legs
    assert (shown.departure_id, shown.operator_id, shown.headsign) == ("dep_1", "opr_sea", "Stop D")
    assert (shown.route.short_name, shown.route.mode) == ("F1", timetable_pb2.MODE_FERRY)
    assert (shown.service_date, shown.state) == ("2030-01-02", timetable_pb2.DEPARTURE_STATE_BOARDING)
    ends = [(end.stop_id, end.stop_name, end.timezone, end.sequence) for end in (shown.origin, shown.destination)]
    assert ends == [("stp_a", "Stop A", "Europe/Lisbon", 0), ("stp_c", "Stop C", "Europe/Lisbon", 2)]
    assert instant(shown.origin.scheduled_at) == START
    assert instant(shown.destination.scheduled_at) == START + timedelta(minutes=59)


async def test_the_token_is_all_that_booking_needs(pricing: Pricing, keys_dir):
    await pricing.keep(
        network.departure("dep_1", version=7), network.departure("dep_2", start=START + timedelta(hours=3))
    )
    found = await pricing.quote(asked(leg("dep_1"), leg("dep_2", "stp_b", "stp_c"), categories=["adult", "child"]))
    now = pricing.clock.now()
    claims = Verifier(keys_dir / "trusted").check(found.token, FARE_QUOTE, now=now)
    assert claims == {
        "quote_id": found.id,
        "currency": "EUR",
        "total_minor": found.total.amount_minor,
        "policy_version": 0,
        "legs": [
            {"departure_id": "dep_1", "origin_stop_id": "stp_a", "destination_stop_id": "stp_c",
             "origin_sequence": 0, "destination_sequence": 2, "departure_version": 7},
            {"departure_id": "dep_2", "origin_stop_id": "stp_b", "destination_stop_id": "stp_c",
             "origin_sequence": 1, "destination_sequence": 2, "departure_version": 1},
        ],
        "passengers": [
            {"category": "adult", "leg_minor": [505, 385]},
            {"category": "child", "leg_minor": [255, 195]},
        ],
        "iss": "pricing",
        "iat": int(now.timestamp()),
        "exp": int(instant(found.expires_at).timestamp()),
    }  # fmt: skip
    assert sum(sum(passenger["leg_minor"]) for passenger in claims["passengers"]) == claims["total_minor"]
    assert {type(number) for passenger in claims["passengers"] for number in passenger["leg_minor"]} == {int}


async def test_the_token_ends_with_the_quote_and_cannot_be_changed(pricing: Pricing, keys_dir):
    soon = pricing.clock.now().replace(microsecond=0) + timedelta(minutes=5)
    await pricing.keep(network.departure(start=soon))
    found = await pricing.quote(asked())
    verifier = Verifier(keys_dir / "trusted")
    assert instant(found.expires_at) == soon
    verifier.check(found.token, FARE_QUOTE, now=soon - timedelta(seconds=1))
    with pytest.raises(ExpiredToken):
        verifier.check(found.token, FARE_QUOTE, now=soon)
    header, payload, signature = found.token.split(".")
    with pytest.raises(InvalidToken):
        verifier.check(".".join((header, payload[:-2] + "AA", signature)), FARE_QUOTE, now=pricing.clock.now())


async def test_a_quote_too_large_for_a_token_is_refused_not_signed(pricing: Pricing):
    await pricing.put_in_force(network.policy(base_minor=10**9, categories=(CategoryFare("c" * 32, 100),)))
    ids = [f"{letter * 64}" for letter in "ab"]
    departures = [
        replace(found, id=f"{number}" * 64)
        for number, found in enumerate(network.following(6, line=[(ids[0], "", 0), (ids[1], "", 1000)]))
    ]
    await pricing.keep(*departures)
    legs = [LegRequest(found.id, *ids) for found in departures]
    small = await pricing.quote(asked(*legs, categories=["c" * 32] * 10))
    assert len(small.token) <= TOKEN_BYTES_MAX
    refused = await refusal(pricing.quote(asked(*legs, categories=["c" * 32] * 50)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_VALUE")
    (outcome,) = (await pricing.quotes([asked(*legs, categories=["c" * 32] * 50)])).outcomes
    assert outcome.failure_reason == "INVALID_VALUE"


async def test_a_usual_quote_of_the_largest_size_fits_into_a_token(pricing: Pricing):
    ids = [f"{prefix}_{'7' * 24}" for prefix in ("stp", "stq")]
    departures = [
        replace(found, id=f"dep_{'7' * 25}{number}")
        for number, found in enumerate(network.following(6, line=[(ids[0], "", 0), (ids[1], "", 900_000)]))
    ]
    await pricing.keep(*departures)
    legs = [LegRequest(found.id, *ids) for found in departures]
    found = await pricing.quote(asked(*legs, categories=["adult"] * 50))
    assert len(found.token) <= TOKEN_BYTES_MAX


async def test_nobody_need_sign_in_to_ask_for_a_price_but_a_forged_token_is_refused(pricing: Pricing):
    await pricing.keep(network.departure())
    await pricing.stub.QuoteFare(wire(asked()))
    forged = (("authorization", "Bearer a.b.c"),)
    refused = await refusal(pricing.stub.QuoteFare(wire(asked()), metadata=forged))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


REFUSALS = {
    "an unknown departure": (asked(leg("dep_404")), "NOT_FOUND", "NOT_FOUND", {"departure_id": "dep_404"}),
    "an unknown stop": (
        asked(leg(destination="stp_404")),
        "NOT_FOUND",
        "UNKNOWN_STOP",
        {"departure_id": "dep_1", "stop_id": "stp_404"},
    ),
    "the wrong direction": (
        asked(leg(origin="stp_c", destination="stp_a")),
        "FAILED_PRECONDITION",
        "NOT_SERVED",
        {"departure_id": "dep_1"},
    ),
    "a stop that takes no riders": (
        asked(leg("dep_closed")),
        "FAILED_PRECONDITION",
        "NOT_SERVED",
        {"departure_id": "dep_closed"},
    ),
    "a departure that left": (
        asked(leg("dep_gone")),
        "FAILED_PRECONDITION",
        "DEPARTURE_GONE",
        {"departure_id": "dep_gone"},
    ),
    "a cancelled departure": (
        asked(leg("dep_cancelled")),
        "FAILED_PRECONDITION",
        "DEPARTURE_CANCELLED",
        {"departure_id": "dep_cancelled"},
    ),
    "an unknown category": (asked(categories=["dog"]), "INVALID_ARGUMENT", "INVALID_VALUE", {}),
    "two operators": (asked(leg(), leg("dep_francs")), "INVALID_ARGUMENT", "INVALID_VALUE", {}),
    "the same ride twice": (asked(leg(), leg()), "INVALID_ARGUMENT", "INVALID_VALUE", {}),
    "no legs": (QuoteRequest((), ("adult",)), "INVALID_ARGUMENT", "INVALID_VALUE", {}),
    "too many passengers": (asked(categories=["adult"] * 51), "INVALID_ARGUMENT", "INVALID_VALUE", {}),
}


async def fill(pricing: Pricing) -> None:
    """Make every refusal possible."""
    closed = network.message("dep_closed")
    network.alter(closed, 0, is_boarding_allowed=False)
    await pricing.keep(
        network.departure("dep_1"),
        network.departure("dep_gone", start=pricing.clock.now()),
        network.departure("dep_cancelled", state="CANCELLED"),
        network.departure("dep_francs", operator="opr_land"),
        translate.departure_in(closed),
    )
    await pricing.put_in_force(network.policy("opr_land", currency="CHF"))


@pytest.mark.parametrize(("request_", "code", "reason", "facts"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_grpc_refuses(pricing: Pricing, request_: QuoteRequest, code: str, reason: str, facts: dict[str, str]):
    await fill(pricing)
    refused = await refusal(pricing.quote(request_))
    assert (refused.code.name, refused.reason, refused.facts) == (code, reason, facts)
    assert bool(refused.errors) == (code == "INVALID_ARGUMENT")
    json.dumps(refused.facts)
