"""Whether the resource takes a credential: one ``initialize`` under it (MCP, RFC 6750 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from pdpp_reference.setup_client.challenge import read_challenge
from pdpp_reference.setup_client.discovery import INITIALIZE, MCP_HEADERS, Resource
from pdpp_reference.setup_client.http import Answer, Http


@dataclass(frozen=True)
class Checked:
    """What the resource said."""

    status: int | None
    """None where the resource could not be reached."""
    needs_scope: str | None = None
    """The scope that it asks for instead, where a token with more of it would do."""

    @property
    def refused(self) -> bool:
        return self.status in (401, 403)


class BearerCheck:
    """Uses a token at the resource that it was issued for, and nowhere else."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def check(self, resource: Resource, access_token: str) -> Checked:
        """Open a conversation under the token, and end it.

        Raises:
            NoAnswer: the resource cannot be reached.
        """
        answer = self._http.patiently(self.ask, resource.url, access_token)
        session = answer.headers.get("mcp-session-id")
        if answer.status == 200 and session is not None:
            self._http.delete(resource.url, {**self.bearer(access_token), "Mcp-Session-Id": session})
        challenge = read_challenge(answer.headers.get_list("www-authenticate"))
        stepping_up = answer.status in (401, 403) and challenge.error in ("insufficient_scope", "invalid_token")
        return Checked(answer.status, challenge.scope if stepping_up else None)

    def ask(self, url: str, access_token: str) -> Answer:
        """Send ``initialize`` under a token."""
        return self._http.post_json(url, INITIALIZE, {**MCP_HEADERS, **self.bearer(access_token)})

    def bearer(self, access_token: str) -> dict[str, str]:
        """Return the header that carries the token; no other place may."""
        return {"Authorization": f"Bearer {access_token}"}
