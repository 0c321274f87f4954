"""A generated request, with placeholders: as it is logged, kept, and sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.exchange import FORM

JSON = "application/json"
GRANT_TYPES = ("urn:ietf:params:oauth:grant-type:device_code", "refresh_token", "authorization_code")


@dataclass(frozen=True)
class GeneratedRequest:
    """A request as it was generated, with placeholders."""

    operation: str
    generator: str
    method: str
    path: str = ""
    """What is added to the operation's URL, or put in place of its path parameter."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def encoding(self) -> str:
        """``form``, ``json`` or nothing: how values are written into the body."""
        media_type = next((value for name, value in self.headers if name.lower() == "content-type"), "")
        return "form" if media_type.startswith(FORM) else "json" if media_type.startswith(JSON) else ""

    def to_json(self) -> dict[str, Any]:
        """Write the request; bytes that are no UTF-8 as Latin-1, and said so."""
        written: dict[str, Any] = {
            "operation": self.operation,
            "generator": self.generator,
            "method": self.method,
            "path": self.path,
            "headers": [list(header) for header in self.headers],
        }
        if self.body is not None:
            try:
                written["body"] = self.body.decode("utf-8")
            except UnicodeDecodeError:
                written["body_latin1"] = self.body.decode("latin-1")
        return written

    @staticmethod
    def from_json(written: Mapping[str, Any]) -> GeneratedRequest:
        """Read what :meth:`to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        body = None
        if "body" in written:
            body = str(written["body"]).encode("utf-8")
        elif "body_latin1" in written:
            body = str(written["body_latin1"]).encode("latin-1")
        return GeneratedRequest(
            operation=str(written["operation"]),
            generator=str(written["generator"]),
            method=str(written["method"]),
            path=str(written["path"]),
            headers=tuple((str(name), str(value)) for name, value in written["headers"]),
            body=body,
        )
