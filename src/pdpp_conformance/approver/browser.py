"""The owner at a real browser: signs in, types the user code, reads the page, decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from playwright.sync_api import Locator
from playwright.sync_api import Page as Tab
from playwright.sync_api import TimeoutError as TookTooLong

from pdpp_conformance.approver.approver import Arrival, Attachment, Decision, Page, read_as_one
from pdpp_conformance.approver.pictures import Pictures
from pdpp_conformance.approver.redirection import CaughtRedirect
from pdpp_conformance.approver.sessions import IDLE_MS, BrowserSession, Chromium
from pdpp_conformance.approver.short_way import ShortWay
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.oauth_client import DeviceRequest, Kind
from pdpp_conformance.patience import Patience
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.visitor import Visitor

MOST_PAGES = 5
"""How many pages the owner walks through for one decision before giving up."""

_NAME_FIELD = ", ".join(
    f"input[{attribute}]:visible"
    for attribute in ("autocomplete~=username", "type=email", "name=username", "name=login", "name=user", "name=email")
)
"""Where a sign-in page takes the user name."""

MOST_ALIKE = 3
"""How many buttons of one name are tried, where the first does nothing."""


class BrowserApprover:
    """Drives Chromium by role and visible name, never by a deployment's own selectors.

    Args:
        words: the visible names of the buttons.
        patience: with pages that answer 429; ``None`` to take that for an answer.
        reads_on: read a decision of several pages whole, by pressing what leads to the next; only where all decisions
            of a kind take as many presses.
        chromium: the browser; given where another approver uses it already, who then closes it.
        actor: whose browser it is, for the record.
    """

    kind = "browser"

    def __init__(
        self,
        words: ApproverWords,
        recorder: Recorder,
        *,
        username: str | None,
        password: str | None,
        pictures: Pictures,
        patience: Patience | None = None,
        reads_on: bool = True,
        chromium: Chromium | None = None,
        actor: str = "owner's browser",
    ) -> None:
        self.words = words
        self.chromium = chromium or Chromium(recorder, patience)
        self.session = BrowserSession(self.chromium, actor)
        self._owns_chromium = chromium is None
        self._recorder = recorder
        self._patience = patience
        self._username = username
        self._password = password
        self._pictures = pictures
        self._reads_on = reads_on
        self._typed: set[str] = set()
        self._presses: dict[Kind, list[int]] = {}
        self._elsewhere: BrowserApprover | None = None
        visitor = Visitor(recorder, words, patience, username=username, password=password)
        self._short_way = ShortWay(visitor, words)
        if password is not None:
            recorder.redactor.register(password, "password")

    def prepare(self) -> None:
        with suppress(Blocked):
            _ = self.session.context

    def elsewhere(self) -> BrowserApprover:
        """Return the same owner at another browser: another session, other cookies."""
        if self._elsewhere is None:
            self._elsewhere = BrowserApprover(
                self.words,
                self._recorder,
                patience=self._patience,
                username=self._username,
                password=self._password,
                pictures=self._pictures,
                reads_on=self._reads_on,
                chromium=self.chromium,
                actor="owner's other browser",
            )
            self._elsewhere._presses = self._presses
        return self._elsewhere

    def take_attachments(self) -> list[Attachment]:
        """Return the pictures of the pages seen since the last call."""
        return self._pictures.take_seen()

    def read(self, device: DeviceRequest, *, complete: bool = False) -> Page:
        tab = self.session.tab()
        pages = [self._decision_page(tab, device, complete=complete)]
        for _ in range(self._presses_to_read(device.kind)):
            name = pages[-1].offers(self.words.approve)
            if name is None or not self._press(tab, name):
                break
            pages.append(self.session.read(tab))
        return self._keep(tab, read_as_one(pages), f"the decision page, {device.kind}")

    def presses_to_approve(self, kind: Kind) -> int:
        """How many presses it took to approve a request of a kind, at least; 1 where none was approved yet."""
        return min(self._presses.get(kind, [1]))

    def knows_presses(self, kind: Kind) -> bool:
        # The first approval of a client may take more presses than any other.
        seen = self._presses.get(kind, [])
        return 1 in seen or len(seen) > 1 or not self._reads_on

    def _presses_to_read(self, kind: Kind) -> int:
        return self.presses_to_approve(kind) - 1 if self._reads_on and self.knows_presses(kind) else 0

    def approve(
        self, device: DeviceRequest, *, without_streams: Sequence[str] = (), on_the_page: bool = False
    ) -> Decision:
        def press() -> Decision:
            return self._approve(device, without_streams)

        if without_streams or on_the_page:
            return press()
        return self._short_way.decide("approve", device, press)

    def _approve(self, device: DeviceRequest, without_streams: Sequence[str]) -> Decision:
        tab = self.session.tab()
        page = self._decision_page(tab, device)
        self._keep(tab, page, f"the decision page, {device.kind}")
        left_in = list(without_streams)
        pages = [page]
        while len(pages) <= MOST_PAGES:
            left_in = [stream for stream in left_in if not self._leave_out(tab, stream)]
            if left_in and len(pages) >= self.presses_to_approve(device.kind):
                raise Blocked(
                    f"the decision page has no checkbox named after the stream {left_in[0]}",
                    unblock="a decision page on which the owner can narrow the streams",
                )
            if not self._step(tab, pages, self.words.approve):
                break
        self._presses.setdefault(device.kind, []).append(len(pages) - 1)
        decision = Decision(read_as_one(pages[:-1]), self._keep(tab, pages[-1], "after the owner approved"))
        self._short_way.remember("approve", device, decision)
        return decision

    def deny(self, device: DeviceRequest) -> Decision:
        return self._short_way.decide("deny", device, lambda: self._deny(device))

    def _deny(self, device: DeviceRequest) -> Decision:
        tab = self.session.tab()
        pages = [self._decision_page(tab, device)]
        self._keep(tab, pages[0], f"the decision page, {device.kind}")
        while len(pages) <= MOST_PAGES and self._step(tab, pages, self.words.deny):
            pass
        decision = Decision(read_as_one(pages[:-1]), self._keep(tab, pages[-1], "after the owner denied"))
        self._short_way.remember("deny", device, decision)
        return decision

    def visit(self, url: str) -> Page:
        """Open a page as the owner, who signs in where asked."""
        tab = self.session.tab()
        self.session.goto(tab, url)
        return self._sign_in_if_asked(tab, self.session.read(tab))

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        seen = self.visit(verification_uri)
        if not seen.code_field:
            raise Blocked("the verification URI takes no code", unblock="a verification page with a field for the code")
        tab = self.session.tab()
        self._enter(tab, seen, user_code)
        return self._keep(tab, self.session.read(tab), "the answer to an entered code")

    def control(self, name: str) -> Locator:
        """Return the first button, or else link, that bears a name, in the owner's tab."""
        tab = self.session.tab()
        button = tab.get_by_role("button", name=name, exact=True)
        return button.or_(tab.get_by_role("link", name=name, exact=True)).first

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        return self.session.cookies()

    def sessions_of_cookies(self) -> Sequence[Sequence[tuple[str, str]]]:
        browsers = (self, self._elsewhere)
        held = [one.session.held_cookies() for one in browsers if one is not None]
        return [*held, self._short_way.session_cookies()]

    def answer_client(self, url: str, redirect_uri: str, *, approve: bool | None) -> Arrival:
        def answer() -> Arrival:
            return self._answer_client(url, redirect_uri, approve)

        return self._short_way.approve_client(url, redirect_uri, answer) if approve else answer()

    def _answer_client(self, url: str, redirect_uri: str, approve: bool | None) -> Arrival:
        tab, words = self.session.tab(), self.words
        pressed = () if approve is None else words.approve if approve else words.deny
        with self.session.guard.letting_pass(redirect_uri), CaughtRedirect(tab, redirect_uri) as client:
            seen = self.visit(url)
            for _ in range(MOST_PAGES):
                decides = seen.offers(words.approve) and seen.offers(words.deny)
                name = seen.offers(pressed) or (None if decides else seen.offers(words.proceed))
                if client.url is not None or name is None:
                    break
                self._keep(tab, seen, "the decision page, authorization code")
                self._press(tab, name)
                seen = self._sign_in_if_asked(tab, self.session.read(tab))
            asks = bool(seen.offers(words.approve) and seen.offers(words.deny))
            return Arrival(self._keep(tab, seen, "where an authorization request led"), asks, client.url)

    def close(self) -> None:
        """Close the owner's tabs, and the browser where it is this approver's own."""
        if self._elsewhere is not None:
            self._elsewhere.close()
        self.session.close()
        if self._owns_chromium:
            self.chromium.close()

    # -- the pages ---------------------------------------------------------------------------------------------------

    def _decision_page(self, tab: Tab, device: DeviceRequest, *, complete: bool = False) -> Page:
        """Walk from the verification URI to the page that offers the decision.

        The owner types the first code of each kind; from then on the owner arrives by the complete URI, as one does who
        scans a QR code, where there is one and it has led there. A page that only approves is one, too: that it lacks a
        way to deny is for a check to say.
        """
        entered = complete
        scanned = complete or device.kind in self._typed
        start = (device.verification_uri_complete if scanned else None) or device.verification_uri
        entered = entered and start != device.verification_uri
        self.session.goto(tab, start)
        passed: set[str] = set()
        for _ in range(MOST_PAGES):
            seen = self._sign_in_if_asked(tab, self.session.read(tab))
            if seen.offers(self.words.deny) and seen.offers(self.words.approve):
                self._typed.add(device.kind)
                return seen
            if seen.code_field and not entered:
                self._keep(tab, seen, "the code entry page")
                self._typed.discard(device.kind)
                self._enter(tab, seen, device.user_code)
                entered = True
            elif (proceed := seen.offers(self.words.proceed)) and seen.text not in passed and self._press(tab, proceed):
                passed.add(seen.text)  # a page that comes back leads nowhere
            elif not entered and device.verification_uri_complete is not None:
                self.session.goto(tab, device.verification_uri_complete)
                entered = True
            elif seen.offers(self.words.approve):
                return seen
            else:
                break
        stuck = self._keep(tab, self.session.read(tab), "where the owner got stuck")
        raise Blocked(
            f"the owner found no page that offers a decision; the last page was {stuck.title!r}",
            unblock="approver.approve and approver.deny in the target file, with the names that the buttons bear",
        )

    def _step(self, tab: Tab, pages: list[Page], names: Sequence[str]) -> bool:
        """Press on towards the decision, and add the page that follows; tell whether there was anything to press.

        Only buttons lead on after the first page: a link of such a name, there, starts something else.

        Raises:
            Blocked: nothing on the first page does anything.
        """
        first = len(pages) == 1
        page = pages[-1] if first else replace(pages[-1], links=())
        name = page.offers(names)
        if name is None and not first:
            return False
        if name is None or not self._press(tab, name):
            if not first:
                return False  # it led here, and does nothing more
            raise Blocked(
                f"the page {page.title!r} has no working button called {' or '.join(names)}",
                unblock="approver.approve and approver.deny in the target file, with the names that the buttons bear",
            )
        pages.append(self._sign_in_if_asked(tab, self.session.read(tab)))  # some ask only once the code is confirmed
        return True

    def _sign_in_if_asked(self, tab: Tab, seen: Page) -> Page:
        if not seen.password_field:
            seen = self._give_name_if_asked(tab, seen)
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
        seen = self.session.read(tab)
        if seen.password_field:
            self._keep(tab, seen, "the sign-in page again")
            raise Blocked(
                f"the owner's password was not accepted: {seen.text[:120]!r}",
                unblock="the right owner password in PDPP_OWNER_PASSWORD",
            )
        return seen

    def _give_name_if_asked(self, tab: Tab, seen: Page) -> Page:
        """Give the user name to a page that asks for nothing else, as sign-ins over two pages do."""
        if self._username is None or not self._recorder.is_allowed(tab.url):
            return seen
        name_field = tab.locator(_NAME_FIELD).first
        if not name_field.count():
            return seen
        self._keep(tab, seen, "the sign-in page, user name")
        name_field.fill(self._username)
        self._submit(tab, name_field)
        return self.session.read(tab)

    def _leave_out(self, tab: Tab, stream: str) -> bool:
        """Uncheck a stream; tell whether this page has a checkbox for it."""
        box = tab.get_by_role("checkbox", name=re.compile(rf"(?<![\w-]){re.escape(stream)}(?![\w-])")).first
        if box.count() == 0:
            return False
        box.uncheck()
        return True

    def _enter(self, tab: Tab, seen: Page, user_code: str) -> None:
        field = tab.locator(seen.code_field).first
        field.fill(user_code)
        self._submit(tab, field)

    def _submit(self, tab: Tab, field: Locator) -> None:
        """Submit the form that a field belongs to, by its own button."""
        button = field.locator("xpath=ancestor::form[1]").locator("button:visible, input[type=submit]:visible").first
        changed = self.session.act(tab, button.click if button.count() else lambda: field.press("Enter"))
        if not changed:
            raise Blocked("a form of the page does nothing", unblock="a page whose forms can be submitted")

    def _press(self, tab: Tab, name: str) -> bool:
        """Press what bears a name; tell whether it changed anything. Of several the first that does something counts.

        What an open dialog offers comes before what lies behind it.
        """
        dialog = tab.locator("dialog[open], [role=dialog]:visible, [role=alertdialog]:visible")
        places: list[Tab | Locator] = [dialog.last, tab] if dialog.count() else [tab]
        for place in places:
            named = place.get_by_role("button", name=name, exact=True)
            found = named.count()
            if not found:
                named = place.get_by_role("link", name=name, exact=True)
                found = named.count()
            for number in range(min(found, MOST_ALIKE)):
                if self._press_one(tab, named.nth(number)):
                    return True
        return False

    def _press_one(self, tab: Tab, control: Locator) -> bool:
        for box in tab.locator("input[type=checkbox][required]:visible:not(:checked)").all():
            box.check()  # without it the form would not be sent

        def press() -> None:
            with suppress(TookTooLong):  # it is covered, or cannot be pressed: it does nothing
                control.click(timeout=IDLE_MS)

        return self.session.act(tab, press)

    def _keep(self, tab: Tab, seen: Page, what: str) -> Page:
        """Turn what was read into evidence, with a picture of the page."""
        return replace(seen, attachment=self._pictures.of(tab, seen, what))
