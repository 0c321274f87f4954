"""What agents and people read of the deployment: `/llms.txt`, the setup documents and the skills.

They are the files below `docs/`, which speak of an example deployment; where they are served they speak of this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Route

from pdpp_reference.authorization_server.metadata import metadata_path
from pdpp_reference.resource_server.metadata import MCP_METADATA_PATH, ROOT_METADATA_PATH
from pdpp_reference.resource_server.methods import READING, OnlyMethods
from pdpp_reference.settings import AUTHORIZATION_DETAILS_TYPE, LLMS_TXT_PATH, SKILL_PATH, Settings

EXAMPLE = "https://pdpp.example.org"
"""The origin of the deployment that the files speak of."""

SERVED = (
    LLMS_TXT_PATH,
    "/setup/hosted-mcp.md",
    "/setup/headless.md",
    SKILL_PATH,
    "/skills/pdpp-owner-agent/SKILL.md",
)
"""The paths that are served; below `docs/` the files have the same."""

_CHECKOUT = Path(__file__).resolve().parents[2]
_INSTALLED = Path(__file__).resolve().parent / "_repository"


def repository() -> Path:
    """Return the folder that has `docs/` in it: the checkout, or in an installed package what came with it.

    Raises:
        FileNotFoundError: there is neither.
    """
    for folder in (_CHECKOUT, _INSTALLED):
        if (folder / "docs" / "llms.txt").is_file():
            return folder
    raise FileNotFoundError(f"no docs/llms.txt in {_CHECKOUT} or {_INSTALLED}")


class Library:
    """The documents of one deployment.

    Args:
        root: the folder that has `docs/` in it.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self.root = root
        self._own = _spelt_here(settings)
        self._example = re.compile("|".join(map(re.escape, sorted(self._own, key=len, reverse=True))))

    def text(self, path: str) -> str:
        """Return the document served at ``path``, with this deployment's addresses in it.

        Raises:
            OSError: the file is not there.
        """
        source = (self.root / "docs" / path.removeprefix("/")).read_text(encoding="utf-8")
        return self._example.sub(lambda found: self._own[found.group()], source)

    def routes(self) -> list[Route]:
        """Return the routes of all documents whose files are there."""
        return [self._route(path) for path in SERVED if (self.root / "docs" / path.removeprefix("/")).is_file()]

    def _route(self, path: str) -> Route:
        """Serve a document: public, worth keeping for five minutes, and nothing that a browser would run."""
        answer = Response(
            self.text(path),
            media_type="text/markdown" if path.endswith(".md") else "text/plain",
            headers={
                "Cache-Control": "max-age=300",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            },
        )
        return Route(path, OnlyMethods(answer, READING))


def _spelt_here(settings: Settings) -> Mapping[str, str]:
    """What the files say, and what it is at this deployment; the longest that fits counts."""
    return {
        f"{EXAMPLE}/mcp": settings.mcp_resource,
        f"{EXAMPLE}/v1": settings.query_base,
        f"{EXAMPLE}{ROOT_METADATA_PATH}": settings.resource_origin + ROOT_METADATA_PATH,
        f"{EXAMPLE}{MCP_METADATA_PATH}": settings.resource_origin + MCP_METADATA_PATH,
        f"{EXAMPLE}/.well-known/oauth-authorization-server": _origin(settings.issuer) + metadata_path(settings),
        EXAMPLE: settings.issuer,
        AUTHORIZATION_DETAILS_TYPE: settings.authorization_details_type,
    }


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
