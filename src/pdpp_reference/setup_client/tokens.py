"""The token response (RFC 6749 §5.1), held to what the client asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdpp_reference.setup_client.failures import Refused
from pdpp_reference.setup_client.http import Answer, printable


@dataclass(frozen=True)
class Token:
    """What was granted. Members that nobody knows are nobody's concern."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scope: str | None = None
    grant_id: str | None = None
    authorization_details: Sequence[Mapping[str, Any]] = ()
    resource: str | None = None


def read_token(answer: Answer, now: float, *, owners: bool = False) -> Token:
    """Read a token response.

    Args:
        owners: whether an owner's token was asked for.

    Raises:
        Refused: there is no bearer token in it, or it is of the other kind.
    """
    members = answer.members
    access_token = members.get("access_token")
    token_type = members.get("token_type")
    if not isinstance(access_token, str) or not access_token or not access_token.isprintable():
        raise Refused("the server's answer has no access token in it")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise Refused("the server's answer has a token of a type that this client cannot use")
    if members.get("pdpp_token_kind") == "owner" and not owners:
        raise Refused("the server answers with an owner's token; that is no MCP credential, and it was not kept")
    if members.get("pdpp_token_kind") == "client" and owners:
        raise Refused("the server answers with a client's token, not an owner's; it was not kept")
    lifetime = members.get("expires_in")
    details = members.get("authorization_details")
    return Token(
        access_token,
        _text(members.get("refresh_token")),
        now + lifetime if isinstance(lifetime, int | float) and not isinstance(lifetime, bool) else None,
        _text(members.get("scope")),
        _text(members.get("grant_id")) or _text(members.get("grant_package_id")),
        tuple(entry for entry in details if isinstance(entry, dict)) if isinstance(details, list) else (),
        _text(members.get("resource")),
    )


def told_access(details: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what was granted, a line an entry."""
    lines = []
    for entry in details[:20]:
        source = entry.get("source")
        streams = entry.get("streams")
        names = [
            printable(stream.get("name"), 60)
            for stream in (streams if isinstance(streams, list) else [])
            if isinstance(stream, dict)
        ]
        identifier = printable(source.get("id")) if isinstance(source, dict) else "a source"
        mode = printable(entry.get("access_mode", ""), 20)
        lines.append(f"{identifier}: {', '.join(names) or 'nothing named'}{f' ({mode})' if mode else ''}")
    return lines


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
