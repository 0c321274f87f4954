"""A server on loopback that goes by a script and records what it is asked."""

from __future__ import annotations

import json
import secrets
import select
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pdpp_conformance.client_bench.clock import BenchClock
from pdpp_conformance.client_bench.script import UNKNOWN_MEMBERS, Script
from pdpp_conformance.exchange import Exchange, Recorder

DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
MOST_BODY_BYTES = 256 * 1024
MOST_REQUESTS = 400
_HANG_SECONDS = 60.0
_STOP_SECONDS = 5
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_CHALLENGED_METADATA = "/metadata-of-this-resource"


@dataclass
class Received:
    """One request, and what became of it."""

    number: int
    where: str
    """Which endpoint or document it was for; a poll is for ``token``."""
    server: int
    step: int
    at: float
    """On the bench's clock."""
    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: str = field(repr=False)
    clock: BenchClock = field(repr=False)
    answered: str = ""
    closed_at: float | None = None
    """When the connection was closed, where nothing was answered."""

    @property
    def gave_up_at(self) -> float | None:
        """When the client gave up to wait for an answer; None where it got one, or the connection was dropped."""
        return None if self.closed_at is None else self.clock.abandoned(self.at, self.closed_at)

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters of a form, each with its last value."""
        return {name: values[-1] for name, values in parse_qs(self.body, keep_blank_values=True).items()}

    @property
    def bearer(self) -> str | None:
        """The token in the ``Authorization`` header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else None

    def carries(self, secret: str) -> bool:
        """Whether the secret is anywhere in it."""
        return any(secret in text for text in (self.target, self.body, *self.headers.values()))


@dataclass(frozen=True)
class _Reply:
    status: int
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> str:
        error = self.members.get("error")
        return f"{self.status} {error}" if isinstance(error, str) else str(self.status)


class Stage:
    """One server of a play, from its making on."""

    def __init__(self, recorder: Recorder, received: list[Received], index: int, *, tls: bool = False) -> None:
        self.tokens: list[str] = []
        """Every access and refresh token that was issued here."""
        self.device_codes: list[str] = []
        self.client_ids: list[str] = []
        self.user_codes: list[str] = []
        self.elsewhere: str | None = None
        """The origin that redirects lead to."""
        self._recorder = recorder
        self._received = received
        self._index = index
        self._step = 0
        self._script = Script()
        self._polls = self._uses = 0
        self._clock: BenchClock
        self._stopping = threading.Event()
        self._server = _Server(self)
        scheme = "http"
        if tls:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.TemporaryDirectory(prefix="pdpp-stage-") as folder:
                context.load_cert_chain(_self_signed(Path(folder) / "server.pem"))
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.origin = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="bench-stage")
        self._thread.daemon = True
        self._thread.start()

    @property
    def url(self) -> str:
        """The MCP server's URL."""
        return f"{self.origin}/mcp"

    @property
    def issuer(self) -> str:
        return self.origin + self._script.issuer_path

    @property
    def verification_uri(self) -> str:
        """What a person is to open."""
        return self._script.verification_uri or f"{self.origin}/device"

    def follow(self, script: Script, clock: BenchClock, step: int) -> None:
        """Go by a script from now on."""
        self._script, self._clock, self._step = script, clock, step
        self._polls = self._uses = 0

    def stop(self) -> None:
        """Stop serving; who is kept waiting is let go."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_STOP_SECONDS)

    # -- one request -------------------------------------------------------------------------------------------------

    def take(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        """Record a request and answer it by the script."""
        path = urlsplit(handler.path).path
        where = self._where(path)
        received = Received(
            len(self._received),
            where,
            self._index,
            self._step,
            self._clock.now(),
            handler.command,
            handler.path,
            {name.lower(): value for name, value in handler.headers.items()},
            body,
            self._clock,
        )
        self._received.append(received)
        started = time.time()
        too_many = len(self._received) > MOST_REQUESTS
        reply = _Reply(503) if too_many else self._reply(where, received)
        if isinstance(reply, str):
            received.answered = reply
            self._record(received, None, b"", started)
            if reply == "hang":
                if self._clock.keep_unanswered():
                    self._hang(handler.connection)
                received.closed_at = self._clock.now()
            _break_off(handler.connection)
            return
        received.answered = reply.told
        content = b"" if reply.status == 307 else json.dumps(reply.members).encode()
        self._record(received, reply, content, started)
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", "Cache-Control": "no-store", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        with suppress(OSError):
            handler.wfile.write(content)

    def _where(self, path: str) -> str:
        prefix = self._script.issuer_path
        servers = [
            f"/.well-known/oauth-authorization-server{prefix}",
            f"/.well-known/openid-configuration{prefix}",
            f"{prefix}/.well-known/openid-configuration",
        ]
        known = {
            "/mcp": "mcp",
            _CHALLENGED_METADATA: "resource metadata: challenge",
            "/.well-known/oauth-protected-resource/mcp": "resource metadata: inserted",
            "/.well-known/oauth-protected-resource": "resource metadata: root",
            f"{prefix}/register": "registration",
            f"{prefix}/device_authorization": "device authorization",
            f"{prefix}/token": "token",
            f"{prefix}/authorize": "authorization",
            "/owner/device_authorization": "owner's device authorization",
            "/owner/token": "owner's token",
            **{url: f"server metadata: {number}" for number, url in reversed(list(enumerate(servers)))},
        }
        if path in known:
            return known[path]
        if path.startswith("/decoy/") or path.startswith("/.well-known/o"):
            return "decoy"
        return "elsewhere"

    def _reply(self, where: str, received: Received) -> _Reply | str:
        if self._script.hangs_at_first:
            return "hang"
        kind, _, which = where.partition(": ")
        replies = {
            "mcp": lambda: self._mcp(received),
            "resource metadata": lambda: self._resource_metadata(which),
            "server metadata": lambda: self._server_metadata(int(which)),
            "registration": self._registration,
            "device authorization": self._codes,
            "token": lambda: self._poll(received),
            "decoy": lambda: self._decoy(received),
            "owner's device authorization": self._codes,
            "owner's token": self._token,
        }
        return replies.get(kind, lambda: _Reply(404))()

    # -- the resource ------------------------------------------------------------------------------------------------

    def _mcp(self, received: Received) -> _Reply:
        if received.bearer is None:
            return _Reply(401, headers={"WWW-Authenticate": self._challenge(None, self._script.scope)})
        use = self._script.uses[min(self._uses, len(self._script.uses) - 1)]
        self._uses += 1
        if use.redirected and self.elsewhere is not None:
            return _Reply(307, headers={"Location": f"{self.elsewhere}/mcp"})
        if use.status in (401, 403):
            scope = use.scope and use.scope.replace("{n}", str(self._uses))
            error = "insufficient_scope" if use.status == 403 else "invalid_token"
            return _Reply(use.status, headers={"WWW-Authenticate": self._challenge(error, scope)})
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "bench", "version": "1"}}
        try:
            identifier = json.loads(received.body or "{}").get("id")
        except (ValueError, AttributeError):
            identifier = None
        return _Reply(use.status, {"jsonrpc": "2.0", "id": identifier, "result": {**result, "tools": []}})

    def _challenge(self, error: str | None, scope: str | None) -> str:
        named = self._script.challenged_with == "metadata"
        place = (
            _CHALLENGED_METADATA
            if "challenge" in self._script.metadata_at
            else "/.well-known/oauth-protected-resource/mcp"
        )
        parameters = {
            "realm": "bench",
            "error": error,
            "resource_metadata": f"{self.origin}{place}" if named else None,
            "scope": scope,
        }
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items() if value)

    def _resource_metadata(self, place: str) -> _Reply:
        if place not in self._script.metadata_at:
            return _Reply(404)
        members: dict[str, Any] = {
            "resource": self._script.resource_told or (self.origin if place == "root" else self.url),
            "authorization_servers": [self.issuer],
            "bearer_methods_supported": ["header"],
        }
        if not self._script.device_authorization:
            members["pdpp_owner_agent_onboarding"] = {
                "profile": "trusted_owner_agent",
                "pdpp_token_kind": "owner",
                "mcp_owner_bearer_rejected": True,
                "device_authorization_endpoint": f"{self.origin}/owner/device_authorization",
                "token_endpoint": f"{self.origin}/owner/token",
            }
        return _Reply(200, self._with_unknown("resource", members))

    # -- the authorization server ------------------------------------------------------------------------------------

    def _server_metadata(self, place: int) -> _Reply:
        if place != self._script.server_metadata_at:
            return _Reply(404)
        issuer = (self._script.issuer_told or "{issuer}").replace("{issuer}", self.issuer)
        members = self._issuer_metadata(issuer, self.issuer)
        return _Reply(200, self._with_unknown("server", members))

    def _issuer_metadata(self, issuer: str, base: str) -> dict[str, Any]:
        members = {
            "issuer": issuer,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "registration_endpoint": f"{base}/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_details_types_supported": ["https://pdpp.dev/data-access"],
        }
        if self._script.device_authorization:
            members["device_authorization_endpoint"] = f"{base}/device_authorization"
            members["grant_types_supported"] = [*members["grant_types_supported"], DEVICE_CODE_GRANT]
        return members

    def _decoy(self, received: Received) -> _Reply:
        """Another authorization server on this origin, which the resource does not name."""
        path = urlsplit(received.target).path
        if not self._script.decoy:
            return _Reply(404)
        if path.startswith("/.well-known/oauth-authorization-server"):
            return _Reply(200, self._issuer_metadata(self.origin, f"{self.origin}/decoy"))
        kinds = {"/decoy/register": self._registration, "/decoy/device_authorization": self._codes}
        return kinds[path]() if path in kinds else self._token() if path == "/decoy/token" else _Reply(404)

    def _registration(self) -> _Reply:
        self.client_ids.append(f"client-{secrets.token_hex(8)}")
        return _Reply(
            201,
            {
                "client_id": self.client_ids[-1],
                "client_id_issued_at": int(time.time()),
                "grant_types": [DEVICE_CODE_GRANT, "refresh_token"],
                "token_endpoint_auth_method": "none",
            },
        )

    def _codes(self) -> _Reply:
        script = self._script
        drawn = [secrets.choice(_LETTERS) for _ in range(8)]
        self.user_codes.append(f"{''.join(drawn[:4])}-{''.join(drawn[4:])}")
        self.device_codes.append(secrets.token_urlsafe(32))
        query = script.complete_query or f"user_code={self.user_codes[-1]}"
        members: dict[str, Any] = {
            "device_code": self.device_codes[-1],
            "user_code": self.user_codes[-1],
            "verification_uri": self.verification_uri,
            "verification_uri_complete": f"{self.verification_uri}?{query}",
            "expires_in": script.expires_in,
        }
        if script.interval is not None:
            members["interval"] = script.interval
        return _Reply(200, self._with_unknown("codes", members))

    def _poll(self, received: Received) -> _Reply | str:
        if received.form.get("grant_type") != DEVICE_CODE_GRANT:
            return _Reply(400, {"error": "unsupported_grant_type"})
        poll = self._script.polls[min(self._polls, len(self._script.polls) - 1)]
        self._polls += 1
        if poll in ("hang", "drop"):
            return poll
        if poll == "token":
            return self._token()
        if poll.isdigit():
            return _Reply(int(poll))
        return _Reply(400, {"error": {"pending": "authorization_pending"}.get(poll, poll)})

    def _token(self) -> _Reply:
        self.tokens += [secrets.token_urlsafe(32), secrets.token_urlsafe(32)]
        members = {
            "access_token": self.tokens[-2],
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": self.tokens[-1],
        }
        return _Reply(200, self._with_unknown("token", members))

    def _with_unknown(self, document: str, members: dict[str, Any]) -> Mapping[str, Any]:
        return {**members, **UNKNOWN_MEMBERS} if document in self._script.unknown_in else members

    # -- the record --------------------------------------------------------------------------------------------------

    def _record(self, received: Received, reply: _Reply | None, content: bytes, started: float) -> None:
        exchange = Exchange(
            number=0,
            scenario=None,
            actor="the setup client",
            at=started,
            method=received.method,
            url=self.origin + received.target,
            request_headers=list(received.headers.items()),
            request_body=received.body or None,
            error=None if reply is not None else f"the script says {received.answered}",
        )
        if reply is not None:
            exchange.status = reply.status
            exchange.response_headers = [("Content-Type", "application/json"), *reply.headers.items()]
            exchange.response_body, exchange.response_bytes = content.decode(), len(content)
        with self._recorder.beside_the_scenarios("the setup client's bench"):
            self._recorder.record(exchange)
        received.number = exchange.number

    def _hang(self, connection: socket.socket) -> None:
        """Answer nothing until the client gives up."""
        ends = time.monotonic() + _HANG_SECONDS
        while not self._stopping.is_set() and time.monotonic() < ends:
            readable, _, _ = select.select([connection], [], [], 0.05)
            if readable:
                return


def _break_off(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no concern of this server's."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _HANG_SECONDS
    server: _Server

    def _take(self) -> None:
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(min(int(length) if length.isdigit() else 0, MOST_BODY_BYTES))
        self.server.stage.take(self, body.decode("utf-8", "replace"))

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = _take  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


def _self_signed(path: Path) -> Path:
    """Write a key and a certificate for loopback that no authority vouches for."""
    import datetime
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "PDPP conformance bench")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.touch(mode=0o600)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(encoded + certificate.public_bytes(serialization.Encoding.PEM))
    return path
