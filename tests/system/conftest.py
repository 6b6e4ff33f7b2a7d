"""One running system for all tests that do not break it, and one image of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.system.browser import opened_browser
from tests.system.image import Image, build_image
from tests.system.running_stack import Stack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("system") / "data") as started:
        yield started


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with opened_browser(tmp_path / "profile") as driver:
        yield driver
