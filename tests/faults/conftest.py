"""What the fault runs are told from outside, and where they write down what they came to."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

FIGURES = Path(__file__).parents[2] / "build" / "proof"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=0, help="where the seeds of the fault runs begin")


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    found: int = pytestconfig.getoption("--seed")
    return found


@pytest.fixture
def keep_figures(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep the figures of a run for docs/proof.md, under a name; a later run of the name replaces them."""

    def keep(name: str, **figures: object) -> None:
        FIGURES.mkdir(parents=True, exist_ok=True)
        (FIGURES / f"{name}.json").write_text(json.dumps(figures, indent=2))

    return keep
