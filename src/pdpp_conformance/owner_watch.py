"""What the owner's browser comes by, and gives away: tokens it must not see, user codes it must not leak."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from playwright.sync_api import Error

from pdpp_conformance.approver.approver import Page
from pdpp_conformance.exchange import Answer
from pdpp_conformance.forgery import owner_at_browser, second_origin
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.page_checks import require_complete_uri
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked

MOST_LINKS = 8
MOST_CANDIDATES = 8

_LEADS_AWAY = re.compile(r"log[\s_-]*out|sign[\s_-]*out|revoke|delete|remove", re.IGNORECASE)
_TOKEN_MEMBER = re.compile(r'"(access_token|refresh_token|device_code)"\s*:\s*"[^"<\s]{16,}"')
_RANDOM = re.compile(r"(?<![\w/.:~-])(?=[\w.~-]*[0-9])(?=[\w.~-]*[A-Za-z])[\w.~-]{22,}(?![\w/])")
_STORED = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
_LEAKY_POLICIES = ("unsafe-url", "no-referrer-when-downgrade")
_LINK = """(url) => {
  const link = document.createElement("a");
  link.href = url;
  document.body.append(link);
  link.click();
}"""
_META = re.compile(r"<meta\b[^>]*\bname=[\"']?referrer[\"']?[^>]*\bcontent=[\"']?([\w-]+)", re.IGNORECASE)


# -- tokens ------------------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """Everything the owner's browser came by when a request was approved."""

    device: DeviceAuthorization
    seen: dict[str, str] = field(default_factory=dict, repr=False)
    """What was seen, by where."""
    texts: list[str] = field(default_factory=list, repr=False)
    """What of it a person reads, or finds in a link."""


def watch_approval(run: Run, device: DeviceAuthorization) -> Watched:
    """Approve as the owner, and look at every page that follows and every link on it, before and after redemption."""
    owner = owner_at_browser(run)
    watched = Watched(device)
    concluded = owner.approve(device, on_the_page=True).concluded
    _see(watched, "the page after the decision", concluded)
    _follow(run, watched, concluded, "before redemption")
    device.poll()
    _follow(run, watched, concluded, "after redemption")
    state = owner.session.context.storage_state()
    watched.seen["cookies and storage"] = json.dumps(state)
    return watched


def judge_no_token_handed_over(judge: Judgement, run: Run, watched: Watched) -> None:
    """Nothing the owner came by is the token, or opens or yields anything."""
    device = watched.device
    secrets = {"device code": device.device_code}
    if device.redeemed is not None:
        members = {"access token": "access_token", "refresh token": "refresh_token"}
        secrets |= {
            what: value for what, name in members.items() if isinstance(value := device.redeemed.member(name), str)
        }
    for where, text in watched.seen.items():
        found = [what for what, secret in secrets.items() if secret in text]
        member = _TOKEN_MEMBER.search(text)
        judge.that(
            not found and member is None,
            "no token and no device code in anything the owner sees",
            f"{', '.join(found) or (member and member.group(1))} in {where}",
        )
    run.last_token(device)  # a token that nobody got was handed to nobody, and proves nothing
    known = {device.client.client_id, run.discovery.mcp_resource, device.user_code}
    candidates = [text for text in _candidates(watched.texts) if text not in known][:MOST_CANDIDATES]
    for candidate in candidates:
        for what, answer in _uses(run, device, candidate):
            judge.that(
                answer.status not in (200, 201),
                "nothing on the owner's pages that opens or yields anything",
                f"{what}: {answer.summary}",
            )
    judge.that(True, "nothing handed over", f"{len(watched.seen)} places, {len(candidates)} random texts tried")


def _uses(run: Run, device: DeviceAuthorization, candidate: str) -> Iterable[tuple[str, Answer]]:
    """Use a text from a page as whatever it might be."""
    yield "as a bearer at the MCP resource", run.mcp(candidate, actor="a reader").request("tools/list")
    yield "as a device code", device.client.redeem(candidate)
    parameters = [("grant_type", "authorization_code"), ("code", candidate), ("client_id", device.client.client_id)]
    yield "as an authorization code", device.client.request_token(parameters)


def _follow(run: Run, watched: Watched, page: Page, when: str) -> None:
    """Open every link of a page that ends nothing, within the deployment."""
    owner = owner_at_browser(run)
    pairs = zip(page.links, page.link_targets, strict=False)
    targets = [target for name, target in pairs if not _LEADS_AWAY.search(f"{name} {target}")]
    followed = [target for target in dict.fromkeys(targets) if run.recorder.is_allowed(target) and target != page.url]
    with owner.session.another_tab() as tab:
        for target in followed[:MOST_LINKS]:
            try:
                response = tab.goto(target, wait_until="load")
                watched.seen[f"{target}, {when}"] = tab.content() + (response.text() if response else "")
                _see(watched, f"{tab.url}, {when}", owner.session.read(tab))
            except (Error, Blocked):
                # No page: a file, or nothing. Whoever clicks gets it all the same.
                answer = owner.session.context.request.get(target, fail_on_status_code=False)
                watched.seen[f"{target}, {when}"] = answer.text()
        watched.seen[f"the tab's storage, {when}"] = str(tab.evaluate(_STORED)) if followed else ""


def _see(watched: Watched, where: str, page: Page) -> None:
    watched.seen[where] = f"{page.url}\n{page.markup}"
    watched.texts += [page.url, page.text, *page.link_targets]


def _candidates(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found for text in texts for found in _RANDOM.findall(text)))


# -- the user code in the address --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Left:
    """What others learned when the owner came by the complete verification URI and left by a link."""

    third_party: list[str]
    """Referers of requests that the page made of others."""
    by_link: str | None
    policy: str


def leave_by_link(run: Run, device: DeviceAuthorization) -> Left:
    """Come by the complete verification URI, and follow a link on the page to another origin.

    Raises:
        Blocked: the link led nowhere.
    """
    require_complete_uri(device)
    owner, origin = owner_at_browser(run), second_origin(run)
    session, tab = owner.session, owner.session.tab()
    owner.visit(str(device.verification_uri_complete))
    before = session.requests
    response = session.goto(tab, str(device.verification_uri_complete))
    made = session.requested[before - session.requests :] if session.requests > before else []
    third = [request.referer or "" for request in made if not run.recorder.is_allowed(request.url)]
    policy = _META.search(session.read(tab).markup)
    told = policy.group(1) if policy else (response.headers.get("referrer-policy", "") if response else "")
    path = f"/left-{len(origin.visits)}"
    origin.page(path, "<!doctype html><title>Elsewhere</title><p>Another origin's page.")
    try:
        tab.evaluate(_LINK, origin.sites(device.verification_uri)["cross-site"] + path)
        tab.wait_for_url(f"**{path}")
    except Error:
        raise Blocked("the browser follows no link from the page", unblock="a page that links can leave") from None
    session.note_responses()
    visit = next((visit for visit in origin.visits if visit.path == path), None)
    return Left(third, visit.referer if visit else None, told)


def judge_code_kept(judge: Judgement, device: DeviceAuthorization, left: Left) -> None:
    """No Referer carries the user code, and the policy sends it to nobody."""
    codes = {device.user_code, device.user_code.replace("-", "")}
    told = [referer for referer in (*left.third_party, left.by_link or "") if any(code in referer for code in codes)]
    judge.that(not told, "no Referer with the user code", f"{len(told)} of them" if told else "none")
    last = left.policy.lower().split(",")[-1].strip()
    judge.that(last not in _LEAKY_POLICIES, "a Referrer-Policy that keeps the address", last or "the browser's own")


# -- consent, each time ------------------------------------------------------------------------------------------------


def ask_again(run: Run, device: DeviceAuthorization) -> Page | None:
    """Open a request like one that the owner approved before; ``None`` where no decision is asked for."""
    owner = owner_at_browser(run)
    try:
        return owner.read(device, complete=device.verification_uri_complete is not None)
    except Blocked:
        return None


def judge_asked_again(judge: Judgement, device: DeviceAuthorization, page: Page | None) -> None:
    """RFC 8628 §5.4: the decision is asked for, and nothing is decided before.

    Raises:
        Blocked: nothing is decided, and the owner is not asked either.
    """
    answer = device.poll_at_once()
    judge.that(answer.error == "authorization_pending", "authorization_pending until asked again", answer.summary)
    if page is None:
        raise Blocked("the owner found no page that offers a decision", unblock="a decision page")
