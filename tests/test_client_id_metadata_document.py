"""Client ID metadata documents, fetched from a real TLS server on loopback; and what is never connected to."""

from __future__ import annotations

import gzip
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pdpp_reference.authorization_server import client_id_metadata_document
from pdpp_reference.authorization_server.client_id_metadata_document import (
    MAX_DOCUMENT_BYTES,
    MAX_FETCHES_AT_ONCE,
    MAX_REFUSALS_REMEMBERED,
    REFUSAL_REMEMBERED_SECONDS,
    HttpsMetadataDocuments,
    is_public,
)
from pdpp_reference.authorization_server.clients import METADATA_DOCUMENT_LIFETIME_SECONDS, Clients
from pdpp_reference.clock import MovableClock
from pdpp_reference.errors import OAuthError
from pdpp_reference.storage.store import open_store

HOST = "client.example"
GENERAL = "the client_id is not the URL of a usable client ID metadata document"


@dataclass
class Site:
    """A web server with TLS for ``client.example``, and what was asked of it."""

    port: int
    trusted: ssl.SSLContext
    """Trusts the authority that certified the site."""
    answer: Callable[[BaseHTTPRequestHandler], None] = lambda _: None
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """Host header, server name of the TLS handshake, and target of each request."""

    def url(self, target: str = "/client.json", host: str = HOST) -> str:
        return f"https://{host}:{self.port}{target}"

    def document(self, **changed: Any) -> dict[str, Any]:
        """Return a good document; ``None`` takes a member away."""
        document = {
            "client_id": self.url(),
            "client_name": "Example",
            "redirect_uris": ["https://client.example/cb"],
            "token_endpoint_auth_method": "none",
            "unknown": {"member": 1},
            **changed,
        }
        return {name: value for name, value in document.items() if value is not None}

    def serves(self, content: object, *, status: int = 200, **headers: str) -> None:
        """Answer every request with this content: bytes as they are, anything else as JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"content_type": "application/json", **headers}.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        self.answer = answer

    def documents(
        self,
        clock: MovableClock | None = None,
        *,
        addresses: Sequence[str] = ("127.0.0.1",),
        tls: ssl.SSLContext | None = None,
    ) -> HttpsMetadataDocuments:
        """Return the thing under test, with every name on loopback and loopback allowed."""
        return HttpsMetadataDocuments(
            clock or MovableClock(),
            resolver=lambda _host, _port: addresses,
            allowed=lambda address: address.is_loopback,
            tls=tls or self.trusted,
        )


def certify(folder: Path) -> tuple[Path, Path]:
    """Make an authority and have it certify ``client.example``; return its certificate, and the site's with key."""
    authority_key, site_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    now = datetime.now(UTC)

    def builder(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
        )

    root = (
        builder(authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]), site_key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    root_file, site_file = folder / "authority.pem", folder / "site.pem"
    root_file.write_bytes(root.public_bytes(pem))
    key = site_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    site_file.write_bytes(leaf.public_bytes(pem) + key)
    return root_file, site_file


@pytest.fixture(scope="module")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root_file, site_file = certify(tmp_path_factory.mktemp("certificates"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(site_file)
    server_names: list[str] = []
    tls.sni_callback = lambda _socket, name, _context: server_names.append(name)

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            running.seen.append((self.headers["Host"], server_names[-1], self.requestline.split()[1]))
            running.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    # The handshake happens in the handler's thread, so that a client that never speaks holds up nobody else.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    running = Site(server.server_address[1], ssl.create_default_context(cafile=root_file))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield running
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(running_site: Site) -> Site:
    running_site.seen.clear()
    running_site.serves(running_site.document())
    return running_site


@contextmanager
def canary(
    family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1"
) -> Iterator[tuple[int, list[object]]]:
    """A listener that nobody should connect to: its port, and who did."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
        listener.listen()
        listener.setblocking(False)
        visitors: list[object] = []
        yield listener.getsockname()[1], visitors
        try:
            while True:
                connection, address = listener.accept()
                connection.close()
                visitors.append(address)
        except BlockingIOError:
            pass


def assert_unusable(documents: HttpsMetadataDocuments, client_id: str) -> None:
    with pytest.raises(OAuthError) as refusal:
        documents.fetch(client_id)
    assert (refusal.value.error, refusal.value.description) == ("invalid_client", GENERAL)


class TestGoodDocuments:
    def test_its_metadata_is_what_a_registration_would_give(self, site: Site) -> None:
        """The document is asked for once, by its name, and passes the checks of a registration."""
        assert site.documents().fetch(site.url()) == {
            "client_name": "Example",
            "redirect_uris": ["https://client.example/cb"],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        assert site.seen == [(f"{HOST}:{site.port}", HOST, "/client.json")]

    @pytest.mark.parametrize("target", ["/a%20b/c;d=e/@f.json", "/client.json?version=1&x=%2Fy", "//", "/a/"])
    def test_the_url_is_sent_as_it_is(self, site: Site, target: str) -> None:
        """Nothing of path and query is normalized on the way."""
        site.serves(site.document(client_id=site.url(target)), content_type="application/client+json; charset=utf-8")
        site.documents().fetch(site.url(target))
        assert site.seen[-1][2] == target

    def test_the_largest_document(self, site: Site) -> None:
        """Five kibibytes are allowed, one byte more is not."""
        fill = MAX_DOCUMENT_BYTES - len(json.dumps(site.document(fill="")))
        site.serves(site.document(fill="x" * fill))
        site.documents().fetch(site.url())
        site.serves(site.document(fill="x" * (fill + 1)))
        assert_unusable(site.documents(), site.url())

    def test_an_unreachable_address_is_passed_over(self, site: Site) -> None:
        """Where a vetted address refuses the connection, the next one is tried."""
        assert site.documents(addresses=["127.0.0.2", "127.0.0.1"]).fetch(site.url())

    def test_a_known_client_is_not_fetched_again_until_it_has_aged(self, site: Site) -> None:
        """What the documents say becomes a client, for ten minutes."""
        clock, store = MovableClock(), open_store("sqlite://")
        clients = Clients(store, clock, site.documents(clock))
        assert clients.get(site.url()).name == "Example"
        site.serves(site.document(client_name="Renamed"))
        assert clients.get(site.url()).name == "Example"
        clock.advance(METADATA_DOCUMENT_LIFETIME_SECONDS + 1)
        assert clients.get(site.url()).name == "Renamed"
        assert len(site.seen) == 2
        store.close()


class TestBadDocuments:
    @pytest.mark.parametrize(
        "changed",
        [
            {"client_id": None},
            {"client_id": "https://client.example/client.json"},
            {"client_id": 1},
            {"client_secret": ""},
            {"client_secret_expires_at": 0},
            {"token_endpoint_auth_method": "client_secret_basic"},
            {"token_endpoint_auth_method": "private_key_jwt"},
            {"client_name": None},
            {"client_name": "a\nb"},
            {"redirect_uris": None},
            {"redirect_uris": []},
            {"redirect_uris": ["javascript:alert(1)"]},
            {"redirect_uris": "https://client.example/cb"},
            {"grant_types": ["password"]},
            {"logo_uri": "http://client.example/logo.png"},
        ],
    )
    def test_members(self, site: Site, changed: dict[str, Any]) -> None:
        """A document names itself, is of a public client, and declares good metadata."""
        site.serves(site.document(**changed))
        assert_unusable(site.documents(), site.url())
        assert len(site.seen) == 1

    def test_a_name_in_other_spelling(self, site: Site) -> None:
        """The client_id is compared code point for code point."""
        upper = site.url(host=HOST.upper())
        assert_unusable(site.documents(), upper)

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000, b'{"client_id": NaN}', b'{"a": 1, "a": 1}'],
        ids=["empty", "array", "null", "cut", "no UTF-8", "deep", "NaN", "repeated"],
    )
    def test_bodies(self, site: Site, body: bytes) -> None:
        """What is no JSON object is no document."""
        site.serves(body)
        assert_unusable(site.documents(), site.url())

    @pytest.mark.parametrize("status", [201, 204, 304, 404, 500])
    def test_statuses(self, site: Site, status: int) -> None:
        """Only a 200 is an answer."""
        site.serves(site.document(), status=status)
        assert_unusable(site.documents(), site.url())

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, site: Site, status: int) -> None:
        """A redirect is the end: the place it points to sees nothing."""
        with canary() as (port, visitors):
            site.serves(b"", status=status, location=f"https://127.0.0.1:{port}/client.json")
            assert_unusable(site.documents(), site.url())
        assert len(site.seen) == 1
        assert visitors == []

    @pytest.mark.parametrize("media_type", ["text/html", "text/json", "application/jsonx", "application/+json", ""])
    def test_media_types(self, site: Site, media_type: str) -> None:
        """A document is JSON by its media type too."""
        site.serves(site.document(), content_type=media_type)
        assert_unusable(site.documents(), site.url())

    def test_a_bomb(self, site: Site) -> None:
        """An encoded body is not decoded, however small it is."""
        site.serves(gzip.compress(json.dumps(site.document(fill="x" * 10_000_000)).encode()), content_encoding="gzip")
        assert_unusable(site.documents(), site.url())

    def test_an_endless_body(self, site: Site) -> None:
        """Reading stops at the bound."""

        def endless(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.end_headers()
            while True:
                handler.wfile.write(b" " * 4096)

        site.answer = endless
        started = time.monotonic()
        assert_unusable(site.documents(), site.url())
        assert time.monotonic() - started < 2


class TestTime:
    @pytest.fixture(autouse=True)
    def half_a_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_id_metadata_document, "TOTAL_SECONDS", 0.5)

    def assert_bounded(self, documents: HttpsMetadataDocuments, client_id: str) -> None:
        started = time.monotonic()
        assert_unusable(documents, client_id)
        assert time.monotonic() - started < 1

    @pytest.mark.parametrize("part", ["headers", "body"])
    def test_a_byte_now_and_then(self, site: Site, part: str) -> None:
        """The bound is on the whole, so that a trickle of bytes does not stretch it."""

        def trickle(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            handler.wfile.write(b"\r\n" if part == "body" else b"X: ")
            for _ in range(40):
                handler.wfile.write(b" ")
                time.sleep(0.05)

        site.answer = trickle
        self.assert_bounded(site.documents(), site.url())

    def test_a_server_that_never_speaks(self, site: Site) -> None:
        """A handshake that does not begin ends in time as well."""
        with canary() as (port, visitors):
            self.assert_bounded(site.documents(), f"https://{HOST}:{port}/client.json")
        assert len(visitors) == 1

    def test_a_resolver_that_never_answers(self, site: Site) -> None:
        """Resolving counts, and leaves the caller in time though its thread goes on."""
        gone = threading.Event()

        def slow(_host: str, _port: int) -> Sequence[str]:
            gone.wait(5)
            return ["127.0.0.1"]

        documents = HttpsMetadataDocuments(MovableClock(), resolver=slow, tls=site.trusted)
        self.assert_bounded(documents, site.url())
        gone.set()

    def test_too_many_at_once(self, site: Site) -> None:
        """More fetches than the bound are put off instead of occupying the server."""
        documents = site.documents()
        with canary() as (port, _), ThreadPoolExecutor(MAX_FETCHES_AT_ONCE) as pool:
            waiting = [
                pool.submit(assert_unusable, documents, f"https://{HOST}:{port}/{number}")
                for number in range(MAX_FETCHES_AT_ONCE)
            ]
            time.sleep(0.05)
            with pytest.raises(OAuthError) as refusal:
                documents.fetch(site.url())
            for fetch in waiting:
                fetch.result()
        assert (refusal.value.error, refusal.value.status) == ("temporarily_unavailable", 503)
        assert "Retry-After" in refusal.value.headers
        assert documents.fetch(site.url())


class TestTls:
    def test_the_certificate_is_verified_against_the_name(self, site: Site) -> None:
        """A certificate of another name is refused although the address is the right one."""
        for host in ("other.example", "127.0.0.1"):
            assert_unusable(site.documents(), site.url(host=host))
        assert site.seen == []

    def test_the_authority_must_be_known(self, site: Site) -> None:
        """By default the usual certification authorities count, and no others."""
        documents = HttpsMetadataDocuments(
            MovableClock(), resolver=lambda _host, _port: ["127.0.0.1"], allowed=lambda _: True
        )
        assert_unusable(documents, site.url())
        assert site.seen == []


class TestForgedRequests:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "[::ffff:127.0.0.1]"]
    )
    def test_loopback_by_any_name(self, host: str) -> None:
        """Nobody is connected to, however the address is written."""
        with canary() as (port, visitors):
            assert_unusable(HttpsMetadataDocuments(MovableClock()), f"https://{host}:{port}/client.json")
        assert visitors == []

    def test_loopback_over_ipv6(self) -> None:
        """The IPv6 loopback is no better."""
        with canary(socket.AF_INET6, "::1") as (port, visitors):
            assert_unusable(HttpsMetadataDocuments(MovableClock()), f"https://[::1]:{port}/client.json")
        assert visitors == []

    @pytest.mark.parametrize("addresses", [["127.0.0.1"], ["203.0.113.9", "127.0.0.1"], ["8.8.8.8", "127.0.0.1"], []])
    def test_every_address_of_a_name_counts(self, addresses: list[str]) -> None:
        """A name with one address that is not public is not connected to at any."""
        with canary() as (port, visitors):
            documents = HttpsMetadataDocuments(MovableClock(), resolver=lambda _host, _port: addresses)
            started = time.monotonic()
            assert_unusable(documents, f"https://{HOST}:{port}/client.json")
            assert time.monotonic() - started < 1
        assert visitors == []

    def test_a_name_is_resolved_once(self, site: Site) -> None:
        """A name that changes its address after the check gains nothing."""
        answers = [["127.0.0.1"], ["127.0.0.2"]]
        documents = HttpsMetadataDocuments(
            MovableClock(),
            resolver=lambda _host, _port: answers.pop(0),
            allowed=lambda address: str(address) == "127.0.0.1",
            tls=site.trusted,
        )
        assert documents.fetch(site.url())
        assert answers == [["127.0.0.2"]]

    def test_no_proxy_is_asked(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy in the environment would resolve the name itself, so it is not used."""
        with canary() as (port, visitors):
            for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
            assert site.documents().fetch(site.url())
        assert visitors == []

    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0",  # noqa: S104
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fe80::1%1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ],
    )
    def test_addresses_that_are_not_public(self, address: str) -> None:
        """Private, local, shared, reserved, documentation and multicast addresses, embedded ones included."""
        assert not is_public(ipaddress.ip_address(address))

    @pytest.mark.parametrize(
        "address",
        ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
    )
    def test_addresses_that_are_public(self, address: str) -> None:
        """Globally routable unicast addresses, embedded ones included."""
        assert is_public(ipaddress.ip_address(address))


class TestUrls:
    @pytest.mark.parametrize(
        "client_id",
        [
            "https://client.example",
            "https://client.example/",
            "https://client.example/#",
            "https://client.example/a#b",
            "https://client.example/a#",
            "https://user@client.example/a",
            "https://user:password@client.example/a",
            "https://@client.example/a",
            "https://client.example/./a",
            "https://client.example/a/../b",
            "https://client.example/a/%2e%2E/b",
            "https://client.example/a/.%2e",
            "https://client.example/..",
            "https://client.example:0/a",
            "https://client.example:65536/a",
            "https://client.example:/a",
            "https://client.example\\@evil.example/a",
            "https://client.example/a b",
            "https://client.example/a\n",
            "https://client.example/%zz",
            "https://clïent.example/a",
            "https://client.example/" + "a" * 500,
            "https:///a",
            "https://[::1/a",
            "http://client.example/a",
        ],
    )
    def test_urls_that_are_never_resolved(self, client_id: str) -> None:
        """A URL of the wrong form is refused before anything leaves this server."""
        asked: list[str] = []

        def resolver(host: str, _port: int) -> Sequence[str]:
            asked.append(host)
            return []

        assert_unusable(HttpsMetadataDocuments(MovableClock(), resolver=resolver), client_id)
        assert asked == []


class TestRememberedRefusals:
    def test_a_refusal_holds_for_a_minute(self, site: Site) -> None:
        """A URL that failed is not asked again at once, so that this server cannot be used to hammer another."""
        clock = MovableClock()
        documents = site.documents(clock)
        site.serves(b"", status=404)
        for _ in range(3):
            assert_unusable(documents, site.url())
        assert len(site.seen) == 1
        site.serves(site.document())
        clock.advance(REFUSAL_REMEMBERED_SECONDS + 1)
        assert documents.fetch(site.url())

    def test_only_so_many_are_remembered(self) -> None:
        """The oldest refusal makes room for the newest."""
        asked: list[int] = []

        def resolver(_host: str, port: int) -> Sequence[str]:
            asked.append(port)
            return []

        documents = HttpsMetadataDocuments(MovableClock(), resolver=resolver)
        for port in range(1, MAX_REFUSALS_REMEMBERED + 2):
            assert_unusable(documents, f"https://{HOST}:{port}/a")
        assert_unusable(documents, f"https://{HOST}:2/a")
        assert_unusable(documents, f"https://{HOST}:1/a")
        assert asked == [*range(1, MAX_REFUSALS_REMEMBERED + 2), 1]
