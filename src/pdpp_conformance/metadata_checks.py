"""What metadata has to say, judged member by member (RFC 8414, RFC 9728, PDPP wire contract §2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pdpp_conformance.discovery import DEVICE_CODE_GRANT, Discovery, Document, well_known
from pdpp_conformance.exchange import Answer, NoAnswer, Recorder, is_loopback, origin_of
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.urls import parts_of
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet

HOSTILE_HOST = "hostile.invalid"
REQUIRED_PARAMETERS = {"client_id", "resource", "authorization_details"}


def rest_on(judge: Judgement, document: Document) -> Document:
    """Count the exchange that brought a document among the scenario's evidence, and return the document."""
    if document.answer is not None:
        judge.rests_on(document.answer)
    return document


def require_usable(document: Document) -> Document:
    """Return the document.

    Raises:
        Unmet: it could not be read, so nothing in it can be judged.
    """
    if not document.usable:
        raise Unmet(f"the {document.name}", f"{document.problem} at {urlsplit(document.url).path}")
    return document


def served_as_json_object(judge: Judgement, document: Document) -> None:
    """RFC 8414 §3.2, RFC 9728 §3.2: 200, ``application/json``, one JSON object."""
    answer = document.answer
    if answer is None:
        raise Unmet("200 application/json", document.problem or "no answer")
    kind = "a JSON object" if document.content else document.problem or "no JSON object"
    observed = f"{answer.status} {answer.media_type or 'without content type'}, {kind}"
    met = answer.status == 200 and answer.media_type == "application/json" and document.usable
    judge.that(met, "200 application/json, a JSON object", observed)


def same_at(judge: Judgement, recorder: Recorder, url: str, document: Document) -> None:
    """The document at ``url`` is the one given."""
    answer = recorder.send("GET", url, actor="a client", headers={"Accept": "application/json"})
    met = answer.status == 200 and answer.json() == document.content
    judge.that(met, f"the same document at {urlsplit(url).path}", f"{answer.status}{'' if met else ', another answer'}")


def secure_url(judge: Judgement, value: Any, what: str, *, query: bool = False, fragment: bool = False) -> None:
    """An https URL; plain http passes on loopback, with a note."""
    text = value if isinstance(value, str) else ""
    parts = parts_of(text)
    clean = (query or not (parts.query or text.endswith("?"))) and (fragment or "#" not in text)
    lab = parts.scheme == "http" and is_loopback(text)
    if lab:
        judge.note("lab exemption: plain http on loopback")
    ending = " and ".join(part for part, allowed in (("no query", query), ("no fragment", fragment)) if not allowed)
    judge.that(
        bool(parts.netloc) and (parts.scheme == "https" or lab) and clean,
        f"{what} to be an https URL{f' with {ending}' if ending else ''}",
        repr(value)[:200],
    )


def no_empty_arrays(judge: Judgement, content: Mapping[str, Any], *, allowed: Sequence[str] = ()) -> None:
    """RFC 8414 §3.2, RFC 9728 §3.2: a member with no elements is left out."""
    empty = sorted(name for name, value in content.items() if value == [] and name not in allowed)
    judge.that(not empty, "no empty array", ", ".join(empty) or "none")


def urls_in(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the members that are endpoints: ``…_endpoint`` and ``…_uri``."""
    for name, value in content.items():
        if isinstance(value, str) and re.search(r"_(endpoint|uri)$", name):
            yield name, value


def member_of(block: Mapping[str, Any], name: str) -> Any:
    """Return a member of a block, ``a.b`` naming a member of a member; ``None`` where it is absent."""
    value: Any = block
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def says(judge: Judgement, block: Mapping[str, Any], statements: Sequence[Sequence[str]], what: str) -> None:
    """Judge members of a block against a table of names and values, ``a.b`` naming a member of a member."""
    for name, expected in statements:
        value = member_of(block, name)
        written = (
            {True: "true", False: "false", None: "absent"}.get(value, value) if not isinstance(value, str) else value
        )
        judge.that(written == expected, f"{what} to say {name} {expected}", f"{name} {str(written)[:120]}")


def requires_all(judge: Judgement, value: Any, what: str) -> None:
    """``required_parameters`` names exactly what an MCP device authorization request must carry."""
    listed = {str(name) for name in value} if isinstance(value, list) else set()
    judge.that(
        listed == REQUIRED_PARAMETERS,
        f"{what} to require {', '.join(sorted(REQUIRED_PARAMETERS))}",
        ", ".join(sorted(listed)) or "none",
    )


def hostile_answer(recorder: Recorder, document: Document) -> Answer:
    """Ask for a document under a hostile ``Host`` and ``X-Forwarded-Host``."""
    return recorder.send(
        "GET",
        document.url,
        actor="a hostile client",
        headers={"Host": HOSTILE_HOST, "X-Forwarded-Host": HOSTILE_HOST, "Forwarded": f"host={HOSTILE_HOST}"},
    )


def forwarded_answer(recorder: Recorder, document: Document) -> Answer:
    """Ask for a document with the right ``Host`` and a hostile ``X-Forwarded-Host``."""
    headers = {"X-Forwarded-Host": HOSTILE_HOST, "Forwarded": f"host={HOSTILE_HOST}"}
    return recorder.send("GET", document.url, actor="a hostile client", headers=headers)


def untouched_by_hostile_host(judge: Judgement, answer: Answer) -> None:
    """The hostile host is echoed in no header and no body; the answer is a refusal, or the document all the same."""
    everything = "\n".join(value for _, value in answer.exchange.response_headers) + (
        answer.exchange.response_body or ""
    )
    judge.that(
        HOSTILE_HOST not in everything,
        "an answer without the hostile host",
        f"{answer.status}{', naming the hostile host' if HOSTILE_HOST in everything else ''}",
    )
    is_document = answer.status == 200 and any(answer.member(name) is not None for name in ("issuer", "resource"))
    judge.that(
        is_document or 300 <= answer.status < 500,
        "the document as published, or a refusal (421)",
        f"{answer.status} {'with' if is_document else 'without'} the document",
    )


def registration_modes_backed(judge: Judgement, found: Discovery) -> None:
    """Each mode in ``pdpp_registration_modes_supported`` is backed by metadata, and the other way round."""
    content = found.authorization_server.content
    listed = content.get("pdpp_registration_modes_supported")
    modes = {str(mode) for mode in listed} if isinstance(listed, list) else set()
    backed = {
        mode
        for mode, is_backed in (
            ("dynamic", found.endpoint("registration_endpoint") is not None),
            ("pre_registered_public", bool(content.get("pdpp_pre_registered_public_clients"))),
            ("client_id_metadata_document", content.get("client_id_metadata_document_supported") is True),
        )
        if is_backed
    }
    judge.equal(sorted(modes), sorted(backed), "the registration modes")


def pre_registered_are_public(judge: Judgement, content: Mapping[str, Any]) -> None:
    """Each pre-registered client has an id and a name and authenticates with none."""
    listed = content.get("pdpp_pre_registered_public_clients")
    if not listed:
        raise NotApplicable("the metadata lists no pre-registered public clients")
    for client in listed if isinstance(listed, list) else [listed]:
        members = client if isinstance(client, dict) else {}
        met = (
            bool(members.get("client_id"))
            and bool(members.get("client_name"))
            and members.get("token_endpoint_auth_method") == "none"
        )
        judge.that(met, "client_id, client_name and token_endpoint_auth_method none", str(client)[:200])


def _blocks(found: Discovery) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every block of the metadata that speaks of a device or code flow, with its name."""
    content = found.authorization_server.content
    listed = content.get("pdpp_device_authorization_profiles_supported")
    for profile in listed if isinstance(listed, list) else []:
        if isinstance(profile, dict):
            yield f"device profile {profile.get('profile')}", profile
    mcp = found.agent_discovery.get("mcp")
    authorization = mcp.get("authorization") if isinstance(mcp, dict) else None
    for name, block in authorization.items() if isinstance(authorization, dict) else ():
        if isinstance(block, dict):
            yield name, block
    if found.owner_agent_onboarding:
        yield "pdpp_owner_agent_onboarding", found.owner_agent_onboarding


def owner_kind_is_no_mcp_setup(judge: Judgement, found: Discovery) -> None:
    """Whatever ends in an owner token says that ``/mcp`` rejects it, and never that it is normal MCP setup."""
    judged = 0
    for name, block in _blocks(found):
        if block.get("pdpp_token_kind") == "owner":
            judged += 1
            met = block.get("mcp_owner_bearer_rejected") is True and block.get("normal_mcp_setup") is not True
            judge.that(
                met,
                f"{name} to say mcp_owner_bearer_rejected true and not normal_mcp_setup",
                f"mcp_owner_bearer_rejected {block.get('mcp_owner_bearer_rejected')}, "
                f"normal_mcp_setup {block.get('normal_mcp_setup')}",
            )
    judge.that(judged > 0, "owner-agent device authorization described with its token kind", f"{judged} descriptions")


def mcp_setup_is_client_kind(judge: Judgement, found: Discovery) -> None:
    """Whatever is called normal MCP setup ends in a client token, and names the MCP resource where it names one."""
    judged = 0
    for name, block in _blocks(found):
        if block.get("normal_mcp_setup") is True or name in ("device_code", "authorization_code_pkce"):
            judged += 1
            resource = block.get("resource", found.mcp_resource)
            met = block.get("pdpp_token_kind") == "client" and resource in mcp_resources(found)
            judge.that(
                met,
                f"{name} to end in a client token for {found.mcp_resource}",
                f"{block.get('pdpp_token_kind')} for {resource}",
            )
    judge.that(judged > 0, "grant-scoped MCP device authorization described", f"{judged} descriptions")


def mcp_resources(found: Discovery) -> Sequence[str]:
    """The MCP resource as its metadata names it, and as it was asked for; where they differ, other rows tell."""
    return list(dict.fromkeys((found.mcp_resource, found.mcp_url)))


def names_mcp_resource(judge: Judgement, found: Discovery, value: Any, what: str) -> None:
    """A block names the MCP resource."""
    resources = mcp_resources(found)
    judge.that(value in resources, f"{what} {' or '.join(resources)}", str(value)[:200])


def authorization_block(found: Discovery, name: str) -> Mapping[str, Any]:
    """Return one block of ``pdpp_agent_discovery.mcp.authorization``; empty where it is absent."""
    return _authorization_block(found.agent_discovery, name)


def _authorization_block(discovery: Any, name: str) -> Mapping[str, Any]:
    block = member_of(discovery, f"mcp.authorization.{name}") if isinstance(discovery, dict) else None
    return block if isinstance(block, dict) else {}


_AGREEING_MEMBERS = (
    "authorization_endpoint",
    "device_authorization_endpoint",
    "token_endpoint",
    "introspection_endpoint",
    "registration_endpoint",
)


def agrees(judge: Judgement, found: Discovery, block: Mapping[str, Any], what: str) -> None:
    """What a block says of issuer, resource, endpoints and type is what the authorization server metadata says."""
    content = found.authorization_server.content
    for name in _AGREEING_MEMBERS:
        if name in block:
            judge.equal(block[name], content.get(name), f"{what}: {name}")
    if "authorization_server" in block:
        judge.equal(block["authorization_server"], content.get("issuer"), f"{what}: authorization_server")
    if block == found.owner_agent_onboarding and "resource" in block:
        # The other blocks' resource is judged where they are described.
        judge.equal(block["resource"], found.root_resource.content.get("resource"), f"{what}: resource")
    if "authorization_endpoint" in block:
        grants = content.get("grant_types_supported", ["authorization_code", "implicit"])
        offered = isinstance(grants, list) and "authorization_code" in grants
        judge.that(offered, f"{what}: authorization_code in grant_types_supported", json.dumps(grants)[:200])
    if "authorization_details_type" in block:
        judge.equal(block["authorization_details_type"], found.authorization_details_type, f"{what}: type")
    if "required_parameters" in block:
        required = _names(found.device_profile("grant_scoped_mcp").get("required_parameters"))
        judge.equal(_names(block["required_parameters"]), required, f"{what}: required_parameters")


_ONBOARDING_ENDPOINTS = (
    "device_authorization_endpoint",
    "token_endpoint",
    "introspection_endpoint",
    "registration_endpoint",
)


def leads_through_onboarding(judge: Judgement, found: Discovery, block: Mapping[str, Any]) -> None:
    """The block names where the owner approves and the owner's data is, and every endpoint on the way that there is."""
    advertised = [name for name in _ONBOARDING_ENDPOINTS if found.endpoint(name) is not None]
    for name in ("owner_approval_url", "query_base", *advertised):
        secure_url(judge, block.get(name), name, query=True)


def has_a_name(judge: Judgement, document: Document) -> None:
    """RFC 9728 §2: a resource has a name for people."""
    name = document.content.get("resource_name")
    judge.that(isinstance(name, str) and bool(name.strip()), "resource_name", repr(name)[:80])


def _names(value: Any) -> list[str]:
    """A list of names, in an order that does not matter."""
    return sorted(str(name) for name in value) if isinstance(value, list) else []


BY_ROOT = ", as the root resource tells it"


def block_of(found: Discovery, what: str) -> Mapping[str, Any]:
    """Return a block by the words of the feature files.

    Raises:
        NotApplicable: the deployment may leave it out, and does.
        Unmet: it is missing.
    """
    if what == "the owner-agent onboarding":
        block = found.owner_agent_onboarding
        if not block:
            raise NotApplicable("the root resource carries no owner-agent onboarding block, which may be left out")
        return block
    setup = what.removesuffix(BY_ROOT)
    name = {"the authorization-code setup": "authorization_code_pkce", "the device-code setup": "device_code"}[setup]
    if what != setup:
        block = _authorization_block(found.root_resource.content.get("pdpp_agent_discovery"), name)
        if not block:
            raise NotApplicable(f"the root resource does not tell agents of {name}, which it may leave out")
        return block
    block = authorization_block(found, name)
    if not block:
        raise Unmet(f"{name} in the agent discovery", "absent")
    return block


def links_resolve(judge: Judgement, recorder: Recorder, block: Mapping[str, Any]) -> None:
    """Every document that the agent discovery block links to is there.

    Raises:
        NotApplicable: it links to none.
    """
    links = [(name, block[name]) for name in ("skill", "llms_txt") if isinstance(block.get(name), str)]
    if not links:
        raise NotApplicable("the agent discovery block links to no document")
    for name, url in links:
        try:
            answer = recorder.send("GET", url, actor="an agent")
        except NoAnswer as error:
            judge.that(False, f"{name} to resolve", error.observed)
        else:
            judge.that(answer.status == 200, f"{name} to resolve", answer.summary)


def each_server_is_one(judge: Judgement, recorder: Recorder, document: Document) -> None:
    """Each authorization server named serves metadata with exactly that issuer (RFC 9728 §7.6, RFC 8414 §3.3).

    Raises:
        NotApplicable: the resource names none, which the row on that judges where it may not.
        Blocked: one is not under test.
    """
    listed = document.content.get("authorization_servers")
    if not listed:
        raise NotApplicable(f"the {document.name} names no authorization server")
    for issuer in listed if isinstance(listed, list) else []:
        if not isinstance(issuer, str) or not recorder.is_allowed(issuer):
            raise Blocked(
                f"the authorization server {str(issuer)[:100]} lies on an origin that is not under test",
                unblock="authorization_server in the target file",
            )
        answer = recorder.send("GET", well_known(issuer, "oauth-authorization-server"), actor="a client")
        judge.equal(answer.member("issuer"), issuer, "the issuer")


def lists(judge: Judgement, content: Mapping[str, Any], member: str, value: str) -> None:
    """A list-valued member holds a value."""
    listed = content.get(member)
    judge.that(isinstance(listed, list) and value in listed, f"{member} to list {value}", str(listed)[:200])


def lists_method(judge: Judgement, found: Discovery, endpoint: str, method: str) -> None:
    """The authentication methods listed for an endpoint, if any are, include one that was accepted there (RFC 8414 §2).

    Raises:
        NotApplicable: none are listed.
    """
    member = f"{endpoint}_endpoint_auth_methods_supported"
    document = rest_on(judge, found.authorization_server)
    if member not in document.content:
        raise NotApplicable(f"the metadata lists no authentication methods for {endpoint}")
    lists(judge, document.content, member, method)


def published_origins(found: Discovery) -> set[str]:
    """Return the origins that the deployment publishes: its issuer's and its resources'."""
    urls = [found.issuer, found.mcp_resource, found.base_url, found.root_resource.content.get("resource")]
    return {origin_of(url) for url in urls if isinstance(url, str)}


def offers_code_grant(found: Discovery) -> bool:
    """Whether the authorization-code grant is advertised."""
    return "authorization_code" in found.grant_types


def require_code_grant(found: Discovery) -> None:
    """Go on only where the authorization-code grant is advertised.

    Raises:
        NotApplicable: it is not.
    """
    if not offers_code_grant(found):
        raise NotApplicable("the authorization-code grant is not offered")


def offers_device_grant(found: Discovery) -> bool:
    """Whether the device-code grant type is listed."""
    return DEVICE_CODE_GRANT in found.grant_types


def both_type_lists(judge: Judgement, found: Discovery) -> None:
    """Both lists of authorization details types hold the type in use."""
    content, details_type = found.authorization_server.content, str(found.authorization_details_type)
    for member in ("authorization_details_types_supported", "pdpp_authorization_details_types_supported"):
        lists(judge, content, member, details_type)
