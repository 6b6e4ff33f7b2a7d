"""Every failure of the contract, raised over gRPC at the service that it comes from."""

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.system.broken_parts import stopped
from tests.system.failures import FAILURES, WITHOUT_DETAILS, is_plain
from tests.system.hasty_stack import hasty  # noqa: F401 - the fixture
from tests.system.running_stack import Stack
from tests.system.scene import Scene, scene_on
from tests.system.two_doors import Refusal, over_grpc

ON_GRPC = {code: failing for code, failing in FAILURES.items() if failing.canonical is not None}


@pytest.fixture(scope="module")
def scene(hasty: Stack) -> Iterator[Scene]:  # noqa: F811
    with scene_on(hasty) as ready:
        yield ready


def refused(scene: Scene, code: str) -> Refusal:
    """Bring the service that is asked to a failure."""
    failing = ON_GRPC[code]
    asked = failing.ask(scene)
    address = scene.stack.ready["grpc"][asked.rpc.split(".")[1]]
    with stopped(scene.stack, failing.stopped) if failing.stopped else nullcontext():
        return over_grpc(asked, address)


@pytest.mark.parametrize("code", [code for code in ON_GRPC if code not in WITHOUT_DETAILS])
def test_grpc_answers_a_failure_as_the_contract_says(scene: Scene, code: str) -> None:
    failing, refusal = ON_GRPC[code], refused(scene, code)
    assert (refusal.code, refusal.reason, refusal.domain) == (failing.canonical, code.upper(), "headway")
    assert refusal.facts == failing.facts
    assert refusal.pointers == failing.pointers
    assert is_plain(refusal.message)
    told = refusal.retry_after_seconds
    assert (told is not None) is (failing.retry_after_seconds_max > 0)
    assert told is None or 0 < told <= failing.retry_after_seconds_max


@pytest.mark.parametrize("code", WITHOUT_DETAILS)
def test_what_grpc_itself_refuses_has_the_same_canonical_code(scene: Scene, code: str) -> None:
    assert refused(scene, code).code is ON_GRPC[code].canonical
