"""Whether the metadata documents promise what is so: endpoints, `iss`, scopes, signatures, caching."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from pdpp_conformance import code_flow, drawing
from pdpp_conformance.challenge_checks import scopes_named
from pdpp_conformance.discovery import Document
from pdpp_conformance.exchange import Answer, NoAnswer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.metadata_checks import has_a_name, secure_url
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import NotApplicable

A_DAY_SECONDS = 86_400

_METHODS: Mapping[str, str] = {
    "authorization_endpoint": "GET",
    "token_endpoint": "POST",
    "device_authorization_endpoint": "POST",
    "introspection_endpoint": "POST",
    "revocation_endpoint": "POST",
    "registration_endpoint": "POST",
    "pushed_authorization_request_endpoint": "POST",
}
"""The endpoints whose method a standard fixes."""

_CONTRACT_PATHS: Mapping[str, str] = {
    "introspection_endpoint": "/introspect",
    "revocation_endpoint": "/oauth/revoke",
    "registration_endpoint": "/oauth/register",
}
"""Where the PDPP wire contract §2 has the endpoints that may be left out."""

_NOBODY_THERE = (404, 405, 410, 501, 502, 503, 504)
_MAX_AGE = re.compile(r"(?:^|[\s,])(?:s-maxage|max-age)\s*=\s*\"?(\d+)", re.IGNORECASE)


# -- endpoints ---------------------------------------------------------------------------------------------------------


def _knock(run: Run, url: str, method: str) -> Answer | None:
    """Ask an endpoint for nothing: no parameters, no credentials. ``None`` where no HTTP answer came."""
    try:
        # A body that no registration endpoint takes for client metadata.
        return run.recorder.send(method, url, actor="a stranger", form=[] if method == "POST" else None)
    except NoAnswer:
        return None


def judge_advertised_answer(judge: Judgement, run: Run) -> None:
    """Each advertised endpoint whose method a standard fixes is there to refuse an empty request."""
    found = run.discovery
    advertised = [(name, url, method) for name, method in _METHODS.items() if (url := found.endpoint(name)) is not None]
    judge.that(bool(advertised), "advertised endpoints", f"{len(advertised)} advertised")
    for name, url, method in advertised:
        answer = _knock(run, url, method)
        met = answer is not None and answer.status not in _NOBODY_THERE
        judge.that(met, f"the {name} to answer", answer.summary if answer is not None else "no answer")


def judge_answering_advertised(judge: Judgement, run: Run) -> None:
    """No endpoint that may be left out answers at its usual place without being advertised.

    Raises:
        NotApplicable: all of them are advertised, so that there is none to look for.
    """
    issuer = run.discovery.issuer.rstrip("/")
    unadvertised = [name for name in _CONTRACT_PATHS if run.discovery.endpoint(name) is None]
    if not unadvertised:
        raise NotApplicable("introspection, revocation and registration are all advertised")
    for name in unadvertised:
        path = _CONTRACT_PATHS[name]
        beside = _knock(run, f"{issuer}{path}-{drawing.token_hex(4)}", "POST")
        answer = _knock(run, f"{issuer}{path}", "POST")
        hidden = _speaks_oauth(answer) and not _speaks_oauth(beside)
        observed = f"{path} answers {answer.summary}" if hidden and answer is not None else "nothing there"
        judge.that(not hidden, f"no {name} that is not advertised", observed)


def _speaks_oauth(answer: Answer | None) -> bool:
    """Whether an answer is one of an OAuth endpoint: 200, or a refusal in the form of RFC 6749 §5.2."""
    return answer is not None and (answer.status == 200 or (answer.status in (400, 401) and answer.error is not None))


def judge_cimd(judge: Judgement, document: Document) -> None:
    """MCP Client Registration: client id metadata documents are supported, and said to be."""
    said = document.content.get("client_id_metadata_document_supported")
    judge.equal(said, True, "client_id_metadata_document_supported")
    if document.content.get("registration_endpoint") is not None:
        judge.note("dynamic registration is offered beside it, which MCP 2026-07-28 deprecates")


def judge_state(judge: Judgement, response: code_flow.AuthorizationResponse) -> None:
    """The state comes back as it was sent (RFC 6749 §4.1.2)."""
    judge.equal(response.parameters.get("state"), response.request.parameters["state"], "state")


def judge_iss(judge: Judgement, run: Run, response: code_flow.AuthorizationResponse) -> None:
    """RFC 9207 §2.3, §2.4: ``iss`` is advertised exactly if it is sent, and is the issuer.

    Raises:
        NotApplicable: neither.
    """
    iss = response.parameters.get("iss")
    advertised = run.discovery.authorization_server.content.get("authorization_response_iss_parameter_supported", False)
    if iss is None and advertised is False:
        raise NotApplicable("the authorization response carries no iss, and none is advertised")
    sent = "iss in the authorization response" if iss is not None else "no iss in the authorization response"
    judge.that(
        advertised is (iss is not None),
        f"authorization_response_iss_parameter_supported {'true' if iss is not None else 'left out'}",
        f"{sent}, and advertised {advertised}",
    )
    judge.equal(iss, run.discovery.issuer, "iss")


# -- protected resource metadata ---------------------------------------------------------------------------------------


def judge_name_and_scopes(judge: Judgement, run: Run, document: Document) -> None:
    """RFC 9728 §2: the resource has a name, and lists its scopes if its challenge names one."""
    has_a_name(judge, document)
    challenge = run.discovery.unauthenticated_mcp
    if challenge is None or not scopes_named(challenge):
        judge.note("the challenge names no scope")
        return
    listed = document.content.get("scopes_supported")
    judge.that(isinstance(listed, list) and bool(listed), "scopes_supported", repr(listed)[:80])


def judge_no_offline_access(judge: Judgement, document: Document) -> None:
    """MCP 2026-07-28, Refresh Tokens: ``offline_access`` is no scope of a resource.

    Raises:
        NotApplicable: the resource lists no scopes.
    """
    listed = document.content.get("scopes_supported")
    if not listed:
        raise NotApplicable("the resource lists no scopes")
    met = not (isinstance(listed, list) and "offline_access" in listed)
    judge.that(met, "scopes_supported without offline_access", str(listed)[:200])


def judge_keys(judge: Judgement, document: Document) -> None:
    """RFC 9728 §2: keys are fetched over TLS, and no signature of algorithm ``none`` is taken.

    Raises:
        NotApplicable: the document names neither keys nor algorithms.
    """
    content = document.content
    algorithms = {name: value for name, value in content.items() if name.endswith("signing_alg_values_supported")}
    if "jwks_uri" not in content and not algorithms:
        raise NotApplicable("the document names neither keys nor signing algorithms, which it may leave out")
    if "jwks_uri" in content:
        secure_url(judge, content["jwks_uri"], "jwks_uri", query=True)
    for name, value in algorithms.items():
        listed = [str(member).lower() for member in value] if isinstance(value, list) else [str(value).lower()]
        judge.that("none" not in listed, f"{name} without none", ", ".join(listed))


def judge_signed_metadata(judge: Judgement, document: Document) -> None:
    """RFC 9728 §2.2: signed metadata is a JWS, signed or MACed, whose claims name who attests them.

    Raises:
        NotApplicable: there is none.
    """
    signed = document.content.get("signed_metadata")
    if signed is None:
        raise NotApplicable("the document carries no signed_metadata, which it may leave out")
    parts = signed.split(".") if isinstance(signed, str) else []
    judge.that(len(parts) == 3 and all(parts), "a JWS of three parts, none of them empty", f"{len(parts)} parts")
    header, claims = (_object_in(part) for part in parts[:2])
    algorithm = header.get("alg")
    met = isinstance(algorithm, str) and algorithm.lower() not in ("", "none")
    judge.that(met, "a header with an algorithm other than none", f"alg {algorithm}")
    issuer = claims.get("iss")
    judge.that(isinstance(issuer, str) and bool(issuer), "claims with iss", f"iss {issuer}")
    judge.note("the signature itself was not verified: which keys to trust is the client's to know")


def _object_in(part: str) -> Mapping[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def judge_caching(judge: Judgement, document: Document) -> None:
    """RFC 9728 §7.10: the document may be kept for a while, and not for so long that a change goes unseen."""
    assert document.answer is not None
    value = document.answer.header("cache-control") or ""
    validator = document.answer.header("etag") or document.answer.header("last-modified")
    lifetimes = [int(seconds) for seconds in _MAX_AGE.findall(value)]
    asked_again = validator is not None and "no-store" not in value.lower()
    kept = any(lifetimes) or asked_again
    judge.that(
        kept and all(seconds <= A_DAY_SECONDS for seconds in lifetimes),
        "Cache-Control with a lifetime of a day at most, or a validator to ask again with",
        f"Cache-Control: {value[:80] or 'absent'}, {'a' if validator else 'no'} validator",
    )
