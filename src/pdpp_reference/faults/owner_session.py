"""Sessions of the owner that others can have, and grants that cannot be taken back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert
from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.app import Collaborators
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import Answered
from pdpp_reference.faults.user_codes import NO_LIMIT
from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.grants import Grants
from pdpp_reference.http import Incoming
from pdpp_reference.owner.attempts import Attempt, Attempts, TooManyAttempts
from pdpp_reference.owner.forms import OwnForms
from pdpp_reference.owner.grants_page import GRANTS_PATH, GrantsPage
from pdpp_reference.owner.login import LOGIN_PATH, LoginPage, own_path
from pdpp_reference.owner.sessions import SESSION_COOKIE, OwnerSession, OwnerSessions
from pdpp_reference.secrets_at_rest import digest
from pdpp_reference.storage.tables import owner_sessions

declared = Declared()


# -- signing in --------------------------------------------------------------------------------------------------------


@declared.altering(
    LOGIN_PATH,
    "A right password is answered with 307, which has the browser send it again.",
    "UIX-23",
    "UIX-31",
    why="What is 307 is not 303.",
)
def redirect_307(answer: Answered) -> None:
    if answer.method == "POST" and answer.status == 303:
        answer.status = 307


@declared.altering(
    LOGIN_PATH,
    "A wrong password is answered with 308, which has the browser send it again.",
    "UIX-23",
    "UIX-31",
    why="What is 308 is not 303.",
)
def redirect_308_after_wrong_password(answer: Answered) -> None:
    if answer.method == "POST" and answer.status == 400:
        answer.status = 308
        answer.headers["location"] = LOGIN_PATH


@declared.altering(LOGIN_PATH, "A right password is answered with 302.", "UIX-31")
def redirect_302_after_login(answer: Answered) -> None:
    if answer.method == "POST" and answer.status == 303:
        answer.status = 302


class _Anywhere(LoginPage):
    def _destination(self, return_to: str | None) -> str | None:
        return return_to or None


class _AnySlash(LoginPage):
    def _destination(self, return_to: str | None) -> str | None:
        return return_to if return_to and return_to.startswith("/") else None


class _OriginAsPrefix(LoginPage):
    origin: str

    def _destination(self, return_to: str | None) -> str | None:
        return return_to if return_to and return_to.startswith(self.origin) else own_path(return_to)


class _OnlyShownChecked(LoginPage):
    """Checks what it writes into its form, and trusts what comes back."""

    def show(self, incoming: Incoming) -> Response:
        self.showing = True
        try:
            return super().show(incoming)
        finally:
            self.showing = False

    showing = False

    def _destination(self, return_to: str | None) -> str | None:
        return own_path(return_to) if self.showing else return_to or None


def _login(parts: Collaborators, made: type[LoginPage]) -> LoginPage:
    forms = OwnForms(parts.settings)
    parts.login_page = made(parts.pages, forms, parts.sessions, parts.owners, parts.password_attempts)
    return parts.login_page


@declared.replacing("Signing in leads wherever the address says.", "UIX-22")
def open_redirect(parts: Collaborators) -> None:
    _login(parts, _Anywhere)


@declared.replacing("Signing in leads wherever the address says, if that begins with a slash.", "UIX-22")
def open_redirect_without_scheme(parts: Collaborators) -> None:
    _login(parts, _AnySlash)


@declared.replacing("Signing in leads wherever the address says, if that begins like this site.", "UIX-22")
def open_redirect_by_prefix(parts: Collaborators) -> None:
    page = _login(parts, _OriginAsPrefix)
    assert isinstance(page, _OriginAsPrefix)
    page.origin = parts.settings.issuer


@declared.replacing("Where signing in leads is checked when the page is shown, not when its form is sent.", "UIX-22")
def open_redirect_by_form(parts: Collaborators) -> None:
    _login(parts, _OnlyShownChecked)


@declared.replacing("Passwords can be guessed without limit.", "UIX-32")
def unlimited_password_guesses(parts: Collaborators) -> None:
    parts.password_attempts = Attempts(parts.store, parts.clock, NO_LIMIT)


class _ForGood(Attempts):
    """Refuses for ever what it has refused once."""

    refused = False

    def admit(self, buckets: Sequence[str]) -> Attempt:
        if self.refused:
            raise TooManyAttempts(60)
        try:
            return super().admit(buckets)
        except TooManyAttempts:
            self.refused = True
            raise


@declared.replacing("Wrong passwords lock the owner out for good.", "UIX-32")
def locked_out_for_good(parts: Collaborators) -> None:
    parts.password_attempts = _ForGood(parts.store, parts.clock, parts.settings.wrong_passwords_per_minute)


# -- the session -------------------------------------------------------------------------------------------------------


def _sessions(parts: Collaborators, made: type[OwnerSessions]) -> None:
    parts.sessions = made(parts.settings, parts.store, parts.clock)


class _OldCookieToo(OwnerSessions):
    """Signs in whatever cookie the browser had, besides the fresh one."""

    def start(self, request: Request, response: Response, subject_id: str) -> None:
        super().start(request, response, subject_id)
        given = self._read_cookie(request, SESSION_COOKIE)
        if given is None:
            return
        now = self._clock.now()
        with self._store.transaction() as connection:
            connection.execute(
                insert(owner_sessions).values(
                    digest=digest(given),
                    subject_id=subject_id,
                    created_at=now,
                    expires_at=now + self._settings.session_lifetime,
                )
            )


class _OldCookieKept(_OldCookieToo):
    def start(self, request: Request, response: Response, subject_id: str) -> None:
        super().start(request, response, subject_id)
        given = self._read_cookie(request, SESSION_COOKIE)
        if given is not None:
            self._set_cookie(response, SESSION_COOKIE, given, max_age=self._settings.session_lifetime)


@declared.replacing("Signing in keeps the session cookie that the browser had.", "UIX-29")
def session_fixation(parts: Collaborators) -> None:
    _sessions(parts, _OldCookieKept)


@declared.replacing("Signing in renews the session cookie, and the earlier one is signed in too.", "UIX-29")
def earlier_cookie_signed_in(parts: Collaborators) -> None:
    _sessions(parts, _OldCookieToo)


class _Plain(OwnerSessions):
    httponly, samesite = True, True

    def _set_cookie(self, response: Response, name: str, value: str, *, max_age: int | None) -> None:
        response.set_cookie(
            self._name(name),
            value,
            max_age=max_age,
            secure=self._settings.is_https,
            httponly=self.httponly,
            samesite="lax" if self.samesite else None,
        )


class _Readable(_Plain):
    httponly = False


class _CrossSite(_Plain):
    samesite = False


@declared.replacing("Scripts can read the session cookie.", "UIX-29")
def session_cookie_readable(parts: Collaborators) -> None:
    _sessions(parts, _Readable)


@declared.replacing("The session cookie says nothing about other sites.", "UIX-29")
def session_cookie_without_samesite(parts: Collaborators) -> None:
    _sessions(parts, _CrossSite)


class _NeverEnds(OwnerSessions):
    def end(self, session: OwnerSession) -> None:
        """Leave the session in force."""


@declared.replacing("Signing out makes the browser forget its cookie, which stays good.", "UIX-33")
def session_survives_logout(parts: Collaborators) -> None:
    _sessions(parts, _NeverEnds)


# -- grants ------------------------------------------------------------------------------------------------------------


class _RevokesNothing(GrantsPage):
    def revoke(self, incoming: Incoming) -> Response:
        return self._pages.see_other(GRANTS_PATH)


class _Forgetful(Grants):
    def of_owner(self, connection: Connection, subject_id: str) -> tuple[Grant, ...]:
        return ()


def _grants_page(parts: Collaborators, made: type[GrantsPage], grants: Grants) -> None:
    forms = OwnForms(parts.settings)
    parts.grants_page = made(parts.pages, forms, parts.sessions, parts.store, grants, parts.clients, parts.catalogue)


@declared.replacing("The owner's button to revoke a grant does nothing.", "REV-08")
def grant_revoke_noop(parts: Collaborators) -> None:
    _grants_page(parts, _RevokesNothing, parts.grants)


@declared.replacing("The owner's list of grants is empty.", "REV-08")
def grants_unlisted(parts: Collaborators) -> None:
    _grants_page(parts, GrantsPage, _Forgetful(parts.clock))
