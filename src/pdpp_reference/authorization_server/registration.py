"""Dynamic client registration (RFC 7591), and the rules for client metadata wherever it comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.authorization_server.clients import Clients
from pdpp_reference.errors import OAuthError
from pdpp_reference.http import NO_STORE, Incoming, json_answer
from pdpp_reference.secrets_at_rest import new_identifier
from pdpp_reference.settings import DEVICE_CODE_GRANT, Settings, is_loopback_host
from pdpp_reference.storage.store import Store

SUPPORTED_GRANT_TYPES = (DEVICE_CODE_GRANT, "authorization_code", "refresh_token")

MAX_REDIRECT_URIS = 20
MAX_REDIRECT_URI_LENGTH = 1990
"""What the table holds, less a port that a request may add (RFC 8252 §7.3)."""
MAX_URI_LENGTH = 500
MAX_NAME_LENGTH = 200

_URI_MEMBERS = ("client_uri", "logo_uri", "policy_uri", "tos_uri")

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
"""The characters of RFC 3986 §2 and a scheme: no spaces, no backslashes, nothing beyond ASCII."""

_REVERSE_DOMAIN = re.compile(r"[a-z][a-z0-9\-]*(?:\.[a-z0-9\-]+)+")

_RETRY_WHEN_FULL_SECONDS = 3600


def check_client_metadata(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata to be registered: what was declared, with defaults and substitutions (RFC 7591 §2, §3.2.1).

    Members this server does not know are left out. ``token_endpoint_auth_method`` is always ``none``, and
    ``response_types`` follows from the grant types, so that a client cannot contradict itself (RFC 7591 §2.1).

    Raises:
        OAuthError: ``invalid_client_metadata`` or ``invalid_redirect_uri`` (RFC 7591 §3.2.2).
    """
    registered: dict[str, Any] = {}
    if "client_name" in members:
        registered["client_name"] = _check_name(members["client_name"])
    for member in _URI_MEMBERS:
        if member in members:
            registered[member] = _check_page_uri(member, members[member])
    redirect_uris = _texts(members, "redirect_uris", [])
    if len(redirect_uris) > MAX_REDIRECT_URIS:
        raise OAuthError("invalid_redirect_uri", f"there are more than {MAX_REDIRECT_URIS} redirect_uris")
    for uri in redirect_uris:
        check_redirect_uri(uri)
    if redirect_uris:
        registered["redirect_uris"] = redirect_uris
    grant_types = _check_grant_types(members)
    with_code = "authorization_code" in grant_types
    if with_code and not redirect_uris:
        raise OAuthError("invalid_redirect_uri", "the authorization_code grant needs redirect_uris")
    registered["grant_types"] = grant_types
    if not set(_texts(members, "response_types", [])) <= {"code"}:
        raise OAuthError("invalid_client_metadata", "the only response type here is code")
    registered["response_types"] = ["code"] if with_code else []
    if not isinstance(members.get("token_endpoint_auth_method", "none"), str):
        raise OAuthError("invalid_client_metadata", "token_endpoint_auth_method is not a text")
    registered["token_endpoint_auth_method"] = "none"  # noqa: S105 (the name of a method)
    if "application_type" in members:
        if members["application_type"] not in ("native", "web"):
            raise OAuthError("invalid_client_metadata", "application_type is neither native nor web")
        registered["application_type"] = members["application_type"]
    return registered


def check_redirect_uri(uri: str) -> None:
    """Check that a code may be sent to ``uri``.

    It is absolute and without fragment (RFC 6749 §3.1.2): https, http on loopback only, or a private-use scheme in
    the reverse-domain form of RFC 8252 §7.1. That leaves no room for ``javascript:``, ``data:`` and their like.

    Raises:
        OAuthError: ``invalid_redirect_uri``.
    """
    parts = _split(uri, MAX_REDIRECT_URI_LENGTH)
    if parts is None or "#" in uri:
        raise OAuthError("invalid_redirect_uri", "a redirect URI is not an absolute URI without fragment")
    if parts.scheme in ("http", "https"):
        if not _is_web_address(parts):
            raise OAuthError("invalid_redirect_uri", "a redirect URI is neither https nor http on loopback")
    elif not _REVERSE_DOMAIN.fullmatch(parts.scheme) or not uri[len(parts.scheme) + 1 :].startswith("/"):
        raise OAuthError("invalid_redirect_uri", "a private-use scheme is not a reversed domain name followed by :/")


class RegistrationEndpoint:
    """The client registration endpoint, and the owner's way to remove what was registered there.

    Args:
        owner_of: returns the subject whose session a request carries, ``None`` without one.
    """

    def __init__(
        self, settings: Settings, store: Store, clients: Clients, owner_of: Callable[[Request], str | None]
    ) -> None:
        self._settings = settings
        self._store = store
        self._clients = clients
        self._owner_of = owner_of

    def answer(self, incoming: Incoming) -> Response:
        """Register a client and answer with all of its metadata (RFC 7591 §3.1, §3.2.1).

        Raises:
            OAuthError: ``invalid_client_metadata``, ``invalid_redirect_uri``, or ``temporarily_unavailable`` when
                the server holds as many clients as it may.
        """
        registered = self.metadata_to_register(incoming.json_object("invalid_client_metadata"))
        owner = self._owner_of(incoming.request)
        with self._store.transaction() as connection:
            if self._clients.count(connection) >= self._settings.max_clients:
                raise OAuthError(
                    "temporarily_unavailable",
                    "no more clients can be registered at present",
                    status=503,
                    headers={"Retry-After": str(_RETRY_WHEN_FULL_SECONDS)},
                )
            client_id = new_identifier("client_")
            client = self._clients.save(connection, client_id, "dynamic", registered, subject_id=owner)
        issued_at = int(client.issued_at)
        return json_answer({"client_id": client_id, "client_id_issued_at": issued_at, **registered}, status=201)

    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is registered of the declared ``members`` (:func:`check_client_metadata`)."""
        return check_client_metadata(members)

    def remove(self, incoming: Incoming) -> Response:
        """Remove the registered client that the path names, with all its requests, grants and tokens.

        Raises:
            OAuthError: 401 without an owner session, 403 for a page of another origin, 404 where the owner has no
                such client.
        """
        request = incoming.request
        self._refuse_foreign_origin(request)
        owner = self._owner_of(request)
        if owner is None:
            raise OAuthError(
                "invalid_token",
                "only the signed-in owner removes a client",
                status=401,
                headers={"WWW-Authenticate": 'Bearer realm="registration"'},
            )
        client_id: str = request.path_params["client_id"]
        with self._store.transaction() as connection:
            # PostgreSQL takes no NUL, and no client_id has one.
            client = None if "\x00" in client_id else self._clients.known(connection, client_id)
            if client is None or client.registration_mode != "dynamic" or client.subject_id not in (None, owner):
                raise OAuthError("invalid_client", "no such client was registered here", status=404)
            self._clients.remove(connection, client_id)
        return Response(status_code=204, headers=NO_STORE)

    def _refuse_foreign_origin(self, request: Request) -> None:
        issuer = urlsplit(self._settings.issuer)
        own = f"{issuer.scheme}://{issuer.netloc}"
        if any(origin != own for origin in request.headers.getlist("origin")):
            raise OAuthError("access_denied", "a page of another origin asked", status=403)


def _check_name(value: object) -> str:
    # A name with nothing to see, or with characters that reorder their neighbours, would deceive on the consent page.
    if not isinstance(value, str) or len(value) > MAX_NAME_LENGTH or not value.isprintable() or not value.strip():
        raise OAuthError(
            "invalid_client_metadata", f"client_name is not a printable text of at most {MAX_NAME_LENGTH} characters"
        )
    return value


def _check_page_uri(member: str, value: object) -> str:
    parts = _split(value, MAX_URI_LENGTH) if isinstance(value, str) else None
    if not isinstance(value, str) or parts is None or not _is_web_address(parts):
        raise OAuthError(
            "invalid_client_metadata", f"{member} is not an https URI of at most {MAX_URI_LENGTH} characters"
        )
    return value


def _check_grant_types(members: Mapping[str, Any]) -> list[str]:
    declared = _texts(members, "grant_types", ["authorization_code"])
    if not declared or not set(declared) <= set(SUPPORTED_GRANT_TYPES):
        raise OAuthError("invalid_client_metadata", "grant_types is empty or names one that this server does not know")
    return list(dict.fromkeys(declared))


def _texts(members: Mapping[str, Any], member: str, default: list[str]) -> list[str]:
    value = members.get(member, default)
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise OAuthError("invalid_client_metadata", f"{member} is not a list of texts")
    return value


def _split(uri: str, longest: int) -> SplitResult | None:
    if len(uri) > longest or not _URI.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises where it is no port number
    except ValueError:
        return None
    return parts


def _is_web_address(parts: SplitResult) -> bool:
    if not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname))
