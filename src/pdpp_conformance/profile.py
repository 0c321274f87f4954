"""Which requirements concern a target by its profile: all, or those of the standards behind the device grant."""

from __future__ import annotations

import re

from pdpp_conformance.catalogue import Requirement
from pdpp_conformance.target import Profile
from pdpp_conformance.verdict import Level

STANDARDS = frozenset(
    {
        "RFC 6585",
        "RFC 6749",
        "RFC 7009",
        "RFC 7591",
        "RFC 7662",
        "RFC 8414",
        "RFC 8628",
        "RFC 9110",
        "RFC 9207",
        "RFC 9700",
        "RFC 10027",
        "OAuth 2.1",
    }
)
"""What any OAuth server with a device grant answers for, as far as it claims it."""

EXTENSIONS = frozenset({"RFC 8707", "RFC 9396", "RFC 9728"})
"""Standards that PDPP builds on, and a server with a device grant need not."""

_NAMED = re.compile(r"RFC \d+|OAuth 2\.1")


def why_outside(requirement: Requirement, profile: Profile) -> str | None:
    """Return why a requirement does not concern a target of a profile; ``None`` where it does.

    A row that names several sources goes by the first standard among them.
    """
    if profile == "pdpp":
        return None
    outside = f"the target's profile is {profile}, and this is"
    if requirement.level is Level.PROFILE or requirement.subject == "the_change":
        return f"{outside} PDPP's own"
    if not any(role in requirement.role for role in ("AS", "UI")):
        return f"{outside} no authorization server's to meet"
    named = _NAMED.findall(requirement.source)
    if not named:
        return f"{outside} no OAuth standard's"
    return None if named[0] in STANDARDS else f"{outside} {named[0]}'s"
