"""The decision page, as the owner read it, judged by what it has to tell (PDPP wire contract §5, RFC 8628 §3.3)."""

from __future__ import annotations

import re
from collections.abc import Callable

from pdpp_conformance.approver.approver import Page
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, TokenResponse
from pdpp_conformance.run import CLIENT_NAME, Run
from pdpp_conformance.source_statements import states_source
from pdpp_conformance.verdict import Blocked, NotApplicable

_SEPARATORS = re.compile(r"[\s\-–·]+")
_OWNER_AGENT = re.compile(r"owner[\s-]+agent", re.IGNORECASE)
_OWNER_LEVEL = re.compile(r"owner[\s-]+level|everything|all (of )?your|full access", re.IGNORECASE)
_REJECTS = re.compile(r"reject|refus|not accept|does not work|denie[sd]|cannot|never", re.IGNORECASE)
_EXPIRY = re.compile(r"expire|valid (until|for)|minutes? left|runs out", re.IGNORECASE)


def require_complete_uri(device: DeviceAuthorization) -> None:
    """Tell where there is no complete verification URI.

    Raises:
        NotApplicable: ``verification_uri_complete`` is optional (RFC 8628 §3.2), and absent.
    """
    if device.verification_uri_complete is None:
        raise NotApplicable("the deployment gives no verification_uri_complete, which is optional")


def judge_shows_code(judge: Judgement, page: Page, device: DeviceAuthorization) -> None:
    """The user code stands on the page, whatever its separators."""
    plain = _SEPARATORS.sub("", device.user_code).upper()
    shown = plain in _SEPARATORS.sub("", page.text).upper()
    judge.that(shown, "the user code on the page", f"the page {page.title!r} {'with' if shown else 'without'} it")


def judge_fact(judge: Judgement, run: Run, page: Page, fact: str) -> None:
    """One fact of CHG-15 stands where it belongs.

    Raises:
        NotApplicable: the client registered no name of its own that the page could show as its claim.
    """
    expected = _FACTS[fact](run, page)
    where, text, wanted = expected
    found = any(_plain(word) in _plain(text) for word in wanted)
    judge.that(found, f"{fact} {where}", f"{'found' if found else 'missing'} on the page {page.title!r}")


def _plain(text: str) -> str:
    """Fold case, and take underscores for spaces: a page may spell names for people."""
    return " ".join(text.replace("_", " ").lower().split())


def _source(run: Run, page: Page) -> tuple[str, str, list[str]]:
    source, stream = run.offer().first_stream()
    stated = states_source(page, source.id, [stream.name])
    return "stated by the server", source.id if stated else "", [source.id]


def _stream(run: Run) -> str:
    return run.offer().first_stream()[1].name


def _expiry(page: Page) -> tuple[str, str, list[str]]:
    found = _EXPIRY.search(page.text)
    return "on the page", page.text, [found.group() if found else "when it expires"]


def _claimed_name(run: Run, page: Page) -> tuple[str, str, list[str]]:
    """The name that the client gave itself; whoever runs the deployment vouches for a pre-registered client's."""
    if not run.has_registered(run.client()):
        raise NotApplicable("the run's client did not register itself, so that its name is no claim of its own")
    elsewhere = CLIENT_NAME.lower() in page.protocol_facts.lower()
    return "apart, among the client's claims", "" if elsewhere else page.client_claims, [CLIENT_NAME]


Expected = tuple[str, str, list[str]]
_FACTS: dict[str, Callable[[Run, Page], Expected]] = {
    "the client id as a verified fact": lambda run, page: (
        "among the verified facts",
        page.protocol_facts,
        [run.client().client_id],
    ),
    "the client's name as the client's own claim": _claimed_name,
    "the MCP resource": lambda run, page: ("on the page", page.text, [run.discovery.mcp_resource]),
    "the requested source": _source,
    "the requested streams": lambda run, page: ("on the page", page.text, [_stream(run)]),
    "when the request expires": lambda _run, page: _expiry(page),
    "a way to approve and a way to deny": lambda run, page: (
        "as buttons",
        "both" if _has_both(run, page) else f"buttons {', '.join(page.buttons)}",
        ["both"],
    ),
}


def _has_both(run: Run, page: Page) -> bool:
    words = run.target.approver
    return all(
        any(button.lower().startswith(name.lower()) for button in page.buttons for name in names)
        for names in (words.approve, words.deny)
    )


def judge_statement(judge: Judgement, page: Page, statement: str) -> None:
    """One statement of CHG-16 holds of the owner-agent page."""
    if statement == "that it is owner-agent onboarding":
        met = bool(_OWNER_AGENT.search(page.text)) and "onboarding" in page.text.lower()
    elif statement == "that the bearer has owner-level access":
        met = bool(_OWNER_LEVEL.search(page.text))
    else:
        sentences = re.split(r"(?<=[.!?])\s+|\n+", page.main_text)
        about_mcp = [sentence for sentence in sentences if re.search(r"\bmcp\b", sentence, re.IGNORECASE)]
        met = bool(about_mcp) and all(_REJECTS.search(sentence) for sentence in about_mcp)
    judge.that(met, f"the page to say {statement}", f"the page {page.title!r} {'says so' if met else 'does not'}")


def require_working_token(judge: Judgement, run: Run, device: DeviceAuthorization) -> TokenResponse:
    """Return the token that a device code was redeemed to, after seeing it work at the MCP resource.

    Raises:
        Blocked: it does not work there.
    """
    token = run.last_token(device)
    answer = run.mcp(token.access_token, actor=device.client.name).request("tools/list")
    if answer.status != 200:
        raise Blocked(
            f"a fresh client token was answered {answer.summary} at the MCP resource",
            unblock="an MCP resource that takes the token",
        )
    judge.note(f"the token worked before: exchange {answer.number}")
    return token


def judge_dead_token(judge: Judgement, run: Run, token: TokenResponse) -> None:
    """A token that worked is refused with 401; with 403 where a deployment tells so that its grant was revoked."""
    answer = run.mcp(token.access_token, actor="the client").request("tools/list")
    judge.that(answer.status in (401, 403), "401 or 403 at the MCP resource", answer.summary)
