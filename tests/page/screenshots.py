"""`make screenshots`: the pictures of docs/dashboard.md, of a gateway under a little load, with a fault."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.page.browsing import Tab, browser, tab
from tests.page.site import Site, site

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
NAMES = ("frankfurt", "dublin", "virginia", "oregon")
DESKTOP: Mapping[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: Mapping[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
PAUSE_S = 0.15
ASKERS = (
    ("chat-large", "sk-search"),
    ("chat-large", "sk-support"),
    ("chat-small", "sk-search"),
    ("code", "sk-support"),
)


def document(providers: Mapping[str, str]) -> dict[str, Any]:
    known = {name: {"name": name, "url": f"{url}/v1"} for name, url in providers.items()}
    frankfurt, dublin, virginia, oregon = (
        {**one, "concurrency_limit": {"max_concurrent_requests": 8}} for one in known.values()
    )
    keys = ["search", "support"]
    more = {"keys": keys, "fallback": {"enabled": True, "on_status": [429, 5]}}
    return {
        "auth": {"key_definitions": {name: {"key": f"sk-{name}"} for name in keys}},
        "targets": {
            "chat-large": {"providers": [{**frankfurt, "weight": 2}, {**dublin, "weight": 2}, virginia], **more},
            "chat-small": {"strategy": "priority", "providers": [virginia, oregon], **more},
            "code": {
                "strategy": "least_latency",
                "providers": [known["oregon"], dublin],
                "rate_limit": {"requests_per_second": 6, "burst_size": 20},
                **more,
            },
            "embeddings": {"providers": [known["oregon"]], "keys": keys},
        },
    }


@contextmanager
def load(at: Site) -> Iterator[None]:
    """Requests without end, from a few threads, until the block ends."""
    over = threading.Event()

    def ask(alias: str, key: str) -> None:
        while not over.wait(PAUSE_S):
            at.ask(alias, key)

    threads = [threading.Thread(target=ask, args=asker) for asker in ASKERS * 3]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def incident(at: Site, watching: Page) -> None:
    """What the pictures tell of, while a page that watches collects latencies."""
    for name, latency in zip(NAMES, (0.32, 0.41, 0.55, 0.27), strict=True):
        at.tell(name, latency=latency)
    changed = json.loads(json.dumps(at.document))

    def weigh(weight: int) -> None:
        changed["targets"]["chat-large"]["providers"][0]["weight"] = weight
        at.write(json.loads(json.dumps(changed)))

    def slower() -> None:
        at.tell("dublin", latency=0.62)

    def broken() -> None:
        at.tell("virginia", error_status=503, latency=0.06)

    for pause, act in ((14, lambda: weigh(6)), (10, slower), (10, lambda: weigh(3)), (12, broken), (6, lambda: None)):
        watching.wait_for_timeout(pause * 1000)
        act()


def pictures(chromium: Browser, at: Site, name: str, options: Mapping[str, Any], fell_back: str) -> None:
    """One of each view."""
    with tab(chromium, at, **options) as opened:
        page = opened.page

        def take(view: str) -> None:
            page.wait_for_timeout(400)
            page.screenshot(path=IMAGES / f"{view}-{name}.png")

        opened.sign_in()
        page.goto(f"{at.address}/#/requests/{fell_back}")
        expect(page.get_by_role("article")).to_contain_text("Recomputed = recorded")
        if "phone" in name:
            page.locator("#explanation").scroll_into_view_if_needed()
        take("explanation")
        if name != "light":
            return
        opened.view("Changes")
        page.locator("#changes .event", has_text="weight 2 → 6").click()
        expect(page.get_by_role("dialog").locator(".shares")).to_be_visible()
        take("change")
        page.keyboard.press("Escape")
        plan(opened, take)


def plan(opened: Tab, take: Callable[[str], None]) -> None:
    page, at = opened.page, opened.site
    changed = json.loads(json.dumps(at.document))
    changed["targets"]["chat-large"]["providers"][2]["weight"] = 0
    changed["targets"]["chat-small"]["providers"].reverse()
    opened.view("Plan")
    page.get_by_role("textbox", name="Name", exact=True).fill("routes.json")
    page.get_by_label("Content").fill(json.dumps(changed, indent=2))
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Traffic")).to_be_visible()
    page.evaluate("document.querySelector('#plan-result').scrollIntoView()")
    take("plan")


def watched(chromium: Browser, at: Site) -> None:
    """All pools as they are, live, and as they were; both schemes and both widths watch at the same time."""
    schemes = {
        "light": {**DESKTOP, "color_scheme": "light"},
        "dark": {**DESKTOP, "color_scheme": "dark"},
        "phone-light": {**PHONE, "color_scheme": "light"},
        "phone-dark": {**PHONE, "color_scheme": "dark"},
    }
    with load(at), ExitStack() as tabs:
        opened = {name: tabs.enter_context(tab(chromium, at, **options)) for name, options in schemes.items()}
        for one in opened.values():
            one.sign_in()
            one.page.get_by_label("Span").select_option("900")
        incident(at, opened["light"].page)
        for name, one in opened.items():
            one.page.evaluate("scrollTo(0, 0)")
            one.page.wait_for_timeout(500)
            one.page.screenshot(path=IMAGES / f"pools-{name}.png")
        past = opened["dark"].page
        past.get_by_role("button", name="Earlier change").click()
        expect(past.locator("#time-note")).to_contain_text("position")
        past.wait_for_timeout(500)
        past.screenshot(path=IMAGES / "past-dark.png")
        fell_back = _fell_back(at)
    for name in ("light", "dark", "phone-light"):
        pictures(chromium, at, name, schemes[name], fell_back)


def _fell_back(at: Site) -> str:
    """The newest request that needed two attempts."""
    until = ""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        page = at.admin("GET", f"/requests?limit=200&status=200{until}")
        for one in page["data"]:
            if one["attempts"] == 2:
                found: str = one["request_id"]
                return found
        until = "" if page["next"] is None else f"&until={page['next'].replace('+', '%2B')}"
    raise AssertionError("no request fell back")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, site(Path(folder), document, NAMES) as at, browser() as chromium:
        watched(chromium, at)


if __name__ == "__main__":
    main()
