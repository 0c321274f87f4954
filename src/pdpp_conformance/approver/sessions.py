"""Browsers: one Chromium a run, and in it people's sessions, each with cookies of its own and everything recorded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, repeat

from playwright.sync_api import Browser, BrowserContext, Error, Playwright, Request, Response, sync_playwright
from playwright.sync_api import Page as Tab
from playwright.sync_api import TimeoutError as TookTooLong

from pdpp_conformance.approver.approver import Page
from pdpp_conformance.approver.certificates import trusting_args
from pdpp_conformance.approver.chromium import chromium_args, find_chromium
from pdpp_conformance.approver.guard import Guard
from pdpp_conformance.approver.page_reader import first_line, read_page
from pdpp_conformance.exchange import Exchange, Recorder, origin_of
from pdpp_conformance.patience import TOO_MANY_REQUESTS, Patience, Refusal
from pdpp_conformance.verdict import Blocked

STEP_TIMEOUT_MS = 8_000
"""How long a page may take to answer."""

_LOOK_EVERY_MS = 5
_NAVIGATES_WITHIN_MS = 50
"""After this long a press that will lead to another page has asked for it."""

IDLE_MS = 1_500
"""After this long a press that changed nothing, and made the browser ask for nothing, has done nothing."""

MOST_REMEMBERED_REQUESTS = 500

_REMEMBER_PAGE = "() => { window.__pdpp_text = document.body.innerText; }"
_PAGE_CHANGED = "() => document.body && document.body.innerText !== window.__pdpp_text"


class Chromium:
    """The run's one Chromium, started when it is first needed.

    Args:
        recorder: keeps what the browser asks and gets.
        patience: with pages that answer 429; ``None`` to take that for an answer.
    """

    def __init__(self, recorder: Recorder, patience: Patience | None = None) -> None:
        self.recorder = recorder
        self.patience = patience
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def context(self) -> BrowserContext:
        """Return a fresh context: no cookies, no storage.

        Raises:
            Blocked: this machine has no Chromium.
        """
        if self._browser is None:
            try:
                executable = find_chromium()
            except FileNotFoundError as error:
                raise Blocked(str(error), unblock="CHROMIUM_PATH naming a Chromium") from None
            if executable is None:
                raise Blocked("there is no Chromium on this machine", unblock="make set-up, or CHROMIUM_PATH")
            self._playwright = sync_playwright().start()
            trusted = trusting_args(self.recorder.origins, self.recorder.authorities)
            self._browser = self._playwright.chromium.launch(
                executable_path=executable, args=[*chromium_args(), *trusted]
            )
        context = self._browser.new_context(
            viewport={"width": 800, "height": 600}, ignore_https_errors=False, service_workers="block"
        )
        context.set_default_timeout(STEP_TIMEOUT_MS)
        return context

    def close(self) -> None:
        """Close the browser and end its driver."""
        if self._browser is not None:
            with suppress(Error):
                self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        self._playwright = self._browser = None


@dataclass(frozen=True)
class Requested:
    """A request that a browser made."""

    url: str
    referer: str | None


class BrowserSession:
    """One person's browser, opened when it is first needed.

    Args:
        actor: whose it is, for the record.
    """

    def __init__(self, chromium: Chromium, actor: str) -> None:
        self._chromium = chromium
        self.actor = actor
        self.recorder = chromium.recorder
        self._context: BrowserContext | None = None
        self._responses: list[Response] = []
        self.guard = Guard(chromium.recorder)
        self.requests = 0
        """How many requests the browser made."""
        self._navigations = 0
        """How many of them were for a page, and not for a frame in one."""
        self._documents: Counter[Tab] = Counter()
        """How many documents each tab has opened."""
        self.requested: list[Requested] = []
        """What the browser asked for: the latest ``MOST_REMEMBERED_REQUESTS``."""

    @property
    def context(self) -> BrowserContext:
        """The cookies, the storage and the tabs."""
        if self._context is None:
            self._context = self._chromium.context()
            self._context.on("request", self._note_request)
            self._context.on("response", self._note_response)
        return self._context

    def tab(self) -> Tab:
        """Return the first tab; it is opened once, and again where it was closed."""
        return self.context.pages[0] if self.context.pages else self._new_tab()

    @contextmanager
    def another_tab(self) -> Iterator[Tab]:
        """Open a tab beside the first, and close it again."""
        self.tab()
        tab = self._new_tab()
        try:
            yield tab
        finally:
            self.note_responses()
            with suppress(Error):
                tab.close()

    def goto(self, tab: Tab, url: str) -> Response | None:
        """Open a URL; return the answer that the page came with, and where that is 429 come back later.

        Raises:
            Blocked: it does not open, or the run's requests are used up.
            TurnedAway: it goes on answering 429.
        """
        patience = self._chromium.patience
        if patience is None:
            return self._goto(tab, url)
        return patience.outlast(lambda: self._goto(tab, url), _refusal_of)

    def _goto(self, tab: Tab, url: str) -> Response | None:
        politeness = self.recorder.politeness
        politeness.check(url)
        try:
            response = tab.goto(url, wait_until="load", timeout=STEP_TIMEOUT_MS)
        except Error as error:
            if isinstance(error, TookTooLong):
                politeness.silence(url)
            raise self._not_opened(error) from None
        self.note_responses()
        return response

    def act(self, tab: Tab, act: Callable[[], object]) -> bool:
        """Do something to a page, and wait until it has led to another page or changed this one.

        Where that was answered 429 the page is loaded again later, which sends again what was sent.

        Returns:
            Whether it did. ``False`` comes soon where the browser asked for nothing either.

        Raises:
            Blocked: it cannot be done.
            TurnedAway: it goes on being answered 429.
        """
        doings = chain([act], repeat(tab.reload))

        def once() -> tuple[bool, Response | None]:
            return self._act(tab, next(doings))

        patience = self._chromium.patience
        led = once() if patience is None else patience.outlast(once, lambda led: _refusal_of(led[1]))
        return led[0]

    def _act(self, tab: Tab, act: Callable[[], object]) -> tuple[bool, Response | None]:
        """Do something to a page once; return whether it did something, and the answer to it that is a page."""
        self.recorder.politeness.check(tab.url)
        try:
            tab.evaluate(_REMEMBER_PAGE)
            before, navigations, documents = self.requests, self._navigations, self._documents[tab]
            act()
            changed = self._opens(tab, navigations, documents) or self._changes(tab, IDLE_MS)
            if not changed and self.requests > before:
                changed = self._changes(tab, STEP_TIMEOUT_MS - IDLE_MS)
            tab.wait_for_load_state("load")
        except Error as error:
            raise Blocked(
                f"the page could not be driven: {first_line(error)}", unblock="a page whose buttons can be pressed"
            ) from None
        pages = [response for response in self._responses if _is_page_of(response, tab)]
        self.note_responses()
        return changed, pages[-1] if pages else None

    def read(self, tab: Tab) -> Page:
        """Read the page whole, in one go, and learn its secrets."""
        page = read_page(tab)
        self.recorder.redactor.register_from_html(page.markup)
        return page

    def cookies(self) -> Sequence[tuple[str, str]]:
        """Return the cookies, names and values.

        Raises:
            Blocked: the browser is gone.
        """
        try:
            return [(cookie.get("name", ""), cookie.get("value", "")) for cookie in self.context.cookies()]
        except Error as error:
            raise Blocked(f"the browser is gone: {first_line(error)}", unblock="a browser that stays") from None

    def held_cookies(self) -> Sequence[tuple[str, str]]:
        """Return the cookies where the browser was opened and is still there."""
        if self._context is None:
            return []
        with suppress(Blocked):
            return self.cookies()
        return []

    def note_responses(self) -> None:
        """Record what the browser asked and got since the last page; pictures and styles are left out."""
        arrived, self._responses[:] = list(self._responses), []
        for response in arrived:
            if response.request.resource_type in ("document", "fetch", "xhr"):
                self.recorder.record(_to_exchange(response, self.actor))

    def close(self) -> None:
        """Close the tabs and forget the cookies."""
        if self._context is not None:
            with suppress(Error):
                self._context.close()
        self._context = None

    def _not_opened(self, error: Error) -> Blocked:
        if "ERR_BLOCKED_BY_CLIENT" in error.message and self.guard.refused:
            return Blocked(
                f"the owner's pages lead to {self.guard.refused[-1]}, which is not under test; nothing was sent there",
                unblock="authorization_server in the target file, if that origin is the deployment's",
            )
        return Blocked(
            f"the browser could not open the page: {first_line(error)}", unblock="a verification URI that opens"
        )

    def _new_tab(self) -> Tab:
        tab = self.context.new_page()
        tab.on("domcontentloaded", self._note_document)
        self.guard.watch(tab)
        return tab

    def _opens(self, tab: Tab, navigations: int, documents: int) -> bool:
        """Wait for another document, as long as one is being navigated to: mostly what a press leads to.

        The page itself is asked by :meth:`_changes`, for which Playwright's own script is put into it.

        Args:
            navigations, documents: how many there were before.
        """

        def is_open() -> bool:
            return self._documents[tab] > documents

        def is_asked_for() -> bool:
            return is_open() or self._navigations > navigations

        return comes_true(tab, is_asked_for, _NAVIGATES_WITHIN_MS) and comes_true(tab, is_open, IDLE_MS)

    def _changes(self, tab: Tab, within_ms: int) -> bool:
        try:
            tab.wait_for_function(_PAGE_CHANGED, polling=15, timeout=within_ms)
        except TookTooLong:
            return False
        return True

    def _note_response(self, response: Response) -> None:
        self._responses.append(response)

    def _note_document(self, tab: Tab) -> None:
        self._documents[tab] += 1

    def _note_request(self, request: Request) -> None:
        self.requested.append(Requested(request.url, request.headers.get("referer")))
        self.requests += 1
        self._navigations += _is_for_page(request)
        if origin_of(request.url) in self.recorder.origins:
            self.recorder.politeness.count()
        del self.requested[:-MOST_REMEMBERED_REQUESTS]


def comes_true(tab: Tab, is_true: Callable[[], bool], within_ms: float) -> bool:
    """Let the browser's events be taken in until one of them has made something true; tell whether one did.

    Raises:
        Error: the tab is gone.
    """
    ends = time.monotonic() + within_ms / 1000
    while not is_true():
        if time.monotonic() > ends:
            return False
        tab.wait_for_timeout(_LOOK_EVERY_MS)
    return True


def _is_for_page(request: Request) -> bool:
    try:
        return request.is_navigation_request() and request.frame.parent_frame is None
    except Error:
        return True  # of a page so new that it has no frame yet


def _is_page_of(response: Response, tab: Tab) -> bool:
    request = response.request
    return request.is_navigation_request() and request.frame == tab.main_frame


def _refusal_of(response: Response | None) -> Refusal | None:
    if response is None or response.status != TOO_MANY_REQUESTS:
        return None
    return Refusal(response.headers)


def _to_exchange(response: Response, actor: str) -> Exchange:
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
    timing = request.timing
    started = timing["startTime"] / 1000 if timing["startTime"] > 0 else time.time()
    return Exchange(
        number=0,
        scenario=None,
        actor=actor,
        at=started,
        elapsed_s=max(timing["responseEnd"], timing["responseStart"], 0.0) / 1000,
        method=request.method,
        url=response.url,
        request_headers=list(request.headers.items()),
        request_body=request.post_data,
        status=response.status,
        response_headers=[(header["name"], header["value"]) for header in received],
        response_body=body,
        response_bytes=len(body or ""),
    )
