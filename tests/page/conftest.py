"""One browser and one gateway for all tests of the page."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

pytest.register_assert_rewrite("tests.page.browsing", "tests.page.site")

from tests.page.browsing import Tab, browser, tab  # noqa: E402 - they are rewritten
from tests.page.site import Site, site  # noqa: E402


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Asks for the browser first, so that nothing else starts without one."""
    assert chromium.is_connected()
    with site(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture
def open_tab(chromium: Browser, gateway: Site) -> Iterator[Callable[..., Tab]]:
    """Opens tabs that end with the test, and fail it if the browser complained."""
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(tab(chromium, gateway, **options))
