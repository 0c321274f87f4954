"""The authorization server's endpoints over real HTTP, on a real store; only the owner's pages are left out."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequests
from pdpp_reference.authorization_server.authorize import AuthorizeEndpoint, CodeRequests, authorization_response_url
from pdpp_reference.authorization_server.clients import Clients
from pdpp_reference.authorization_server.consent import Consent, NotDecidable
from pdpp_reference.authorization_server.introspection import IntrospectionEndpoint
from pdpp_reference.authorization_server.metadata import MetadataEndpoint, authorization_server_metadata, metadata_path
from pdpp_reference.authorization_server.pushed_authorization import PushedAuthorizationEndpoint
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.authorization_server.registration import RegistrationEndpoint
from pdpp_reference.authorization_server.revocation import GrantRevocationEndpoint, RevocationEndpoint
from pdpp_reference.authorization_server.tokens import StoredAccessTokens, Tokens
from pdpp_reference.clock import MovableClock
from pdpp_reference.errors import OAuthError
from pdpp_reference.grants.authorization_details import AuthorizationDetail, parse_authorization_details
from pdpp_reference.grants.grants import Grants
from pdpp_reference.http import Form, Handler, endpoint, oauth_error_answer
from pdpp_reference.secrets_at_rest import digest, new_credential
from pdpp_reference.settings import DEVICE_CODE_GRANT, Settings
from pdpp_reference.sources import Field, Source, SourceCatalogue, Stream
from pdpp_reference.storage.store import Store, open_store
from pdpp_reference.storage.tables import owners

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
OWNER_COOKIE = "signed-in"
SUBJECT = "owner"
INTROSPECTION = ("resource server", "s3cret:&%é")


def stream(name: str) -> Stream:
    return Stream(name, name, (Field("id", "string", ""), Field("at", "datetime", "")), "at", "id", ())


CATALOGUE = SourceCatalogue(
    (
        Source("connector", "https://example.com/music", "Music", (stream("tracks"), stream("albums"))),
        Source("connector", "https://example.com/bank", "Bank", (stream("transactions"),)),
    )
)


def detail(source: str = "music", name: str = "tracks", access_mode: str = "continuous") -> dict[str, Any]:
    return {
        "type": "https://pdpp.dev/data-access",
        "source": {"kind": "connector", "id": f"https://example.com/{source}"},
        "purpose_code": "https://pdpp.dev/purposes/test",
        "access_mode": access_mode,
        "streams": [{"name": name}],
    }


@dataclass
class Deployment:
    """A running authorization server, and what its endpoints are made of."""

    settings: Settings
    clock: MovableClock
    store: Store
    clients: Clients
    requests: AuthorizationRequests
    grants: Grants
    tokens: Tokens
    consent: Consent
    http: httpx.Client

    def register(self, **metadata: Any) -> str:
        declared = {"client_name": "Tester", "redirect_uris": ["https://client.example/cb"], **metadata}
        answer = self.http.post("/oauth/register", json=declared)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["client_id"])

    def issue(self, client_id: str, *details: Mapping[str, Any]) -> dict[str, Any]:
        """Mint tokens the way a device gets them: staged, approved, redeemed. Without details, the owner kind."""
        parsed = self.parse(details) if details else None
        device_code = new_credential()
        with self.store.transaction() as connection:
            request_id = self.requests.stage(
                connection,
                flow="device_authorization",
                request_kind="grant_scoped_mcp" if details else "trusted_owner_agent",
                client_id=client_id,
                resource=self.settings.mcp_resource if details else self.settings.resource_origin,
                authorization_details=parsed,
                lifetime=600,
                device_code_digest=digest(device_code),
                user_code_digest=digest(new_credential()),
                interval=5,
            )
        self.consent.approve(request_id, SUBJECT, parsed)
        redemption = Redemption(self.requests, self.grants, self.tokens)
        with self.store.transaction() as connection:
            request = self.requests.by_device_code(connection, device_code)
            client = self.clients.known(connection, client_id)
            assert request is not None
            assert client is not None
            issued = redemption.redeem(connection, client, request, Form([]), OAuthError("invalid_grant", "refused"))
        assert not isinstance(issued, OAuthError)
        return issued

    def parse(self, details: Sequence[Mapping[str, Any]]) -> tuple[AuthorizationDetail, ...]:
        accepted = self.settings.authorization_details_type
        return parse_authorization_details(json.dumps(details), accepted_type=accepted, catalogue=CATALOGUE)

    def introspect(self, token: str, **more: str) -> dict[str, Any]:
        answer = self.http.post("/introspect", data={"token": token, **more}, headers=basic(*INTROSPECTION))
        assert answer.status_code == 200, answer.text
        members: dict[str, Any] = answer.json()
        return members

    def is_active(self, token: str) -> bool:
        return self.introspect(token)["active"] is True

    def revoke(self, client_id: str, token: str, **more: str) -> httpx.Response:
        return self.http.post("/oauth/revoke", data={"client_id": client_id, "token": token, **more})

    def revoke_grant(self, grant_id: str, token: str) -> httpx.Response:
        return self.http.post(f"/grants/{grant_id}/revoke", headers={"Authorization": f"Bearer {token}"})

    def authorize(self, client_id: str, /, **parameters: str | None) -> httpx.Response:
        return self.http.get("/oauth/authorize", params=self.asked(client_id, **parameters))

    def asked(self, client_id: str, /, **parameters: str | None) -> dict[str, str]:
        """Return a good authorization request; ``None`` takes a parameter away."""
        asked = {
            "client_id": client_id,
            "redirect_uri": "https://client.example/cb",
            "response_type": "code",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "state": "a b&c",
            "resource": self.settings.mcp_resource,
            **parameters,
        }
        return {name: value for name, value in asked.items() if value is not None}


class NoDocuments:
    """No client ID metadata document is reachable."""

    def fetch(self, client_id: str) -> Mapping[str, Any]:  # noqa: ARG002 - the protocol names it
        raise OAuthError("invalid_client", "there is no document")


def basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


async def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, OAuthError)
    return oauth_error_answer(request, error)


def error_page(status: int, message: str) -> Response:
    return PlainTextResponse(f"PAGE {message}", status_code=status)


@contextmanager
def running(change: Callable[[Settings], Settings] = lambda settings: settings) -> Iterator[Deployment]:
    """Serve a deployment on a free loopback port."""
    # asyncio switches Nagle's algorithm off only for sockets that name their protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = change(
        Settings(
            issuer=origin,
            resource_origin=origin,
            introspection_client_id=INTROSPECTION[0],
            introspection_client_secret=INTROSPECTION[1],
        )
    )
    clock, store = MovableClock(), open_store("sqlite://")
    with store.transaction() as connection:
        connection.execute(owners.insert().values(subject_id=SUBJECT, password_hash="-"))
    clients, requests, grants = Clients(store, clock, NoDocuments()), AuthorizationRequests(clock), Grants(clock)
    clients.install_pre_registered()
    tokens = Tokens(settings, clock, grants)
    code_requests = CodeRequests(settings, store, requests, CATALOGUE)

    def owner_of(request: Request) -> str | None:
        return SUBJECT if request.cookies.get("session") == OWNER_COOKIE else None

    def route(method: str, path: str, handler: Handler) -> Route:
        return Route(path, endpoint(handler, max_body_bytes=settings.max_body_bytes), methods=[method])

    registration = RegistrationEndpoint(settings, store, clients, owner_of)
    app = Starlette(
        routes=[
            route("GET", metadata_path(settings), MetadataEndpoint(settings).answer),
            route("POST", "/oauth/register", registration.answer),
            route("DELETE", "/oauth/register/{client_id}", registration.remove),
            route("GET", "/oauth/authorize", AuthorizeEndpoint(settings, clients, code_requests, error_page).answer),
            route("POST", "/oauth/par", PushedAuthorizationEndpoint(settings, clients, code_requests).answer),
            route("POST", "/introspect", IntrospectionEndpoint(settings, StoredAccessTokens(store, tokens)).answer),
            route("POST", "/oauth/revoke", RevocationEndpoint(store, clients, tokens).answer),
            route("POST", "/grants/{grant_id}/revoke", GrantRevocationEndpoint(store, grants, tokens).answer),
        ],
        exception_handlers={OAuthError: refused},
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    consent = Consent(settings, store, clock, requests, clients)
    try:
        with httpx.Client(base_url=origin, timeout=10, trust_env=False) as http:
            yield Deployment(settings, clock, store, clients, requests, grants, tokens, consent, http)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        store.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Deployment]:
    with running() as deployment:
        yield deployment


def assert_refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def returned(answer: httpx.Response) -> dict[str, str]:
    """Return the parameters that an answer sends back to the client's redirect URI."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith("https://client.example/cb?")
    return {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def staged(answer: httpx.Response) -> str:
    """Return the request URI under which an answer sends the browser to the owner's decision."""
    assert answer.status_code == 303, answer.text
    location = urlsplit(answer.headers["location"])
    assert location.path == "/consent", answer.headers["location"]
    return parse_qs(location.query)["request_uri"][0]


class TestMetadata:
    def test_it_is_one_json_object_for_caches_too(self, server: Deployment) -> None:
        """The document is served with GET and HEAD and may be cached for five minutes."""
        path = "/.well-known/oauth-authorization-server"
        answer = server.http.get(path)
        assert answer.json() == authorization_server_metadata(server.settings)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "max-age=300"
        assert server.http.head(path).status_code == 200
        assert server.http.post(path).status_code == 405

    def test_what_it_says(self) -> None:
        """The members are those of the wire contract, and no list is empty."""
        document = authorization_server_metadata(Settings("https://as.example", "https://rs.example"))
        assert document["registration_endpoint"] == "https://as.example/oauth/register"
        assert document["grant_types_supported"] == [DEVICE_CODE_GRANT, "authorization_code", "refresh_token"]
        assert document["token_endpoint_auth_methods_supported"] == ["none"]
        assert document["scopes_supported"] == ["pdpp:read", "pdpp:owner"]
        assert {client["client_id"] for client in document["pdpp_pre_registered_public_clients"]} == {
            "pdpp_cli",
            "longview",
        }
        assert [
            (profile["profile"], profile["pdpp_token_kind"], profile["normal_mcp_setup"])
            for profile in document["pdpp_device_authorization_profiles_supported"]
        ] == [("grant_scoped_mcp", "client", True), ("trusted_owner_agent", "owner", False)]
        assert all(value != [] for value in document.values())

    def test_without_registration(self) -> None:
        """Where registration is off, neither its endpoint nor its mode is advertised."""
        document = authorization_server_metadata(
            Settings("https://as.example", "https://as.example", registration_enabled=False)
        )
        assert "registration_endpoint" not in document
        assert "dynamic" not in document["pdpp_registration_modes_supported"]

    def test_an_issuer_with_a_path(self) -> None:
        """The well-known path is put before the issuer's path, not after it."""
        settings = Settings("https://as.example/tenant", "https://as.example")
        assert metadata_path(settings) == "/.well-known/oauth-authorization-server/tenant"


class TestRegistration:
    def test_defaults_and_substitutions_are_told(self, server: Deployment) -> None:
        """201 with everything registered: defaults filled in, a method replaced visibly, unknown members gone."""
        answer = server.http.post(
            "/oauth/register",
            json={
                "client_name": "Кофе ☕",
                "redirect_uris": ["http://localhost:1/cb?x=1", "com.example.app:/cb"],
                "token_endpoint_auth_method": "client_secret_basic",
                "application_type": "native",
                "favourite_colour": ["blue"],
            },
        )
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        members = answer.json()
        assert isinstance(members.pop("client_id"), str)
        assert abs(members.pop("client_id_issued_at") - time.time()) < 10
        assert members == {
            "client_name": "Кофе ☕",
            "redirect_uris": ["http://localhost:1/cb?x=1", "com.example.app:/cb"],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        }

    def test_a_device_needs_no_redirect_uri(self, server: Deployment) -> None:
        """Without the authorization_code grant there is neither a redirect URI nor a response type."""
        answer = server.http.post("/oauth/register", json={"grant_types": [DEVICE_CODE_GRANT, "refresh_token"]})
        assert answer.status_code == 201
        assert answer.json()["response_types"] == []
        assert "redirect_uris" not in answer.json()

    @pytest.mark.parametrize(
        "uri",
        [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "myapp://cb",
            "com.example.app:cb",
            "/cb",
            "https://client.example/cb#",
            "https://client.example/cb#fragment",
            "http://client.example/cb",
            "http://127.0.0.1.example/cb",
            "http://127.0.0.1@client.example/cb",
            "https://user@client.example/cb",
            "https://client.example\\@evil.example/",
            "https:///cb",
            "https://client.example:99999/cb",
            "https://client.example/a b",
            "https://client.example/é",
            "https://[::1/cb",
            "",
            "https://client.example/" + "x" * 2000,
        ],
    )
    def test_redirect_uris_that_are_refused(self, server: Deployment, uri: str) -> None:
        """A code is never sent to such a URI, whatever the grant types."""
        for grant_types in (["authorization_code"], [DEVICE_CODE_GRANT]):
            answer = server.http.post("/oauth/register", json={"redirect_uris": [uri], "grant_types": grant_types})
            assert_refused(answer, "invalid_redirect_uri")

    @pytest.mark.parametrize(
        "metadata",
        [{}, {"redirect_uris": []}, {"redirect_uris": ["https://client.example/cb"] * 21}],
        ids=["none", "empty", "too many"],
    )
    def test_how_many_redirect_uris(self, server: Deployment, metadata: dict[str, Any]) -> None:
        """The authorization_code grant needs a redirect URI, and there may be twenty."""
        assert_refused(server.http.post("/oauth/register", json=metadata), "invalid_redirect_uri")

    @pytest.mark.parametrize(
        "metadata",
        [
            {"client_name": 1},
            {"client_name": "a\nb"},
            {"client_name": "a\u202eb"},
            {"client_name": " "},
            {"client_name": "x" * 201},
            {"client_uri": "http://client.example"},
            {"client_uri": "javascript:alert(1)"},
            {"logo_uri": "https://client.example/" + "x" * 500},
            {"tos_uri": None},
            {"redirect_uris": "https://client.example/cb"},
            {"redirect_uris": [1]},
            {"grant_types": []},
            {"grant_types": ["implicit"]},
            {"grant_types": {"a": 1}},
            {"response_types": ["token"]},
            {"token_endpoint_auth_method": 5},
            {"application_type": ["web"]},
        ],
        ids="-".join,
    )
    def test_metadata_that_is_refused(self, server: Deployment, metadata: dict[str, Any]) -> None:
        """A member of the wrong type or outside its bounds is invalid_client_metadata."""
        declared = {"redirect_uris": ["https://client.example/cb"], **metadata}
        assert_refused(server.http.post("/oauth/register", json=declared), "invalid_client_metadata")

    @pytest.mark.parametrize("body", ["[]", "{", '{"client_name": NaN}', '{"client_name": "\\ud800"}', "[" * 50_000])
    def test_bodies_that_are_refused(self, server: Deployment, body: str) -> None:
        """What is not one well-formed JSON object is invalid_client_metadata and never a server error."""
        answer = server.http.post("/oauth/register", content=body, headers={"Content-Type": "application/json"})
        assert_refused(answer, "invalid_client_metadata")

    def test_a_full_server(self) -> None:
        """A server with as many clients as it may hold says so, and when to try again."""
        with running(lambda settings: replace(settings, max_clients=3)) as full:
            full.register()
            answer = full.http.post("/oauth/register", json={"redirect_uris": ["https://client.example/cb"]})
            assert_refused(answer, "temporarily_unavailable", 503)
            assert int(answer.headers["retry-after"]) > 0

    def test_the_owner_removes_a_client(self, server: Deployment) -> None:
        """A client registered under an owner session is the owner's; removed, its grants and tokens are gone."""
        signed_in = {"Cookie": f"session={OWNER_COOKIE}", "Origin": server.settings.issuer}
        metadata = {"redirect_uris": ["https://client.example/cb"]}
        client_id = server.http.post("/oauth/register", json=metadata, headers=signed_in).json()["client_id"]
        assert server.clients.get(client_id).subject_id == SUBJECT
        token = server.issue(client_id, detail())["access_token"]
        path = f"/oauth/register/{client_id}"

        unsigned = server.http.delete(path)
        assert_refused(unsigned, "invalid_token", 401)
        assert unsigned.headers["www-authenticate"].startswith("Bearer")
        for origin in ("https://evil.example", "null"):
            foreign = server.http.delete(path, headers={**signed_in, "Origin": origin})
            assert_refused(foreign, "access_denied", 403)
        assert server.is_active(token)

        assert server.http.delete(path, headers=signed_in).status_code == 204
        assert not server.is_active(token)
        with server.store.transaction() as connection:
            assert server.clients.known(connection, client_id) is None
        assert_refused(server.http.delete(path, headers=signed_in), "invalid_client", 404)
        assert_refused(server.http.delete("/oauth/register/pdpp_cli", headers=signed_in), "invalid_client", 404)


class TestAuthorize:
    def test_it_stages_a_request_and_goes_to_the_decision(self, server: Deployment) -> None:
        """A good request waits for the owner, with what the client asked for."""
        client_id = server.register()
        asked = json.dumps([detail()])
        answer = server.authorize(client_id, authorization_details=asked, scope="pdpp:read")
        request = server.consent.by_request_uri(staged(answer)).request
        assert (request.flow, request.request_kind, request.token_kind) == (
            "authorization_code",
            "grant_scoped_mcp",
            "client",
        )
        assert request.resource == server.settings.mcp_resource
        assert request.authorization_details == server.parse([detail()])
        assert (request.redirect_uri, request.state_parameter) == ("https://client.example/cb", "a b&c")
        assert request.code_challenge == CHALLENGE
        assert request.expires_at - request.created_at == server.settings.request_uri_lifetime
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"

    def test_without_authorization_details_the_owner_chooses(self, server: Deployment) -> None:
        """A standard MCP client sends no authorization_details; nothing is presumed for it."""
        request_uri = staged(server.authorize(server.register(), state=None))
        request = server.consent.by_request_uri(request_uri).request
        assert request.authorization_details is None
        assert request.state_parameter is None

    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"response_type": None}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"code_challenge": None}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"resource": None}, "invalid_request"),
            ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
            ({"scope": "pdpp:owner"}, "invalid_scope"),
            ({"authorization_details": "[]"}, "invalid_authorization_details"),
            ({"authorization_details": json.dumps([detail(name="nothing")])}, "invalid_authorization_details"),
        ],
    )
    def test_errors_that_go_back(self, server: Deployment, parameters: dict[str, str | None], error: str) -> None:
        """Every error but those of client and redirect URI goes back, with state and issuer."""
        back = returned(server.authorize(server.register(), **parameters))
        assert back.pop("error_description")
        assert back == {"error": error, "state": "a b&c", "iss": server.settings.issuer}

    def test_a_repeated_or_endless_state_is_not_sent_back(self, server: Deployment) -> None:
        """A state that is not one short text is refused without being echoed."""
        client_id = server.register()
        too_long = returned(server.authorize(client_id, state="x" * 2001))
        repeated = returned(server.http.get("/oauth/authorize?state=1&" + urlencode(server.asked(client_id))))
        for back in (too_long, repeated):
            assert back["error"] == "invalid_request"
            assert "state" not in back

    def test_a_trailing_slash_names_another_resource(self, server: Deployment) -> None:
        """The resource is compared code point for code point."""
        back = returned(server.authorize(server.register(), resource=server.settings.mcp_resource + "/"))
        assert back["error"] == "invalid_target"

    def test_a_client_without_the_grant_type(self, server: Deployment) -> None:
        """Declared grant types are enforced here too."""
        client_id = server.register(grant_types=[DEVICE_CODE_GRANT])
        assert returned(server.authorize(client_id))["error"] == "unauthorized_client"

    @pytest.mark.parametrize(
        "parameters",
        [
            {"client_id": None},
            {"client_id": "nobody"},
            {"client_id": "https://client.example/metadata.json"},
            {"redirect_uri": "https://client.example/cb/"},
            {"redirect_uri": "https://client.example/cb?x=1"},
            {"redirect_uri": "https://evil.example/cb"},
            {"request_uri": "urn:ietf:params:oauth:request_uri:unknown"},
        ],
    )
    def test_errors_that_are_shown_to_the_person(self, server: Deployment, parameters: dict[str, str | None]) -> None:
        """Nobody is redirected for a client, a redirect URI or a request URI that is not good."""
        answer = server.authorize(server.register(), **parameters)
        assert answer.status_code == 400
        assert answer.text.startswith("PAGE ")
        assert "location" not in answer.headers

    @pytest.mark.parametrize("query", ["client_id=%ff", "client_id=%00", "client_id=a&client_id=a", "a&" * 300])
    def test_queries_that_are_not_forms(self, server: Deployment, query: str) -> None:
        """A malformed query is the sender's fault, not the server's."""
        assert server.http.get(f"/oauth/authorize?{query}").status_code == 400

    def test_which_redirect_uris_are_the_same(self, server: Deployment) -> None:
        """Redirect URIs are compared as strings, the port of a loopback IP address aside."""
        loopback = server.register(redirect_uris=["http://127.0.0.1/cb", "http://[::1]:5/cb", "http://localhost:5/cb"])
        for good in ("http://127.0.0.1:5123/cb", "http://[::1]:77/cb", "http://[::1]/cb", "http://localhost:5/cb"):
            staged(server.authorize(loopback, redirect_uri=good))
        for bad in (
            "http://localhost:6/cb",
            "http://127.0.0.1:5/cb2",
            "http://127.0.0.1:5@evil.example/cb",
            "http://127.0.0.2:5/cb",
            "https://127.0.0.1:5/cb",
        ):
            assert server.authorize(loopback, redirect_uri=bad).status_code == 400
        assert server.authorize(loopback, redirect_uri=None).status_code == 400
        request_uri = staged(server.authorize(server.register(), redirect_uri=None))
        assert server.consent.by_request_uri(request_uri).request.redirect_uri == "https://client.example/cb"

    def test_the_answer_to_the_client(self, server: Deployment) -> None:
        """Code or access_denied, with state and issuer; a query that the redirect URI has is kept."""
        uri = "https://client.example/cb?tenant=1"
        client_id = server.register(redirect_uris=[uri])
        request_uri = staged(server.authorize(client_id, redirect_uri=uri))
        pending = server.consent.by_request_uri(request_uri).request
        approved, code = server.consent.approve(pending.id, SUBJECT, server.parse([detail()]))
        assert code is not None
        issuer = server.settings.issuer
        assert parse_qs(urlsplit(authorization_response_url(server.settings, approved, code)).query) == {
            "tenant": ["1"],
            "code": [code],
            "state": ["a b&c"],
            "iss": [issuer],
        }
        denied = urlsplit(authorization_response_url(server.settings, replace(approved, state_parameter=None), None))
        assert parse_qs(denied.query) == {"tenant": ["1"], "error": ["access_denied"], "iss": [issuer]}


class TestPushedAuthorization:
    def push(self, server: Deployment, client_id: str, /, **parameters: str | None) -> httpx.Response:
        return server.http.post("/oauth/par", data=server.asked(client_id, **parameters))

    def test_a_pushed_request_is_usable_once(self, server: Deployment) -> None:
        """The request URI takes its own client's browser to the decision, once."""
        client_id, other = server.register(), server.register()
        answer = self.push(server, client_id)
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["expires_in"] == server.settings.request_uri_lifetime
        request_uri = answer.json()["request_uri"]
        assert request_uri.startswith("urn:ietf:params:oauth:request_uri:")
        reference = {"client_id": client_id, "request_uri": request_uri}

        stolen = server.http.get("/oauth/authorize", params={**reference, "client_id": other})
        assert stolen.status_code == 400
        at_consent = staged(server.http.get("/oauth/authorize", params=reference))
        pending = server.consent.by_request_uri(at_consent)
        assert pending.client.client_id == client_id
        assert server.http.get("/oauth/authorize", params=reference).status_code == 400
        with pytest.raises(NotDecidable):
            server.consent.by_request_uri(request_uri)
        assert server.consent.by_request_uri(at_consent).request.id == pending.request.id

    def test_it_expires(self, server: Deployment) -> None:
        """After its lifetime a request URI opens nothing."""
        client_id = server.register()
        request_uri = self.push(server, client_id).json()["request_uri"]
        server.clock.advance(server.settings.request_uri_lifetime)
        reference = {"client_id": client_id, "request_uri": request_uri}
        assert server.http.get("/oauth/authorize", params=reference).status_code == 400

    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"client_id": None}, "invalid_request"),
            ({"client_id": "nobody"}, "invalid_client"),
            ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
            ({"request_uri": "urn:x"}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"resource": "https://elsewhere.example/"}, "invalid_target"),
            ({"scope": "pdpp:owner"}, "invalid_scope"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"authorization_details": "x"}, "invalid_authorization_details"),
            ({"client_secret": "x"}, "invalid_client"),
        ],
    )
    def test_errors(self, server: Deployment, parameters: dict[str, str | None], error: str) -> None:
        """The checks are those of the authorization endpoint; the errors come as JSON."""
        assert_refused(self.push(server, server.register(), **parameters), error)

    def test_credentials_that_no_client_has(self, server: Deployment) -> None:
        """A client that authenticates is refused with 401 and a challenge."""
        answer = server.http.post("/oauth/par", data=server.asked(server.register()), headers=basic("a", "b"))
        assert_refused(answer, "invalid_client", 401)
        assert answer.headers["www-authenticate"].startswith("Basic")


class TestIntrospection:
    def test_a_grant_token(self, server: Deployment) -> None:
        """An active token's answer agrees with its token response."""
        client_id = server.register(grant_types=[DEVICE_CODE_GRANT, "refresh_token"])
        issued = server.issue(client_id, detail())
        members = server.introspect(issued["access_token"])
        issued_at, expires_at = members.pop("iat"), members.pop("exp")
        assert type(issued_at) is int
        assert expires_at - issued_at == issued["expires_in"]
        assert members == {
            "active": True,
            "iss": server.settings.issuer,
            "aud": server.settings.mcp_resource,
            "sub": SUBJECT,
            "subject_id": SUBJECT,
            "client_id": client_id,
            "token_type": "Bearer",
            "scope": issued["scope"],
            "pdpp_token_kind": "client",
            "grant_id": issued["grant_id"],
            "authorization_details": issued["authorization_details"],
        }

    def test_an_owner_token(self, server: Deployment) -> None:
        """An owner token has neither grant nor details, and another audience."""
        members = server.introspect(server.issue("pdpp_cli")["access_token"])
        assert (members["pdpp_token_kind"], members["aud"]) == ("owner", server.settings.resource_origin)
        assert not {"grant_id", "grant_package_id", "authorization_details"} & set(members)

    def test_a_package_shows_what_is_in_force(self, server: Deployment) -> None:
        """Of a package, the details are those of the grants that are left."""
        issued = server.issue("pdpp_cli", detail(), detail("bank", "transactions"))
        token = issued["access_token"]
        assert server.introspect(token)["grant_package_id"] == issued["grant_package_id"]
        with server.store.transaction() as connection:
            found = server.tokens.find(connection, token)
            assert found is not None
            first, second = server.tokens.grants_of(connection, found)
        server.revoke_grant(first.id, token)
        assert server.introspect(token)["authorization_details"] == [second.detail.to_json()]
        server.revoke_grant(second.id, token)
        assert server.introspect(token) == {"active": False}

    def test_what_is_not_active(self, server: Deployment) -> None:
        """Unknown, refresh, expired: the answer is exactly that it is not active."""
        issued = server.issue("pdpp_cli", detail())
        assert server.introspect("unknown") == {"active": False}
        assert server.introspect(issued["refresh_token"], token_type_hint="refresh_token") == {"active": False}
        server.clock.advance(server.settings.access_token_lifetime + 1)
        assert server.introspect(issued["access_token"]) == {"active": False}

    def test_the_hint_is_no_filter(self, server: Deployment) -> None:
        """A wrong or unknown hint, and parameters nobody knows, change nothing."""
        token = server.issue("pdpp_cli", detail())["access_token"]
        for hint in ("refresh_token", "device_code", ""):
            assert server.introspect(token, token_type_hint=hint, colour="blue")["active"] is True

    def test_the_caller_is_the_resource_server(self, server: Deployment) -> None:
        """Credentials are taken form-encoded or plain; anything else is 401 with a challenge."""
        body = {"token": server.issue("pdpp_cli", detail())["access_token"]}
        user, secret = INTROSPECTION
        for good in (basic(user, secret), basic(quote_plus(user), quote_plus(secret))):
            assert server.http.post("/introspect", data=body, headers=good).json()["active"] is True
        for bad in (
            {},
            basic(user, "wrong"),
            basic("wrong", secret),
            basic("", ""),
            {"Authorization": "Basic !"},
            {"Authorization": "Basic"},
            {"Authorization": f"Bearer {body['token']}"},
        ):
            answer = server.http.post("/introspect", data=body, headers=bad)
            assert_refused(answer, "invalid_client", 401)
            assert answer.headers["www-authenticate"] == 'Basic realm="introspection"'

    def test_plain_credentials(self) -> None:
        """A secret with characters that form-encoding would change works as it is."""
        plain = ("rs", "a+b%20c")
        with running(
            lambda settings: replace(settings, introspection_client_id="rs", introspection_client_secret=plain[1])
        ) as server:
            answer = server.http.post("/introspect", data={"token": "x"}, headers=basic(*plain))
            assert answer.json() == {"active": False}

    def test_without_configured_credentials(self) -> None:
        """Where none are configured, nobody introspects."""
        with running(
            lambda settings: replace(settings, introspection_client_id="", introspection_client_secret="")
        ) as server:
            answer = server.http.post("/introspect", data={"token": "x"}, headers=basic("", ""))
            assert_refused(answer, "invalid_client", 401)

    def test_the_form(self, server: Deployment) -> None:
        """It takes POST with a token."""
        assert server.http.get("/introspect").status_code == 405
        headers = basic(*INTROSPECTION)
        assert_refused(server.http.post("/introspect", data={"x": "y"}, headers=headers), "invalid_request")
        assert_refused(server.http.post("/introspect", json={"token": "x"}, headers=headers), "invalid_request")


class TestRevocation:
    def test_a_refresh_token_takes_its_family_along(self, server: Deployment) -> None:
        """With the refresh token the access tokens of the same approval die, at once, and no others."""
        issued, other = server.issue("pdpp_cli", detail()), server.issue("pdpp_cli", detail())
        answer = server.revoke("pdpp_cli", issued["refresh_token"], token_type_hint="access_token")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert not server.is_active(issued["access_token"])
        assert server.is_active(other["access_token"])

    def test_an_access_token_goes_alone(self, server: Deployment) -> None:
        """The refresh token of a revoked access token stays good."""
        issued = server.issue("pdpp_cli", detail())
        assert server.revoke("pdpp_cli", issued["access_token"], token_type_hint="device_code").status_code == 200
        assert not server.is_active(issued["access_token"])
        with server.store.transaction() as connection:
            refresh = server.tokens.find(connection, issued["refresh_token"])
            assert refresh is not None
            assert server.tokens.is_active(connection, refresh)

    def test_another_clients_token_stays(self, server: Deployment) -> None:
        """A client cannot revoke what was issued to another."""
        issued = server.issue("pdpp_cli", detail())
        for token in (issued["access_token"], issued["refresh_token"]):
            assert_refused(server.revoke("longview", token), "invalid_grant")
        assert server.is_active(issued["access_token"])

    def test_an_unknown_token_is_as_good_as_revoked(self, server: Deployment) -> None:
        """Unknown and revoked tokens are answered alike."""
        token = server.issue("pdpp_cli", detail())["access_token"]
        for presented in ("unknown", token, token):
            assert server.revoke("pdpp_cli", presented).status_code == 200

    def test_errors(self, server: Deployment) -> None:
        """Client and token are needed, and the client known."""
        assert_refused(server.revoke("nobody", "x"), "invalid_client")
        assert_refused(server.revoke("https://client.example/metadata.json", "x"), "invalid_client")
        assert_refused(server.http.post("/oauth/revoke", data={"token": "x"}), "invalid_request")
        assert_refused(server.http.post("/oauth/revoke", data={"client_id": "pdpp_cli"}), "invalid_request")
        assert server.http.get("/oauth/revoke").status_code == 405


class TestGrantRevocation:
    def test_by_the_owner(self, server: Deployment) -> None:
        """The owner's token revokes any grant of the owner, as often as it likes; the tokens die with the grant."""
        owner, issued = server.issue("pdpp_cli")["access_token"], server.issue("longview", detail())
        assert server.is_active(issued["access_token"])
        for _ in range(2):
            answer = server.revoke_grant(issued["grant_id"], owner)
            assert (answer.status_code, answer.json()) == (200, {"grant_id": issued["grant_id"], "revoked": True})
        assert server.introspect(issued["access_token"]) == {"active": False}

    def test_by_the_grants_own_token(self, server: Deployment) -> None:
        """A grant's token revokes that grant, and is then no token any more."""
        issued = server.issue("pdpp_cli", detail())
        assert server.revoke_grant(issued["grant_id"], issued["access_token"]).status_code == 200
        again = server.revoke_grant(issued["grant_id"], issued["access_token"])
        assert_refused(again, "invalid_token", 401)

    def test_a_package_token_revokes_each_of_its_grants(self, server: Deployment) -> None:
        """Revoking one grant of a package twice is no error while another one keeps the token good."""
        issued = server.issue("pdpp_cli", detail(), detail("bank", "transactions"))
        with server.store.transaction() as connection:
            found = server.tokens.find(connection, issued["access_token"])
            assert found is not None
            first, _ = server.tokens.grants_of(connection, found)
        for _ in range(2):
            assert server.revoke_grant(first.id, issued["access_token"]).status_code == 200

    def test_a_foreign_grant_looks_unknown(self, server: Deployment) -> None:
        """For a grant's token, another's grant and no grant are one answer, and nothing changes."""
        mine, theirs = server.issue("pdpp_cli", detail()), server.issue("longview", detail())
        foreign = server.revoke_grant(theirs["grant_id"], mine["access_token"])
        unknown = server.revoke_grant("grt_unknown", mine["access_token"])
        assert_refused(foreign, "invalid_request", 404)
        assert foreign.json() == unknown.json()
        assert server.is_active(theirs["access_token"])

    def test_other_bearers(self, server: Deployment) -> None:
        """No token, an unknown one and a refresh token are 401 with a challenge."""
        issued = server.issue("pdpp_cli", detail())
        path = f"/grants/{issued['grant_id']}/revoke"
        nothing = server.http.post(path)
        assert_refused(nothing, "invalid_token", 401)
        assert "error" not in nothing.headers["www-authenticate"]
        for bearer in ("unknown", issued["refresh_token"]):
            answer = server.revoke_grant(issued["grant_id"], bearer)
            assert_refused(answer, "invalid_token", 401)
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert server.is_active(issued["access_token"])
        assert server.http.get(path).status_code == 405
