"""User codes that are hard to type, or easy to guess."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequests, State
from pdpp_reference.authorization_server.consent import (
    Consent,
    NotDecidable,
    PendingRequest,
    normalize_user_code,
    show_user_code,
)
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.owner_decisions import device_page
from pdpp_reference.http import Incoming
from pdpp_reference.owner.attempts import Attempt, Attempts
from pdpp_reference.owner.device_page import DevicePage
from pdpp_reference.owner.pages import PageRefusal
from pdpp_reference.owner.sessions import OwnerSession
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import attempts

NO_LIMIT = 1_000_000

declared = Declared()


# -- typing ------------------------------------------------------------------------------------------------------------


class _AsShown(Consent):
    def by_user_code(self, user_code: str) -> PendingRequest:
        if user_code != show_user_code(normalize_user_code(user_code)):
            raise NotDecidable
        return super().by_user_code(user_code)


class _InCapitals(Consent):
    def by_user_code(self, user_code: str) -> PendingRequest:
        if user_code != user_code.upper():
            raise NotDecidable
        return super().by_user_code(user_code)


def _consent(parts: Collaborators, made: type[Consent]) -> None:
    parts.consent = made(parts.settings, parts.store, parts.clock, parts.requests, parts.clients)


@declared.replacing("A user code is taken only exactly as the device shows it.", "UIX-12")
def strict_code(parts: Collaborators) -> None:
    _consent(parts, _AsShown)


@declared.replacing("A user code is taken in capitals only.", "UIX-12")
def code_in_capitals_only(parts: Collaborators) -> None:
    _consent(parts, _InCapitals)


# -- guessing ----------------------------------------------------------------------------------------------------------


@declared.replacing("User codes can be guessed without limit.", "UIX-13")
def no_rate_limit(parts: Collaborators) -> None:
    parts.code_attempts = Attempts(parts.store, parts.clock, NO_LIMIT)


class _Forgiving(Attempts):
    """Forgets every wrong user code when a right one comes."""

    _admitting = False

    def admit(self, buckets: Sequence[str]) -> Attempt:
        self._admitting = True
        try:
            return super().admit(buckets)
        finally:
            self._admitting = False

    def withdraw(self, attempt: Attempt) -> None:
        if self._admitting:  # one guess too many, and no right one
            super().withdraw(attempt)
            return
        with self._store.transaction() as connection:
            connection.execute(delete(attempts).where(attempts.c.bucket.startswith("user code/")))


@declared.replacing("A right user code clears the count of wrong ones.", "UIX-13")
def limit_lifted_by_right_code(parts: Collaborators) -> None:
    parts.code_attempts = _Forgiving(parts.store, parts.clock, parts.settings.wrong_codes_per_minute)


class _ByPort(DevicePage):
    def _look_up(self, incoming: Incoming, session: OwnerSession, user_code: str) -> PendingRequest:
        client = incoming.request.client
        attempt = self._attempts.admit([f"user code/{client.host}:{client.port}" if client else "user code"])
        pending = self._consent.by_user_code(user_code)
        self._attempts.withdraw(attempt)
        return pending


@declared.replacing("Wrong user codes are limited for each connection.", "UIX-13")
def limit_per_connection(parts: Collaborators) -> None:
    parts.device_page = device_page(parts, _ByPort)


# -- telling why a code is wrong ---------------------------------------------------------------------------------------


class _Telling(DevicePage):
    """Answers with another page where a code is wrong in one particular way."""

    store: Store
    requests: AuthorizationRequests
    told: State = State.EXPIRED

    def _look_up(self, incoming: Incoming, session: OwnerSession, user_code: str) -> PendingRequest:
        try:
            return super()._look_up(incoming, session, user_code)
        except NotDecidable:
            with self.store.transaction() as connection:
                request = self.requests.by_user_code(connection, normalize_user_code(user_code))
            if request is not None and request.state is self.told:
                raise PageRefusal(404) from None
            raise


class _TellsExpired(_Telling):
    told = State.EXPIRED


class _TellsDenied(_Telling):
    told = State.DENIED


def _telling(parts: Collaborators, made: type[_Telling]) -> None:
    page = device_page(parts, made)
    assert isinstance(page, _Telling)
    page.store, page.requests = parts.store, parts.requests
    parts.device_page = page


@declared.replacing("An expired user code is answered otherwise than an unknown one.", "UIX-14")
def expired_oracle(parts: Collaborators) -> None:
    _telling(parts, _TellsExpired)


@declared.replacing("A denied user code is answered otherwise than an unknown one.", "UIX-14")
def decided_oracle(parts: Collaborators) -> None:
    _telling(parts, _TellsDenied)
