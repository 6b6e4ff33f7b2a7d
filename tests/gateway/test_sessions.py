"""What a refresh token is worth, case by case and over every sequence of uses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidInput
from gateway.accounts.domain.sessions import LOST_ANSWER, REFRESH_TTL, RefreshToken, Use, granted

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FRESH = RefreshToken("a", "fam", "usr", "bookings", NOW, NOW + REFRESH_TTL)
USED = replace(FRESH, used_at=NOW, successor="b")
SUCCESSOR = replace(FRESH, digest="b")
SECOND = timedelta(seconds=1)


def test_a_fresh_token_is_rotated():
    assert FRESH.judge(None, now=NOW) is Use.ROTATE
    assert FRESH.judge(None, now=FRESH.expires_at - SECOND) is Use.ROTATE


def test_a_token_ends():
    assert FRESH.judge(None, now=FRESH.expires_at) is Use.EXPIRED
    assert USED.judge(SUCCESSOR, now=FRESH.expires_at) is Use.EXPIRED


def test_a_repeat_for_a_lost_answer_is_served_while_the_first_answer_is_unused():
    assert USED.judge(SUCCESSOR, now=NOW + LOST_ANSWER) is Use.REPEAT


def test_a_repeat_that_comes_late_is_reuse():
    assert USED.judge(SUCCESSOR, now=NOW + LOST_ANSWER + SECOND) is Use.REUSE


def test_a_repeat_after_the_first_answer_was_used_is_reuse():
    assert USED.judge(replace(SUCCESSOR, used_at=NOW), now=NOW + SECOND) is Use.REUSE
    assert USED.judge(None, now=NOW + SECOND) is Use.REUSE


def test_a_token_that_a_repeat_has_spent_is_reuse():
    assert replace(FRESH, used_at=NOW).judge(None, now=NOW + SECOND) is Use.REUSE


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 15)), max_size=40))
def test_one_token_of_a_family_is_live_at_any_time(uses: list[tuple[int, float]]):
    """Whoever presents whichever token whenever: two bearers never both go on."""
    family, now, is_revoked = {"0": replace(FRESH, digest="0")}, NOW, False
    for index, seconds in uses:
        now += timedelta(seconds=seconds)
        token = list(family.values())[index % len(family)]
        successor = family.get(token.successor or "")
        use = token.judge(successor, now=now)
        if use is Use.REUSE:
            is_revoked = True
            break
        if successor is not None:
            family[successor.digest] = replace(successor, used_at=now, successor=None)
        following = str(len(family))
        family[token.digest] = replace(token, used_at=token.used_at or now, successor=following)
        family[following] = replace(FRESH, digest=following)
        assert sum(each.used_at is None for each in family.values()) == 1
    assert is_revoked or sum(each.used_at is None for each in family.values()) == 1


def test_all_that_is_held_is_granted_when_nothing_is_asked():
    assert granted(frozenset({"a", "b"}), "") == {"a", "b"}
    assert granted(frozenset({"a", "b"}), " b ") == {"b"}


@pytest.mark.parametrize("wanted", ["c", "a c", "A"])
def test_nothing_is_granted_that_is_not_held(wanted: str):
    with pytest.raises(InvalidInput) as refused:
        granted(frozenset({"a", "b"}), wanted)
    assert refused.value.errors[0].pointer == "/scope"
