"""Forms on a page of another origin, sent from the owner's browser as an attacker's page would send them."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from pdpp_conformance.approver.page_reader import first_line
from pdpp_conformance.approver.sessions import STEP_TIMEOUT_MS, BrowserSession
from pdpp_conformance.decision_request import DecisionRequest
from pdpp_conformance.verdict import Blocked

_WINDOW = "answers"
_SEND = "number => HTMLFormElement.prototype.submit.call(document.forms[number])"


def page_of_forms(requests: Sequence[DecisionRequest], enctype: str) -> str:
    """Return a page with a form for each request; what answers one shows in a window beside."""
    forms = "".join(_form(request, enctype) for request in requests)
    return f"<!doctype html><title>A page of another origin</title>{forms}"


def _form(request: DecisionRequest, enctype: str) -> str:
    fields = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in request.fields
    )
    action = html.escape(request.url)
    return f'<form method="post" target="{_WINDOW}" enctype="{enctype}" action="{action}">{fields}</form>'


class ForeignForms:
    """The page, open in a tab, and the window beside it: a whole page's request as it would be in the tab itself, but
    the page stays, and is not opened anew for each form.
    """

    def __init__(self, session: BrowserSession, tab: Tab) -> None:
        self._session = session
        self._tab = tab
        self._window: Tab | None = None

    def send(self, number: int) -> str:
        """Send a form; tell where that led.

        Raises:
            Blocked: the page opens no window.
        """
        window = self._window or self._opened()
        try:
            with window.expect_navigation(wait_until="commit", timeout=STEP_TIMEOUT_MS) as led:
                self._tab.evaluate(_SEND, number)
            answer = led.value
            # A page with a Cross-Origin-Opener-Policy of its own is out of the opener's reach from then on.
            self._window = window if window.evaluate("() => window.opener !== null") else None
        except Error:
            self.close()
            return "no answer for the browser"
        if self._window is None:
            window.close()
        return "no answer" if answer is None else f"{answer.status}"

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            with suppress(Error):
                self._window.close()
        self._window = None

    def _opened(self) -> Tab:
        try:
            with self._tab.expect_popup(timeout=STEP_TIMEOUT_MS) as opened:
                self._tab.evaluate("name => void window.open('about:blank', name)", _WINDOW)
            self._window = opened.value
            self._session.guard.watch(self._window)
        except Error as error:
            raise Blocked(
                f"a page opens no window beside it: {first_line(error)}", unblock="a browser that lets pages do so"
            ) from None
        return self._window


@contextmanager
def foreign_forms(session: BrowserSession, tab: Tab, url: str) -> Iterator[ForeignForms]:
    """Open the page of forms at a URL in a tab.

    Raises:
        Blocked: it does not open.
    """
    try:
        tab.goto(url, wait_until="load", timeout=STEP_TIMEOUT_MS)
    except Error as error:
        raise Blocked(f"the second origin does not open: {first_line(error)}", unblock="a free loopback port") from None
    forms = ForeignForms(session, tab)
    try:
        yield forms
    finally:
        session.note_responses()
        forms.close()
