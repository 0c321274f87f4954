"""The owner at pages that answer 429: stays away, comes back, and draws no verdict from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from pdpp_conformance.approver.approver import Approver
from pdpp_conformance.approver.browser import BrowserApprover
from pdpp_conformance.approver.http import HttpApprover
from pdpp_conformance.approver.pictures import Pictures
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.patience import FIRST_PAUSE_SECONDS, Patience, TurnedAway
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.waiting import SERVER_TRUNCATION_SECONDS as MORE
from pdpp_conformance.waiting import RealClock, wait
from tests.reverse_proxy import LocalServer, Passing, Reply

CODE = "BCDF-GHJK"
HTML = ("Content-Type", "text/html; charset=utf-8")
A_DATE = (("Date", "Thu, 26 Nov 2026 10:00:00 GMT"), ("Retry-After", "Thu, 26 Nov 2026 10:00:09 GMT"))
ENTRY = '<form method="post" action="/device"><input name="user_code"><button>Continue</button></form>'
DECISION = '<form method="post" action="/decided"><button>Approve</button><button name="no" value="1">Deny</button>'


class LimitedPages(LocalServer):
    """Pages of which one answers 429 so many times, with the headers given.

    Args:
        at: method and path of that page.
    """

    def __init__(self, at: str, times: float, headers: Sequence[tuple[str, str]]) -> None:
        self.seen: list[str] = []
        self.decided: list[str] = []
        self._at, self._left, self._headers = at, times, headers
        super().__init__(self._page)

    def _page(self, passing: Passing) -> Reply:
        form = parse_qs(passing.asked.decode())
        what = f"{passing.command} {passing.path.partition('?')[0]}"
        if what != "GET /favicon.ico":
            self.seen.append(what)
        if what == self._at and self._left > 0:
            self._left -= 1
            return Reply(429, (HTML, *self._headers), b"<!doctype html><title>Too many attempts</title><p>Wait.")
        body = {
            "GET /device": ENTRY,
            "POST /device": DECISION if form.get("user_code") == [CODE] else ENTRY,
            "POST /decided": "<p>Go back to your device.</p>",
        }.get(what, "")
        if what == "POST /decided":
            self.decided.append("denied" if "no" in form else "approved")
        return Reply(200, (HTML,), f"<!doctype html><title>{what}</title><h1>A device asks</h1>{body}".encode())


class Owners:
    """Approvers whose pauses are written down and take no time."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.paused: list[float] = []
        self._stack, self._folder = stack, folder

    def at(self, pages: LimitedPages, kind: str, patience: Patience | None = None) -> Approver:
        recorder = self._stack.enter_context(closing(Recorder(Redactor())))
        recorder.allow_origin(pages.url)
        patience = patience or Patience(lambda seconds, _what: self.paused.append(seconds))
        if kind == "http":
            return HttpApprover(ApproverWords(), recorder, patience, username=None, password=None)
        pictures = Pictures(self._folder / "attachments", self._folder)
        return self._stack.enter_context(
            closing(
                BrowserApprover(
                    ApproverWords(), recorder, username=None, password=None, pictures=pictures, patience=patience
                )
            )
        )


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def owners(stack: ExitStack, tmp_path: Path) -> Owners:
    return Owners(stack, tmp_path)


def device(pages: LimitedPages) -> Any:
    return SimpleNamespace(
        kind="grant_scoped_mcp",
        user_code=CODE,
        verification_uri=f"{pages.url}/device",
        verification_uri_complete=None,
    )


@pytest.mark.parametrize("kind", ["browser", "http"])
@pytest.mark.parametrize("at", ["GET /device", "POST /device", "POST /decided"])
def test_wherever_the_limit_is_met(stack: ExitStack, owners: Owners, kind: str, at: str) -> None:
    """A page, a code that was typed, a decision: each is sent again when the page says so, and the owner decides."""
    pages = stack.enter_context(LimitedPages(at, 2, [("Retry-After", "7")]))
    owners.at(pages, kind).approve(device(pages))
    assert owners.paused == [7 + MORE, 7 + MORE]
    assert pages.seen.count(at) == 3
    assert pages.decided == ["approved"]


@pytest.mark.parametrize("kind", ["browser", "http"])
@pytest.mark.parametrize(
    ("headers", "pauses"), [(A_DATE, [9.0] * 3), ((), [FIRST_PAUSE_SECONDS * times for times in (1, 2, 4)])]
)
def test_how_long_the_owner_stays_away(
    stack: ExitStack, owners: Owners, kind: str, headers: Sequence[tuple[str, str]], pauses: Sequence[float]
) -> None:
    """Until the date that is named; a growing while where nothing is named."""
    pages = stack.enter_context(LimitedPages("GET /device", 3, headers))
    owners.at(pages, kind).deny(device(pages))
    assert owners.paused == [seconds + MORE for seconds in pauses]
    assert pages.decided == ["denied"]


def test_a_limit_that_does_not_end(stack: ExitStack, owners: Owners) -> None:
    """It is waited for once and not again, and the owner is turned away, which is no verdict on anything."""
    pages = stack.enter_context(LimitedPages("GET /device", float("inf"), []))
    owner = owners.at(pages, "http")
    for _ in range(2):
        with pytest.raises(TurnedAway, match="answer 429"):
            owner.approve(device(pages))
    assert len(owners.paused) == 6
    assert pages.seen.count("GET /device") == 8


def test_a_limit_beyond_what_the_run_may_wait(stack: ExitStack, owners: Owners) -> None:
    """The owner is turned away at once, told how long it would take."""
    clock = RealClock(0.5, lambda _line: None)
    patience = Patience(lambda seconds, what: wait(clock, seconds, what))
    pages = stack.enter_context(LimitedPages("GET /device", 1, [("Retry-After", "3600")]))
    with pytest.raises(Blocked, match=r"429: the limit of attempts .* takes 3601 s more.*--max-wait 3606"):
        owners.at(pages, "http", patience).approve(device(pages))
    assert clock.waited_s == 0
