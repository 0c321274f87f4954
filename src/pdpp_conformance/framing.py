"""Whether another origin can show the owner's pages in a frame and have the owner click through it.

RFC 6749 §10.13, RFC 9700 §4.16: the page is framed in a real browser, and what the frame shows is judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from playwright.sync_api import Error
from playwright.sync_api import Page as Tab

from pdpp_conformance import drawing
from pdpp_conformance.approver.approver import Page
from pdpp_conformance.approver.sessions import BrowserSession
from pdpp_conformance.forgery import owner_at_browser, second_origin
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.page_checks import require_complete_uri
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable

_CONTROL = "A page of the second origin's own, in a frame."
_FRAME_ANCESTORS = re.compile(r"frame-ancestors\s+('none'|'self'|[^;,]*)", re.IGNORECASE)


@dataclass
class Framed:
    """A page, and what frames of other origins showed of it."""

    page: Page
    session: BrowserSession
    protected_by_header: bool
    shown: dict[str, str] = field(default_factory=dict)
    """By site, the beginning of the text that the frame showed of the deployment; empty where it showed none."""


def open_page(run: Run, which: str) -> Framed:
    """Open one of the owner's pages by itself, as whoever sees it usually.

    Raises:
        Blocked: it is not what it should be.
        NotApplicable: the deployment has no such page.
    """
    return _PAGES[which](run)


def frame_it(run: Run, framed: Framed) -> None:
    """Show the page in a frame on pages of other origins, beside a frame that has to work.

    Raises:
        Blocked: not even the second origin's own page shows in a frame.
    """
    origin = second_origin(run)
    origin.page("/control", f"<!doctype html><title>Control</title><p>{_CONTROL}")
    for site, base in origin.sites(framed.page.url).items():
        # A path of its own each time: the browser may keep what it got.
        path = f"/framing-{drawing.token_hex(4)}"
        frames = f'<iframe name="own" src="/control"></iframe><iframe name="theirs" src="{escape(framed.page.url)}">'
        origin.page(path, f"<!doctype html><title>A page of another origin</title>{frames}</iframe>")
        with framed.session.another_tab() as tab:
            framed.session.goto(tab, base + path)
            if tab.url != base + path:
                framed.shown[site] = ""  # the framed page broke out, which prevents it as well
                continue
            if _CONTROL not in _text(tab, "own"):
                raise Blocked("the browser shows no frames at all", unblock="a browser that shows frames")
            framed.shown[site] = _text(tab, "theirs")


def judge_not_framed(judge: Judgement, framed: Framed) -> None:
    """No frame showed anything of the page; where only a frame without session could be tried, a header forbids it."""
    shown = {site: text for site, text in framed.shown.items() if text}
    judge.that(
        not shown,
        "a frame of another origin that shows nothing of the page",
        "; ".join(f"{site}: {text[:80]!r}" for site, text in (shown or dict.fromkeys(framed.shown, "")).items()),
    )
    if "same-site" not in framed.shown:
        judge.that(
            framed.protected_by_header,
            "frame-ancestors or X-Frame-Options on the page itself, whose session no frame of another site has",
            "neither",
        )


def _login(run: Run) -> Framed:
    owner = owner_at_browser(run)
    session = BrowserSession(owner.chromium, "a stranger's browser")
    run.at_end(session.close)
    framed = _opened(session, run.client().start("trusted_owner_agent").verification_uri)
    if not framed.page.password_field:
        raise Blocked(f"the page {framed.page.title!r} asks for no password", unblock="a sign-in page with a password")
    return framed


def _code_entry(run: Run) -> Framed:
    owner = owner_at_browser(run)
    owner.visit(run.client().start("trusted_owner_agent").verification_uri)
    framed = _opened(owner.session, owner.session.tab().url)
    if not framed.page.code_field:
        raise Blocked(f"the page {framed.page.title!r} takes no code", unblock="a verification URI that takes the code")
    return framed


def _decision(run: Run) -> Framed:
    owner = owner_at_browser(run)
    device = run.client().start("grant_scoped_mcp", run.one_stream())
    require_complete_uri(device)
    run.read_decision(device, complete=True)
    framed = _opened(owner.session, str(device.verification_uri_complete))
    if framed.page.offers(owner.words.approve) is None:
        raise Blocked(f"the page {framed.page.title!r} offers no approval", unblock="a complete URI that leads there")
    return framed


def _error(run: Run) -> Framed:
    endpoint = run.discovery.endpoint("authorization_endpoint")
    if endpoint is None:
        raise NotApplicable("the metadata advertises no authorization endpoint, whose error page could be framed")
    query = urlencode({"response_type": "code", "client_id": f"unknown-{drawing.token_hex(8)}", "state": "any"})
    framed = _opened(owner_at_browser(run).session, f"{endpoint}{'&' if '?' in endpoint else '?'}{query}")
    if not framed.page.text.strip():
        raise NotApplicable("the authorization endpoint answers an unknown client with nothing to see")
    return framed


_PAGES: dict[str, Callable[[Run], Framed]] = {
    "sign-in page": _login,
    "code entry page": _code_entry,
    "decision page": _decision,
    "error page": _error,
}


def _opened(session: BrowserSession, url: str) -> Framed:
    tab = session.tab()
    response = session.goto(tab, url)
    return Framed(session.read(tab), session, response is not None and _forbids(response.headers))


def _forbids(headers: dict[str, str]) -> bool:
    ancestors = _FRAME_ANCESTORS.search(headers.get("content-security-policy", ""))
    if ancestors is not None:
        return "*" not in ancestors.group(1) and "http:" not in ancestors.group(1)
    return headers.get("x-frame-options", "").strip().upper() in ("DENY", "SAMEORIGIN")


def _text(tab: Tab, name: str) -> str:
    """Return what a frame shows; of the browser's own error page, nothing."""
    frame = tab.frame(name=name)
    if frame is None or not frame.url.startswith(("http://", "https://")):
        return ""
    try:
        return str(frame.evaluate("() => document.body ? document.body.innerText : ''")).strip()
    except Error:
        return ""
