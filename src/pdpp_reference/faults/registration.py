"""Clients that become known as what they may not be: RFC 7591, and client ID metadata documents (CIMD draft-02)."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.responses import Response

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.client_id_metadata_document import HttpsMetadataDocuments
from pdpp_reference.authorization_server.registration import RegistrationEndpoint, check_client_metadata
from pdpp_reference.errors import OAuthError
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.traffic import Answered
from pdpp_reference.http import Incoming, json_answer
from pdpp_reference.settings import DEVICE_CODE_GRANT

ENDPOINT = "/oauth/register"
_KNOWN = {
    *("client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri", "redirect_uris", "grant_types"),
    *("response_types", "token_endpoint_auth_method", "application_type"),
}

declared = Declared()


def _registration(parts: Collaborators, made: type[RegistrationEndpoint]) -> None:
    parts.registration = made(parts.settings, parts.store, parts.clients, parts.subject_of)


# -- what is answered --------------------------------------------------------------------------------------------------


@declared.altering(ENDPOINT, "A registered client is answered with 200.", "REG-01", name="200_created")
def _200_created(answer: Answered) -> None:
    if answer.status == 201:
        answer.status = 200


@declared.altering(ENDPOINT, "A secret is issued, and nobody tells until when it is good.", "REG-01")
def secret_without_expiry(answer: Answered) -> None:
    if answer.status == 201:
        answer.update(client_secret="conformance-fault-secret")  # noqa: S106 - it is none


@declared.altering(ENDPOINT, "The answer to a registration tells the client id alone.", "REG-02")
def echo_only_id(answer: Answered) -> None:
    if answer.status == 201:
        answer.members = {"client_id": answer.members["client_id"]}


@declared.altering(ENDPOINT, "Grant types that the server chose by itself are not told.", "REG-02")
def defaults_untold(answer: Answered) -> None:
    if answer.status == 201 and "grant_types" not in json.loads(answer.request_body):
        answer.drop("grant_types")


@declared.altering(
    ENDPOINT,
    "A registration is refused with 422.",
    "REG-04",
    "REG-10",
    why="Every refusal of a registration has the wrong status, that of a redirect URI included.",
    name="422_error",
)
def _422_error(answer: Answered) -> None:
    if answer.status == 400:
        answer.status = 422


@declared.altering(
    ENDPOINT,
    "Every refusal of a registration is an invalid request.",
    "REG-04",
    "REG-10",
    why="Every refusal of a registration has the wrong code, that of a redirect URI included.",
)
def registration_error_unnamed(answer: Answered) -> None:
    if answer.status == 400:
        answer.update(error="invalid_request")


# -- what is taken -----------------------------------------------------------------------------------------------------


class _Strict(RegistrationEndpoint):
    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        if not set(members) <= _KNOWN:
            raise OAuthError("invalid_client_metadata", "there is a member that this server does not know")
        return super().metadata_to_register(members)


@declared.replacing("A registration with a member that the server does not know is refused.", "REG-03")
def unknown_field_400(parts: Collaborators) -> None:
    _registration(parts, _Strict)


class _Keeping(RegistrationEndpoint):
    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        return {**members, **super().metadata_to_register(members)}


@declared.replacing("A member that the server does not know is registered as if it did.", "REG-03")
def unknown_field_kept(parts: Collaborators) -> None:
    _registration(parts, _Keeping)


class _WithRedirectUri(RegistrationEndpoint):
    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        if not members.get("redirect_uris"):
            raise OAuthError("invalid_redirect_uri", "every client needs redirect_uris")
        return super().metadata_to_register(members)


@declared.replacing("A device-only client has to name a redirect URI.", "REG-05")
def redirect_uri_forced(parts: Collaborators) -> None:
    _registration(parts, _WithRedirectUri)


class _ReplacedInSecret(RegistrationEndpoint):
    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        registered = super().metadata_to_register(members)
        if registered["grant_types"] == [DEVICE_CODE_GRANT]:
            registered["grant_types"] = ["authorization_code"]
        return registered

    def answer(self, incoming: Incoming) -> Response:
        response = super().answer(incoming)
        asked = incoming.json_object("invalid_client_metadata").get("grant_types", ["authorization_code"])
        return json_answer({**json.loads(bytes(response.body)), "grant_types": asked}, status=201)


@declared.replacing("A device-only client is told the grant that it asked for, and has another.", "REG-05")
def device_grant_replaced_in_secret(parts: Collaborators) -> None:
    _registration(parts, _ReplacedInSecret)


class _AnyRedirectUri(RegistrationEndpoint):
    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        uris = members.get("redirect_uris")
        if not isinstance(uris, list) or not any(_is_dangerous(uri) for uri in uris):
            return super().metadata_to_register(members)
        good = super().metadata_to_register({**members, "redirect_uris": ["https://client.example/callback"]})
        return {**good, "redirect_uris": uris}


def _is_dangerous(uri: object) -> bool:
    return isinstance(uri, str) and ("#" in uri or uri.split(":")[0] in ("javascript", "data", "vbscript"))


@declared.replacing("Any text is registered as a redirect URI.", "REG-10")
def redirect_uri_unchecked(parts: Collaborators) -> None:
    _registration(parts, _AnyRedirectUri)


class _UncheckedForDevices(_AnyRedirectUri):
    def metadata_to_register(self, members: Mapping[str, Any]) -> dict[str, Any]:
        grants = members.get("grant_types", ["authorization_code"])
        if not isinstance(grants, list) or "authorization_code" in grants:
            return check_client_metadata(members)
        return super().metadata_to_register(members)


@declared.replacing("The redirect URIs of a client without the authorization-code grant are not looked at.", "REG-10")
def redirect_uri_unchecked_for_devices(parts: Collaborators) -> None:
    _registration(parts, _UncheckedForDevices)


# -- metadata documents ------------------------------------------------------------------------------------------------


def _documents(parts: Collaborators, made: type[HttpsMetadataDocuments]) -> None:
    parts.documents = made(
        parts.clock,
        resolver=parts.document_resolver,
        allowed=parts.document_addresses,
        tls=parts.document_authorities,
    )


class _AnyName(HttpsMetadataDocuments):
    def read_document(self, body: bytes, client_id: str) -> Mapping[str, Any]:
        document = json.loads(body)
        if isinstance(document, dict):
            document["client_id"] = client_id
        return super().read_document(json.dumps(document).encode(), client_id)


@declared.replacing("A metadata document may name another client than its URL, or none.", "REG-07")
def cimd_id_mismatch_ok(parts: Collaborators) -> None:
    _documents(parts, _AnyName)


class _NothingRequired(HttpsMetadataDocuments):
    def read_document(self, body: bytes, client_id: str) -> Mapping[str, Any]:
        document = json.loads(body)
        if isinstance(document, dict) and document.get("client_id") == client_id:
            filled = {"client_name": "A client", "redirect_uris": ["http://127.0.0.1/callback"], **document}
            return super().read_document(json.dumps(filled).encode(), client_id)
        return super().read_document(body, client_id)


@declared.replacing("A metadata document needs neither a name nor redirect URIs.", "REG-07")
def cimd_members_optional(parts: Collaborators) -> None:
    _documents(parts, _NothingRequired)


class _NoDocument(HttpsMetadataDocuments):
    def read_document(self, body: bytes, client_id: str) -> Mapping[str, Any]:
        raise OAuthError("invalid_client", "no document is good enough")


@declared.replacing("Metadata documents are offered, and none is taken.", "REG-07")
def cimd_never_taken(parts: Collaborators) -> None:
    _documents(parts, _NoDocument)


@declared.replacing("Metadata documents are fetched from wherever their URL leads.", "REG-08")
def cimd_ssrf(parts: Collaborators) -> None:
    parts.document_addresses = lambda _host, _address: True


@declared.replacing("Metadata documents are fetched from loopback, when it is written as an IPv6 address.", "REG-08")
def cimd_ssrf_by_ipv6(parts: Collaborators) -> None:
    policy = parts.document_addresses

    def mapped_ok(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return policy(host, address) or address.version == 6

    parts.document_addresses = mapped_ok


class _Following(HttpsMetadataDocuments):
    """Looks where the URL of a refused document redirects to."""

    def fetch(self, client_id: str) -> Mapping[str, Any]:
        try:
            return super().fetch(client_id)
        except OAuthError:
            self._look_further(client_id)
            raise

    def _look_further(self, client_id: str) -> None:
        url = httpx.URL(client_id)
        if not any(self._allowed(url.host, ipaddress.ip_address(found)) for found in self._resolver(url.host, 443)):
            return
        try:
            with httpx.Client(verify=False, trust_env=False, timeout=1.0) as client:  # noqa: S501
                address = self._resolver(url.host, url.port or 443)[0]
                client.get(url.copy_with(host=address), follow_redirects=True)
        except (httpx.HTTPError, OSError):
            return


@declared.replacing("Redirects of a metadata document's URL are followed, wherever they lead.", "REG-08")
def cimd_redirect_followed(parts: Collaborators) -> None:
    _documents(parts, _Following)
