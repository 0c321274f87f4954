"""What the standards want the owner to be told and asked before deciding, and after.

Pages word this freely, so each statement is looked for in several wordings. They are English, as PDPP's pages are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Error

from pdpp_conformance.approver.approver import Decision, Page
from pdpp_conformance.approver.sessions import BrowserSession
from pdpp_conformance.exchange import is_loopback
from pdpp_conformance.forgery import owner_at_browser
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.page_checks import judge_shows_code
from pdpp_conformance.run import Run
from pdpp_conformance.source_statements import states_source
from pdpp_conformance.verdict import Blocked, NotApplicable

_SINCE, _UNTIL = "2019-03-04T00:00:00Z", "2021-06-07T00:00:00Z"
"""Ends of a time range whose years stand in no page by chance."""

_ACCESS = re.compile(r"\b(access|authori[sz]|allow|permission|connect|onboard|sign(ing)? in)", re.IGNORECASE)
_COMPARE = re.compile(
    r"\b(compare|match(es)?|identical|(exactly|precisely) th(is|e) code|same (code|as)|"
    r"(check|confirm|verify|make sure)\W[^.!?]{0,60}\bcode|(is|shows?|displays?) th(is|e) (same )?code)\b",
    re.IGNORECASE,
)
_DEVICE = re.compile(r"\bdevice\b", re.IGNORECASE)
_POSSESSION = re.compile(
    r"\bpossession\b|\bin front of you\b|\bin your hands?\b|"
    r"\byou (are )?(still )?(control|own|hold|holding|have|using|use|trust)\b[^.!?]{0,30}\bdevice|"
    r"\bdevice\b[^.!?]{0,40}\b(that )?(is yours|belongs to you|you (control|own|hold|have|are using|use))\b|"
    r"\b(is (this|it|the device)|this is) (really )?(yours|your( own)? device)\b",
    re.IGNORECASE,
)
_DECLINE = re.compile(
    r"\b(did ?n.?t|did not|not you|never|without you|someone else|somebody else|don.?t recogni[sz]e|"
    r"do not recogni[sz]e|unexpected|weren.?t expecting)\b[^.!?]{0,120}\b(declin|den(y|ied)|reject|refuse|cancel|close|"
    r"do(n.?t| not) (approve|allow|continue))|"
    r"\b(declin|deny|reject|refuse|cancel|close)\w*\b[^.!?]{0,80}\b(if|unless) you\b[^.!?]{0,60}\b"
    r"(start|request|initiat|recogni|expect|begin|began|ask)",
    re.IGNORECASE,
)
_REGISTERED = re.compile(
    r"\bregist|\bpre-?registered|\bself-asserted|\b(un|not |nobody )(verified|checked)|\bknown to this|"
    r"\bmetadata document\b|\bthird[- ]party\b",
    re.IGNORECASE,
)
_UNVERIFIED = re.compile(
    r"\bunverified|\bnot (been )?verified|\bnobody (has )?checked|\bself-asserted|\bclaim(s|ed|ing)?\b|"
    r"\bcalls itself|\bsays (it is|of itself)|\b(stated|provided|supplied|given) by the (client|app)|\buntrusted",
    re.IGNORECASE,
)
_BACK_TO_DEVICE = re.compile(
    r"\b(go|return|back|continue|look|switch|carry on)\b[^.!?]{0,50}\b(device|terminal|application|app|client|tool)\b|"
    r"\bclose (this|the) (page|window|tab|browser)|\b(device|client|application)\b[^.!?]{0,60}\b(goes on|continues|"
    r"will (continue|go on|connect|finish)|is (now )?(connected|authori[sz]ed))",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"\w+://\S+")
_MODES: Mapping[str, re.Pattern[str]] = {
    "single_use": re.compile(r"single[ _-]?use|one[ -]time|\bonce\b|single access", re.IGNORECASE),
    "continuous": re.compile(r"continuous|ongoing|keep reading|until (you )?revoke|recurring", re.IGNORECASE),
}

LOGO_URI = "https://logo.client.invalid/logo.png"
"""A client's logo at a host that no resolver knows: whoever wants to show it has to ask for it."""

_PROMINENCE = """([approve, deny]) => {
  const box = (element) => element.getBoundingClientRect();
  const told = (element) => ({
    area: box(element).width * box(element).height,
    size: parseFloat(getComputedStyle(element).fontSize),
    opacity: parseFloat(getComputedStyle(element).opacity),
    focused: document.activeElement === element,
  });
  return [told(approve), told(deny)];
}"""
_LEAST_OF_APPROVE = 0.6
"""A deny button of this part of the approve button's size is still as prominent, for want of a standard's number."""


def _plain(text: str) -> str:
    """Fold case, and take underscores for spaces: a page may spell names for people."""
    return " ".join(text.replace("_", " ").lower().split())


def _told(judge: Judgement, page: Page, met: bool, what: str) -> None:
    judge.that(met, f"the page to tell {what}", f"the page {page.title!r} {'does' if met else 'does not'}")


# -- who, what, and whether to ---------------------------------------------------------------------------------------


def judge_offers_both(judge: Judgement, run: Run, page: Page) -> None:
    """RFC 8628 §3.3, RFC 10027 §6.1.14: what it is about, with a way to approve and a way to deny."""
    _told(judge, page, bool(_ACCESS.search(page.text)), "that access is being given")
    words = run.target.approver
    for names, what in ((words.approve, "approve"), (words.deny, "deny")):
        judge.that(page.offers(names) is not None, f"a way to {what}", f"buttons {', '.join(page.buttons) or 'none'}")


def judge_asks_to_compare(judge: Judgement, page: Page, device: DeviceAuthorization) -> None:
    """RFC 8628 §3.3.1: the user code, and the request to compare it with the device's."""
    judge_shows_code(judge, page, device)
    met = bool(_COMPARE.search(page.text)) and bool(_DEVICE.search(page.text))
    judge.that(met, "to be asked to compare the code with the device's", f"the page {page.title!r} {_does(met)}")


def _does(met: bool) -> str:
    return "asks so" if met else "does not ask"


def judge_possession(judge: Judgement, page: Page) -> None:
    """RFC 8628 §5.4: a device is being authorized, and the owner is asked whether it is in their possession."""
    _told(judge, page, bool(_DEVICE.search(page.text)), "that a device is being authorized")
    met = bool(_POSSESSION.search(page.text))
    judge.that(met, "to be asked whether the device is in the owner's possession", f"{page.title!r} {_does(met)}")


def client_name(run: Run, client: OAuthClient) -> str | None:
    """Return the name that the deployment has of a client, if it has one."""
    known = run.registered.get(client.client_id)
    if known is None:
        listed = run.discovery.authorization_server.content.get("pdpp_pre_registered_public_clients")
        entries = [entry for entry in (listed if isinstance(listed, list) else []) if isinstance(entry, dict)]
        known = next((entry for entry in entries if entry.get("client_id") == client.client_id), {})
    name = known.get("client_name")
    return name if isinstance(name, str) and name.strip() else None


def judge_who_asks(judge: Judgement, run: Run, page: Page) -> None:
    """RFC 8628 §5.4, OAuth 2.1 §7.9: the client by its name, or where it has none by its client id."""
    client = run.client()
    name = client_name(run, client)
    wanted = client.client_id if name is None else name
    _told(judge, page, _plain(wanted) in _plain(page.text), f"who asks, {wanted!r}")


def judge_registering_party(judge: Judgement, page: Page) -> None:
    """OAuth 2.1 §7.9: how the client came to be known here, or that nobody vouches for it."""
    words = _ADDRESS.sub(" ", page.text)  # of registries, for one
    _told(judge, page, bool(_REGISTERED.search(words)), "how the client came to be known, or that nobody checked it")


def judge_exact_scope(judge: Judgement, run: Run, page: Page) -> None:
    """OAuth 2.1 §7.9: which streams, of which source, exactly."""
    source, stream = run.offer().first_stream()
    _told(judge, page, _plain(stream.name) in _plain(page.text), f"that {stream.name} is asked for")
    _told(judge, page, states_source(page, source.id, [stream.name]), f"that {source.id} is the source")


def rich_details(run: Run) -> list[dict[str, Any]]:
    """Return ``authorization_details`` of two entries that differ in everything they can.

    Raises:
        Blocked: two sources are not known, nor a stream's fields.
    """
    offer = run.offer()
    source, stream = offer.stream_with_fields_and_time()
    other = next((other for other in offer.sources if other.id != source.id), None)
    narrow = {
        "name": stream.name,
        "fields": list(stream.fields[:2]),
        "time_range": {"since": _SINCE, "until": _UNTIL},
    }
    entries = [offer.entry(source, [narrow], access_mode="single_use")]
    if other is not None:
        entries.append(offer.entry(other, [{"name": other.streams[0].name}], access_mode="single_use"))
    return entries


def judge_all_details(judge: Judgement, page: Page, details: list[dict[str, Any]]) -> None:
    """RFC 9396 §3.1: every entry with its source, streams, fields, time range and access mode."""
    text = _plain(page.text)
    for entry in details:
        identifier = str(entry["source"]["id"])
        names = [str(stream["name"]) for stream in entry["streams"]]
        _told(judge, page, states_source(page, identifier, names), f"that {identifier} is a source")
        for stream in entry["streams"]:
            _told(judge, page, _plain(stream["name"]) in text, f"the stream {stream['name']}")
            for name in stream.get("fields", ()):
                _told(judge, page, _plain(name) in text, f"the field {name}")
            for end in stream.get("time_range", {}).values():
                _told(judge, page, end[:4] in text, f"the time range with {end[:10]}")
        mode = _MODES[entry["access_mode"]]
        _told(judge, page, bool(mode.search(page.text)), f"the access mode {entry['access_mode']}")


def judge_decline_advice(judge: Judgement, page: Page) -> None:
    """RFC 10027 §6.1.14: who did not start this is told to decline."""
    _told(judge, page, bool(_DECLINE.search(page.text)), "to decline what the owner did not start")


def judge_equal_prominence(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    """RFC 10027 §6.1.14: approving is neither focused nor larger than denying.

    Raises:
        Blocked: the buttons cannot be found.
    """
    owner = owner_at_browser(run)
    page = run.read_decision(device)
    names = [page.offers(words) for words in (owner.words.approve, owner.words.deny)]
    if None in names:
        raise Blocked(f"buttons {', '.join(page.buttons)} are not both there", unblock="a page that offers both")
    try:
        found = [owner.control(str(name)).element_handle() for name in names]
        approve, deny = owner.session.tab().evaluate(_PROMINENCE, found)
    except Error:
        raise Blocked("the buttons cannot be measured", unblock="buttons that stand on the page") from None
    judge.that(not approve["focused"], "an approve button without focus", "it has the focus")
    equal = all(deny[measure] >= _LEAST_OF_APPROVE * approve[measure] for measure in ("area", "size", "opacity"))
    told = ", ".join(f"{measure} {deny[measure]:.0f} to {approve[measure]:.0f}" for measure in ("area", "size"))
    judge.that(equal, "denying as prominent as approving", told)


def judge_untrusted(judge: Judgement, run: Run, client: OAuthClient, page: Page) -> None:
    """RFC 7591 §5: the client's name is told as its claim, and its logo is not fetched from its host.

    Raises:
        NotApplicable: nothing that a client says of itself is shown.
    """
    name = client_name(run, client)
    shown = name is not None and _plain(name) in _plain(page.text)
    if name is None or not shown:
        raise NotApplicable("the deployment shows nothing of what the client says of itself")
    met = _plain(name) not in _plain(page.protocol_facts) and bool(_UNVERIFIED.search(page.text))
    _told(judge, page, met, f"that {name!r} is the client's own claim")
    host = LOGO_URI.split("/")[2]
    asked = [request.url for request in owner_at_browser(run).session.requested if host in request.url]
    drawn = re.search(rf"<(img|image|object|embed|source)\b[^>]*{re.escape(host)}", page.markup)
    told = [*asked, *([drawn.group()[:200]] if drawn else [])]
    judge.that(not told, "no picture from the client's host", ", ".join(told) or "none")


def client_with_a_logo(run: Run) -> OAuthClient:
    """Return a client that names a logo, or where logos are not taken one without."""
    metadata = {"client_name": "A name of its own making", "logo_uri": LOGO_URI, "client_uri": LOGO_URI[:-8]}
    try:
        return run.client("a client with a logo", metadata=metadata)
    except Blocked:
        return run.client("a client with a name", metadata={"client_name": metadata["client_name"]})


# -- where it is entered and sent, and afterwards ---------------------------------------------------------------------


def judge_takes_code(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    """RFC 8628 §3.3: the verification URI takes the user code, and asks for the decision then."""
    owner = owner_at_browser(run)
    page = owner.visit(device.verification_uri)
    judge.that(bool(page.code_field), "a field for the user code", f"the page {page.title!r} has none")
    answered = owner.enter_code(device.user_code, device.verification_uri)
    name = answered.offers(owner.words.approve) or answered.offers(owner.words.proceed)
    judge.that(name is not None, "the decision asked for once the code was entered", f"the page {answered.title!r}")


def pages_on_the_way(run: Run, device: DeviceAuthorization) -> list[Page]:
    """Return the pages that an owner who is not signed in sees: the sign-in page, the code entry page, the decision."""
    owner = owner_at_browser(run)
    stranger = BrowserSession(owner.chromium, "a stranger's browser")
    try:
        stranger.goto(stranger.tab(), device.verification_uri)
        sign_in = stranger.read(stranger.tab())
    finally:
        stranger.close()
    return [sign_in, owner.visit(device.verification_uri), run.read_decision(device)]


def judge_tls(judge: Judgement, pages: list[Page]) -> None:
    """RFC 8628 §3.3: the pages and every form on them use TLS; plain http passes on loopback, with a note."""
    judge.that(any(page.form_targets for page in pages), "forms on the pages", "none")
    addresses = [(page.url, "page") for page in pages]
    addresses += [(target, "form") for page in pages for target in page.form_targets]
    for url, what in addresses:
        lab = url.startswith("http://") and is_loopback(url)
        if lab:
            judge.note("lab: plain http on loopback")
        judge.that(lab or url.startswith("https://"), f"https for the {what}", url[:120])


def judge_sent_back(judge: Judgement, device: DeviceAuthorization, decision: Decision) -> None:
    """RFC 8628 §3.3: back to the device, with nothing on the page that opens anything."""
    page = decision.concluded
    _told(judge, page, bool(_BACK_TO_DEVICE.search(page.text)), "to go back to the device")
    redeemed = device.redeemed or device.poll_at_once()
    secrets = {"device_code": device.device_code}
    secrets |= {
        name: value
        for name in ("access_token", "refresh_token")
        if isinstance(value := redeemed.member(name), str) and value
    }
    found = [name for name, value in secrets.items() if value in page.markup or value in page.url]
    in_url = re.search(r"[?&#](code|token|access_token|device_code)=", page.url)
    judge.that(
        not found and in_url is None, "no code and no token on it", f"{found or 'none'}, {in_url or 'none'} in URL"
    )
