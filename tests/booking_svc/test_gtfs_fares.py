"""The fares of a feed, in the smallest unit of one currency."""

from pathlib import Path

import pytest

from tests.booking_svc.gtfs_feeds import ISLANDS, read, with_rows, without, zipped


def fares(found) -> dict[tuple[str, str, str], int]:
    return {
        (fare["feed_route_id"], fare["origin_zone_id"], fare["destination_zone_id"]): fare["amount_minor"]
        for fare in found.fares["fares"]
    }


def test_a_fare_is_for_what_its_rules_say_and_for_everything_without(tmp_path: Path):
    found = read(zipped(tmp_path, ISLANDS))
    assert found.fares["currency"] == "EUR"
    assert fares(found) == {("F1", "1", "2"): 250, ("", "", ""): 400}


def test_the_cheapest_of_several_fares_counts(tmp_path: Path):
    files = with_rows("fare_attributes.txt", "child,1.20,EUR,0", "dear,9,EUR,0")
    files["fare_rules.txt"] += "child,F1,1,2\ndear,F1,1,2\ndear,,3,\n"
    assert fares(read(zipped(tmp_path, files))) == {("F1", "1", "2"): 120, ("", "", ""): 400, ("", "3", ""): 900}


def test_without_fares_none_are_told(tmp_path: Path):
    found = read(zipped(tmp_path, without("fare_attributes.txt", "fare_rules.txt")))
    assert found.fares is None
    assert found.problems == []


@pytest.mark.parametrize(
    ("price", "currency", "amount_minor"),
    [
        ("4.7", "BRL", 470),
        ("4", "EUR", 400),
        ("4.", "EUR", 400),
        ("0", "EUR", 0),
        ("0.005", "EUR", 1),
        ("4.004999", "EUR", 400),
        ("0.29", "USD", 29),
        ("230", "JPY", 230),
        ("230.00", "JPY", 230),
        ("1.250", "TND", 1250),
        ("9999999", "EUR", 999_999_900),
    ],
)
def test_prices_are_whole_numbers_by_the_digits_of_the_currency(
    tmp_path: Path, price: str, currency: str, amount_minor: int
):
    files = ISLANDS | {"fare_attributes.txt": f"fare_id,price,currency_type\nshort,{price},{currency}\n"}
    found = read(zipped(tmp_path, files))
    assert found.problems == []
    assert found.fares == {
        "currency": currency,
        "fares": [
            {"feed_route_id": "F1", "origin_zone_id": "1", "destination_zone_id": "2", "amount_minor": amount_minor}
        ],
    }


@pytest.mark.parametrize(
    ("file", "row", "field", "line"),
    [
        ("fare_attributes.txt", "odd,-1,EUR", "price", 4),
        ("fare_attributes.txt", "odd,free,EUR", "price", 4),
        ("fare_attributes.txt", "odd,NaN,EUR", "price", 4),
        ("fare_attributes.txt", "odd,1e3,EUR", "price", 4),
        ("fare_attributes.txt", 'odd,"4,70",EUR', "price", 4),
        ("fare_attributes.txt", "odd,99999999,EUR", "price", 4),
        ("fare_attributes.txt", "odd,,EUR", "price", 4),
        ("fare_attributes.txt", "odd,1,€", "currency_type", 4),
        ("fare_attributes.txt", "odd,1,", "currency_type", 4),
        ("fare_attributes.txt", "short,1,EUR", "fare_id", 4),
        ("fare_rules.txt", "ghost,F1,1,2", "fare_id", 3),
        ("fare_rules.txt", "short,F9,1,2", "route_id", 3),
        ("fare_rules.txt", f"short,F1,{'z' * 65},2", "origin_id", 3),
    ],
)
def test_a_wrong_fare_is_told_and_left_out(tmp_path: Path, file: str, row: str, field: str, line: int):
    path = zipped(tmp_path, with_rows(file, row))
    assert read(path).faults == [("error", file, line, field)]
    assert fares(read(path, skips_bad=True)) == {("F1", "1", "2"): 250, ("", "", ""): 400}


def test_fares_by_zones_passed_through_are_told_and_left_out(tmp_path: Path):
    """And do not become fares for everything."""
    files = ISLANDS | {"fare_rules.txt": "fare_id,contains_id\nshort,1\nshort,2\n"}
    found = read(zipped(tmp_path, files))
    assert found.faults == [("warning", "fare_rules.txt", line, "contains_id") for line in (2, 3)]
    assert fares(found) == {("", "", ""): 400}


def test_a_feed_without_a_fare_that_is_sold_says_so(tmp_path: Path):
    files = ISLANDS | {
        "fare_attributes.txt": "fare_id,price,currency_type\nshort,2.50,EUR\n",
        "fare_rules.txt": "fare_id,contains_id\nshort,1\n",
    }
    found = read(zipped(tmp_path, files))
    assert found.faults == [
        ("warning", "fare_rules.txt", 2, "contains_id"),
        ("warning", "fare_attributes.txt", 0, ""),
    ]
    assert found.fares is None


def test_fares_of_the_second_kind_are_told_where_there_are_no_others(tmp_path: Path):
    products = {"fare_products.txt": "fare_product_id,amount,currency\nsingle,2.50,EUR\n"}
    alone = read(zipped(tmp_path, without("fare_attributes.txt", "fare_rules.txt") | products))
    assert alone.faults == [("warning", "fare_products.txt", 0, "")]
    assert read(zipped(tmp_path, ISLANDS | products)).faults == []


def test_only_the_currency_of_most_fares_is_taken_and_the_others_told(tmp_path: Path):
    found = read(zipped(tmp_path, with_rows("fare_attributes.txt", "abroad,1.00,GBP,0")))
    assert found.faults == [("warning", "fare_attributes.txt", 4, "currency_type")]
    assert found.fares["currency"] == "EUR"
    assert 100 not in fares(found).values()


def test_too_many_fares_are_told_and_none_taken(tmp_path: Path):
    """A part of a tariff would be a wrong one."""
    rules = [f"long,,{number // 200},{number % 200}" for number in range(20_001)]
    found = read(zipped(tmp_path, with_rows("fare_rules.txt", *rules)), skips_bad=True)
    assert found.faults == [("error", "fare_rules.txt", 0, "")]
    assert found.fares is None
    assert found.is_usable
