"""Authorization server metadata that is not where it belongs, or does not say what is so."""

# ruff: noqa: S105  (token kinds and the names of members are no secrets)

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from pdpp_reference.faults.fault import Declared, Document
from pdpp_reference.faults.traffic import Answered, MovedPath
from pdpp_reference.settings import DEVICE_CODE_GRANT

METADATA = "/.well-known/oauth-authorization-server"

declared = Declared()


def profile(document: Document, name: str) -> dict[str, Any]:
    """Return the device profile of that name."""
    profiles: list[dict[str, Any]] = document["pdpp_device_authorization_profiles_supported"]
    return next(profile for profile in profiles if profile["profile"] == name)


# -- where it is, and what it is ---------------------------------------------------------------------------------------


_NO_DOCUMENT = "What is not served with 200 is a document to no client."


@declared.altering(METADATA, "There is no authorization server metadata.", "ASM-01", "ASM-03", why=_NO_DOCUMENT)
def no_metadata(answer: Answered) -> None:
    answer.status = 404


@declared.wrapping(
    "The metadata of an issuer is appended to its path instead of inserted.",
    "ASM-02",
    "PRM-10",
    why="The issuer that the resource metadata names does not resolve then.",
)
def metadata_appended(app: ASGIApp) -> ASGIApp:
    return MovedPath(app, METADATA, "/.well-known/openid-configuration")


@declared.altering(METADATA, "The metadata is served as text/html.", "ASM-03")
def metadata_text_html(answer: Answered) -> None:
    answer.headers["content-type"] = "text/html"


@declared.altering(METADATA, "The metadata is served with 203 instead of 200.", "ASM-01", "ASM-03", why=_NO_DOCUMENT)
def metadata_203(answer: Answered) -> None:
    answer.status = 203


@declared.rewriting(
    METADATA,
    "The issuer carries a query.",
    "ASM-04",
    "ASM-05",
    "PRM-10",
    "MET-18",
    why="Such an issuer is not the identifier that anybody else names.",
)
def issuer_query(document: Document) -> None:
    document["issuer"] += "?tenant=1"


@declared.rewriting(
    METADATA,
    "The issuer is an http URL of another machine.",
    "ASM-04",
    "ASM-02",
    "ASM-05",
    "PRM-10",
    "MET-18",
    why="It is somebody else's issuer, which no document agrees with.",
)
def issuer_http(document: Document) -> None:
    document["issuer"] = "http://pdpp.example.org"


@declared.rewriting(
    METADATA,
    "The issuer ends in a slash that its identifier does not have.",
    "ASM-05",
    "PRM-10",
    "MET-18",
    why="No other document spells the issuer so.",
)
def issuer_trailing_slash(document: Document) -> None:
    document["issuer"] += "/"


@declared.rewriting(
    METADATA,
    "A member has no elements and is there all the same.",
    "ASM-09",
    "ASM-20",
    why="Scopes are in use, and an empty list names none.",
)
def empty_scopes_supported(document: Document) -> None:
    document["scopes_supported"] = []


@declared.altering(METADATA, "A forwarded host moves the endpoints.", "MET-06")
def forwarded_host_believed(answer: Answered) -> None:
    forwarded = answer.request_headers.get("x-forwarded-host")
    if answer.status == 200 and forwarded is not None:
        answer.update(token_endpoint=f"https://{forwarded}/oauth/token")


@declared.altering(METADATA, "The Host header of a request is believed.", "MET-06")
def host_believed(answer: Answered) -> None:
    answer.update(issuer=f"http://{answer.request_headers['host']}")


# -- the device grant --------------------------------------------------------------------------------------------------


@declared.rewriting(
    METADATA, "The device-code grant type is not listed.", "ASM-10", "ASM-11", why="The endpoint is still advertised."
)
def grant_not_advertised(document: Document) -> None:
    document["grant_types_supported"].remove(DEVICE_CODE_GRANT)


@declared.rewriting(
    METADATA,
    "The grant types are left out, which means authorization code and implicit.",
    "ASM-10",
    "ASM-11",
    why="The default denies the device grant, and its endpoint is advertised.",
)
def grant_types_left_out(document: Document) -> None:
    del document["grant_types_supported"]


@declared.rewriting(
    METADATA,
    "A device authorization endpoint is advertised without its grant type.",
    "ASM-11",
    "ASM-10",
    why="An endpoint without its grant type means that the grant type is not listed.",
)
def endpoint_without_grant(document: Document) -> None:
    document["grant_types_supported"].remove(DEVICE_CODE_GRANT)


@declared.rewriting(
    METADATA,
    "The device-code grant type is listed without an endpoint.",
    "ASM-11",
    "MET-18",
    why="The agents' block still says where it is.",
)
def grant_without_endpoint(document: Document) -> None:
    del document["device_authorization_endpoint"]


@declared.rewriting(
    METADATA,
    "The token endpoint is not advertised.",
    "ASM-06",
    "MET-18",
    why="The agents' block still says where it is.",
)
def no_token_endpoint(document: Document) -> None:
    del document["token_endpoint"]


@declared.rewriting(
    METADATA, "The response types are not listed.", "ASM-07", "ASM-22", why="Where nothing is listed, code is not."
)
def no_response_types(document: Document) -> None:
    del document["response_types_supported"]


@declared.rewriting(
    METADATA,
    "The authorization endpoint of an offered grant is not advertised.",
    "ASM-08",
    "MET-18",
    why="The agents' block still says where it is.",
)
def no_authorization_endpoint(document: Document) -> None:
    del document["authorization_endpoint"]


@declared.rewriting(
    METADATA,
    "An endpoint is plain http on a network.",
    "ASM-12",
    "MET-07",
    why="On loopback plain http is excused, so that the endpoint has to lie elsewhere.",
)
def http_endpoint(document: Document) -> None:
    document["revocation_endpoint"] = "http://pdpp.example.org/oauth/revoke"


@declared.rewriting(
    METADATA,
    "Device codes are given in clear text on a network.",
    "DAR-12",
    "ASM-12",
    "MET-07",
    "MET-18",
    why="On loopback plain http is excused, so that the endpoint lies elsewhere, and agent discovery names another.",
)
def http_ok(document: Document) -> None:
    document["device_authorization_endpoint"] = "http://pdpp.example.org/oauth/device_authorization"


@declared.rewriting(METADATA, "An endpoint lies on an origin that the deployment does not publish.", "MET-07")
def endpoint_elsewhere(document: Document) -> None:
    document["revocation_endpoint"] = "https://pdpp.example.org/oauth/revoke"


@declared.rewriting(METADATA, "Public clients are not told that they may use the token endpoint.", "ASM-13")
def none_not_advertised(document: Document) -> None:
    document["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]


@declared.rewriting(METADATA, "The code grant is offered, and its response type is not.", "ASM-22")
def code_not_advertised(document: Document) -> None:
    document["response_types_supported"] = ["token"]


@declared.rewriting(METADATA, "Clients get refresh tokens, and are not told that they may use them.", "ASM-23")
def refresh_not_advertised(document: Document) -> None:
    document["grant_types_supported"].remove("refresh_token")


@declared.rewriting(METADATA, "Introspection is said to take another authentication than it does.", "ASM-24")
def introspection_methods_wrong(document: Document) -> None:
    document["introspection_endpoint_auth_methods_supported"] = ["private_key_jwt"]


@declared.rewriting(METADATA, "Revocation is said to be only for clients that have a secret.", "ASM-24")
def revocation_methods_wrong(document: Document) -> None:
    document["revocation_endpoint_auth_methods_supported"] = ["client_secret_basic"]


@declared.rewriting(METADATA, "PKCE is advertised with the method plain only.", "ASM-14")
def no_s256(document: Document) -> None:
    document["code_challenge_methods_supported"] = ["plain"]


@declared.rewriting(METADATA, "The resources listed leave the MCP resource out.", "ASM-18")
def protected_resources_mismatch(document: Document) -> None:
    document["protected_resources"] = [document["issuer"]]


@declared.rewriting(
    METADATA,
    "The type of authorization details is not listed.",
    "ASM-19",
    "MET-01",
    "MET-03",
    why="PDPP's own list and the device profile name the type that the standard list leaves out.",
)
def rar_type_unlisted(document: Document) -> None:
    document["authorization_details_types_supported"] = ["https://pdpp.example.org/other"]


@declared.rewriting(METADATA, "PDPP's own list of types names another type than the standard one.", "MET-01")
def type_lists_disagree(document: Document) -> None:
    document["pdpp_authorization_details_types_supported"] = ["https://pdpp.example.org/other"]


@declared.rewriting(METADATA, "The scopes in use are not listed.", "ASM-20")
def scopes_left_out(document: Document) -> None:
    del document["scopes_supported"]


@declared.rewriting(METADATA, "Dynamic registration is listed and has no endpoint.", "MET-05")
def registration_mode_unbacked(document: Document) -> None:
    document["client_id_metadata_document_supported"] = False


@declared.rewriting(METADATA, "A registration mode is offered and not listed.", "MET-05")
def registration_mode_unlisted(document: Document) -> None:
    document["pdpp_registration_modes_supported"].remove("dynamic")


@declared.rewriting(METADATA, "The provider's connect capabilities are not told.", "MET-08")
def no_connect_capabilities(document: Document) -> None:
    del document["pdpp_provider_connect_capabilities"]


@declared.rewriting(METADATA, "A pre-registered client is listed as one with a secret.", "MET-09")
def pre_registered_confidential(document: Document) -> None:
    document["pdpp_pre_registered_public_clients"][0]["token_endpoint_auth_method"] = "client_secret_basic"


# -- the device profiles -----------------------------------------------------------------------------------------------


@declared.rewriting(
    METADATA,
    "The device profiles are not described.",
    "PRO-11",
    "MET-02",
    "MET-03",
    "MET-04",
    "MET-18",
    why="What is not described says nothing, and the agents' block says what it requires.",
)
def profile_unadvertised(document: Document) -> None:
    del document["pdpp_device_authorization_profiles_supported"]


@declared.rewriting(
    METADATA,
    "The grant-scoped profile promises an owner token.",
    "MET-02",
    "CHG-08",
    why="An owner token is then offered as the normal MCP setup.",
)
def mcp_profile_promises_owner_token(document: Document) -> None:
    profile(document, "grant_scoped_mcp")["pdpp_token_kind"] = "owner"


@declared.rewriting(METADATA, "The grant-scoped profile is not called the normal MCP setup.", "MET-02")
def mcp_profile_not_normal(document: Document) -> None:
    profile(document, "grant_scoped_mcp")["normal_mcp_setup"] = False


@declared.rewriting(
    METADATA,
    "The grant-scoped profile does not require the resource.",
    "MET-03",
    "MET-18",
    why="The agents' block still says that the resource is required.",
)
def profile_does_not_require_resource(document: Document) -> None:
    profile(document, "grant_scoped_mcp")["required_parameters"].remove("resource")


@declared.rewriting(
    METADATA,
    "The grant-scoped profile names another type than the server supports.",
    "MET-03",
    "ASM-19",
    "MET-01",
    "MET-18",
    why="The lists then leave out the type that is asked for, and the agents' block names another.",
)
def profile_names_another_type(document: Document) -> None:
    profile(document, "grant_scoped_mcp")["authorization_details_type"] = "https://pdpp.example.org/other"


@declared.rewriting(
    METADATA,
    "The owner-agent profile is called a normal MCP setup.",
    "MET-04",
    "CHG-08",
    why="An owner token is then offered as a normal MCP setup.",
)
def owner_profile_is_normal_setup(document: Document) -> None:
    profile(document, "trusted_owner_agent")["normal_mcp_setup"] = True


@declared.rewriting(METADATA, "The owner-agent profile promises a client token.", "MET-04")
def owner_profile_promises_client_token(document: Document) -> None:
    profile(document, "trusted_owner_agent")["pdpp_token_kind"] = "client"


@declared.rewriting(
    METADATA,
    "The owner-agent profile does not say that /mcp rejects its bearer.",
    "MET-04",
    "CHG-08",
    why="Nothing keeps a client from trying the owner token at /mcp.",
)
def owner_profile_rejection_untold(document: Document) -> None:
    del profile(document, "trusted_owner_agent")["mcp_owner_bearer_rejected"]


@declared.rewriting(METADATA, "The code flow is set up for agents, and its grant type is not advertised.", "MET-18")
def code_grant_not_advertised(document: Document) -> None:
    document["grant_types_supported"].remove("authorization_code")
