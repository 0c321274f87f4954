"""An https host of the harness's own for client metadata documents, and a listener that nothing may reach.

The host has a name that exists for nobody but the server that is told of it, a certificate from an authority made for
this run, and its port on loopback.
"""

from __future__ import annotations

import datetime
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "documents.example"
LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.02
_HANDSHAKE_SECONDS = 5.0
_LINGER_SECONDS = 0.05
"""How long a canary listens on when an answer has come, for a server that connects beside its answering."""


@dataclass(frozen=True)
class Page:
    """What is answered for a path."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


class DocumentHost:
    """Serves what is published, from the first document on.

    Args:
        authorities: the context of those who fetch documents; they are made to trust this host's authority.
    """

    def __init__(self, authorities: ssl.SSLContext) -> None:
        self._authorities = authorities
        self._server: _Server | None = None
        self._published = 0
        self._standing: dict[str, str] = {}

    def url(self, name: str) -> str:
        """Return a URL of this host at which nothing has stood before."""
        self._published += 1
        return f"https://{HOST}:{self._started().server_port}/{self._published}/{name}"

    def standing(self, name: str, write: Callable[[str], bytes]) -> str:
        """Return the URL of the one document of that name, written for its URL at the first call."""
        if name not in self._standing:
            self._standing[name] = self.url(name)
            self.publish(self._standing[name], Page(write(self._standing[name])))
        return self._standing[name]

    def publish(self, url: str, page: Page) -> None:
        """Let ``url`` answer with a page."""
        self._started().pages[url.partition(f":{self._started().server_port}")[2]] = page

    def asked_for(self, url: str) -> int:
        """Return how often ``url`` was asked for."""
        return self._started().asked.count(url.partition(f":{self._started().server_port}")[2])

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _started(self) -> _Server:
        if self._server is None:
            self._server = _Server(_server_side(self._authorities))
            threading.Thread(
                target=self._server.serve_forever,
                kwargs={"poll_interval": _POLL_SECONDS},
                name="document-host",
                daemon=True,
            ).start()
        return self._server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no concern of this host's."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _HANDSHAKE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path, Page(status=404))
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


def _server_side(trusting: ssl.SSLContext) -> ssl.SSLContext:
    """Make an authority that ``trusting`` trusts from now on, and return a context with a certificate from it."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PDPP conformance run")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    can_sign = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(can_sign, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _certificate(authority_name, name, key)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    trusting.load_verify_locations(cadata=authority.public_bytes(serialization.Encoding.DER))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="pdpp-documents-") as folder:
        pem = Path(folder) / "server.pem"  # OpenSSL reads keys from files alone
        pem.touch(mode=0o600)
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(pem)
    return context


def _certificate(issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
    )


class Canary:
    """A listener on one loopback port, IPv4 and where there is one IPv6, that counts who connects."""

    def __init__(self) -> None:
        self._connections = 0
        self._listening = [socket.create_server((LOOPBACK, 0))]
        self.port: int = self._listening[0].getsockname()[1]
        with suppress(OSError):  # no IPv6 here, or the port is taken there
            self._listening.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._count, args=(listening,), name="canary", daemon=True)
            for listening in self._listening
        ]

    def seen(self) -> int:
        """Return how many connections there were, after listening a moment longer."""
        self._stopping.wait(_LINGER_SECONDS)
        return self._connections

    def __enter__(self) -> Canary:
        for listening, thread in zip(self._listening, self._threads, strict=True):
            listening.settimeout(_POLL_SECONDS)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for listening in self._listening:
            listening.close()

    def _count(self, listening: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._connections += 1
            connection.close()
