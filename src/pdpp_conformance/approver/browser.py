"""The owner at a real browser: signs in, types the user code, reads the page, decides."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Locator, Playwright, Response, sync_playwright
from playwright.sync_api import Page as BrowserPage

from pdpp_conformance.approver.approver import Attachment, Decision, Page
from pdpp_conformance.approver.chromium import chromium_args, find_chromium
from pdpp_conformance.exchange import Exchange, Recorder
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked

MOST_PAGES = 5
"""How many pages the owner walks through for one decision before giving up."""

_STEP_TIMEOUT_MS = 8_000
_ACTOR = "owner's browser"
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
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._context: BrowserContext | None = None
        if password is not None:
            recorder.redactor.register(password, "password")

    def take_attachments(self) -> list[Attachment]:
        """Return the pictures of the pages seen since the last call."""
        taken, self._attached = self._attached, []
        return list(dict.fromkeys(taken))

    def read(self, device: DeviceAuthorization, *, complete: bool = False) -> Page:
        with self._tab() as tab:
            return self._read(self._decision_page(tab, device, complete=complete), "the decision page")

    def approve(self, device: DeviceAuthorization, *, without_streams: Sequence[str] = ()) -> Decision:
        with self._tab() as tab:
            self._decision_page(tab, device)
            asked = self._read(tab, f"the decision page, {device.kind}")
            for stream in without_streams:
                self._leave_out(tab, stream)
            return Decision(asked, self._decide(tab, self._words.approve, "approved"))

    def deny(self, device: DeviceAuthorization) -> Decision:
        with self._tab() as tab:
            self._decision_page(tab, device)
            asked = self._read(tab, f"the decision page, {device.kind}")
            return Decision(asked, self._decide(tab, self._words.deny, "denied"))

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        with self._tab() as tab:
            self._goto(tab, verification_uri)
            self._sign_in_if_asked(tab)
            field = self._code_field(tab)
            if field is None:
                raise Blocked(
                    "the verification URI takes no code", unblock="a verification page with a field for the code"
                )
            field.fill(user_code)
            self._submit(tab, field)
            return self._read(tab, "the answer to an entered code")

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        return [(cookie.get("name", ""), cookie.get("value", "")) for cookie in self._browser_context().cookies()]

    def sign_in(self, url: str) -> None:
        """Visit a page that needs the owner's session, and sign in where asked."""
        with self._tab() as tab:
            self._goto(tab, url)
            self._sign_in_if_asked(tab)

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

    def _decision_page(self, tab: BrowserPage, device: DeviceAuthorization, *, complete: bool = False) -> BrowserPage:
        """Walk from the verification URI to the page that offers the decision."""
        self._goto(tab, (device.verification_uri_complete if complete else None) or device.verification_uri)
        entered = complete
        for _ in range(MOST_PAGES):
            self._sign_in_if_asked(tab)
            if self._button(tab, self._words.deny) is not None and self._button(tab, self._words.approve) is not None:
                return tab
            field = self._code_field(tab)
            if field is not None and not entered:
                self._read(tab, "the code entry page")
                field.fill(device.user_code)
                self._submit(tab, field)
                entered = True
                continue
            proceed = self._button(tab, self._words.proceed)
            if proceed is not None:
                self._press(tab, proceed)
                continue
            if not entered and device.verification_uri_complete is not None:
                self._goto(tab, device.verification_uri_complete)
                entered = True
                continue
            break
        seen = self._read(tab, "where the owner got stuck")
        raise Blocked(
            f"the owner found no page that offers both approval and denial; the last page was {seen.title!r}",
            unblock="approver.approve and approver.deny in the target file, with the names that the buttons bear",
        )

    def _decide(self, tab: BrowserPage, names: Sequence[str], outcome: str) -> Page:
        for _ in range(MOST_PAGES):
            button = self._button(tab, names)
            if button is None:
                break
            self._press(tab, button)
        return self._read(tab, f"after the owner {outcome}")

    def _sign_in_if_asked(self, tab: BrowserPage) -> None:
        password_field = tab.locator("input[type=password]:visible").first
        if password_field.count() == 0:
            return
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
        self._read(tab, "the sign-in page")
        if self._username is not None:
            name_field = tab.locator("input[type=text]:visible, input[type=email]:visible").first
            if name_field.count():
                name_field.fill(self._username)
        password_field.fill(self._password)
        self._submit(tab, password_field)
        if tab.locator("input[type=password]:visible").count():
            seen = self._read(tab, "the sign-in page again")
            raise Blocked(
                f"the owner's password was not accepted: {seen.text[:120]!r}",
                unblock="the right owner password in PDPP_OWNER_PASSWORD",
            )

    def _code_field(self, tab: BrowserPage) -> Locator | None:
        for selector in ("input[name=user_code]:visible", "input[type=text]:visible"):
            field = tab.locator(selector).first
            if field.count():
                return field
        return None

    def _leave_out(self, tab: BrowserPage, stream: str) -> None:
        box = tab.get_by_role("checkbox", name=re.compile(rf"(?<![\w-]){re.escape(stream)}(?![\w-])")).first
        if box.count() == 0:
            raise Blocked(
                f"the decision page has no checkbox named after the stream {stream}",
                unblock="a decision page on which the owner can narrow the streams",
            )
        box.uncheck()

    # -- the browser -------------------------------------------------------------------------------------------------

    def _button(self, tab: BrowserPage, names: Sequence[str]) -> Locator | None:
        for name in names:
            exactly = re.compile(rf"^\s*{re.escape(name)}\b", re.IGNORECASE)
            for role in ("button", "link"):
                found = tab.get_by_role(role, name=exactly).first
                if found.count() and found.is_visible():
                    return found
        return None

    def _submit(self, tab: BrowserPage, field: Locator) -> None:
        """Submit the form that a field belongs to, by its own button."""
        form = field.locator("xpath=ancestor::form[1]")
        button = form.locator("button:visible, input[type=submit]:visible").first
        if button.count():
            self._press(tab, button)
        else:
            with self._navigation(tab):
                field.press("Enter")

    def _press(self, tab: BrowserPage, button: Locator) -> None:
        with self._navigation(tab):
            button.click(timeout=_STEP_TIMEOUT_MS)

    def _goto(self, tab: BrowserPage, url: str) -> None:
        try:
            tab.goto(url, wait_until="load", timeout=_STEP_TIMEOUT_MS)
        except Error as error:
            raise Blocked(
                f"the browser could not open the page: {_first_line(error)}", unblock="a verification URI that opens"
            ) from None
        self._note_responses()

    def _navigation(self, tab: BrowserPage) -> _Navigation:
        return _Navigation(self, tab)

    def _browser_context(self) -> BrowserContext:
        if self._context is None:
            try:
                executable = find_chromium()
            except FileNotFoundError as error:
                raise Blocked(str(error), unblock="CHROMIUM_PATH naming a Chromium") from None
            if executable is None:
                raise Blocked("there is no Chromium on this machine", unblock="make browser, or CHROMIUM_PATH")
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(executable_path=executable, args=chromium_args())
            self._context = self._browser.new_context(
                viewport={"width": 1000, "height": 900}, ignore_https_errors=False, service_workers="block"
            )
            self._context.set_default_timeout(_STEP_TIMEOUT_MS)
            self._context.on("response", lambda response: self._responses.append(response))
        return self._context

    def _tab(self) -> _Tab:
        return _Tab(self._browser_context())

    def _note_responses(self) -> None:
        """Record what the browser asked and got since the last page; pictures and styles are left out."""
        arrived, self._responses[:] = list(self._responses), []
        for response in arrived:
            if response.request.resource_type == "document":
                self._recorder.record(_to_exchange(response))

    def _read(self, tab: BrowserPage, what: str) -> Page:
        title, markup = tab.title(), tab.content()
        self._recorder.redactor.register_from_html(markup)
        text = tab.locator("body").inner_text()
        page = Page(
            url=tab.url,
            title=title,
            text=text,
            headings=[heading.strip() for heading in tab.get_by_role("heading").all_inner_texts()],
            buttons=[button.strip() for button in tab.get_by_role("button").all_inner_texts()],
            markup=markup,
            protocol_facts="\n".join(tab.locator("[data-authorship=protocol]").all_inner_texts()),
            client_claims="\n".join(tab.locator("[data-authorship=client]").all_inner_texts()),
            attachment=self._picture(tab, title, text, what),
        )
        if page.attachment is not None:
            self._attached.append(page.attachment)
        return page

    def _picture(self, tab: BrowserPage, title: str, text: str, what: str) -> Attachment | None:
        looks_like = _VOLATILE.sub("", f"{title}\n{text}")
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
                caption=f"{what}: {title}",
            )
        return self._seen[looks_like]


class _Tab:
    """A tab that is closed at the end, however that comes."""

    def __init__(self, context: BrowserContext) -> None:
        self._page = context.new_page()

    def __enter__(self) -> BrowserPage:
        return self._page

    def __exit__(self, *_: object) -> None:
        self._page.close()


class _Navigation:
    """Waits until a press has led to another page, if it leads to one."""

    def __init__(self, approver: BrowserApprover, tab: BrowserPage) -> None:
        self._approver = approver
        self._tab = tab

    def __enter__(self) -> None:
        self._tab.evaluate("window.__pdpp_same_page = true")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if isinstance(error, Error):
            raise Blocked(
                f"the page could not be driven: {_first_line(error)}", unblock="a page whose buttons can be pressed"
            ) from None
        if kind is None:
            deadline = time.monotonic() + _STEP_TIMEOUT_MS / 1000
            while time.monotonic() < deadline:
                try:
                    if not self._tab.evaluate("window.__pdpp_same_page === true"):
                        break
                except Error:
                    pass
                self._tab.wait_for_timeout(10)
            self._tab.wait_for_load_state("load", timeout=_STEP_TIMEOUT_MS)
            self._approver._note_responses()


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
        sent, received = request.all_headers(), response.headers_array()
    except Error:
        sent, received = request.headers, []
    return Exchange(
        number=0,
        scenario=None,
        actor=_ACTOR,
        at=time.time(),
        method=request.method,
        url=response.url,
        request_headers=list(sent.items()),
        request_body=request.post_data,
        status=response.status,
        response_headers=[(header["name"], header["value"]) for header in received],
        response_body=body,
        response_bytes=len(body or ""),
    )
