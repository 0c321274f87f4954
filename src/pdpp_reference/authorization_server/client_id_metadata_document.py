"""Client ID metadata documents: fetched from the URL that is the client_id, without becoming a way into other networks.

draft-ietf-oauth-client-id-metadata-document-00, and for the required members the MCP authorization specification,
Client Registration. The defences against requests forged through this server (§6.5 there): every address the name
resolves to is vetted, the connection goes to a vetted address and not to the name a second time, no redirect is
followed, no proxy is asked, and time, size and the number of fetches at once are bounded.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import socket
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx
import structlog

from pdpp_reference.authorization_server.registration import check_client_metadata
from pdpp_reference.clock import Clock
from pdpp_reference.errors import OAuthError

TOTAL_SECONDS = 5.0
"""For everything together: resolving, connecting, TLS, headers and body."""
CONNECT_SECONDS = 1.5
"""For connecting to one of several addresses, and again for the handshake, so that one does not use up the time."""
MAX_DOCUMENT_BYTES = 5 * 1024
MAX_URL_LENGTH = 500
MAX_ADDRESSES_TRIED = 3
MAX_FETCHES_AT_ONCE = 8
REFUSAL_REMEMBERED_SECONDS = 60
MAX_REFUSALS_REMEMBERED = 1000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
AddressPolicy = Callable[[str, Address], bool]
"""A host and one of its addresses to whether that may be connected to."""

_URL = re.compile(
    r"https://(?P<authority>[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})+)"
    r"(?P<query>\?(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?"
)
"""An https URL with a path, without user information and without fragment (draft §3)."""

_JSON_MEDIA_TYPE = re.compile(r"application/(?:[a-z0-9!#$&^_.\-]+\+)?json")

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SPECIAL_PURPOSE = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv6Network("3fff::/20"))
"""Not globally reachable (IANA special-purpose registries), yet called global by Python 3.11."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of ``host`` as the system resolves it.

    Raises:
        OSError: there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: Address) -> bool:
    """Whether an address is globally routable unicast, and so is the IPv4 address that it may embed.

    Of IPv6 only 2000::/3 and the well-known NAT64 prefix (RFC 6052 §2.1) can be: that excludes IPv4-compatible
    addresses and local NAT64 prefixes (RFC 8215), which Python calls global.
    """
    if any(address in network for network in _SPECIAL_PURPOSE):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def only_public(_host: str, address: Address) -> bool:
    """Allow public addresses, whatever the host: the policy of every deployment."""
    return is_public(address)


class HttpsMetadataDocuments:
    """Fetches documents over https (:class:`pdpp_reference.authorization_server.clients.MetadataDocuments`).

    Args:
        clock: tells how long a refusal is remembered.
        resolver: host and port to textual IP addresses; runs in a thread of its own.
        allowed: decides which addresses of a host may be connected to.
        tls: verifies the servers; the usual certification authorities by default.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        resolver: Resolver = resolve,
        allowed: AddressPolicy = only_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._allowed = allowed
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._resolving = ThreadPoolExecutor(MAX_FETCHES_AT_ONCE, thread_name_prefix="resolve")
        self._slots = threading.BoundedSemaphore(MAX_FETCHES_AT_ONCE)
        self._refused_until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def fetch(self, client_id: str) -> Mapping[str, Any]:
        """Return the client metadata that the document at ``client_id`` declares, checked; from a worker thread only.

        Raises:
            OAuthError: ``invalid_client``, there is no usable document, and the answer tells nothing about why;
                ``temporarily_unavailable`` (503) when too many documents are being fetched.
        """
        location = _locate(client_id)
        if location is None or self._is_remembered(client_id):
            raise _unusable()
        if not self._slots.acquire(blocking=False):
            raise OAuthError(
                "temporarily_unavailable",
                "too many documents are being fetched",
                status=503,
                headers={"Retry-After": "5"},
            )
        try:
            return self.read_document(asyncio.run(self._download(location)), client_id)
        except (_Refused, OAuthError, httpx.HTTPError, OSError, ValueError, RecursionError) as error:
            # The reason is for the operator: told to a client, it would map the network behind this server.
            structlog.get_logger().info("client_id_metadata_document_refused", reason=str(error)[:200])
            self._remember(client_id)
            raise _unusable() from None
        finally:
            self._slots.release()

    def read_document(self, body: bytes, client_id: str) -> Mapping[str, Any]:
        """Return the metadata that a document declares.

        It must name itself by exactly its URL, hold what MCP requires, and pass the checks of a registration.
        """
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_no_repeated_member, parse_constant=_no_constant)
        if not isinstance(document, dict):
            raise _Refused("not a JSON object")
        if document.get("client_id") != client_id:
            raise _Refused("client_id is not the document's own URL")
        if "client_secret" in document or "client_secret_expires_at" in document:
            raise _Refused("a client_secret in a public document")
        if document.get("token_endpoint_auth_method", "none") != "none":
            raise _Refused("token_endpoint_auth_method is not none")
        if "client_name" not in document or not document.get("redirect_uris"):
            raise _Refused("client_name or redirect_uris is missing")
        return check_client_metadata(document)

    async def _download(self, location: _Location) -> bytes:
        deadline = asyncio.get_running_loop().time() + TOTAL_SECONDS
        async with asyncio.timeout_at(deadline):
            addresses = await self._vetted_addresses(location)
            transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False)
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                for address in addresses[:MAX_ADDRESSES_TRIED]:
                    try:
                        return await _get(client, location, address, deadline)
                    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                        unreachable = error
                raise unreachable

    async def _vetted_addresses(self, location: _Location) -> list[Address]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._resolving, self._resolver, location.host, location.port)
        addresses = [ipaddress.ip_address(text) for text in found]
        if not addresses or not all(self._allowed(location.host, address) for address in addresses):
            raise _Refused("the host has an address that may not be connected to, or none")
        return addresses

    def _is_remembered(self, client_id: str) -> bool:
        with self._lock:
            return self._refused_until.get(client_id, 0.0) > self._clock.now()

    def _remember(self, client_id: str) -> None:
        with self._lock:
            self._refused_until[client_id] = self._clock.now() + REFUSAL_REMEMBERED_SECONDS
            self._refused_until.move_to_end(client_id)
            while len(self._refused_until) > MAX_REFUSALS_REMEMBERED:
                self._refused_until.popitem(last=False)


class _Refused(Exception):
    """A document that is not used, and why."""


@dataclass(frozen=True)
class _Location:
    """A client_id, taken apart."""

    host: str
    port: int
    authority: str
    target: str


def _unusable() -> OAuthError:
    return OAuthError("invalid_client", "the client_id is not the URL of a usable client ID metadata document")


def _locate(client_id: str) -> _Location | None:
    match = _URL.fullmatch(client_id) if len(client_id) <= MAX_URL_LENGTH else None
    if match is None or any(unquote(segment) in (".", "..") for segment in match["path"].split("/")):
        return None
    port = int(match["port"] or 443)
    if not 0 < port < 65536:
        return None
    authority = match["authority"] + (f":{match['port']}" if match["port"] else "")
    return _Location(match["authority"].strip("[]"), port, authority, match["path"] + (match["query"] or ""))


def _timeout(deadline: float) -> httpx.Timeout:
    # Connecting and the TLS handshake must each end before the deadline does: httpx closes the socket of a handshake
    # that timed out, but not of one that was cancelled.
    remaining = max(deadline - asyncio.get_running_loop().time(), 0.0)
    return httpx.Timeout(remaining, connect=min(CONNECT_SECONDS, remaining / 3))


async def _get(client: httpx.AsyncClient, location: _Location, address: Address, deadline: float) -> bytes:
    url = httpx.URL(scheme="https", host=str(address), port=location.port, raw_path=location.target.encode("ascii"))
    request = client.stream(
        "GET",
        url,
        headers={
            "Host": location.authority,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "pdpp-reference",
        },
        extensions={"sni_hostname": location.host},  # also the name that the certificate is verified against
        follow_redirects=False,
        timeout=_timeout(deadline),
    )
    async with request as response:
        if response.status_code != 200:
            raise _Refused(f"status {response.status_code}")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not _JSON_MEDIA_TYPE.fullmatch(media_type):
            raise _Refused("not JSON by its media type")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _Refused("encoded, though identity was asked for")
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                raise _Refused(f"larger than {MAX_DOCUMENT_BYTES} bytes")
        return body


def _no_repeated_member(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(name)
