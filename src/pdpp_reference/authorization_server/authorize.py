"""The authorization endpoint (RFC 6749 §4.1, with PKCE), and the request it stages for the owner's decision."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from sqlalchemy import Connection, update
from starlette.responses import RedirectResponse, Response

from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    State,
)
from pdpp_reference.authorization_server.clients import Client, Clients
from pdpp_reference.authorization_server.device_authorization import check_scope, require_resource
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.authorization_details import AuthorizationDetail, parse_authorization_details
from pdpp_reference.http import NO_STORE, Form, Incoming
from pdpp_reference.secrets_at_rest import digest, new_credential
from pdpp_reference.settings import Settings
from pdpp_reference.sources import SourceCatalogue
from pdpp_reference.storage.store import Store
from pdpp_reference.storage.tables import authorization_requests

REQUEST_URI_PREFIX = "urn:ietf:params:oauth:request_uri:"
"""RFC 9126 §2.2."""

MAX_STATE_LENGTH = 2000

_MAX_PARAMETERS = 100
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")
"""A SHA-256 digest in base64url without padding (RFC 7636 §4.2)."""

_LOOPBACK_REDIRECT = re.compile(r"http://(?P<host>127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?(?P<rest>[/?].*)?")

ErrorPage = Callable[[int, str], Response]
"""Shows a person an HTTP status and a sentence, for errors that must not travel to a redirect URI."""


class CodeRequests:
    """Checks requests of the authorization-code flow and stages them, pushed (RFC 9126) or not."""

    def __init__(
        self, settings: Settings, store: Store, requests: AuthorizationRequests, catalogue: SourceCatalogue
    ) -> None:
        self._settings = settings
        self._store = store
        self._requests = requests
        self._catalogue = catalogue

    def redirect_uri(self, client: Client, form: Form) -> str:
        """Return the redirect URI of a request: a registered one, or the only one where none is named.

        Raises:
            OAuthError: ``invalid_request``, it is not registered (RFC 6749 §3.1.2.3).
        """
        asked = form.get("redirect_uri")
        if asked is None and len(client.redirect_uris) == 1:
            return client.redirect_uris[0]
        if asked is None or not any(same_redirect_uri(asked, registered) for registered in client.redirect_uris):
            raise OAuthError("invalid_request", "the redirect_uri is not one that the client registered")
        return asked

    def stage(self, client: Client, redirect_uri: str, form: Form) -> str:
        """Check everything else of a request, write it as pending, and return its fresh request URI.

        Without ``authorization_details`` the owner chooses what to grant, because standard MCP clients send none.

        Raises:
            OAuthError: the request is refused; nothing was staged.
        """
        client.require("authorization_code")
        state = state_of(form)
        if form.require("response_type") != "code":
            raise OAuthError("unsupported_response_type", "the only response type here is code")
        code_challenge = form.require("code_challenge")
        # RFC 7636 §4.3: an absent method means plain, which this server does not take.
        if form.get("code_challenge_method") != "S256" or not _S256_CHALLENGE.fullmatch(code_challenge):
            raise OAuthError("invalid_request", "the code challenge is not one of method S256")
        check_scope(form, "grant_scoped_mcp")
        resource = require_resource(self._settings, form)
        details = self._details(form)
        request_uri = _new_request_uri()
        with self._store.transaction() as connection:
            self._requests.stage(
                connection,
                flow="authorization_code",
                request_kind="grant_scoped_mcp",
                client_id=client.client_id,
                resource=resource,
                authorization_details=details,
                lifetime=self._settings.request_uri_lifetime,
                request_uri_digest=digest(request_uri),
                redirect_uri=redirect_uri,
                state_parameter=state,
                code_challenge=code_challenge,
            )
        return request_uri

    def use(self, client: Client, request_uri: str) -> str:
        """Use up the request URI of a pending request; return the fresh one under which the owner decides.

        The fresh one goes to the owner's browser only; the client's own is good once (RFC 9126 §4).

        Raises:
            OAuthError: ``invalid_request_uri``, it is unknown, another client's, used, expired or decided.
        """
        fresh = _new_request_uri()
        with self._store.transaction() as connection:
            request = self._requests.by_request_uri(connection, request_uri)
            usable = request is not None and request.client_id == client.client_id
            if request is None or not usable or not _rename(connection, request, request_uri, fresh):
                raise OAuthError("invalid_request_uri", "the request_uri is unknown, expired or already used")
        return fresh

    def _details(self, form: Form) -> tuple[AuthorizationDetail, ...] | None:
        text = form.get("authorization_details")
        if text is None:
            return None
        return parse_authorization_details(
            text, accepted_type=self._settings.authorization_details_type, catalogue=self._catalogue
        )


class AuthorizeEndpoint:
    """The authorization endpoint (RFC 6749 §3.1): stages the request and sends the browser to the owner's decision."""

    def __init__(self, settings: Settings, clients: Clients, requests: CodeRequests, error_page: ErrorPage) -> None:
        self._settings = settings
        self._clients = clients
        self._requests = requests
        self._error_page = error_page

    def answer(self, incoming: Incoming) -> Response:
        """Answer an authorization request.

        An error of the client or of the redirect URI is shown to the person and never redirected (RFC 6749 §4.1.2.1);
        every other error goes back to the client.
        """
        try:
            form = _query(incoming)
            client = self._clients.get(form.require("client_id"))
            pushed = form.get("request_uri")
            if pushed is not None:
                return self._to_decision(self._requests.use(client, pushed))
            redirect_uri = self._requests.redirect_uri(client, form)
        except OAuthError as error:
            page = self._error_page(error.status, error.description)
            page.headers.update(error.headers)  # Retry-After, where a later attempt may succeed
            return page
        try:
            request_uri = self._requests.stage(client, redirect_uri, form)
        except OAuthError as error:
            parameters = {"error": error.error, "error_description": error.description}
            return _redirect(_response_url(self._settings, redirect_uri, _state_if_usable(form), parameters))
        return self._to_decision(request_uri)

    def _to_decision(self, request_uri: str) -> Response:
        base = urlsplit(self._settings.issuer).path
        return _redirect(f"{base}/consent?request_uri={quote(request_uri, safe='')}")


def authorization_response_url(settings: Settings, request: AuthorizationRequest, code: str | None) -> str:
    """Return where the browser goes after the owner's decision: back to the client.

    With the ``code`` of an approval, or with ``access_denied``; with ``state`` (RFC 6749 §4.1.2) and ``iss``
    (RFC 9207 §2). A query that the redirect URI has is kept (RFC 6749 §3.1.2).

    Raises:
        ValueError: the request has no redirect URI, because it is a device's.
    """
    if request.redirect_uri is None:
        raise ValueError("a device authorization request has no redirect URI")
    parameters = {"error": "access_denied"} if code is None else {"code": code}
    return _response_url(settings, request.redirect_uri, request.state_parameter, parameters)


def same_redirect_uri(asked: str, registered: str) -> bool:
    """Whether two redirect URIs are the same string, the port of a loopback IP address aside (RFC 8252 §7.3)."""
    if asked == registered:
        return True
    one, other = _LOOPBACK_REDIRECT.fullmatch(asked), _LOOPBACK_REDIRECT.fullmatch(registered)
    return one is not None and other is not None and one.groups() == other.groups()


def state_of(form: Form) -> str | None:
    """Return the ``state`` parameter.

    Raises:
        OAuthError: ``invalid_request``, it is repeated or too long to be kept.
    """
    state = form.get("state")
    if state is not None and len(state) > MAX_STATE_LENGTH:
        raise OAuthError("invalid_request", f"the state is longer than {MAX_STATE_LENGTH} characters")
    return state


def _state_if_usable(form: Form) -> str | None:
    try:
        return state_of(form)
    except OAuthError:
        return None


def _new_request_uri() -> str:
    return REQUEST_URI_PREFIX + new_credential()


def _rename(connection: Connection, request: AuthorizationRequest, used: str, fresh: str) -> bool:
    columns = authorization_requests.c
    changed = connection.execute(
        update(authorization_requests)
        .where(
            columns.id == request.id,
            columns.state == State.PENDING.value,
            columns.request_uri_digest == digest(used),
        )
        .values(request_uri_digest=digest(fresh))
    )
    return changed.rowcount == 1


def _query(incoming: Incoming) -> Form:
    try:
        text = incoming.request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise OAuthError("invalid_request", "the query is not a well-formed UTF-8 form") from None
    if any("\x00" in part for pair in pairs for part in pair):
        raise OAuthError("invalid_request", "the query holds a character that no parameter may have")
    return Form(pairs)


def _response_url(settings: Settings, redirect_uri: str, state: str | None, parameters: dict[str, str]) -> str:
    if state is not None:
        parameters = {**parameters, "state": state}
    joint = "" if redirect_uri.endswith(("?", "&")) else "&" if "?" in redirect_uri else "?"
    return redirect_uri + joint + urlencode({**parameters, "iss": settings.issuer})


def _redirect(url: str) -> Response:
    return RedirectResponse(url, status_code=303, headers={**NO_STORE, "Referrer-Policy": "no-referrer"})
