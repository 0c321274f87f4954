"""Forms of another origin: sent as requests for whole pages, answered in whatever way, from a page that stays."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from pdpp_conformance.approver.sessions import BrowserSession, Chromium
from pdpp_conformance.decision_request import DecisionRequest
from pdpp_conformance.exchange import FORM, Recorder
from pdpp_conformance.foreign_forms import foreign_forms, page_of_forms
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.second_origin import SecondOrigin
from tests.loopback import listening

ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/nothing": (204, {}, b""),
    "/page": (200, {"Content-Type": "text/html", "Set-Cookie": "given=1"}, b"<script>document.title = 1</script>"),
    "/file": (200, {"Content-Disposition": "attachment"}, b"text"),
    "/see-other": (303, {"Location": "/page"}, b""),
    "/same-again": (307, {"Location": "/nothing"}, b""),
}


class Target(BaseHTTPRequestHandler):
    """Answers by the path, and closes the connection where it knows no answer."""

    asked: list[tuple[str, str, str | None]]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, self.headers.get("Origin")))
        if self.path not in ANSWERS:
            self.close_connection = True
            return
        status, headers, body = ANSWERS[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def session() -> Iterator[BrowserSession]:
    chromium = Chromium(Recorder(Redactor()))
    session = BrowserSession(chromium, "the owner's browser")
    yield session
    session.close()
    chromium.close()


def test_however_it_is_answered(session: BrowserSession) -> None:
    """The status is told, redirects are followed, cookies are taken, and the page sends the next form."""
    asked: list[tuple[str, str, str | None]] = []
    origin = SecondOrigin()
    origin.start()
    paths = [*ANSWERS, "/gone"]
    with listening(type("Recording", (Target,), {"asked": asked})) as target:
        session.recorder.allow_origin(target)
        elsewhere = origin.sites(target)["cross-site"]
        session.recorder.own_origin(elsewhere)
        requests = [DecisionRequest(f"{target}{path}", FORM, [("action", "approve")], {}) for path in paths]
        origin.page("/forms", page_of_forms(requests, FORM))
        with session.another_tab() as tab, foreign_forms(session, tab, f"{elsewhere}/forms") as forms:
            told = [forms.send(number) for number in range(len(requests))]
            assert tab.url == f"{elsewhere}/forms"
    origin.stop()
    assert told == ["204", "200", "200", "200", "204", "no answer for the browser"]
    posted = [(path, sender) for method, path, sender in asked if method == "POST"]
    assert [path for path, _ in posted] == [
        "/nothing",
        "/page",
        "/file",
        "/see-other",
        "/same-again",
        "/nothing",
        "/gone",
    ]
    assert {sender for path, sender in posted if path not in ("/nothing",)} == {elsewhere}
    assert session.cookies() == [("given", "1")]
    kept = [(one.method, urlsplit(one.url).path, one.status) for one in session.recorder.exchanges]
    assert sorted(one for one in kept if one[1] != "/forms") == sorted(
        [
            ("POST", "/nothing", 204),
            ("POST", "/page", 200),
            ("POST", "/file", 200),
            ("POST", "/see-other", 303),
            ("GET", "/page", 200),
            ("POST", "/same-again", 307),
            ("POST", "/nothing", 204),
        ]
    )
