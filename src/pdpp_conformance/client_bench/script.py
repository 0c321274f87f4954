"""What a scripted server says, in the order in which it says it. The default is a server that does nothing odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Place = Literal["challenge", "inserted", "root"]
"""Where protected resource metadata may stand: at a URL that only the challenge names, at the well-known path before
the MCP server's own, or at the well-known path of the origin (MCP authorization; RFC 9728 §3.1)."""

Poll = Literal["pending", "slow_down", "token", "hang", "drop", "500"] | str
"""An answer to a poll. Any other text is an error code (RFC 8628 §3.5, RFC 6749 §5.2)."""


@dataclass(frozen=True)
class Use:
    """An answer to a request under a bearer."""

    status: int = 200
    scope: str | None = None
    """The scope that a refusal asks for."""
    redirected: bool = False
    """Whether the request is redirected to the other server of the play."""


@dataclass(frozen=True)
class Script:
    """One server's part in a play."""

    issuer_path: str = ""
    """The path of the issuer identifier; a decoy stands at the root where there is one."""
    decoy: bool = False
    """Whether the origin's own authorization server metadata names an authorization server that nobody trusts."""
    metadata_at: Sequence[Place] = ("inserted",)
    challenged_with: Literal["metadata", "nothing"] = "metadata"
    server_metadata_at: int = 0
    """Which of the issuer's well-known URLs has the metadata, counted in the order of MCP authorization."""
    scope: str | None = None
    resource_told: str | None = None
    """The ``resource`` of the metadata where it is another's."""
    issuer_told: str | None = None
    """The ``issuer`` of the metadata where it is another's; ``{issuer}`` in it is the right one."""
    device_authorization: bool = True
    interval: float | None = 5
    expires_in: float = 600
    verification_uri: str | None = None
    """Instead of the server's own page."""
    complete_query: str | None = None
    """The query of the complete verification URI, instead of the code."""
    polls: Sequence[Poll] = ("pending", "token")
    """The last one is said from then on."""
    uses: Sequence[Use] = (Use(),)
    """The last one is said from then on."""
    unknown_in: frozenset[str] = frozenset()
    """Documents with members that nobody knows: resource, server, codes, token."""
    hangs_at_first: bool = False
    """Whether nothing at all is ever answered."""
    tls: bool = False
    """Whether it is served over TLS, with a certificate that nobody trusts."""


UNKNOWN_MEMBERS: Mapping[str, Any] = {
    "x_unheard_of": True,
    "x_unheard_of_list": [{"x": 1}, None],
    "x_unheard_of_object": {"issuer": "https://elsewhere.example", "access_token": 0},
}


@dataclass(frozen=True)
class Step:
    """One start of the client: at which of the play's servers, and by which script that one goes."""

    script: Script
    server: int = 0


@dataclass(frozen=True)
class Play:
    """The client is started once a step, with one home for all steps."""

    steps: Sequence[Step] = field(default_factory=lambda: (Step(Script()),))
    others: int = 0
    """How many servers there are besides those of the steps."""
    seconds: float = 60.0
    """How long a correct client takes where its time is the machine's."""
    on_screen: bool = False
    """Whether the client is started at a terminal, and its screen read; else it writes to a file."""
