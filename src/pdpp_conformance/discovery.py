"""Discovery: from one URL to the deployment's metadata documents and what they claim."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from pdpp_conformance.challenges import resource_metadata_of
from pdpp_conformance.exchange import Answer, NoAnswer, Recorder, origin_of
from pdpp_conformance.target import Profile, Target
from pdpp_conformance.urls import is_web_url
from pdpp_conformance.verdict import Unmet

DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PREFLIGHT_TIMEOUT_SECONDS = 5.0
DISCOVERY_SECONDS = 8.0
"""What all of discovery may take: a target that answers slower than that is told so, while somebody still watches."""


_TELLING = frozenset({"issuer", "resource", "authorization_servers"})
"""RFC 8414 §2 and RFC 9728 §2: what a document has to tell, or tells where it tells anything."""


class Unreachable(Exception):
    """There is nothing to judge; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Document:
    """A metadata document: where it was asked for, and what came."""

    name: str
    url: str
    answer: Answer | None
    problem: str | None = None
    """Why it is of no use, where it is not."""

    @property
    def content(self) -> Mapping[str, Any]:
        """The document's members; empty where there is none."""
        if self.answer is None or self.problem is not None:
            return {}
        value = self.answer.json()
        return value if isinstance(value, dict) else {}

    @property
    def usable(self) -> bool:
        return self.problem is None


@dataclass(frozen=True)
class Discovery:
    """The deployment as its metadata describes it."""

    base_url: str
    issuer: str
    mcp_resource: str
    """The MCP resource as its metadata spells it; empty under the profile ``rfc8628``."""
    mcp_url: str
    """The URL at which the MCP resource was asked for."""
    authorization_server: Document
    root_resource: Document
    mcp_resource_metadata: Document
    unauthenticated_mcp: Answer | None
    profile: Profile = "pdpp"

    @property
    def documents(self) -> Sequence[Document]:
        resources = (self.root_resource, self.mcp_resource_metadata) if self.profile == "pdpp" else ()
        return (self.authorization_server, *resources)

    def endpoint(self, name: str) -> str | None:
        """Return an endpoint's URL from the authorization server metadata, if it is advertised."""
        value = self.authorization_server.content.get(name)
        return value if is_web_url(value) else None

    @property
    def grant_types(self) -> Sequence[str]:
        """``grant_types_supported``; the default of RFC 8414 §2 where it is absent."""
        listed = self.authorization_server.content.get("grant_types_supported", ["authorization_code", "implicit"])
        return listed if isinstance(listed, list) else []

    def device_profile(self, name: str) -> Mapping[str, Any]:
        """Return the described device profile with that ``profile`` name; empty where it is absent."""
        listed = self.authorization_server.content.get("pdpp_device_authorization_profiles_supported")
        if isinstance(listed, list):
            for profile in listed:
                if isinstance(profile, dict) and profile.get("profile") == name:
                    return profile
        return {}

    @property
    def device_profile_names(self) -> list[str]:
        """The names of the device profiles that the metadata describes, sorted."""
        listed = self.authorization_server.content.get("pdpp_device_authorization_profiles_supported")
        profiles = listed if isinstance(listed, list) else []
        return sorted(str(profile.get("profile")) for profile in profiles if isinstance(profile, dict))

    @property
    def named_metadata_url(self) -> str | None:
        """The ``resource_metadata`` of the challenge to a client without a token (RFC 9728 §5.1)."""
        challenge = self.unauthenticated_mcp
        return resource_metadata_of(challenge.headers("www-authenticate")) if challenge else None

    @property
    def authorization_details_type(self) -> str | None:
        """The advertised type of PDPP's ``authorization_details``."""
        named = self.device_profile("grant_scoped_mcp").get("authorization_details_type")
        if isinstance(named, str):
            return named
        for member in ("pdpp_authorization_details_types_supported", "authorization_details_types_supported"):
            listed = self.authorization_server.content.get(member)
            if isinstance(listed, list) and listed and isinstance(listed[0], str):
                return listed[0]
        return None

    @property
    def agent_discovery(self) -> Mapping[str, Any]:
        """``pdpp_agent_discovery`` of the MCP resource, or else of the root resource."""
        for document in (self.mcp_resource_metadata, self.root_resource):
            block = document.content.get("pdpp_agent_discovery")
            if isinstance(block, dict):
                return block
        return {}

    @property
    def owner_agent_onboarding(self) -> Mapping[str, Any]:
        """``pdpp_owner_agent_onboarding`` of the root resource; empty where it is absent."""
        block = self.root_resource.content.get("pdpp_owner_agent_onboarding")
        return block if isinstance(block, dict) else {}

    @property
    def query_base(self) -> str | None:
        """The base URL of the owner's REST surface, where metadata names one."""
        for value in (
            self.owner_agent_onboarding.get("query_base"),
            self.root_resource.content.get("pdpp_core_query_base"),
        ):
            if is_web_url(value):
                return value
        return None

    def grant_revocation_urls(self, grant_id: str) -> Sequence[str]:
        """Where a grant may be revoked by its name, the likeliest place first (PDPP wire contract §7)."""
        bases = dict.fromkeys((self.issuer.rstrip("/"), origin_of(self.issuer), origin_of(self.mcp_resource)))
        return [f"{base}/grants/{quote(grant_id, safe='')}/revoke" for base in bases]


def well_known(identifier: str, name: str) -> str:
    """Insert ``/.well-known/name`` between host and path of ``identifier`` (RFC 8414 §3.1, RFC 9728 §3.1)."""
    parts = urlsplit(identifier)
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{path}{query}"


def discover(recorder: Recorder, target: Target, base_url: str) -> Discovery:
    """Read the deployment's metadata.

    Raises:
        Unreachable: nothing answers, or nothing there says that it is a PDPP deployment.
    """
    for url in (base_url, target.authorization_server, target.mcp_url):
        if url is not None:
            recorder.allow_origin(url)
    reader = _Reader(recorder, base_url)
    reader.preflight()
    if target.profile == "rfc8628":
        return _discover_server(reader, target, base_url)
    root = reader.fetch("protected resource metadata (root)", _root_metadata_url(target.mcp_url or base_url))
    mcp_url = _mcp_url(reader, target, base_url, root)
    recorder.allow_origin(mcp_url)
    challenge = _unauthenticated(reader, mcp_url)
    mcp_document = _mcp_metadata(reader, mcp_url, challenge)
    issuer = _issuer(target, base_url, root, mcp_document)
    if origin_of(issuer) != origin_of(base_url) and not recorder.is_allowed(issuer):
        raise Unreachable(
            f"{base_url} names an authorization server on another origin, {origin_of(issuer)}; "
            "credentials go there only when the target file says so: set authorization_server and run again"
        )
    recorder.allow_origin(issuer)
    metadata = _authorization_server_metadata(reader, issuer)
    if not metadata.usable and not mcp_document.usable and not root.usable:
        raise Unreachable(
            f"{base_url} answers, but it is no PDPP deployment: it serves neither authorization server metadata "
            f"({metadata.problem}) nor protected resource metadata; check the URL, or name authorization_server and "
            "mcp_url in a target file"
        )
    nothing_there = challenge is not None and challenge.status == 404
    if nothing_there and target.mcp_url is None and not mcp_document.usable and not root.usable:
        raise Unreachable(
            f"{base_url} is an authorization server, and nothing there leads to its MCP resource; "
            "give the resource server's URL, or set mcp_url in a target file"
        )
    resource, named = mcp_document.content.get("resource"), metadata.content.get("issuer")
    return Discovery(
        base_url=base_url,
        issuer=named if is_web_url(named) else issuer,
        mcp_resource=resource if is_web_url(resource) else mcp_url,
        mcp_url=mcp_url,
        authorization_server=metadata,
        root_resource=root,
        mcp_resource_metadata=mcp_document,
        unauthenticated_mcp=challenge,
    )


def _discover_server(reader: _Reader, target: Target, base_url: str) -> Discovery:
    """Read the metadata of an authorization server, of which nothing else is expected.

    Raises:
        Unreachable: there is none.
    """
    issuer = target.authorization_server or base_url
    metadata = _authorization_server_metadata(reader, issuer)
    if not metadata.usable:
        raise Unreachable(
            f"{issuer} answers, but it serves no authorization server metadata ({metadata.problem}); "
            "give the issuer, to which the profile rfc8628 of the target file goes"
        )
    named = metadata.content.get("issuer")
    nothing = Document("protected resource metadata", "", None, "the profile rfc8628 asks for none")
    return Discovery(
        base_url=base_url,
        issuer=named if is_web_url(named) else issuer,
        mcp_resource="",
        mcp_url="",
        authorization_server=metadata,
        root_resource=nothing,
        mcp_resource_metadata=nothing,
        unauthenticated_mcp=None,
        profile=target.profile,
    )


class _Reader:
    """Reads documents, none of them for long, and all of them within ``DISCOVERY_SECONDS``."""

    def __init__(self, recorder: Recorder, base_url: str) -> None:
        self._recorder = recorder
        self._base_url = base_url
        self._ends = time.monotonic() + DISCOVERY_SECONDS

    def preflight(self) -> None:
        """Find out whether anything answers at all.

        Raises:
            Unreachable: nothing does.
        """
        try:
            self.get(self._base_url)
        except NoAnswer as error:
            raise Unreachable(
                f"{self._base_url} cannot be reached ({error.observed}); start the deployment or correct --base-url"
            ) from None

    def get(self, url: str, accept: str = "*/*") -> Answer:
        """GET a document.

        Raises:
            NoAnswer: it did not come.
            Unreachable: discovery's time is over.
        """
        headers = {"Accept": accept}
        return self._recorder.send("GET", url, actor="discovery", headers=headers, timeout=self._timeout())

    def _timeout(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Unreachable(
                f"{self._base_url} answers too slowly: its metadata was not read within {DISCOVERY_SECONDS:g} s; "
                "see why the deployment hangs, or correct --base-url"
            )
        return min(PREFLIGHT_TIMEOUT_SECONDS, left)

    def ask_without_token(self, mcp_url: str) -> Answer:
        """Open a conversation with the MCP resource as a client does that has no token yet.

        Raises:
            NoAnswer: nothing came.
        """
        handshake = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "pdpp-conformance", "version": "1"},
            },
        }
        return self._recorder.send(
            "POST",
            mcp_url,
            actor="discovery",
            headers={"Accept": "application/json, text/event-stream"},
            json_body=handshake,
            timeout=self._timeout(),
        )

    def fetch(self, name: str, url: str) -> Document:
        """Read a metadata document, or say why it is of no use."""
        try:
            answer = self.get(url, "application/json")
        except NoAnswer as error:
            return Document(name, url, None, error.observed)
        if answer.status != 200:
            return Document(name, url, answer, f"status {answer.status}")
        try:
            members = answer.json_object()
        except Unmet as error:
            return Document(name, url, answer, error.observed)
        if not any(member in _TELLING or member.endswith("_endpoint") for member in members):
            return Document(name, url, answer, "a JSON object that is no metadata")
        return Document(name, url, answer)


def _root_metadata_url(url: str) -> str:
    return well_known(origin_of(url), "oauth-protected-resource")


def _mcp_url(reader: _Reader, target: Target, base_url: str, root: Document) -> str:
    if target.mcp_url is not None:
        return target.mcp_url
    if urlsplit(base_url).path not in ("", "/"):
        inserted = reader.fetch(
            "protected resource metadata (given URL)", well_known(base_url, "oauth-protected-resource")
        )
        if inserted.usable:
            return base_url
    block = root.content.get("pdpp_agent_discovery")
    hint = block.get("mcp") if isinstance(block, dict) else None
    named = hint.get("endpoint") if isinstance(hint, dict) else None
    if is_web_url(named) and origin_of(named) == origin_of(base_url):
        return named
    return f"{origin_of(base_url)}/mcp"


def _unauthenticated(reader: _Reader, mcp_url: str) -> Answer | None:
    try:
        return reader.ask_without_token(mcp_url)
    except NoAnswer:
        return None


def _mcp_metadata(reader: _Reader, mcp_url: str, challenge: Answer | None) -> Document:
    name = "protected resource metadata (MCP)"
    named = resource_metadata_of(challenge.headers("www-authenticate")) if challenge else None
    inserted = well_known(mcp_url, "oauth-protected-resource")
    urls = [inserted]
    if is_web_url(named) and origin_of(named) == origin_of(mcp_url) and named != inserted:
        urls.insert(0, named)
    documents = []
    for url in urls:
        documents.append(reader.fetch(name, url))
        if documents[-1].usable:
            return documents[-1]
    return documents[0]


def _issuer(target: Target, base_url: str, root: Document, mcp_document: Document) -> str:
    if target.authorization_server is not None:
        return target.authorization_server
    for document in (mcp_document, root):
        listed = document.content.get("authorization_servers")
        if isinstance(listed, list) and listed and is_web_url(listed[0]):
            return listed[0]
    return base_url


def _authorization_server_metadata(reader: _Reader, issuer: str) -> Document:
    name = "authorization server metadata"
    parts = urlsplit(issuer)
    urls = [well_known(issuer, "oauth-authorization-server"), well_known(issuer, "openid-configuration")]
    if parts.path not in ("", "/"):
        urls.append(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    documents = []
    for url in urls:
        documents.append(reader.fetch(name, url))
        if documents[-1].usable:
            return documents[-1]
    return documents[0]
