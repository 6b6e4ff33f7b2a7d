"""The fares of an operator's feed become the policy in force, unless the operator has put one by hand."""

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from headway.booking.v1 import feed_events_pb2

from chassis.errors import LostRace
from chassis.outbox import Outbox
from chassis.store import Store
from pricing_svc import translate
from pricing_svc.domain.departure import Leg, Route
from pricing_svc.domain.fare_policy import FarePolicy, ZoneFare, default_policy, policy_of_feed
from pricing_svc.store.work import Work
from pricing_svc.use_cases.publish_fare_policy import publish_fare_policy
from pricing_svc.use_cases.put_fare_policy import put_fare_policy
from pricing_svc.use_cases.take_feed_fares import take_feed_fares
from tests.pricing_svc import network
from tests.pricing_svc.service import ask, commit, put_in_force

DATA = Path(__file__).parents[3] / "shared" / "data"
FLAT = ZoneFare("", "", 470)
ZONES = ZoneFare("Z1", "Z2", 825)


def feed_policy(fares: Sequence[ZoneFare] = (ZONES,), *, feed_id: str = "fed_1", currency: str = "USD") -> FarePolicy:
    return policy_of_feed("opr_sea", feed_id, currency, fares)


def in_force(store: Store[Work]) -> FarePolicy:
    found: FarePolicy = ask(store, lambda work: work.fare_policies.in_force(["opr_sea"])["opr_sea"])
    return found


def newest(store: Store[Work]) -> FarePolicy:
    found: FarePolicy = ask(store, lambda work: work.fare_policies.newest("opr_sea"))
    return found


def told(store: Store[Work]) -> int:
    with store.database.reader.begin() as connection:
        return len(connection.execute(Outbox.table.select()).all())


def ride(origin: str, destination: str, *, route: str = "r1") -> Leg:
    line = (("stp_a", origin, 0), ("stp_b", destination, 12_000))
    departure = network.departure(line=line)
    leg = network.leg_of(departure, "stp_a", "stp_b", now=network.START.replace(year=2000))
    on_route = Route("rte", route, "R", "", "ferry")
    return Leg(replace(departure, route=on_route), leg.origin, leg.destination)


def fare(policy: FarePolicy, origin: str, destination: str, *, route: str = "r1") -> int:
    return policy.fare(ride(origin, destination, route=route), "adult").total_minor


def test_a_feed_s_fares_are_in_force_at_once_and_told(store: Store[Work]):
    commit(store, take_feed_fares, policy=feed_policy())
    found = in_force(store)
    assert (found.currency, found.feed_id, found.version, found.is_published) == ("USD", "fed_1", 1, True)
    assert told(store) == 1


def test_the_same_fares_again_change_and_tell_nothing(store: Store[Work]):
    commit(store, take_feed_fares, policy=feed_policy())
    commit(store, take_feed_fares, policy=feed_policy(feed_id="fed_2"))
    assert (in_force(store).version, told(store)) == (1, 1)


def test_other_fares_of_the_next_feed_replace_the_first(store: Store[Work]):
    commit(store, take_feed_fares, policy=feed_policy())
    commit(store, take_feed_fares, policy=feed_policy([ZoneFare("Z1", "Z2", 900)], feed_id="fed_2"))
    assert (in_force(store).version, in_force(store).zone_fares[0].amount_minor) == (2, 900)


def test_a_feed_that_drops_its_fares_brings_the_default_back(store: Store[Work]):
    commit(store, take_feed_fares, policy=feed_policy())
    for feed_id in ("fed_2", "fed_3"):
        commit(store, take_feed_fares, policy=feed_policy([], feed_id=feed_id))
    found = in_force(store)
    assert found.has_fares_of(default_policy("opr_sea"))
    assert (found.version, found.feed_id, told(store)) == (2, "fed_2", 2)
    commit(store, take_feed_fares, policy=feed_policy([FLAT], feed_id="fed_4"))
    assert (in_force(store).version, in_force(store).base_minor) == (3, 470)


def test_a_feed_without_fares_changes_nothing_that_no_feed_brought(store: Store[Work]):
    commit(store, take_feed_fares, policy=feed_policy([]))
    assert (newest(store).version, told(store)) == (0, 0)
    by_hand = put_in_force(store, network.policy())
    commit(store, take_feed_fares, policy=feed_policy([]))
    assert (in_force(store), newest(store), told(store)) == (by_hand, by_hand, 1)


def test_a_policy_put_by_hand_stays_in_force_and_the_feed_s_is_a_draft(store: Store[Work]):
    by_hand = put_in_force(store, network.policy())
    commit(store, take_feed_fares, policy=feed_policy())
    assert in_force(store).version == by_hand.version
    assert (newest(store).feed_id, newest(store).is_published) == ("fed_1", False)


def test_a_policy_put_by_hand_that_replaces_a_feed_s_stays_in_force(store: Store[Work]):
    commit(store, take_feed_fares, policy=feed_policy())
    by_hand = put_in_force(store, network.policy(), seen_version=1)
    commit(store, take_feed_fares, policy=feed_policy([FLAT], feed_id="fed_2"))
    commit(store, take_feed_fares, policy=feed_policy([FLAT], feed_id="fed_3"))
    assert (in_force(store), newest(store).version, newest(store).base_minor) == (by_hand, 3, 470)
    assert told(store) == 2


def test_the_draft_that_a_feed_made_may_be_published_and_then_follows_the_feed(store: Store[Work]):
    put_in_force(store, network.policy())
    commit(store, take_feed_fares, policy=feed_policy())
    commit(store, publish_fare_policy, caller=network.ADMIN, policy_id="opr_sea", seen_version=2)
    commit(store, take_feed_fares, policy=feed_policy([FLAT], feed_id="fed_2"))
    assert (in_force(store).version, in_force(store).base_minor, in_force(store).feed_id) == (3, 470, "fed_2")


@pytest.mark.parametrize("is_after_a_feed", [False, True])
def test_a_draft_put_by_hand_does_not_hold_up_the_feed_s_fares_and_is_not_lost(
    store: Store[Work], is_after_a_feed: bool
):
    if is_after_a_feed:
        commit(store, take_feed_fares, policy=feed_policy([FLAT], feed_id="fed_0"))
    seen = int(is_after_a_feed)
    draft = commit(store, put_fare_policy, caller=network.ADMIN, policy=network.policy(), seen_version=seen)
    for feed_id in ("fed_1", "fed_2"):
        commit(store, take_feed_fares, policy=feed_policy(feed_id=feed_id))
    assert (in_force(store).zone_fares, in_force(store).feed_id) == ((ZONES,), "fed_1")
    assert newest(store) == replace(draft, version=draft.version + 2)
    assert told(store) == 1 + seen
    with pytest.raises(LostRace):
        commit(store, publish_fare_policy, caller=network.ADMIN, policy_id="opr_sea", seen_version=draft.version)


def test_beside_a_policy_and_a_draft_put_by_hand_a_feed_changes_nothing(store: Store[Work]):
    by_hand = put_in_force(store, network.policy())
    draft = commit(store, put_fare_policy, caller=network.ADMIN, policy=network.policy(base_minor=1), seen_version=1)
    commit(store, take_feed_fares, policy=feed_policy())
    assert (in_force(store), newest(store), told(store)) == (by_hand, draft, 1)


async def test_fares_whose_transaction_was_undone_price_nothing(store: Store[Work]):
    def take_and_fail(work: Work) -> None:
        take_feed_fares(work, policy=feed_policy([FLAT]))
        take_feed_fares(work, policy=feed_policy())
        raise LostRace

    store.start()
    with pytest.raises(LostRace):
        await store.write(take_and_fail)
    for fares in ([ZONES], [ZoneFare("Z1", "Z2", 1)]):
        await store.write(take_feed_fares, policy=feed_policy(fares))
        assert in_force(store).zone_fares == tuple(fares)


def test_the_most_particular_fare_counts():
    fares = [
        ZoneFare("A", "B", 100, "r1"), ZoneFare("A", "B", 200), ZoneFare("A", "", 300), ZoneFare("", "B", 400),
        ZoneFare("", "", 500, "r2"), FLAT,
    ]  # fmt: skip
    policy = feed_policy(fares)
    assert fare(policy, "A", "B") == 100
    assert fare(policy, "A", "B", route="r9") == 200
    assert fare(policy, "A", "C") == 300
    assert fare(policy, "C", "B") == 400
    assert fare(policy, "C", "D", route="r2") == 500
    assert fare(policy, "C", "D") == 470
    assert fare(policy, "", "") == 470


def test_a_ride_that_no_fare_fits_costs_the_dearest():
    policy = feed_policy([ZoneFare("A", "B", 100), ZoneFare("B", "C", 950)])
    assert fare(policy, "C", "A") == 950


def test_a_flat_fare_is_the_base_of_every_ride():
    policy = feed_policy([FLAT], currency="BRL")
    assert (policy.base_minor, policy.zone_fares, policy.currency) == (470, (), "BRL")
    policy.must_be_valid()
    assert fare(policy, "", "") == fare(policy, "A", "B") == 470


def test_a_feed_without_fares_means_the_default():
    message = feed_events_pb2.FeedPublished(feed_id="fed_1", operator_id="opr_sea")
    found = translate.feed_fares_in(message.SerializeToString())
    assert found.has_fares_of(default_policy("opr_sea"))
    assert found.feed_id == "fed_1"


Key = tuple[str, str, str]


def real_fares(name: str) -> tuple[FarePolicy, dict[Key, int]]:
    """Make a policy of a real feed's fares and give them by origin zone, destination zone and route."""
    path = DATA / f"{name}.zip"
    if not path.exists():
        pytest.skip(f"the real timetable {path} is not beside this checkout")
    with zipfile.ZipFile(path) as archive:
        attributes, rules = (rows(archive, f"fare_{file}.txt") for file in ("attributes", "rules"))
    prices = {row["fare_id"]: int(Decimal(row["price"]) * 100) for row in attributes}
    cheapest: dict[Key, int] = {}
    for rule in rules or [{"fare_id": id_, "origin_id": "", "destination_id": "", "route_id": ""} for id_ in prices]:
        key = (rule["origin_id"], rule["destination_id"], rule["route_id"])
        cheapest[key] = min(prices[rule["fare_id"]], cheapest.get(key, 10**9))
    message = feed_events_pb2.FeedPublished(feed_id="fed_1", operator_id="opr_sea")
    (message.fares.currency,) = {row["currency_type"] for row in attributes}
    for (origin, destination, route), amount in cheapest.items():
        message.fares.fares.add(
            origin_zone_id=origin, destination_zone_id=destination, feed_route_id=route, amount_minor=amount
        )
    return translate.feed_fares_in(message.SerializeToString()), cheapest


def rows(archive: zipfile.ZipFile, file: str) -> list[dict[str, str]]:
    if file not in archive.namelist():
        return []
    return list(csv.DictReader(io.TextIOWrapper(archive.open(file), "utf-8-sig")))


@pytest.mark.parametrize(("name", "count"), [("bart", 2304), ("caltrain", 216)])
def test_real_zone_fares_are_the_feed_s_own(store: Store[Work], name: str, count: int):
    policy, cheapest = real_fares(name)
    commit(store, take_feed_fares, policy=policy)
    kept = in_force(store)
    assert (kept.currency, kept.is_published, len(cheapest)) == ("USD", True, count)
    for (origin, destination, route), amount in cheapest.items():
        assert fare(kept, origin, destination, route=route or "r1") == amount
        assert kept.fare(ride(origin, destination, route=route), "child").total_minor == (amount + 1) // 2
    assert fare(kept, "", "") == max(cheapest.values()), "what no fare is for costs the dearest"


def test_a_real_flat_fare_is_charged_on_every_ride(store: Store[Work]):
    policy, cheapest = real_fares("poa_eptc")
    commit(store, take_feed_fares, policy=policy)
    kept = in_force(store)
    assert (kept.currency, list(cheapest)) == ("BRL", [("", "", "")])
    for ends in (("", ""), ("A", ""), ("", "B"), ("A", "B")):
        for route in ("r1", "T1", ""):
            assert fare(kept, *ends, route=route) == 470
    assert kept.fare(ride("", ""), "child").total_minor == 235
    assert kept.fare(ride("", ""), "infant").total_minor == 0
