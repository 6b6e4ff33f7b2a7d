"""Identifiers: new ones never meet and sort by age, stable ones are always the same."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from chassis import ids
from chassis.bus import subject_token
from chassis.ids import ALPHABET, encode, new_id, stable_id

FORM = re.compile(r"bkg_[0-9a-hjkmnp-tv-z]{26}")


def test_a_new_identifier_says_what_it_names_and_needs_no_escaping():
    found = new_id("bkg")
    assert FORM.fullmatch(found)
    assert subject_token(found) == found


def test_new_identifiers_never_meet():
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(new_id, ["bkg"] * 20_000))
    assert len(set(found)) == 20_000


def test_new_identifiers_sort_by_the_millisecond_of_their_birth(monkeypatch):
    born = []
    for milliseconds in (0, 1, 31, 32, 10**12, 2 * 10**12, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda milliseconds=milliseconds: milliseconds * 1_000_000)
        born.append(new_id("bkg"))
    assert born == sorted(born)
    assert len({len(found) for found in born}) == 1


def test_eighty_bits_are_random(monkeypatch):
    monkeypatch.setattr(ids.os, "urandom", lambda count: b"\xff" * count)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert new_id("bkg") == "bkg_" + "0" * 10 + "z" * 16


@given(st.integers(0, 2**130 - 1), st.integers(0, 2**130 - 1))
def test_numbers_keep_their_order_in_writing(one, other):
    assert (encode(one, 26) < encode(other, 26)) == (one < other)
    assert int("".join(f"{ALPHABET.index(digit):05b}" for digit in encode(one, 26)), 2) == one


def test_a_stable_identifier_is_the_same_in_every_process_and_version():
    assert stable_id("stp", "feed", "42") == "stp_evrvfvxkqgr81e6prrxytkvf"


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\x1f", exclude_categories=["Cs"])), min_size=1))
def test_stable_identifiers_of_other_parts_are_others(parts):
    assert stable_id("stp", *parts) == stable_id("stp", *parts)
    assert stable_id("stp", *parts) != stable_id("stp", *parts, "")
    assert stable_id("stp", *parts) != stable_id("stp", parts[0] + "x", *parts[1:])
    assert len(stable_id("stp", *parts)) == len("stp_") + 24
