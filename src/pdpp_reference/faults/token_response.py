"""Tokens that are not what the owner approved, and token responses that are not what RFC 6749 says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.tokens import Tokens
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.polling import ENDPOINT
from pdpp_reference.faults.traffic import Answered
from pdpp_reference.grants.access import Grant
from pdpp_reference.grants.authorization_details import AuthorizationDetail
from pdpp_reference.http import Form
from pdpp_reference.owner.decision import Decisions
from pdpp_reference.secrets_at_rest import new_identifier

declared = Declared()


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


@declared.altering(ENDPOINT, "The token is said to live for a month.", "TOK-03")
def token_lives_a_month(answer: Answered) -> None:
    if _with_token(answer):
        answer.update(expires_in=30 * 24 * 3600)


@declared.altering(ENDPOINT, "The authorization details are not returned.", "TOK-07")
def rar_not_returned(answer: Answered) -> None:
    answer.drop("authorization_details")


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


@declared.replacing("What the owner left out is granted all the same.", "PRO-07")
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
