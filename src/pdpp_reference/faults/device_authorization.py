"""Device authorization requests that should be refused and are not, and answers that are not what RFC 8628 says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.clients import Client, Clients
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint
from pdpp_reference.errors import OAuthError
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.parts import made_of
from pdpp_reference.faults.traffic import Answered, Pairs
from pdpp_reference.http import FORM, Incoming
from pdpp_reference.settings import DEVICE_CODE_GRANT

ENDPOINT = "/oauth/device_authorization"
_KNOWN = {"client_id", "resource", "authorization_details", "scope", "client_secret", "client_assertion"}
_ANYBODY = "pdpp_cli"

declared = Declared()


# -- who asks, and how -------------------------------------------------------------------------------------------------


@declared.wrapping("GET gives codes, too.", "DAR-02")
def get_issues_code(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == ENDPOINT and scope["method"] == "GET":
            query, headers = scope["query_string"], [*scope["headers"], (b"content-type", FORM.encode())]

            async def receive_query() -> dict[str, object]:
                return {"type": "http.request", "body": query, "more_body": False}

            await app({**scope, "method": "POST", "headers": headers}, receive_query, send)
            return
        await app(scope, receive, send)

    return serve


@declared.repairing(ENDPOINT, "A request that names no client is taken for the command line's.", "DAR-04")
def anonymous_client(pairs: Pairs) -> Pairs:
    named = any(name == "client_id" and value for name, value in pairs)
    return pairs if named else [*(pair for pair in pairs if pair[0] != "client_id"), ("client_id", _ANYBODY)]


class _AnyClient(Clients):
    def get(self, client_id: str) -> Client:
        try:
            return super().get(client_id)
        except OAuthError:
            return super().get(_ANYBODY)


@declared.replacing("A client that nobody registered is as good as a known one.", "DAR-05")
def any_client_ok(parts: Collaborators) -> None:
    parts.clients = _AnyClient(parts.store, parts.clock, parts.documents)


class _AnyGrantType(Clients):
    def get(self, client_id: str) -> Client:
        client = super().get(client_id)
        declared_types = client.metadata.get("grant_types", ())
        return replace(client, metadata={**client.metadata, "grant_types": [*declared_types, DEVICE_CODE_GRANT]})


@declared.replacing(
    "A client gets codes although it did not declare the device grant.",
    "DAR-06",
    "REG-06",
    why="The two say the same of the device authorization request and of the registration.",
)
def grant_not_enforced(parts: Collaborators) -> None:
    parts.clients = _AnyGrantType(parts.store, parts.clock, parts.documents)


@declared.altering(ENDPOINT, "A parameter that nobody knows is an error.", "DAR-10")
def unknown_param_400(answer: Answered) -> None:
    if not set(answer.form) <= _KNOWN:
        answer.status = 400
        answer.members = {"error": "invalid_request"}


@declared.repairing(ENDPOINT, "Of a repeated parameter the last one counts.", "DAR-11")
def last_wins(pairs: Pairs) -> Pairs:
    return [(name, value) for name, value in dict(pairs).items() if name != "resource"] + _resources(pairs)


@declared.repairing(ENDPOINT, "Of a repeated parameter the first one counts.", "DAR-11")
def first_wins(pairs: Pairs) -> Pairs:
    return last_wins(pairs[::-1])


def _resources(pairs: Pairs) -> Pairs:
    return [pair for pair in pairs if pair[0] == "resource"]


@declared.repairing(ENDPOINT, "Of several resources one counts and the others go unnoticed.", "DAR-15")
def resource_first_wins(pairs: Pairs) -> Pairs:
    return [pair for pair in pairs if pair[0] != "resource"] + _resources(pairs)[:1]


# -- the resource ------------------------------------------------------------------------------------------------------


class _AlikeIsTheSame(DeviceAuthorizationEndpoint):
    """Takes a resource for the MCP resource as soon as it is ``alike``."""

    def __init__(self, parts: Collaborators, alike: Callable[[str, str], bool]) -> None:
        super().__init__(*made_of(parts, DeviceAuthorizationEndpoint))
        self._alike = alike

    def answer(self, incoming: Incoming) -> Response:
        ours = self._settings.mcp_resource
        pairs = [
            (name, ours if name == "resource" and value and self._alike(value, ours) else value)
            for name, value in parse_qsl(incoming.body.decode(), keep_blank_values=True)
        ]
        return super().answer(replace(incoming, body=urlencode(pairs).encode()))


def _alike(name: str, what: str, alike: Callable[[str, str], bool]) -> None:
    def apply(parts: Collaborators) -> None:
        parts.device_authorization = _AlikeIsTheSame(parts, alike)

    apply.__name__ = name
    declared.replacing(what, "DAR-14")(apply)


_alike(
    "resource_path_prefix_ok", "A resource below the MCP resource passes for it.", lambda a, b: a.startswith(b + "/")
)
_alike("resource_host_ignored", "The resource's host is not compared.", lambda a, b: _but(a, b, "netloc"))
_alike("resource_scheme_ignored", "The resource's scheme is not compared.", lambda a, b: _but(a, b, "scheme"))
_alike("resource_port_ignored", "The resource's port is not compared.", lambda a, b: _host(a) == _host(b))
_alike("query_ok", "A resource with a query passes.", lambda a, b: a.partition("?")[0] == b)
_alike("fragment_ok", "A resource with a fragment passes.", lambda a, b: a.partition("#")[0] == b)
_alike("trailing_slash_ok", "A resource with a trailing slash passes.", lambda a, b: a == b + "/")
_alike("resource_case_ignored", "The resource is compared without regard to case.", lambda a, b: a.lower() == b)
_alike("relative_resource_ok", "A resource without a scheme passes.", lambda a, b: b.endswith("://" + a))


def _but(one: str, other: str, part: str) -> bool:
    return urlsplit(one)._replace(**{part: ""}) == urlsplit(other)._replace(**{part: ""})


def _host(resource: str) -> tuple[str, str | None, str]:
    parts = urlsplit(resource)
    return parts.scheme, parts.hostname, resource.partition(parts.netloc)[2]


@declared.replacing("Whatever the resource is, codes are given for the MCP resource.", "DAR-14")
def resource_ignored(parts: Collaborators) -> None:
    parts.device_authorization = _AlikeIsTheSame(parts, lambda _one, _other: True)


# -- the answer --------------------------------------------------------------------------------------------------------


def _with_codes(answer: Answered) -> bool:
    return "device_code" in answer.members


@declared.altering(ENDPOINT, "Codes come with 201.", "DRS-01", name="201_created")
def created(answer: Answered) -> None:
    if _with_codes(answer):
        answer.status = 201


@declared.altering(ENDPOINT, "Codes come as text/plain.", "DRS-01")
def codes_as_text(answer: Answered) -> None:
    if _with_codes(answer):
        answer.headers["content-type"] = "text/plain"


@declared.altering(ENDPOINT, "The codes' lifetime is written as a text.", "DRS-02")
def lifetime_of_codes_in_string(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(expires_in=str(answer.members["expires_in"]))


@declared.altering(ENDPOINT, "There is no user code in the answer.", "DRS-02")
def no_user_code(answer: Answered) -> None:
    answer.drop("user_code", "verification_uri_complete")


@declared.altering(ENDPOINT, "The interval is zero.", "DRS-03")
def interval_zero(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(interval=0)


@declared.altering(ENDPOINT, "The verification URI is plain http on a network.", "DRS-06")
def http_verification(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(verification_uri="http://pdpp.example.org/device")


@declared.altering(ENDPOINT, "The verification URI lies on somebody else's server.", "DRS-06")
def verification_elsewhere(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(verification_uri="https://pdpp.example.org/device")


@declared.altering(ENDPOINT, "A cache may keep the codes.", "DRS-13")
def cacheable_codes(answer: Answered) -> None:
    answer.headers["cache-control"] = "max-age=60"


@declared.altering(ENDPOINT, "The answer holds a token before anybody approved.", "DRS-16")
def token_early(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(access_token=answer.members["device_code"])


# -- the form ----------------------------------------------------------------------------------------------------------


@declared.altering(ENDPOINT, "A form that names its character encoding is refused.", "DAR-01")
def charset_refused(answer: Answered) -> None:
    if "charset" in answer.request_headers.get("content-type", ""):
        answer.status = 400
        answer.members = {"error": "invalid_request"}


@declared.altering(ENDPOINT, "Names of parameters are not decoded.", "DAR-01")
def encoded_names_unknown(answer: Answered) -> None:
    if answer.request_body.startswith(b"%"):
        answer.status = 400
        answer.members = {"error": "invalid_request"}


@declared.altering(ENDPOINT, "Text beyond ASCII is refused.", "DAR-01")
def ascii_only(answer: Answered) -> None:
    if b"%C3" in answer.request_body:
        answer.status = 400
        answer.members = {"error": "invalid_request"}


def _taken_for_a_form(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == ENDPOINT:
            others = [header for header in scope["headers"] if header != (b"content-type", b"text/plain")]
            scope = {**scope, "headers": [*others, (b"content-type", FORM.encode())]} if _is_plain(scope) else scope
        await app(scope, receive, send)

    return serve


def _is_plain(scope: Scope) -> bool:
    return (b"content-type", b"text/plain") in scope["headers"]


declared.wrapping("A body of plain text is read as a form.", "DAR-03", name="plain_text_is_a_form")(_taken_for_a_form)


@declared.altering(ENDPOINT, "An empty scope is an unknown one.", "DAR-09")
def empty_is_value(answer: Answered) -> None:
    if answer.form.get("scope") == "":
        answer.status = 400
        answer.members = {"error": "invalid_scope"}


@declared.repairing(ENDPOINT, "An empty MCP parameter alone makes an owner-agent request.", "DAR-09")
def lone_empty_parameter_is_owner(pairs: Pairs) -> Pairs:
    left = [pair for pair in pairs if pair[1]]
    return left if {name for name, _ in left} <= {"client_id"} else pairs


def _query_too(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != ENDPOINT or not scope["query_string"]:
            await app(scope, receive, send)
            return
        message = await receive()
        body = b"&".join(part for part in (message.get("body", b""), scope["query_string"]) if part)
        others = [header for header in scope["headers"] if header[0] != b"content-length"]
        headers = [*others, (b"content-length", str(len(body)).encode())]

        async def receive_both() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        await app({**scope, "headers": headers}, receive_both, send)

    return serve


declared.wrapping("The client may name itself in the request URI.", "DAR-17", name="secret_in_query_ok")(_query_too)


@declared.altering(ENDPOINT, "A NUL ends in an internal error.", "DAR-22")
def crash_on_nul(answer: Answered) -> None:
    if b"%00" in answer.request_body:
        answer.status = 500
        answer.members = {"error": "server_error"}


@declared.altering(ENDPOINT, "What is no UTF-8 is answered with a page.", "DAR-22")
def page_on_bad_encoding(answer: Answered) -> None:
    if b"%FF" in answer.request_body:
        answer.body = b"<html><body>Bad Request</body></html>"
        answer.headers["content-type"] = "text/html"


@declared.altering(ENDPOINT, "Details that are nested too deeply are answered with a stack trace.", "DAR-22")
def trace_on_deep_nesting(answer: Answered) -> None:
    if len(answer.form.get("authorization_details", "")) == 10_000:
        answer.update(error_description="RangeError\n    at JSON.parse (<anonymous>)\n    at read (app.js:10:2)")


@declared.altering(ENDPOINT, "A retention, which may be asked for, is refused.", "CHG-11")
def retention_refused(answer: Answered) -> None:
    if answer.status == 200 and '"retention"' in answer.form.get("authorization_details", ""):
        answer.status, answer.members = 400, {"error": "invalid_authorization_details"}


@declared.altering(ENDPOINT, "A stream that the client cannot do without is refused.", "CHG-11")
def required_stream_refused(answer: Answered) -> None:
    if answer.status == 200 and '"required"' in answer.form.get("authorization_details", ""):
        answer.status, answer.members = 400, {"error": "invalid_authorization_details"}


@declared.altering(
    ENDPOINT, "All streams of a source cannot be asked for by the one name that stands for them.", "CHG-11"
)
def all_streams_refused(answer: Answered) -> None:
    if answer.status == 200 and '"*"' in answer.form.get("authorization_details", ""):
        answer.status, answer.members = 400, {"error": "invalid_authorization_details"}
