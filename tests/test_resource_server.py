"""The resource server over real HTTP: who may pass, and that a grant bounds everything that is read."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import uvicorn
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from pdpp_reference.errors import RestError
from pdpp_reference.grants.access import AccessToken, Grant
from pdpp_reference.grants.authorization_details import AuthorizationDetail, StreamAccess, TimeRange
from pdpp_reference.http import rest_error_answer
from pdpp_reference.origin import PinnedOrigin
from pdpp_reference.resource_server.bearer import BearerCheck
from pdpp_reference.resource_server.mcp import McpServer
from pdpp_reference.resource_server.metadata import mcp_metadata, root_metadata
from pdpp_reference.resource_server.records import MAX_LIMIT, Condition, RefusedError, StreamView, View
from pdpp_reference.resource_server.routes import resource_server_routes
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.settings import Settings

CATALOGUE = load_catalogue()
SPOTIFY = "https://registry.pdpp.dev/connectors/spotify"
BANK = "https://registry.pdpp.dev/connectors/open-banking"

OWNER = "owner-token"
MUSIC = "music-token"
MONEY = "money-token"
PACKAGE = "package-token"
OTHER_AUDIENCE = "other-audience-token"

SINCE, UNTIL = datetime(2025, 6, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


def grant(name: str, source: str, *streams: StreamAccess, resource: str = "") -> Grant:
    return Grant(
        id=f"grt_{name}",
        package_id=None,
        client_id="pdpp_cli",
        subject_id="owner",
        detail=AuthorizationDetail(
            type="https://pdpp.dev/data-access",
            source_kind="connector",
            source_id=source,
            purpose_code="https://pdpp.dev/purposes/test",
            access_mode="continuous",
            streams=streams,
        ),
        resource=resource,
        created_at=0.0,
        revoked_at=None,
    )


MUSIC_GRANT = grant("music", SPOTIFY, StreamAccess("saved_tracks"))
MONEY_GRANT = grant(
    "money",
    BANK,
    StreamAccess("transactions", fields=("booked_at", "category", "amount"), time_range=TimeRange(SINCE, UNTIL)),
)
TIMELESS_GRANT = grant(
    "timeless", BANK, StreamAccess("transactions", fields=("category",), time_range=TimeRange(SINCE, UNTIL))
)


@dataclass
class Tokens:
    """What each bearer stands for."""

    known: dict[str, AccessToken] = field(default_factory=dict)

    def active(self, bearer: str) -> AccessToken | None:
        return self.known.get(bearer)


@dataclass
class Deployment:
    settings: Settings
    tokens: Tokens

    @property
    def origin(self) -> str:
        return self.settings.resource_origin

    @property
    def mcp_metadata_url(self) -> str:
        return f"{self.origin}/.well-known/oauth-protected-resource/mcp"


def token(kind: Any, resource: str, *grants: Grant) -> AccessToken:
    return AccessToken(
        kind=kind,
        client_id="pdpp_cli",
        subject_id="owner",
        resource=resource,
        grants=grants,
        grant_id=grants[0].id if len(grants) == 1 else None,
        package_id="gpkg_both" if len(grants) > 1 else None,
        issued_at=0.0,
        expires_at=4e9,
    )


@contextmanager
def deployed() -> Iterator[Deployment]:
    """Serve the resource server on a free loopback port."""
    # asyncio switches Nagle's algorithm off only where the protocol is named; otherwise every answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(issuer=origin, resource_origin=origin)
        tokens = Tokens(
            {
                OWNER: token("owner", origin),
                MUSIC: token("client", f"{origin}/mcp", MUSIC_GRANT),
                MONEY: token("client", f"{origin}/mcp", MONEY_GRANT),
                PACKAGE: token("client", f"{origin}/mcp", MUSIC_GRANT, MONEY_GRANT),
                OTHER_AUDIENCE: token("client", "https://elsewhere.example/mcp", MUSIC_GRANT),
            }
        )
        server = uvicorn.Server(uvicorn.Config(application(settings, tokens), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                threading.Event().wait(0.01)
            yield Deployment(settings, tokens)
        finally:
            server.should_exit = True
            thread.join(10)


def application(settings: Settings, tokens: Tokens) -> PinnedOrigin:
    mcp_server = McpServer(settings, CATALOGUE)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with mcp_server.lifespan():
            yield

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RestError)
        return rest_error_answer(request, error)

    app = Starlette(
        routes=resource_server_routes(settings, CATALOGUE, BearerCheck(settings, tokens), mcp_server),
        exception_handlers={RestError: refused},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return PinnedOrigin(app, frozenset({settings.issuer, settings.resource_origin}))


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with deployed() as running:
        yield running


@pytest.fixture(scope="module")
def http(deployment: Deployment) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=deployment.origin, follow_redirects=False, timeout=5) as client:
        yield client


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def call(http: httpx.Client, headers: Any, **kwargs: Any) -> httpx.Response:
    """Ask for the list of tools in the 2025-11-25 era."""
    asked = httpx.Headers(headers, encoding="latin-1").raw
    return http.post(
        "/mcp",
        headers=[(b"Accept", b"application/json, text/event-stream"), *asked],
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        **kwargs,
    )


def refusal(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    assert set(error) - {"next_step"} == {"code", "message", "type", "request_id"}
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, error["code"], response.headers.get("www-authenticate")


class TestBearerAtMcp:
    """The refusal table of ``/mcp``."""

    def test_a_client_token_passes(self, http: httpx.Client) -> None:
        """The positive control of every refusal below; the scheme's case does not matter."""
        for scheme in ("Bearer", "bearer", "BEARER"):
            response = call(http, {"Authorization": f"{scheme} {MUSIC}"})
            assert response.status_code == 200
            assert len(response.json()["result"]["tools"]) == 6

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic cGRwcDpwZHBw"}, {"Cookie": f"session={MUSIC}"}])
    def test_no_token(self, http: httpx.Client, deployment: Deployment, headers: Mapping[str, str]) -> None:
        """Without a token the challenge points to the metadata and names no error."""
        expected = f'Bearer resource_metadata="{deployment.mcp_metadata_url}", scope="pdpp:read"'
        assert refusal(call(http, headers)) == (401, "authentication_error", expected)

    def test_a_token_in_the_query_string_or_in_a_form_is_none(self, http: httpx.Client, deployment: Deployment) -> None:
        """Only the Authorization header counts."""
        expected = (
            401,
            "authentication_error",
            f'Bearer resource_metadata="{deployment.mcp_metadata_url}", scope="pdpp:read"',
        )
        assert refusal(call(http, {}, params={"access_token": MUSIC})) == expected
        assert refusal(http.post("/mcp", data={"access_token": MUSIC})) == expected

    @pytest.mark.parametrize(
        "value", ["unknown", "", "two words", "comma,comma", "näh".encode(), "a" * 5000, OTHER_AUDIENCE]
    )
    def test_an_invalid_token(self, http: httpx.Client, deployment: Deployment, value: str | bytes) -> None:
        """Unknown, malformed, too long, or for another resource."""
        raw = value if isinstance(value, bytes) else value.encode()
        status, code, challenge = refusal(call(http, {b"Authorization": (b"Bearer " + raw).strip()}))
        assert (status, code) == (401, "authentication_error")
        assert challenge is not None
        assert 'error="invalid_token"' in challenge
        assert f'resource_metadata="{deployment.mcp_metadata_url}"' in challenge

    def test_another_audience_is_told_like_an_unknown_token(self, http: httpx.Client) -> None:
        """Nobody learns here that a token is good elsewhere."""
        assert refusal(call(http, bearer(OTHER_AUDIENCE))) == refusal(call(http, bearer("unknown")))

    def test_a_revoked_token_is_refused_at_the_next_request_whatever_its_session_id(
        self, http: httpx.Client, deployment: Deployment
    ) -> None:
        """Every request is authorized for itself."""
        deployment.tokens.known["short-lived"] = deployment.tokens.known[MUSIC]
        session = {"Mcp-Session-Id": "0123456789abcdef"}
        assert call(http, bearer("short-lived") | session).status_code == 200
        del deployment.tokens.known["short-lived"]
        assert call(http, bearer("short-lived") | session).status_code == 401
        assert call(http, session).status_code == 401

    def test_an_owner_token(self, http: httpx.Client, deployment: Deployment) -> None:
        """403, with the way out named."""
        response = call(http, bearer(OWNER))
        status, code, challenge = refusal(response)
        assert (status, code) == (403, "permission_error")
        assert challenge is not None
        assert challenge.startswith('Bearer error="insufficient_scope"')
        error = response.json()["error"]
        for text in (error["message"], error["next_step"]):
            assert "REST" in text
            assert f"{deployment.origin}/v1" in text

    def test_origins(self, http: httpx.Client, deployment: Deployment) -> None:
        """A page of another origin is refused even with a good token; one of our own is not."""
        for foreign in ("https://evil.example", "null", f"{deployment.origin}.evil.example"):
            assert refusal(call(http, bearer(MUSIC) | {"Origin": foreign})) == (403, "permission_error", None)
        assert call(http, bearer(MUSIC) | {"Origin": deployment.origin}).status_code == 200

    def test_more_than_one_token(self, http: httpx.Client) -> None:
        """RFC 6750 §3.1: more than one method, or one method twice."""
        twice = call(http, [("Authorization", f"Bearer {MUSIC}"), ("Authorization", f"Bearer {MUSIC}")])
        form = http.post("/mcp", headers=bearer(MUSIC), data={"access_token": MUSIC})
        for response in (twice, form):
            status, code, challenge = refusal(response)
            assert (status, code) == (400, "invalid_request")
            assert challenge is not None
            assert 'error="invalid_request"' in challenge

    @pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
    def test_other_methods(self, http: httpx.Client, method: str) -> None:
        """They need a token too, and then there is nothing for them; nothing is redirected."""
        assert http.request(method, "/mcp").status_code == 401
        response = http.request(method, "/mcp", headers=bearer(MUSIC) | {"Accept": "text/event-stream"})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"

    def test_no_refusal_tells_anything_of_the_owner(self, http: httpx.Client) -> None:
        """Neither stream names nor values."""
        for value in (OWNER, "unknown", OTHER_AUDIENCE):
            assert "saved_tracks" not in call(http, bearer(value)).text


class TestBearerAtRest:
    """The same at ``/v1``, kinds exchanged."""

    def test_an_owner_token_passes(self, http: httpx.Client) -> None:
        """The positive control."""
        assert http.get("/v1/streams", headers=bearer(OWNER)).status_code == 200

    @pytest.mark.parametrize("path", ["/v1/streams", "/v1/schema", "/v1/owner/control", "/v1/nothing"])
    def test_refusals(self, http: httpx.Client, deployment: Deployment, path: str) -> None:
        """None, invalid, and one that is bound to the MCP resource; before anything is said of the path."""
        metadata = f'resource_metadata="{deployment.origin}/.well-known/oauth-protected-resource"'
        assert refusal(http.get(path)) == (401, "authentication_error", f'Bearer {metadata}, scope="pdpp:owner"')
        status, code, challenge = refusal(http.get(path, headers=bearer("unknown")))
        assert (status, code) == (401, "authentication_error")
        assert 'error="invalid_token"' in str(challenge)
        status, code, challenge = refusal(http.get(path, headers=bearer(MUSIC)))
        assert (status, code) == (403, "permission_error")
        assert 'error="insufficient_scope"' in str(challenge)
        assert refusal(http.get(path, params={"access_token": OWNER}))[0] == 401


class TestOwnerRest:
    def get(self, http: httpx.Client, path: str, **params: Any) -> httpx.Response:
        return http.get(path, headers=bearer(OWNER), params=params)

    def test_everything_is_listed_and_readable(self, http: httpx.Client) -> None:
        """Each stream's own address leads to all its records, page by page."""
        streams = self.get(http, "/v1/streams").json()["data"]
        assert len(streams) == sum(len(source.streams) for source in CATALOGUE.sources)
        stream = next(stream for stream in streams if stream["name"] == "recently_played")
        keys: list[str] = []
        page: dict[str, Any] = {"next_cursor": None}
        while True:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            answer = self.get(http, stream["records"], limit=50, **cursor)
            assert answer.headers["cache-control"] == "no-store"
            page = answer.json()
            keys += [record["id"] for record in page["data"]]
            if not page["has_more"]:
                break
        spotify = CATALOGUE.find("connector", SPOTIFY)
        assert spotify is not None
        played = spotify.stream("recently_played")
        assert played is not None
        assert keys == [record["id"] for record in played.records]

    def test_filters(self, http: httpx.Client) -> None:
        """Compared as the field's type, all of them met."""
        page = self.get(
            http,
            "/v1/streams/transactions/records",
            **{"filter[amount][lt]": "-100.5", "filter[category]": "health", "fields": "amount,category"},
        ).json()
        assert page["data"]
        for record in page["data"]:
            assert set(record) == {"_id", "amount", "category"}
            assert record["amount"] < -100.5
            assert record["category"] == "health"
        saved = "/v1/streams/saved_tracks/records"
        assert all(
            record["explicit"] for record in self.get(http, saved, **{"filter[explicit]": "true"}).json()["data"]
        )

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=101",
            "limit=1.5",
            "limit=x",
            "limit=1_0",
            "limit=1&limit=2",
            "cursor=x",
            "fields=nope",
            "order_by=nope",
            "descending=yes",
            "filter[amount]=NaN",
            "filter[nope]=1",
            "filter[amount][like]=1",
            "filter[booked_at]=yesterday",
            "nope=1",
        ],
    )
    def test_bad_parameters(self, http: httpx.Client, query: str) -> None:
        """400, in the REST error shape."""
        response = http.get(f"/v1/streams/transactions/records?{query}", headers=bearer(OWNER))
        assert refusal(response) == (400, "invalid_argument", None)

    def test_what_is_not_there(self, http: httpx.Client) -> None:
        """404 for an unknown stream and an unknown path."""
        for path in ("/v1/streams/nope/records", "/v1/nope", "/v1/schema?stream=nope"):
            assert refusal(http.get(path, headers=bearer(OWNER))) == (404, "not_found", None)

    def test_other_methods(self, http: httpx.Client) -> None:
        """405 with Allow."""
        response = http.post("/v1/owner/control", headers=bearer(OWNER))
        assert refusal(response) == (405, "method_not_allowed", None)
        assert response.headers["allow"] == "GET, HEAD"
        assert http.head("/v1/streams", headers=bearer(OWNER)).status_code == 200

    def test_schema_and_control(self, http: httpx.Client, deployment: Deployment) -> None:
        """The schema of one stream, and the entry to what the owner controls."""
        schema = self.get(http, "/v1/schema", stream="transactions").json()
        assert [stream["name"] for stream in schema["streams"]] == ["transactions"]
        assert schema["streams"][0]["time_field"] == "booked_at"
        control = self.get(http, "/v1/owner/control").json()
        assert control["object"] == "owner_control"
        assert control["grants"][0]["href"] == f"{deployment.origin}/grants"


class TestMetadata:
    def test_documents_are_public_and_may_be_kept(self, http: httpx.Client, deployment: Deployment) -> None:
        """Served at the address that the resource's own URL gives, without credentials."""
        for path, document in (("", root_metadata), ("/mcp", mcp_metadata)):
            response = http.get(f"/.well-known/oauth-protected-resource{path}")
            assert response.json() == document(deployment.settings)
            assert response.headers["content-type"] == "application/json"
            assert response.headers["cache-control"] == "max-age=300"
            assert response.json()["resource"] == deployment.origin + path
            assert http.head(response.url).status_code == 200
            refused = http.post(response.url)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")

    def test_the_mcp_server_takes_no_owner_token_and_says_so(self, deployment: Deployment) -> None:
        """Owner tokens are named only where they are used."""
        document = mcp_metadata(deployment.settings)
        assert document["pdpp_token_kinds_supported"] == ["client"]
        assert "pdpp_owner_agent_onboarding" not in document

    def test_registration_is_named_only_while_it_is_on(self) -> None:
        """No address that would answer 404."""
        for enabled in (True, False):
            settings = Settings("https://as.example", "https://rs.example", registration_enabled=enabled)
            assert ("registration_endpoint" in root_metadata(settings)["pdpp_owner_agent_onboarding"]) is enabled

    def test_every_url_is_of_a_configured_origin_and_no_list_is_empty(self) -> None:
        """On two origins as on one (RFC 8414 §3.2: no empty arrays)."""
        settings = Settings("https://as.example", "https://rs.example")

        def walk(value: Any) -> None:
            if isinstance(value, Mapping):
                for member in value.values():
                    walk(member)
            elif isinstance(value, list):
                assert value
                for item in value:
                    walk(item)
            elif isinstance(value, str) and "://" in value and value != settings.authorization_details_type:
                assert value.startswith((settings.issuer, settings.resource_origin))

        walk(root_metadata(settings))
        walk(mcp_metadata(settings))


class TestPinnedOrigin:
    PATHS = ("/.well-known/oauth-protected-resource", "/mcp", "/v1/streams", "/anything")

    @pytest.mark.parametrize("path", PATHS)
    def test_another_host_is_misdirected(self, http: httpx.Client, path: str) -> None:
        """421 everywhere, and the name that was tried appears nowhere."""
        response = http.get(path, headers={"Host": "evil.example"} | bearer(OWNER))
        assert response.status_code == 421
        assert set(response.json()) == {"error", "error_description", "request_id"}
        assert response.json()["error"] == "misdirected_request"
        assert "evil" not in response.text

    def test_forwarded_hosts_are_ignored(self, http: httpx.Client, deployment: Deployment) -> None:
        """They change nothing."""
        hostile = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Forwarded-Proto": "https"}
        response = http.get("/.well-known/oauth-protected-resource", headers=hostile)
        assert response.json() == root_metadata(deployment.settings)
        assert "evil" not in str(call(http, hostile).headers)

    @pytest.mark.parametrize(
        ("origin", "ours", "foreign"),
        [
            ("https://pdpp.example", ["pdpp.example", "PDPP.example", "pdpp.example:443"], ["pdpp.example:80"]),
            ("https://pdpp.example:443", ["pdpp.example", "pdpp.example:443"], ["pdpp.example."]),
            ("http://[::1]:8080", ["[::1]:8080"], ["[::1]", "[::1]:80", "localhost:8080"]),
            ("http://127.0.0.1:80", ["127.0.0.1", "127.0.0.1:80"], ["", "evil@127.0.0.1", "127.0.0.1,evil.example"]),
        ],
    )
    def test_spellings(self, origin: str, ours: list[str], foreign: list[str]) -> None:
        """A default port may be left out; nothing else may differ."""

        async def served(scope: Any, receive: Any, send: Any) -> None:
            await Response()(scope, receive, send)

        async def status(hosts: list[str]) -> int:
            answers: list[Any] = []

            async def send(message: Any) -> None:
                answers.append(message)

            headers = [(b"host", host.encode()) for host in hosts]
            scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
            await PinnedOrigin(served, frozenset({origin}))(scope, None, send)  # type: ignore[arg-type]
            return int(answers[0]["status"])

        assert [anyio.run(status, [host]) for host in ours] == [200] * len(ours)
        assert [anyio.run(status, [host]) for host in foreign] == [421] * len(foreign)
        assert anyio.run(status, []) == anyio.run(status, [ours[0], ours[0]]) == 421


ERAS = ["legacy", "2026-07-28"]


def with_client(deployment: Deployment, value: str, mode: str, talk: Callable[[Client], Awaitable[None]]) -> None:
    """Talk to the MCP server through the SDK's own client."""

    async def run() -> None:
        async with (
            httpx2.AsyncClient(headers=bearer(value), timeout=5) as client,
            Client(streamable_http_client(f"{deployment.origin}/mcp", http_client=client), mode=mode) as connected,
        ):
            await talk(connected)

    anyio.run(run)


def content(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result
    structured = result.structured_content
    assert isinstance(structured, dict)
    [block] = result.content
    assert block.type == "text"
    assert json.loads(block.text) == structured
    return structured


def refused_code(result: CallToolResult) -> str:
    assert result.is_error
    structured = result.structured_content
    assert isinstance(structured, dict)
    assert set(structured) == {"error"}
    assert set(structured["error"]) == {"code", "message"}
    return str(structured["error"]["code"])


@pytest.mark.parametrize("mode", ERAS)
class TestTools:
    def test_they_are_described_bounded_and_read_only(self, deployment: Deployment, mode: str) -> None:
        """What an agent is told before it calls anything."""

        async def talk(client: Client) -> None:
            assert client.protocol_version == {"legacy": "2025-11-25"}.get(mode, mode)
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert list(tools) == ["schema", "query_records", "aggregate", "search", "fetch", "read_record_field"]
            for tool in tools.values():
                assert tool.description
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint is True
            assert tools["query_records"].input_schema["properties"]["limit"]["maximum"] == MAX_LIMIT

        with_client(deployment, MUSIC, mode, talk)

    def test_each_answers_within_the_grant(self, deployment: Deployment, mode: str) -> None:
        """Structured, and the same as text."""

        async def talk(client: Client) -> None:
            [stream] = content(await client.call_tool("schema", {}))["streams"]
            assert [field["name"] for field in stream["fields"]] == ["booked_at", "category", "amount"]
            assert stream["time_field"] == "booked_at"
            assert "key_field" not in stream
            assert stream["time_range"] == {"since": "2025-06-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}

            asked: dict[str, Any] = {
                "stream": "transactions",
                "filters": [{"field": "amount", "op": "lt", "value": 0}],
                "limit": 7,
            }
            page = content(await client.call_tool("query_records", asked))
            assert len(page["records"]) == 7
            for record in page["records"]:
                assert set(record) == {"_id", "booked_at", "category", "amount"}
                assert "2025-06-01" < record["booked_at"] < "2026-01-01"
                assert record["amount"] < 0
            following = content(await client.call_tool("query_records", asked | {"cursor": page["next_cursor"]}))
            assert page["records"][-1]["booked_at"] < following["records"][0]["booked_at"]

            months = content(
                await client.call_tool(
                    "aggregate", {"stream": "transactions", "function": "count", "group_by": "booked_at"}
                )
            )["groups"]
            assert [group["group"] for group in months] == [f"2025-{month:02}" for month in range(6, 13)]

            found = content(await client.call_tool("search", {"query": "SALARY"}))
            assert found["matches"]
            record = found["matches"][0]["record"]
            assert found["matches"][0]["matched_fields"] == ["category"]

            address = {"stream": "transactions", "record_id": record["_id"]}
            assert content(await client.call_tool("fetch", address))["record"] == record
            one = content(await client.call_tool("read_record_field", address | {"field": "amount"}))
            assert one["value"] == record["amount"]

        with_client(deployment, MONEY, mode, talk)

    def test_refusals(self, deployment: Deployment, mode: str) -> None:
        """A tool result with a code; what is not granted and what does not exist are told alike."""

        async def talk(client: Client) -> None:
            async def code(tool: str, **arguments: Any) -> str:
                return refused_code(await client.call_tool(tool, arguments))

            existing = await client.call_tool("query_records", {"stream": "workouts"})
            invented = await client.call_tool("query_records", {"stream": "nothing"})
            assert existing == invented
            assert refused_code(existing) == "stream_not_allowed"
            assert await code("schema", stream="workouts") == "stream_not_allowed"
            assert await code("search", query="a", streams=["workouts"]) == "stream_not_allowed"
            for name in ("note", "id", "nothing"):
                money: dict[str, Any] = {"stream": "transactions"}
                assert await code("query_records", **money, fields=[name]) == "field_not_granted"
                assert await code("query_records", **money, order_by=name) == "field_not_granted"
                by_value = [{"field": name, "value": "x"}]
                assert await code("query_records", **money, filters=by_value) == "field_not_granted"
                assert await code("aggregate", **money, function="max", field=name) == "field_not_granted"
                assert await code("aggregate", **money, function="count", group_by=name) == "field_not_granted"
                assert await code("read_record_field", **money, record_id="x", field=name) == "field_not_granted"
            assert await code("fetch", stream="transactions", record_id="x") == "record_not_found"
            for arguments in (
                {"limit": 0},
                {"limit": MAX_LIMIT + 1},
                {"cursor": "x"},
                {"misspelt": 1},
                {"filters": [{"field": "amount", "value": "much"}]},
                {"filters": [{"field": "amount", "value": 1, "misspelt": 1}]},
                {"filters": [{"field": "amount", "value": 1}] * 11},
            ):
                assert await code("query_records", stream="transactions", **arguments) == "invalid_argument"
            with pytest.raises(MCPError, match="no tool of that name"):
                await client.call_tool("delete_everything", {})

        with_client(deployment, MONEY, mode, talk)

    def test_two_tokens_at_once_never_mix(self, deployment: Deployment, mode: str) -> None:
        """Each call reads under the token of its own request."""

        async def one(value: str, stream: str) -> None:
            async with (
                httpx2.AsyncClient(headers=bearer(value), timeout=5) as http_client,
                Client(
                    streamable_http_client(f"{deployment.origin}/mcp", http_client=http_client), mode=mode
                ) as client,
            ):
                for _ in range(8):
                    listed = content(await client.call_tool("schema", {}))["streams"]
                    assert [described["name"] for described in listed] == [stream]

        async def all_at_once() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(one, MUSIC, "saved_tracks")
                    group.start_soon(one, MONEY, "transactions")

        anyio.run(all_at_once)

    def test_a_package_is_the_union_of_its_grants(self, deployment: Deployment, mode: str) -> None:
        """Each stream in its own grant's bounds."""

        async def talk(client: Client) -> None:
            streams = content(await client.call_tool("schema", {}))["streams"]
            assert {stream["name"]: len(stream["fields"]) for stream in streams} == {
                "saved_tracks": 7,
                "transactions": 3,
            }

        with_client(deployment, PACKAGE, mode, talk)


class TestProtocol:
    META: Mapping[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }

    def modern(self, http: httpx.Client, **headers: str) -> httpx.Response:
        return http.post(
            "/mcp",
            headers=bearer(MUSIC)
            | {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}
            | {"Mcp-Method": "tools/call", "Mcp-Name": "schema"}
            | {name.replace("_", "-"): value for name, value in headers.items()},
            json={
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "schema", "arguments": {}, "_meta": self.META},
            },
        )

    def test_headers_that_agree_with_the_body(self, http: httpx.Client) -> None:
        """The positive control."""
        response = self.modern(http)
        assert response.status_code == 200
        assert response.json()["result"]["structuredContent"]["streams"][0]["name"] == "saved_tracks"

    @pytest.mark.parametrize("header", [{"Mcp_Method": "tools/list"}, {"Mcp_Name": "fetch"}])
    def test_headers_that_do_not(self, http: httpx.Client, header: dict[str, str]) -> None:
        """400, JSON-RPC error -32020 (2026-07-28)."""
        response = self.modern(http, **header)
        assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)

    def test_an_unsupported_protocol_version(self, http: httpx.Client) -> None:
        """400 in either era's form of request."""
        assert self.modern(http, MCP_Protocol_Version="1999-01-01").status_code == 400
        assert call(http, bearer(MUSIC) | {"MCP-Protocol-Version": "1999-01-01"}).status_code == 400

    def test_a_body_beyond_its_bound(self, http: httpx.Client, deployment: Deployment) -> None:
        """413, with and without a declared length."""
        most = deployment.settings.max_body_bytes
        headers = bearer(MUSIC) | {"Accept": "application/json", "Content-Type": "application/json"}
        assert http.post("/mcp", headers=headers, content=b" " * (most + 1)).status_code == 413
        pieces = (b" " * 1024 for _ in range(most // 1024 + 1))
        assert http.post("/mcp", headers=headers, content=pieces).status_code == 413

    def test_servers_come_and_go_in_one_process(self) -> None:
        """Stopped, started again, and several at a time."""
        for _ in range(2):
            with deployed() as first, deployed() as second:
                for running in (first, second):
                    with httpx.Client(base_url=running.origin, timeout=5) as client:
                        assert call(client, bearer(MUSIC)).status_code == 200

    def test_one_server_may_be_started_again(self) -> None:
        """The same object serves again after its lifespan was closed."""
        server = McpServer(Settings("http://127.0.0.1:1", "http://127.0.0.1:1"), CATALOGUE)

        async def run() -> None:
            for _ in range(2):
                async with server.lifespan():
                    pass

        anyio.run(run)


def view(*grants: Grant) -> StreamView:
    return View.of_grants(CATALOGUE, grants).stream("transactions")


class TestBounds:
    """What a grant leaves out is not there for any question."""

    OWNERS = View.of_owner(CATALOGUE).stream("transactions")

    def inside(self) -> list[Mapping[str, Any]]:
        return [
            record
            for record in self.OWNERS.stream.records
            if SINCE <= datetime.fromisoformat(record["booked_at"]) < UNTIL
        ]

    def test_counts_and_sums_are_of_the_time_range(self) -> None:
        """Nothing outside it is counted."""
        assert view(MONEY_GRANT).aggregate("count") == {"value": len(self.inside())}
        total = view(MONEY_GRANT).aggregate("sum", field="amount")["value"]
        assert total == pytest.approx(sum(record["amount"] for record in self.inside()))
        assert view(MONEY_GRANT).aggregate("min", field="booked_at") == {"value": self.inside()[0]["booked_at"]}

    def test_a_time_range_holds_without_its_field(self) -> None:
        """It bounds the records, and their order tells nothing of the time."""
        narrow = view(TIMELESS_GRANT)
        records = narrow.query(limit=MAX_LIMIT).records
        assert len(records) == len(self.inside())
        assert [record["_id"] for record in records] == sorted(record["_id"] for record in records)
        assert "time_field" not in narrow.describe()
        later = (Condition("booked_at", "gt", "2025-07-01T00:00:00Z"),)
        with pytest.raises(RefusedError, match="field_not_granted"):
            narrow.query(conditions=later)

    def test_the_range_is_half_open(self) -> None:
        """``since`` is in, ``until`` is not."""
        moment = datetime.fromisoformat(self.OWNERS.stream.records[5]["booked_at"])
        for time_range, count in ((TimeRange(since=moment), 125), (TimeRange(until=moment), 5)):
            bounded = grant("bounded", BANK, StreamAccess("transactions", time_range=time_range))
            assert view(bounded).aggregate("count")["value"] == count

    def test_search_looks_only_into_granted_fields(self) -> None:
        """A text that stands only in an ungranted one is not found."""
        owner = View.of_owner(CATALOGUE).search("prescription refill")
        assert {tuple(match["matched_fields"]) for match in owner["matches"]} == {("note",)}
        assert View.of_grants(CATALOGUE, [MONEY_GRANT]).search("prescription refill")["matches"] == []

    def test_addresses_are_the_grant_s_own(self) -> None:
        """They tell neither the key nor, to two clients together, that a record is the same."""
        narrow, timeless = view(MONEY_GRANT), view(TIMELESS_GRANT)
        mine = {record["_id"] for record in narrow.query(limit=MAX_LIMIT).records}
        theirs = {record["_id"] for record in timeless.query(limit=MAX_LIMIT).records}
        keys = {record["id"] for record in self.inside()}
        assert not mine & theirs
        assert not mine & keys
        for address in (theirs | keys).pop(), self.OWNERS.query().records[0]["_id"]:
            with pytest.raises(RefusedError, match="record_not_found"):
                narrow.fetch(address)
            with pytest.raises(RefusedError, match="invalid_argument"):
                narrow.query(cursor=address)

    def test_pages_join_without_gap_or_overlap(self) -> None:
        """In either direction, by any field."""
        for order_by in (None, "amount", "category"):
            for descending in (False, True):
                seen: list[str] = []
                cursor = None
                while True:
                    page = self.OWNERS.query(order_by=order_by, descending=descending, limit=13, cursor=cursor)
                    seen += [record["_id"] for record in page.records]
                    cursor = page.next_cursor
                    if cursor is None:
                        break
                assert len(seen) == len(set(seen)) == len(self.OWNERS.stream.records)

    @pytest.mark.parametrize(
        ("condition", "met"),
        [
            (Condition("booked_at", "gte", "2025-12-01"), True),
            (Condition("booked_at", "lt", "0001-01-01T00:00:00+14:00"), False),
            (Condition("currency", "ne", "CHF"), False),
            (Condition("amount", "gt", 10**30), False),
        ],
    )
    def test_conditions_at_the_edges(self, condition: Condition, met: bool) -> None:
        """Dates without a time, and extreme values, compare like any other."""
        assert (self.OWNERS.aggregate("count", conditions=[condition])["value"] > 0) is met

    def test_aggregates(self) -> None:
        """Grouped, of nothing, and refused where they make no sense."""
        groups = self.OWNERS.aggregate("avg", field="amount", group_by="category")["groups"]
        assert [group["group"] for group in groups] == sorted(group["group"] for group in groups)
        nothing = [Condition("category", "eq", "nothing")]
        assert self.OWNERS.aggregate("sum", field="amount", conditions=nothing) == {"value": 0}
        assert self.OWNERS.aggregate("max", field="amount", conditions=nothing) == {"value": None}
        for function, name in (("sum", "category"), ("max", "note"), ("avg", None), ("count", "amount")):
            with pytest.raises(RefusedError, match="invalid_argument"):
                self.OWNERS.aggregate(function, field=name)  # type: ignore[arg-type]

    def test_a_source_that_is_gone_gives_nothing(self) -> None:
        """A grant for what the deployment no longer has stays harmless."""
        assert View.of_grants(CATALOGUE, [grant("gone", "https://gone.example", StreamAccess("x"))]).streams == []


def test_the_check_reads_nothing_but_headers(deployment: Deployment) -> None:
    """It can be asked without a server, which is how a faulty one is put in its place."""
    check = BearerCheck(deployment.settings, deployment.tokens)
    assert check.at_mcp(Headers(bearer(MUSIC))).grants == (MUSIC_GRANT,)
    assert check.at_rest(Headers(bearer(OWNER))).kind == "owner"
