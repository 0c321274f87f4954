"""Tokens that are not what the owner approved, and token responses that are not what RFC 6749 says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, update
from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.tokens import Tokens, Use
from pdpp_reference.faults.device_authorization import ENDPOINT as DEVICE_AUTHORIZATION
from pdpp_reference.faults.fault import Declared, Document
from pdpp_reference.faults.polling import ENDPOINT
from pdpp_reference.faults.traffic import AlteredAnswers, Answered, Pairs, RepairedForms
from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.authorization_details import AuthorizationDetail
from pdpp_reference.http import Form
from pdpp_reference.owner.decision import Decisions
from pdpp_reference.secrets_at_rest import digest, new_identifier
from pdpp_reference.storage.tables import tokens

declared = Declared()

_INTROSPECTION_DISAGREES = "Introspection tells what was granted, and so something else."


def _with_token(answer: Answered) -> bool:
    return "access_token" in answer.members


# -- the form of the answer --------------------------------------------------------------------------------------------


@declared.altering(ENDPOINT, "The token type is left out.", "TOK-01")
def no_token_type(answer: Answered) -> None:
    answer.drop("token_type")


@declared.altering(ENDPOINT, "A cache may keep the token.", "TOK-02")
def cacheable_token(answer: Answered) -> None:
    if _with_token(answer):
        answer.headers["cache-control"] = "max-age=60"


@declared.altering(ENDPOINT, "The token's lifetime is written as a text.", "TOK-03")
def expires_in_string(answer: Answered) -> None:
    if _with_token(answer):
        answer.update(expires_in=str(answer.members["expires_in"]))


@declared.altering(
    ENDPOINT, "The token is said to live for a month.", "TOK-03", "INT-08", why="Introspection tells another time."
)
def token_lives_a_month(answer: Answered) -> None:
    if _with_token(answer):
        answer.update(expires_in=30 * 24 * 3600)


@declared.altering(ENDPOINT, "The authorization details are not returned.", "TOK-07")
def rar_not_returned(answer: Answered) -> None:
    answer.drop("authorization_details")


@declared.altering(
    ENDPOINT,
    "The limits of what was granted are not returned.",
    "TOK-07",
    "INT-08",
    why=_INTROSPECTION_DISAGREES,
)
def limits_untold(answer: Answered) -> None:
    if _with_token(answer) and "authorization_details" in answer.members:
        details = answer.members["authorization_details"]
        named = [{**entry, "streams": [{"name": s["name"]} for s in entry["streams"]]} for entry in details]
        answer.update(authorization_details=named)


@declared.altering(
    ENDPOINT, "Everything is said to be granted for another purpose.", "TOK-07", "INT-08", why=_INTROSPECTION_DISAGREES
)
def purpose_exchanged(answer: Answered) -> None:
    if _with_token(answer) and "authorization_details" in answer.members:
        details = answer.members["authorization_details"]
        answer.update(authorization_details=[{**e, "purpose_code": "https://pdpp.dev/purpose/other"} for e in details])


@declared.altering(ENDPOINT, "The access token is told twice.", "TOK-05")
def dup_access_token(answer: Answered) -> None:
    if _with_token(answer):
        answer.body = b'{"access_token": "another", ' + json.dumps(answer.members).encode()[1:]


@declared.altering(ENDPOINT, "The scope is not told.", "TOK-04")
def narrowed_silently(answer: Answered) -> None:
    if _with_token(answer):
        answer.drop("scope")


class _ShortTokens(Tokens):
    def _insert(self, connection: Connection, row: dict[str, Any], use: Use, lifetime: int) -> str:
        long = super()._insert(connection, row, use, lifetime)
        short = long[:16]
        connection.execute(update(tokens).where(tokens.c.digest == digest(long)).values(digest=digest(short)))
        return short


@declared.replacing("Tokens have 16 characters.", "TOK-06")
def short_token(parts: Collaborators) -> None:
    parts.tokens = _ShortTokens(parts.settings, parts.clock, parts.grants)


# -- scopes ------------------------------------------------------------------------------------------------------------

_INTROSPECTION = "/introspect"


class _Widened:
    """Adds to a token's scope what was asked for, in the token response and at introspection."""

    def __init__(self) -> None:
        self._of_device_code: dict[str, str] = {}
        self._of_token: dict[str, str] = {}

    def drop(self, pairs: Pairs) -> Pairs:
        """Let a request pass without its scope."""
        return [pair for pair in pairs if pair[0] != "scope"]

    def remember(self, answer: Answered) -> None:
        """Remember which scope a device asked for."""
        if "device_code" in answer.members and "scope" in answer.form:
            self._of_device_code[answer.members["device_code"]] = answer.form["scope"]

    def tell_as_requested(self, answer: Answered) -> None:
        self._tell(answer, self._of_device_code.get(answer.form.get("device_code", "")))

    def tell_as_redeemed(self, answer: Answered) -> None:
        self._tell(answer, answer.form.get("scope"))

    def _tell(self, answer: Answered, scope: str | None) -> None:
        if scope is not None and _with_token(answer):
            self._of_token[answer.members["access_token"]] = scope
            answer.update(scope=scope)

    def introspect(self, answer: Answered) -> None:
        scope = self._of_token.get(answer.form.get("token", ""))
        if scope is not None and answer.members.get("active"):
            answer.update(scope=scope)


@declared.wrapping("A scope that cannot be had is granted.", "DAR-13")
def scope_silently_widened(app: ASGIApp) -> ASGIApp:
    widened = _Widened()
    app = AlteredAnswers(app, ENDPOINT, widened.tell_as_requested)
    app = AlteredAnswers(app, _INTROSPECTION, widened.introspect)
    return AlteredAnswers(
        RepairedForms(app, DEVICE_AUTHORIZATION, widened.drop), DEVICE_AUTHORIZATION, widened.remember
    )


@declared.wrapping("A scope that cannot be had is left out, and nobody is told.", "TOK-04")
def narrowed_unnoticed(app: ASGIApp) -> ASGIApp:
    widened = _Widened()
    app = AlteredAnswers(app, ENDPOINT, narrowed_silently)
    return RepairedForms(app, DEVICE_AUTHORIZATION, widened.drop)


@declared.wrapping("A scope at redemption is granted as well.", "POL-21")
def scope_added_at_token(app: ASGIApp) -> ASGIApp:
    widened = _Widened()
    app = AlteredAnswers(app, ENDPOINT, widened.tell_as_redeemed)
    return AlteredAnswers(app, _INTROSPECTION, widened.introspect)


@declared.altering(
    _INTROSPECTION,
    "The scope of every token is everything.",
    "TOK-09",
    "TOK-04",
    "INT-08",
    why="Introspection tells another scope than the token response.",
)
def scope_star(answer: Answered) -> None:
    if answer.members.get("active"):
        answer.update(scope="*")


@declared.altering(
    _INTROSPECTION,
    "Tokens have no audience.",
    "TOK-08",
    "INT-08",
    "CHG-10",
    why="A token without an audience is not told to be for the MCP resource alone.",
)
def aud_missing(answer: Answered) -> None:
    answer.drop("aud")


@declared.altering(
    _INTROSPECTION,
    "Every token is for everybody.",
    "TOK-08",
    "INT-08",
    "CHG-10",
    why="A token for every audience is not told to be for the MCP resource alone.",
)
def aud_star(answer: Answered) -> None:
    if answer.members.get("active"):
        answer.update(aud="*")


@declared.rewriting(
    "/.well-known/oauth-authorization-server", "DPoP is offered, and bearer tokens are issued.", "TOK-11"
)
def dpop_in_name_only(document: Document) -> None:
    document["dpop_signing_alg_values_supported"] = ["ES256"]


# -- what is granted ---------------------------------------------------------------------------------------------------


class _AsRequested(Tokens):
    """Answers with what was asked for and grants what was approved."""

    def __init__(self, parts: Collaborators, requested: dict[str, list[dict[str, Any]]]) -> None:
        super().__init__(parts.settings, parts.clock, parts.grants)
        self._requested = requested

    def issue(
        self, connection: Connection, request: AuthorizationRequest, client: Client, grants: Sequence[Grant]
    ) -> dict[str, Any]:
        response = super().issue(connection, request, client, grants)
        if grants and request.client_id in self._requested:
            response["authorization_details"] = self._requested[request.client_id]
        return response


class _Remembering(Decisions):
    def __init__(self, parts: Collaborators, requested: dict[str, list[dict[str, Any]]]) -> None:
        super().__init__(parts.settings, parts.clock, parts.catalogue)
        self._parts = parts
        self._asked = requested

    def kept(self, form: Form, details: Sequence[AuthorizationDetail]) -> tuple[AuthorizationDetail, ...]:
        request_id = (form.get("decision") or "").partition(".")[0]
        client = self._parts.consent.by_id(request_id).client
        self._asked[client.client_id] = [detail.to_json() for detail in details]
        return super().kept(form, details)


@declared.replacing("The authorization details come back as requested, whatever the owner approved.", "TOK-07")
def rar_echo_request(parts: Collaborators) -> None:
    requested: dict[str, list[dict[str, Any]]] = {}
    parts.tokens = _AsRequested(parts, requested)
    parts.decisions = _Remembering(parts, requested)


class _NarrowingLost(Decisions):
    def kept(self, form: Form, details: Sequence[AuthorizationDetail]) -> tuple[AuthorizationDetail, ...]:
        return tuple(details)


@declared.replacing(
    "What the owner left out is granted all the same.",
    "PRO-07",
    "TOK-07",
    why="The token response tells what the owner did not grant.",
)
def approval_narrowing_lost(parts: Collaborators) -> None:
    parts.decisions = _NarrowingLost(parts.settings, parts.clock, parts.catalogue)


@declared.altering(ENDPOINT, "The token response names another grant than introspection.", "PRO-02")
def grant_id_mismatch(answer: Answered) -> None:
    if "grant_id" in answer.members:
        answer.update(grant_id=new_identifier("grt_"))


@declared.altering(ENDPOINT, "The token response names no grant.", "PRO-02")
def grant_id_untold(answer: Answered) -> None:
    answer.drop("grant_id")


@declared.altering(ENDPOINT, "The token response names another package than introspection.", "CHG-10")
def package_id_mismatch(answer: Answered) -> None:
    if "grant_package_id" in answer.members:
        answer.update(grant_package_id=new_identifier("gpkg_"))
