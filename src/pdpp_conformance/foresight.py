"""What a target file lets be judged, foreseen from the words of the scenarios, before anything is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_bdd.feature import get_feature

from pdpp_conformance.catalogue import Catalogue, Requirement
from pdpp_conformance.feature_files import tags_of
from pdpp_conformance.profile import why_outside
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Verdict


@dataclass(frozen=True)
class Words:
    """A scenario as it stands in its file."""

    tags: frozenset[str]
    steps: str
    """The texts of its steps, a line each."""


@dataclass(frozen=True)
class Need:
    """What some scenarios need, known by the words of their steps."""

    words: re.Pattern[str]
    missing: Callable[[Target], str | None]
    """Why a target does not provide it, and what would; ``None`` where it does."""


@dataclass(frozen=True)
class Foreseen:
    """What will come of a requirement: PASS stands for "judged"."""

    requirement: Requirement
    verdict: Verdict
    why: str | None = None


def _no_owner(target: Target) -> str | None:
    if target.approver.kind == "none":
        return "nobody plays the owner: approver.kind browser, and the owner's password"
    if target.approver.kind != "manual" and target.owner_password is None:
        return "there is no owner password: PDPP_OWNER_PASSWORD, or owner.password_command"
    return None


def _nothing_to_ask_for(target: Target) -> str | None:
    lacking = _no_owner(target)
    if lacking is None or target.authorization_details is not None or target.profile == "rfc8628":
        return None
    return f"what to ask for is found with an owner token, and {lacking}; or authorization_details in the file"


def _no_pages(target: Target) -> str | None:
    unseen = target.approver.kind == "manual"
    return "a person plays the owner, and the pages are not seen: approver.kind browser" if unseen else None


def _no_browser(target: Target) -> str | None:
    seen = target.approver.kind == "browser"
    return None if seen else f"it needs a real browser, and the approver is {target.approver.kind}"


def _no_introspection(target: Target) -> str | None:
    if target.introspection is not None:
        return None
    return "there are no introspection credentials: PDPP_INTROSPECTION_CLIENT_ID and _SECRET"


def _one_client(target: Target) -> str | None:
    if target.client.registration == "dynamic" or target.client.client_id is None:
        return None
    return f"it needs a second client, and the file names one: {target.client.client_id}"


def _no_guessing(target: Target) -> str | None:
    return None if target.limits.allow_code_guessing else "wrong codes are not guessed: limits.allow_code_guessing"


NEEDS: Sequence[Need] = (
    Need(
        re.compile(
            r"\bowner\b(?!-)|approv|\bden(?:y|ied)|decision|redeem|redemption"
            r"|\btokens?\b(?! endpoint)|\bgrants?\b(?! type)|sign-in|signs? in|packages?\b|refresh",
            re.IGNORECASE,
        ),
        _no_owner,
    ),
    Need(
        re.compile(r"MCP device authorization|of the MCP kind|for the MCP resource", re.IGNORECASE), _nothing_to_ask_for
    ),
    Need(re.compile(r"\bpages?\b|headings?|buttons?", re.IGNORECASE), _no_pages),
    Need(re.compile(r"another origin|other origins|framed?\b|browsers?\b|focus", re.IGNORECASE), _no_browser),
    Need(re.compile(r"introspect|of kind|token kind", re.IGNORECASE), _no_introspection),
    Need(re.compile(r"another client|two clients|foreign", re.IGNORECASE), _one_client),
    Need(re.compile(r"wrong (?:user )?codes|wrong passwords", re.IGNORECASE), _no_guessing),
)
"""Looked through in this order; the first that is missing is told."""

_ONLY_DOCUMENTS = re.compile(
    r"(?:the .*metadata.*|the agent discovery.*|the owner-agent onboarding.*|.*challenges a client without a token)"
    r"(?:\n(?!.*(?:approv|redeem|introspect)).*)*"
)
"""Steps that begin with a document, and go on about nothing else."""


def scenarios_below(features: Path) -> Iterator[Words]:
    """Yield every scenario, an outline as one."""
    for path in sorted(features.rglob("*.feature")):
        feature = get_feature(str(path.parent), path.name)
        for template in feature.scenarios.values():
            steps = "\n".join(step.name for step in template.steps)
            yield Words(frozenset(tags_of(feature, template)), steps)


def why_blocked(target: Target, words: Words) -> str | None:
    """Return what a scenario lacks at a target; ``None`` where nothing is known to be missing."""
    if _ONLY_DOCUMENTS.fullmatch(words.steps):
        return None
    for need in NEEDS:
        lacking = need.missing(target)
        if lacking is not None and need.words.search(words.steps):
            return lacking
    return None


def foresee(target: Target, catalogue: Catalogue, scenarios: Iterable[Words]) -> list[Foreseen]:
    """Say of every requirement whether it will be judged, as far as the target file decides it."""
    listed = list(scenarios)
    return [
        _foreseen(target, row, [words for words in listed if row.id in words.tags])
        for row in catalogue.requirements.values()
    ]


def _foreseen(target: Target, row: Requirement, own: Sequence[Words]) -> Foreseen:
    outside = why_outside(row, target.profile)
    if outside is not None:
        return Foreseen(row, Verdict.NOT_APPLICABLE, outside)
    if row.id in target.attestations:
        return Foreseen(row, Verdict.ATTESTED, target.attestations[row.id])
    if not own:
        return Foreseen(row, Verdict.EXCLUDED, row.excluded or "no scenario judges it")
    lacking = [why for words in own if (why := why_blocked(target, words)) is not None]
    return Foreseen(row, Verdict.BLOCKED, lacking[0]) if lacking else Foreseen(row, Verdict.PASS)
