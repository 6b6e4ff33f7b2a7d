"""One running system for all tests that do not break it."""

from collections.abc import Iterator

import pytest

from tests.system.running_stack import Stack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("system") / "data") as started:
        yield started
