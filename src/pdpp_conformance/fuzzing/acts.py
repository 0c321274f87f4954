"""What the parties of a flow may do, as data: drawn, told, kept, and done again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWNER_KIND = "trusted_owner_agent"
MCP_KIND = "grant_scoped_mcp"

_SENTENCES: Mapping[str, str] = {
    "start": "{by} asks for codes, {detail}: request {request}",
    "poll": "the device of request {request} polls",
    "poll as another": "another client polls with the device code of request {request}",
    "approve": "the owner approves request {request}",
    "deny": "the owner denies request {request}",
    "wait": "{detail} seconds go by",
    "refresh": "the client of request {request} refreshes with its {detail} refresh token",
    "revoke": "the client of request {request} revokes its {detail} token",
    "end grant": "the grant of request {request} is revoked",
    "remove client": "{by} is removed",
    "use": "the newest access token of request {request} is presented at {detail}",
    "introspect": "the {detail} access token of request {request} is introspected",
}
"""Each act, as it is told."""


@dataclass(frozen=True)
class Act:
    """One act of one party.

    Raises:
        ValueError: nobody can do that.
    """

    name: str
    """A key of the sentences above."""
    request: int = 0
    """Which device authorization it is about, counted as they are started; 0 where it is about none."""
    by: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        if self.name not in _SENTENCES:
            raise ValueError(f"nobody can {self.name}")

    @property
    def told(self) -> str:
        """The act in a sentence."""
        return _SENTENCES[self.name].format(request=self.request, by=self.by, detail=self.detail)

    def to_json(self) -> dict[str, Any]:
        return {"act": self.name, "request": self.request, "by": self.by, "detail": self.detail, "told": self.told}

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> Act:
        """Read what :meth:`to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return Act(str(written["act"]), int(written["request"]), str(written["by"]), str(written["detail"]))
