"""Protected resource metadata that is not where it belongs, or blurs MCP setup and owner-agent onboarding."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from pdpp_reference.faults.fault import Declared, Document
from pdpp_reference.faults.traffic import AlteredAnswers, Answered, MovedPath
from pdpp_reference.resource_server.metadata import MCP_METADATA_PATH, ROOT_METADATA_PATH

MCP = "/mcp"

declared = Declared()


def _block(document: Document, name: str) -> dict[str, Any]:
    block: dict[str, Any] = document["pdpp_agent_discovery"]["mcp"]["authorization"][name]
    return block


def _without_hint(answer: Answered) -> None:
    """The challenge does not say where the metadata is."""
    challenge = answer.headers.get("www-authenticate")
    if challenge is not None:
        kept = [part for part in challenge.removeprefix("Bearer ").split(", ") if "resource_metadata" not in part]
        answer.headers["www-authenticate"] = f"Bearer {', '.join(kept)}"


# -- where it is, and what it is ---------------------------------------------------------------------------------------


@declared.altering(
    MCP_METADATA_PATH,
    "The MCP resource has no metadata.",
    "PRM-01",
    "PRM-04",
    "PRM-17",
    why="What is not there is no JSON object either, and nobody can read it.",
)
def no_prm(answer: Answered) -> None:
    answer.status = 404


@declared.wrapping(
    "Neither the challenge nor a well-known location leads to the metadata.",
    "PRM-02",
    "PRM-01",
    "PRM-04",
    "PRM-17",
    why="What nothing leads to is not there for any client.",
)
def prm_nowhere(app: ASGIApp) -> ASGIApp:
    return AlteredAnswers(MovedPath(app, MCP_METADATA_PATH, "/metadata"), MCP, _without_hint)


@declared.wrapping("The well-known string is appended to the resource's path.", "PRM-03")
def prm_appended(app: ASGIApp) -> ASGIApp:
    appended = "/mcp/.well-known/oauth-protected-resource"

    def point(answer: Answered) -> None:
        challenge = answer.headers.get("www-authenticate")
        if challenge is not None:
            answer.headers["www-authenticate"] = challenge.replace(MCP_METADATA_PATH, appended)

    return AlteredAnswers(MovedPath(app, MCP_METADATA_PATH, appended), MCP, point)


@declared.altering(MCP_METADATA_PATH, "The metadata is served as text/plain.", "PRM-04")
def prm_text_plain(answer: Answered) -> None:
    answer.headers["content-type"] = "text/plain"


@declared.rewriting(
    MCP_METADATA_PATH,
    "The resource identifier has a fragment.",
    "PRM-05",
    "PRM-07",
    "PRM-08",
    why="The location and the challenge that lead to the document spell the resource otherwise.",
)
def prm_fragment(document: Document) -> None:
    document["resource"] += "#mcp"


@declared.rewriting(
    MCP_METADATA_PATH,
    "The resource identifier has a query.",
    "PRM-06",
    "PRM-07",
    "PRM-08",
    why="The location and the challenge that lead to the document spell the resource otherwise.",
)
def prm_query(document: Document) -> None:
    document["resource"] += "?a=b"


@declared.rewriting(
    MCP_METADATA_PATH,
    "The resource identifier is another spelling of the URL.",
    "PRM-07",
    "PRM-03",
    "PRM-08",
    why="The location and the challenge that lead to the document spell the resource otherwise.",
)
def prm_resource_alias(document: Document) -> None:
    document["resource"] = document["resource"].replace("127.0.0.1", "localhost")


@declared.rewriting(
    MCP_METADATA_PATH,
    "The resource identifier is the origin alone.",
    "PRM-08",
    "PRM-03",
    "PRM-07",
    why="The location and the challenge that lead to the document name the MCP resource.",
)
def prm_resource_origin_only(document: Document) -> None:
    document["resource"] = document["resource"].removesuffix("/mcp")


@declared.rewriting(MCP_METADATA_PATH, "No authorization server is named.", "PRM-09")
def prm_no_as(document: Document) -> None:
    del document["authorization_servers"]


@declared.rewriting(MCP_METADATA_PATH, "An authorization server is named that is none.", "PRM-10")
def prm_dead_as(document: Document) -> None:
    document["authorization_servers"].append(f"{document['authorization_servers'][0]}/nobody")


@declared.rewriting(
    MCP_METADATA_PATH, "A member of the resource metadata has no elements and is there all the same.", "PRM-11"
)
def prm_empty_scopes(document: Document) -> None:
    document["scopes_supported"] = []


@declared.rewriting(MCP_METADATA_PATH, "Bearers are asked for in the query.", "PRM-14")
def prm_query_method(document: Document) -> None:
    document["bearer_methods_supported"] = ["header", "query"]


@declared.altering(
    MCP_METADATA_PATH,
    "The metadata is only for those who have a token already.",
    "PRM-17",
    "PRM-01",
    "PRM-04",
    why="Who has no token finds nothing.",
)
def prm_requires_auth(answer: Answered) -> None:
    if "authorization" not in answer.request_headers:
        answer.status = 401


@declared.altering(MCP_METADATA_PATH, "A forwarded host moves the resource.", "MET-06")
def forwarded_host_moves_resource(answer: Answered) -> None:
    forwarded = answer.request_headers.get("x-forwarded-host")
    if answer.status == 200 and forwarded is not None:
        answer.update(resource=f"https://{forwarded}/mcp")


@declared.altering(MCP, "The challenge does not say where the metadata is.", "RSC-03")
def no_resource_metadata(answer: Answered) -> None:
    if answer.status == 401:
        _without_hint(answer)


# -- kinds of token ----------------------------------------------------------------------------------------------------


@declared.rewriting(ROOT_METADATA_PATH, "The root resource does not say that it takes owner tokens.", "MET-10")
def root_kinds_untold(document: Document) -> None:
    document["pdpp_token_kinds_supported"] = ["client"]


@declared.rewriting(ROOT_METADATA_PATH, "The root resource does not name its query base.", "MET-10")
def no_query_base(document: Document) -> None:
    del document["pdpp_core_query_base"]


@declared.rewriting(MCP_METADATA_PATH, "The MCP resource says that it takes owner tokens.", "MET-11")
def mcp_says_it_takes_owner_tokens(document: Document) -> None:
    document["pdpp_token_kinds_supported"].append("owner")


@declared.wrapping("The MCP resource advertises owner-agent onboarding.", "MET-12")
def mcp_advertises_onboarding(app: ASGIApp) -> ASGIApp:
    def advertise(answer: Answered) -> None:
        answer.update(pdpp_owner_agent_onboarding={"profile": "trusted_owner_agent", "pdpp_token_kind": "owner"})

    return AlteredAnswers(app, MCP_METADATA_PATH, advertise)


# -- agent discovery ---------------------------------------------------------------------------------------------------


@declared.rewriting(MCP_METADATA_PATH, "The agent discovery is not marked as advisory.", "MET-13")
def discovery_not_advisory(document: Document) -> None:
    del document["pdpp_agent_discovery"]["advisory"]


@declared.rewriting(MCP_METADATA_PATH, "Agents are told that MCP setup may use an owner token.", "MET-13")
def mcp_setup_with_owner_token(document: Document) -> None:
    document["pdpp_agent_discovery"]["mcp"]["no_owner_token"] = False


@declared.rewriting(MCP_METADATA_PATH, "Agents are told another MCP endpoint.", "MET-13")
def mcp_endpoint_elsewhere(document: Document) -> None:
    document["pdpp_agent_discovery"]["mcp"]["endpoint"] += "/v2"


@declared.rewriting(MCP_METADATA_PATH, "The resource parameter is told to be optional.", "MET-14")
def resource_parameter_optional(document: Document) -> None:
    _block(document, "authorization_code_pkce")["resource_parameter"] = "optional"


@declared.rewriting(
    MCP_METADATA_PATH,
    "The code flow is described for the root resource.",
    "MET-14",
    "CHG-08",
    why="A token for the root resource is then offered as MCP setup.",
)
def code_flow_for_root_resource(document: Document) -> None:
    block = _block(document, "authorization_code_pkce")
    block["resource"] = block["resource"].removesuffix("/mcp")


@declared.rewriting(MCP_METADATA_PATH, "The device flow is told to accept an owner bearer.", "MET-15")
def device_flow_accepts_owner_bearer(document: Document) -> None:
    _block(document, "device_code")["owner_bearer_accepted"] = True


@declared.rewriting(
    MCP_METADATA_PATH,
    "The device flow is described without authorization details.",
    "MET-15",
    "MET-18",
    why="The device profile names them as required.",
)
def device_flow_without_details(document: Document) -> None:
    _block(document, "device_code")["required_parameters"].remove("authorization_details")


@declared.rewriting(
    MCP_METADATA_PATH,
    "The owner agent's flow is told to be a normal MCP setup.",
    "MET-16",
    "CHG-08",
    why="An owner token is then offered as a normal MCP setup.",
)
def owner_flow_is_normal_setup(document: Document) -> None:
    _block(document, "owner_agent_device_code")["normal_mcp_setup"] = True


@declared.rewriting(MCP_METADATA_PATH, "The owner agent's flow is not told apart.", "MET-16")
def owner_flow_untold(document: Document) -> None:
    del document["pdpp_agent_discovery"]["mcp"]["authorization"]["owner_agent_device_code"]


@declared.rewriting(ROOT_METADATA_PATH, "Owner-agent onboarding does not warn.", "MET-17")
def onboarding_without_warning(document: Document) -> None:
    del document["pdpp_owner_agent_onboarding"]["warning"]


@declared.rewriting(
    ROOT_METADATA_PATH,
    "Owner-agent onboarding does not say that /mcp rejects its token.",
    "MET-17",
    "CHG-08",
    why="Nothing keeps a client from trying the owner token at /mcp.",
)
def onboarding_rejection_untold(document: Document) -> None:
    del document["pdpp_owner_agent_onboarding"]["mcp_owner_bearer_rejected"]


@declared.rewriting(ROOT_METADATA_PATH, "Owner-agent onboarding does not lead to the owner's streams.", "MET-17")
def onboarding_without_streams(document: Document) -> None:
    del document["pdpp_owner_agent_onboarding"]["streams_endpoint"]


@declared.rewriting(ROOT_METADATA_PATH, "Owner-agent onboarding does not say where to ask for codes.", "MET-17")
def onboarding_without_endpoint(document: Document) -> None:
    del document["pdpp_owner_agent_onboarding"]["device_authorization_endpoint"]


@declared.rewriting(MCP_METADATA_PATH, "Only the root resource tells agents how to get access.", "MET-13")
def agents_told_by_root_alone(document: Document) -> None:
    del document["pdpp_agent_discovery"]


@declared.rewriting(MCP_METADATA_PATH, "The code flow is told without its endpoint.", "MET-14")
def code_flow_without_endpoint(document: Document) -> None:
    del _block(document, "authorization_code_pkce")["authorization_endpoint"]


@declared.rewriting(MCP_METADATA_PATH, "The code flow is told without its name.", "MET-14")
def code_flow_unnamed(document: Document) -> None:
    del _block(document, "authorization_code_pkce")["flow"]


@declared.rewriting(MCP_METADATA_PATH, "The device flow is told without the endpoint that gives the token.", "MET-15")
def device_flow_without_endpoint(document: Document) -> None:
    del _block(document, "device_code")["token_endpoint"]


@declared.rewriting(ROOT_METADATA_PATH, "The root resource tells agents another token endpoint.", "MET-18")
def root_disagrees(document: Document) -> None:
    _block(document, "device_code")["token_endpoint"] += "2"


@declared.rewriting(ROOT_METADATA_PATH, "The root resource takes bearers in the query.", "PRM-14")
def root_query_method(document: Document) -> None:
    document["bearer_methods_supported"] = ["query"]


@declared.rewriting(ROOT_METADATA_PATH, "The root resource has no name.", "PRM-12")
def root_without_name(document: Document) -> None:
    del document["resource_name"]


@declared.rewriting(MCP_METADATA_PATH, "The code flow is told another authorization endpoint.", "MET-18")
def code_flow_disagrees(document: Document) -> None:
    _block(document, "authorization_code_pkce")["authorization_endpoint"] += "2"


@declared.rewriting(MCP_METADATA_PATH, "The device flow is told another token endpoint.", "MET-18")
def device_flow_disagrees(document: Document) -> None:
    _block(document, "device_code")["token_endpoint"] += "2"


@declared.rewriting(MCP_METADATA_PATH, "The device flow is told another type of authorization details.", "MET-18")
def device_flow_names_another_type(document: Document) -> None:
    _block(document, "device_code")["authorization_details_type"] = "https://pdpp.example.org/other"


@declared.rewriting(ROOT_METADATA_PATH, "Owner-agent onboarding names another introspection endpoint.", "MET-18")
def onboarding_disagrees(document: Document) -> None:
    document["pdpp_owner_agent_onboarding"]["introspection_endpoint"] += "2"


@declared.rewriting(ROOT_METADATA_PATH, "Owner-agent onboarding names another resource than the root.", "MET-18")
def onboarding_for_another_resource(document: Document) -> None:
    document["pdpp_owner_agent_onboarding"]["resource"] += "/mcp"


@declared.rewriting(MCP_METADATA_PATH, "Agents are sent to a document that is not there.", "MET-19")
def dead_link(document: Document) -> None:
    document["pdpp_agent_discovery"]["llms_txt"] = f"{document['authorization_servers'][0]}/no-such-document.txt"
