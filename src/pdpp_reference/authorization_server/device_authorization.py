"""Device authorization (RFC 8628): a device asks for codes, and polls until the owner has decided."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    DuplicateUserCode,
    RequestKind,
    State,
)
from pdpp_reference.authorization_server.clients import Client, Clients
from pdpp_reference.authorization_server.consent import show_user_code
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.clock import Clock
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.access import SCOPE_OF
from pdpp_reference.grants.authorization_details import AuthorizationDetail, parse_authorization_details
from pdpp_reference.http import Form, Incoming, json_answer
from pdpp_reference.secrets_at_rest import digest, new_credential, new_user_code
from pdpp_reference.settings import DEVICE_CODE_GRANT, Settings
from pdpp_reference.sources import SourceCatalogue
from pdpp_reference.storage.store import Store

SLOW_DOWN_SECONDS = 5
"""By how much ``slow_down`` grows the interval (RFC 8628 §3.5)."""

_USER_CODE_DRAWS = 5


def refuse_client_credentials(incoming: Incoming, form: Form) -> None:
    """Refuse what no client of this server has: its clients are public (``token_endpoint_auth_method`` none).

    Raises:
        OAuthError: ``invalid_client``; with 401 and a challenge where ``Authorization`` was used (RFC 6749 §5.2).
    """
    if "authorization" in incoming.request.headers:
        raise OAuthError(
            "invalid_client",
            "clients of this server are public and do not authenticate",
            status=401,
            headers={"WWW-Authenticate": 'Basic realm="token"'},
        )
    if form.present("client_secret") or form.present("client_assertion"):
        raise OAuthError("invalid_client", "clients of this server are public and do not authenticate")


def require_resource(settings: Settings, form: Form) -> str:
    """Return the ``resource`` parameter, which must be the MCP resource, code point for code point (RFC 8707 §2).

    Raises:
        OAuthError: ``invalid_request`` where it is missing or empty, ``invalid_target`` where it names anything else.
    """
    values = form.all("resource")
    if not any(values):
        raise OAuthError("invalid_request", "the parameter resource is missing")
    if list(values) != [settings.mcp_resource]:
        raise OAuthError("invalid_target", "the resource is not the MCP resource of this deployment")
    return settings.mcp_resource


def check_scope(form: Form, kind: RequestKind) -> None:
    """Refuse a scope other than the one that tokens of this kind have.

    Raises:
        OAuthError: ``invalid_scope`` (RFC 6749 §5.2).
    """
    scope = form.get("scope")
    allowed = SCOPE_OF["client" if kind == "grant_scoped_mcp" else "owner"]
    if scope is not None and scope != allowed:
        raise OAuthError("invalid_scope", f"the only scope here is {allowed}")


class DeviceAuthorizationEndpoint:
    """The device authorization endpoint (RFC 8628 §3.1, §3.2), for requests of either kind."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clients: Clients,
        requests: AuthorizationRequests,
        catalogue: SourceCatalogue,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clients = clients
        self._requests = requests
        self._catalogue = catalogue

    def answer(self, incoming: Incoming) -> Response:
        """Stage a device authorization request and answer with its codes.

        Raises:
            OAuthError: the request is refused; nothing was staged.
        """
        form = incoming.form_or_json()
        refuse_client_credentials(incoming, form)
        client = self._clients.get(form.require("client_id"))
        client.require(DEVICE_CODE_GRANT)
        kind = self.request_kind(form)
        check_scope(form, kind)
        if kind == "grant_scoped_mcp":
            resource = require_resource(self._settings, form)
            details = self._details(form)
        else:
            resource, details = self._settings.resource_origin, None
        device_code, user_code = self._stage(client, kind, resource, details)
        verification_uri = f"{self._settings.issuer}/device"
        shown = show_user_code(user_code)
        return json_answer(
            {
                "device_code": device_code,
                "user_code": shown,
                "verification_uri": verification_uri,
                "verification_uri_complete": f"{verification_uri}?user_code={shown}",
                "expires_in": self._settings.device_code_lifetime,
                "interval": self._settings.polling_interval,
            }
        )

    def request_kind(self, form: Form) -> RequestKind:
        """Tell the kind from what is present, even empty: an incomplete MCP request never becomes the owner's."""
        if form.present("resource") or form.present("authorization_details"):
            return "grant_scoped_mcp"
        return "trusted_owner_agent"

    def new_device_code(self) -> str:
        """Draw a device code."""
        return new_credential()

    def new_user_code(self) -> str:
        """Draw a user code, as it is stored: in capitals, without separators."""
        return new_user_code()

    def _details(self, form: Form) -> tuple[AuthorizationDetail, ...]:
        text = form.get("authorization_details")
        if text is None:
            raise OAuthError("invalid_request", "the parameter authorization_details is missing")
        return parse_authorization_details(
            text, accepted_type=self._settings.authorization_details_type, catalogue=self._catalogue
        )

    def _stage(
        self, client: Client, kind: RequestKind, resource: str, details: tuple[AuthorizationDetail, ...] | None
    ) -> tuple[str, str]:
        device_code = self.new_device_code()
        for _ in range(_USER_CODE_DRAWS):
            user_code = self.new_user_code()
            try:
                with self._store.transaction() as connection:
                    self._requests.stage(
                        connection,
                        flow="device_authorization",
                        request_kind=kind,
                        client_id=client.client_id,
                        resource=resource,
                        authorization_details=details,
                        lifetime=self._settings.device_code_lifetime,
                        device_code_digest=digest(device_code),
                        user_code_digest=digest(user_code),
                        interval=self._settings.polling_interval,
                    )
            except DuplicateUserCode:
                continue
            return device_code, user_code
        raise OAuthError("temporarily_unavailable", "no free user code", status=503, headers={"Retry-After": "5"})


class DeviceCodeGrant:
    """The device-code grant at the token endpoint (RFC 8628 §3.4, §3.5)."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        requests: AuthorizationRequests,
        redemption: Redemption,
    ) -> None:
        self._store = store
        self._clock = clock
        self._requests = requests
        self._redemption = redemption

    def redeem(self, client: Client, form: Form) -> dict[str, Any]:
        """Answer one poll: the token response, once, or the state as an error.

        Raises:
            OAuthError: ``authorization_pending``, ``slow_down``, ``access_denied``, ``expired_token``,
                ``invalid_grant`` or ``invalid_target``.
        """
        device_code = form.require("device_code")
        with self._store.transaction() as connection:
            answer = self._poll(connection, client, device_code, form)
        if isinstance(answer, OAuthError):
            raise answer  # only now: what the poll recorded is committed first
        return answer

    def _poll(
        self, connection: Connection, client: Client, device_code: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        request = self._requests.by_device_code(connection, device_code)
        if request is None or request.client_id != client.client_id:
            return _not_good()
        match request.state:
            case State.PENDING:
                return self._pending(connection, request)
            case State.DENIED:
                return OAuthError("access_denied", "the owner denied the request")
            case State.EXPIRED:
                return OAuthError("expired_token", "the device code has expired; start again")
            case State.REDEEMED:
                self._redemption.replayed(connection, request)
                return _not_good()
            case State.APPROVED:
                return self._redemption.redeem(connection, client, request, form, _not_good())

    def _pending(self, connection: Connection, request: AuthorizationRequest) -> OAuthError:
        last = request.last_polled_at
        too_soon = last is not None and self._clock.now() < last + (request.interval or 0)
        recorded = self._requests.note_poll(connection, request, slow_down_by=SLOW_DOWN_SECONDS if too_soon else 0)
        if too_soon or not recorded:
            return OAuthError("slow_down", "polled sooner than the interval allows; wait 5 seconds longer from now on")
        return OAuthError("authorization_pending", "the owner has not decided yet")


def _not_good() -> OAuthError:
    return OAuthError("invalid_grant", "the device code is not good for this client")
