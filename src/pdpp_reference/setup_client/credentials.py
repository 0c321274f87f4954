"""Where credentials lie: a file each, readable by its owner alone, keyed by issuer and resource."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pdpp_reference.setup_client.failures import Refused


@dataclass(frozen=True)
class Credential:
    """What is kept of a setup."""

    issuer: str
    resource: str
    mcp_url: str
    client_id: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scope: str | None = None
    grant_id: str | None = None
    kind: Literal["client", "owner"] = "client"


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this person's credentials (XDG base directories)."""
    configured = environment.get("XDG_CONFIG_HOME")
    base = Path(configured) if configured and Path(configured).is_absolute() else Path.home() / ".config"
    return base / "pdpp" / "credentials"


class CredentialStore:
    """The credentials in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, issuer: str, resource: str, kind: str) -> str:
        """Return what a credential is filed under: whoever issued it, and what it is for."""
        return f"{kind} {issuer} {resource}"

    def path(self, issuer: str, resource: str, kind: str = "client") -> Path:
        """Return the file that a credential lies in, or would."""
        named = hashlib.sha256(self.key(issuer, resource, kind).encode()).hexdigest()[:32]
        return self._folder / f"{named}.json"

    def find(self, issuer: str, resource: str, kind: str = "client") -> Credential | None:
        """Return the credential that this issuer gave for this resource, if there is one that can be read."""
        return self._read(self.path(issuer, resource, kind))

    def all(self) -> list[Credential]:
        """Return every credential in the folder."""
        found = (self._read(path) for path in sorted(self._folder.glob("*.json")))
        return [credential for credential in found if credential is not None]

    def keep(self, credential: Credential) -> Path:
        """Write a credential, in one step, for its owner's eyes only; return the file.

        Raises:
            Refused: it cannot be written.
        """
        path = self.path(credential.issuer, credential.resource, credential.kind)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(credential), file, indent=1)
            fresh.replace(path)
        except OSError as error:
            raise Refused(f"the credential cannot be written to {path} ({error.strerror})") from None
        return path

    def forget(self, credential: Credential) -> None:
        """Remove a credential's file."""
        self.path(credential.issuer, credential.resource, credential.kind).unlink(missing_ok=True)

    def _read(self, path: Path) -> Credential | None:
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8"))
            return Credential(**content)
        except (OSError, ValueError, TypeError):
            return None
