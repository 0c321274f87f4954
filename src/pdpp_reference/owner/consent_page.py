"""``/consent``: the decision page of the authorization-code flow (RFC 6749 §4.1.1)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.responses import Response

from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest
from pdpp_reference.authorization_server.consent import Consent, NotDecidable, NothingKept, PendingRequest
from pdpp_reference.http import Form, Incoming
from pdpp_reference.owner import wording
from pdpp_reference.owner.decision import Decisions, redirect_target
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.login import login_location
from pdpp_reference.owner.pages import Pages, parameter
from pdpp_reference.owner.sessions import OwnerSession, OwnerSessions

CONSENT_PATH = "/consent"

AnswerClient = Callable[[AuthorizationRequest, str | None], str]
"""Gives the address that returns a request's outcome to its client: the code, or ``access_denied`` without one."""


class ConsentPage:
    """The owner decides on what a browser-capable client asks; without ``authorization_details``, also chooses it."""

    def __init__(
        self,
        pages: Pages,
        forms: OwnForms,
        sessions: OwnerSessions,
        consent: Consent,
        decisions: Decisions,
        answer_client: AnswerClient,
    ) -> None:
        self._pages = pages
        self._forms = forms
        self._sessions = sessions
        self._consent = consent
        self._decisions = decisions
        self._answer_client = answer_client

    def show(self, incoming: Incoming) -> Response:
        """GET /consent?request_uri=…"""
        request_uri = parameter(incoming, "request_uri") or ""
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other(login_location(f"{CONSENT_PATH}?{urlencode({'request_uri': request_uri})}"))
        try:
            return self._decision(session, self._consent.by_request_uri(request_uri))
        except NotDecidable:
            return self._not_waiting()

    def decide(self, incoming: Incoming) -> Response:
        """POST /consent/decision: either way the client gets its answer."""
        form = self._forms.read(incoming)
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other(login_location("/"))
        self._forms.require_token(form, session.cookie, "consent decision")
        request_id = self._decisions.open(session, "authorization_code", form)
        action = self._decisions.action(form)
        try:
            if action == "deny":
                request, code = self._consent.deny(request_id, session.subject_id), None
            else:
                pending = self._consent.by_id(request_id)
                details = pending.request.authorization_details
                kept = self._decisions.chosen(form) if details is None else self._decisions.kept(form, details)
                try:
                    request, code = self._consent.approve(request_id, session.subject_id, kept)
                except NothingKept:
                    return self._decision(session, pending, entered=form)
        except NotDecidable:
            return self._not_waiting()
        return self._pages.see_other(self._answer_client(request, code))

    def _decision(self, session: OwnerSession, pending: PendingRequest, entered: Form | None = None) -> Response:
        target = redirect_target(pending.request.redirect_uri or "")
        view = self._decisions.view(session, pending, entered)
        picking = pending.request.authorization_details is None
        return self._pages.render(
            "decision_consent.html",
            signed_in=True,
            status=200 if entered is None else 400,
            # Chrome holds the redirect that answers a form to form-action as well.
            form_targets=[target] if target else [],
            view=view,
            returns_to=target,
            picking=picking,
            modes=wording.ACCESS_MODES,
            action_path=f"{CONSENT_PATH}/decision",
            csrf_token=self._forms.token(session.cookie, "consent decision"),
            handle=self._decisions.handle(session, pending.request),
            nothing_chosen=entered is not None
            and not any(stream.checked for source in view.sources for stream in source.streams),
            no_mode_chosen=picking and entered is not None and view.chosen_mode is None,
        )

    def _not_waiting(self) -> Response:
        return self._pages.error(
            400,
            title="Nothing to decide here",
            message="This request is not waiting for a decision. It may have expired, or it was decided before. "
            "Go back to the application and start again.",
        )
