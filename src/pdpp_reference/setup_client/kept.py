"""What is done with a kept credential: found, refreshed (RFC 6749 §6), revoked (RFC 7009)."""

from __future__ import annotations

from dataclasses import replace

from pdpp_reference.setup_client.clock import Deadline
from pdpp_reference.setup_client.credentials import Credential
from pdpp_reference.setup_client.failures import Refused
from pdpp_reference.setup_client.http import origin_of
from pdpp_reference.setup_client.surroundings import Surroundings
from pdpp_reference.setup_client.tokens import read_token

BOUND_SECONDS = 60.0
"""What refreshing or revoking may take in all."""


class KeptCredentials:
    """The credentials of one person, and what their servers are asked about them."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._parts = surroundings.parts
        self._clock = surroundings.clock
        self._store = self._parts.store(surroundings.folder)

    def find(self, url: str, kind: str = "client") -> Credential:
        """Return the credential for an MCP server's URL, or for its origin.

        Raises:
            Refused: there is none, or only one of the other kind.
        """
        url = url.rstrip("/")
        fitting = [kept for kept in self._store.all() if url in (kept.mcp_url, kept.resource, origin_of(kept.resource))]
        found = [kept for kept in fitting if kept.kind == kind]
        if found:
            return found[0]
        if kind == "client" and fitting:
            raise Refused(
                f"what is kept for {url} is an owner's token, which /mcp rejects by design; get a client's credential "
                f"with: pdpp connect {url}"
            )
        command = "connect" if kind == "client" else "owner-agent onboard"
        raise Refused(f"no credential is kept for {url}; get one with: pdpp {command} {url}")

    def path_of(self, credential: Credential) -> str:
        """Return where a credential lies."""
        return str(self._store.path(credential.issuer, credential.resource, credential.kind))

    def lives(self, credential: Credential, seconds: float = 30.0) -> bool:
        """Whether the access token is still good for so many seconds, as far as is known."""
        return credential.expires_at is None or credential.expires_at > self._clock.now() + seconds

    def refresh(self, credential: Credential) -> Credential:
        """Refresh at the issuer that gave the credential, and keep what comes of it.

        Raises:
            Refused: there is no refresh token, or the server refuses it: the owner has to approve again.
            NoAnswer: the server cannot be reached; the credential stays as it is.
        """
        again = f"get a new one with: pdpp connect {credential.mcp_url}"
        if credential.refresh_token is None:
            raise Refused(f"the credential cannot be refreshed; {again}")
        http = self._parts.http(self._clock, Deadline.after(self._clock, BOUND_SECONDS), self._surroundings.wrap)
        try:
            server = self._parts.discovery(http).authorization_server(credential.issuer)
            endpoint = server.endpoint("token_endpoint")
            if endpoint is None:
                raise Refused(f"{credential.issuer} names no token endpoint")
            form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", credential.refresh_token),
                ("client_id", credential.client_id),
                ("resource", credential.resource),
            ]
            # Sent once: a refresh token that rotates is spent by its first use, answered or not.
            answer = http.post_form(endpoint, form)
        finally:
            http.close()
        if answer.status != 200:
            raise Refused(f"the server does not refresh it ({answer.summary}); {again}", error=answer.error)
        token = read_token(answer, self._clock.now(), owners=credential.kind == "owner")
        fresh = replace(
            credential,
            access_token=token.access_token,
            refresh_token=token.refresh_token or credential.refresh_token,
            expires_at=token.expires_at,
        )
        self._store.keep(fresh)
        return fresh

    def revoke(self, credential: Credential) -> bool:
        """Revoke both tokens at their issuer and remove the file.

        Returns:
            Whether the server was told; False where it has no revocation endpoint.

        Raises:
            Refused: the server refuses; the file stays.
            NoAnswer: it cannot be reached; the file stays.
        """
        http = self._parts.http(self._clock, Deadline.after(self._clock, BOUND_SECONDS), self._surroundings.wrap)
        try:
            server = self._parts.discovery(http).authorization_server(credential.issuer)
            endpoint = server.endpoint("revocation_endpoint")
            for token in filter(None, (credential.refresh_token, credential.access_token)) if endpoint else ():
                form = [("token", token), ("client_id", credential.client_id)]
                answer = http.patiently(http.post_form, endpoint, form)
                if answer.status != 200:
                    raise Refused(f"the server does not revoke it: {answer.summary}", error=answer.error)
        finally:
            http.close()
        self._store.forget(credential)
        return endpoint is not None
