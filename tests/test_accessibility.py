"""The owner's pages for everybody: no serious barrier by axe-core's rules, and decisions by keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, ViewportSize, sync_playwright
from playwright.sync_api import Page as Tab

from pdpp_conformance.approver.chromium import chromium_args, find_chromium
from pdpp_reference.clock import MovableClock
from pdpp_reference.server import LoopbackServer
from pdpp_reference.settings import DEVICE_CODE_GRANT

PASSWORD = "correct horse battery staple"
SPOTIFY = "https://registry.pdpp.dev/connectors/spotify"
BANK = "https://registry.pdpp.dev/connectors/open-banking"
TOO_BAD = ("serious", "critical")
MOST_TABS = 80
"""How often Tab is pressed at most to come to a control."""

THEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")
SCREENS: Sequence[ViewportSize] = ({"width": 360, "height": 700}, {"width": 1280, "height": 800})


@dataclass
class Site:
    """A deployment, and browsers at it."""

    server: LoopbackServer
    clock: MovableClock
    browser: Browser
    http: httpx.Client

    @property
    def url(self) -> str:
        return self.server.base_url

    def context(self) -> BrowserContext:
        """Return somebody's browser, without cookies."""
        context = self.browser.new_context(base_url=self.url)
        context.set_default_timeout(20_000)
        return context

    def request(self, *sources: str) -> dict[str, Any]:
        """Stage a device authorization, of the MCP kind for these sources, or of the owner's kind for none."""
        form = {"client_id": "pdpp_cli"}
        if sources:
            form |= {"resource": f"{self.url}/mcp", "authorization_details": details(*sources)}
        answer = self.http.post("/oauth/device_authorization", data=form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def poll(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.clock.advance(request["interval"] + 1)
        form = {"grant_type": DEVICE_CODE_GRANT, "client_id": "pdpp_cli", "device_code": request["device_code"]}
        return dict(self.http.post("/oauth/token", data=form).json())

    def authorize_path(self, *sources: str) -> str:
        query = {
            "client_id": "longview",
            "redirect_uri": "http://127.0.0.1:7777/callback",
            "response_type": "code",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
            "state": "its own state",
            "resource": f"{self.url}/mcp",
        }
        if sources:
            query["authorization_details"] = details(*sources)
        return f"/oauth/authorize?{urlencode(query)}"


def details(*sources: str) -> str:
    """Ask for two streams of each source, one of them narrowed, with all that a client can say of its purpose."""
    streams = {
        SPOTIFY: [
            {"name": "top_artists", "necessity": "required"},
            {"name": "saved_tracks", "necessity": "optional", "time_range": {"since": "2025-01-01T00:00:00Z"}},
        ]
    }
    return json.dumps(
        [
            {
                "type": "https://pdpp.dev/data-access",
                "source": {"kind": "connector", "id": source},
                "purpose_code": "https://pdpp.dev/purpose/personal_ai_assistant",
                "purpose_description": "Finds the concerts that you would like",
                "access_mode": "continuous",
                "streams": streams.get(source, [{"name": "*"}]),
                "retention": {"max_duration": "P30D", "on_expiry": "delete"},
            }
            for source in sources
        ]
    )


def sign_in(tab: Tab, password: str = PASSWORD) -> None:
    tab.goto("/owner/login")
    tab.get_by_label("Password").fill(password)
    tab.get_by_role("button", name="Sign in").click()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    executable = find_chromium()
    assert executable is not None, "there is no Chromium on this machine: make set-up"
    clock = MovableClock()
    server = LoopbackServer(clock=clock, owner_password=PASSWORD)
    server.start()
    try:
        with sync_playwright() as playwright, httpx.Client(base_url=server.base_url, trust_env=False) as http:
            browser = playwright.chromium.launch(executable_path=executable, args=chromium_args())
            yield Site(server, clock, browser, http)
            browser.close()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def owner(site: Site) -> Iterator[BrowserContext]:
    """The owner's browser, signed in."""
    context = site.context()
    tab = context.new_page()
    sign_in(tab)
    tab.close()
    yield context
    context.close()


@pytest.fixture
def tab(owner: BrowserContext) -> Iterator[Tab]:
    tab = owner.new_page()
    yield tab
    tab.close()


# -- the pages ---------------------------------------------------------------------------------------------------------


def decision(site: Site, tab: Tab, *sources: str) -> None:
    tab.goto(f"/device?user_code={site.request(*sources)['user_code']}")


def nothing_chosen(site: Site, tab: Tab) -> None:
    decision(site, tab, SPOTIFY)
    for box in tab.get_by_role("checkbox").all():
        box.uncheck()
    tab.get_by_role("button", name="Approve").click()


def decided(site: Site, tab: Tab, button: str, *sources: str) -> None:
    decision(site, tab, *sources)
    tab.get_by_role("button", name=button).click()


def unknown_code(_site: Site, tab: Tab) -> None:
    tab.goto("/device")
    tab.get_by_label("Code").fill("BBBB-BBBB")
    tab.get_by_role("button", name="Continue").click()


def grants(site: Site, tab: Tab) -> None:
    request = site.request(SPOTIFY, BANK)
    tab.goto(f"/device?user_code={request['user_code']}")
    tab.get_by_role("button", name="Approve").click()
    assert "access_token" in site.poll(request)
    tab.goto("/grants")


def forged(site: Site, tab: Tab) -> None:
    """A decision whose form token is another's."""
    decision(site, tab, SPOTIFY)
    tab.locator("input[name=csrf_token]").first.evaluate("field => { field.value = 'another'; }")
    tab.get_by_role("button", name="Approve").click()


PAGES: Mapping[str, tuple[str, Callable[[Site, Tab], object]]] = {
    "home": ("You decide", lambda _site, tab: tab.goto("/")),
    "code entry": ("code", lambda _site, tab: tab.goto("/device")),
    "code entry, wrong code": ("code", unknown_code),
    "MCP decision": ("A device asks for access", lambda site, tab: decision(site, tab, SPOTIFY, BANK)),
    "MCP decision, nothing chosen": ("Nothing chosen", nothing_chosen),
    "owner-agent decision": ("owner-agent", decision),
    "approved": ("pproved", lambda site, tab: decided(site, tab, "Approve", SPOTIFY)),
    "approved, owner agent": ("pproved", lambda site, tab: decided(site, tab, "Approve")),
    "denied": ("enied", lambda site, tab: decided(site, tab, "Deny", SPOTIFY)),
    "consent, details given": ("An application asks", lambda site, tab: tab.goto(site.authorize_path(SPOTIFY, BANK))),
    "consent, owner picks": ("An application asks", lambda site, tab: tab.goto(site.authorize_path())),
    "grants": ("rant", grants),
    "connect": ("Connect", lambda _site, tab: tab.goto("/connect")),
    "sign out": ("ign", lambda _site, tab: tab.goto("/owner/logout")),
    "no such page": ("Nothing here", lambda _site, tab: tab.goto("/owner/no-such-page")),
    "refused": ("be used", forged),
}
"""The owner's pages: a part of each title, and the way there."""


def barriers(tab: Tab) -> list[str]:
    """What axe-core takes for a serious barrier, by daylight or in the dark, and what does not fit on the screen."""
    found = set()
    for theme in THEMES:
        tab.emulate_media(color_scheme=theme)
        violations = Axe().run(tab).response["violations"]
        found |= {f"{one['id']}: {one['nodes'][0]['html']}" for one in violations if one["impact"] in TOO_BAD}
    for screen in SCREENS:
        tab.set_viewport_size(screen)
        if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.add(f"wider than a screen of {screen['width']} pixels")
    return sorted(found)


@pytest.mark.parametrize("name", PAGES)
def test_no_serious_barrier(site: Site, tab: Tab, name: str) -> None:
    """Each page can be read and used by everybody, at a telephone and at a desk, by day and by night."""
    title, visit = PAGES[name]
    visit(site, tab)
    assert title in tab.title()
    assert barriers(tab) == []


def test_no_serious_barrier_at_sign_in(site: Site) -> None:
    """Nor does one keep the owner from signing in, or from seeing that the password was wrong."""
    context = site.context()
    tab = context.new_page()
    tab.goto("/owner/login")
    assert barriers(tab) == []
    sign_in(tab, "another password")
    assert tab.get_by_role("alert").is_visible()
    assert barriers(tab) == []
    context.close()


def test_barriers_are_seen(tab: Tab) -> None:
    """Text that is hardly there, a field without a name, a button without words, what is too wide: all are found."""
    tab.goto("/device")
    tab.evaluate("""() => {
      document.querySelector("h1").style.color = "#ddd";
      document.querySelector("label").remove();
      document.querySelector("main button").textContent = "";
      document.querySelector("main").style.minWidth = "700px";
    }""")
    found = "\n".join(barriers(tab))
    assert all(told in found for told in ("color-contrast", "label", "button-name", "wider than a screen of 360"))


# -- the keyboard ------------------------------------------------------------------------------------------------------

_FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const box = element.getBoundingClientRect();
  const seen = box.bottom > 0 && box.top < innerHeight && box.width > 0;
  const named = document.querySelector(`label[for="${element.id}"]`) || element;
  return {name: named.innerText.trim(), tag: element.tagName, visible: outlined && seen};
}"""


def go_to(tab: Tab, name: str) -> list[str]:
    """Press Tab until the control of that name has the focus; return the names of those that had it on the way.

    Raises:
        AssertionError: it cannot be reached, or a control has the focus and does not show it.
    """
    passed: list[str] = []
    for _ in range(MOST_TABS):
        tab.keyboard.press("Tab")
        focused = tab.evaluate(_FOCUSED)
        if focused is None:
            break
        assert focused["visible"], f"{focused} does not show that it has the focus"
        if focused["name"] == name:
            return passed
        passed.append(focused["name"])
    raise AssertionError(f"no way by Tab to {name}, past {passed}")


def by_keyboard_to_the_decision(site: Site, request: Mapping[str, Any]) -> tuple[BrowserContext, Tab]:
    """Sign in, enter the code and arrive at the decision, with Tab, Enter and what has to be typed."""
    context = site.context()
    tab = context.new_page()
    tab.goto(request["verification_uri"])
    go_to(tab, "Owner password")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/device")
    go_to(tab, "Code")
    tab.keyboard.type(request["user_code"])
    tab.keyboard.press("Enter")
    tab.get_by_role("heading", name="Your decision").wait_for()
    assert tab.evaluate(_FOCUSED) is None, "nothing has the focus before the owner has read the page"
    return context, tab


@pytest.mark.parametrize("sources", [(SPOTIFY,), ()], ids=["MCP", "owner agent"])
@pytest.mark.parametrize(("button", "comes_of_it"), [("Approve", "access_token"), ("Deny", "error")])
def test_deciding_by_keyboard(site: Site, sources: tuple[str, ...], button: str, comes_of_it: str) -> None:
    """Tab and Enter lead from the sign-in page to either decision; everything that has the focus shows it."""
    request = site.request(*sources)
    context, tab = by_keyboard_to_the_decision(site, request)
    passed = go_to(tab, button)
    assert "Approve" not in passed
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/device/*")
    context.close()
    assert comes_of_it in site.poll(request)


def test_leaving_a_stream_out_by_keyboard(site: Site) -> None:
    """The space bar unchecks a stream, and what is left is what is granted."""
    request = site.request(SPOTIFY)
    context, tab = by_keyboard_to_the_decision(site, request)
    go_to(tab, "top_artists")
    tab.keyboard.press("Space")
    go_to(tab, "Approve")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/device/*")
    context.close()
    [granted] = site.poll(request)["authorization_details"]
    assert [stream["name"] for stream in granted["streams"]] == ["saved_tracks"]


def test_enter_on_a_stream_approves_nothing(site: Site) -> None:
    """Whoever presses Enter too early has not approved."""
    request = site.request(SPOTIFY)
    context, tab = by_keyboard_to_the_decision(site, request)
    go_to(tab, "saved_tracks")
    tab.keyboard.press("Enter")
    tab.wait_for_load_state()
    context.close()
    assert "access_token" not in site.poll(request)
