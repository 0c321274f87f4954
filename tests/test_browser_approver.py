"""The owner at a real browser, at pages that are not the bundled server's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from pdpp_conformance.approver.browser import BrowserApprover
from pdpp_conformance.approver.pictures import Pictures
from pdpp_conformance.approver.sessions import IDLE_MS
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked
from tests.hostile_server import FishingServer
from tests.reverse_proxy import LocalServer, Passing, Reply

CODE = "BCDF-GHJK"
PASSWORD = "a password for these pages"


class Pages(LocalServer):
    """Signs in over two pages, wants a box to be ticked, and takes the user code by the complete URI alone."""

    def __init__(self, *, password_goes_to: str = "/password") -> None:
        self.steps: list[str] = []
        self._password_goes_to = password_goes_to
        super().__init__(self._page)

    def _page(self, passing: Passing) -> Reply:
        form = parse_qs(passing.asked.decode())
        path = passing.path.partition("?")[0]
        if passing.command == "POST":
            self.steps.append(f"{path} {' '.join(sorted(form))}")
        body = {
            "/device": '<form method="post" action="/name"><input name="username"><button>Next</button></form>'
            if CODE in passing.path
            else "<p>Open the link that your device shows.</p>",
            "/name": f'<form method="post" action="{self._password_goes_to}"><input type="password" name="password">'
            "<button>Sign in</button></form>",
            "/password": '<form method="post" action="/decided"><label><input type="checkbox" name="mine" required> '
            "It is my device</label><button>Approve</button><button name=no formnovalidate>Deny</button></form>",
            "/decided": "<p>Go back to your device.</p>",
        }[path]
        markup = f"<!doctype html><title>{path}</title><h1>A device asks</h1>{body}"
        return Reply(200, (("Content-Type", "text/html; charset=utf-8"),), markup.encode())


def device(pages: LocalServer) -> Any:
    return SimpleNamespace(
        kind="grant_scoped_mcp",
        user_code=CODE,
        verification_uri=f"{pages.url}/device",
        verification_uri_complete=f"{pages.url}/device?user_code={CODE}",
    )


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with closing(Recorder(Redactor())) as made:
        yield made


def owner(recorder: Recorder, pages: LocalServer, folder: Path) -> BrowserApprover:
    recorder.allow_origin(pages.url)
    pictures = Pictures(folder / "attachments", folder)
    return BrowserApprover(ApproverWords(), recorder, username="alex", password=PASSWORD, pictures=pictures)


def test_two_pages_to_sign_in_and_a_box_to_tick(recorder: Recorder, tmp_path: Path) -> None:
    """Name, then password, then the box, then the button; the code comes by the complete URI where nothing takes it."""
    with Pages() as pages, closing(owner(recorder, pages, tmp_path)) as approver:
        decision = approver.approve(device(pages))
        assert decision.concluded.title == "/decided"
        assert pages.steps == ["/name username", "/password password", "/decided mine"]


def test_a_password_form_of_another_origin(recorder: Recorder, tmp_path: Path) -> None:
    """A form that would carry the password to another origin is not sent, and the run is told where it led."""
    with FishingServer() as fishing, Pages(password_goes_to=f"{fishing.url}/login") as pages:
        with closing(owner(recorder, pages, tmp_path)) as approver:
            with pytest.raises(Blocked):
                approver.approve(device(pages))
            assert approver.session.guard.refused == [fishing.url]
        assert fishing.heard == []


class PlainPages(LocalServer):
    """Decides by one form of one page.

    Args:
        only: what the headers of a request have to hold for the decision to be made; else the page ``refused`` answers.
        scripted: the form is made by a script.
        refused: the status and the title of the answer to others.
    """

    def __init__(self, *, only: str = "", scripted: bool = False, refused: tuple[int, str] = (403, "Refused")) -> None:
        self.decided: list[str] = []
        self._only, self._scripted, self._refused = only, scripted, refused
        super().__init__(self._page)

    def _page(self, passing: Passing) -> Reply:
        status, title = 200, "A device asks"
        form = "<form method=post action=/decided><button>Approve</button><button name=no>Deny</button></form>"
        body = f"<script>document.write({form!r})</script>" if self._scripted else form
        if passing.command == "POST":
            came = "by form" if "sec-fetch-mode" not in str(passing.headers).lower() else "in the browser"
            body = "<p>Go back to your device.</p>"
            if self._only in str(passing.headers).lower():
                self.decided.append(came)
                title = "Decided"
            else:
                status, title = self._refused
        markup = f"<!doctype html><title>{title}</title><h1>{title}</h1>{body}"
        return Reply(status, (("Content-Type", "text/html; charset=utf-8"),), markup.encode())


def test_decisions_like_one_made_in_the_browser_go_by_the_form(recorder: Recorder, tmp_path: Path) -> None:
    with PlainPages() as pages, closing(owner(recorder, pages, tmp_path)) as approver:
        for _ in range(2):
            approver.approve(device(pages))
        approver.approve(device(pages), on_the_page=True)
        approver.deny(device(pages))
        assert approver.deny(device(pages)).concluded.title == "Decided"
        browser = "in the browser"
        assert pages.decided == [browser, "by form", browser, browser, "by form"]


@pytest.mark.parametrize("refused", [(403, "Decided"), (200, "Refused")])
def test_a_deployment_that_wants_a_browser_gets_one(
    recorder: Recorder, tmp_path: Path, refused: tuple[int, str]
) -> None:
    """The way by form ends for good where it leads elsewhere, by the status or by what the page says."""
    pages = PlainPages(only="sec-fetch-mode", refused=refused)
    with pages, closing(owner(recorder, pages, tmp_path)) as approver:
        for _ in range(3):
            assert approver.approve(device(pages)).concluded.title == "Decided"
        assert pages.decided == ["in the browser"] * 3


def test_a_form_that_a_script_makes_is_sent_by_the_browser(recorder: Recorder, tmp_path: Path) -> None:
    with PlainPages(scripted=True) as pages, closing(owner(recorder, pages, tmp_path)) as approver:
        for _ in range(2):
            approver.approve(device(pages))
        assert pages.decided == ["in the browser"] * 2


_DECIDED = "document.body.innerHTML = '<h1>Decided</h1>'"
PRESSES = {
    "another page": "<form method=post action=/decided><button>Approve</button></form>",
    "another page, after a while": "<form method=post action=/later><button>Approve</button></form>",
    "this page, changed": f'<button onclick="{_DECIDED}">Approve</button>',
    "this page, changed after a while": "<button onclick=\"fetch('/later', {method: 'POST'})"
    f'.then(() => {_DECIDED})">Approve</button>',
    "a frame in this page": f"<button onclick=\"{_DECIDED} + '<iframe src=/decided></iframe>'\">Approve</button>",
}
"""Buttons, by what a press of them leads to."""


class PagesToPress(LocalServer):
    """Has a button to approve with, and one to deny with that does nothing."""

    def __init__(self, button: str) -> None:
        self._button = button
        super().__init__(self._page)

    def _page(self, passing: Passing) -> Reply:
        path = passing.path.partition("?")[0]
        if path == "/later":
            time.sleep(IDLE_MS / 1000 + 0.5)
        body = f"<h1>A device asks</h1>{self._button}<button>Deny</button>" if path == "/device" else "<h1>Decided</h1>"
        markup = f"<!doctype html><title>A deployment</title>{body}"
        return Reply(200, (("Content-Type", "text/html; charset=utf-8"),), markup.encode())


@pytest.mark.parametrize("led_to", PRESSES)
def test_what_a_press_leads_to_is_waited_for(recorder: Recorder, tmp_path: Path, led_to: str) -> None:
    """Another page, a change of this one, at once or after a while: the owner reads what is there then."""
    with PagesToPress(PRESSES[led_to]) as pages, closing(owner(recorder, pages, tmp_path)) as approver:
        assert approver.approve(device(pages)).concluded.headings == ["Decided"]


def test_a_press_that_leads_to_nothing(recorder: Recorder, tmp_path: Path) -> None:
    """A button that does nothing decides nothing, which the run is told."""
    with (
        PagesToPress("<button>Approve</button>") as pages,
        closing(owner(recorder, pages, tmp_path)) as approver,
        pytest.raises(Blocked),
    ):
        approver.approve(device(pages))
