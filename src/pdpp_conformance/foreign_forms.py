"""Forms on a page of another origin, sent from the owner's browser as an attacker's page would send them."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from pdpp_conformance.approver.page_reader import first_line
from pdpp_conformance.approver.sessions import STEP_TIMEOUT_MS, BrowserSession, comes_true
from pdpp_conformance.decision_request import DecisionRequest
from pdpp_conformance.exchange import Exchange
from pdpp_conformance.verdict import Blocked

_SEND = "number => HTMLFormElement.prototype.submit.call(document.forms[number])"
_NO_ANSWER = "no answer for the browser"


def page_of_forms(requests: Sequence[DecisionRequest], enctype: str) -> str:
    """Return a page with a form for each request."""
    forms = "".join(_form(request, enctype) for request in requests)
    return f"<!doctype html><title>A page of another origin</title>{forms}"


def _form(request: DecisionRequest, enctype: str) -> str:
    fields = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in request.fields
    )
    return f'<form method="post" enctype="{enctype}" action="{html.escape(request.url)}">{fields}</form>'


class ForeignForms:
    """The page, open in a tab that sends its forms, each as the request for a whole page, and never leaves it.

    Redirects are followed; the answer is taken as soon as the browser has it, cookies and all, and the navigation given
    up, so that the page need not be opened anew for each form.
    """

    def __init__(self, session: BrowserSession, tab: Tab) -> None:
        self._tab = tab
        self._recorder = session.recorder
        self._actor = session.actor
        self._answers: list[str] = []
        self._protocol = tab.context.new_cdp_session(tab)
        self._protocol.on("Fetch.requestPaused", self._take)
        self._protocol.send("Fetch.enable", {"patterns": [{"resourceType": "Document", "requestStage": "Response"}]})

    def send(self, number: int) -> str:
        """Send a form; tell how it was answered."""
        self._answers.clear()
        try:
            self._tab.evaluate(_SEND, number)
            comes_true(self._tab, lambda: bool(self._answers), STEP_TIMEOUT_MS)
        except Error:
            return _NO_ANSWER
        return self._answers[-1] if self._answers else _NO_ANSWER

    def close(self) -> None:
        """Let the page's navigations be again."""
        with suppress(Error):  # the tab is gone, and the session with it
            self._protocol.detach()

    def _take(self, event: dict[str, Any]) -> None:
        request_id = {"requestId": event["requestId"]}
        status = event.get("responseStatusCode")
        with suppress(Error):  # the tab was closed meanwhile
            if status is not None and 300 <= status < 400:
                self._protocol.send("Fetch.continueRequest", request_id)
                return
            if status is not None:
                self._recorder.record(self._to_exchange(event, status, request_id))
            self._answers.append(_NO_ANSWER if status is None else f"{status}")
            self._protocol.send("Fetch.failRequest", {**request_id, "errorReason": "Aborted"})

    def _to_exchange(self, event: dict[str, Any], status: int, request_id: dict[str, str]) -> Exchange:
        request = event["request"]
        body = None
        with suppress(Error):  # not every answer has one to be read
            read = self._protocol.send("Fetch.getResponseBody", request_id)
            body = base64.b64decode(read["body"]).decode("utf-8", "replace") if read["base64Encoded"] else read["body"]
        return Exchange(
            number=0,
            scenario=None,
            actor=self._actor,
            at=time.time(),
            method=request["method"],
            url=request["url"],
            request_headers=list(request["headers"].items()),
            request_body=request.get("postData"),
            status=status,
            response_headers=[(header["name"], header["value"]) for header in event.get("responseHeaders", [])],
            response_body=body,
            response_bytes=len(body or ""),
        )


@contextmanager
def foreign_forms(session: BrowserSession, tab: Tab, url: str) -> Iterator[ForeignForms]:
    """Open the page of forms at a URL in a tab.

    Raises:
        Blocked: it does not open.
    """
    try:
        tab.goto(url, wait_until="load", timeout=STEP_TIMEOUT_MS)
        forms = ForeignForms(session, tab)
    except Error as error:
        raise Blocked(f"the second origin does not open: {first_line(error)}", unblock="a free loopback port") from None
    try:
        yield forms
    finally:
        forms.close()
        session.note_responses()
