"""A browser, and what the tests ask of it. Where there is none, or no axe-core, they say so in one line."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.page.site import Site

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
_SERIOUS = {"serious", "critical"}
_NARROW = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def needs_chromium() -> None:
    """Skip the module that says this, all of it with one line, where there is no browser."""
    if CHROMIUM is None:
        why = "the browser tests did not run: there is no chromium (on Debian: apt-get install chromium)"
        pytest.skip(why, allow_module_level=True)


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window. Skips the test where it does not start."""
    # Its sandbox refuses root; what it opens here is our own page.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        except Error as error:
            pytest.skip(f"the browser tests did not run: {CHROMIUM} does not start: {error.message.splitlines()[0]}")
        with started:
            yield started


@attrs.define(eq=False)
class Tab:
    """One tab at a gateway's dashboard."""

    site: Site
    page: Page
    complaints: list[str] = attrs.field(factory=list)
    "Of the console: errors, warnings and what the content security policy refused."

    def sign_in(self, token: str | None = None) -> None:
        """Open the page with a token, and return once it is live."""
        self.page.goto(self.site.address)
        self.page.get_by_label("Admin token").fill(self.site.token if token is None else token)
        self.page.keyboard.press("Enter")
        self.is_live()

    def is_live(self, how: str = "Live") -> None:
        expect(self.page.get_by_role("status").first).to_have_text(how)

    def view(self, name: str) -> None:
        self.page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(self.page.get_by_role("heading", level=2, name=name)).to_be_visible()

    def pool(self, alias: str) -> Any:
        return self.page.locator("details.pool", has=self.page.get_by_role("heading", name=alias, exact=True))

    def fits(self) -> bool:
        """Whether nothing is wider than the screen."""
        fitting: bool = self.page.evaluate(_NARROW)
        return fitting

    def barriers(self, *rules: str) -> list[str]:
        """What axe-core calls serious or worse, by some of its rules or by all."""
        if not AXE.exists():
            pytest.skip("the page was not searched for barriers: there is no axe-core (npm brings it, by `make test`)")
        # Evaluated by the debugger, which no content security policy binds.
        self.page.evaluate(AXE.read_text())
        wanted = {"runOnly": list(rules)} if rules else {}
        found = self.page.evaluate("wanted => axe.run(document, wanted)", wanted)
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"]
            if one["impact"] in _SERIOUS
            for node in one["nodes"]
        ]


@contextmanager
def tab(browser: Browser, site: Site, **options: Any) -> Iterator[Tab]:
    """A tab with a storage of its own, which must not complain."""
    context = browser.new_context(timezone_id="UTC", locale="en-GB", **options)
    page = context.new_page()
    opened = Tab(site, page)
    page.on("console", lambda said: opened.complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    try:
        yield opened
        assert opened.complaints == []
    finally:
        context.close()
