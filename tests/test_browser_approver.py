"""The owner at a real browser, at pages that are not the bundled server's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from pdpp_conformance.approver.browser import BrowserApprover
from pdpp_conformance.approver.pictures import Pictures
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


def device(pages: Pages) -> Any:
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


def owner(recorder: Recorder, pages: Pages, folder: Path) -> BrowserApprover:
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
