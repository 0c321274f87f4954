"""Documents that leave out or get wrong what their readers rely on, and a specification that does not validate."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pdpp_reference.app import Collaborators
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.owner_pages import edited_page
from pdpp_reference.library import EXAMPLE, Library, repository

declared = Declared()

NOTE = "docs/research/mcp-oauth-headless-auth-prior-art-2026-06-12.md"
HOSTED = "docs/setup/hosted-mcp.md"
HEADLESS = "docs/setup/headless.md"
DATA_ACCESS = "docs/skills/pdpp-data-access/SKILL.md"
OWNER_AGENT = "docs/skills/pdpp-owner-agent/SKILL.md"
OVERVIEW = "docs/llms.txt"
DELTA = "openspec/changes/add-grant-scoped-mcp-device-authorization/specs/mcp-adapter/spec.md"
SPEC = "openspec/specs/mcp-adapter/spec.md"

_FOLDERS = ("docs", "openspec")


class EditedRepository:
    """A copy of the repository's documents with passages replaced; it goes when the process ends.

    Raises:
        ValueError: a passage does not occur, so that nothing would be wrong.
    """

    def __init__(self, original: Path, file: str, passages: Mapping[str, str]) -> None:
        text = (original / file).read_text(encoding="utf-8")
        for passage, replacement in passages.items():
            if passage not in text:
                raise ValueError(f"{file} has no passage {passage!r}")
            text = text.replace(passage, replacement)
        self.root = Path(tempfile.mkdtemp(prefix="pdpp-documents-"))
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        for folder in _FOLDERS:
            shutil.copytree(original / folder, self.root / folder, ignore=shutil.ignore_patterns("*.png"))
        (self.root / file).write_text(text, encoding="utf-8")


def edited(name: str, what: str, *rows: str, file: str, passages: Mapping[str, str], why: str | None = None) -> None:
    """Declare a document with passages replaced."""

    def apply(parts: Collaborators) -> None:
        parts.library = Library(parts.settings, EditedRepository(repository(), file, passages).root)

    declared.replacing(what, *rows, why=why, name=name)(apply)


# -- research and specification ----------------------------------------------------------------------------------------

edited(
    "note_without_conclusion",
    "The research note lists what it read and concludes nothing.",
    "DOC-01",
    file=NOTE,
    passages={"## Conclusion": "## Findings"},
)
edited(
    "note_forgets_owner_agents",
    "The research note's conclusion does not rule owner-agent codes out.",
    "DOC-01",
    file=NOTE,
    passages={
        "Its token is owner-level, for `/v1/**`; `/mcp` refuses it.": "",
        "never makes an MCP credential": "exists",
    },
)
edited(
    "source_without_access_date",
    "The research note does not say when one of its sources was read.",
    "DOC-02",
    file=NOTE,
    passages={"/html/rfc8628> (accessed 2026-06-12)": "/html/rfc8628>"},
)
edited(
    "source_without_url",
    "The research note names a source without its address.",
    "DOC-02",
    file=NOTE,
    passages={"<https://datatracker.ietf.org/doc/html/rfc8252>": "RFC 8252"},
)
edited(
    "requirement_without_scenario",
    "A requirement of the change has no scenario.",
    "DOC-03",
    "DOC-04",
    why="Everything is validated with the change in it.",
    file=DELTA,
    passages={
        "#### Scenario: A headless client lists and uses the tools": "A headless client lists and uses the tools"
    },
)
edited(
    "spec_without_purpose",
    "A spec does not say what it is for.",
    "DOC-04",
    file=SPEC,
    passages={"## Purpose": "## Introduction"},
)

# -- which token is which ----------------------------------------------------------------------------------------------

edited(
    "client_tokens_untold",
    "A skill does not say which token headless clients get.",
    "DOC-05",
    file=DATA_ACCESS,
    passages={"It issues a client token, bound to a grant and to": "It issues a token for"},
)
edited(
    "owner_tokens_untold",
    "A skill does not say which token owner agents get.",
    "DOC-06",
    file=DATA_ACCESS,
    passages={"it issues owner tokens, for": "it is for"},
)
edited(
    "rejection_untold",
    "A skill does not say that /mcp rejects owner tokens.",
    "DOC-07",
    file=DATA_ACCESS,
    passages={", and `/mcp` rejects\nthose with 403 `permission_error`": ""},
)
edited(
    "owner_token_offered",
    "A document offers the owner token as a quick way to set MCP up.",
    "DOC-08",
    file=HOSTED,
    passages={
        "## What is not MCP setup": "In a hurry, give the client an owner token for `/mcp`.\n\n## What is not MCP setup"
    },
)
edited(
    "owner_agent_unlabelled",
    "The owner-agent skill does not say that it is owner-level local automation.",
    "CHG-06",
    file=OWNER_AGENT,
    passages={"Owner-level local automation for `/v1/**`: a program": "A program"},
)

# -- which path fits ---------------------------------------------------------------------------------------------------

edited(
    "browser_path_untold",
    "The hosted MCP setup document does not name authorization code and PKCE.",
    "CHG-03",
    file=HOSTED,
    passages={"uthorization code + PKCE": "uthorization in the usual way"},
)
edited(
    "headless_path_untold",
    "The hosted MCP setup document does not say what headless clients use.",
    "CHG-03",
    file=HOSTED,
    passages={
        "is headless: SSH, container, sandbox": "is anywhere else",
        "## A headless client": "## Another client",
        "Where no browser can call back, use": "Otherwise, use",
    },
)
edited_page(
    declared,
    "connect_page_without_pkce",
    "The connect page does not say what a client with a browser uses.",
    ["CHG-03"],
    {"connect.html": {"uthorization code + PKCE": "uthorization"}},
)

# -- whether it is so --------------------------------------------------------------------------------------------------

edited(
    "dead_link_between_documents",
    "A setup document links to one that is not there.",
    "DOC-09",
    file=HEADLESS,
    passages={"(hosted-mcp.md)": "(hosted.md)"},
)
edited(
    "dead_link_to_the_setup_page",
    "Agents are sent to a setup page that is not there.",
    "DOC-09",
    file=OVERVIEW,
    passages={f"({EXAMPLE}/connect)": f"({EXAMPLE}/no-such-page)"},
)
edited(
    "unknown_command_documented",
    "A command is documented that does not exist.",
    "DOC-10",
    file=HOSTED,
    passages={f"pdpp connect {EXAMPLE}/mcp\n": f"pdpp link {EXAMPLE}/mcp\n"},
)
edited(
    "unknown_option_documented",
    "An option is documented that its command does not have.",
    "DOC-10",
    file=HOSTED,
    passages={"mcp --browser": "mcp --no-browser-at-all"},
)
edited(
    "tool_list_is_stale",
    "A skill lists a tool under a name that it no longer has.",
    "DOC-11",
    file=DATA_ACCESS,
    passages={"| `fetch` |": "| `read_record` |"},
)
edited(
    "error_list_lacks_one",
    "The list of errors says nothing of slow_down.",
    "DOC-12",
    file=HEADLESS,
    passages={"| `slow_down` | the poll came too soon | add 5 seconds to the interval, poll again |\n": ""},
)
edited(
    "error_list_invents_one",
    "The list of errors has one that no standard defines.",
    "DOC-12",
    file=HEADLESS,
    passages={"| `expired_token` |": "| `code_is_stale` | it is old | start again |\n| `expired_token` |"},
)
edited(
    "endpoint_is_stale",
    "A document names a token endpoint that is not the metadata's.",
    "DOC-13",
    file=HEADLESS,
    passages={f"`{EXAMPLE}/oauth/token`": f"`{EXAMPLE}/oauth/v1/token`"},
)

# -- what is served ----------------------------------------------------------------------------------------------------


class _SaysNothing(Library):
    def text(self, path: str) -> str:
        return "# Welcome\n\nThis deployment serves MCP. Ask your administrator.\n"


@declared.replacing(
    "Whatever agents are sent to says nothing of paths and tokens.",
    "DOC-05",
    "DOC-06",
    "DOC-07",
    "CHG-03",
    "CHG-06",
    why="Each is a statement that somebody has to make, and nobody makes any.",
)
def agents_told_nothing(parts: Collaborators) -> None:
    parts.library = _SaysNothing(parts.settings, parts.library.root)
