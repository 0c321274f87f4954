"""The client's end of the authorization-code flow in the browser: its redirect URI, answered without a listener."""

from __future__ import annotations

import base64
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import CDPSession, Error
from playwright.sync_api import Page as BrowserPage

_BACK = b"<!doctype html><title>Back at the client</title><p>The harness took the answer. Nothing was sent.</p>"


class CaughtRedirect:
    """Takes the browser's request for a redirect URI before it leaves, so that nobody on that port gets the code.

    Chromium's own protocol is spoken because Playwright's routes do not see the target of a redirect.
    """

    def __init__(self, tab: BrowserPage, redirect_uri: str) -> None:
        self.url: str | None = None
        self._tab = tab
        self._pattern = f"{redirect_uri}*"
        self._session: CDPSession | None = None

    def __enter__(self) -> Self:
        self._session = self._tab.context.new_cdp_session(self._tab)
        self._session.on("Fetch.requestPaused", self._take)
        self._session.send("Fetch.enable", {"patterns": [{"urlPattern": self._pattern}]})
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            try:
                self._session.detach()
            except Error:  # the page or the browser is gone, and the session with it
                self._session = None

    def _take(self, event: dict[str, Any]) -> None:
        assert self._session is not None
        self.url = self.url or str(event["request"]["url"])
        answer = {
            "requestId": event["requestId"],
            "responseCode": 200,
            "responseHeaders": [{"name": "Content-Type", "value": "text/html"}],
            "body": base64.b64encode(_BACK).decode(),
        }
        self._session.send("Fetch.fulfillRequest", answer)
