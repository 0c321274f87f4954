"""Bearers that pass where they should be refused, are refused where they should pass, or reach too far."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.tokens import IssuedToken, StoredAccessTokens
from pdpp_reference.errors import RestError
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import AlteredAnswers, Answered
from pdpp_reference.grants.access import AccessToken, Grant
from pdpp_reference.grants.authorization_details import AuthorizationDetail, StreamAccess
from pdpp_reference.resource_server.bearer import BearerCheck, Protected
from pdpp_reference.resource_server.records import MAX_LIMIT, View
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.sources import SourceCatalogue

MCP = "/mcp"

declared = Declared()


def bearer_of(headers: Headers) -> str:
    """Return the token of a request's header; empty where there is none."""
    return headers.get("authorization", "").partition(" ")[2]


def _everything(catalogue: SourceCatalogue, bearer: AccessToken, resource: str) -> AccessToken:
    """Return a client token for all streams of all sources."""
    grants = tuple(
        Grant(
            id=f"grt_{position}",
            package_id=None,
            client_id=bearer.client_id,
            subject_id=bearer.subject_id,
            detail=AuthorizationDetail(
                type="everything",
                source_kind=source.kind,
                source_id=source.id,
                purpose_code="urn:none",
                access_mode="continuous",
                streams=tuple(StreamAccess(stream.name) for stream in source.streams),
            ),
            resource=resource,
            created_at=bearer.issued_at,
            revoked_at=None,
        )
        for position, source in enumerate(catalogue.sources)
    )
    return replace(bearer, kind="client", resource=resource, grants=grants)


class Lenient(BearerCheck):
    """The conforming check; what it refuses is looked at again by ``mcp_anyway`` and ``rest_anyway``."""

    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self.parts = parts

    def at_mcp(self, headers: Headers) -> AccessToken:
        try:
            return super().at_mcp(headers)
        except RestError:
            token = self.anyway(headers)
            if token is None:
                raise
            return _everything(self.parts.catalogue, token, self._settings.mcp_resource)

    def at_rest(self, headers: Headers) -> AccessToken:
        try:
            return super().at_rest(headers)
        except RestError:
            token = self.anyway(headers)
            if token is None:
                raise
            return replace(token, kind="owner")

    def anyway(self, headers: Headers) -> AccessToken | None:
        """Return the token that passes although it should not."""
        return None

    def somebody(self) -> AccessToken:
        """Return a token for whom nothing was issued."""
        return AccessToken("client", "nobody", "owner", "", (), None, None, 0.0, 2.0**33)


# -- the owner's token -------------------------------------------------------------------------------------------------


class _OwnerAtMcp(Lenient):
    def at_rest(self, headers: Headers) -> AccessToken:
        return BearerCheck.at_rest(self, headers)

    def anyway(self, headers: Headers) -> AccessToken | None:
        token = self._tokens.active(bearer_of(headers))
        return token if token is not None and token.kind == "owner" else None


@declared.replacing(
    "An owner token passes at /mcp.",
    "PRO-04",
    "CHG-02",
    "CHG-09",
    "RSC-09",
    "RSC-11",
    why="The change says twice that /mcp takes no owner token, not even one got by device code; "
    "besides, it is for another resource, and of another scope.",
)
def owner_at_mcp(parts: Collaborators) -> None:
    parts.bearer_check = _OwnerAtMcp(parts)


class _OwnerIsUnknown(BearerCheck):
    def at_mcp(self, headers: Headers) -> AccessToken:
        token = self._tokens.active(bearer_of(headers))
        if token is not None and token.kind == "owner":
            raise RestError("authentication_error", "the access token is unknown", status=401)
        return super().at_mcp(headers)


@declared.replacing(
    "An owner token is refused at /mcp as if nobody knew it.",
    "CHG-02",
    "RSC-11",
    "PRO-14",
    why="The owner token is the one that is in force and lacks the scope, and it is told no next step.",
)
def owner_refused_as_unknown(parts: Collaborators) -> None:
    parts.bearer_check = _OwnerIsUnknown(parts.settings, parts.access_tokens)


@declared.altering(MCP, "The owner-token error has no member for the next step.", "PRO-14")
def owner_error_without_next_step(answer: Answered) -> None:
    if answer.status == 403:
        error = answer.members["error"]
        answer.update(error={name: value for name, value in error.items() if name != "next_step"})


@declared.altering(
    MCP,
    "The owner-token error points nowhere.",
    "CHG-02",
    "PRO-14",
    why="Neither its message nor its next step is there.",
)
def owner_error_points_nowhere(answer: Answered) -> None:
    if answer.status == 403:
        answer.members = {"error": {"code": "permission_error", "message": "no"}}


@declared.altering(MCP, "A refusal says in its body nothing of its kind.", "PRO-14")
def refusal_without_code(answer: Answered) -> None:
    if answer.status == 401:
        answer.members = {"error": {"message": "an access token is needed"}}


@declared.altering(MCP, "A refusal has in its body the code of the challenge.", "PRO-14")
def refusal_with_oauth_code(answer: Answered) -> None:
    if answer.status in (401, 403):
        code = "invalid_token" if answer.status == 401 else "insufficient_scope"
        answer.update(error={**answer.members["error"], "code": code})


@declared.altering(
    MCP,
    "The owner-token error tells what the owner has.",
    "CHG-02",
    "RSC-22",
    why="No refusal may tell it, and that of an owner token is one.",
)
def owner_error_tells_records(answer: Answered) -> None:
    if answer.status == 403:
        answer.update(hint=_some_records())


def _some_records() -> str:
    return json.dumps([list(stream.records[:20]) for source in load_catalogue().sources for stream in source.streams])


class _RevokedIsForbidden(BearerCheck):
    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self._parts = parts

    def active_token(self, headers: Headers, protected: Protected) -> AccessToken:
        with self._parts.store.transaction() as connection:
            token = self._parts.tokens.find(connection, bearer_of(headers))
        if token is not None and token.kind == "client" and token.revoked_at is not None:
            raise RestError("token_revoked", "the access token was revoked", status=403)
        return super().active_token(headers, protected)


@declared.replacing(
    "A revoked token gets 403, and a code of its own making.",
    "PRO-14",
    "RSC-08",
    why="Neither the status of the refusal nor what it calls itself is that of a token that is not active.",
)
def revoked_is_forbidden(parts: Collaborators) -> None:
    parts.bearer_check = _RevokedIsForbidden(parts)


class _OwnerTriedOnceIsDead(BearerCheck):
    def __init__(self, parts: Collaborators) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self._tried: set[str] = set()

    def at_mcp(self, headers: Headers) -> AccessToken:
        try:
            return super().at_mcp(headers)
        except RestError as error:
            if error.status != 403:
                raise
            bearer = bearer_of(headers)
            if bearer in self._tried:
                raise RestError("authentication_error", "the access token was revoked", status=401) from None
            self._tried.add(bearer)
            raise


@declared.replacing(
    "An owner token that was tried at /mcp is unknown there the next time.",
    "CHG-02",
    "RSC-11",
    why="From the second time on it is refused as unknown, and not for its scope.",
)
def owner_token_dies_at_mcp(parts: Collaborators) -> None:
    parts.bearer_check = _OwnerTriedOnceIsDead(parts)


class _OnlyThis:
    """Lets the owner's token into /mcp for some requests."""

    def __init__(self, app: ASGIApp, let_in: Callable[[Request], bool]) -> None:
        self._app = app
        self._let_in = let_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == MCP and self._let_in(Request(scope)):
            start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
            await send(start)
            await send({"type": "http.response.body", "body": b": open\n\n"})
            return
        await self._app(scope, receive, send)


@declared.wrapping("GET opens a stream at /mcp for any bearer.", "CHG-02")
def stream_open_to_owner(app: ASGIApp) -> ASGIApp:
    return _OnlyThis(app, lambda request: request.method == "GET" and "authorization" in request.headers)


class _OwnerNowhere(BearerCheck):
    def at_rest(self, headers: Headers) -> AccessToken:
        raise RestError("permission_error", "nobody has access here", status=403)


@declared.replacing("An owner token is good for nothing.", "CHG-09")
def owner_refused_at_rest(parts: Collaborators) -> None:
    parts.bearer_check = _OwnerNowhere(parts.settings, parts.access_tokens)


@declared.altering(
    "/v1/owner/control",
    "The owner's control surface is not there.",
    "CHG-09",
    "PRO-03",
    why="PRO-03 sees the owner served there first.",
)
def no_control_surface(answer: Answered) -> None:
    answer.status = 404


# -- the client's token ------------------------------------------------------------------------------------------------


class _ClientAtRest(Lenient):
    def at_mcp(self, headers: Headers) -> AccessToken:
        return BearerCheck.at_mcp(self, headers)

    def anyway(self, headers: Headers) -> AccessToken | None:
        token = self._tokens.active(bearer_of(headers))
        return token if token is not None and token.kind == "client" else None


@declared.replacing("A grant-scoped token opens the owner's REST surface.", "PRO-03")
def grant_token_is_owner(parts: Collaborators) -> None:
    parts.bearer_check = _ClientAtRest(parts)


class _PackageAtRest(_ClientAtRest):
    def anyway(self, headers: Headers) -> AccessToken | None:
        token = super().anyway(headers)
        return token if token is not None and token.package_id is not None else None


@declared.replacing("A package's token opens the owner's REST surface.", "PRO-03")
def package_token_is_owner(parts: Collaborators) -> None:
    parts.bearer_check = _PackageAtRest(parts)


class _PackageRefused(BearerCheck):
    def at_mcp(self, headers: Headers) -> AccessToken:
        token = super().at_mcp(headers)
        if token.package_id is not None:
            raise RestError("permission_error", "packages are not taken here", status=403)
        return token


@declared.replacing("A package's token is refused at /mcp.", "PRO-04")
def package_refused_at_mcp(parts: Collaborators) -> None:
    parts.bearer_check = _PackageRefused(parts.settings, parts.access_tokens)


class _ClientRefused(BearerCheck):
    def at_mcp(self, headers: Headers) -> AccessToken:
        super().at_mcp(headers)
        raise RestError("permission_error", "nobody is taken here", status=403)


@declared.replacing(
    "A client token from the device flow is refused at /mcp.",
    "CHG-01",
    "PRO-04",
    why="The change says that the token reads there, and the profile that every client token is served.",
)
def client_refused_at_mcp(parts: Collaborators) -> None:
    parts.bearer_check = _ClientRefused(parts.settings, parts.access_tokens)


# -- what is no access token -------------------------------------------------------------------------------------------


class _AnyUse(StoredAccessTokens):
    def active(self, bearer: str) -> AccessToken | None:
        with self._store.transaction() as connection:
            token = self._tokens.find(connection, bearer)
            if token is None or not self._tokens.is_active(connection, token):
                return None
            return as_access_token(token, self._tokens.grants_of(connection, token))


def as_access_token(token: IssuedToken, grants: tuple[Grant, ...]) -> AccessToken:
    """Return what a stored token stands for, in force or not."""
    return AccessToken(
        kind=token.kind,
        client_id=token.client_id,
        subject_id=token.subject_id,
        resource=token.resource,
        grants=grants,
        grant_id=token.grant_id,
        package_id=token.package_id,
        issued_at=token.issued_at,
        expires_at=token.expires_at,
    )


@declared.replacing(
    "A refresh token is as good as an access token at /mcp.",
    "REF-07",
    "RSC-19",
    why="The one says it of refresh tokens, the other of all that is no access token.",
)
def refresh_as_access(parts: Collaborators) -> None:
    parts.bearer_check = BearerCheck(parts.settings, _AnyUse(parts.store, parts.tokens))


_AT_BOTH = "It passes at the MCP resource, and at the owner's REST surface too."


class _DeviceCodePasses(Lenient):
    def anyway(self, headers: Headers) -> AccessToken | None:
        with self.parts.store.transaction() as connection:
            found = self.parts.requests.by_device_code(connection, bearer_of(headers))
        return None if found is None else self.somebody()


@declared.replacing("A device code passes as an access token.", "RSC-19", "PRO-03", why=_AT_BOTH)
def device_code_as_access(parts: Collaborators) -> None:
    parts.bearer_check = _DeviceCodePasses(parts)


class _UserCodePasses(Lenient):
    def anyway(self, headers: Headers) -> AccessToken | None:
        with self.parts.store.transaction() as connection:
            found = self.parts.requests.by_user_code(connection, bearer_of(headers).replace("-", ""))
        return None if found is None else self.somebody()


@declared.replacing("A user code passes as an access token.", "RSC-19", "PRO-03", why=_AT_BOTH)
def user_code_as_access(parts: Collaborators) -> None:
    parts.bearer_check = _UserCodePasses(parts)


class _SessionPasses(Lenient):
    def anyway(self, headers: Headers) -> AccessToken | None:
        connection = HTTPConnection({"type": "http", "headers": headers.raw})
        session = self.parts.sessions.current(connection)  # type: ignore[arg-type]
        return None if session is None else self.somebody()


@declared.replacing("The owner's cookies pass in place of an access token.", "RSC-19", "PRO-03", why=_AT_BOTH)
def session_as_access(parts: Collaborators) -> None:
    parts.bearer_check = _SessionPasses(parts)


# -- beyond the grant --------------------------------------------------------------------------------------------------


class _Widened(BearerCheck):
    """Reads each grant as ``widened`` says."""

    def __init__(self, parts: Collaborators, widened: Callable[[AuthorizationDetail], AuthorizationDetail]) -> None:
        super().__init__(parts.settings, parts.access_tokens)
        self._widened = widened

    def at_mcp(self, headers: Headers) -> AccessToken:
        token = super().at_mcp(headers)
        return replace(
            token, grants=tuple(replace(grant, detail=self._widened(grant.detail)) for grant in token.grants)
        )


@declared.replacing(
    "The MCP server serves every stream to every grant.",
    "PRO-05",
    "PRO-07",
    "CHG-10",
    why="What was not granted is read, whether nobody asked for it, the owner left it out, or only the redemption did.",
)
def grant_not_enforced_rs(parts: Collaborators) -> None:
    class _Everything(BearerCheck):
        def at_mcp(self, headers: Headers) -> AccessToken:
            return _everything(parts.catalogue, super().at_mcp(headers), parts.settings.mcp_resource)

    parts.bearer_check = _Everything(parts.settings, parts.access_tokens)


def _streams(detail: AuthorizationDetail, **changed: object) -> AuthorizationDetail:
    return replace(detail, streams=tuple(replace(stream, **changed) for stream in detail.streams))  # type: ignore[arg-type]


@declared.replacing("The MCP server serves fields that were left out.", "PRO-05")
def fields_not_enforced_rs(parts: Collaborators) -> None:
    parts.bearer_check = _Widened(parts, lambda detail: _streams(detail, fields=None))


@declared.replacing("The MCP server serves records outside the granted time.", "PRO-05")
def time_not_enforced_rs(parts: Collaborators) -> None:
    parts.bearer_check = _Widened(parts, lambda detail: _streams(detail, time_range=None))


def _call(answer: Answered) -> dict[str, Any]:
    """Return the parameters of the request that was answered; nothing where it has none."""
    try:
        params = json.loads(answer.request_body)["params"]
    except (ValueError, KeyError, TypeError):
        return {}
    return params if isinstance(params, dict) else {}


def _called(answer: Answered) -> str | None:
    """Return the tool that was called."""
    return _call(answer).get("name")


def _arguments(answer: Answered) -> dict[str, Any]:
    """Return the arguments that the tool was given."""
    arguments = _call(answer).get("arguments")
    return arguments if isinstance(arguments, dict) else {}


def _told(answer: Answered) -> dict[str, Any]:
    """Return the structured content of the tool's result."""
    result = answer.members.get("result")
    return (result.get("structuredContent") or {}) if isinstance(result, dict) else {}


def _without_end(detail: AuthorizationDetail) -> AuthorizationDetail:
    open_ended = [
        stream if stream.time_range is None else replace(stream, time_range=replace(stream.time_range, until=None))
        for stream in detail.streams
    ]
    return replace(detail, streams=tuple(open_ended))


@declared.replacing("The MCP server serves records after the end of the granted time.", "PRO-05")
def time_end_not_enforced_rs(parts: Collaborators) -> None:
    parts.bearer_check = _Widened(parts, _without_end)


@declared.replacing("The MCP server serves every stream to a package.", "PRO-05")
def package_not_enforced_rs(parts: Collaborators) -> None:
    class _EverythingForPackages(BearerCheck):
        def at_mcp(self, headers: Headers) -> AccessToken:
            token = super().at_mcp(headers)
            everything = _everything(parts.catalogue, token, parts.settings.mcp_resource)
            return token if token.package_id is None else everything

    parts.bearer_check = _EverythingForPackages(parts.settings, parts.access_tokens)


def _tell_instead(answer: Answered, told: dict[str, object]) -> None:
    text = {"type": "text", "text": json.dumps(told)}
    answer.update(result={"content": [text], "structuredContent": told, "isError": False})


@declared.altering(MCP, "Only the reading of records is bounded to the granted streams; other tools are not.", "PRO-05")
def other_tools_not_enforced(answer: Answered) -> None:
    if _called(answer) != "query_records" and b"stream_not_allowed" in answer.body:
        _tell_instead(answer, {"value": 3})


@declared.altering(MCP, "One field of a record is read whether it was granted or not.", "PRO-05")
def single_field_not_enforced(answer: Answered) -> None:
    if _called(answer) == "read_record_field" and b"field_not_granted" in answer.body:
        field = _arguments(answer)["field"]
        records = [record for source in load_catalogue().sources for s in source.streams for record in s.records]
        _tell_instead(answer, {"values": [record[field] for record in records if field in record]})


class _SharedCache:
    """Keeps what was read by anybody, by the identifier of the record, and fetches from it."""

    def __init__(self) -> None:
        self._read: dict[str, dict[str, object]] = {}

    def answer(self, answer: Answered) -> None:
        if _called(answer) == "query_records":
            self._read.update({record["_id"]: record for record in _told(answer).get("records", ())})
        elif _called(answer) == "fetch" and (record := self._read.get(_arguments(answer).get("record_id", ""))):
            _tell_instead(answer, {"record": record})


@declared.wrapping("A record is fetched from a cache that all clients share, by its identifier alone.", "PRO-05")
def fetches_from_shared_cache(app: ASGIApp) -> ASGIApp:
    return AlteredAnswers(app, MCP, _SharedCache().answer)


def _looked_everywhere_for(answer: Answered) -> str | None:
    """Return what a search looked for, if it was told no streams to look in."""
    arguments = _arguments(answer)
    return arguments.get("query") if _called(answer) == "search" and not arguments.get("streams") else None


@declared.altering(MCP, "A search that is told no streams looks in all that there are.", "PRO-05")
def search_not_enforced(answer: Answered) -> None:
    sought = _looked_everywhere_for(answer)
    if sought is not None:
        _tell_instead(answer, View.of_owner(load_catalogue()).search(sought))


@declared.altering(MCP, "A search also counts what it found outside the grant, of which it shows nothing.", "PRO-05")
def search_counts_everything(answer: Answered) -> None:
    sought, shown = _looked_everywhere_for(answer), _told(answer).get("matches")
    if sought is not None and shown is not None:
        found = View.of_owner(load_catalogue()).search(sought, limit=MAX_LIMIT)["matches"]
        _tell_instead(answer, {"matches": [*shown, *({"withheld": True} for _ in found[len(shown) :])]})


@declared.altering(MCP, "A count counts what lies outside the granted time, too.", "PRO-05")
def count_not_enforced(answer: Answered) -> None:
    if _called(answer) == "aggregate" and b"value" in answer.body:
        stream = _arguments(answer).get("stream")
        streams = {s.name: s for source in load_catalogue().sources for s in source.streams}
        if stream in streams:
            _tell_instead(answer, {"value": len(streams[stream].records)})


@declared.altering(MCP, "A refusal tells whether the stream exists.", "PRO-05")
def refusal_tells_what_exists(answer: Answered) -> None:
    names = {stream.name for source in load_catalogue().sources for stream in source.streams}
    if b"stream_not_allowed" in answer.body and _arguments(answer).get("stream") not in names:
        answer.body = answer.body.replace(b"stream_not_allowed", b"stream_not_found")


@declared.altering(MCP, "A refusal's message tells whether the stream exists.", "PRO-05")
def refusal_message_tells_what_exists(answer: Answered) -> None:
    names = {stream.name for source in load_catalogue().sources for stream in source.streams}
    if b"stream_not_allowed" in answer.body and _arguments(answer).get("stream") not in names:
        answer.body = answer.body.replace(b"no stream of that name is within what was granted", b"no such stream")


@declared.altering(MCP, "The schema describes every field of a granted stream, granted or not.", "PRO-05")
def schema_tells_all_fields(answer: Answered) -> None:
    if _called(answer) == "schema" and "streams" in _told(answer):
        result = answer.members["result"]
        streams = {stream.name: stream for source in load_catalogue().sources for stream in source.streams}
        for told in result["structuredContent"]["streams"]:
            told["fields"] = [{"name": field.name} for field in streams[told["name"]].fields]
        answer.update(result=result)


@declared.altering(MCP, "The schema names streams that were not granted.", "PRO-05")
def schema_tells_all_streams(answer: Answered) -> None:
    if _called(answer) == "schema" and "streams" in _told(answer):
        result = answer.members["result"]
        result["structuredContent"]["streams"] += [
            {"name": stream.name} for source in load_catalogue().sources for stream in source.streams
        ]
        answer.update(result=result)
