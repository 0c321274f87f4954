"""What makes a POST one of our own forms: media type, origin, and a token bound to the browser's session."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from pdpp_reference.http import FORM, Form, Incoming
from pdpp_reference.owner.pages import PageRefusal
from pdpp_reference.settings import Settings

TOKEN_FIELD = "csrf_token"  # noqa: S105 (the name of a form field)

_OWN_SITES = frozenset({"same-origin", "none"})


class OwnForms:
    """Reads the owner's forms and refuses everybody else's (RFC 6749 §10.12, RFC 9700 §4.7).

    A token is an HMAC keyed with the session cookie's value over what the form is for: nothing is stored, and the
    token of another session or of another form is worth nothing.
    """

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.issuer)
        self._origin = f"{parts.scheme}://{parts.netloc}"

    def token(self, cookie: str, purpose: str) -> str:
        """Return the token for a form of this purpose in the session with this cookie."""
        mac = hmac.digest(cookie.encode(), purpose.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def read(self, incoming: Incoming) -> Form:
        """Read a POST's form, before anything else happens.

        Raises:
            PageRefusal: 415, any other media type, JSON included; 403, a browser says another site sent it.
            OAuthError: ``invalid_request``, the form is not well formed.
        """
        if incoming.media_type != FORM:
            raise PageRefusal(415, headers={"Accept-Post": FORM})
        headers = incoming.request.headers
        # "null" tells nothing: under our own Referrer-Policy no-referrer browsers send it from our own pages too.
        foreign_origin = headers.get("origin", "null") not in ("null", self._origin)
        if foreign_origin or headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            raise PageRefusal(403)
        return incoming.form()

    def require_token(self, form: Form, cookie: str, purpose: str) -> None:
        """Demand the token of this form and this session.

        Raises:
            PageRefusal: 403, it is missing or another.
        """
        given = form.get(TOKEN_FIELD) or ""
        if not hmac.compare_digest(given.encode(), self.token(cookie, purpose).encode()):
            raise PageRefusal(403)
