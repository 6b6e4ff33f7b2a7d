"""What the fault runs are told from outside, and where they write down what they came to."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults import proof
from tests.faults.people import Crowd, Person
from tests.system.running_stack import Stack, running

BEGAN = time.time()


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
        proof.FIGURES.mkdir(parents=True, exist_ok=True)
        (proof.FIGURES / f"{name}.json").write_text(json.dumps(figures, indent=2))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Say how often what was tried in this run, and remember when some of it failed."""
    if exitstatus:
        proof.FIGURES.mkdir(parents=True, exist_ok=True)
        proof.FAILED.touch()
    for what, count, more in proof.rows(since=BEGAN):
        terminalreporter.write_line(f"{count:>9,}  {what}{f': {more}' if more else ''}")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running system for all that send it nonsense; nobody in it may die of that."""
    brief = {"GATEWAY_STREAM_SECONDS_MAX": "0.2"}
    with running(tmp_path_factory.mktemp("fuzzed") / "data", environment=brief) as started:
        before = dict(started.ready["pids"])
        yield started
        assert {name: started.pid(name) for name in before} == before


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Crowd:
    return Crowd(stack)


@pytest.fixture
def people(crowd: Crowd) -> dict[str, Person]:
    """One caller of every kind, whose tokens are good for some minutes more."""
    return crowd.signed_in(now_seconds=time.monotonic())
