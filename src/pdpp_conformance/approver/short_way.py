"""Decisions like one that the owner made in the browser before, made by the same forms without the browser.

A run needs well over a hundred decisions that are no more than the way to a token. What the owner is shown, and that
the pages work, is judged in the browser; driving it for each of the others would judge nothing more, and take most of
the run's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

from pdpp_conformance.approver.approver import Arrival, Decision, Page
from pdpp_conformance.approver.http import answer_by_forms, page_of
from pdpp_conformance.exchange import NoAnswer
from pdpp_conformance.html_pages import as_it_is
from pdpp_conformance.oauth_client import DeviceRequest, Kind
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.visitor import Visitor

Action = Literal["approve", "deny"]

LEAST_WORDS_SHARED = 2 / 3
"""The part of all words of two pages that both must have to say the same: names of clients and streams differ."""

_VARIES = re.compile(r"[^\W\d_]{2,}")
"""The words that may be compared: codes, counts and times of the day are not among them."""


class ShortWay:
    """Goes the way of an earlier decision for as long as it leads to the same page.

    Args:
        visitor: the owner, in a session of its own.
    """

    def __init__(self, visitor: Visitor, words: ApproverWords) -> None:
        self._visitor = visitor
        self._words = words
        self._known: dict[tuple[Action, Kind], Page] = {}
        self._came_back = False
        """Whether an authorization request, approved in the browser, led back to its client."""
        self._has_led = False
        """Whether a device's request was decided by the forms."""
        self._leads_nowhere = False

    def remember(self, action: Action, device: DeviceRequest, decision: Decision) -> None:
        """Keep what a decision in the browser led to."""
        self._known[action, device.kind] = decision.concluded

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        """Return the cookies, names and values, of the session in which the forms are sent."""
        return self._visitor.cookie_pairs

    def decide(self, action: Action, device: DeviceRequest, in_browser: Callable[[], Decision]) -> Decision:
        """Decide a request, in the browser where no decision of the kind was made there or the short way ends.

        Args:
            in_browser: makes the decision in the browser.
        """
        before = self._known.get((action, device.kind))
        if before is None or self._leads_nowhere:
            return in_browser()
        try:
            visit = self._visitor.arrive(device)
            names = self._words.approve if action == "approve" else self._words.deny
            end = self._visitor.decide(visit, names, change=as_it_is, signing_in=True).end
        except (Blocked, NoAnswer):
            self._leads_nowhere = True
            return in_browser()
        decision = Decision(page_of(visit), page_of(end))
        if end.last.status < 400 and _say_the_same(before, decision.concluded):
            self._has_led = True
            return decision
        self._leads_nowhere = True
        try:
            return in_browser()
        except Blocked:
            return decision  # it was made, then

    def approve_client(self, url: str, redirect_uri: str, in_browser: Callable[[], Arrival]) -> Arrival:
        """Approve an authorization request, in the browser where none led back to its client from there yet.

        And where no device's request was decided by the forms: a pushed request that was opened in vain cannot always
        be opened again (RFC 9126 §4).

        Args:
            in_browser: approves it in the browser.
        """
        if self._leads_nowhere or not (self._came_back and self._has_led):
            arrival = in_browser()
            self._came_back = arrival.redirected_to is not None
            return arrival
        with suppress(Blocked, NoAnswer):
            arrival = answer_by_forms(self._visitor, self._words, url, redirect_uri, approve=True)
            if arrival.redirected_to is not None:
                return arrival
        self._leads_nowhere = True
        return in_browser()


def _say_the_same(one: Page, other: Page) -> bool:
    """Whether two pages have the same title and headings, and mostly the same words."""
    if [_words(text) for text in (one.title, *one.headings)] != [
        _words(text) for text in (other.title, *other.headings)
    ]:
        return False
    words, others = set(_words(one.main_text)), set(_words(other.main_text))
    return len(words & others) >= LEAST_WORDS_SHARED * len(words | others)


def _words(text: str) -> list[str]:
    return _VARIES.findall(text.casefold())
