"""Decisions that count without the owner, too late, or twice."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from sqlalchemy import Connection, select, update
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    Event,
    State,
)
from pdpp_reference.authorization_server.consent import Consent, PendingRequest, normalize_user_code
from pdpp_reference.faults.fault import Declared
from pdpp_reference.grants.authorization_details import AuthorizationDetail, details_to_text
from pdpp_reference.http import FORM, Incoming
from pdpp_reference.owner.decision import HANDLE_FIELD
from pdpp_reference.owner.device_page import DEVICE_PATH, DevicePage
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.settings import Settings
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import authorization_requests, owners

DECISION_PATH = f"{DEVICE_PATH}/decision"

declared = Declared()


def device_page(parts: Collaborators, made: type[DevicePage]) -> DevicePage:
    """Return a page for user codes of another make, out of the deployment's own parts."""
    forms = OwnForms(parts.settings)
    return made(parts.pages, forms, parts.sessions, parts.code_attempts, parts.consent, parts.decisions)


def _consent(parts: Collaborators, made: type[Consent]) -> None:
    parts.consent = made(parts.settings, parts.store, parts.clock, parts.requests, parts.clients)


# -- by whom -----------------------------------------------------------------------------------------------------------


class _AnybodyDecides(DevicePage):
    """Decides a request that somebody without a session names, in the owner's name."""

    store: Store

    def _is_welcome(self, incoming: Incoming) -> bool:
        return True

    def decide(self, incoming: Incoming) -> Response:
        if self._sessions.current(incoming.request) is not None or not self._is_welcome(incoming):
            return super().decide(incoming)
        form = self._forms.read(incoming)
        request_id = (form.get(HANDLE_FIELD) or "").partition(".")[0]
        with self.store.transaction() as connection:
            subject_id = str(connection.execute(select(owners.c.subject_id)).scalar_one())
        if self._decisions.action(form) == "deny":
            self._consent.deny(request_id, subject_id)
        else:
            details = self._consent.by_id(request_id).request.authorization_details
            self._consent.approve(request_id, subject_id, details)
        return self._pages.see_other(
            f"{DEVICE_PATH}/{'denied' if self._decisions.action(form) == 'deny' else 'approved'}"
        )


class _VisitorsDecide(_AnybodyDecides):
    def _is_welcome(self, incoming: Incoming) -> bool:
        return self._sessions.pre_session(incoming.request) is not None


def _decided_by(parts: Collaborators, made: type[_AnybodyDecides]) -> None:
    page = device_page(parts, made)
    assert isinstance(page, _AnybodyDecides)
    page.store = parts.store
    parts.device_page = page


@declared.replacing("A decision counts without any session.", "UIX-03")
def approve_without_login(parts: Collaborators) -> None:
    _decided_by(parts, _AnybodyDecides)


@declared.replacing("A decision counts from any browser that saw the sign-in page.", "UIX-03")
def approve_before_login(parts: Collaborators) -> None:
    _decided_by(parts, _VisitorsDecide)


class _AsPost:
    """Takes a request with another method and its query for the form."""

    def __init__(self, app: ASGIApp, method: str) -> None:
        self._app = app
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope.get("query_string", b"")
        asked = scope["type"] == "http" and scope["method"] == self._method and scope["path"] == DECISION_PATH
        if not asked or not parse_qsl(query.decode("latin-1")):
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(raw=list(scope["headers"]))
        headers["content-type"], headers["content-length"] = FORM, str(len(query))

        async def form() -> Message:
            return {"type": "http.request", "body": query, "more_body": False}

        await self._app({**scope, "method": "POST", "headers": headers.raw, "query_string": b""}, form, send)


@declared.wrapping("A decision can be made with GET.", "UIX-20")
def get_approve(app: ASGIApp) -> ASGIApp:
    return _AsPost(app, "GET")


@declared.wrapping("A decision can be made with HEAD.", "UIX-20")
def head_approve(app: ASGIApp) -> ASGIApp:
    return _AsPost(app, "HEAD")


# -- in which state ----------------------------------------------------------------------------------------------------


class _PackagesStay(Consent):
    def deny(self, request_id: str, subject_id: str) -> AuthorizationRequest:
        request = self.by_id(request_id).request
        if len(request.authorization_details or ()) > 1:
            return request
        return super().deny(request_id, subject_id)


@declared.replacing("Denying a request for several sources does nothing.", "UIX-28")
def deny_is_noop(parts: Collaborators) -> None:
    _consent(parts, _PackagesStay)


class _Reopening(Consent):
    """Takes a request in further states for a pending one when it is decided, though not when its code is entered."""

    states: Collection[State] = ()
    also_by_code = False

    def _pending(self, connection: Connection, request: AuthorizationRequest | None) -> PendingRequest:
        if request is not None and request.state in self.states:
            request = replace(request, state=State.PENDING)
        return super()._pending(connection, request)

    def by_user_code(self, user_code: str) -> PendingRequest:
        if self.also_by_code:
            return super().by_user_code(user_code)
        with self._store.transaction() as connection:
            request = self._requests.by_user_code(connection, normalize_user_code(user_code))
            return Consent._pending(self, connection, request)


class _Reopened(AuthorizationRequests):
    """Lets the owner's events happen in further states, and begins the request's lifetime anew."""

    states: Collection[State] = ()

    def fire(self, connection: Connection, request_id: str, event: Event, **values: object) -> bool:
        if super().fire(connection, request_id, event, **values):
            return True
        if event not in (Event.APPROVE, Event.DENY):
            return False
        columns = authorization_requests.c
        changed = connection.execute(
            update(authorization_requests)
            .where(columns.id == request_id, columns.state.in_([state.value for state in self.states]))
            .values(
                state=(State.APPROVED if event is Event.APPROVE else State.DENIED).value,
                **{"expires_at": self._clock.now() + Settings.device_code_lifetime, **values},
            )
        )
        return changed.rowcount == 1


def _reopened(parts: Collaborators, *states: State, also_by_code: bool = False) -> None:
    requests = _Reopened(parts.clock)
    requests.states = states
    consent = _Reopening(parts.settings, parts.store, parts.clock, requests, parts.clients)
    consent.states, consent.also_by_code = states, also_by_code
    parts.consent = consent


@declared.replacing(
    "A decided request can be decided otherwise.",
    "UIX-14",
    "UIX-16",
    "UIX-30",
    why="Of two decisions at the same moment both count, and a denied request is approved where an expired one is not.",
)
def redecide(parts: Collaborators) -> None:
    _reopened(parts, State.APPROVED, State.DENIED)


@declared.replacing(
    "An approval that is sent again after redemption makes the code good again.",
    "UIX-16",
    "UIX-30",
    why="It does so whether it comes after the redemption or during it.",
)
def approval_revives_redeemed(parts: Collaborators) -> None:
    _reopened(parts, State.REDEEMED)


@declared.replacing(
    "An expired request can be approved, which begins its lifetime anew.",
    "UIX-14",
    "UIX-15",
    why="An expired code opens its decision page, which an unknown one does not.",
)
def approve_expired(parts: Collaborators) -> None:
    _reopened(parts, State.EXPIRED, also_by_code=True)


@declared.replacing(
    "A decision page that was opened in time approves after expiry.",
    "UIX-14",
    "UIX-15",
    why="The page of an expired request approves, and that of a denied one does not.",
)
def opened_page_never_expires(parts: Collaborators) -> None:
    _reopened(parts, State.EXPIRED)


class _CheckThenApprove(Consent):
    """Looks at the state in one transaction and approves in another, whatever has become of the request meanwhile."""

    def approve(
        self, request_id: str, subject_id: str, details: Sequence[AuthorizationDetail] | None
    ) -> tuple[AuthorizationRequest, str | None]:
        request = self.by_id(request_id).request
        if request.flow != "device_authorization" or (details is not None and not details):
            return super().approve(request_id, subject_id, details)
        time.sleep(0.06)
        values = {} if details is None else {"authorization_details": details_to_text(details)}
        with self._store.transaction() as connection:
            connection.execute(
                update(authorization_requests)
                .where(authorization_requests.c.id == request_id)
                .values(state=State.APPROVED.value, subject_id=subject_id, **values)
            )
        return request, None


@declared.replacing("A slow approval brings back a request that was decided or redeemed meanwhile.", "UIX-30")
def resurrect_code(parts: Collaborators) -> None:
    _consent(parts, _CheckThenApprove)
