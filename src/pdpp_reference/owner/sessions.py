"""The owner's session: a cookie in the browser, its digest in the database."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, insert, or_, select, update
from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.clock import Clock
from pdpp_reference.secrets_at_rest import digest, new_credential
from pdpp_reference.settings import Settings
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import owner_sessions

SESSION_COOKIE = "pdpp_owner_session"
PRE_SESSION_COOKIE = "pdpp_pre_session"

_CREDENTIAL = re.compile(r"[A-Za-z0-9_-]{43}")

_IN_FORCE = select(owner_sessions.c.subject_id).where(
    owner_sessions.c.digest == bindparam("named"),
    owner_sessions.c.ended_at.is_(None),
    owner_sessions.c.expires_at > bindparam("now"),
)
"""Written once, as every page asks it."""


@dataclass(frozen=True)
class OwnerSession:
    """A session that is in force."""

    subject_id: str
    cookie: str = field(repr=False)
    """The cookie's raw value: the key of everything that is bound to this session."""


class OwnerSessions:
    """Starts, finds and ends sessions, and hands out the anonymous cookie that the login form is bound to.

    On https the cookies' names carry the prefix ``__Host-``, so that no other host and no plain-http page can set
    them (RFC 6265bis §4.1.3.2).
    """

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock

    def current(self, request: Request) -> OwnerSession | None:
        """Return the session that the request's cookie names, if it is in force."""
        cookie = self._read_cookie(request, SESSION_COOKIE)
        if cookie is None:
            return None
        with self._store.transaction() as connection:
            asked = {"named": digest(cookie), "now": self._clock.now()}
            subject_id = connection.execute(_IN_FORCE, asked).scalar_one_or_none()
        return None if subject_id is None else OwnerSession(subject_id, cookie)

    def start(self, request: Request, response: Response, subject_id: str) -> None:
        """Start a session under a fresh cookie, whatever cookie the browser had; end the one it had.

        Sessions that ended or expired are forgotten on the way.
        """
        earlier = self.current(request)
        if earlier is not None:
            self.end(earlier)
        cookie = new_credential()
        now = self._clock.now()
        with self._store.transaction() as connection:
            connection.execute(
                delete(owner_sessions).where(
                    or_(owner_sessions.c.expires_at <= now, owner_sessions.c.ended_at.is_not(None))
                )
            )
            connection.execute(
                insert(owner_sessions).values(
                    digest=digest(cookie),
                    subject_id=subject_id,
                    created_at=now,
                    expires_at=now + self._settings.session_lifetime,
                )
            )
        self._set_cookie(response, SESSION_COOKIE, cookie, max_age=self._settings.session_lifetime)
        self._set_cookie(response, PRE_SESSION_COOKIE, "", max_age=0)

    def end(self, session: OwnerSession) -> None:
        """End a session on the server; its cookie names nothing afterwards."""
        with self._store.transaction() as connection:
            connection.execute(
                update(owner_sessions)
                .where(owner_sessions.c.digest == digest(session.cookie))
                .values(ended_at=self._clock.now())
            )

    def forget(self, response: Response) -> None:
        """Tell the browser to drop the session cookie."""
        self._set_cookie(response, SESSION_COOKIE, "", max_age=0)

    def pre_session(self, request: Request) -> str | None:
        """Return the anonymous cookie's value, if the browser has one."""
        return self._read_cookie(request, PRE_SESSION_COOKIE)

    def start_pre_session(self, response: Response, cookie: str) -> None:
        """Give the browser the anonymous cookie that its login form is bound to; nothing is stored."""
        self._set_cookie(response, PRE_SESSION_COOKIE, cookie, max_age=None)

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self._settings.is_https else name

    def _read_cookie(self, request: Request, name: str) -> str | None:
        value = request.cookies.get(self._name(name), "")
        return value if _CREDENTIAL.fullmatch(value) else None

    def _set_cookie(self, response: Response, name: str, value: str, *, max_age: int | None) -> None:
        response.set_cookie(
            self._name(name),
            value,
            max_age=max_age,
            path="/",
            secure=self._settings.is_https,
            httponly=True,
            samesite="lax",
        )
