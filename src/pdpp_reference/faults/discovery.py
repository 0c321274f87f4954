"""Metadata that promises what is not so, or leaves out what is."""

from __future__ import annotations

import base64
import json
import re

from starlette.types import ASGIApp

from pdpp_reference.faults.authorization_server_metadata import METADATA
from pdpp_reference.faults.fault import Declared, Document
from pdpp_reference.faults.traffic import Answered, MovedPath
from pdpp_reference.resource_server.metadata import MCP_METADATA_PATH

declared = Declared()


# -- the authorization server ------------------------------------------------------------------------------------------


@declared.wrapping(
    "An advertised endpoint is not there.",
    "ASM-15",
    "REV-01",
    "REV-02",
    "REV-03",
    "REV-07",
    "REV-09",
    why="A revocation endpoint that is not there revokes nothing, and refuses nothing as it should.",
)
def revocation_404(app: ASGIApp) -> ASGIApp:
    return MovedPath(app, "/oauth/revoke", "/oauth/revocation")


@declared.rewriting(METADATA, "An endpoint that answers is not advertised.", "ASM-15")
def revocation_unadvertised(document: Document) -> None:
    del document["revocation_endpoint"]


@declared.rewriting(METADATA, "Client id metadata documents are not said to be supported.", "ASM-16")
def cimd_unadvertised(document: Document) -> None:
    del document["client_id_metadata_document_supported"]
    document["pdpp_registration_modes_supported"].remove("client_id_metadata_document")


@declared.rewriting(METADATA, "The issuer in the authorization response is not announced.", "ASM-17")
def iss_unadvertised(document: Document) -> None:
    del document["authorization_response_iss_parameter_supported"]


@declared.altering("/consent/decision", "The authorization response lacks the issuer that was announced.", "ASM-17")
def iss_not_sent(answer: Answered) -> None:
    if "location" in answer.headers:
        answer.headers["location"] = answer.headers["location"].partition("&iss=")[0]


@declared.altering("/consent/decision", "The authorization response lacks the state of its request.", "PRO-15")
def state_not_sent(answer: Answered) -> None:
    if "location" in answer.headers:
        answer.headers["location"] = re.sub("&state=[^&]*", "", answer.headers["location"])


@declared.altering("/consent/decision", "The state in the authorization response is in capitals.", "PRO-15")
def state_changed(answer: Answered) -> None:
    if "location" in answer.headers:
        answer.headers["location"] = re.sub("&state=[^&]*", _in_capitals, answer.headers["location"])


def _in_capitals(state: re.Match[str]) -> str:
    return f"&state={state.group().partition('=')[2].upper()}"


# -- the resource ------------------------------------------------------------------------------------------------------


def _jws(header: Document, claims: Document) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()])


@declared.rewriting(MCP_METADATA_PATH, "The resource has no name.", "PRM-12")
def prm_no_name(document: Document) -> None:
    del document["resource_name"]


@declared.rewriting(MCP_METADATA_PATH, "The resource uses a scope and lists none.", "PRM-12")
def prm_no_scopes(document: Document) -> None:
    del document["scopes_supported"]


@declared.rewriting(MCP_METADATA_PATH, "The resource lists access while the owner is away as a scope.", "PRM-13")
def prm_offline_access(document: Document) -> None:
    document["scopes_supported"].append("offline_access")


@declared.rewriting(MCP_METADATA_PATH, "Unsigned answers are among the signing algorithms.", "PRM-15")
def prm_alg_none(document: Document) -> None:
    document["resource_signing_alg_values_supported"] = ["ES256", "none"]


@declared.rewriting(MCP_METADATA_PATH, "The resource's keys are fetched in clear text.", "PRM-15")
def prm_http_jwks(document: Document) -> None:
    document["jwks_uri"] = "http://pdpp.example.org/jwks.json"


@declared.rewriting(MCP_METADATA_PATH, "The signed metadata is not signed.", "PRM-16")
def signed_metadata_unsigned(document: Document) -> None:
    document["signed_metadata"] = _jws({"alg": "none"}, {"iss": document["resource"]})


@declared.rewriting(MCP_METADATA_PATH, "The signed metadata does not say who signed it.", "PRM-16")
def signed_metadata_without_iss(document: Document) -> None:
    document["signed_metadata"] = _jws({"alg": "ES256"}, {"resource": document["resource"]})


@declared.altering(MCP_METADATA_PATH, "The resource's document may be kept for a year.", "PRM-18")
def prm_cached_a_year(answer: Answered) -> None:
    answer.headers["cache-control"] = "public, max-age=31536000, immutable"


@declared.altering(MCP_METADATA_PATH, "No cache is told how long to keep the resource's document.", "PRM-18")
def prm_not_cacheable(answer: Answered) -> None:
    del answer.headers["cache-control"]
