"""The decision page: what the owner is shown of a pending request, and what of it the owner decided."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest, Flow
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.consent import PendingRequest, narrowed
from pdpp_reference.clock import Clock
from pdpp_reference.grants.authorization_details import AccessMode, AuthorizationDetail, StreamAccess
from pdpp_reference.http import Form
from pdpp_reference.owner import wording
from pdpp_reference.owner.pages import PageRefusal
from pdpp_reference.owner.sessions import OwnerSession
from pdpp_reference.settings import Settings
from pdpp_reference.sources import Source, SourceCatalogue

Action = Literal["approve", "deny"]

CHOSEN_BY_OWNER = "https://pdpp.dev/purpose/chosen_by_owner"
"""The purpose code of a grant that the client asked for without saying what it wants."""

HANDLE_FIELD = "decision"
ACTION_FIELD = "action"
STREAM_FIELD = "stream"
ACCESS_MODE_FIELD = "access_mode"

_LONGEST_CLAIM = 300
_CLAIMS: Mapping[str, str] = {
    "client_uri": "Home page",
    "logo_uri": "Logo",
    "policy_uri": "Privacy policy",
    "tos_uri": "Terms of service",
}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


@dataclass(frozen=True)
class StreamView:
    """One stream, as a checkbox with what it would give away."""

    value: str
    """What the checkbox sends: source id, space, stream name."""
    name: str
    description: str
    fields: tuple[str, ...] | None
    """``None``: all fields."""
    time_range: str | None
    necessity: str | None
    checked: bool


@dataclass(frozen=True)
class SourceView:
    """One source, with what the client says it wants of it."""

    name: str
    id: str
    streams: tuple[StreamView, ...]
    purpose_code: str | None = None
    purpose_description: str | None = None
    retention: str | None = None


@dataclass(frozen=True)
class ClientView:
    """Who asks: what this server knows, and what the client claims."""

    id: str
    registration: str
    registered_by_owner: bool
    document_origin: str | None
    name: str | None
    claims: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DecisionView:
    """Everything a decision page shows of a request."""

    owner_kind: bool
    client: ClientView
    resource: str
    expires: wording.Moment
    expires_in: str
    sources: tuple[SourceView, ...]
    access_mode: tuple[str, str] | None
    """Name and meaning; ``None`` where the owner chooses it."""
    chosen_mode: str | None
    token_lifetime: str


class Decisions:
    """Binds a decision to the session that opened it, shows requests, and reads what the owner decided."""

    def __init__(self, settings: Settings, clock: Clock, catalogue: SourceCatalogue) -> None:
        self._settings = settings
        self._clock = clock
        self._catalogue = catalogue

    def handle(self, session: OwnerSession, request: AuthorizationRequest) -> str:
        """Return the handle under which this session, and no other, may decide this request."""
        return f"{request.id}.{self._mac(session, request.flow, request.id)}"

    def open(self, session: OwnerSession, flow: Flow, form: Form) -> str:
        """Return the id of the request that the form decides.

        Raises:
            PageRefusal: 403, the handle is missing, forged, of another flow or of another session.
        """
        request_id, _, mac = (form.get(HANDLE_FIELD) or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(session, flow, request_id).encode()):
            raise PageRefusal(403)
        return request_id

    def action(self, form: Form) -> Action:
        """Return what the owner decided.

        Raises:
            PageRefusal: 400, neither approve nor deny.
        """
        match form.get(ACTION_FIELD):
            case "approve":
                return "approve"
            case "deny":
                return "deny"
            case _:
                raise PageRefusal(400)

    def kept(self, form: Form, details: Sequence[AuthorizationDetail]) -> tuple[AuthorizationDetail, ...]:
        """Return the requested entries with the streams that the owner left checked."""
        return narrowed(details, _by_source(form))

    def chosen(self, form: Form) -> tuple[AuthorizationDetail, ...] | None:
        """Return the entries the owner put together; ``None`` where no access mode or no stream was chosen."""
        streams, access_mode = _by_source(form), self.chosen_mode(form)
        if access_mode is None:
            return None
        details = tuple(
            AuthorizationDetail(
                type=self._settings.authorization_details_type,
                source_kind=source.kind,
                source_id=source.id,
                purpose_code=CHOSEN_BY_OWNER,
                access_mode=access_mode,
                streams=tuple(
                    StreamAccess(stream.name)
                    for stream in source.streams
                    if stream.name in streams.get(source.id, frozenset())
                ),
            )
            for source in self._catalogue.sources
        )
        return tuple(detail for detail in details if detail.streams) or None

    def chosen_mode(self, form: Form) -> AccessMode | None:
        """Return the access mode the owner chose, if any."""
        return next((mode for mode in wording.ACCESS_MODES if form.get(ACCESS_MODE_FIELD) == mode), None)

    def view(self, session: OwnerSession, pending: PendingRequest, entered: Form | None = None) -> DecisionView:
        """Return what the page shows.

        Args:
            entered: the form to show again as the owner left it; without one all requested streams are checked.
        """
        request = pending.request
        details = request.authorization_details
        kept = None if entered is None else _by_source(entered)
        if details is not None:
            sources = tuple(self._requested(detail, kept) for detail in details)
        elif request.request_kind == "grant_scoped_mcp":
            sources = tuple(_offered(source, kept or {}) for source in self._catalogue.sources)
        else:
            sources = ()
        return DecisionView(
            owner_kind=request.request_kind == "trusted_owner_agent",
            client=_client(pending.client, session),
            resource=request.resource,
            expires=wording.moment(request.expires_at),
            expires_in=wording.in_about(request.expires_at - self._clock.now()),
            sources=sources,
            access_mode=wording.ACCESS_MODES[details[0].access_mode] if details else None,
            chosen_mode=None if entered is None else self.chosen_mode(entered),
            token_lifetime=wording.lasting(self._settings.access_token_lifetime),
        )

    def _mac(self, session: OwnerSession, flow: Flow, request_id: str) -> str:
        mac = hmac.digest(session.cookie.encode(), f"decide {flow} {request_id}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    def _requested(self, detail: AuthorizationDetail, kept: Mapping[str, frozenset[str]] | None) -> SourceView:
        source = self._catalogue.find(detail.source_kind, detail.source_id)
        return SourceView(
            name=detail.source_id if source is None else source.display_name,
            id=detail.source_id,
            streams=tuple(
                StreamView(
                    value=_value(detail.source_id, access.name),
                    name=access.name,
                    description=_description(source, access.name),
                    fields=access.fields,
                    time_range=wording.time_range(access),
                    necessity=access.necessity,
                    checked=kept is None or access.name in kept.get(detail.source_id, frozenset()),
                )
                for access in detail.streams
            ),
            purpose_code=detail.purpose_code,
            purpose_description=detail.purpose_description,
            retention=_retention(detail.retention),
        )


def redirect_target(redirect_uri: str) -> str | None:
    """Return where a redirect URI leads as a CSP source: its origin, or the scheme of an app's own.

    ``None`` where it has neither; nothing else of the URI can reach the header.
    """
    try:
        parts = urlsplit(redirect_uri)
        host, port = parts.netloc.rpartition("@")[2], parts.port
    except ValueError:
        return None
    name = host.removesuffix(f":{port}") if port is not None else host.removesuffix(":")
    if parts.scheme in ("http", "https"):
        if not _HOST.fullmatch(name):
            return None
        return f"{parts.scheme}://{name}" if port is None else f"{parts.scheme}://{name}:{port}"
    return f"{parts.scheme}:" if _SCHEME.fullmatch(parts.scheme) else None


def claim(client: Client, member: str) -> str | None:
    """Return what the client says of itself under ``member``, cut to a length a page can show."""
    value = client.metadata.get(member)
    if not isinstance(value, str) or not value.strip():
        return None
    return value if len(value) <= _LONGEST_CLAIM else f"{value[:_LONGEST_CLAIM]}…"


def _client(client: Client, session: OwnerSession) -> ClientView:
    document = client.registration_mode == "client_id_metadata_document"
    claims = ((label, claim(client, member)) for member, label in _CLAIMS.items())
    return ClientView(
        id=client.client_id,
        registration=wording.REGISTRATION_MODES[client.registration_mode],
        registered_by_owner=client.subject_id == session.subject_id,
        document_origin=redirect_target(client.client_id) if document else None,
        name=claim(client, "client_name"),
        claims=tuple((label, value) for label, value in claims if value is not None),
    )


def _offered(source: Source, kept: Mapping[str, frozenset[str]]) -> SourceView:
    return SourceView(
        name=source.display_name,
        id=source.id,
        streams=tuple(
            StreamView(
                value=_value(source.id, stream.name),
                name=stream.name,
                description=stream.description,
                fields=None,
                time_range=wording.time_range(StreamAccess(stream.name)),
                necessity=None,
                checked=stream.name in kept.get(source.id, frozenset()),
            )
            for stream in source.streams
        ),
    )


def _description(source: Source | None, stream_name: str) -> str:
    stream = None if source is None else source.stream(stream_name)
    return "" if stream is None else stream.description


def _retention(retention: Mapping[str, str] | None) -> str | None:
    if not retention:
        return None
    said = []
    if "max_duration" in retention:
        said.append(f"at most {wording.duration(retention['max_duration'])}")
    if "on_expiry" in retention:
        said.append(f"then: {retention['on_expiry']}")
    return ", ".join(said)


def _value(source_id: str, stream_name: str) -> str:
    return f"{source_id} {stream_name}"


def _by_source(form: Form) -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for value in form.all(STREAM_FIELD):
        source_id, _, stream_name = value.partition(" ")  # an absolute URI has no space
        names.setdefault(source_id, set()).add(stream_name)
    return {source_id: frozenset(streams) for source_id, streams in names.items()}
