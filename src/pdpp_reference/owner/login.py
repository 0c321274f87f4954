"""Signing in and out, and the page at the root."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from starlette.responses import Response

from pdpp_reference.http import Incoming
from pdpp_reference.owner.attempts import Attempts, buckets_of
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.pages import PageRefusal, Pages, parameter
from pdpp_reference.owner.password import Owners
from pdpp_reference.owner.sessions import OwnerSessions
from pdpp_reference.secrets_at_rest import new_credential

LOGIN_PATH = "/owner/login"

_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2000}")


def login_location(return_to: str) -> str:
    """Return the address of the login page that leads back to ``return_to``."""
    return f"{LOGIN_PATH}?{urlencode({'return_to': return_to})}"


def own_path(return_to: str | None) -> str | None:
    """Return ``return_to`` if it is a path on this origin, else ``None`` (RFC 9700 §4.11).

    It starts with a single slash and holds only visible ASCII without backslash: what browsers read as another
    authority (``//host``, ``/\\host``, ``/<tab>/host``) does not pass.
    """
    return return_to if return_to and _OWN_PATH.fullmatch(return_to) else None


class LoginPage:
    """The owner's way in and out."""

    def __init__(
        self, pages: Pages, forms: OwnForms, sessions: OwnerSessions, owners: Owners, attempts: Attempts
    ) -> None:
        self._pages = pages
        self._forms = forms
        self._sessions = sessions
        self._owners = owners
        self._attempts = attempts

    def home(self, incoming: Incoming) -> Response:
        """GET /"""
        return self._pages.render("home.html", signed_in=self._sessions.current(incoming.request) is not None)

    def show(self, incoming: Incoming) -> Response:
        """GET /owner/login"""
        cookie = self._sessions.pre_session(incoming.request) or new_credential()
        response = self._form(incoming, cookie, self._destination(parameter(incoming, "return_to")))
        self._sessions.start_pre_session(response, cookie)
        return response

    def sign_in(self, incoming: Incoming) -> Response:
        """POST /owner/login: a session starts under a fresh cookie (RFC 6749 §10.12)."""
        form = self._forms.read(incoming)
        cookie = self._sessions.pre_session(incoming.request)
        if cookie is None:
            raise PageRefusal(403)
        self._forms.require_token(form, cookie, "login")
        return_to = self._destination(form.get("return_to"))
        attempt = self._attempts.admit(buckets_of("password", incoming.request, cookie))
        subject_id = self._owners.verify(form.get("password") or "")
        if subject_id is None:
            return self._form(incoming, cookie, return_to, wrong=True)
        self._attempts.withdraw(attempt)
        response = self._pages.see_other(return_to or "/")
        self._sessions.start(incoming.request, response, subject_id)
        return response

    def show_sign_out(self, incoming: Incoming) -> Response:
        """GET /owner/logout: asks, because a GET changes nothing."""
        session = self._sessions.current(incoming.request)
        if session is None:
            return self._pages.see_other("/")
        return self._pages.render("logout.html", signed_in=True, csrf_token=self._forms.token(session.cookie, "logout"))

    def sign_out(self, incoming: Incoming) -> Response:
        """POST /owner/logout: the session ends on the server."""
        form = self._forms.read(incoming)
        session = self._sessions.current(incoming.request)
        response = self._pages.see_other("/")
        if session is not None:
            self._forms.require_token(form, session.cookie, "logout")
            self._sessions.end(session)
            self._sessions.forget(response)
        return response

    def _destination(self, return_to: str | None) -> str | None:
        return own_path(return_to)

    def _form(self, incoming: Incoming, cookie: str, return_to: str | None, *, wrong: bool = False) -> Response:
        return self._pages.render(
            "login.html",
            signed_in=self._sessions.current(incoming.request) is not None,
            status=400 if wrong else 200,
            csrf_token=self._forms.token(cookie, "login"),
            return_to=return_to,
            wrong=wrong,
        )
