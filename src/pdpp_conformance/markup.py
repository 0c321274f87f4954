"""Markup where a text belongs: in a client's name, in a purpose, in a user code (RFC 6749 §10.14, RFC 9396 §12).

An element of a made-up name goes along with an ordinary word. If the page has the element, somebody's text became
markup; if it has the word, the text was there to become it. Scripts are not needed to tell: a content security policy
may stop them and leave the hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from pdpp_conformance import drawing
from pdpp_conformance.approver.approver import Page
from pdpp_conformance.approver.browser import BrowserApprover
from pdpp_conformance.forgery import owner_at_browser
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.page_checks import require_complete_uri
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet

_TAG = "pdpp-probe"
_FOUND = (
    "(tag) => document.querySelectorAll(tag).length + document.querySelectorAll('[data-pdpp-probe]').length"
    " + (window.pdppProbe ? 1 : 0)"
)


@dataclass(frozen=True)
class Probe:
    """A text with markup in it, and the page that was to show it."""

    word: str
    """The part that is no markup, and unique."""
    page: Page
    elements: int
    """How many elements became of it."""


def _text(word: str) -> str:
    return (
        f"{word} <{_TAG}>x</{_TAG}>\"><{_TAG} data-pdpp-probe='1'>' onx='"
        f"<script>window.pdppProbe=1</script><img src=x onerror=window.pdppProbe=1>"
    )


def client_named_in_markup(run: Run) -> tuple[OAuthClient, str]:
    """Return a client whose name has markup in it, and the word in the name.

    Raises:
        NotApplicable: the deployment takes no such name.
    """
    word = f"Probe{drawing.token_hex(3)}"
    run.client()  # the positive control: others are registered
    name = f"a client named in markup, {word}"
    try:
        client = run.client(name, metadata={"client_name": _text(word)})
    except Blocked as refused:
        if run.discovery.endpoint("registration_endpoint") is None or run.target.client.registration != "dynamic":
            raise
        raise NotApplicable(f"the deployment refuses a client name with markup in it: {refused.reason}") from None
    registered = run.registered[client.client_id].get("client_name")
    if not isinstance(registered, str) or "<" not in registered:
        raise NotApplicable("the deployment registers such a client without the markup in its name")
    return client, word


def look_at_name(run: Run, client: OAuthClient, word: str) -> Probe:
    """Look at the decision page of a request by a client."""
    return _look(run, client.start("grant_scoped_mcp", run.one_stream()), word)


def look_at_purpose(run: Run) -> Probe:
    """Look at the decision page of a request whose purpose has markup in it.

    Raises:
        NotApplicable: the deployment refuses such a purpose.
    """
    word = f"Probe{drawing.token_hex(3)}"
    details = [{**entry, "purpose_description": _text(word)} for entry in run.one_stream()]
    client = run.client()
    try:
        device = client.start("grant_scoped_mcp", details)
    except Blocked as refused:
        client.start("grant_scoped_mcp", run.one_stream())  # the positive control
        raise NotApplicable(f"the deployment refuses a purpose with markup in it: {refused.reason}") from None
    return _look(run, device, word)


def look_at_code(run: Run, device: DeviceAuthorization, way: str) -> Probe:
    """Give markup for a user code, by ``the complete verification URI`` or ``typing``, and look at what answers."""
    owner = owner_at_browser(run)
    word = f"Probe{drawing.token_hex(3)}"
    text = f'{word}"><{_TAG}>x</{_TAG}>'
    if way == "typing":
        return _probe(owner, word, owner.enter_code(text, device.verification_uri))
    require_complete_uri(device)
    complete = str(device.verification_uri_complete)
    written = next((code for code in (device.user_code, quote(device.user_code)) if code in complete), None)
    if written is None:
        raise NotApplicable("the complete verification URI carries no user code that could be replaced")
    return _probe(owner, word, owner.visit(complete.replace(written, quote(text, safe=""))))


def judge_escaped(judge: Judgement, probe: Probe) -> None:
    """What was written is on the page, as text."""
    _judge_no_element(judge, probe)
    if probe.word not in probe.page.text:
        raise NotApplicable(
            f"the page {probe.page.title!r} does not show what was written, so nothing has to be escaped"
        )


def judge_escaped_or_absent(judge: Judgement, probe: Probe) -> None:
    """What was written is on the page as text, or not at all."""
    _judge_no_element(judge, probe)
    judge.note("shown as text" if probe.word in probe.page.text else "not shown at all")


def _judge_no_element(judge: Judgement, probe: Probe) -> None:
    judge.that(probe.elements == 0, "no element on the page that was written into a text", f"{probe.elements} of them")


def _look(run: Run, device: DeviceAuthorization, word: str) -> Probe:
    return _probe(owner_at_browser(run), word, run.read_decision(device))


def _probe(owner: BrowserApprover, word: str, page: Page) -> Probe:
    found = owner.session.tab().evaluate(_FOUND, _TAG)
    if not isinstance(found, int):
        raise Unmet("a page that can be looked at", repr(found)[:100])
    return Probe(word, page, found + page.markup.count(f"<{_TAG}"))
