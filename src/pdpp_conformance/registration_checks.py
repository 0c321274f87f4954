"""Dynamic client registration, judged: what is taken, what is told back, what is refused (RFC 7591)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import OAuthClient
from pdpp_conformance.run import CLIENT_NAME, Run
from pdpp_conformance.verdict import Blocked, NotApplicable

Metadata = dict[str, Any]

_CALLBACK = "http://127.0.0.1/callback"
_CODES = ("invalid_client_metadata", "invalid_redirect_uri")
_SUCCESS = (200, 201, 202)
_TOLD = ("client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method")
_OF_EACH_REGISTRATION = {
    "client_id",
    "client_id_issued_at",
    "client_secret",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
}
"""Members that differ between two registrations of the same metadata (RFC 7591 §3.2.1, RFC 7592 §3)."""


@dataclass(frozen=True)
class Registered:
    """What was asked to be registered, and the answer."""

    metadata: Mapping[str, Any]
    answer: Answer

    @property
    def succeeded(self) -> bool:
        return self.answer.status in _SUCCESS and isinstance(self.answer.member("client_id"), str)


def whole(run: Run) -> Metadata:
    """Return metadata that a server which lets such clients register at all has no reason to refuse."""
    offered = run.discovery.grant_types
    grants = [grant for grant in (DEVICE_CODE_GRANT, "authorization_code", "refresh_token") if grant in offered]
    metadata: Metadata = {
        "client_name": f"{CLIENT_NAME}: registration",
        "grant_types": grants,
        "token_endpoint_auth_method": "none",
    }
    if "authorization_code" in grants:
        metadata |= {"redirect_uris": [_CALLBACK], "response_types": ["code"]}
    return metadata


def register(run: Run, metadata: Any) -> Registered:
    """Register a client.

    Raises:
        Blocked: registration is not open to the harness, or not at this moment.
    """
    answer = run.register(metadata, actor="a client that registers")
    if answer.status in (401, 403, 429, 503):
        raise Blocked(
            f"registering a client was answered {answer.summary}",
            unblock="a registration endpoint that is open to the harness, or to the signed-in owner",
        )
    return Registered(metadata if isinstance(metadata, dict) else {}, answer)


def require_registrable(run: Run) -> Registered:
    """The positive control: well-formed metadata is registered.

    Raises:
        Blocked: it is not.
    """
    registered = register(run, whole(run))
    if not registered.succeeded:
        raise Blocked(
            f"registering a client with well-formed metadata was answered {registered.answer.summary}",
            unblock="a registration endpoint that takes a public client",
        )
    return registered


def register_without_defaults(run: Run) -> Registered:
    """Register a client that leaves grant types and response types to the server (RFC 7591 §2).

    Raises:
        NotApplicable: the server does not take a client that leaves them out.
    """
    metadata = {name: value for name, value in whole(run).items() if name not in ("grant_types", "response_types")}
    registered = register(run, metadata)
    if registered.answer.status == 400:
        raise NotApplicable("the server registers no client that leaves its grant types to it, which it may")
    return registered


UNKNOWN_MEMBERS: Mapping[str, Metadata] = {
    "a text": {"conformance_unknown_member": "anything"},
    "an object": {"conformance_unknown_member": {"conformance": ["anything"]}},
    "a promise of more": {"conformance_owner_access": True, "conformance_token_kind": "owner"},
}


def register_with_unknown(run: Run, what: str) -> Registered:
    """Register well-formed metadata with a member beside it that no server knows."""
    return register(run, {**whole(run), **UNKNOWN_MEMBERS[what]})


DEFECTS: Mapping[str, Metadata] = {
    "grant types that are a number": {"grant_types": 7},
    "a grant type that is a number": {"grant_types": [7]},
    "redirect URIs that are no list": {"redirect_uris": 7},
    "a redirect URI that is none": {"redirect_uris": ["no redirect URI"]},
    "a name that is an object": {"client_name": {"a": "b"}},
}


def register_with_defect(run: Run, defect: str) -> Registered:
    """Register metadata that has one of the named defects."""
    return register(run, {**whole(run), **DEFECTS[defect]})


REDIRECT_URIS: Mapping[str, str] = {
    "a fragment": "https://client.example/callback#part",
    "an empty fragment": "https://client.example/callback#",
    "the scheme javascript": "javascript:alert(document.domain)//",
    "the scheme data": "data:text/html,<script>alert(1)</script>",
    "the scheme vbscript": "vbscript:msgbox(1)",
}


def register_redirect_uri(run: Run, what: str, grants: str) -> Registered:
    """Register a redirect URI that no client may have, for a client of the named kind."""
    metadata = {**whole(run), "redirect_uris": [REDIRECT_URIS[what]]}
    if grants == "the device grant alone":
        metadata = {**metadata, "grant_types": [DEVICE_CODE_GRANT]}
        metadata.pop("response_types", None)
    elif "authorization_code" not in run.discovery.grant_types:
        raise NotApplicable("the metadata offers no authorization_code grant")
    return register(run, metadata)


def register_for_device_alone(run: Run) -> Registered:
    """Register a client that asks for the device grant alone and names no redirect URI."""
    return register(run, _device_alone())


def _device_alone() -> Metadata:
    return {
        "client_name": f"{CLIENT_NAME}: device only",
        "grant_types": [DEVICE_CODE_GRANT],
        "token_endpoint_auth_method": "none",
    }


def client_without_device_grant(run: Run) -> OAuthClient:
    """Return a client that was registered without the device grant, as the server itself tells.

    Raises:
        Blocked: no such client can be registered.
        NotApplicable: the server gives every client the device grant.
    """
    others = [grant for grant in ("authorization_code", "refresh_token") if grant in run.discovery.grant_types]
    registered = register(run, {**whole(run), "grant_types": others})
    if not others or not registered.succeeded:
        raise Blocked(
            f"registering a client without the device grant was answered {registered.answer.summary}",
            unblock="a registration endpoint that takes a client for the authorization-code grant alone",
        )
    if DEVICE_CODE_GRANT in _texts(registered.answer.member("grant_types")):
        raise NotApplicable("the server registers every client for the device grant, and says so")
    return _client(run, registered, "a client without the device grant")


# -- judging -----------------------------------------------------------------------------------------------------------


def judge_success(judge: Judgement, registered: Registered) -> None:
    """201, JSON, a client id; with a secret, the moment it expires (RFC 7591 §3.2.1)."""
    answer = registered.answer
    if answer.status == 400 and answer.error in _CODES:
        raise Blocked(
            f"registering a client with well-formed metadata was answered {answer.summary}",
            unblock="a registration endpoint that takes a public client",
        )
    is_json = answer.media_type == "application/json"
    judge.that(
        answer.status == 201 and is_json,
        "201 application/json",
        f"{answer.summary} {answer.media_type or 'without content type'}",
    )
    client_id = answer.member("client_id")
    judge.that(isinstance(client_id, str) and bool(client_id), "a client_id", repr(client_id)[:100])
    if answer.member("client_secret") is not None:
        expires = answer.member("client_secret_expires_at")
        number = isinstance(expires, int | float) and not isinstance(expires, bool) and expires >= 0
        judge.that(number, "client_secret_expires_at with the secret, 0 for never", repr(expires)[:100])


def judge_told_back(judge: Judgement, registered: Registered) -> None:
    """What was registered is told, whether it was asked for, substituted or left to the server."""
    told = registered.answer.json_object()
    sent = registered.metadata
    expected = [name for name in _TOLD if name in sent or name not in ("client_name", "redirect_uris")]
    if "authorization_code" not in _texts(told.get("grant_types")):
        expected.remove("response_types")  # a client without that grant has none to tell (RFC 7591 §2.1)
    missing = [name for name in expected if told.get(name) in (None, "")]
    judge.that(not missing, f"{', '.join(expected)} in the answer", f"missing: {', '.join(missing) or 'none'}")
    shapes = {name: list for name in ("redirect_uris", "grant_types", "response_types") if name in told}
    wrong = [name for name, shape in shapes.items() if not isinstance(told[name], shape)]
    judge.that(not wrong, "lists of redirect URIs, grant types and response types", ", ".join(wrong) or "lists")


def judge_ignored(judge: Judgement, registered: Registered, plain: Registered) -> None:
    """An unknown member makes no difference; a refusal of it is a remark, as the catalogue's note says."""
    answer = registered.answer
    refused = answer.status == 400 and answer.error == "invalid_client_metadata"
    judge.remark(not refused, "the unknown member to be ignored (RFC 7591 §2)", f"refused with {answer.summary}")
    judge.that(registered.succeeded, "the client registered as without it", answer.summary)
    with_it, without = _lasting(registered.answer), _lasting(plain.answer)
    different = sorted(name for name in with_it.keys() | without.keys() if with_it.get(name) != without.get(name))
    judge.that(
        not different, "the same metadata registered as without it", f"different: {', '.join(different) or 'nothing'}"
    )


def _lasting(answer: Answer) -> Metadata:
    return {name: value for name, value in answer.json_object().items() if name not in _OF_EACH_REGISTRATION}


def judge_refusal(judge: Judgement, registered: Registered, codes: Sequence[str] = _CODES) -> None:
    """Refused in the form of RFC 7591 §3.2.2, and nothing registered."""
    judge.error(registered.answer, codes)
    client_id = registered.answer.member("client_id")
    judge.that(client_id is None, "no client registered", repr(client_id)[:100])


def judge_defect(judge: Judgement, registered: Registered, defect: str) -> None:
    """Refused as specified; or taken with something else in place of the defect, which is permitted (RFC 7591 §2)."""
    replaced = DEFECTS[defect].keys()
    told = {name: registered.answer.member(name) for name in replaced}
    if registered.succeeded and told != DEFECTS[defect]:
        raise NotApplicable(f"the server replaces {defect} by something of its own, which it may, and refuses nothing")
    judge_refusal(judge, registered)


def judge_device_only(judge: Judgement, run: Run, registered: Registered) -> None:
    """The device grant was stored, replaced visibly, or refused; and not for want of a redirect URI."""
    answer = registered.answer
    if not registered.succeeded:
        judge.error(answer, _CODES)
        with_uri = register(run, {**_device_alone(), "redirect_uris": [_CALLBACK]})
        judge.that(
            not with_uri.succeeded,
            "no redirect URI to be needed",
            f"{answer.summary} without one, {with_uri.answer.summary} with one",
        )
        judge.error(answer, ["invalid_client_metadata"])
        return
    client = _client(run, registered, "a device-only client")
    asked = client.ask(client.request_parameters("grant_scoped_mcp", run.one_stream()).items())
    told = answer.member("grant_types")
    if asked.member("device_code") is None and isinstance(told, list) and DEVICE_CODE_GRANT not in told:
        judge.note(f"the device grant was replaced, visibly: {', '.join(map(str, told))[:200]}")
        return
    judge.that(asked.member("device_code") is not None, "codes, or another grant told instead", asked.summary)


def _client(run: Run, registered: Registered, name: str) -> OAuthClient:
    return OAuthClient(
        str(registered.answer.member("client_id")),
        name=name,
        recorder=run.recorder,
        discovery=run.discovery,
        waiting=run.waiting,
        scope=run.target.client.scope,
    )


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
