"""``/device``: the verification URI, where the owner enters a user code and decides (RFC 8628 §3.3)."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from pdpp_reference.authorization_server.consent import (
    Consent,
    NotDecidable,
    NothingKept,
    PendingRequest,
    normalize_user_code,
    show_user_code,
)
from pdpp_reference.http import Form, Incoming
from pdpp_reference.owner.attempts import Attempts, buckets_of
from pdpp_reference.owner.decision import Decisions
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.login import login_location
from pdpp_reference.owner.pages import PageRefusal, Pages, parameter
from pdpp_reference.owner.sessions import OwnerSession, OwnerSessions

DEVICE_PATH = "/device"

_LONGEST_ENTRY = 64


class DevicePage:
    """Code entry, the decision, and where it ends. Nothing here ever hands out a code or a token."""

    def __init__(
        self,
        pages: Pages,
        forms: OwnForms,
        sessions: OwnerSessions,
        attempts: Attempts,
        consent: Consent,
        decisions: Decisions,
    ) -> None:
        self._pages = pages
        self._forms = forms
        self._sessions = sessions
        self._attempts = attempts
        self._consent = consent
        self._decisions = decisions

    def show(self, incoming: Incoming) -> Response:
        """GET /device, with the user code or without (RFC 8628 §3.3.1); shows, and decides nothing."""
        user_code = parameter(incoming, "user_code")
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other(login_location(_location(user_code)))
        if user_code is None:
            return self._entry(session)
        try:
            pending = self._look_up(incoming, session, user_code)
        except NotDecidable:
            return self._entry(session, wrong=True)
        return self._decision(session, pending, user_code)

    def enter(self, incoming: Incoming) -> Response:
        """POST /device: leads to the decision page of the code that was entered."""
        form = self._forms.read(incoming)
        user_code = form.get("user_code")
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other(login_location(_location(user_code)))
        self._forms.require_token(form, session.cookie, "user code")
        try:
            self._look_up(incoming, session, user_code or "")
        except NotDecidable:
            return self._entry(session, wrong=True)
        return self._pages.see_other(_location(user_code))

    def decide(self, incoming: Incoming) -> Response:
        """POST /device/decision: the owner approves what is left checked, or denies."""
        form = self._forms.read(incoming)
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other(login_location(DEVICE_PATH))
        self._forms.require_token(form, session.cookie, "device decision")
        request_id = self._decisions.open(session, "device_authorization", form)
        action = self._decisions.action(form)
        try:
            if action == "deny":
                self._consent.deny(request_id, session.subject_id)
                return self._pages.see_other(f"{DEVICE_PATH}/denied")
            return self._approve(incoming, session, request_id, form)
        except NotDecidable:
            return self._entry(session, wrong=True)

    def approved(self, incoming: Incoming) -> Response:
        """GET /device/approved"""
        return self._ended(incoming, "approved", owner_agent=parameter(incoming, "for") == "owner-agent")

    def denied(self, incoming: Incoming) -> Response:
        """GET /device/denied"""
        return self._ended(incoming, "denied")

    def _look_up(self, incoming: Incoming, session: OwnerSession, user_code: str) -> PendingRequest:
        attempt = self._attempts.admit(buckets_of("user code", incoming.request, session.cookie))
        pending = self._consent.by_user_code(user_code)
        self._attempts.withdraw(attempt)
        return pending

    def _approve(self, incoming: Incoming, session: OwnerSession, request_id: str, form: Form) -> Response:
        request = self._consent.by_id(request_id).request
        details = request.authorization_details
        kept = None if details is None else self._decisions.kept(form, details)
        try:
            self._consent.approve(request_id, session.subject_id, kept)
        except NothingKept:
            return self._nothing_kept(incoming, session, request_id, form)
        return self._pages.see_other(f"{DEVICE_PATH}/approved{'?for=owner-agent' if details is None else ''}")

    def _nothing_kept(self, incoming: Incoming, session: OwnerSession, request_id: str, form: Form) -> Response:
        # The code is stored as a digest only, so the page brings it along. Here as everywhere a wrong one counts.
        user_code = form.get("shown_code") or ""
        pending = self._look_up(incoming, session, user_code)
        if pending.request.id != request_id:
            raise PageRefusal(403)
        return self._decision(session, pending, user_code, entered=form)

    def _entry(self, session: OwnerSession, *, wrong: bool = False) -> Response:
        # What was entered is not shown again, so that every code that leads nowhere gets the same page.
        return self._pages.render(
            "device_code_entry.html",
            signed_in=True,
            status=400 if wrong else 200,
            csrf_token=self._forms.token(session.cookie, "user code"),
            wrong=wrong,
        )

    def _decision(
        self, session: OwnerSession, pending: PendingRequest, user_code: str, entered: Form | None = None
    ) -> Response:
        view = self._decisions.view(session, pending, entered)
        return self._pages.render(
            "decision_owner_agent.html" if view.owner_kind else "decision_device.html",
            signed_in=True,
            status=200 if entered is None else 400,
            view=view,
            user_code=show_user_code(normalize_user_code(user_code)),
            action_path=f"{DEVICE_PATH}/decision",
            csrf_token=self._forms.token(session.cookie, "device decision"),
            handle=self._decisions.handle(session, pending.request),
            nothing_chosen=entered is not None,
        )

    def _ended(self, incoming: Incoming, outcome: str, *, owner_agent: bool = False) -> Response:
        signed_in = self._sessions.current(incoming.request) is not None
        return self._pages.render("decided.html", signed_in=signed_in, outcome=outcome, owner_agent=owner_agent)


def _location(user_code: str | None) -> str:
    return f"{DEVICE_PATH}?{urlencode({'user_code': user_code[:_LONGEST_ENTRY]})}" if user_code else DEVICE_PATH
