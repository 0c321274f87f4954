"""Client ID metadata documents: fetched from real TLS servers on loopback, and never from where they should not be."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server import client_id_metadata_document as under_test
from pdpp_reference.authorization_server.client_id_metadata_document import (
    MAX_DOCUMENT_BYTES,
    MAX_FETCHES_AT_ONCE,
    REFUSAL_REMEMBERED_SECONDS,
    Address,
    HttpsMetadataDocuments,
    is_public,
)
from pdpp_reference.authorization_server.clients import METADATA_DOCUMENT_LIFETIME_SECONDS
from pdpp_reference.clock import MovableClock
from pdpp_reference.errors import OAuthError
from pdpp_reference.setup_client.connect import ConnectOptions, connect
from pdpp_reference.setup_client.report import PlainReport
from pdpp_reference.setup_client.surroundings import Surroundings
from tests.conftest import DEVICE_CODE_GRANT, SPOTIFY, Deployment
from tests.test_kept_credentials import ApprovingTime

HOST = "client.example"
PATIENCE_SECONDS = 0.4


@dataclass
class Page:
    """What the document server answers with."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    pause_seconds: float = 0.0
    """Waited before each byte of the body."""
    release: threading.Event | None = None
    """Waited for before the answer begins."""


class DocumentServer(ThreadingHTTPServer):
    """An https server on loopback; it notes every request it gets."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str) -> str:
        """Return the https URL of a path here, under the name that the certificate is for."""
        return f"https://{HOST}:{self.port}{path}"

    def publish(self, path: str, page: Page | None = None, **members: Any) -> str:
        """Serve a page, or a client's document with some members replaced; return its URL."""
        url = self.url(path)
        document = {
            "client_id": url,
            "client_name": "A client with a document",
            "redirect_uris": ["https://client.example/callback"],
            "grant_types": ["authorization_code", DEVICE_CODE_GRANT],
            **members,
        }
        written = {name: value for name, value in document.items() if value is not None}
        self.pages[path] = page or Page(json.dumps(written).encode())
        return url

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: DocumentServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        page = self.server.pages.get(self.path, Page(status=404))
        if page.release is not None:
            page.release.wait(10)
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not page.pause_seconds:
            self.wfile.write(page.body)
            return
        for byte in page.body:
            self.wfile.write(bytes([byte]))
            if self.server.stopping.wait(page.pause_seconds):
                return

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@dataclass(frozen=True)
class Authority:
    """A certification authority of this test run's own, and a server's certificate from it."""

    ca: Path
    certificate: Path
    key: Path

    def server_side(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_side(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    usage = ("-addext", "keyUsage=critical,keyCertSign", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test authority", *usage)
    openssl("req", "-new", *key[:5], "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={HOST}")
    (folder / "names").write_text(f"subjectAltName=DNS:{HOST}\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    return Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")


@pytest.fixture(scope="module")
def running_server(authority: Authority) -> Iterator[DocumentServer]:
    with DocumentServer(authority.server_side()) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.stopping.set()
        serving.shutdown()
        thread.join(5)


@pytest.fixture
def server(running_server: DocumentServer) -> DocumentServer:
    """A document server that has nothing and was asked for nothing."""
    running_server.pages.clear()
    running_server.asked = []
    return running_server


@dataclass
class Canary:
    """A listener that no connection may reach."""

    port: int
    connections: int = 0


@pytest.fixture
def canary() -> Iterator[Canary]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.02)
        bird = Canary(listening.getsockname()[1])
        stop = threading.Event()

        def listen() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                bird.connections += 1
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield bird
        stop.set()
        thread.join(5)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes 5 s in earnest takes a fraction of one here."""
    monkeypatch.setattr(under_test, "TOTAL_SECONDS", PATIENCE_SECONDS)


def to_loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def anywhere(_host: str, _address: Address) -> bool:
    return True


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def documents(authority: Authority, clock: MovableClock) -> HttpsMetadataDocuments:
    """Fetches from the document server, whatever the host."""
    return HttpsMetadataDocuments(clock, resolver=to_loopback, allowed=anywhere, tls=authority.client_side())


def refused(documents: HttpsMetadataDocuments, client_id: str) -> None:
    """Check that a client_id is refused, with the one answer that tells nothing about why."""
    with pytest.raises(OAuthError) as refusal:
        documents.fetch(client_id)
    assert (refusal.value.error, refusal.value.status) == ("invalid_client", 400)
    assert refusal.value.description == "the client_id is not the URL of a usable client ID metadata document"
    assert refusal.value.__cause__ is None


class TestFetching:
    def test_a_document_is_read(self, server: DocumentServer, documents: HttpsMetadataDocuments) -> None:
        """What the document declares comes back checked, as a registration would."""
        url = server.publish("/client.json", unknown="ignored")
        assert documents.fetch(url) == {
            "client_name": "A client with a document",
            "redirect_uris": ["https://client.example/callback"],
            "grant_types": ["authorization_code", DEVICE_CODE_GRANT],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        ((path, headers),) = server.asked
        assert (path, headers["Host"]) == ("/client.json", f"{HOST}:{server.port}")
        assert headers["Accept"] == "application/json"
        assert not {"Cookie", "Authorization", "Referer"} & set(headers)

    @pytest.mark.parametrize(
        "media_type", ["application/json; charset=utf-8", "Application/JSON", "application/client-id+json"]
    )
    def test_json_by_any_name(self, server: DocumentServer, documents: HttpsMetadataDocuments, media_type: str) -> None:
        """Parameters, case and a structured suffix of the media type do not matter."""
        url = server.publish("/client.json")
        server.pages["/client.json"].headers = {"Content-Type": media_type}
        assert documents.fetch(url)

    def test_a_query_belongs_to_the_url(self, server: DocumentServer, documents: HttpsMetadataDocuments) -> None:
        """The URL is asked for as it is, escapes and query included."""
        assert documents.fetch(server.publish("/a%20b/c;d?e=f%2F"))
        assert server.asked[0][0] == "/a%20b/c;d?e=f%2F"

    def test_of_several_addresses_one_that_answers(
        self, server: DocumentServer, authority: Authority, clock: MovableClock
    ) -> None:
        """An address that refuses the connection does not end the fetch."""
        documents = HttpsMetadataDocuments(
            clock, resolver=lambda *_: ["127.0.0.2", "127.0.0.1"], allowed=anywhere, tls=authority.client_side()
        )
        assert documents.fetch(server.publish("/client.json"))

    def test_the_largest_document(self, server: DocumentServer, documents: HttpsMetadataDocuments) -> None:
        """5 KiB are read, and no byte more."""
        url = server.publish("/client.json")
        page = server.pages["/client.json"]
        page.body += b" " * (MAX_DOCUMENT_BYTES - len(page.body))
        assert documents.fetch(url)
        other = server.publish("/other.json")
        server.pages["/other.json"].body += b" " * (MAX_DOCUMENT_BYTES + 1 - len(server.pages["/other.json"].body))
        refused(documents, other)


class TestDocumentsThatAreNotUsed:
    @pytest.mark.parametrize(
        "members",
        [
            {"client_id": "https://client.example/client.json"},
            {"client_id": None},
            {"client_id": 1},
            {"client_name": None},
            {"redirect_uris": None},
            {"redirect_uris": []},
            {"redirect_uris": ["javascript:alert(1)"]},
            {"redirect_uris": ["https://client.example/#a"]},
            {"client_name": "a\u202eb"},
            {"client_secret": "secret"},
            {"client_secret_expires_at": 0},
            {"token_endpoint_auth_method": "client_secret_basic"},
            {"grant_types": ["implicit"]},
        ],
    )
    def test_by_what_they_say(
        self, server: DocumentServer, documents: HttpsMetadataDocuments, members: dict[str, Any]
    ) -> None:
        """A document names itself, has what MCP requires, holds no secret, and passes a registration's checks."""
        refused(documents, server.publish("/client.json", **members))
        assert len(server.asked) == 1

    @pytest.mark.parametrize("difference", ["/", "?a", "/CLIENT.json", ":443"])
    def test_by_another_name_for_themselves(
        self, server: DocumentServer, documents: HttpsMetadataDocuments, difference: str
    ) -> None:
        """Its own URL is the same string, with nothing folded."""
        other = server.url(difference) if difference == "/CLIENT.json" else server.url("/client.json") + difference
        refused(documents, server.publish("/client.json", client_id=other))

    @pytest.mark.parametrize(
        "page",
        [
            Page(b"not JSON"),
            Page(b"[]"),
            Page(b"\xff\xfe"),
            Page(b"[" * 5000),
            Page(b'{"client_id":"a","client_id":"b"}'),
            Page(b""),
            Page(b"{}", status=404),
            Page(b"{}", status=500),
            Page(b"{}", status=204),
            Page(b"x" * 200_000),
            Page(b"{}", headers={"Content-Type": "application/json", "Content-Length": "5000"}),
            Page(b"{}", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}),
        ],
        ids=lambda page: f"{page.status} {page.body[:20]!r}",
    )
    def test_by_what_they_are(self, server: DocumentServer, documents: HttpsMetadataDocuments, page: Page) -> None:
        """An answer that is no JSON object of at most 5 KiB under status 200 is not used."""
        refused(documents, server.publish("/client.json", page))

    @pytest.mark.parametrize("media_type", ["text/html", "text/plain", "application/jsonx", "application/json-seq", ""])
    def test_by_their_media_type(
        self, server: DocumentServer, documents: HttpsMetadataDocuments, media_type: str
    ) -> None:
        """A page that a person may have uploaded as text is no document, whatever it holds."""
        url = server.publish("/client.json")
        server.pages["/client.json"].headers = {"Content-Type": media_type} if media_type else {}
        refused(documents, url)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects(
        self, server: DocumentServer, documents: HttpsMetadataDocuments, canary: Canary, status: int
    ) -> None:
        """No redirect is followed, neither to another host nor to another path."""
        for target in (f"https://127.0.0.1:{canary.port}/client.json", server.publish("/target.json")):
            page = Page(b"{}", status, {"Content-Type": "application/json", "Location": target})
            refused(documents, server.publish(f"/{canary.port}-{len(target)}.json", page))
        assert canary.connections == 0
        assert "/target.json" not in [path for path, _ in server.asked]

    @pytest.mark.parametrize("page", [Page(b" " * 100, pause_seconds=0.05), Page(b"{}", release=threading.Event())])
    def test_slow_servers(self, server: DocumentServer, documents: HttpsMetadataDocuments, page: Page) -> None:
        """The time is bounded as a whole, however busily the bytes trickle."""
        url = server.publish("/client.json", page)
        refused(documents, url)
        if page.release is not None:
            page.release.set()

    def test_a_slow_resolver(self, authority: Authority, clock: MovableClock) -> None:
        """Waiting for the name counts too."""
        release = threading.Event()

        def resolver(_host: str, _port: int) -> Sequence[str]:
            release.wait(5)
            return ["127.0.0.1"]

        documents = HttpsMetadataDocuments(clock, resolver=resolver, allowed=anywhere, tls=authority.client_side())
        refused(documents, "https://client.example/client.json")
        release.set()


class TestTls:
    def test_an_unknown_authority(self, server: DocumentServer, clock: MovableClock) -> None:
        """A certificate that no usual authority issued is worth nothing."""
        documents = HttpsMetadataDocuments(clock, resolver=to_loopback, allowed=anywhere)
        refused(documents, server.publish("/client.json"))
        assert server.asked == []

    def test_another_hosts_certificate(self, server: DocumentServer, documents: HttpsMetadataDocuments) -> None:
        """The certificate is the client_id's host's, not the address's that was connected to."""
        for host in ("other.example", "127.0.0.1"):
            refused(documents, f"https://{host}:{server.port}/client.json")
        assert server.asked == []

    def test_no_tls_at_all(self, canary: Canary, documents: HttpsMetadataDocuments) -> None:
        """A server that does not speak TLS gets no request; and the canary sees what does reach it."""
        refused(documents, f"https://{HOST}:{canary.port}/client.json")
        assert canary.connections == 1


class TestForgedRequests:
    """This server is no way into other networks: a canary listens, and must see nothing."""

    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "localhost", "localhost."),  # noqa: S104
            *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
        ],
    )
    def test_names_of_this_machine(self, authority: Authority, clock: MovableClock, canary: Canary, host: str) -> None:
        """However loopback is spelt, nothing connects to it."""
        documents = HttpsMetadataDocuments(clock, tls=authority.client_side())
        refused(documents, f"https://{host}:{canary.port}/client.json")
        assert canary.connections == 0

    @pytest.mark.parametrize(
        "found",
        [
            ["127.0.0.1"],
            ["::ffff:127.0.0.1"],
            ["93.184.215.14", "127.0.0.1"],
            ["127.0.0.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
            [],
            ["nonsense"],
        ],
    )
    def test_names_that_resolve_to_it(
        self, authority: Authority, clock: MovableClock, canary: Canary, found: list[str]
    ) -> None:
        """Every address of a name is vetted before any is connected to."""
        documents = HttpsMetadataDocuments(clock, resolver=lambda *_: found, tls=authority.client_side())
        refused(documents, f"https://{HOST}:{canary.port}/client.json")
        assert canary.connections == 0

    def test_a_name_is_resolved_once(self, server: DocumentServer, authority: Authority, clock: MovableClock) -> None:
        """The connection goes to the address that was vetted; a second answer has no say (DNS rebinding)."""
        answers = iter([["127.0.0.1"], ["127.0.0.2"]])
        documents = HttpsMetadataDocuments(
            clock,
            resolver=lambda *_: next(answers),
            allowed=lambda _host, address: str(address) == "127.0.0.1",
            tls=authority.client_side(),
        )
        assert documents.fetch(server.publish("/client.json"))
        assert next(answers) == ["127.0.0.2"]

    def test_no_proxy_is_asked(
        self, documents: HttpsMetadataDocuments, server: DocumentServer, canary: Canary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Proxies of the environment would resolve the name themselves."""
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        assert documents.fetch(server.publish("/client.json"))
        assert canary.connections == 0

    @pytest.mark.parametrize(
        "client_id",
        [
            "http://{host}:{port}/client.json",
            "HTTPS://{host}:{port}/client.json",
            "https://user@{host}:{port}/client.json",
            "https://user:password@{host}:{port}/client.json",
            "https://{host}:{port}/client.json#fragment",
            "https://{host}:{port}/client.json#",
            "https://{host}:{port}",
            "https://{host}:{port}/",
            "https://{host}:{port}?client.json",
            "https://{host}:{port}/a/../client.json",
            "https://{host}:{port}/./client.json",
            "https://{host}:{port}/a/%2e%2E/client.json",
            "https://{host}:{port}/client json",
            "https://{host}:{port}/client.json\r\nX-Injected: a",
            "https://{host}:{port}\\@evil.example/client.json",
            "https://{host}:{port}/%zz",
            "https://{host}:0/client.json",
            "https://{host}:65536/client.json",
            "https://{host}:-1/client.json",
            "https://{host}:/client.json",
            "https:///client.json",
            "https://h\u00f6st.example:{port}/client.json",
            "https://[::1%25lo]:{port}/client.json",
            "https://[::1:{port}/client.json",
            "https://{host}:{port}/" + "a" * 500,
            "file:///etc/passwd",
            "",
        ],
    )
    def test_what_is_no_client_id(
        self, authority: Authority, clock: MovableClock, canary: Canary, client_id: str
    ) -> None:
        """An https URL with a path, and without user information, fragment or dot segments; no other is resolved."""
        resolved: list[str] = []

        def resolver(host: str, _port: int) -> Sequence[str]:
            resolved.append(host)
            return ["127.0.0.1"]

        documents = HttpsMetadataDocuments(clock, resolver=resolver, allowed=anywhere, tls=authority.client_side())
        refused(documents, client_id.replace("{host}", HOST).replace("{port}", str(canary.port)))
        assert (resolved, canary.connections) == ([], 0)

    @pytest.mark.parametrize(
        "host", ["a..b", ".", "-", "a" * 64 + ".example", "no-such-name.invalid", "999.999.999.999"]
    )
    def test_names_that_cannot_be_resolved(self, authority: Authority, clock: MovableClock, host: str) -> None:
        """A name that is none is refused like any other."""
        refused(HttpsMetadataDocuments(clock, tls=authority.client_side()), f"https://{host}/client.json")

    @pytest.mark.parametrize(
        "address",
        [
            *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254"),  # noqa: S104
            *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.2.1", "192.168.0.1", "198.18.0.1"),
            *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
            *("::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::1"),
            *("100::1", "2001::1", "2001:2::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1"),
            *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1"),
        ],
    )
    def test_addresses_that_are_not_public(self, address: str) -> None:
        """Nothing of the special-purpose registries is connected to, nor an IPv6 address that embeds such an IPv4."""
        assert not is_public(ipaddress.ip_address(address))

    @pytest.mark.parametrize(
        "address",
        [
            "93.184.215.14",
            "1.1.1.1",
            "172.32.0.1",
            "192.169.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ],
    )
    def test_addresses_that_are(self, address: str) -> None:
        """Globally routable unicast addresses may be connected to."""
        assert is_public(ipaddress.ip_address(address))


class TestBounds:
    def test_a_refusal_is_remembered_a_minute(
        self, server: DocumentServer, documents: HttpsMetadataDocuments, clock: MovableClock
    ) -> None:
        """A document that was refused is not fetched again at once, and after a minute it is."""
        url = server.publish("/client.json", client_name=None)
        refused(documents, url)
        server.publish("/client.json")
        refused(documents, url)
        assert len(server.asked) == 1
        clock.advance(REFUSAL_REMEMBERED_SECONDS)
        assert documents.fetch(url)

    def test_only_so_many_refusals_are_remembered(
        self, server: DocumentServer, documents: HttpsMetadataDocuments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The oldest refusal makes room."""
        monkeypatch.setattr(under_test, "MAX_REFUSALS_REMEMBERED", 2)
        for path in ("/1", "/2", "/3", "/1"):
            refused(documents, server.url(path))
        assert [path for path, _ in server.asked] == ["/1", "/2", "/3", "/1"]

    def test_only_so_many_are_fetched_at_once(
        self, server: DocumentServer, documents: HttpsMetadataDocuments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When every slot is taken the next one is told when to come back, and slots are given back."""
        monkeypatch.setattr(under_test, "TOTAL_SECONDS", 10.0)
        release = threading.Event()
        urls = [server.publish(f"/{number}") for number in range(MAX_FETCHES_AT_ONCE)]
        for page in server.pages.values():
            page.release = release
        late = server.publish("/late")
        with ThreadPoolExecutor(MAX_FETCHES_AT_ONCE) as pool:
            fetches = [pool.submit(documents.fetch, url) for url in urls]
            while len(server.asked) < MAX_FETCHES_AT_ONCE:
                assert not any(fetch.done() for fetch in fetches)
            with pytest.raises(OAuthError) as refusal:
                documents.fetch(late)
            release.set()
            assert all(fetch.result(10) for fetch in fetches)
        assert (refusal.value.error, refusal.value.status) == ("temporarily_unavailable", 503)
        assert int(refusal.value.headers["Retry-After"]) > 0
        assert documents.fetch(late)


class TestInTheAuthorizationServer:
    """The whole way: a client known by its document alone."""

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, authority: Authority, start: Callable[..., Deployment]) -> Iterator[Deployment]:
        def adjust(parts: Collaborators) -> None:
            parts.clients._documents = HttpsMetadataDocuments(
                parts.clock, resolver=to_loopback, allowed=anywhere, tls=authority.client_side()
            )

        started = start(adjust=adjust)
        yield started
        started.http.close()
        started.server.stop()

    def test_a_client_by_document(self, served: Deployment, server: DocumentServer) -> None:
        """It goes through the device flow; its document is fetched once, and again when it has aged."""
        url = server.publish("/client.json")
        issued = served.device_tokens(url)
        assert served.introspect(issued["access_token"])["client_id"] == url
        assert len(server.asked) == 1
        served.clock.advance(METADATA_DOCUMENT_LIFETIME_SECONDS + 1)
        server.publish("/client.json", client_name="Renamed")
        user_code = served.start_device(url)["user_code"]
        client = served.pending(user_code).client
        assert (client.name, client.registration_mode) == ("Renamed", "client_id_metadata_document")
        assert len(server.asked) == 2

    def test_what_it_declares_is_enforced(self, served: Deployment, server: DocumentServer) -> None:
        """A document without the device grant gives no device codes."""
        url = server.publish("/code-only.json", grant_types=["authorization_code"])
        answer = served.post("/oauth/device_authorization", client_id=url)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")

    def test_a_refused_document(self, served: Deployment, server: DocumentServer) -> None:
        """At every endpoint the client is unknown, and no answer says why; a person sees a page."""
        url = server.publish("/wrong.json", client_id="https://client.example/other.json")
        for path in ("/oauth/device_authorization", "/oauth/par", "/oauth/token"):
            answer = served.post(path, client_id=url, grant_type="refresh_token", refresh_token="x")
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")
            assert "other.json" not in answer.text
        assert served.authorize(client_id=url).headers["content-type"] == "text/html; charset=utf-8"
        assert len(server.asked) == 1

    def test_first_seen_many_times_at_once(self, served: Deployment, server: DocumentServer) -> None:
        """Requests that arrive together with a new client_id are all served."""
        url = server.publish("/popular.json")
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: self.codes(served, url), range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6

    def codes(self, served: Deployment, url: str) -> httpx.Response:
        return served.post("/oauth/device_authorization", client_id=url)

    def test_the_setup_client_is_who_its_document_says(
        self, served: Deployment, server: DocumentServer, tmp_path: Path
    ) -> None:
        """Named by the person, and nothing is registered: the token is the document's client's, and kept as that."""
        url = server.publish("/setup.json", grant_types=[DEVICE_CODE_GRANT, "refresh_token"])
        said: list[str] = []
        surroundings = Surroundings(tmp_path, ApprovingTime(served, said))
        options = ConnectOptions(served.issuer, source=SPOTIFY, client_id=url)
        assert connect(options, surroundings, PlainReport(said.append)) == 0, said
        kept = json.loads(next(tmp_path.glob("*.json")).read_text())
        assert kept["client_id"] == url
        assert served.introspect(kept["access_token"])["client_id"] == url
