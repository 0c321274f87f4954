"""Where guidance is found: in a repository's folder, and at the deployment, from where its metadata sends agents."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from pdpp_conformance.exchange import NoAnswer
from pdpp_conformance.guides import Guide
from pdpp_conformance.metadata_checks import authorization_block
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Excluded, NotApplicable, Unmet

PATHS: Mapping[str, str] = {
    "the hosted MCP setup document": "docs/setup/hosted-mcp.md",
    "the headless setup document": "docs/setup/headless.md",
    "the data-access skill": "docs/skills/pdpp-data-access/SKILL.md",
    "the owner-agent skill": "docs/skills/pdpp-owner-agent/SKILL.md",
    "the overview for agents": "docs/llms.txt",
}
"""The documents that the change asks for, by what they are called, in the repository's folder."""

MOST_DOCUMENTS = 12
"""How many served documents are read at most: who links to a whole manual is not read to its end."""

_TEXTS = ("text/plain", "text/markdown", "text/html")


def repository_of(run: Run) -> Path:
    """Return the folder of the repository whose documents are judged.

    Raises:
        Excluded: none is known.
    """
    run.rests_beyond("the documents of the repository")
    if run.bundled is not None:
        return run.bundled.repository
    if run.target.repository is not None:
        return run.target.repository
    raise Excluded("the documents of a repository are judged where the target file names its folder (repository)")


def read_file(run: Run, path: str) -> Guide:
    """Read a document of the repository.

    Raises:
        Excluded: no repository is known.
        Unmet: the document is not there.
    """
    file = repository_of(run) / path
    try:
        return Guide(path, file.read_text(encoding="utf-8"), file.as_uri())
    except (OSError, UnicodeDecodeError) as error:
        raise Unmet(f"the document {path}", f"{type(error).__name__} when it is read") from None


def repository_guides(run: Run) -> list[Guide]:
    """Return the documents of the repository that guide people and agents.

    Raises:
        Excluded: no repository is known.
        Unmet: one of them is not there.
    """
    return [read_file(run, path) for path in PATHS.values()]


def served_guides(run: Run) -> Sequence[Guide]:
    """Return what the deployment gives agents and people to read, followed from where its metadata sends agents.

    Raises:
        Blocked: it serves none.
    """
    guides = run.once("served guides", lambda: _follow(run))
    if not guides:
        raise Blocked(
            "the deployment leads to no document: neither skill nor llms_txt of its agent discovery can be read",
            unblock="skill or llms_txt in pdpp_agent_discovery, or console in the target file",
        )
    return guides


def require_headless_path(run: Run) -> None:
    """Go on only where the metadata advertises grant-scoped device authorization.

    Raises:
        NotApplicable: it does not.
    """
    profile = run.discovery.device_profile("grant_scoped_mcp")
    if not profile and not authorization_block(run.discovery, "device_code"):
        raise NotApplicable("the metadata does not advertise grant-scoped device authorization")


def setup_pages(run: Run) -> list[Guide]:
    """Return the pages for people among what the deployment serves.

    Raises:
        Blocked: it serves nothing to read.
        NotApplicable: it serves documents, and none leads to a page.
    """
    pages = [guide for guide in served_guides(run) if guide.is_html]
    if not pages:
        raise NotApplicable("no document of the deployment leads to a setup page, nor does the target file (console)")
    return pages


def _follow(run: Run) -> list[Guide]:
    block = run.discovery.agent_discovery
    starts = [run.target.console, block.get("llms_txt"), block.get("skill")]
    queue = deque(url for url in starts if isinstance(url, str))
    seen = set(queue)
    found: list[Guide] = []
    while queue and len(found) < MOST_DOCUMENTS:
        url = queue.popleft()
        guide = _read(run, url) if run.recorder.is_allowed(url) else None
        if guide is None:
            continue
        found.append(guide)
        if not guide.is_html:  # the pages lead everywhere
            new = [link for link in guide.links if link not in seen]
            seen.update(new)
            queue.extend(new)
    return found


def _read(run: Run, url: str) -> Guide | None:
    try:
        answer = run.recorder.send("GET", url, actor="an agent", headers={"Accept": "text/markdown, text/plain, */*"})
    except NoAnswer:
        return None
    if answer.status != 200 or answer.media_type not in _TEXTS:
        return None
    name = url.partition("://")[2].partition("/")[2] or url
    return Guide(name, answer.body.decode("utf-8", "replace"), url, answer.media_type == "text/html", answer.number)
