"""Pushed authorization requests (RFC 9126): a client stages its request directly, the browser carries a reference."""

from __future__ import annotations

from starlette.responses import Response

from pdpp_reference.authorization_server.authorize import CodeRequests
from pdpp_reference.authorization_server.clients import Clients
from pdpp_reference.authorization_server.device_authorization import refuse_client_credentials
from pdpp_reference.errors import OAuthError
from pdpp_reference.http import Incoming, json_answer
from pdpp_reference.settings import Settings


class PushedAuthorizationEndpoint:
    """The pushed authorization request endpoint, with the checks of the authorization endpoint."""

    def __init__(self, settings: Settings, clients: Clients, requests: CodeRequests) -> None:
        self._settings = settings
        self._clients = clients
        self._requests = requests

    def answer(self, incoming: Incoming) -> Response:
        """Stage a request and answer with its request URI (RFC 9126 §2.2).

        Raises:
            OAuthError: the request is refused (RFC 9126 §2.3).
        """
        form = incoming.form()
        refuse_client_credentials(incoming, form)
        client = self._clients.get(form.require("client_id"))
        client.require("authorization_code")
        if form.present("request_uri"):
            raise OAuthError("invalid_request", "a request_uri cannot be pushed")  # RFC 9126 §2.1
        request_uri = self._requests.stage(client, self._requests.redirect_uri(client, form), form)
        lifetime = self._settings.request_uri_lifetime
        return json_answer({"request_uri": request_uri, "expires_in": lifetime}, status=201)
