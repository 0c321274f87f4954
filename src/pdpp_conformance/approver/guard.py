"""Keeps a browser from carrying the owner's secrets away from the deployment, whatever its pages and redirects say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from pdpp_conformance.exchange import Recorder, origin_of


class Guard:
    """Sees each request of a tab before it leaves, the targets of redirects included.

    To origins that are not under test go pictures, styles and scripts, and nothing else: no page is opened there, no
    form is sent there, and no address is asked for that holds a secret of the run. Chromium's own protocol is spoken
    because Playwright's routes do not see the target of a redirect.

    Args:
        recorder: knows the origins under test, and the secrets.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.refused: list[str] = []
        """The origins, not under test, that something was kept from."""
        self._recorder = recorder
        self._let_pass: list[str] = []

    def watch(self, tab: Tab) -> None:
        """Guard a tab from now on."""
        session = tab.context.new_cdp_session(tab)

        def decide(event: dict[str, Any]) -> None:
            request = {"requestId": event["requestId"]}
            with suppress(Error):  # the tab was closed meanwhile, and the request with it
                if self._may_leave(event):
                    session.send("Fetch.continueRequest", request)
                else:
                    session.send("Fetch.failRequest", {**request, "errorReason": "BlockedByClient"})

        session.on("Fetch.requestPaused", decide)
        session.send("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Request"}]})

    @contextmanager
    def letting_pass(self, prefix: str) -> Iterator[None]:
        """Let the browser go, meanwhile, where an address begins so: a client's redirect URI."""
        self._let_pass.append(prefix)
        try:
            yield
        finally:
            self._let_pass.remove(prefix)

    def _may_leave(self, event: dict[str, Any]) -> bool:
        request: dict[str, Any] = event["request"]
        url = str(request["url"])
        recorder = self._recorder
        if not url.startswith(("http:", "https:")) or recorder.is_allowed(url) or recorder.is_own(url):
            return True
        if any(url.startswith(prefix) for prefix in self._let_pass):
            return True
        harmless = event.get("resourceType") != "Document" and request["method"] in ("GET", "HEAD")
        if harmless and recorder.redactor.redact(url) == url:
            return True
        self.refused.append(origin_of(url))
        return False
