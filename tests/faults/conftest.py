"""What the fault runs are told from outside, and where they write down what they came to."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.people import Person, everybody, something_on_sale
from tests.system.running_stack import Stack, running

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


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running system for all that send it nonsense; nobody in it may die of that."""
    with running(tmp_path_factory.mktemp("fuzzed") / "data") as started:
        before = dict(started.ready["pids"])
        yield started
        assert {name: started.pid(name) for name in before} == before


@pytest.fixture(scope="session")
def people(stack: Stack) -> dict[str, Person]:
    something_on_sale(stack)
    return everybody(stack)
