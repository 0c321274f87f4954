"""Challenges of the MCP server that break the grammar, or tell a client too little or too much (RFC 6750 §3)."""

from __future__ import annotations

import re
from collections.abc import Callable

from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import Answered
from pdpp_reference.grants.access import SCOPE_OF

MCP = "/mcp"
FIELD = "www-authenticate"

_BETWEEN = re.compile(r", (?=[a-z_]+=)")
"""What parts the parameters of the conforming challenge."""

declared = Declared()


def _rewritten(answer: Answered, rewrite: Callable[[list[str]], list[str]], *, status: int = 401) -> None:
    """Write the parameters of the challenge of an answer with that status anew, where there is one."""
    if answer.status == status and FIELD in answer.headers:
        parameters = _BETWEEN.split(answer.headers[FIELD].removeprefix("Bearer "))
        answer.headers[FIELD] = f"Bearer {', '.join(rewrite(parameters))}".rstrip()


def _without(name: str) -> Callable[[list[str]], list[str]]:
    return lambda parameters: [parameter for parameter in parameters if not parameter.startswith(f"{name}=")]


def _with(addition: str) -> Callable[[list[str]], list[str]]:
    return lambda parameters: [*parameters, addition]


_ALL_IN_THE_CHALLENGE = ("RSC-02", "RSC-03", "RSC-04", "RSC-07", "RSC-08", "RSC-28")
_WHY_ALL = "A challenge that holds nothing tells neither metadata, nor scopes, nor what is wrong with the token."


@declared.altering(MCP, "A 401 carries no challenge.", *_ALL_IN_THE_CHALLENGE, why=_WHY_ALL)
def no_www_authenticate(answer: Answered) -> None:
    if answer.status == 401:
        del answer.headers[FIELD]


@declared.altering(MCP, "A 401 is challenged with the scheme alone.", *_ALL_IN_THE_CHALLENGE, why=_WHY_ALL)
def bare_bearer(answer: Answered) -> None:
    _rewritten(answer, lambda _parameters: [])


@declared.altering(MCP, "The challenge names no scope.", "RSC-04")
def no_scope_hint(answer: Answered) -> None:
    _rewritten(answer, _without("scope"))


@declared.altering(MCP, "The challenge names the scope of owner tokens.", "RSC-04")
def owner_scope_in_challenge(answer: Answered) -> None:
    _rewritten(answer, lambda parameters: [*_without("scope")(parameters), f'scope="{SCOPE_OF["owner"]}"'])


@declared.altering(MCP, "A client without a token is told that its token is invalid.", "RSC-05")
def error_on_anonymous(answer: Answered) -> None:
    if "authorization" not in answer.request_headers:
        _rewritten(answer, _with('error="invalid_token"'))


@declared.altering(
    MCP,
    "The challenge does not say what is wrong with a token.",
    "RSC-07",
    "RSC-08",
    "RSC-28",
    why="Expired and revoked tokens have to be called invalid by a rule of their own, and all of them by another.",
)
def no_error_attribute(answer: Answered) -> None:
    _rewritten(answer, _without("error"))


@declared.altering(MCP, "The challenge tells the error twice.", "RSC-16")
def dup_error_param(answer: Answered) -> None:
    _rewritten(answer, lambda parameters: [*parameters, *(one for one in parameters if one.startswith("error="))])


@declared.altering(MCP, "The challenge describes the error in characters that it may not have.", "RSC-16")
def description_of_other_characters(answer: Answered) -> None:
    if "authorization" in answer.request_headers:
        described = r'error_description="say \"please\""'
        _rewritten(answer, lambda parameters: [*_without("error_description")(parameters), described])


@declared.altering(MCP, "The challenge repeats a malformed token as it came.", "RSC-16")
def token_repeated_in_challenge(answer: Answered) -> None:
    bearer = answer.request_headers.get("authorization", "").partition(" ")[2]
    if '"' in bearer:
        _rewritten(answer, _with(f'error_uri="{bearer}"'))


@declared.altering(MCP, "The challenge asks for offline access.", "RSC-21")
def challenge_offline_access(answer: Answered) -> None:
    scope = f'scope="{SCOPE_OF["client"]} offline_access"'
    _rewritten(answer, lambda parameters: [*_without("scope")(parameters), scope])


# -- 403 ---------------------------------------------------------------------------------------------------------------


@declared.altering(
    MCP,
    "Who lacks a scope is not told where the metadata is.",
    "RSC-11",
    "RSC-27",
    why="The one asks for the whole challenge, the other for the metadata in it.",
)
def no_resource_metadata_on_403(answer: Answered) -> None:
    _rewritten(answer, _without("resource_metadata"), status=403)


@declared.altering(
    "/v1/streams", "A client token at the owner's surface is refused with a challenge that names no error.", "RSC-11"
)
def rest_challenge_without_error(answer: Answered) -> None:
    _rewritten(answer, _without("error"), status=403)


@declared.altering(MCP, "Who lacks a scope is not told which.", "RSC-11")
def no_scope_on_403(answer: Answered) -> None:
    _rewritten(answer, _without("scope"), status=403)


@declared.altering(
    MCP,
    "A token that lacks a scope is refused with 401.",
    "RSC-11",
    "CHG-02",
    "PRO-14",
    why="The token that lacks a scope is the owner's, whose refusal the change words; and the code in the body no "
    "longer fits the status.",
    name="401_for_scope",
)
def _401_for_scope(answer: Answered) -> None:
    if answer.status == 403 and FIELD in answer.headers:
        answer.status = 401


@declared.altering(MCP, "A call that takes two scopes asks for one after the other.", "RSC-12")
def drip_scopes(answer: Answered) -> None:
    if answer.status == 200 and b'"tools/call"' in answer.request_body and b'"schema"' in answer.request_body:
        answer.status, answer.members = 403, {"error": {"code": "permission_error", "message": "a scope is missing"}}
        answer.headers[FIELD] = 'Bearer error="insufficient_scope", scope="pdpp:schema"'
