"""The owner at a real browser: signs in, types the user code, reads the page, decides."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Error, Locator, Playwright, Response, sync_playwright
from playwright.sync_api import Page as BrowserPage

from pdpp_conformance.approver.approver import Attachment, Decision, Page
from pdpp_conformance.approver.chromium import chromium_args, find_chromium
from pdpp_conformance.approver.redirection import Arrival, CaughtRedirect
from pdpp_conformance.exchange import Exchange, Recorder
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked

MOST_PAGES = 5
"""How many pages the owner walks through for one decision before giving up."""

_STEP_TIMEOUT_MS = 8_000
_ACTOR = "owner's browser"
_REMEMBER_PAGE = "() => { window.__pdpp_text = document.body.innerText; }"
_PAGE_CHANGED = "() => document.body && document.body.innerText !== window.__pdpp_text"
_READ_PAGE = """() => {
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const all = (selector) => Array.from(document.querySelectorAll(selector)).filter(seen);
  const name = (element) =>
    (element.getAttribute("aria-label") || (element.tagName === "INPUT" ? element.value : element.innerText) || "")
      .replace(/\\s+/g, " ").trim();
  const text = (selector) => all(selector).map((element) => element.innerText).join("\\n");
  return {
    url: location.href,
    title: document.title,
    text: document.body.innerText,
    main_text: (document.querySelector("main,[role=main]") || document.body).innerText,
    headings: all("h1,h2,h3,h4,[role=heading]").map(name),
    buttons: all("button,input[type=submit],input[type=button],[role=button]").map(name),
    links: all("a[href]").map(name),
    markup: document.documentElement.outerHTML,
    protocol_facts: text("[data-authorship=protocol]"),
    client_claims: text("[data-authorship=client]"),
    password_field: all("input[type=password]").length > 0,
    code_field: ["input[name=user_code]", "input[type=text]", "input:not([type])"]
      .map((selector) => selector + ":visible")
      .find((selector) => all(selector.replace(":visible", "")).length > 0) || "",
  };
}"""
"""Reads a page in one go: a question at a time costs a round trip each."""

_VOLATILE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}|\d|[0-9a-f]{12,}|\S{24,}")


class BrowserApprover:
    """Drives Chromium by role and visible name, never by a deployment's own selectors.

    Args:
        words: the visible names of the buttons.
        screenshots: the folder that keeps one picture of each page that looks different.
        report_dir: the report folder, which attachment paths are relative to.
    """

    kind = "browser"

    def __init__(
        self,
        words: ApproverWords,
        recorder: Recorder,
        *,
        username: str | None,
        password: str | None,
        screenshots: Path,
        report_dir: Path,
    ) -> None:
        self._words = words
        self._recorder = recorder
        self._username = username
        self._password = password
        self._screenshots = screenshots
        self._report_dir = report_dir
        self._seen: dict[str, Attachment] = {}
        self._attached: list[Attachment] = []
        self._responses: list[Response] = []
        self._typed: set[str] = set()
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._context: BrowserContext | None = None
        if password is not None:
            recorder.redactor.register(password, "password")

    def prepare(self) -> None:
        with contextlib.suppress(Blocked):
            self._browser_context()

    def take_attachments(self) -> list[Attachment]:
        """Return the pictures of the pages seen since the last call."""
        taken, self._attached = self._attached, []
        return list(dict.fromkeys(taken))

    def read(self, device: DeviceAuthorization, *, complete: bool = False) -> Page:
        tab = self._tab()
        return self._keep(tab, self._decision_page(tab, device, complete=complete), f"the decision page, {device.kind}")

    def approve(self, device: DeviceAuthorization, *, without_streams: Sequence[str] = ()) -> Decision:
        tab = self._tab()
        asked = self._keep(tab, self._decision_page(tab, device), f"the decision page, {device.kind}")
        for stream in without_streams:
            self._leave_out(tab, stream)
        return Decision(asked, self._decide(tab, self._words.approve, "approved"))

    def deny(self, device: DeviceAuthorization) -> Decision:
        tab = self._tab()
        asked = self._keep(tab, self._decision_page(tab, device), f"the decision page, {device.kind}")
        return Decision(asked, self._decide(tab, self._words.deny, "denied"))

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        tab = self._tab()
        self._goto(tab, verification_uri)
        seen = self._sign_in_if_asked(tab, self._look(tab))
        if not seen.code_field:
            raise Blocked("the verification URI takes no code", unblock="a verification page with a field for the code")
        self._enter(tab, seen, user_code)
        return self._keep(tab, self._look(tab), "the answer to an entered code")

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        return [(cookie.get("name", ""), cookie.get("value", "")) for cookie in self._browser_context().cookies()]

    def sign_in(self, url: str) -> None:
        """Visit a page that needs the owner's session, and sign in where asked."""
        tab = self._tab()
        self._goto(tab, url)
        self._sign_in_if_asked(tab, self._look(tab))

    def answer_client(self, url: str, redirect_uri: str, *, approve: bool | None) -> Arrival:
        """Open an authorization request (RFC 6749 §4.1.1), sign in where asked, decide, and follow the way back.

        Args:
            approve: the owner's decision; ``None`` to stop at the page that asks for it.
        """
        tab, words = self._tab(), self._words
        pressed = () if approve is None else words.approve if approve else words.deny
        with CaughtRedirect(tab, redirect_uri) as client:
            self._goto(tab, url)
            for _ in range(MOST_PAGES):
                seen = self._sign_in_if_asked(tab, self._look(tab))
                decides = seen.offers(words.approve) and seen.offers(words.deny)
                name = seen.offers(pressed) or (None if decides else seen.offers(words.proceed))
                if client.url is not None or name is None:
                    break
                self._keep(tab, seen, "the decision page, authorization code")
                self._press(tab, self._named(tab, name))
            last = self._look(tab)
            asks = bool(last.offers(words.approve) and last.offers(words.deny))
            return Arrival(self._keep(tab, last, "where an authorization request led"), asks, client.url)

    def close(self) -> None:
        """Close the browser and end its driver."""
        for closing in (self._context, self._browser):
            if closing is not None:
                try:
                    closing.close()
                except Error:
                    continue
        if self._playwright is not None:
            self._playwright.stop()
        self._context = self._browser = self._playwright = None

    # -- the pages ---------------------------------------------------------------------------------------------------

    def _decision_page(self, tab: BrowserPage, device: DeviceAuthorization, *, complete: bool = False) -> _Seen:
        """Walk from the verification URI to the page that offers the decision.

        The owner types the first code of each kind; from then on the owner arrives by the complete URI, as one does who
        scans a QR code, where there is one and it has led there.
        """
        entered = complete
        scanned = complete or device.kind in self._typed
        self._goto(tab, (device.verification_uri_complete if scanned else None) or device.verification_uri)
        for _ in range(MOST_PAGES):
            seen = self._sign_in_if_asked(tab, self._look(tab))
            if seen.offers(self._words.deny) and seen.offers(self._words.approve):
                self._typed.add(device.kind)
                return seen
            if seen.code_field and not entered:
                self._keep(tab, seen, "the code entry page")
                self._typed.discard(device.kind)
                self._enter(tab, seen, device.user_code)
                entered = True
            elif proceed := seen.offers(self._words.proceed):
                self._press(tab, self._named(tab, proceed))
            elif not entered and device.verification_uri_complete is not None:
                self._goto(tab, device.verification_uri_complete)
                entered = True
            else:
                break
        stuck = self._keep(tab, self._look(tab), "where the owner got stuck")
        raise Blocked(
            f"the owner found no page that offers both approval and denial; the last page was {stuck.title!r}",
            unblock="approver.approve and approver.deny in the target file, with the names that the buttons bear",
        )

    def _decide(self, tab: BrowserPage, names: Sequence[str], outcome: str) -> Page:
        seen = self._look(tab)
        for _ in range(MOST_PAGES):
            name = seen.offers(names)
            if name is None:
                break
            self._press(tab, self._named(tab, name))
            seen = self._look(tab)
        return self._keep(tab, seen, f"after the owner {outcome}")

    def _sign_in_if_asked(self, tab: BrowserPage, seen: _Seen) -> _Seen:
        if not seen.password_field:
            return seen
        if self._password is None:
            raise Blocked(
                "the owner has to sign in, and no owner password was given",
                unblock="PDPP_OWNER_PASSWORD, or owner.password_command in the target file",
            )
        if not self._recorder.is_allowed(tab.url):
            raise Blocked(
                "the sign-in page lies on an origin that is not under test; the password was not typed",
                unblock="authorization_server in the target file, if that origin is the deployment's",
            )
        self._keep(tab, seen, "the sign-in page")
        if self._username is not None:
            name_field = tab.locator("input[type=text]:visible, input[type=email]:visible").first
            if name_field.count():
                name_field.fill(self._username)
        password_field = tab.locator("input[type=password]:visible").first
        password_field.fill(self._password)
        self._submit(tab, password_field)
        for _, value in self.session_cookies():
            self._recorder.redactor.register(value, "cookie")
        seen = self._look(tab)
        if seen.password_field:
            self._keep(tab, seen, "the sign-in page again")
            raise Blocked(
                f"the owner's password was not accepted: {seen.text[:120]!r}",
                unblock="the right owner password in PDPP_OWNER_PASSWORD",
            )
        return seen

    def _leave_out(self, tab: BrowserPage, stream: str) -> None:
        box = tab.get_by_role("checkbox", name=re.compile(rf"(?<![\w-]){re.escape(stream)}(?![\w-])")).first
        if box.count() == 0:
            raise Blocked(
                f"the decision page has no checkbox named after the stream {stream}",
                unblock="a decision page on which the owner can narrow the streams",
            )
        box.uncheck()

    def _enter(self, tab: BrowserPage, seen: _Seen, user_code: str) -> None:
        field = tab.locator(seen.code_field).first
        field.fill(user_code)
        self._submit(tab, field)

    # -- the browser -------------------------------------------------------------------------------------------------

    def _named(self, tab: BrowserPage, name: str) -> Locator:
        """Return the button, or else the link, that bears a name."""
        button = tab.get_by_role("button", name=name, exact=True)
        return button.or_(tab.get_by_role("link", name=name, exact=True)).first

    def _submit(self, tab: BrowserPage, field: Locator) -> None:
        """Submit the form that a field belongs to, by its own button."""
        button = field.locator("xpath=ancestor::form[1]").locator("button:visible, input[type=submit]:visible").first
        if button.count():
            self._press(tab, button)
        else:
            self._acting(tab, lambda: field.press("Enter"))

    def _press(self, tab: BrowserPage, button: Locator) -> None:
        self._acting(tab, button.click)

    def _acting(self, tab: BrowserPage, act: Callable[[], object]) -> None:
        """Do something to the page, and wait until it has led to another page or changed this one."""
        try:
            tab.evaluate(_REMEMBER_PAGE)
            act()
            tab.wait_for_function(_PAGE_CHANGED, polling=15, timeout=_STEP_TIMEOUT_MS)
            tab.wait_for_load_state("load")
        except Error as error:
            raise Blocked(
                f"the page could not be driven: {_first_line(error)}", unblock="a page whose buttons can be pressed"
            ) from None
        self._note_responses()

    def _goto(self, tab: BrowserPage, url: str) -> None:
        try:
            tab.goto(url, wait_until="load", timeout=_STEP_TIMEOUT_MS)
        except Error as error:
            raise Blocked(
                f"the browser could not open the page: {_first_line(error)}", unblock="a verification URI that opens"
            ) from None
        self._note_responses()

    def _browser_context(self) -> BrowserContext:
        if self._context is None:
            try:
                executable = find_chromium()
            except FileNotFoundError as error:
                raise Blocked(str(error), unblock="CHROMIUM_PATH naming a Chromium") from None
            if executable is None:
                raise Blocked("there is no Chromium on this machine", unblock="make set-up, or CHROMIUM_PATH")
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(executable_path=executable, args=chromium_args())
            self._context = self._browser.new_context(
                viewport={"width": 800, "height": 600}, ignore_https_errors=False, service_workers="block"
            )
            self._context.set_default_timeout(_STEP_TIMEOUT_MS)
            self._context.on("response", self._note_response)
        return self._context

    def _tab(self) -> BrowserPage:
        """Return the owner's tab; it is opened once, and again where it was closed."""
        context = self._browser_context()
        return context.pages[0] if context.pages else context.new_page()

    def _note_response(self, response: Response) -> None:
        self._responses.append(response)

    def _note_responses(self) -> None:
        """Record what the browser asked and got since the last page; pictures and styles are left out."""
        arrived, self._responses[:] = list(self._responses), []
        for response in arrived:
            if response.request.resource_type in ("document", "fetch", "xhr"):
                self._recorder.record(_to_exchange(response))

    def _look(self, tab: BrowserPage) -> _Seen:
        """Read the page whole, in one go."""
        try:
            seen = _Seen(**tab.evaluate(_READ_PAGE))
        except Error as error:
            raise Blocked(f"the page could not be read: {_first_line(error)}", unblock="a page that loads") from None
        self._recorder.redactor.register_from_html(seen.markup)
        return seen

    def _keep(self, tab: BrowserPage, seen: _Seen, what: str) -> Page:
        """Turn what was read into evidence, with a picture of the page."""
        page = Page(
            url=seen.url,
            title=seen.title,
            text=seen.text,
            main_text=seen.main_text,
            headings=seen.headings,
            buttons=seen.buttons,
            markup=seen.markup,
            protocol_facts=seen.protocol_facts,
            client_claims=seen.client_claims,
            attachment=self._picture(tab, seen, what),
        )
        if page.attachment is not None:
            self._attached.append(page.attachment)
        return page

    def _picture(self, tab: BrowserPage, seen: _Seen, what: str) -> Attachment | None:
        looks_like = _VOLATILE.sub("", f"{seen.title}\n{seen.text}")
        if looks_like not in self._seen:
            self._screenshots.mkdir(parents=True, exist_ok=True)
            path = self._screenshots / f"page-{len(self._seen) + 1:02d}.png"
            try:
                tab.screenshot(path=path, full_page=True, animations="disabled")
            except Error:
                return None
            self._seen[looks_like] = Attachment(
                name=path.name,
                path=str(path.relative_to(self._report_dir)),
                media_type="image/png",
                caption=f"{what}: {seen.title}",
            )
        return self._seen[looks_like]


@dataclass(frozen=True)
class _Seen:
    """A page as it was read in one go."""

    url: str
    title: str
    text: str
    main_text: str
    headings: list[str]
    buttons: list[str]
    links: list[str]
    markup: str
    protocol_facts: str
    client_claims: str
    password_field: bool
    code_field: str

    def offers(self, names: Sequence[str]) -> str | None:
        """Return the name of the first visible button, or else link, that begins with one of ``names``."""
        for offered in (self.buttons, self.links):
            for name in names:
                begins = re.compile(rf"\s*{re.escape(name)}\b", re.IGNORECASE)
                found = next((offer for offer in offered if begins.match(offer)), None)
                if found is not None:
                    return found
        return None


def _first_line(error: Error) -> str:
    return error.message.splitlines()[0][:200]


def _to_exchange(response: Response) -> Exchange:
    request = response.request
    body = None
    try:
        if response.status < 300 or response.status >= 400:
            body = response.text()
    except (Error, UnicodeDecodeError):
        body = None
    try:
        received = response.headers_array()
    except Error:
        received = []
    return Exchange(
        number=0,
        scenario=None,
        actor=_ACTOR,
        at=time.time(),
        method=request.method,
        url=response.url,
        request_headers=list(request.headers.items()),
        request_body=request.post_data,
        status=response.status,
        response_headers=[(header["name"], header["value"]) for header in received],
        response_body=body,
        response_bytes=len(body or ""),
    )
