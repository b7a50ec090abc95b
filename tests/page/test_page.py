"""The dashboard in a browser, at a gateway that runs, with providers that answer."""

import json
import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.page.browsing import Tab, needs_chromium
from tests.page.site import MARKUP, Site

needs_chromium()

OpenTab = Callable[..., Tab]


def test_a_wrong_token_is_told_and_a_good_one_goes_nowhere(open_tab: OpenTab, gateway: Site) -> None:
    """The token is in this tab's storage and in headers alone; the pools it opens show names as text."""
    tab = open_tab()
    addresses: list[str] = []
    tab.page.on("request", lambda request: addresses.append(request.url))
    tab.page.on("websocket", lambda socket: addresses.append(socket.url))
    tab.page.goto(gateway.address)
    tab.page.get_by_label("Admin token").fill("a-token-that-nobody-made")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("not good")
    # The browser itself says that an answer was a 401.
    assert [text for text in tab.complaints if "401" not in text] == []
    tab.complaints.clear()
    tab.sign_in()
    expect(tab.page.locator("details.pool")).to_have_count(4)
    expect(tab.pool(MARKUP)).to_be_visible()
    assert len(addresses) > 10
    assert not [address for address in addresses if gateway.token in address]
    stored = tab.page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]")
    assert stored == [[gateway.token], [], ""]


def test_a_change_is_there_within_a_second(open_tab: OpenTab, gateway: Site) -> None:
    """Of the file: the pool's weight, the position and the event, without a reload of anything."""
    tab = open_tab()
    tab.sign_in()
    weight = tab.pool("chat").locator("tr", has_text="south").locator("td.c-weight")
    event = tab.page.locator("#changes li").first
    for new in (5, 6):
        before = gateway.admin("GET", "/events?limit=1")["position"]
        gateway.weigh(new)
        begin = time.monotonic()
        expect(weight).to_have_text(str(new), timeout=1000)
        expect(event).to_contain_text(f"→ {new}", timeout=1000)
        assert time.monotonic() - begin < 1
        assert event.get_attribute("data-position") == str(before + 1)
    gateway.ask("chat")
    expect(tab.pool("chat").locator("td.c-share").first).to_contain_text("%")


def test_a_warning_of_the_file_is_shown(open_tab: OpenTab, gateway: Site) -> None:
    """A key that is ignored is no error, and nobody looks into the log of a file that was taken."""
    tab = open_tab()
    tab.sign_in()
    good = gateway.document
    wrong = json.loads(json.dumps(good))
    wrong["targets"]["chat"]["stratgy"] = "priority"
    notice = tab.page.locator("#notices .notice")
    expect(notice).to_have_count(0)
    gateway.write(wrong)
    expect(notice).to_contain_text("$.targets.chat.stratgy")
    expect(tab.page.locator("#gateway")).to_contain_text("routes.json, with warnings")
    gateway.write(good)
    expect(notice).to_have_count(0)


def test_a_request_just_made_is_explained(open_tab: OpenTab, gateway: Site) -> None:
    """By its id: every candidate of each step with its reason, the attempts, and that it was computed again."""
    gateway.tell("east", error_status=503)
    answer = gateway.ask("careful")
    gateway.tell("east", error_status=0)
    assert answer.headers["x-pointsman-provider"] == "north"
    tab = open_tab()
    tab.sign_in()
    tab.view("Requests")
    tab.page.get_by_label("Request id or decision number").fill(answer.headers["x-request-id"])
    tab.page.get_by_role("button", name="Explain").click()
    told = tab.page.get_by_role("article")
    expect(told).to_contain_text("Recomputed = recorded")
    expect(tab.page.locator("#explanation-title")).to_be_focused()
    first, second = told.get_by_role("table", name=re.compile("Candidates")).all()
    expect(first.get_by_role("row", name="east")).to_contain_text("chosen")
    expect(second.get_by_role("row", name="east")).to_contain_text("excluded by attempt 1")
    expect(second.get_by_role("row", name="north")).to_contain_text("chosen")
    expect(told.get_by_role("table", name="Attempts").get_by_role("row")).to_have_count(3)
    listed = tab.page.get_by_role("table", name="The latest requests").get_by_role("row")
    expect(listed.nth(1)).to_contain_text("careful")
    tab.page.get_by_label("Request id or decision number").fill(answer.headers["x-pointsman-decision"])
    tab.page.keyboard.press("Enter")
    expect(told).to_contain_text(answer.headers["x-request-id"])


def test_an_unknown_request_is_told_in_the_gateways_words(open_tab: OpenTab, gateway: Site) -> None:
    tab = open_tab()
    tab.sign_in()
    tab.page.goto(f"{gateway.address}/#/requests/1")
    expect(tab.page.get_by_role("article").get_by_role("alert")).to_be_visible()
    tab.complaints[:] = [text for text in tab.complaints if "404" not in text]


def test_a_revoked_token_is_asked_for_again(open_tab: OpenTab, gateway: Site) -> None:
    """Scope read is enough to see everything; from the moment it is revoked nothing is left of it."""
    made = gateway.admin("POST", "/tokens", {"name": "watcher", "scope": "read"})
    tab = open_tab()
    tab.sign_in(made["secret"])
    expect(tab.pool("chat")).to_be_visible()
    gateway.admin("DELETE", f"/tokens/{made['token_id']}")
    expect(tab.page.get_by_role("alert")).to_contain_text("revoked")
    expect(tab.page.get_by_label("Admin token")).to_be_focused()
    assert tab.page.evaluate("sessionStorage.length") == 0
    expect(tab.page.locator("details.pool, #changes li, #gateway div")).to_have_count(0)
    tab.page.get_by_label("Admin token").fill(gateway.token)
    tab.page.keyboard.press("Enter")
    tab.is_live()
    expect(tab.pool("chat")).to_be_visible()
    expect(tab.page.locator("#changes li").first).to_be_visible()
    tab.complaints[:] = [text for text in tab.complaints if "401" not in text]


def test_a_restart_is_survived(open_tab: OpenTab, gateway: Site) -> None:
    """What was typed stays, the state comes anew, and what happened meanwhile is in the timeline."""
    tab = open_tab()
    tab.sign_in()
    tab.page.get_by_label("Pools or providers whose name has").fill("chat")
    expect(tab.page.locator("details.pool")).to_have_count(1)
    gateway.stop()
    tab.is_live("Reconnecting")
    gateway.weigh(9)
    gateway.start()
    tab.is_live("Live, resynced")
    expect(tab.page.locator("details.pool")).to_have_count(1)
    expect(tab.pool("chat").locator("tr", has_text="south").locator("td.c-weight")).to_have_text("9")
    expect(tab.page.locator("#changes li").first).to_contain_text("→ 9")
    tab.complaints[:] = [text for text in tab.complaints if "ERR_CONNECTION" not in text]


def test_a_lost_connection_goes_on_where_it_was(open_tab: OpenTab, gateway: Site) -> None:
    """WS-2: by the last `seq`, without a snapshot; the change made meanwhile is told once."""
    tab = open_tab()
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    tab.page.route_web_socket(re.compile("/live"), through)
    tab.sign_in()
    expect(tab.page.locator("#changes li").first).to_be_visible()
    sockets[0].close(code=1012)
    gateway.weigh(31)
    tab.is_live("Live, resumed")
    assert "?from=" in sockets[1].url
    expect(tab.page.locator("#changes li", has_text="→ 31")).to_have_count(1)


def test_an_earlier_moment_is_marked_as_past(open_tab: OpenTab, gateway: Site) -> None:
    """The slider shows the pools as they were, says so, and goes back."""
    gateway.weigh(20)
    tab = open_tab()
    tab.sign_in()
    weight = tab.pool("chat").locator("tr", has_text="south").locator("td.c-weight")
    expect(weight).to_have_text("20")
    tab.page.get_by_role("button", name="Earlier change").click()
    heading = tab.page.get_by_role("heading", name=re.compile("^Past: "))
    expect(heading).to_be_visible()
    expect(tab.page.locator("#time-note")).to_contain_text("position")
    tab.page.get_by_role("button", name="Configuration then").click()
    expect(tab.page.get_by_role("dialog").locator("details").first).to_be_visible()
    tab.page.keyboard.press("Escape")
    tab.page.get_by_role("button", name="Back to live").click()
    expect(heading).to_have_count(0)
    expect(weight).to_have_text("20")


def test_a_file_is_planned_and_not_applied(open_tab: OpenTab, gateway: Site) -> None:
    """What it would change, and what it would have done with the requests so far; and what is wrong with another."""
    gateway.ask("careful")
    position = gateway.admin("GET", "/events?limit=1")["position"]
    tab = open_tab()
    tab.sign_in()
    tab.view("Plan")
    east = {"name": "east", "url": f"{gateway.providers['east']}/v1", "weight": 7}
    content = tab.page.get_by_label("Content")
    content.fill(json.dumps({"targets": {"careful": {"providers": [east]}}}))
    result = tab.page.locator("#plan-result")
    name = tab.page.get_by_role("textbox", name="Name", exact=True)
    expect(name).to_have_value("")
    name.fill("routes.json")
    tab.page.get_by_role("button", name="Preview").click()
    expect(result.get_by_role("heading", name="Traffic")).to_be_visible()
    expect(result).to_contain_text("pointsman apply routes.json")
    expect(result).to_contain_text("Self-check passed")
    expect(result.locator(".sentences")).to_contain_text("careful")
    content.fill('{"targets": 3}')
    tab.page.get_by_role("button", name="Preview").click()
    expect(result.get_by_role("alert")).to_contain_text("targets")
    assert gateway.admin("GET", "/events?limit=1")["position"] == position
    tab.complaints[:] = [text for text in tab.complaints if "422" not in text]


def test_everything_is_reached_by_the_keyboard(open_tab: OpenTab, gateway: Site) -> None:
    """In the order it is read; a dialog keeps the focus, and gives it back."""
    tab = open_tab()
    page = tab.page
    page.goto(gateway.address)
    expect(page.get_by_label("Admin token")).to_be_focused()
    page.keyboard.type(gateway.token)
    page.keyboard.press("Enter")
    tab.is_live()
    page.reload()
    tab.is_live()
    names = [_tabbed(page) for _ in range(6)]
    assert names == ["Skip to the content", "Pools", "Changes", "Requests", "Plan", "Sign out"]
    page.locator("#changes .event").first.focus()
    event = page.locator(":focus").text_content()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".differing").first).to_be_visible()
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.locator(":focus").text_content() == event
    page.locator("details.pool summary").first.focus()
    is_open = page.locator("details.pool").first.get_attribute("open")
    page.keyboard.press("Enter")
    assert page.locator("details.pool").first.get_attribute("open") != is_open
    page.get_by_label("Moment shown").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", name=re.compile("^Past: "))).to_be_visible()
    page.keyboard.press("End")
    expect(page.get_by_role("heading", name="Now")).to_be_visible()


@pytest.mark.parametrize(("scheme", "rules"), [("light", ()), ("dark", ("color-contrast",))])
def test_there_are_no_barriers(open_tab: OpenTab, gateway: Site, scheme: str, rules: tuple[str, ...]) -> None:
    """By axe-core, in each view with data in it, a change's dialog and an explanation open. Only colours differ between
    the schemes.
    """
    request_id = gateway.ask("careful").headers["x-request-id"]
    tab = open_tab(color_scheme=scheme, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = tab.page
    page.goto(gateway.address)
    assert tab.barriers(*rules) == []
    tab.sign_in()
    expect(page.locator("#changes .event").first).to_be_visible()
    assert tab.barriers(*rules) == []
    page.locator("#changes .event").first.click()
    expect(page.get_by_role("dialog").locator(".differing").first).to_be_visible()
    expect(page.get_by_role("dialog")).to_contain_text("Refused:")
    assert tab.barriers(*rules) == []
    page.keyboard.press("Escape")
    page.goto(f"{gateway.address}/#/requests/{request_id}")
    expect(page.get_by_role("article")).to_contain_text("Recomputed = recorded")
    assert tab.barriers(*rules) == []
    tab.view("Plan")
    assert tab.barriers(*rules) == []
    tab.view("Pools")
    page.get_by_role("button", name="Earlier change").click()
    expect(page.locator("#time-note")).to_contain_text("position")
    assert tab.barriers(*rules) == []


def test_a_telephone_is_wide_enough(open_tab: OpenTab, gateway: Site) -> None:
    """360 pixels: nothing is cut off or has to be scrolled sideways."""
    request_id = gateway.ask("careful").headers["x-request-id"]
    tab = open_tab(viewport={"width": 360, "height": 740})
    tab.sign_in()
    assert tab.fits()
    for view in ("Changes", "Requests", "Plan"):
        tab.view(view)
        assert tab.fits(), view
    tab.page.goto(f"{gateway.address}/#/requests/{request_id}")
    expect(tab.page.get_by_role("article")).to_contain_text("Recomputed = recorded")
    assert tab.fits()
    tab.view("Changes")
    tab.page.locator("#changes .event").first.click()
    expect(tab.page.get_by_role("dialog").locator(".differing").first).to_be_visible()
    assert tab.fits()


def _tabbed(page: Page) -> str:
    """What the next stop of the tabulator is called."""
    page.keyboard.press("Tab")
    named: str = page.evaluate("document.activeElement.textContent.trim()")
    return named
