"""The authorization server over HTTP: metadata, clients, the code flow, refreshing, introspection, revocation."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.authorization_server.authorize import authorization_response_url
from pdpp_reference.authorization_server.consent import NotDecidable
from pdpp_reference.authorization_server.metadata import authorization_server_metadata, metadata_path
from pdpp_reference.settings import Settings
from tests.conftest import (
    BANK,
    DEVICE_CODE_GRANT,
    INTROSPECTION,
    REDIRECT_URI,
    SPOTIFY,
    VERIFIER,
    Deployment,
    basic,
    s256,
)

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FORM_ENDPOINTS = ("/oauth/device_authorization", "/oauth/token", "/oauth/par", "/introspect", "/oauth/revoke")
POST_ENDPOINTS = (*FORM_ENDPOINTS, "/oauth/register")


def refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    """Check that an answer is an error object of RFC 6749 §5.2 with this code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    assert answer.headers["cache-control"] == "no-store"
    members = answer.json()
    assert set(members) == {"error", "error_description", "request_id"}
    assert members["error"] == error, answer.text
    assert members["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", members["error_description"])
    if status == 401:
        assert answer.headers["www-authenticate"]


def shown(answer: httpx.Response, status: int = 400) -> None:
    """Check that an answer is an error page, which leads nowhere."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), answer.text
    assert "location" not in answer.headers
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def returned(answer: httpx.Response, redirect_uri: str = REDIRECT_URI) -> dict[str, str]:
    """Check that an answer leads back to the client; return the parameters it carries."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(f"{redirect_uri}?")
    parameters = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
    assert "code" not in parameters
    return parameters


def owners_browser(deployment: Deployment) -> httpx.Client:
    """Return a browser with a session of the owner's."""
    response = Response()
    sessions = deployment.server.parts.sessions
    sessions.start(Request({"type": "http", "headers": []}), response, deployment.subject_id)
    cookie = response.headers["set-cookie"].partition(";")[0]
    return httpx.Client(base_url=deployment.issuer, headers={"Cookie": cookie}, trust_env=False)


@pytest.fixture(scope="module")
def client_id(deployment: Deployment) -> str:
    return deployment.register()


@pytest.fixture(scope="module")
def closed(start: Callable[..., Deployment]) -> Iterator[Deployment]:
    """A deployment without registration and without introspection credentials."""
    started = start(registration_enabled=False, introspection_client_id=None, introspection_client_secret=None)
    yield started
    started.http.close()
    started.server.stop()


@pytest.fixture(scope="module")
def stranger(deployment: Deployment) -> str:
    return deployment.register(client_name="Another client")


class TestMetadata:
    """RFC 8414."""

    def test_the_document(self, deployment: Deployment) -> None:
        """It names this issuer, every endpoint on its origin, and nothing without elements."""
        answer = deployment.http.get("/.well-known/oauth-authorization-server")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        document = answer.json()
        assert document["issuer"] == deployment.issuer
        urls = {name: value for name, value in document.items() if name.endswith("_endpoint")}
        assert {name: urlsplit(url).path for name, url in urls.items()} == {
            "authorization_endpoint": "/oauth/authorize",
            "token_endpoint": "/oauth/token",
            "device_authorization_endpoint": "/oauth/device_authorization",
            "introspection_endpoint": "/introspect",
            "revocation_endpoint": "/oauth/revoke",
            "registration_endpoint": "/oauth/register",
            "pushed_authorization_request_endpoint": "/oauth/par",
        }
        assert all(url.startswith(f"{deployment.issuer}/") for url in urls.values())
        assert [] not in document.values()
        assert DEVICE_CODE_GRANT in document["grant_types_supported"]
        assert document["pdpp_authorization_details_types_supported"] == ["https://pdpp.dev/data-access"]
        assert document["authorization_details_types_supported"] == ["https://pdpp.dev/data-access"]
        mcp, owner = document["pdpp_device_authorization_profiles_supported"]
        assert (mcp["profile"], mcp["pdpp_token_kind"], mcp["normal_mcp_setup"]) == ("grant_scoped_mcp", "client", True)
        assert mcp["required_parameters"] == ["client_id", "resource", "authorization_details"]
        assert (owner["profile"], owner["pdpp_token_kind"], owner["normal_mcp_setup"]) == (
            "trusted_owner_agent",
            "owner",
            False,
        )

    def test_every_advertised_endpoint_answers(self, deployment: Deployment) -> None:
        """What the document names is there."""
        document = deployment.http.get("/.well-known/oauth-authorization-server").json()
        for name, url in document.items():
            if name.endswith("_endpoint"):
                method = "GET" if name == "authorization_endpoint" else "POST"
                assert deployment.http.request(method, url).status_code in (400, 401), name

    def test_a_hostile_host_moves_no_url(self, deployment: Deployment) -> None:
        """A request for another host is misdirected; one that claims it was forwarded changes nothing."""
        answer = deployment.http.get("/.well-known/oauth-authorization-server", headers={"Host": "evil.example"})
        refused(answer, "misdirected_request", 421)
        forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
        answer = deployment.http.get("/.well-known/oauth-authorization-server", headers=forwarded)
        assert "evil" not in answer.text
        assert answer.json()["issuer"] == deployment.issuer

    def test_an_issuer_with_a_path(self) -> None:
        """The well-known string stands between host and path, and endpoints keep the path."""
        settings = Settings(issuer="https://as.example/tenant", resource_origin="https://rs.example")
        assert metadata_path(settings) == "/.well-known/oauth-authorization-server/tenant"
        assert authorization_server_metadata(settings)["token_endpoint"] == "https://as.example/tenant/oauth/token"

    def test_registration_switched_off(self, closed: Deployment) -> None:
        """Without registration neither the endpoint nor its mode is advertised, and nothing answers there."""
        document = closed.http.get("/.well-known/oauth-authorization-server").json()
        assert "registration_endpoint" not in document
        assert "dynamic" not in document["pdpp_registration_modes_supported"]
        refused(closed.http.post("/oauth/register", json={}), "not_found", 404)
        assert closed.start_device("pdpp_cli")["user_code"]


class TestRegistration:
    """RFC 7591."""

    def test_all_registered_metadata_comes_back(self, deployment: Deployment) -> None:
        """201 with what was declared, defaults and substitutions included, and nothing this server does not know."""
        declared = {
            "client_name": "Nähe 近い",
            "client_uri": "https://app.example",
            "logo_uri": "https://app.example/logo.svg",
            "policy_uri": "https://app.example/policy",
            "tos_uri": "https://app.example/terms",
            "redirect_uris": [REDIRECT_URI, "http://127.0.0.1/callback", "com.example.app:/callback"],
            "grant_types": ["authorization_code", DEVICE_CODE_GRANT],
            "response_types": ["code"],
            "application_type": "native",
        }
        asked = {**declared, "token_endpoint_auth_method": "client_secret_basic", "unknown": {"a": [1]}}
        answer = deployment.http.post("/oauth/register", json=asked)
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
        registered = answer.json()
        assert registered.pop("client_id").startswith("client_")
        assert isinstance(registered.pop("client_id_issued_at"), int)
        assert registered == {**declared, "token_endpoint_auth_method": "none"}

    def test_a_device_only_client_needs_no_redirect_uri(self, deployment: Deployment) -> None:
        """A client of the device grant registers with its grant types alone."""
        registered = deployment.http.post("/oauth/register", json={"grant_types": [DEVICE_CODE_GRANT]}).json()
        assert (registered["grant_types"], registered["response_types"]) == ([DEVICE_CODE_GRANT], [])

    @pytest.mark.parametrize(
        "uri",
        [
            "https://app.example/callback#fragment",
            "https://app.example/callback#",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http://app.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1@evil.example/callback",
            "https://user:password@app.example/callback",
            "https://app.example:port/callback",
            "https:///callback",
            "/callback",
            "",
            "https://app.example/a b",
            "https://app.example\\@evil.example/",
            "https://app.example/\x00",
            "https://app.example/\r\nSet-Cookie: a=b",
            "https://äpp.example/",
            "com.example.app:callback",
            "myapp:/callback",
            "https://app.example/" + "a" * 2000,
        ],
    )
    @pytest.mark.parametrize("grant_types", [["authorization_code"], [DEVICE_CODE_GRANT]])
    def test_unsafe_redirect_uris(self, deployment: Deployment, uri: str, grant_types: list[str]) -> None:
        """Nothing a code could leak to is registered, whatever the grant types."""
        answer = deployment.http.post("/oauth/register", json={"redirect_uris": [uri], "grant_types": grant_types})
        refused(answer, "invalid_redirect_uri")

    @pytest.mark.parametrize(
        "uri",
        ["https://app.example/cb?a=b", "http://localhost:3000/cb", "http://[::1]:1/cb", "com.example.app:/cb"],
    )
    def test_usable_redirect_uris(self, deployment: Deployment, uri: str) -> None:
        """https anywhere, http on loopback, and reversed domain names as private schemes are taken."""
        assert deployment.register(redirect_uris=[uri])

    @pytest.mark.parametrize(
        "members",
        [
            {"redirect_uris": []},
            {},
            {"redirect_uris": [REDIRECT_URI] * 21},
        ],
    )
    def test_the_code_grant_needs_redirect_uris(self, deployment: Deployment, members: dict[str, Any]) -> None:
        """Without any, or with too many, the default grant type cannot be registered."""
        refused(deployment.http.post("/oauth/register", json=members), "invalid_redirect_uri")

    @pytest.mark.parametrize(
        "members",
        [
            {"client_name": 1},
            {"client_name": ""},
            {"client_name": "   "},
            {"client_name": "a" * 201},
            {"client_name": "a\u202eb"},
            {"client_name": "a\x00b"},
            {"client_name": "a\nb"},
            {"client_uri": "javascript:alert(1)"},
            {"logo_uri": "http://app.example/logo"},
            {"tos_uri": ["https://app.example"]},
            {"policy_uri": "https://app.example/" + "a" * 500},
            {"redirect_uris": REDIRECT_URI},
            {"redirect_uris": [1]},
            {"redirect_uris": None},
            {"grant_types": []},
            {"grant_types": ["implicit"]},
            {"grant_types": "authorization_code"},
            {"grant_types": [["authorization_code"]]},
            {"response_types": ["token"]},
            {"token_endpoint_auth_method": 1},
            {"application_type": "desktop"},
            {"application_type": ["web"]},
        ],
    )
    def test_unusable_metadata(self, deployment: Deployment, members: dict[str, Any]) -> None:
        """Metadata of a wrong type or content is refused, with the error code registered for it."""
        answer = deployment.http.post("/oauth/register", json={"redirect_uris": [REDIRECT_URI], **members})
        refused(answer, "invalid_client_metadata")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b'"text"',
            b"\xff",
            b'{"a":1,"a":2}',
            b'{"a":NaN}',
            b'{"client_name":"\\ud800"}',
            b"[" * 60000,
        ],
    )
    def test_bodies_that_are_no_object(self, deployment: Deployment, body: bytes) -> None:
        """What is no JSON object with members of their own is refused."""
        answer = deployment.http.post("/oauth/register", content=body, headers={"Content-Type": "application/json"})
        refused(answer, "invalid_client_metadata")

    def test_a_form_is_no_registration(self, deployment: Deployment) -> None:
        """Registration takes JSON alone."""
        refused(deployment.post("/oauth/register", client_name="a"), "invalid_client_metadata")

    def test_there_is_room_for_so_many(self, start: Callable[..., Deployment]) -> None:
        """A full server says so and when to come back; clients it knows are served on."""
        full = start(max_clients=3)
        try:
            last = full.register()
            answer = full.http.post("/oauth/register", json={"grant_types": [DEVICE_CODE_GRANT]})
            refused(answer, "temporarily_unavailable", 503)
            assert int(answer.headers["retry-after"]) > 0
            assert full.start_device(last)["user_code"]
        finally:
            full.http.close()
            full.server.stop()


class TestClientRemoval:
    """`DELETE /oauth/register/{client_id}`, for the signed-in owner."""

    @pytest.fixture
    def signed_in(self, deployment: Deployment) -> Iterator[httpx.Client]:
        """A browser with the owner's session."""
        with owners_browser(deployment) as browser:
            yield browser

    def test_everything_of_a_client_goes(self, deployment: Deployment, signed_in: httpx.Client) -> None:
        """With the client go its grants, tokens and requests; a second time there is nothing."""
        metadata = {"grant_types": [DEVICE_CODE_GRANT], "client_name": "Short-lived"}
        client_id = signed_in.post("/oauth/register", json=metadata).json()["client_id"]
        issued = deployment.device_tokens(client_id)
        waiting = deployment.start_device(client_id)
        assert signed_in.delete(f"/oauth/register/{client_id}").status_code == 204
        assert deployment.introspect(issued["access_token"]) == {"active": False}
        refused(deployment.poll(client_id, waiting["device_code"]), "invalid_client")
        with pytest.raises(NotDecidable):
            deployment.pending(waiting["user_code"])
        refused(signed_in.delete(f"/oauth/register/{client_id}"), "invalid_client", 404)

    @pytest.mark.parametrize("name", ["pdpp_cli", "unknown", "%00", "%ff", "a" * 3000])
    def test_what_was_not_registered_stays(self, signed_in: httpx.Client, name: str) -> None:
        """Pre-registered clients are not removed, and no path is too strange for an answer."""
        refused(signed_in.delete(f"/oauth/register/{name}"), "invalid_client", 404)

    def test_without_a_session(self, deployment: Deployment, client_id: str) -> None:
        """Nobody but the owner removes a client, and no page of another origin does it for the owner."""
        refused(deployment.http.delete(f"/oauth/register/{client_id}"), "invalid_token", 401)
        assert deployment.start_device(client_id)["user_code"]

    def test_from_another_origin(self, signed_in: httpx.Client, client_id: str, deployment: Deployment) -> None:
        """A browser that says another origin asked is refused, session or not."""
        for origin in ("https://evil.example", "null"):
            answer = signed_in.delete(f"/oauth/register/{client_id}", headers={"Origin": origin})
            refused(answer, "access_denied", 403)
        assert deployment.start_device(client_id)["user_code"]


class TestAuthorize:
    """RFC 6749 §4.1, with PKCE, and RFC 9207."""

    def test_an_approval_returns_a_code(self, deployment: Deployment, client_id: str) -> None:
        """The approved request leads back to the client with code, state and issuer, and the code becomes a token."""
        request_id = deployment.at_consent(deployment.authorize(**deployment.code_parameters(client_id)))
        request = deployment.server.parts.consent.by_id(request_id).request
        code = deployment.approve(request_id)
        location = authorization_response_url(deployment.server.settings, request, code)
        assert parse_qs(urlsplit(location).query) == {
            "code": [code],
            "state": ["the state"],
            "iss": [deployment.issuer],
        }
        denied = authorization_response_url(deployment.server.settings, request, None)
        assert parse_qs(urlsplit(denied).query) == {
            "error": ["access_denied"],
            "state": ["the state"],
            "iss": [deployment.issuer],
        }
        assert code is not None
        answer = deployment.exchange(client_id, code, redirect_uri=REDIRECT_URI, resource=deployment.mcp_resource)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        issued = answer.json()
        assert (issued["token_type"], issued["resource"]) == ("Bearer", deployment.mcp_resource)
        assert deployment.introspect(issued["access_token"])["grant_id"] == issued["grant_id"]

    def test_a_denial_ends_the_request(self, deployment: Deployment, client_id: str) -> None:
        """A denied request has no code, and is not decided again."""
        request_id = deployment.at_consent(deployment.authorize(**deployment.code_parameters(client_id)))
        deployment.deny(request_id)
        with pytest.raises(NotDecidable):
            deployment.approve(request_id)

    def test_without_details_the_owner_chooses(self, deployment: Deployment, client_id: str) -> None:
        """A standard MCP client sends no authorization_details; what the owner picks is what the token has."""
        parameters = deployment.code_parameters(client_id)
        del parameters["authorization_details"]
        request_id = deployment.at_consent(deployment.authorize(**parameters))
        assert deployment.server.parts.consent.by_id(request_id).request.authorization_details is None
        chosen = deployment.pending(
            deployment.start_device(client_id, authorization_details=deployment.details(BANK))["user_code"]
        ).request.authorization_details
        code = deployment.approve(request_id, chosen)
        assert code is not None
        (entry,) = deployment.exchange(client_id, code).json()["authorization_details"]
        assert entry["source"]["id"] == BANK

    def test_errors_of_client_and_redirect_uri_are_shown(self, deployment: Deployment, client_id: str) -> None:
        """Where the client or its redirect URI is in doubt, the person sees it and the browser goes nowhere."""
        good: dict[str, Any] = deployment.code_parameters(client_id)
        shown(deployment.authorize(**{**good, "client_id": "nobody"}))
        shown(deployment.authorize(**{**good, "client_id": [client_id, client_id]}))
        shown(deployment.authorize(**{name: value for name, value in good.items() if name != "client_id"}))
        for uri in ("https://evil.example/", f"{REDIRECT_URI}/", f"{REDIRECT_URI}?a=b", f"{REDIRECT_URI}#a", "\x00"):
            shown(deployment.authorize(**{**good, "redirect_uri": uri}))
        shown(deployment.authorize(**{**good, "redirect_uri": [REDIRECT_URI, REDIRECT_URI]}))
        for query in ("%ff", "client_id=%00", "&".join(f"a{i}=" for i in range(200)), "\u00e9"):
            shown(deployment.http.get(f"/oauth/authorize?{query}"))

    @pytest.mark.parametrize(
        ("name", "value", "error"),
        [
            ("response_type", "token", "unsupported_response_type"),
            ("response_type", "", "invalid_request"),
            ("response_type", ["code", "code"], "invalid_request"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge", "too short", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("code_challenge_method", "", "invalid_request"),
            ("scope", "everything", "invalid_scope"),
            ("resource", "", "invalid_request"),
            ("resource", "https://elsewhere.example/mcp", "invalid_target"),
            ("authorization_details", "[]", "invalid_authorization_details"),
            ("authorization_details", ["[]", "[]"], "invalid_request"),
        ],
    )
    def test_other_errors_return_to_the_client(
        self, deployment: Deployment, client_id: str, name: str, value: str | list[str], error: str
    ) -> None:
        """Everything else is the client's to know, with state and issuer; pushed, it is told in JSON."""
        parameters: dict[str, Any] = {**deployment.code_parameters(client_id), name: value}
        carried = returned(deployment.authorize(**parameters))
        assert set(carried) == {"error", "error_description", "state", "iss"}
        assert (carried["error"], carried["state"], carried["iss"]) == (error, "the state", deployment.issuer)
        refused(deployment.post("/oauth/par", **parameters), error)

    @pytest.mark.parametrize("state", [["a", "b"], "s" * 2001])
    def test_an_unusable_state_is_not_returned(
        self, deployment: Deployment, client_id: str, state: str | list[str]
    ) -> None:
        """A state that is repeated or too long is an error of its own."""
        parameters: dict[str, Any] = {**deployment.code_parameters(client_id), "state": state}
        carried = returned(deployment.authorize(**parameters))
        assert (carried["error"], "state" in carried) == ("invalid_request", False)

    def test_a_client_without_the_grant(self, deployment: Deployment) -> None:
        """A client that did not declare authorization_code is not authorized for it."""
        device_only = deployment.register(grant_types=[DEVICE_CODE_GRANT])
        parameters = deployment.code_parameters(device_only)
        assert returned(deployment.authorize(**parameters))["error"] == "unauthorized_client"
        without_uri = deployment.http.post("/oauth/register", json={"grant_types": [DEVICE_CODE_GRANT]}).json()
        for client_id in (device_only, without_uri["client_id"]):
            refused(deployment.post("/oauth/par", **{**parameters, "client_id": client_id}), "unauthorized_client")
            refused(deployment.exchange(client_id, "x"), "unauthorized_client")

    @pytest.mark.parametrize(
        ("asked", "matches"),
        [
            ("http://127.0.0.1:51234/callback", True),
            ("http://127.0.0.1/callback", True),
            ("http://[::1]:51234/callback", True),
            ("http://127.0.0.1:51234/other", False),
            ("http://127.0.0.2:51234/callback", False),
            ("http://localhost:51234/callback", False),
            ("https://127.0.0.1:51234/callback", False),
            ("http://127.0.0.1:51234@evil.example/callback", False),
            ("http://127.0.0.1:51234/callback#a", False),
        ],
    )
    def test_the_port_of_a_loopback_redirect_is_free(self, deployment: Deployment, asked: str, matches: bool) -> None:
        """A native client listens on the port it gets, and on nothing else that was not registered (RFC 8252 §7.3)."""
        answer = deployment.authorize(**{**deployment.code_parameters("pdpp_cli"), "redirect_uri": asked})
        if matches:
            deployment.at_consent(answer)
        else:
            shown(answer)

    def test_the_redirect_uris_query_is_kept(self, deployment: Deployment) -> None:
        """Parameters that a registered redirect URI has stay (RFC 6749 §3.1.2); the only one need not be named."""
        client_id = deployment.register(redirect_uris=[f"{REDIRECT_URI}?tenant=7"])
        parameters = deployment.code_parameters(client_id)
        del parameters["redirect_uri"]
        carried = returned(deployment.authorize(**{**parameters, "scope": "x"}))
        assert (carried["tenant"], carried["error"]) == ("7", "invalid_scope")


class TestPushedRequests:
    """RFC 9126."""

    def test_a_pushed_request_is_used_once(self, deployment: Deployment, client_id: str, stranger: str) -> None:
        """The request URI leads its own client to the decision, once."""
        answer = deployment.post("/oauth/par", **deployment.code_parameters(client_id))
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
        pushed = answer.json()
        assert set(pushed) == {"request_uri", "expires_in"}
        shown(deployment.authorize(client_id=stranger, request_uri=pushed["request_uri"]))
        first = deployment.authorize(client_id=client_id, request_uri=pushed["request_uri"])
        shown(deployment.authorize(client_id=client_id, request_uri=pushed["request_uri"]))
        code = deployment.approve(deployment.at_consent(first))
        assert code is not None
        assert deployment.exchange(client_id, code).status_code == 200

    def test_a_pushed_request_expires(self, deployment: Deployment, client_id: str) -> None:
        """After expires_in the request URI leads nowhere."""
        pushed = deployment.post("/oauth/par", **deployment.code_parameters(client_id)).json()
        deployment.clock.advance(pushed["expires_in"])
        shown(deployment.authorize(client_id=client_id, request_uri=pushed["request_uri"]))

    def test_what_cannot_be_pushed(self, deployment: Deployment, client_id: str) -> None:
        """Neither a request_uri, nor a redirect URI that is not registered, nor a secret."""
        good = deployment.code_parameters(client_id)
        refused(deployment.post("/oauth/par", **{**good, "request_uri": "urn:x"}), "invalid_request")
        refused(deployment.post("/oauth/par", **{**good, "redirect_uri": "https://evil.example/"}), "invalid_request")
        refused(deployment.post("/oauth/par", **{**good, "client_id": "nobody"}), "invalid_client")
        refused(deployment.post("/oauth/par", **{**good, "client_secret": "s"}), "invalid_client")
        refused(deployment.http.post("/oauth/par", data=good, auth=(client_id, "s")), "invalid_client", 401)


class TestCodeExchange:
    """RFC 6749 §4.1.3 with RFC 7636 §4.6."""

    def test_the_verifier_is_proven(self, deployment: Deployment, client_id: str) -> None:
        """Without the code verifier, or with another, a code is worth nothing, and stays good for its holder."""
        code = deployment.authorization_code(client_id)
        for verifier in ("another-" + VERIFIER, VERIFIER[:42], s256(VERIFIER), "ä" * 50):
            refused(deployment.exchange(client_id, code, code_verifier=verifier), "invalid_grant")
        refused(deployment.exchange(client_id, code, code_verifier=""), "invalid_request")
        refused(deployment.exchange(client_id, code, code_verifier=[VERIFIER, VERIFIER]), "invalid_request")
        refused(deployment.exchange(client_id, code, redirect_uri="https://evil.example/"), "invalid_grant")
        refused(deployment.exchange(client_id, code, resource=deployment.issuer), "invalid_target")
        assert deployment.exchange(client_id, code).status_code == 200

    def test_a_code_belongs_to_its_client(self, deployment: Deployment, client_id: str, stranger: str) -> None:
        """Another client's code is as good as unknown."""
        code = deployment.authorization_code(client_id)
        refused(deployment.exchange(stranger, code), "invalid_grant")
        refused(deployment.exchange(client_id, "unknown"), "invalid_grant")
        assert deployment.exchange(client_id, code).status_code == 200

    def test_a_second_exchange_revokes_the_first(self, deployment: Deployment, client_id: str) -> None:
        """A replayed code ends the tokens it was exchanged for."""
        code = deployment.authorization_code(client_id)
        issued = deployment.exchange(client_id, code).json()
        refused(deployment.exchange(client_id, code), "invalid_grant")
        assert deployment.introspect(issued["access_token"]) == {"active": False}
        refused(deployment.refresh(client_id, issued["refresh_token"]), "invalid_grant")

    def test_a_code_lives_a_minute(self, deployment: Deployment, client_id: str) -> None:
        """A code that was not exchanged within 60 s is invalid; expired_token is the device grant's alone."""
        code = deployment.authorization_code(client_id)
        deployment.clock.advance(60)
        refused(deployment.exchange(client_id, code), "invalid_grant")


class TestRefresh:
    """RFC 6749 §6, OAuth 2.1 §4.3.1."""

    def test_rotation(self, deployment: Deployment, client_id: str) -> None:
        """Each refresh gives a fresh pair with the same grant, audience and scope; earlier access tokens live on."""
        first = deployment.device_tokens(client_id)
        answer = deployment.refresh(client_id, first["refresh_token"])
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        second = answer.json()
        secrets = {"access_token", "refresh_token"}
        assert all(first[name] != second[name] for name in secrets)
        assert {n: v for n, v in first.items() if n not in secrets} == {
            n: v for n, v in second.items() if n not in secrets
        }
        assert deployment.introspect(first["access_token"])["active"] is True

    def test_a_replay_ends_the_family(self, deployment: Deployment, client_id: str) -> None:
        """A refresh token used twice ends every token that came from its approval, and no other."""
        bystander = deployment.device_tokens(client_id)
        first = deployment.device_tokens(client_id)
        second = deployment.refresh(client_id, first["refresh_token"]).json()
        refused(deployment.refresh(client_id, first["refresh_token"]), "invalid_grant")
        for token in (first["access_token"], second["access_token"]):
            assert deployment.introspect(token) == {"active": False}
        refused(deployment.refresh(client_id, second["refresh_token"]), "invalid_grant")
        assert deployment.introspect(bystander["access_token"])["active"] is True

    def test_it_works_for_its_client_only(self, deployment: Deployment, client_id: str, stranger: str) -> None:
        """A stranger's attempt is refused and ends nothing; an access token is no refresh token."""
        issued = deployment.device_tokens(client_id)
        refused(deployment.refresh(stranger, issued["refresh_token"]), "invalid_grant")
        refused(deployment.refresh(client_id, issued["access_token"]), "invalid_grant")
        refused(deployment.refresh(client_id, "unknown"), "invalid_grant")
        assert deployment.refresh(client_id, issued["refresh_token"]).status_code == 200

    def test_nothing_is_widened(self, deployment: Deployment, client_id: str) -> None:
        """Asking for more is refused by name, and the refresh token stays good."""
        issued = deployment.device_tokens(client_id)
        token = issued["refresh_token"]
        refused(deployment.refresh(client_id, token, scope="pdpp:read pdpp:owner"), "invalid_scope")
        refused(deployment.refresh(client_id, token, resource=deployment.issuer), "invalid_target")
        refused(
            deployment.refresh(client_id, token, resource=[deployment.mcp_resource, deployment.issuer]),
            "invalid_target",
        )
        for details in (deployment.details(SPOTIFY, BANK), "[]", "{", "[" * 9000):
            answer = deployment.refresh(client_id, token, authorization_details=details)
            refused(answer, "invalid_authorization_details")
        same = {"scope": "pdpp:read", "resource": deployment.mcp_resource}
        granted = json.dumps(issued["authorization_details"])
        assert deployment.refresh(client_id, token, **same, authorization_details=granted).status_code == 200

    def test_it_expires_when_idle(self, deployment: Deployment, client_id: str) -> None:
        """A refresh token not used for 30 days is dead; each use starts the time anew."""
        month = deployment.server.settings.refresh_token_idle_lifetime
        token = deployment.device_tokens(client_id)["refresh_token"]
        deployment.clock.advance(month - 10)
        token = deployment.refresh(client_id, token).json()["refresh_token"]
        deployment.clock.advance(month)
        refused(deployment.refresh(client_id, token), "invalid_grant")

    def test_a_client_without_the_grant_type(self, deployment: Deployment) -> None:
        """A client that did not declare refresh_token gets none and uses none."""
        device_only = deployment.register(grant_types=[DEVICE_CODE_GRANT])
        refused(deployment.refresh(device_only, "x"), "unauthorized_client")


class TestIntrospection:
    """RFC 7662."""

    def test_an_active_token(self, deployment: Deployment, client_id: str) -> None:
        """What is told agrees with the token response."""
        issued = deployment.device_tokens(client_id)
        known = deployment.introspect(issued["access_token"])
        assert known["exp"] - known["iat"] == issued["expires_in"]
        assert {name: value for name, value in known.items() if name not in ("iat", "exp")} == {
            "active": True,
            "iss": deployment.issuer,
            "aud": deployment.mcp_resource,
            "sub": deployment.subject_id,
            "subject_id": deployment.subject_id,
            "client_id": client_id,
            "token_type": "Bearer",
            "scope": issued["scope"],
            "pdpp_token_kind": "client",
            "grant_id": issued["grant_id"],
            "authorization_details": issued["authorization_details"],
        }

    def test_a_package_and_an_owner_token(self, deployment: Deployment, client_id: str) -> None:
        """A package is named instead of a grant; an owner token has neither."""
        package = deployment.device_tokens(client_id, authorization_details=deployment.details(SPOTIFY, BANK))
        known = deployment.introspect(package["access_token"])
        assert (known["grant_package_id"], "grant_id" in known) == (package["grant_package_id"], False)
        owner = deployment.introspect(deployment.device_tokens(client_id, "trusted_owner_agent")["access_token"])
        assert (owner["pdpp_token_kind"], owner["scope"], owner["aud"]) == ("owner", "pdpp:owner", deployment.issuer)
        assert not {"grant_id", "grant_package_id", "authorization_details"} & set(owner)

    def test_what_is_not_an_active_access_token(self, deployment: Deployment, client_id: str) -> None:
        """Everything else, from refresh token to nonsense, is inactive and says no more."""
        codes = deployment.start_device(client_id)
        issued = deployment.device_tokens(client_id)
        others = [codes["device_code"], codes["user_code"], issued["refresh_token"], "unknown", "ä", "t" * 9000]
        for token in others:
            assert deployment.introspect(token) == {"active": False}
            assert deployment.introspect(token, token_type_hint="refresh_token") == {"active": False}
        deployment.clock.advance(issued["expires_in"])
        assert deployment.introspect(issued["access_token"]) == {"active": False}

    @pytest.mark.parametrize("hint", ["refresh_token", "access_token", "unknown"])
    def test_a_hint_is_no_filter(self, deployment: Deployment, client_id: str, hint: str) -> None:
        """A wrong hint still finds the token."""
        token = deployment.device_tokens(client_id)["access_token"]
        assert deployment.introspect(token, token_type_hint=hint, unknown="ignored")["active"] is True

    def test_credentials_plain_and_encoded(self, deployment: Deployment) -> None:
        """The credentials are taken as they are, and form-encoded as RFC 6749 §2.3.1 says; the scheme in any case."""
        user, secret = INTROSPECTION
        encoded = basic(quote_plus(user), quote_plus(secret))
        for headers in (basic(user, secret), encoded, {"Authorization": "bASIC" + encoded["Authorization"][5:]}):
            answer = deployment.http.post("/introspect", data={"token": "unknown"}, headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"active": False})
            refused(deployment.http.post("/introspect", data={}, headers=headers), "invalid_request")
            refused(deployment.http.post("/introspect", data={"token": ["a", "a"]}, headers=headers), "invalid_request")

    @pytest.mark.parametrize(
        "header",
        [
            None,
            basic(INTROSPECTION[0], "wrong")["Authorization"],
            basic("wrong", INTROSPECTION[1])["Authorization"],
            basic("", "")["Authorization"],
            "Basic",
            "Basic !",
            "Basic dXNlcg==",
            "Basic /w==",
            "Bearer token",
        ],
    )
    def test_without_credentials(self, deployment: Deployment, header: str | None) -> None:
        """Nobody but the resource server is told anything, and credentials in the body or address are not read."""
        headers = {} if header is None else {"Authorization": header}
        user, secret = INTROSPECTION
        form = {"token": "unknown", "client_id": user, "client_secret": secret}
        answer = deployment.http.post("/introspect", data=form, params=form, headers=headers)
        refused(answer, "invalid_client", 401)
        assert answer.headers["www-authenticate"].startswith("Basic ")

    def test_a_token_in_the_address_is_not_read(self, deployment: Deployment) -> None:
        """The token is taken from the body alone."""
        answer = deployment.http.post(
            "/introspect", params={"token": "x"}, headers={**basic(*INTROSPECTION), **FORM}, content=b""
        )
        refused(answer, "invalid_request")

    def test_without_configured_credentials_it_is_closed(self, closed: Deployment) -> None:
        """A deployment without introspection credentials tells nobody anything, not even for empty ones."""
        for headers in (basic("", ""), basic("None", "None"), {}):
            refused(closed.http.post("/introspect", data={"token": "x"}, headers=headers), "invalid_client", 401)


class TestRevocation:
    """RFC 7009."""

    @pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "unknown"])
    def test_a_refresh_token_takes_its_family_along(
        self, deployment: Deployment, client_id: str, hint: str | None
    ) -> None:
        """With the refresh token go the access tokens, whatever the hint."""
        issued = deployment.device_tokens(client_id)
        hinted = {} if hint is None else {"token_type_hint": hint}
        for _ in range(2):
            answer = deployment.post("/oauth/revoke", client_id=client_id, token=issued["refresh_token"], **hinted)
            assert (answer.status_code, answer.content) == (200, b"")
        assert deployment.introspect(issued["access_token"]) == {"active": False}
        refused(deployment.refresh(client_id, issued["refresh_token"]), "invalid_grant")

    @pytest.mark.parametrize("hint", [None, "refresh_token"])
    def test_an_access_token_goes_alone(self, deployment: Deployment, client_id: str, hint: str | None) -> None:
        """An access token is dead at once, at introspection and at the resource; its refresh token is not."""
        issued = deployment.device_tokens(client_id)
        bearer = {"Authorization": f"Bearer {issued['access_token']}"}
        hinted = {} if hint is None else {"token_type_hint": hint}
        assert deployment.post("/oauth/revoke", client_id=client_id, token=issued["access_token"], **hinted).is_success
        assert deployment.introspect(issued["access_token"]) == {"active": False}
        assert deployment.http.post("/mcp", headers=bearer, json={}).status_code == 401
        assert deployment.refresh(client_id, issued["refresh_token"]).status_code == 200

    def test_an_owner_token(self, deployment: Deployment, client_id: str) -> None:
        """The owner agent's token is revoked like any other."""
        token = deployment.device_tokens(client_id, "trusted_owner_agent")["access_token"]
        assert deployment.http.get("/v1/streams", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert deployment.post("/oauth/revoke", client_id=client_id, token=token).status_code == 200
        assert deployment.http.get("/v1/streams", headers={"Authorization": f"Bearer {token}"}).status_code == 401

    def test_an_unknown_token_is_as_good_as_revoked(self, deployment: Deployment, client_id: str) -> None:
        """A token nobody knows is no error."""
        for token in ("unknown", "ä", "t" * 9000):
            assert deployment.post("/oauth/revoke", client_id=client_id, token=token).status_code == 200

    def test_another_clients_token_stays(self, deployment: Deployment, client_id: str, stranger: str) -> None:
        """A foreign token is refused and stays as it is."""
        issued = deployment.device_tokens(client_id)
        for name in ("access_token", "refresh_token"):
            refused(deployment.post("/oauth/revoke", client_id=stranger, token=issued[name]), "invalid_grant")
        assert deployment.introspect(issued["access_token"])["active"] is True
        assert deployment.refresh(client_id, issued["refresh_token"]).status_code == 200

    def test_incomplete_requests(self, deployment: Deployment, client_id: str) -> None:
        """Client and token are needed, once each, and no secret."""
        refused(deployment.post("/oauth/revoke", token="x"), "invalid_request")
        refused(deployment.post("/oauth/revoke", client_id=client_id), "invalid_request")
        refused(deployment.post("/oauth/revoke", client_id=client_id, token=["x", "x"]), "invalid_request")
        refused(deployment.post("/oauth/revoke", client_id="nobody", token="x"), "invalid_client")
        refused(deployment.post("/oauth/revoke", client_id=client_id, token="x", client_secret="s"), "invalid_client")
        answer = deployment.http.post("/oauth/revoke", data={"token": "x"}, auth=(client_id, "s"))
        refused(answer, "invalid_client", 401)


class TestGrantRevocation:
    """`POST /grants/{grant_id}/revoke`, with a token."""

    def revoke(self, deployment: Deployment, grant_id: str, token: str | None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return deployment.http.post(f"/grants/{grant_id}/revoke", headers=headers)

    @pytest.mark.parametrize("bearer", ["own", "owner"])
    def test_a_grant_takes_its_tokens_along(self, deployment: Deployment, client_id: str, bearer: str) -> None:
        """Its own token or the owner's revokes a grant; access and refresh tokens die with it."""
        issued = deployment.device_tokens(client_id)
        owner = deployment.device_tokens(client_id, "trusted_owner_agent")["access_token"]
        token = owner if bearer == "owner" else issued["access_token"]
        answer = self.revoke(deployment, issued["grant_id"], token)
        assert (answer.status_code, answer.json()) == (200, {"grant_id": issued["grant_id"], "revoked": True})
        assert deployment.introspect(issued["access_token"]) == {"active": False}
        refused(deployment.refresh(client_id, issued["refresh_token"]), "invalid_grant")
        again = self.revoke(deployment, issued["grant_id"], token)
        if bearer == "owner":
            assert again.status_code == 200
        else:
            refused(again, "invalid_token", 401)

    def test_of_a_package_the_others_stay(self, deployment: Deployment, client_id: str) -> None:
        """One grant of a package is revoked with the package's token, which then has the rest."""
        issued = deployment.device_tokens(client_id, authorization_details=deployment.details(SPOTIFY, BANK))
        token = deployment.server.parts.access_tokens.active(issued["access_token"])
        assert token is not None
        first, second = token.grants
        assert self.revoke(deployment, first.id, issued["access_token"]).status_code == 200
        known = deployment.introspect(issued["access_token"])
        assert known["authorization_details"] == [second.detail.to_json()]
        refreshed = deployment.refresh(client_id, issued["refresh_token"]).json()
        assert refreshed["authorization_details"] == [second.detail.to_json()]

    def test_other_grants_are_nobodys_business(self, deployment: Deployment, client_id: str) -> None:
        """A grant of another approval is as good as unknown, and strange names get the same answer."""
        mine, other = deployment.device_tokens(client_id), deployment.device_tokens(client_id)
        for grant_id in (other["grant_id"], "grt_unknown", "%00", "%ff", "g" * 3000):
            refused(self.revoke(deployment, grant_id, mine["access_token"]), "invalid_request", 404)
        assert deployment.introspect(other["access_token"])["active"] is True

    def test_without_an_active_access_token(self, deployment: Deployment, client_id: str) -> None:
        """A refresh token, an unknown one, or another scheme revokes nothing."""
        issued = deployment.device_tokens(client_id)
        for token in (issued["refresh_token"], "unknown"):
            answer = self.revoke(deployment, issued["grant_id"], token)
            refused(answer, "invalid_token", 401)
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        nothing = deployment.http.post(f"/grants/{issued['grant_id']}/revoke", headers={"Authorization": "Bearer"})
        refused(nothing, "invalid_token", 401)
        assert "error=" not in nothing.headers["www-authenticate"]
        assert deployment.introspect(issued["access_token"])["active"] is True


class TestPostgresql:
    """What only PostgreSQL is strict about."""

    def test_names_with_a_nul(self, start: Callable[..., Deployment], postgres_url: str) -> None:
        """A NUL, wherever it stands, is answered with an error object and never with a fault."""
        strict = start(database_url=postgres_url)
        try:
            issued = strict.device_tokens(strict.register())
            bearer = {"Authorization": f"Bearer {issued['access_token']}"}
            refused(strict.http.post("/grants/%00/revoke", headers=bearer), "invalid_request", 404)
            with owners_browser(strict) as browser:
                refused(browser.delete("/oauth/register/%00"), "invalid_client", 404)
            for path in FORM_ENDPOINTS:
                answer = strict.http.post(path, content=b"client_id=%00&token=%00", headers=FORM)
                refused(answer, *(("invalid_client", 401) if path == "/introspect" else ("invalid_request", 400)))
            assert strict.introspect(issued["access_token"])["authorization_details"]
            assert strict.refresh(strict.register(), issued["refresh_token"]).status_code == 400
        finally:
            strict.http.close()
            strict.server.stop()


class TestMalformedRequests:
    """However a request is malformed, the answer is an error object, and never a fault."""

    @pytest.mark.parametrize("path", POST_ENDPOINTS)
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    def test_methods(self, deployment: Deployment, path: str, method: str) -> None:
        """Endpoints that take POST take nothing else, and say so."""
        answer = deployment.http.request(method, path, params={"client_id": "pdpp_cli", "token": "x"})
        refused(answer, "invalid_request", 405)
        assert "POST" in answer.headers["allow"]

    def test_unknown_paths(self, deployment: Deployment) -> None:
        """A path nobody answers is told in the same form; a trailing slash is another path."""
        for path in ("/oauth", "/oauth/token/", "/.well-known/openid-configuration", "/oauth/%00"):
            refused(deployment.http.post(path), "not_found", 404)

    @pytest.mark.parametrize("path", FORM_ENDPOINTS)
    @pytest.mark.parametrize(
        "content_type", [None, "text/plain", "application/x-www-form-urlencodedx", "multipart/form-data; boundary=a"]
    )
    def test_media_types(self, deployment: Deployment, path: str, content_type: str | None) -> None:
        """A body of another media type is not read as a form."""
        headers = basic(*INTROSPECTION) if path == "/introspect" else {}
        if content_type is not None:
            headers["Content-Type"] = content_type
        body = b"client_id=pdpp_cli&token=x&grant_type=refresh_token&refresh_token=x"
        refused(deployment.http.post(path, content=body, headers=headers), "invalid_request")

    def test_a_media_type_with_parameters(self, deployment: Deployment) -> None:
        """Parameters of the media type, and its case, do not matter."""
        headers = {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}
        answer = deployment.http.post("/oauth/device_authorization", content=b"client_id=pdpp_cli", headers=headers)
        assert answer.status_code == 200

    @pytest.mark.parametrize("path", FORM_ENDPOINTS)
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\x00",
            b"\xff\xfe",
            b"client_id=%00",
            b"client_id=pdpp_cli&token=%00&device_code=%00&grant_type=%00",
            b"%00=a",
            b"client_id=%ff",
            b"client_id=%ed%a0%80",
            b"client_id=%",
            b"&&&&===&",
            b"grant_type=" + b"a" * 30000,
            b"&".join(b"a%d=b" % number for number in range(500)),
            b"client_id=pdpp_cli&client_id=pdpp_cli&token=a&token=a&grant_type=a&grant_type=a",
            b"client_id=" + "\u202e\U0001f600".encode(),
        ],
    )
    def test_bodies(self, deployment: Deployment, path: str, body: bytes) -> None:
        """No body that makes no sense is a fault of the server, or a success."""
        headers = {**FORM, **(basic(*INTROSPECTION) if path == "/introspect" else {})}
        answer = deployment.http.post(path, content=body, headers=headers)
        assert answer.status_code == 400, answer.text
        refused(answer, answer.json()["error"])
        assert answer.json()["error"] in ("invalid_request", "invalid_client", "unsupported_grant_type")

    @pytest.mark.parametrize("path", POST_ENDPOINTS)
    def test_the_size_of_a_body(self, deployment: Deployment, path: str) -> None:
        """64 KiB are read; a byte more is refused unread, with or without a stated length."""
        headers = {"Content-Type": "application/json"} if path == "/oauth/register" else dict(FORM)
        if path == "/introspect":
            headers |= basic(*INTROSPECTION)
        most = deployment.server.settings.max_body_bytes
        assert most == 64 * 1024
        answer = deployment.http.post(path, content=b"a" * most, headers=headers)
        refused(answer, "invalid_client_metadata" if path == "/oauth/register" else "invalid_request")
        refused(deployment.http.post(path, content=b"a" * (most + 1), headers=headers), "invalid_request", 413)
        chunks = iter([b"a" * most, b"a"])
        refused(deployment.http.post(path, content=chunks, headers=headers), "invalid_request", 413)

    def test_json_that_is_no_object(self, deployment: Deployment) -> None:
        """The one endpoint that takes JSON beside forms is as strict with it."""
        bodies = (b"", b"[]", b"1", b"{", b'{"client_id":"a","client_id":"b"}', b'{"client_id":"\\u0000"}', b"\xff")
        more = (b'{"client_id":"\\ud800"}', b'{"a":Infinity}', b"[" * 60000, b'{"a":' + b"9" * 5000 + b"}")
        for body in (*bodies, *more):
            answer = deployment.http.post(
                "/oauth/device_authorization", content=body, headers={"Content-Type": "application/json"}
            )
            refused(answer, "invalid_request")

    def test_no_error_echoes_a_secret(self, deployment: Deployment, client_id: str, stranger: str) -> None:
        """What a client sent is not told back."""
        issued = deployment.device_tokens(client_id)
        code = deployment.start_device(client_id)["device_code"]
        answers = [
            deployment.poll(stranger, code),
            deployment.refresh(stranger, issued["refresh_token"]),
            deployment.post("/oauth/revoke", client_id=stranger, token=issued["access_token"]),
            deployment.exchange(client_id, code),
        ]
        for answer in answers:
            assert not any(secret in answer.text for secret in (code, *issued.values()) if isinstance(secret, str))

    def test_no_secret_is_logged(self, deployment: Deployment, client_id: str) -> None:
        """The log of whole flows, and of their failures, holds no code, token or secret."""
        codes = deployment.start_device(client_id)
        issued = deployment.device_tokens(client_id)
        code = deployment.authorization_code(client_id)
        deployment.poll(client_id, codes["device_code"])
        deployment.exchange(client_id, code, code_verifier="x" * 43)
        deployment.authorize(client_id=client_id, request_uri=code)
        deployment.introspect(issued["access_token"])
        deployment.http.post(f"/oauth/{issued['access_token']}")
        logged = deployment.logs.getvalue()
        assert '"path": "/oauth/token"' in logged
        secrets = (code, codes["device_code"], codes["user_code"], issued["access_token"], issued["refresh_token"])
        assert [secret for secret in (*secrets, VERIFIER, INTROSPECTION[1]) if secret in logged] == []

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nContent-Length: nonsense\r\n\r\n",
            b"POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nA: " + b"a" * 40000 + b"\r\n\r\n",
            b"POST /oauth/\xff HTTP/1.1\r\nHost: {host}\r\n\r\n",
            b"POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        ],
    )
    def test_what_is_not_http(self, deployment: Deployment, request_bytes: bytes) -> None:
        """Bytes that are no request end the connection, and the server answers the next one."""
        host = urlsplit(deployment.issuer)
        assert host.hostname is not None
        with socket.create_connection((host.hostname, host.port or 0), timeout=5) as connection:
            connection.sendall(request_bytes.replace(b"{host}", host.netloc.encode()))
            connection.shutdown(socket.SHUT_WR)
            assert not connection.recv(65536).startswith(b"HTTP/1.1 5")
        assert deployment.http.get("/.well-known/oauth-authorization-server").status_code == 200
