"""The checker accepts a history as it should be, and rejects each that was forged, by the rule that it breaks."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.checker import RULES, judge
from tests.faults.evidence import Asked, Charge, Evidence, Item, Outcome, Points, Row, Told, Wish


def hold(booking_id: str, seat: str, price: int = 500) -> Asked:
    item = {"seat_id": seat, "price": {"amount_minor": price}, "passenger": {"name": "Rider 1"}}
    reply = {"id": booking_id, "items": [item], "version": 1}
    return Asked("hold", Outcome.OK, booking_id, reply, 201, rider="Rider 1", read=reply)


def told(stream: str, fact: str, number: int, *, booking_id: str = "", version: int = 0) -> Told:
    area = stream.lower()
    return Told(f"{stream}-{number}", stream, f"headway.v1.{area}.{fact}.demo.dep_1", booking_id, version)


def honest() -> Evidence:
    """One booking paid for, one cancelled and refunded, one released, on a ride of two segments."""
    events = [
        told("BOOKING", "held", 1, booking_id="bkg_1"), told("BOOKING", "confirmed", 2, booking_id="bkg_1"),
        told("BOOKING", "held", 3, booking_id="bkg_2"), told("BOOKING", "confirmed", 4, booking_id="bkg_2"),
        told("BOOKING", "cancelled", 5, booking_id="bkg_2"), told("BOOKING", "held", 6, booking_id="bkg_3"),
        told("BOOKING", "released", 7, booking_id="bkg_3"),
        *(told("AVAILABILITY", "changed", number, version=number) for number in range(1, 6)),
    ]  # fmt: skip
    return Evidence(
        log=[
            replace(hold("bkg_1", "1A"), wish=Wish("dep_1", 0, 2, 500)), Asked("confirm", Outcome.OK, "bkg_1"),
            hold("bkg_2", "1B"), Asked("confirm", Outcome.OK, "bkg_2"),
            Asked("cancel", Outcome.OK, "bkg_2", promised_minor=450),
            hold("bkg_3", "1B"), Asked("release", Outcome.OK, "bkg_3"), Asked("hold", Outcome.FAIL, None),
        ],
        bookings={
            "bkg_1": Row("bkg_1", "confirmed", "captured", 3),
            "bkg_2": Row("bkg_2", "cancelled", "refunded", 5),
            "bkg_3": Row("bkg_3", "released", "none", 2),
        },
        items=[
            Item("bkg_1", "dep_1", 0, "1A", 0, 2, "confirmed", 500),
            Item("bkg_2", "dep_1", 1, "1B", 0, 1, "cancelled", 500),
            Item("bkg_3", "dep_1", 1, "1B", 1, 2, "released", 500),
        ],
        history=[
            ("bkg_1", "held"), ("bkg_1", "confirmed"), ("bkg_2", "held"), ("bkg_2", "confirmed"),
            ("bkg_2", "cancelled"), ("bkg_2", "refunded"), ("bkg_3", "held"), ("bkg_3", "released"),
        ],
        masks={"dep_1": {0: 0b11, 1: 0}},
        counts={"dep_1": ((1, 1), 5)},
        outboxes={"booking": events},
        streams={name: [one for one in events if one.stream == name] for name in ("BOOKING", "AVAILABILITY")},
        charged=[Charge("bkg_1", 500), Charge("bkg_2", 500)],
        refunded=[Charge("bkg_2", 450)],
        balances={"provider": 550, "sales": -500, "fees": -50, "refunds_due": 0},
        unfinished={"open charges": 0},
        followers={"pricing": {"dep_1": ((1, 1), 5)}},
        points=[Points("veh_1", 3, [(1, 4)], [10, 20, 30, 40], ["08:00", "08:00", "08:30"])],
    )  # fmt: skip


def test_a_history_as_it_should_be_is_accepted() -> None:
    assert judge(honest()) == []


def seat_sold_again(evidence: Evidence) -> None:
    evidence.items.append(Item("bkg_3", "dep_1", 0, "1A", 1, 2, "held", 500))


def mask_forgotten(evidence: Evidence) -> None:
    evidence.masks["dep_1"][0] = 0b01


def mask_left(evidence: Evidence) -> None:
    evidence.masks["dep_1"][1] = 0b01


def count_too_high(evidence: Evidence) -> None:
    evidence.counts["dep_1"] = ((1, 2), 5)


def counts_missing(evidence: Evidence) -> None:
    del evidence.counts["dep_1"]


def booking_lost(evidence: Evidence) -> None:
    del evidence.bookings["bkg_3"]


def payment_lost(evidence: Evidence) -> None:
    evidence.bookings["bkg_1"] = Row("bkg_1", "held", "none", 3)


def release_undone(evidence: Evidence) -> None:
    evidence.bookings["bkg_3"] = Row("bkg_3", "held", "none", 2)


def other_seat(evidence: Evidence) -> None:
    evidence.items[0] = replace(evidence.items[0], seat_id="9F")


def other_price(evidence: Evidence) -> None:
    evidence.log[0] = hold("bkg_1", "1A", price=499)


def other_ride(evidence: Evidence) -> None:
    evidence.log[0] = replace(evidence.log[0], wish=Wish("dep_1", 0, 1, 500))


def other_price_than_quoted(evidence: Evidence) -> None:
    evidence.log[0] = replace(evidence.log[0], wish=Wish("dep_1", 0, 2, 499))


def not_there_when_read(evidence: Evidence) -> None:
    evidence.log[0] = replace(evidence.log[0], read={"code": "not_found"})


def read_as_it_was_before(evidence: Evidence) -> None:
    evidence.log[1] = replace(evidence.log[1], reply={"version": 3}, read={"version": 2})


def answer_of_somebody_else(evidence: Evidence) -> None:
    evidence.log[0] = replace(evidence.log[0], rider="Rider 2")


def read_of_somebody_else(evidence: Evidence) -> None:
    evidence.log[1] = replace(evidence.log[1], rider="Rider 2", read={"name": "Rider 1"})


def held_twice_for_one_key(evidence: Evidence) -> None:
    evidence.bookings["bkg_4"] = Row("bkg_4", "released", "none", 2)


def one_booking_for_two_holds(evidence: Evidence) -> None:
    evidence.log.append(hold("bkg_1", "1A"))


def internal_error(evidence: Evidence) -> None:
    evidence.broken.append("POST /v1/bookings: internal")


def another_answer(evidence: Evidence) -> None:
    evidence.log.append(Asked("hold", Outcome.FAIL, None, differed="another body"))


def fact_never_told(evidence: Evidence) -> None:
    del evidence.outboxes["booking"][1]
    del evidence.streams["BOOKING"][1]


def fact_told_twice(evidence: Evidence) -> None:
    again = told("BOOKING", "held", 99, booking_id="bkg_1")
    evidence.outboxes["booking"].append(again)
    evidence.streams["BOOKING"].append(again)


def fact_that_never_was(evidence: Evidence) -> None:
    phantom = told("BOOKING", "expired", 98, booking_id="bkg_3")
    evidence.outboxes["booking"].append(phantom)
    evidence.streams["BOOKING"].append(phantom)


def facts_told_in_another_order(evidence: Evidence) -> None:
    for events in (evidence.outboxes["booking"], evidence.streams["BOOKING"]):
        events[3], events[4] = events[4], events[3]


def last_seats_never_told(evidence: Evidence) -> None:
    del evidence.outboxes["booking"][-1]
    del evidence.streams["AVAILABILITY"][-1]


def older_seats_told_last(evidence: Evidence) -> None:
    for events in (evidence.outboxes["booking"], evidence.streams["AVAILABILITY"]):
        events[-2], events[-1] = events[-1], events[-2]


def event_lost(evidence: Evidence) -> None:
    del evidence.streams["BOOKING"][2]


def event_doubled(evidence: Evidence) -> None:
    evidence.streams["BOOKING"].append(evidence.streams["BOOKING"][0])


def event_from_nowhere(evidence: Evidence) -> None:
    evidence.streams["BOOKING"].append(told("BOOKING", "held", 77))


def events_swapped(evidence: Evidence) -> None:
    evidence.streams["BOOKING"].reverse()


def stream_gone(evidence: Evidence) -> None:
    del evidence.streams["AVAILABILITY"]


def charged_twice(evidence: Evidence) -> None:
    evidence.charged.append(Charge("bkg_1", 500))
    evidence.balances |= {"provider": 1050, "sales": -1000}


def not_charged(evidence: Evidence) -> None:
    del evidence.charged[0]
    evidence.balances |= {"provider": 50, "sales": 0}


def charged_too_little(evidence: Evidence) -> None:
    evidence.charged[0] = Charge("bkg_1", 499)
    evidence.balances |= {"provider": 549, "sales": -499}


def refunded_twice(evidence: Evidence) -> None:
    evidence.refunded = [Charge("bkg_2", 225), Charge("bkg_2", 225)]


def refunded_too_much(evidence: Evidence) -> None:
    evidence.refunded = [Charge("bkg_2", 501)]
    evidence.balances |= {"provider": 499, "fees": 1}


def charged_for_nothing(evidence: Evidence) -> None:
    evidence.charged.append(Charge("bkg_3", 500))
    evidence.balances |= {"provider": 1050, "sales": -1000}


def charged_for_no_booking(evidence: Evidence) -> None:
    evidence.charged.append(Charge("bkg_9", 500))
    evidence.balances |= {"provider": 1050, "sales": -1000}


def refund_forgotten(evidence: Evidence) -> None:
    evidence.refunded = []
    evidence.balances |= {"provider": 1000, "fees": -500}


def refund_of_another_amount(evidence: Evidence) -> None:
    evidence.refunded = [Charge("bkg_2", 440)]
    evidence.balances |= {"provider": 560, "fees": -60}


def ledger_lopsided(evidence: Evidence) -> None:
    evidence.balances["fees"] -= 1


def ledger_of_another_opinion(evidence: Evidence) -> None:
    evidence.balances |= {"provider": 500, "sales": -450}


def charge_left_open(evidence: Evidence) -> None:
    evidence.unfinished["open charges"] = 1


def follower_behind(evidence: Evidence) -> None:
    evidence.followers["pricing"]["dep_1"] = ((1, 1), 4)


def follower_with_other_seats(evidence: Evidence) -> None:
    evidence.followers["pricing"]["dep_1"] = ((1, 2), 5)


def point_lost(evidence: Evidence) -> None:
    evidence.points = [Points("veh_1", 3, [(1, 2)], [10, 20])]


def point_settled_but_not_stored(evidence: Evidence) -> None:
    evidence.points = [Points("veh_1", 3, [(1, 3)], [10, 20])]


def point_doubled(evidence: Evidence) -> None:
    evidence.points = [Points("veh_1", 3, [(1, 4)], [10, 20, 20, 30, 40])]


def vehicle_gone_back(evidence: Evidence) -> None:
    evidence.points = [replace(evidence.points[0], shown=["08:30", "08:00"])]


FORGED: dict[Callable[[Evidence], None], str] = {
    seat_sold_again: "no_seat_is_sold_twice",
    mask_forgotten: "masks_and_counts_are_the_items",
    mask_left: "masks_and_counts_are_the_items",
    count_too_high: "masks_and_counts_are_the_items",
    counts_missing: "masks_and_counts_are_the_items",
    booking_lost: "nothing_acknowledged_is_lost",
    payment_lost: "nothing_acknowledged_is_lost",
    release_undone: "nothing_acknowledged_is_lost",
    other_seat: "nothing_acknowledged_is_lost",
    other_price: "nothing_acknowledged_is_lost",
    other_ride: "nothing_acknowledged_is_lost",
    other_price_than_quoted: "nothing_acknowledged_is_lost",
    not_there_when_read: "what_was_told_can_be_read",
    read_as_it_was_before: "what_was_told_can_be_read",
    answer_of_somebody_else: "nobody_reads_about_others",
    read_of_somebody_else: "nobody_reads_about_others",
    held_twice_for_one_key: "nothing_is_there_that_nobody_asked_for",
    one_booking_for_two_holds: "nothing_is_there_that_nobody_asked_for",
    internal_error: "no_answer_tells_of_a_bug",
    another_answer: "a_key_has_one_answer",
    fact_never_told: "every_fact_is_told_once_and_in_order",
    fact_told_twice: "every_fact_is_told_once_and_in_order",
    fact_that_never_was: "every_fact_is_told_once_and_in_order",
    facts_told_in_another_order: "every_fact_is_told_once_and_in_order",
    last_seats_never_told: "the_newest_seats_are_told",
    older_seats_told_last: "the_newest_seats_are_told",
    event_lost: "every_event_arrives_once_and_in_order",
    event_doubled: "every_event_arrives_once_and_in_order",
    event_from_nowhere: "every_event_arrives_once_and_in_order",
    events_swapped: "every_event_arrives_once_and_in_order",
    stream_gone: "every_event_arrives_once_and_in_order",
    charged_twice: "each_booking_is_paid_for_once",
    not_charged: "each_booking_is_paid_for_once",
    charged_too_little: "each_booking_is_paid_for_once",
    refunded_twice: "each_booking_is_paid_for_once",
    refunded_too_much: "each_booking_is_paid_for_once",
    charged_for_nothing: "each_booking_is_paid_for_once",
    charged_for_no_booking: "each_booking_is_paid_for_once",
    refund_forgotten: "refunds_are_as_promised",
    refund_of_another_amount: "refunds_are_as_promised",
    ledger_lopsided: "money_adds_up",
    ledger_of_another_opinion: "money_adds_up",
    charge_left_open: "everything_is_finished",
    follower_behind: "followers_have_caught_up",
    follower_with_other_seats: "followers_have_caught_up",
    point_lost: "no_position_is_lost_or_doubled",
    point_settled_but_not_stored: "no_position_is_lost_or_doubled",
    point_doubled: "no_position_is_lost_or_doubled",
    vehicle_gone_back: "no_vehicle_goes_back",
}
"""How a history is forged, and the rule that must notice."""


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_a_forged_history_is_rejected_by_its_rule(forge: Callable[[Evidence], None]) -> None:
    evidence = honest()
    forge(evidence)
    found = judge(evidence)
    assert FORGED[forge] in {sentence.partition(":")[0] for sentence in found}, found


def test_every_rule_has_a_history_that_it_rejects() -> None:
    assert {rule.__name__ for rule in RULES} == set(FORGED.values())


def test_a_hold_that_nobody_answered_may_have_been_made() -> None:
    evidence = honest()
    evidence.log.append(Asked("hold", Outcome.UNKNOWN, None))
    evidence.bookings["bkg_4"] = Row("bkg_4", "released", "none", 2)
    assert judge(evidence) == []
