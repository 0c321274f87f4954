"""Metadata: the two kinds of documents, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_bdd import given, parsers, then, when

from pdpp_conformance import metadata_checks as checks
from pdpp_conformance.discovery import Document, well_known
from pdpp_conformance.exchange import Answer, NoAnswer, origin_of
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.revocation_checks import require_taken
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import NotApplicable, Unmet

# -- finding the documents ---------------------------------------------------------------------------------------------


@when("a client looks for the authorization server metadata", target_fixture="document")
def look_for_authorization_server_metadata(judge: Judgement, run: Run) -> Document:
    return checks.rest_on(judge, run.discovery.authorization_server)


@when("a client looks for the protected resource metadata of the MCP resource", target_fixture="document")
def look_for_resource_metadata(judge: Judgement, run: Run) -> Document:
    return checks.rest_on(judge, run.discovery.mcp_resource_metadata)


@when("a client looks for the protected resource metadata as MCP tells it to", target_fixture="answers")
def look_for_resource_metadata_everywhere(run: Run) -> dict[str, Answer | None]:
    resource = run.discovery.mcp_resource
    places = {
        "challenge": run.discovery.mcp_resource_metadata.url,
        "path-inserted": well_known(resource, "oauth-protected-resource"),
        "root": well_known(origin_of(resource), "oauth-protected-resource"),
    }
    found: dict[str, Answer | None] = {}
    for name, url in places.items():
        try:
            found[name] = run.recorder.send("GET", url, actor="a client")
        except NoAnswer:
            found[name] = None
    return found


@then("at least one of the ways leads to it")
def some_way_leads(judge: Judgement, answers: Mapping[str, Answer | None], run: Run) -> None:
    leading = [
        name for name, answer in answers.items() if answer and answer.member("resource") == run.discovery.mcp_resource
    ]
    judge.that(bool(leading), "metadata of the MCP resource at one place at least", ", ".join(leading) or "at none")


@then("it finds a document")
def finds_document(judge: Judgement, document: Document) -> None:
    judge.that(document.usable, f"the {document.name}", document.problem or "found")


@given("the authorization server metadata", target_fixture="document")
def authorization_server_metadata(judge: Judgement, run: Run) -> Document:
    return checks.require_usable(checks.rest_on(judge, run.discovery.authorization_server))


@given("the protected resource metadata of the MCP resource", target_fixture="document")
def mcp_resource_metadata(judge: Judgement, run: Run) -> Document:
    return checks.require_usable(checks.rest_on(judge, run.discovery.mcp_resource_metadata))


@given("the protected resource metadata of the root resource", target_fixture="document")
def root_resource_metadata(judge: Judgement, run: Run) -> Document:
    if not checks.rest_on(judge, run.discovery.root_resource).usable:
        raise NotApplicable("the deployment has no root resource with metadata of its own")
    return run.discovery.root_resource


@given("the agent discovery of the MCP resource", target_fixture="block")
def agent_discovery(judge: Judgement, run: Run) -> Mapping[str, Any]:
    checks.require_usable(checks.rest_on(judge, run.discovery.mcp_resource_metadata))
    return run.discovery.agent_discovery


@given("the owner-agent onboarding of the root resource", target_fixture="block")
def owner_agent_onboarding(judge: Judgement, run: Run) -> Mapping[str, Any]:
    checks.rest_on(judge, run.discovery.root_resource)
    return checks.block_of(run.discovery, "the owner-agent onboarding")


# -- how they are served -----------------------------------------------------------------------------------------------


@then("it was served as a JSON object")
def served_as_object(judge: Judgement, document: Document) -> None:
    checks.served_as_json_object(judge, document)


@then("the well-known location built from the issuer serves the same document")
def at_issuers_location(judge: Judgement, run: Run, document: Document) -> None:
    location = well_known(run.discovery.issuer, "oauth-authorization-server")
    checks.same_at(judge, run.recorder, location, document)


@then("the well-known location inserted between host and path of the MCP resource serves it")
def at_resources_location(judge: Judgement, run: Run, document: Document) -> None:
    location = well_known(run.discovery.mcp_resource, "oauth-protected-resource")
    checks.same_at(judge, run.recorder, location, document)


@then("it is served without credentials")
def served_without_credentials(judge: Judgement, run: Run, document: Document) -> None:
    checks.same_at(judge, run.recorder, document.url, document)


@when("it is asked for under a hostile host", target_fixture="answers")
def asked_under_hostile_host(run: Run, document: Document) -> list[Answer]:
    return [checks.hostile_answer(run.recorder, document), checks.forwarded_answer(run.recorder, document)]


@then("the hostile host appears nowhere in the answer")
def hostile_host_nowhere(judge: Judgement, answers: Sequence[Answer]) -> None:
    for answer in answers:
        checks.untouched_by_hostile_host(judge, answer)


# -- identifiers and URLs ----------------------------------------------------------------------------------------------


@then("its issuer is the authorization server that the MCP resource names")
def issuer_is_named(judge: Judgement, run: Run, document: Document) -> None:
    named = run.discovery.mcp_resource_metadata.content.get("authorization_servers")
    identifiers = (
        named if isinstance(named, list) and named else [run.target.authorization_server or run.discovery.base_url]
    )
    issuer = document.content.get("issuer")
    judge.that(issuer in identifiers, f"issuer {' or '.join(map(str, identifiers))}", str(issuer))


@then("its issuer is an https URL with no query and no fragment")
def issuer_is_plain(judge: Judgement, document: Document) -> None:
    checks.secure_url(judge, document.content.get("issuer"), "the issuer")


@then("its resource is an https URL with no fragment")
def resource_without_fragment(judge: Judgement, document: Document) -> None:
    checks.secure_url(judge, document.content.get("resource"), "the resource", query=True)


@then("its resource carries no query")
def resource_without_query(judge: Judgement, document: Document) -> None:
    resource = str(document.content.get("resource"))
    judge.that("?" not in resource, "a resource without a query", resource)


@then("its resource is the identifier that its well-known location was built from")
def resource_is_identifier(judge: Judgement, run: Run, document: Document) -> None:
    judge.equal(document.content.get("resource"), run.discovery.mcp_url, "the resource")


@then("every endpoint in it lies on an origin of the deployment")
def endpoints_on_own_origins(judge: Judgement, run: Run, document: Document) -> None:
    origins = checks.published_origins(run.discovery)
    for name, url in checks.urls_in(document.content):
        judge.that(origin_of(url) in origins, f"{name} on {' or '.join(sorted(origins))}", url)


@then("every endpoint in it is an https URL")
def endpoints_are_secure(judge: Judgement, document: Document) -> None:
    for name, url in checks.urls_in(document.content):
        checks.secure_url(judge, url, name, query=True)


@then("no member is an empty array")
def no_empty_array(judge: Judgement, document: Document) -> None:
    checks.no_empty_arrays(judge, document.content)


@then("no member but bearer_methods_supported is an empty array")
def no_empty_array_but_methods(judge: Judgement, document: Document) -> None:
    checks.no_empty_arrays(judge, document.content, allowed=["bearer_methods_supported"])


# -- what the authorization server advertises --------------------------------------------------------------------------


@then("it lists the device-code grant type")
def lists_device_grant(judge: Judgement, run: Run) -> None:
    judge.that(
        checks.offers_device_grant(run.discovery), "the device-code URN", ", ".join(map(str, run.discovery.grant_types))
    )


@then("it advertises a device authorization endpoint exactly if it lists the device-code grant type")
def device_endpoint_with_grant(judge: Judgement, run: Run) -> None:
    endpoint = run.discovery.endpoint("device_authorization_endpoint")
    judge.equal(endpoint is not None, checks.offers_device_grant(run.discovery), "endpoint advertised:")


@then("it advertises a token endpoint")
def advertises_token_endpoint(judge: Judgement, run: Run) -> None:
    endpoint = run.discovery.endpoint("token_endpoint")
    judge.that(endpoint is not None, "a token endpoint", endpoint or "absent")


@then("it lists its response types")
def lists_response_types(judge: Judgement, document: Document) -> None:
    listed = document.content.get("response_types_supported")
    judge.that(isinstance(listed, list) and bool(listed), "response_types_supported", str(listed))


@then("it advertises an authorization endpoint if it lists the authorization-code grant type")
def authorization_endpoint_with_grant(judge: Judgement, run: Run) -> None:
    if not checks.offers_code_grant(run.discovery):
        raise NotApplicable("no grant that uses the authorization endpoint is offered")
    endpoint = run.discovery.endpoint("authorization_endpoint")
    judge.that(endpoint is not None, "an authorization endpoint", endpoint or "absent")


@then("it lists none among the token endpoint's authentication methods")
def lists_none_method(judge: Judgement, document: Document) -> None:
    checks.lists(judge, document.content, "token_endpoint_auth_methods_supported", "none")


@then("it lists the code challenge method S256 if it lists the authorization-code grant type")
def lists_s256(judge: Judgement, run: Run, document: Document) -> None:
    checks.require_code_grant(run.discovery)
    checks.lists(judge, document.content, "code_challenge_methods_supported", "S256")


@then("it lists the response type code if it lists the authorization-code grant type")
def lists_response_type_code(judge: Judgement, run: Run, document: Document) -> None:
    checks.require_code_grant(run.discovery)
    checks.lists(judge, document.content, "response_types_supported", "code")


@then("the metadata lists the refresh-token grant type")
def lists_refresh_grant(judge: Judgement, run: Run) -> None:
    document = checks.rest_on(judge, run.discovery.authorization_server)
    checks.lists(judge, document.content, "grant_types_supported", "refresh_token")


@then("the metadata lists client_secret_basic among the authentication methods of introspection")
def lists_method_of_introspection(judge: Judgement, run: Run) -> None:
    checks.lists_method(judge, run.discovery, "introspection", "client_secret_basic")


@then("the metadata lists none among the authentication methods of revocation")
def lists_method_of_revocation(judge: Judgement, run: Run, revocation: Answer) -> None:
    require_taken(revocation)
    checks.lists_method(judge, run.discovery, "revocation", "none")


@then("it lists the type of authorization details that MCP device authorization asks for")
def lists_details_type(judge: Judgement, run: Run, document: Document) -> None:
    details_type = str(run.discovery.authorization_details_type)
    checks.lists(judge, document.content, "authorization_details_types_supported", details_type)


@then("both of its lists of authorization details types name the PDPP data-access type")
def both_lists_name_type(judge: Judgement, run: Run) -> None:
    checks.both_type_lists(judge, run.discovery)


@then("it lists the scopes that it supports")
def lists_scopes(judge: Judgement, document: Document) -> None:
    listed = document.content.get("scopes_supported")
    judge.that(isinstance(listed, list) and bool(listed), "scopes_supported", str(listed))


@then("each registration mode that it lists is backed, and each that is backed is listed")
def registration_modes(judge: Judgement, run: Run) -> None:
    checks.registration_modes_backed(judge, run.discovery)


@then("each pre-registered client that it lists has a client id and a name and authenticates with none")
def pre_registered_clients(judge: Judgement, document: Document) -> None:
    checks.pre_registered_are_public(judge, document.content)


@then("it tells the provider's connect capabilities")
def connect_capabilities(judge: Judgement, document: Document) -> None:
    told = document.content.get("pdpp_provider_connect_capabilities")
    judge.that(bool(told), "pdpp_provider_connect_capabilities", "told" if told else "absent")


# -- the device profiles -----------------------------------------------------------------------------------------------


@then("it describes exactly the device profiles grant_scoped_mcp and trusted_owner_agent")
def two_profiles(judge: Judgement, run: Run) -> None:
    judge.equal(run.discovery.device_profile_names, ["grant_scoped_mcp", "trusted_owner_agent"], "the device profiles")


@then(parsers.parse("its device profile {profile} says"))
def profile_says(judge: Judgement, run: Run, profile: str, datatable: Sequence[Sequence[str]]) -> None:
    checks.says(judge, run.discovery.device_profile(profile), datatable, profile)


@then(parsers.parse("its device profile {profile} requires client_id, resource and authorization_details"))
def profile_requires(judge: Judgement, run: Run, profile: str) -> None:
    checks.requires_all(judge, run.discovery.device_profile(profile).get("required_parameters"), profile)


@then(parsers.parse("its device profile {profile} names the authorization details type that the server supports"))
def profile_names_type(judge: Judgement, run: Run, document: Document, profile: str) -> None:
    named = str(run.discovery.device_profile(profile).get("authorization_details_type"))
    checks.lists(judge, document.content, "authorization_details_types_supported", named)


@then("whatever ends in an owner token says that it is no normal MCP setup and that /mcp rejects its bearer")
def owner_kind_apart(judge: Judgement, run: Run) -> None:
    checks.owner_kind_is_no_mcp_setup(judge, run.discovery)


@then("whatever is called normal MCP setup ends in a client token for the MCP resource")
def mcp_setup_is_client_kind(judge: Judgement, run: Run) -> None:
    checks.mcp_setup_is_client_kind(judge, run.discovery)


# -- what the resources say --------------------------------------------------------------------------------------------


@given("the MCP resource challenges a client without a token", target_fixture="answer")
def challenged(judge: Judgement, run: Run) -> Answer:
    if run.discovery.unauthenticated_mcp is None or run.discovery.named_metadata_url is None:
        raise Unmet("a challenge that names its metadata", "none")
    judge.rests_on(run.discovery.unauthenticated_mcp)
    return run.discovery.unauthenticated_mcp


@then("the metadata that the challenge names describes exactly the URL that the client asked for")
def challenge_describes_url(judge: Judgement, run: Run) -> None:
    named = run.recorder.send("GET", str(run.discovery.named_metadata_url), actor="a client")
    judge.equal(named.member("resource"), run.discovery.mcp_url, "the resource")


@then("it names at least one authorization server")
def names_server(judge: Judgement, document: Document) -> None:
    listed = document.content.get("authorization_servers")
    judge.that(isinstance(listed, list) and bool(listed), "at least one authorization server", str(listed))


@then("each authorization server that it names serves metadata with exactly that issuer")
def named_servers_are_issuers(judge: Judgement, run: Run, document: Document) -> None:
    checks.each_server_is_one(judge, run.recorder, document)


@then("its bearer methods include header and not query")
def bearer_methods(judge: Judgement, document: Document) -> None:
    listed = document.content.get("bearer_methods_supported")
    if listed is None:
        raise NotApplicable("bearer_methods_supported is left out, which it may be")
    judge.that(
        isinstance(listed, list) and "header" in listed and "query" not in listed, "header and not query", str(listed)
    )


@then(parsers.re(r"its token kinds include (?P<kind>\w+) and exclude (?P<other>\w+)"))
def token_kinds_exclude(judge: Judgement, document: Document, kind: str, other: str) -> None:
    listed = document.content.get("pdpp_token_kinds_supported")
    met = isinstance(listed, list) and kind in listed and other not in listed
    judge.that(met, f"{kind} and not {other}", str(listed))


@then(parsers.re(r"its token kinds include (?P<kind>\w+) and (?P<other>\w+)"))
def token_kinds_include(judge: Judgement, document: Document, kind: str, other: str) -> None:
    listed = document.content.get("pdpp_token_kinds_supported")
    judge.that(isinstance(listed, list) and {kind, other} <= set(listed), f"{kind} and {other}", str(listed))


@then("it carries no owner-agent onboarding")
def no_onboarding(judge: Judgement, document: Document) -> None:
    present = "pdpp_owner_agent_onboarding" in document.content
    judge.that(not present, "no pdpp_owner_agent_onboarding", "present" if present else "absent")


@then("it carries the agent discovery block")
def carries_agent_discovery(judge: Judgement, document: Document) -> None:
    present = isinstance(document.content.get("pdpp_agent_discovery"), dict)
    judge.that(present, "pdpp_agent_discovery", "present" if present else "absent")


@then("it names the query base")
def names_query_base(judge: Judgement, document: Document) -> None:
    checks.secure_url(judge, document.content.get("pdpp_core_query_base"), "pdpp_core_query_base")


@then("it says")
def block_says(judge: Judgement, block: Mapping[str, Any], datatable: Sequence[Sequence[str]]) -> None:
    checks.says(judge, block, datatable, "the block")


@then("its MCP endpoint is the MCP resource")
def block_endpoint(judge: Judgement, run: Run, block: Mapping[str, Any]) -> None:
    checks.names_mcp_resource(judge, run.discovery, checks.member_of(block, "mcp.endpoint"), "the MCP endpoint")


@then(parsers.re(r"under (?P<name>\w+) it says"))
def setup_says(judge: Judgement, run: Run, name: str, datatable: Sequence[Sequence[str]]) -> None:
    checks.says(judge, checks.authorization_block(run.discovery, name), datatable, name)


@then(parsers.re(r"under (?P<name>\w+) it names the MCP resource"))
def setup_names_resource(judge: Judgement, run: Run, name: str) -> None:
    named = checks.authorization_block(run.discovery, name).get("resource")
    checks.names_mcp_resource(judge, run.discovery, named, f"{name}: the resource")


@then(parsers.re(r"under (?P<name>\w+) it requires client_id, resource and authorization_details"))
def setup_requires(judge: Judgement, run: Run, name: str) -> None:
    checks.requires_all(judge, checks.authorization_block(run.discovery, name).get("required_parameters"), name)


@then(parsers.re(r"under (?P<name>\w+) it leads to the (?P<endpoint>\w+)"))
def setup_leads_to(judge: Judgement, run: Run, name: str, endpoint: str) -> None:
    block = checks.authorization_block(run.discovery, name)
    checks.secure_url(judge, block.get(endpoint), f"{name}: {endpoint}", query=True)


@then(parsers.re(r"under (?P<name>\w+) it names its (?P<member>\w+)"))
def setup_names_its(judge: Judgement, run: Run, name: str, member: str) -> None:
    named = checks.authorization_block(run.discovery, name).get(member)
    judge.that(isinstance(named, str) and bool(named), f"{name}: {member}", repr(named)[:80])


@then("it leads to where an owner agent asks, where the owner approves, and where the token is got and used")
def leads_through_onboarding(judge: Judgement, run: Run, block: Mapping[str, Any]) -> None:
    checks.leads_through_onboarding(judge, run.discovery, block)


@then("it has a name")
def resource_has_a_name(judge: Judgement, document: Document) -> None:
    checks.has_a_name(judge, document)


@then("it carries a warning")
def carries_warning(judge: Judgement, block: Mapping[str, Any]) -> None:
    warning = block.get("warning")
    judge.that(isinstance(warning, str) and bool(warning.strip()), "a warning", "a text" if warning else "absent")


@then("it leads to the owner's streams and their schema")
def leads_to_streams(judge: Judgement, block: Mapping[str, Any]) -> None:
    for name in ("streams_endpoint", "schema_endpoint"):
        checks.secure_url(judge, block.get(name), name)


@then("every document that it links to resolves")
def links_resolve(judge: Judgement, run: Run, block: Mapping[str, Any]) -> None:
    checks.links_resolve(judge, run.recorder, block)


@then(
    parsers.parse("what {what} says of issuer, resource and endpoints is what the authorization server metadata says")
)
def blocks_agree(judge: Judgement, run: Run, what: str) -> None:
    for resource in (run.discovery.root_resource, run.discovery.mcp_resource_metadata):
        checks.rest_on(judge, resource)
    checks.agrees(judge, run.discovery, checks.block_of(run.discovery, what), what)


@then("the protected resources that the authorization server lists, if any, include the MCP resource")
def servers_name_each_other(judge: Judgement, run: Run) -> None:
    listed = run.discovery.authorization_server.content.get("protected_resources")
    if listed is None:
        raise NotApplicable("the authorization server publishes no protected_resources")
    judge.that(
        isinstance(listed, list) and run.discovery.mcp_resource in listed, run.discovery.mcp_resource, str(listed)
    )
