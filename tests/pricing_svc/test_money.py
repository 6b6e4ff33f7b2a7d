"""Money is rounded in one place."""

import ast
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pricing_svc
from pricing_svc.domain.money import round_half_up

DOMAIN = Path(pricing_svc.__file__).parent / "domain"


@pytest.mark.parametrize(
    ("numerator", "denominator", "multiple", "rounded"),
    [(5, 2, 1, 3), (4, 2, 1, 2), (249, 100, 1, 2), (250, 100, 1, 3), (125, 10, 5, 15), (124, 10, 5, 10), (0, 7, 9, 0)],
)
def test_halves_go_upwards(numerator: int, denominator: int, multiple: int, rounded: int):
    assert round_half_up(numerator, denominator, multiple=multiple) == rounded


@given(st.integers(0, 10**18), st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_nearest_multiple_is_taken_exactly(numerator: int, denominator: int, multiple: int):
    rounded = round_half_up(numerator, denominator, multiple=multiple)
    error = rounded - Fraction(numerator, denominator)
    assert type(rounded) is int
    assert rounded % multiple == 0
    assert -Fraction(multiple, 2) < error <= Fraction(multiple, 2)


def test_nothing_in_the_domain_divides_money_into_a_float_or_rounds_it_elsewhere():
    for path in DOMAIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Div), path.name
            assert not (isinstance(node, ast.Name) and node.id in ("float", "round")), path.name
