"""The owner without a browser: fills in and sends the forms of the pages (``--approver http``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from pdpp_conformance.approver.approver import Arrival, Decision, Page
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.html_pages import Control, as_it_is, ticked
from pdpp_conformance.oauth_client import DeviceRequest, Kind
from pdpp_conformance.patience import Patience
from pdpp_conformance.target import ApproverWords
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.visitor import MOST_PAGES, Visit, Visitor


class HttpApprover:
    """Decides by the forms of the pages; what only a browser shows (focus, layout, scripts) it cannot tell."""

    kind = "http"

    def __init__(
        self,
        words: ApproverWords,
        recorder: Recorder,
        patience: Patience,
        *,
        username: str | None,
        password: str | None,
    ) -> None:
        self._words = words
        self._visitor = Visitor(recorder, words, patience, username=username, password=password)

    def prepare(self) -> None:
        """There is nothing to start."""

    def knows_presses(self, kind: Kind) -> bool:
        return True  # it presses nothing to read

    def read(self, device: DeviceRequest, *, complete: bool = False) -> Page:
        return page_of(self._visitor.arrive(device, typed=not complete))

    def approve(
        self, device: DeviceRequest, *, without_streams: Sequence[str] = (), on_the_page: bool = False
    ) -> Decision:
        visit = self._visitor.arrive(device)
        for stream in without_streams:
            _require_box(visit, stream, self._words)
        return self._decide(visit, self._words.approve, lambda control: _unticked(control, without_streams))

    def deny(self, device: DeviceRequest) -> Decision:
        return self._decide(self._visitor.arrive(device), self._words.deny, as_it_is)

    def enter_code(self, user_code: str, verification_uri: str) -> Page:
        return page_of(self._visitor.type_code(verification_uri, user_code))

    def session_cookies(self) -> Sequence[tuple[str, str]]:
        return self._visitor.cookie_pairs

    def sessions_of_cookies(self) -> Sequence[Sequence[tuple[str, str]]]:
        return [self.session_cookies()] if self._visitor.signed_in else []

    def visit(self, url: str) -> Page:
        """Open a page as the owner, who signs in where asked."""
        return page_of(self._visitor.sign_in_if_asked(self._visitor.open(url)))

    def answer_client(self, url: str, redirect_uri: str, *, approve: bool | None) -> Arrival:
        return answer_by_forms(self._visitor, self._words, url, redirect_uri, approve=approve)

    def close(self) -> None:
        """Nothing was started."""

    def _decide(self, visit: Visit, names: Sequence[str], change: Callable[[Control], Control]) -> Decision:
        return Decision(page_of(visit), page_of(self._visitor.decide(visit, names, change=change, signing_in=True).end))


def answer_by_forms(
    visitor: Visitor, words: ApproverWords, url: str, redirect_uri: str, *, approve: bool | None
) -> Arrival:
    """Open an authorization request and decide it, as :meth:`Approver.answer_client` does."""
    pressed = () if approve is None else words.approve if approve else words.deny
    visit = visitor.sign_in_if_asked(visitor.open(url))
    for _ in range(MOST_PAGES):
        choice = visit.page.offers(pressed)
        if choice is None and not visitor.is_decision(visit):
            choice = visit.page.offers(words.proceed)
        if choice is None:
            break
        visit = visitor.sign_in_if_asked(visitor.press(choice.filled(ticked)))
    away = visit.sent_away_to
    back = away if away is not None and away.startswith(redirect_uri) else None
    return Arrival(page_of(visit), visitor.is_decision(visit), back)


def _is_of(control: Control, stream: str) -> bool:
    return control.kind == "checkbox" and bool(re.search(rf"(?<![\w-]){re.escape(stream)}(?![\w-])", control.label))


def _unticked(control: Control, streams: Sequence[str]) -> Control:
    return replace(control, checked=False) if any(_is_of(control, stream) for stream in streams) else control


def _require_box(visit: Visit, stream: str, words: ApproverWords) -> None:
    choice = visit.page.offers(words.approve)
    if choice is None or not any(_is_of(control, stream) for control in choice.form.controls):
        raise Blocked(
            f"the decision page has no checkbox named after the stream {stream}",
            unblock="a decision page on which the owner can narrow the streams",
        )


def page_of(visit: Visit) -> Page:
    """Return the page that a visit ended at, as every approver tells of pages."""
    page = visit.page
    return Page(
        url=page.url,
        title=page.title,
        text=page.text,
        main_text=page.main_text,
        headings=page.headings,
        buttons=[button.name for button in page.buttons],
        links=[link.name for link in page.links],
        link_targets=[link.form.url for link in page.links],
        form_targets=[choice.form.url for choice in page.forms],
        password_field=page.sign_in is not None,
        code_field="",  # selects nothing here: the form is filled by the visitor
        markup=page.body.decode("utf-8", "replace"),
        protocol_facts=page.text_marked("data-authorship", "protocol"),
        client_claims=page.text_marked("data-authorship", "client"),
    )
