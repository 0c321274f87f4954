"""What guidance has to say of each path and of each kind of token, and what it must not offer.

Documents word this freely, so each statement is looked for in several wordings, within one passage and the heading
right above it. They are English, as PDPP's documents are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pdpp_conformance.guides import Guide, Passage
from pdpp_conformance.judgement import Judgement


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_OWNER_AGENT = r"owner[- ]agent|\b(trusted|own) agent"
_DEVICE = r"device[- ](authori[sz]ation|code|flow|grant)|RFC 8628"
_NO_BROWSER = r"headless|without (a|any) browser|no browser|\bSSH\b|container|sandbox"
_OF_CLIENT = r"client (access )?tokens?|token (is )?of kind client|pdpp_token_kind\W+(is )?client"
_OF_OWNER = r"owner(-level)? (access )?tokens?|token (is )?of kind owner|owner(-level)? bearer"
_MCP = r"/mcp\b|MCP (server|resource|endpoint)"
_REFUSES = r"reject|refus|den(y|ies|ied)\b|never (accept|take|serve)|(do(es)?n[o’']t|not) accept|fail"


@dataclass(frozen=True)
class Statement:
    """Something that a passage says if it has every one of these in it, and nothing that takes it back."""

    parts: Sequence[re.Pattern[str]]
    unless: re.Pattern[str] | None = None

    def said_in(self, passage: Passage) -> bool:
        text = passage.with_heading
        return all(part.search(text) for part in self.parts) and not (self.unless and self.unless.search(text))


STATEMENTS: Mapping[str, Statement] = {
    "browser-capable clients use authorization code + PKCE": Statement(
        (_any(r"authori[sz]ation[- ]code"), _any(r"\bPKCE\b"), _any(r"browser"))
    ),
    "headless clients use grant-scoped device authorization": Statement(
        (_any(_NO_BROWSER), _any(_DEVICE), _any(r"grant[- ]scoped|client token|bound to (a|one) grant")),
        unless=_any(r"\b(do not|don[’']t|never|cannot|must not) use\b"),
    ),
    "grant-scoped device authorization issues client tokens": Statement(
        (_any(_DEVICE), _any(r"\bissues?\b|ends? (with|in)|\bgets?\b|redeems?"), _any(_OF_CLIENT), _any(r"\bgrant")),
        unless=_any(r"issues? no client|(not|never) issue"),
    ),
    "owner-agent device authorization issues owner tokens": Statement(
        (
            _any(_OWNER_AGENT),
            _any(_DEVICE),
            _any(r"\b(issue|make|redeem)s?\b|ends? (with|in)"),
            _any(_OF_OWNER),
        ),
        unless=_any(r"issues? no owner|(not|never) issue"),
    ),
    "owner-agent credentials are owner-level REST credentials and no MCP credentials": Statement(
        (
            _any(r"owner-level|everything the owner has"),
            _any(r"\bREST\b|/v1\b"),
            _any(rf"(\bno(t|thing)?|never|isn[’']t)\b[^.]{{0,40}}\bMCP\b|({_MCP})[^.]{{0,40}}({_REFUSES})"),
        )
    ),
    "/mcp rejects owner tokens": Statement(
        (_any(_MCP), _any(_REFUSES, r"\brejected\b"), _any(_OF_OWNER, r"\bthose\b", r"\b(the|that|this) bearer")),
        unless=_any(r"(no longer|does not|doesn[’']t|never) (reject|refuse)"),
    ),
    "owner-agent onboarding is owner-level local automation for /v1": Statement(
        (_any(r"owner-level"), _any(r"\blocal\b"), _any(r"automation"), _any(r"/v1\b"))
    ),
    "/mcp rejects that bearer by design": Statement(
        (_any(_MCP), _any(_REFUSES), _any(r"by design|on purpose|deliberately"), _any(r"bearer|owner token|\bit\b"))
    ),
}
"""What a document can be asked for, in the features' words."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\s\|\s")
_OFFER = _any(
    rf"\b(use|give|pass|send|paste|configure|set ?up|connect|add|authenticate|log ?in)\b[^.;]{{0,60}}({_OF_OWNER})"
    rf"[^.;]{{0,80}}({_MCP}|MCP (client|setup))",
    rf"({_MCP}|MCP clients?)[^.;]{{0,60}}\b(accepts?|takes?|works? with|opens? (to|with)|use)\b[^.;]{{0,40}}"
    rf"({_OF_OWNER})",
    rf"\b(connect|set ?up|configure)\b[^.;]{{0,40}}\bMCP\b[^.;]{{0,80}}"
    rf"({_OF_OWNER}|owner-agent (code|device|onboard))",
)
_DENIED = _any(
    r"\b(not|no|never|nor|neither|none|cannot|without|instead of|rather than)\b",
    r"n[’']t\b",
    _REFUSES,
    r"\bwrong\b",
    r"\bapart\b",
)


def judge_says(judge: Judgement, guide: Guide, what: str) -> None:
    """One document makes a statement of :data:`STATEMENTS`."""
    _rest_on(judge, [guide])
    passage = next((passage for passage in guide.passages if STATEMENTS[what].said_in(passage)), None)
    observed = f"{guide.name}: {_quoted(passage.text)}" if passage else f"no passage of {guide.name} says so"
    judge.that(passage is not None, f"{guide.name} to say that {what}", observed)


def judge_said_somewhere(judge: Judgement, guides: Sequence[Guide], what: str) -> None:
    """One at least of several documents makes a statement of :data:`STATEMENTS`."""
    _rest_on(judge, guides)
    told = [
        f"{guide.name}: {_quoted(passage.text)}"
        for guide in guides
        for passage in guide.passages
        if STATEMENTS[what].said_in(passage)
    ]
    names = ", ".join(guide.name for guide in guides)
    judge.that(bool(told), f"guidance to say that {what}", told[0] if told else f"none of {names[:200]} does")


def judge_section_says(judge: Judgement, guide: Guide, section: str, what: str) -> None:
    """A section of a document makes a statement of :data:`STATEMENTS`."""
    passages = [passage for passage in guide.passages if passage.below(section)]
    judge.that(bool(passages), f"a section on the {section} in {guide.name}", "there is none")
    met = any(STATEMENTS[what].said_in(passage) for passage in passages)
    judge.that(met, f"the {section} of {guide.name} to say that {what}", "it does" if met else "it does not")


def judge_offers_no_owner_token(judge: Judgement, guides: Sequence[Guide]) -> None:
    """No sentence of any document offers an owner token, or owner-agent onboarding, as MCP setup."""
    _rest_on(judge, guides)
    offers = [
        f"{guide.name}: {_quoted(sentence)}"
        for guide in guides
        for passage in guide.passages
        for sentence in _SENTENCE.split(passage.text)
        if _OFFER.search(sentence) and not _DENIED.search(sentence)
    ]
    read = f"none in {len(guides)} documents"
    judge.that(not offers, "no sentence that offers owner credentials as MCP setup", "; ".join(offers)[:400] or read)


def _rest_on(judge: Judgement, guides: Iterable[Guide]) -> None:
    judge.exchanges += [
        guide.exchange for guide in guides if guide.exchange is not None and guide.exchange not in judge.exchanges
    ]


def _quoted(text: str) -> str:
    return f"“{text[:199]}…”" if len(text) > 200 else f"“{text}”"
