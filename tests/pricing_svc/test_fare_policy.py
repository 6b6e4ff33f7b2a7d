"""What a fare policy makes of a ride, and which policies are none."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Forbidden, InvalidInput, LostRace, NotFound
from pricing_svc import translate
from pricing_svc.domain.departure import Leg
from pricing_svc.domain.errors import NoDraft
from pricing_svc.domain.events import FarePolicyPublished
from pricing_svc.domain.fare import Fare
from pricing_svc.domain.fare_policy import (
    ZONE_FARES_MAX,
    CategoryFare,
    FarePolicy,
    ZoneFare,
    default_policy,
    must_handle,
    must_read,
)
from tests.pricing_svc import network
from tests.pricing_svc.network import zone_fare

# Small amounts too, so that fares come near to bounds and halves.
AMOUNTS = st.one_of(st.integers(0, 60), st.integers(0, 3_000), st.integers(0, 10**9))
METERS = st.one_of(st.integers(0, 5_000), st.integers(0, 20_000_000))
CATEGORIES = (CategoryFare("adult", 100), CategoryFare("some", 0))


def ride(meters: int, *, zones: tuple[str, str] = ("Z1", "Z2")) -> Leg:
    """Make a leg of a length, whose first call is not the departure's."""
    line = (("stp_0", "", 0), ("stp_a", zones[0], 777), ("stp_b", zones[1], 777 + meters))
    departure = network.departure(line=line)
    # Not by leg_of: a timetable may have distances that fall, which no pattern that came by the wire has.
    pattern = network.pattern_of(departure)
    return Leg(departure, *(departure._call(pattern, place) for place in (1, 2)))


@st.composite
def policies(draw: st.DrawFn) -> FarePolicy:
    """Draw any valid policy whose category "some" pays anything."""
    minimum = draw(AMOUNTS)
    some = CategoryFare("some", draw(st.integers(0, 1000)))
    zone_fares = draw(st.sampled_from([(), (zone_fare("Z1", "Z2", draw(AMOUNTS)),)]))
    found = network.policy(
        base_minor=draw(AMOUNTS),
        per_kilometer_minor=draw(AMOUNTS),
        categories=(CATEGORIES[0], some),
        minimum_minor=minimum,
        maximum_minor=draw(st.one_of(st.just(0), AMOUNTS.map(lambda more: min(minimum + more, 10**9)))),
        rounding_minor=draw(st.sampled_from([1, 2, 5, 10, 25, 100, 999, 10**9])),
        zone_fares=zone_fares,
    )
    found.must_be_valid()
    return found


@given(policies(), METERS, st.sampled_from(["adult", "some"]))
def test_lines_sum_to_the_total_in_whole_numbers(policy: FarePolicy, meters: int, category: str):
    fare = policy.fare(ride(meters), category)
    assert sum(line.amount_minor for line in fare.lines) == fare.total_minor
    assert {type(number) for number in (fare.total_minor, *(line.amount_minor for line in fare.lines))} == {int}


@given(policies(), METERS)
def test_the_exact_fare_is_rounded_once_at_the_end(policy: FarePolicy, meters: int):
    exact = Fraction(policy.base_minor) + Fraction(policy.per_kilometer_minor * meters, 1000)
    if policy.zone_fares:
        exact = Fraction(policy.zone_fares[0].amount_minor)
    bounded = max(exact, policy.minimum_minor)
    if policy.maximum_minor:
        bounded = min(bounded, policy.maximum_minor)
    steps = bounded * policy.percents["some"] / 100 / policy.rounding_minor
    assert policy.fare(ride(meters), "some").total_minor == (steps + Fraction(1, 2)) // 1 * policy.rounding_minor


@given(policies(), METERS, METERS)
def test_a_longer_ride_never_costs_less(policy: FarePolicy, one: int, other: int):
    short, long = sorted((one, other))
    assert policy.fare(ride(short), "some").total_minor <= policy.fare(ride(long), "some").total_minor


@given(policies(), METERS)
def test_bounds_hold_for_the_whole_fare_up_to_the_rounding(policy: FarePolicy, meters: int):
    total = policy.fare(ride(meters), "adult").total_minor
    slack = Fraction(policy.rounding_minor, 2)
    assert total >= policy.minimum_minor - slack
    assert not policy.maximum_minor or total <= policy.maximum_minor + slack


@given(policies(), METERS)
def test_bounds_that_are_multiples_of_the_rounding_hold_exactly(policy: FarePolicy, meters: int):
    step = policy.rounding_minor
    even = replace(
        policy, minimum_minor=policy.minimum_minor // step * step, maximum_minor=-(-policy.maximum_minor // step) * step
    )
    total = even.fare(ride(meters), "adult").total_minor
    assert total >= even.minimum_minor
    assert not even.maximum_minor or total <= even.maximum_minor


@given(policies(), METERS, st.integers(0, 1000), st.integers(0, 1000))
def test_a_category_of_a_lower_percentage_never_pays_more(policy: FarePolicy, meters: int, one: int, other: int):
    low, high = sorted((one, other))
    priced = replace(policy, categories=(CategoryFare("low", low), CategoryFare("high", high)))
    assert priced.fare(ride(meters), "low").total_minor <= priced.fare(ride(meters), "high").total_minor


def explained(fare: Fare) -> list[tuple[str, int]]:
    return [(line.rule_id, line.amount_minor) for line in fare.lines]


def test_a_fare_is_base_and_distance():
    assert explained(network.policy().fare(ride(25_500), "adult")) == [("distance", 555)]


def test_the_distance_counts_from_the_origin_not_from_the_first_call():
    assert network.policy(base_minor=0).fare(ride(1_000), "adult").total_minor == 10


def test_a_timetable_whose_distances_fall_costs_the_base():
    assert network.policy().fare(ride(-500), "adult").total_minor == 300


def test_a_category_is_a_line_of_its_own_below_or_above_the_fare():
    assert explained(network.policy().fare(ride(20_000), "child")) == [("distance", 500), ("category:child", -250)]
    assert explained(network.policy().fare(ride(20_000), "business")) == [
        ("distance", 500),
        ("category:business", 250),
    ]


def test_a_category_that_pays_nothing_is_explained():
    free = network.policy(categories=(CategoryFare("infant", 0),))
    assert explained(free.fare(ride(20_000), "infant")) == [("distance", 500), ("category:infant", -500)]


def test_what_the_lines_cut_off_is_in_the_line_of_the_rounding():
    policy = network.policy(per_kilometer_minor=7, rounding_minor=5)  # 300 + 7 x 12.345 = 386.415, half of it 193.2075
    assert explained(policy.fare(ride(12_345), "child")) == [
        ("distance", 386),
        ("category:child", -193),
        ("rounding", 2),
    ]


def test_the_minimum_acts_before_the_category():
    policy = network.policy(minimum_minor=1000)
    assert explained(policy.fare(ride(0), "child")) == [("distance", 300), ("minimum", 700), ("category:child", -500)]


def test_the_maximum_acts_before_the_category():
    policy = network.policy(maximum_minor=400)
    assert explained(policy.fare(ride(50_000), "business")) == [
        ("distance", 800),
        ("maximum", -400),
        ("category:business", 200),
    ]


def test_a_fare_is_held_at_the_maximum_from_the_first_fraction_above_it():
    policy = network.policy(per_kilometer_minor=1, maximum_minor=301)
    assert [policy.fare(ride(meters), "business").total_minor for meters in (999, 1_000, 1_400)] == [451, 452, 452]
    assert [policy.fare(ride(meters), "adult").total_minor for meters in (999, 1_000, 1_600)] == [301, 301, 301]


def test_a_listed_pair_of_zones_replaces_base_and_distance_in_its_direction_only():
    policy = network.policy(zone_fares=(zone_fare("Z1", "Z2", 990),))
    assert explained(policy.fare(ride(20_000), "adult")) == [("zone", 990)]
    assert explained(policy.fare(ride(20_000, zones=("Z2", "Z1")), "adult")) == [("distance", 500)]
    assert explained(policy.fare(ride(20_000, zones=("Z1", "")), "adult")) == [("distance", 500)]


def test_bounds_apply_to_zone_fares_too():
    policy = network.policy(zone_fares=(zone_fare("Z1", "Z2", 990),), maximum_minor=900)
    assert explained(policy.fare(ride(0), "adult")) == [("zone", 990), ("maximum", -90)]


def test_lines_are_described_for_people():
    policy = network.policy(minimum_minor=1000, rounding_minor=7)
    assert [line.description for line in policy.fare(ride(12_345), "child").lines] == [
        "Ride of 12.3 km",
        "Minimum fare of a ride",
        "Child pays 50 %",
        "Rounding",
    ]


def test_the_default_policy_is_the_one_that_is_promised():
    policy = default_policy("opr_new")
    policy.must_be_valid()
    assert (policy.id, policy.version, policy.is_published, policy.currency) == ("opr_new", 0, True, "EUR")
    assert policy.percents == {"adult": 100, "child": 50, "senior": 70, "student": 80, "infant": 0}
    # 200 + 12 x 25.5 = 506, to a multiple of 5; half of it is 253.
    assert [policy.fare(ride(25_500), name).total_minor for name in policy.percents] == [505, 255, 355, 405, 0]
    assert policy.fare(ride(0), "adult").total_minor == 200
    assert replace(policy, base_minor=0).fare(ride(0), "adult").total_minor == 100


CATEGORY = CategoryFare("adult", 100)
WRONG = {
    "a currency in lower case": ({"currency": "eur"}, ["/currency"]),
    "a currency of four letters": ({"currency": "EURO"}, ["/currency"]),
    "a currency of other letters": ({"currency": "ÄÖÜ"}, ["/currency"]),
    "a currency with a line break": ({"currency": "EUR\n"}, ["/currency"]),
    "a negative base": ({"base_minor": -1}, ["/base_minor"]),
    "too large a base": ({"base_minor": 10**9 + 1}, ["/base_minor"]),
    "a negative price of distance": ({"per_kilometer_minor": -1}, ["/per_kilometer_minor"]),
    "a negative minimum": ({"minimum_minor": -1}, ["/minimum_minor"]),
    "a negative maximum": ({"maximum_minor": -1}, ["/maximum_minor"]),
    "a maximum below the minimum": ({"minimum_minor": 200, "maximum_minor": 199}, ["/maximum_minor"]),
    "rounding to a multiple of nothing": ({"rounding_minor": 0}, ["/rounding_minor"]),
    "no categories": ({"categories": ()}, ["/categories"]),
    "too many categories": (
        {"categories": tuple(CategoryFare(f"c{number}", 1) for number in range(51))},
        ["/categories"],
    ),
    "a category twice": ({"categories": (CATEGORY, CategoryFare("adult", 50))}, ["/categories"]),
    "a category without a name": ({"categories": (CategoryFare("", 1),)}, ["/categories/0/category"]),
    "a category with a space": ({"categories": (CATEGORY, CategoryFare("a b", 1))}, ["/categories/1/category"]),
    "a category of 33 letters": ({"categories": (CategoryFare("a" * 33, 1),)}, ["/categories/0/category"]),
    "a negative percentage": ({"categories": (CategoryFare("a", -1),)}, ["/categories/0/percent"]),
    "more than ten times the fare": ({"categories": (CategoryFare("a", 1001),)}, ["/categories/0/percent"]),
    "a fare for nowhere": ({"zone_fares": (zone_fare("", "", 1),)}, ["/zone_fares/0"]),
    "a zone with a NUL": ({"zone_fares": (zone_fare("Z", "\0", 1),)}, ["/zone_fares/0/destination_zone_id"]),
    "a negative zone fare": ({"zone_fares": (zone_fare("Y", "Z", -1),)}, ["/zone_fares/0/amount_minor"]),
    "a pair of zones twice": ({"zone_fares": (zone_fare("Y", "Z", 1), zone_fare("Y", "Z", 2))}, ["/zone_fares"]),
    "too many zones": (
        {"zone_fares": tuple(zone_fare("Y", f"Z{number}", 1) for number in range(ZONE_FARES_MAX + 1))},
        ["/zone_fares"],
    ),
    "zones of names too long to tell": (
        {"zone_fares": tuple(zone_fare("Y" * 60, f"{'Ä' * 30}{number}", 1) for number in range(7_000))},
        ["/zone_fares"],
    ),
    "two things": ({"currency": "", "base_minor": -5}, ["/currency", "/base_minor"]),
}


@pytest.mark.parametrize(("change", "pointers"), WRONG.values(), ids=WRONG.keys())
def test_a_policy_is_refused_with(change: dict[str, object], pointers: list[str]):
    with pytest.raises(InvalidInput) as caught:
        network.policy(**change).must_be_valid()
    assert [error.pointer for error in caught.value.errors] == pointers


def test_the_largest_policy_fits_into_one_message_of_the_broker():
    zones = tuple(ZoneFare(f"{number:011}", "Z" * 12, 10**9, "r" * 12) for number in range(ZONE_FARES_MAX))
    largest = network.policy("o" * 64, zone_fares=zones)
    largest.must_be_valid()
    assert len(translate.event_out(FarePolicyPublished(largest)).payload) < 2**20 - 4096


@pytest.mark.parametrize(("length", "is_fine"), [(200, True), (201, False)])
def test_a_route_is_named_as_long_as_in_a_feed(length: int, is_fine: bool):
    policy = network.policy(zone_fares=(ZoneFare("", "", 1, "r" * length),))
    if is_fine:
        policy.must_be_valid()
        return
    with pytest.raises(InvalidInput) as caught:
        policy.must_be_valid()
    assert [error.pointer for error in caught.value.errors] == ["/zone_fares/0/feed_route_id"]


def test_both_directions_between_two_zones_are_two_pairs():
    network.policy(zone_fares=(zone_fare("Y", "Z", 1), zone_fare("Z", "Y", 2))).must_be_valid()


def test_a_draft_follows_only_the_version_that_its_author_has_seen():
    present = network.policy(version=4, is_published=True)
    draft = present.replaced_by(network.policy(base_minor=1, version=99, is_published=True), seen_version=4)
    assert (draft.version, draft.is_published, draft.base_minor) == (5, False, 1)
    for seen in (0, 3, 5):
        with pytest.raises(LostRace) as caught:
            present.replaced_by(draft, seen_version=seen)
        assert caught.value.facts == {"version": 4}


def test_publishing_keeps_the_version_and_twice_is_once():
    published = network.policy(version=4).publish(seen_version=4)
    assert (published.version, published.is_published) == (4, True)
    assert published.publish(seen_version=4) is published
    with pytest.raises(LostRace):
        published.publish(seen_version=3)


def test_the_default_cannot_be_published():
    with pytest.raises(NoDraft):
        default_policy("opr_sea").publish(seen_version=0)


@pytest.mark.parametrize("caller", [network.SEA_STAFF, network.ADMIN])
def test_staff_handle_the_policy_of_their_operator(caller):
    must_handle(caller, "opr_sea")
    must_read(caller, "opr_sea")


def test_a_foreign_policy_is_as_if_there_were_none():
    for caller, policy_id in ((network.LAND_STAFF, "opr_sea"), (network.ADMIN, ""), (network.ADMIN, "opr\0sea")):
        with pytest.raises(NotFound):
            must_handle(caller, policy_id)
        with pytest.raises(NotFound):
            must_read(caller, policy_id)


def test_our_own_processes_read_policies_but_not_on_behalf_of_somebody_who_may_not():
    must_read(replace(network.RIDER, subject="", scopes=frozenset(), service="gateway"), "opr_sea")
    with pytest.raises(Forbidden):
        must_read(replace(network.RIDER, service="gateway"), "opr_sea")
    with pytest.raises(NotFound):
        must_read(replace(network.LAND_STAFF, service="gateway"), "opr_sea")
