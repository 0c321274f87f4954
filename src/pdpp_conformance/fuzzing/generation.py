"""Requests for one operation: every corner once, and then by four generators, as Hypothesis strategies.

``corners`` are each single thing that can be wrong with a good request: a parameter missing, empty or twice, a value
that breaks parsers, another body, content type or method, another credential. They cost next to nothing, and are never
left to chance.

``by the schema`` are Schemathesis's, from the description, valid and not. ``malformed`` breaks the request's form:
bodies, content types, methods, repetitions. ``hostile values`` are well-formed requests with values that break parsers.
``almost right`` knows the protocol: codes of other clients, swapped grant types, resources one character off.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

from pdpp_conformance.exchange import FORM
from pdpp_conformance.fuzzing.description import Operation, bound
from pdpp_conformance.fuzzing.placeholders import placeholder
from pdpp_conformance.fuzzing.request import GRANT_TYPES, JSON, GeneratedRequest

T = TypeVar("T")

CORNERS = "corners"
MOST_BYTES = 64 * 1024
"""The largest body that is generated."""

_CODES = ("pending_code", "denied_code", "foreign_code", "redeemed_code", "user_code", "access_token", "refresh_token")
_CREDENTIALS = (*_CODES, "grant_id", "client_id")


def generators_of(operations: Sequence[Operation]) -> dict[str, dict[str, st.SearchStrategy[GeneratedRequest]]]:
    """Return each operation's generators by name."""
    known = {
        "client_id": [placeholder("client_id"), placeholder("other_client_id")],
        "resource": [placeholder("resource")],
        "device_code": [placeholder(code) for code in _CODES],
        "refresh_token": [placeholder("refresh_token"), placeholder("access_token")],
        "token": [placeholder("access_token"), placeholder("refresh_token"), placeholder("pending_code")],
    }
    described = schemathesis.openapi.from_dict(bound(operations, known))
    made: dict[str, dict[str, st.SearchStrategy[GeneratedRequest]]] = {}
    for operation in operations:
        by_schema = described[operation.path][operation.method]
        named = made[operation.name] = {}
        if not operation.is_document:
            named["by the schema"] = st.one_of(
                _of_schema(operation, by_schema, GenerationMode.POSITIVE),
                _of_schema(operation, by_schema, GenerationMode.NEGATIVE),
            )
            named["hostile values"] = _hostile_values(operation)
        named["malformed"] = _malformed(operation)
        almost = _ALMOST_RIGHT.get(operation.name)
        if almost is not None:
            named["almost right"] = st.builds(_almost_right, st.just(operation), almost)
    return made


# -- by the schema -----------------------------------------------------------------------------------------------------


def _of_schema(operation: Operation, described: Any, mode: GenerationMode) -> st.SearchStrategy[GeneratedRequest]:
    generator = "schema-valid" if mode.is_positive else "schema-invalid"

    def read(case: Any) -> GeneratedRequest:
        kwargs = case.as_transport_kwargs(base_url="")
        media_type = next((value for name, value in kwargs["headers"].items() if name.lower() == "content-type"), None)
        body: bytes | None = None
        if kwargs.get("json") is not None:
            body = json.dumps(kwargs["json"]).encode("utf-8")
        elif isinstance(kwargs.get("data"), bytes):
            body = kwargs["data"]
        elif isinstance(kwargs.get("data"), dict):
            body = _form(_flat(kwargs["data"]))
        path = str((case.path_parameters or {}).get("grant_id", placeholder("grant_id")))
        return GeneratedRequest(
            operation=operation.name,
            generator=generator,
            method=operation.method,
            path=quote(path, safe="") if "{" in operation.url else "",
            headers=_headers(operation, media_type),
            body=None if body is None else body[:MOST_BYTES],
        )

    strategy: st.SearchStrategy[GeneratedRequest] = described.as_strategy(generation_mode=mode).map(read)
    return strategy


def _flat(members: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write the members of an object as form parameters: a list repeats its name, an object is written as JSON."""
    return [
        (name, value if isinstance(value, str) else json.dumps(value))
        for name, member in members.items()
        for value in (member if isinstance(member, list) else [member])
    ]


def _form(pairs: Sequence[tuple[str, str]]) -> bytes:
    return urlencode(pairs, errors="surrogatepass").encode("ascii")


def _headers(operation: Operation, media_type: str | None) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = [] if media_type is None else [("Content-Type", media_type)]
    if operation.wants == "basic":
        headers.append(("Authorization", f"Basic {placeholder('basic_credentials')}"))
    elif operation.wants == "bearer":
        headers.append(("Authorization", f"Bearer {placeholder('access_token')}"))
    return tuple(headers)


# -- what a well-formed request is made of -----------------------------------------------------------------------------


def well_formed(operation: str) -> dict[str, str]:
    """Return the parameters of a request that the operation takes, with placeholders."""
    client = {"client_id": placeholder("client_id")}
    resource = {"resource": placeholder("resource")}
    details = {"authorization_details": placeholder("authorization_details")}
    return {
        "device authorization": {**client, **resource, **details},
        "token": {"grant_type": GRANT_TYPES[0], "device_code": placeholder("pending_code"), **client},
        "registration": {"client_name": "fuzzed", "token_endpoint_auth_method": "none"},
        "pushed authorization request": {
            **client,
            **resource,
            "response_type": "code",
            "redirect_uri": "http://127.0.0.1/callback",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        },
        "introspection": {"token": placeholder("access_token")},
        "revocation": {"token": placeholder("pending_code"), **client},
    }.get(operation, {})


def _written(operation: Operation, pairs: Sequence[tuple[str, str]], generator: str, **other: Any) -> GeneratedRequest:
    """Write parameters in the operation's own media type."""
    in_json = operation.media_types[:1] == (JSON,)
    body = json.dumps(dict(pairs)).encode("utf-8") if in_json else _form(pairs)
    media_type = (JSON if in_json else FORM) if operation.media_types else None
    return GeneratedRequest(
        operation=operation.name,
        generator=generator,
        method=operation.method,
        path=other.get("path", placeholder("grant_id") if "{" in operation.url else ""),
        headers=other.get("headers", _headers(operation, media_type)),
        body=body if operation.media_types else None,
    )


# -- malformed ---------------------------------------------------------------------------------------------------------

_MEDIA_TYPES = (
    FORM,
    JSON,
    "text/plain",
    "multipart/form-data; boundary=b",
    f"{FORM}; charset=utf-16",
    "application/xml",
    "",
    "application/json; charset=\u00fc".encode().decode("latin-1"),
    "a/b; " + "c" * 500,
)
_RAW_BODIES = (
    b"",
    b"\x00",
    b"%",
    b"%zz=%",
    b"=",
    b"&&&",
    b"\xff\xfe",
    b"grant_type",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b'{"client_id":' + b"[" * 3000,
    b'{"client_id":NaN,"client_name":Infinity}',
    b'{"client_id":"\\ud800","client_name":"\\udfff"}',
    b"client_id=\xc3\x28&grant_type=\xa0",
    b"a=1&" * 2000,
    b"client_id=" + b"x" * 50_000,
)
_METHODS = ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "POST", "PROPFIND")


def corners(operation: Operation, seed: int) -> Iterator[GeneratedRequest]:
    """Yield each request that has one thing wrong with it; of values, each in a parameter that the seed picks."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secret
    if not operation.is_document:
        for base in _bases(operation.name):
            yield from _changed_once(operation, base, chance)
        if operation.name == "token":
            yield from _swapped(operation)
        if operation.name in ("revocation", "introspection"):
            yield from _asked_about(operation)
    media_type = next(iter(operation.media_types), None)
    body = _form(list(well_formed(operation.name).items())) if media_type else None
    for method in _METHODS:
        yield _raw(operation, method, _headers(operation, media_type), body)
    if body is not None:
        for other in _MEDIA_TYPES:
            yield _raw(operation, operation.method, _headers(operation, other or None), body)
            yield _raw(operation, operation.method, _headers(operation, other or None), b"[]")
        for raw in _RAW_BODIES:
            yield _raw(operation, operation.method, _headers(operation, media_type), raw)


def _bases(operation: str) -> list[dict[str, str]]:
    """Return a good request for each way to ask; of one that takes no parameters, none."""
    good = well_formed(operation)
    if operation != "token":
        return [good] if good else []
    client = {"client_id": placeholder("client_id")}
    code = {"grant_type": GRANT_TYPES[2], "code": placeholder("pending_code"), "code_verifier": "v" * 43}
    refresh = {"grant_type": GRANT_TYPES[1], "refresh_token": placeholder("access_token")}
    return [good, {**refresh, **client}, {**code, **client, "redirect_uri": "http://127.0.0.1/callback"}]


def _changed_once(operation: Operation, base: Mapping[str, str], chance: random.Random) -> Iterator[GeneratedRequest]:
    pairs = list(base.items())
    for name in (*base, "nonsense"):
        yield _written(operation, [pair for pair in pairs if pair[0] != name], CORNERS)
        yield _written(operation, list({**base, name: ""}.items()), CORNERS)
        yield _written(operation, [*pairs, (name, base.get(name, "x"))], CORNERS)
        yield _written(operation, [*pairs, (name, "x"), (name, "x")], CORNERS)
    names = [*dict.fromkeys([*base, *operation.parameters]), "client_secret"]
    for value in HOSTILE_VALUES:
        for name in dict.fromkeys((chance.choice(names), chance.choice(list(base)))):  # in an order that is the seed's
            yield _written(operation, list({**base, name: value}.items()), CORNERS)


def _swapped(operation: Operation) -> Iterator[GeneratedRequest]:
    """Yield a request of each grant type with each credential in its place."""
    for grant_type, name in _NAMES_OF_CREDENTIALS.items():
        for credential in (*_CREDENTIALS, "denied_code"):
            for client in ("client_id", "other_client_id"):
                if (name, credential) == ("refresh_token", "refresh_token"):
                    continue  # whoever replays it ends its family, and later requests need it
                pairs = [
                    ("grant_type", grant_type),
                    (name, placeholder(credential)),
                    ("client_id", placeholder(client)),
                ]
                yield _written(operation, pairs, CORNERS)
                if grant_type == GRANT_TYPES[0]:
                    yield _written(operation, [*pairs, ("resource", placeholder("resource"))], CORNERS)


def _asked_about(operation: Operation) -> Iterator[GeneratedRequest]:
    """Yield a request about each credential; the tokens that later requests need are another client's."""
    client = [("client_id", placeholder("other_client_id"))] if operation.name == "revocation" else []
    for credential in (*_CREDENTIALS, "denied_code"):
        yield _written(operation, [("token", placeholder(credential)), *client], CORNERS)


def _raw(
    operation: Operation, method: str, headers: tuple[tuple[str, str], ...], body: bytes | None
) -> GeneratedRequest:
    return GeneratedRequest(
        operation=operation.name,
        generator=CORNERS,
        method=method,
        path=placeholder("grant_id") if "{" in operation.url else "",
        headers=headers,
        body=None if method in ("GET", "HEAD", "OPTIONS") else body,
    )


def _any_of(values: Sequence[T]) -> st.SearchStrategy[T]:
    """Draw one of these; they are named by their place, as Hypothesis would write all of them out."""
    return st.sampled_from(range(len(values))).map(lambda place: values[place])


def _malformed(operation: Operation) -> st.SearchStrategy[GeneratedRequest]:
    good = well_formed(operation.name)
    raw = st.one_of(_any_of(_RAW_BODIES), st.binary(max_size=200), st.just(_form(list(good.items()))))

    def broken(method: str, media_type: str, body: bytes, bearer: str | None) -> GeneratedRequest:
        headers = [("Content-Type", media_type)] if media_type else []
        headers += [("Authorization", bearer)] if bearer is not None else []
        return GeneratedRequest(
            operation=operation.name,
            generator="malformed",
            method=method,
            path=placeholder("grant_id") if "{" in operation.url else "",
            headers=tuple(headers),
            body=None if method in ("GET", "HEAD", "OPTIONS") else body,
        )

    def repeated(names: Sequence[str], values: Sequence[str]) -> GeneratedRequest:
        extra = [(name, value) for name, value in zip(names, values, strict=False)]
        return _written(operation, [*good.items(), *extra], "malformed")

    methods = st.one_of(st.just(operation.method), st.sampled_from(_METHODS))
    authorization = st.one_of(
        st.none(),
        st.sampled_from(
            ("Basic", "Basic !", "Basic Og==", "Bearer", "Bearer x y", "Digest x", "", "Basic " + "A" * 3000)
        ),
    )
    forms = st.builds(broken, methods, _any_of(_MEDIA_TYPES), raw, authorization)
    if not good or operation.media_types[:1] == (JSON,):
        return forms
    names = st.lists(st.sampled_from([*good, "scope", "nonsense"]), min_size=1, max_size=4)
    values = st.lists(st.sampled_from(["", "x", placeholder("client_id"), placeholder("resource")]), min_size=4)
    return st.one_of(forms, st.builds(repeated, names, values))


# -- hostile values ----------------------------------------------------------------------------------------------------

HOSTILE_VALUES = (
    "",
    " ",
    "\x00",
    "x\x00y",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u2066",
    "ü€𝄞",
    '"\\',
    "x\r\nSet-Cookie: planted=1",
    "x\nplanted: 1",
    "%0d%0aplanted:%201",
    "' OR 1=1 --",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "[" * 2000,
    '[{"a":' * 400,
    "[" + "1," * 4000 + "1]",
    "9" * 400,
    "1e999",
    "-0",
    "true",
    "null",
    "a" * 20_000,
    "https://[::1",
    "http://%zz/",
    "urn:",
)
"""Values that have broken parsers, logs, templates and headers."""


def _hostile_values(operation: Operation) -> st.SearchStrategy[GeneratedRequest]:
    good = well_formed(operation.name)
    names = [*dict.fromkeys([*good, *operation.parameters]), "client_secret", "nonsense"]
    values = st.one_of(_any_of(HOSTILE_VALUES), st.text(max_size=20))

    def hostile(changes: Mapping[str, str], path: str) -> GeneratedRequest:
        own = quote(path, safe="", errors="surrogatepass") if "{" in operation.url else ""
        return _written(operation, list({**good, **changes}.items()), "hostile values", path=own or "x")

    changed = st.dictionaries(st.sampled_from(names), values, min_size=1, max_size=3)
    if "{" not in operation.url:
        return st.builds(
            lambda changes: _written(operation, list({**good, **changes}.items()), "hostile values"), changed
        )
    return st.builds(hostile, changed, values)


# -- almost right ------------------------------------------------------------------------------------------------------


@st.composite
def _mutated(draw: st.DrawFn, text: str) -> str:
    """Draw ``text`` with one character changed, left out or added."""
    place = draw(st.integers(0, len(text) - 1))
    kind = draw(st.sampled_from(("changed", "left out", "added", "cut", "other case")))
    if kind == "changed":
        return text[:place] + draw(st.sampled_from("aZ0-_/#? ")) + text[place + 1 :]
    if kind == "left out":
        return text[:place] + text[place + 1 :]
    if kind == "added":
        return text[:place] + draw(st.sampled_from("aZ0-_/#? ")) + text[place:]
    return text[:place] if kind == "cut" else text.swapcase()


def _beside(name: str) -> st.SearchStrategy[str]:
    """A value that is one step from the placeholder's: something before it, behind it, or the value itself."""
    return st.tuples(
        st.sampled_from(("", "", "x", " ", "%00", "/", "-")), st.sampled_from(("", "", "x", " ", "/", "#", "?a=b", "."))
    ).map(lambda ends: f"{ends[0]}{placeholder(name)}{ends[1]}")


_SOME_CREDENTIAL = st.one_of(
    st.sampled_from(_CREDENTIALS).map(placeholder),
    st.sampled_from(_CREDENTIALS).flatmap(_beside),
    st.text(alphabet="ABCDEFGHabcdefgh0123456789-_", min_size=43, max_size=43),
)
_SOME_CLIENT = st.sampled_from(
    (placeholder("client_id"), placeholder("client_id"), placeholder("other_client_id"), "nobody")
)
_SOME_RESOURCE = st.one_of(st.just(placeholder("resource")), _beside("resource"))
_NAMES_OF_CREDENTIALS = {GRANT_TYPES[0]: "device_code", "refresh_token": "refresh_token", "authorization_code": "code"}


@st.composite
def _token_requests(draw: st.DrawFn) -> list[tuple[str, str]]:
    grant_type = draw(st.sampled_from(GRANT_TYPES))
    named = _NAMES_OF_CREDENTIALS[draw(st.sampled_from((grant_type, grant_type, *GRANT_TYPES)))]
    pairs = [
        ("grant_type", draw(st.one_of(st.just(grant_type), _mutated(grant_type)))),
        (named, draw(_SOME_CREDENTIAL)),
    ]
    pairs.append(("client_id", draw(_SOME_CLIENT)))
    if draw(st.booleans()):
        pairs.append(("resource", draw(_SOME_RESOURCE)))
    if grant_type == "authorization_code":
        pairs.append(("code_verifier", "v" * 43))
    if draw(st.integers(0, 4)) == 0:
        pairs.append(("authorization_details", draw(_DETAILS)))
    return pairs


_ENTRY: Mapping[str, Any] = {
    "type": placeholder("authorization_details_type"),
    "source": {"kind": "connector", "id": "https://example.org/source"},
    "purpose_code": "https://pdpp.dev/purpose/personal_ai_assistant",
    "access_mode": "continuous",
    "streams": [{"name": "*"}],
}
_JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(HOSTILE_VALUES[:16]), st.just(1e308)),
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(st.just("name"), children, max_size=1)),
    max_leaves=4,
)


@st.composite
def _entries(draw: st.DrawFn) -> str:
    entry: dict[str, Any] = dict(_ENTRY)
    for member in draw(st.lists(st.sampled_from([*_ENTRY, "retention", "unknown"]), min_size=1, max_size=2)):
        if draw(st.booleans()):
            entry.pop(member, None)
        else:
            entry[member] = draw(_JUNK)
    return json.dumps([entry] * draw(st.sampled_from((1, 1, 2, 9))))


_DETAILS = st.one_of(st.just(placeholder("authorization_details")), _entries())


@st.composite
def _device_requests(draw: st.DrawFn) -> list[tuple[str, str]]:
    pairs = [("client_id", draw(_SOME_CLIENT))]
    for name, values in (("resource", _SOME_RESOURCE), ("authorization_details", _DETAILS)):
        if draw(st.integers(0, 5)):
            pairs.append((name, draw(st.one_of(values, values, st.just("")))))
    if draw(st.integers(0, 5)) == 0:
        pairs.append(("scope", draw(st.sampled_from(("", "openid", "pdpp:owner", "owner admin")))))
    return pairs


def _token_questions(client: bool) -> st.SearchStrategy[list[tuple[str, str]]]:
    hint = st.sampled_from((None, "access_token", "refresh_token", "nonsense", ""))
    return st.builds(
        lambda token, told, who: [
            ("token", token),
            *([("token_type_hint", told)] if told is not None else []),
            *([("client_id", who)] if client else []),
        ],
        _SOME_CREDENTIAL,
        hint,
        # The tokens that later requests need stay the first client's own.
        st.just(placeholder("other_client_id")),
    )


_ALMOST_RIGHT: Mapping[str, st.SearchStrategy[list[tuple[str, str]]]] = {
    "token": _token_requests(),
    "device authorization": _device_requests(),
    "introspection": _token_questions(client=False),
    "revocation": _token_questions(client=True),
    "pushed authorization request": _device_requests().map(
        lambda pairs: [*pairs, *((k, v) for k, v in well_formed("pushed authorization request").items() if "c" in k)]
    ),
}


def _almost_right(operation: Operation, pairs: Sequence[tuple[str, str]]) -> GeneratedRequest:
    return _written(operation, pairs, "almost right")
