"""Parts of a deployment by their kind, and what they are made of: a defective one is made of the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequests
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint, DeviceCodeGrant
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.authorization_server.tokens import Tokens
from pdpp_reference.resource_server.bearer import BearerCheck

_KINDS: Mapping[type, tuple[str, tuple[str, ...]]] = {
    AuthorizationRequests: ("requests", ("clock",)),
    BearerCheck: ("bearer_check", ("settings", "access_tokens")),
    DeviceAuthorizationEndpoint: (
        "device_authorization",
        ("settings", "store", "clients", "requests", "catalogue"),
    ),
    DeviceCodeGrant: ("device_code_grant", ("store", "clock", "requests", "redemption")),
    Redemption: ("redemption", ("requests", "grants", "tokens")),
    Tokens: ("tokens", ("settings", "clock", "grants")),
}
"""Each kind's place among the collaborators, and the collaborators that it is made of."""


def made_of(parts: Collaborators, kind: type) -> list[Any]:
    """Return what a part of this kind, or of one derived from it, is made of."""
    _, ingredients = _kind(kind)
    return [getattr(parts, ingredient) for ingredient in ingredients]


def put(parts: Collaborators, kind: type) -> None:
    """Put a part of a defective kind in the place of the conforming one."""
    place, _ = _kind(kind)
    setattr(parts, place, kind(*made_of(parts, kind)))


def _kind(kind: type) -> tuple[str, tuple[str, ...]]:
    return next(_KINDS[base] for base in kind.__mro__ if base in _KINDS)
