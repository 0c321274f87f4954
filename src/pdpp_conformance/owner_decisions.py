"""Decisions by form, and the same forms sent without a session, late, twice, at once or with another method.

Whether a decision counted is read from what the polling client is told (RFC 8628 §3.5), not from the page.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Literal
from urllib.parse import urlsplit

from pdpp_conformance import drawing
from pdpp_conformance.device_requests import start
from pdpp_conformance.exchange import Answer
from pdpp_conformance.html_pages import Choice
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, Kind
from pdpp_conformance.run import EXPIRY_MARGIN_SECONDS, Run, begins_early
from pdpp_conformance.verdict import Blocked, NotApplicable
from pdpp_conformance.visitor import Decided, Visit, Visitor

Act = Literal["approve", "deny"]

MCP: Kind = "grant_scoped_mcp"
OPPOSITE: dict[Act, Act] = {"approve": "deny", "deny": "approve"}
OUTCOME_OF: dict[Act, str] = {"approve": "approved", "deny": "denied"}

A_VERIFICATION_URI = "a verification URI"
"""The name under which a run keeps one (:meth:`Run.once`)."""

RACES = 3
"""How often a race is run; one that comes out right once has proven little."""

_VOLATILE = re.compile(r"\S*\d\S*|\S{16,}")


# -- parties -----------------------------------------------------------------------------------------------------------


def visitor(run: Run, *, can_sign_in: bool = True, actor: str = "the owner, by form", closing: bool = False) -> Visitor:
    """Return a fresh visitor of the owner's pages.

    Raises:
        Blocked: nobody plays the owner in this run.
    """
    if run.target.approver.kind == "none":
        raise Blocked(
            "nobody plays the owner (--approver none)", unblock="--approver browser or http, and the owner's password"
        )
    made = Visitor(
        run.recorder,
        run.target.approver,
        run.patience,
        username=run.target.owner_username,
        password=run.target.owner_password if can_sign_in else None,
        actor=actor,
        closing=closing,
    )
    run.visitors.append(made)
    return made


def owner(run: Run) -> Visitor:
    """Return the run's one visitor who signs in as the owner; scenarios that end the session get their own."""
    return run.once("the owner, by form", lambda: visitor(run))


def words(run: Run, act: Act) -> Sequence[str]:
    """The visible names of the buttons for an act."""
    return run.target.approver.approve if act == "approve" else run.target.approver.deny


# -- what a decision looks like that counts ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """What of an answer would let two of them be told apart, with everything left out that changes each time."""

    statuses: tuple[int, ...]
    path: str
    words: str


def shape_of(visit: Visit, *codes: str) -> Shape:
    """Return the shape of what a press led to, ``codes`` and whatever looks like a number or a key left out."""
    text = visit.page.text
    for code in codes:
        plain = [re.escape(character) for character in code if character.isalnum()]
        text = re.sub(r"[\W_]*".join(plain), "", text, flags=re.IGNORECASE)
    return Shape(
        tuple(answer.status for answer in visit.answers),
        _VOLATILE.sub("", urlsplit(visit.page.url).path.replace("/", " / ")),
        " ".join(_VOLATILE.sub("", text).split()),
    )


@dataclass(frozen=True)
class Counted:
    """A decision by form that counted: how often the owner had to press, and what the pages said then."""

    presses: int
    shape: Shape
    elapsed_s: float
    """How long the answer to the last press took."""


def counted(run: Run, kind: Kind, act: Act) -> Counted:
    """Return what a decision of this kind looks like that counts: made once a run, the control of every other check.

    Raises:
        Blocked: deciding by form does not work here.
    """
    return run.once(f"{act} by form, {kind}", lambda: _count_settled(run, kind, act))


def _count_settled(run: Run, kind: Kind, act: Act) -> Counted:
    """Count a decision, and once more where it took several presses.

    A client that was approved before may be asked about with fewer, as is every one from then on.
    """
    first = _count(run, kind, act)
    return first if first.presses == 1 else _count(run, kind, act)


def _count(run: Run, kind: Kind, act: Act) -> Counted:
    device = start(run, run.client(), kind)
    decided = decide(run, device, act)
    outcome = poll(device)
    if outcome != OUTCOME_OF[act]:
        raise Blocked(
            f"the owner's form to {act} led to {decided.end.summary}, and the client was told {outcome}",
            unblock="pages whose forms decide without JavaScript",
        )
    return Counted(len(decided.pressed), shape_of(decided.end, device.user_code), _elapsed(decided.end))


def decide(run: Run, device: DeviceAuthorization, act: Act, *, typed: bool = False) -> Decided:
    """Let the owner decide a request by the forms of the pages."""
    who = owner(run)
    return who.decide(who.arrive(device, typed=typed), words(run, act), signing_in=True)


def deciding(run: Run, who: Visitor, device: DeviceAuthorization, act: Act) -> Choice:
    """Return the button whose press would decide, everything before it pressed."""
    return deciding_on(run, who, who.arrive(device), device.kind, act)


def deciding_on(run: Run, who: Visitor, page: Visit, kind: Kind, act: Act) -> Choice:
    """Return the button of a decision page, or of the page that follows it, whose press would decide."""
    before = who.decide(page, words(run, act), presses=counted(run, kind, act).presses - 1)
    choice = before.end.page.offers(words(run, act))
    if choice is None:
        raise Blocked(
            f"the owner found no button to {act} on {before.end.summary}",
            unblock=f"approver.{act} in the target file, with the names that the buttons bear",
        )
    return choice


def poll(device: DeviceAuthorization) -> str:
    """Return how a request stands, as its client is told."""
    return _standing(_polled(device))


def _polled(device: DeviceAuthorization) -> Answer:
    answer = device.poll()
    return device.poll() if answer.error == "slow_down" else answer


def poll_again(device: DeviceAuthorization) -> str:
    """Return how a request stands, without waiting unless the client is told to."""
    answer = device.poll_at_once()
    return _standing(device.poll() if answer.error == "slow_down" else answer)


def _standing(answer: Answer) -> str:
    if answer.member("access_token") is not None:
        return "approved"
    told = {
        "access_denied": "denied",
        "authorization_pending": "pending",
        "slow_down": "pending",
        "expired_token": "over",
        "invalid_grant": "over",
    }
    return told.get(answer.error or "", answer.summary)


def _elapsed(visit: Visit) -> float:
    return sum(answer.exchange.elapsed_s for answer in visit.answers)


# -- decisions that must not count -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    """A decision that must not count, and what came of it."""

    act: Act
    device: DeviceAuthorization
    how: str
    visit: Visit


def prepare(run: Run, kind: Kind) -> None:
    """See that both decisions count when the owner makes them."""
    for act in OPPOSITE:
        counted(run, kind, act)


def attempt(run: Run, device: DeviceAuthorization, act: Act, how: str) -> Attempt:
    """Send the owner's form in a way in which it must not decide."""
    return Attempt(act, device, how, _ATTEMPTS[how](run, device, act))


def _without_session(run: Run, device: DeviceAuthorization, act: Act) -> Visit:
    choice = deciding(run, owner(run), device, act)
    return visitor(run, can_sign_in=False, actor="somebody without a session").press(choice)


def _not_signed_in(run: Run, device: DeviceAuthorization, act: Act) -> Visit:
    choice = deciding(run, owner(run), device, act)
    stranger = visitor(run, can_sign_in=False, actor="a browser that has not signed in")
    stranger.open(device.verification_uri_complete or device.verification_uri)
    return stranger.press(choice)


def _with_method(method: str) -> Callable[[Run, DeviceAuthorization, Act], Visit]:
    def send(run: Run, device: DeviceAuthorization, act: Act) -> Visit:
        return owner(run).press(deciding(run, owner(run), device, act), method=method)

    return send


def _after_sign_out(run: Run, device: DeviceAuthorization, act: Act) -> Visit:
    who = visitor(run, actor="an owner who signs out")
    choice = deciding(run, who, device, act)
    left = visitor(run, can_sign_in=False, actor="the session that was signed out")
    left.keep(who.cookies)
    sign_out(run, who)
    return left.press(choice)


_ATTEMPTS: dict[str, Callable[[Run, DeviceAuthorization, Act], Visit]] = {
    "without a session": _without_session,
    "by a browser that has not signed in": _not_signed_in,
    "with GET": _with_method("GET"),
    "with HEAD": _with_method("HEAD"),
    "under the cookies of a session that was signed out": _after_sign_out,
}


def sign_out(run: Run, who: Visitor) -> None:
    """Let a visitor sign out by the link or button of the page at the visitor's last sign-in, and confirm where asked.

    Raises:
        Blocked: no page offers it.
    """
    names = run.target.approver.sign_out
    for url in owner_pages(run, who):
        page = who.open(url)
        if page.page.offers(names) is not None:
            who.decide(page, names)
            return
    raise Blocked(
        "the owner found no way to sign out",
        unblock="approver.sign_out in the target file, with the name that the link or button bears",
    )


def owner_pages(run: Run, who: Visitor) -> list[str]:
    """Return the addresses at which the owner's other pages may be linked: what the metadata and the sign-in name."""
    after_sign_in = [] if who.signed_in is None else [who.signed_in.page.url]
    verification = run.once("a verification URI", lambda: run.client().start("trusted_owner_agent").verification_uri)
    issuer = run.discovery.issuer.rstrip("/") + "/"
    named = dict.fromkeys(url for url in (*after_sign_in, verification, issuer) if run.recorder.is_allowed(url))
    # An address that holds a code is no page to come back to: by now the code is a wrong one, which a limit counts.
    return [url for url in named if not run.redactor.labels_in(url)]


@dataclass(frozen=True)
class Outcome:
    """How a request stands after the owner decided it, or could not."""

    told: str
    """As its client is told."""
    stuck: Blocked | None
    """Why the owner could not decide: an attempt that decided leaves nothing to decide."""


def decide_opposite(run: Run, tried: Attempt) -> Outcome:
    """Let the owner decide the opposite of what was attempted, and see what the client is told."""
    stuck: Blocked | None = None
    try:
        decide(run, tried.device, OPPOSITE[tried.act])
    except Blocked as problem:
        stuck = problem
    return Outcome(poll(tried.device), stuck)


def judge_only_the_owner(judge: Judgement, tried: Attempt, outcome: Outcome) -> None:
    """What the owner decided afterwards is what the client is told, so the attempt changed nothing."""
    if outcome.stuck is not None and outcome.told != OUTCOME_OF[tried.act]:
        raise outcome.stuck
    wanted = OUTCOME_OF[OPPOSITE[tried.act]]
    judge.that(
        outcome.told == wanted,
        f"a request that is {wanted}, as the owner decided",
        f"one that is {outcome.told}, after the form to {tried.act} was answered {tried.visit.summary}",
    )
    judge.note(f"the form to {tried.act}, {tried.how}, was answered {tried.visit.summary}")


# -- deciding twice ----------------------------------------------------------------------------------------------------


def decide_twice(run: Run, device: DeviceAuthorization, first: Act, second: Act, *, redeem: bool = False) -> None:
    """Decide, then decide otherwise by the same page and by one that was opened earlier."""
    prepare(run, device.kind)
    who = owner(run)
    earlier = deciding(run, who, device, second)
    page = who.arrive(device)
    later = deciding_on(run, who, page, device.kind, second)
    who.press(deciding_on(run, who, page, device.kind, first))
    if redeem and poll(device) != "approved":
        raise Blocked("the approved request was not redeemed", unblock="a deployment that redeems an approved code")
    for choice in (later, earlier):
        who.press(choice)


def enter_again(run: Run, device: DeviceAuthorization, first: Act) -> None:
    """Decide, then enter the code again and decide otherwise if the pages let the owner."""
    prepare(run, device.kind)
    who = owner(run)
    decide(run, device, first)
    again = who.type_code(device.verification_uri, device.user_code)
    if who.is_decision(again):
        who.decide(again, words(run, OPPOSITE[first]))


def judge_stays(judge: Judgement, device: DeviceAuthorization, state: str) -> None:
    """The first decision is the one that the client is told."""
    outcome = poll(device)
    judge.that(outcome == state, f"a request that stays {state}", f"one that is {outcome}")


def judge_over(judge: Judgement, device: DeviceAuthorization) -> None:
    """A redeemed request gives nothing more, whatever was decided afterwards."""
    outcome = poll_again(device)
    judge.that(outcome == "over", "a redeemed request that gives nothing more", f"one that is {outcome}")


# -- denial in every state ---------------------------------------------------------------------------------------------

_STATES: dict[str, Kind] = {
    "an MCP request whose code was typed": "grant_scoped_mcp",
    "an MCP request opened by the complete link": "grant_scoped_mcp",
    "an MCP request for two sources": "grant_scoped_mcp",
    "an MCP request in review": "grant_scoped_mcp",
    "an owner-agent request": "trusted_owner_agent",
}


def deny_in(run: Run, state: str) -> DeviceAuthorization:
    """Deny a request in one of the states in which approval works.

    Raises:
        NotApplicable: there is no such state here.
    """
    kind = _STATES[state]
    approval = counted(run, kind, "approve")
    if state.endswith("two sources"):
        device = run.client().start(kind, run.two_sources())
    else:
        device = start(run, run.client(), kind)
    if state.endswith("complete link") and device.verification_uri_complete is None:
        raise NotApplicable("the deployment gives no verification_uri_complete, which is optional")
    who = owner(run)
    page = who.arrive(device, typed=state.endswith("typed"))
    if state.endswith("in review"):
        if approval.presses < 2:
            raise NotApplicable("approval takes one press here, and nothing to review comes after it")
        page = who.decide(page, words(run, "approve"), presses=approval.presses - 1).end
    if not who.decide(page, words(run, "deny")).pressed:
        raise Blocked(
            f"the owner found no button to deny on {page.summary}",
            unblock="approver.deny in the target file, with the names that the buttons bear",
        )
    return device


# -- races -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Race:
    """What two decisions sent at the same moment were answered, and what the client was told, once and again."""

    said: dict[Act, bool]
    """Whether the answer to each looked as it does when it counts."""
    outcome: str
    afterwards: str


def race(run: Run, kind: Kind) -> list[Race]:
    """Send approval and denial of one request at the same moment, several times over."""
    prepare(run, kind)
    return [_race(run, start(run, run.client(), kind)) for _ in range(RACES)]


def _race(run: Run, device: DeviceAuthorization) -> Race:
    who = owner(run)
    page = who.arrive(device)
    acts: tuple[Act, Act] = ("approve", "deny")
    choices = [deciding_on(run, who, page, device.kind, act) for act in acts]
    barrier = Barrier(len(choices))

    def send(choice: Choice) -> Visit:
        barrier.wait(10)
        return who.press(choice)

    with ThreadPoolExecutor(len(choices)) as pool:
        visits = list(pool.map(send, choices))
    said = {
        act: shape_of(visit, device.user_code) == counted(run, device.kind, act).shape
        for act, visit in zip(acts, visits, strict=True)
    }
    return Race(said, poll(device), poll_again(device))


def judge_races(judge: Judgement, run: Run, kind: Kind, races: Sequence[Race]) -> None:
    """One decision wins, the page of the other does not claim so, and it stays that way."""
    alike = counted(run, kind, "approve").shape == counted(run, kind, "deny").shape
    if alike:
        judge.note("the pages say the same after approval and denial, so only what the client was told was judged")
    final = {"approved": "over", "denied": "denied"}
    for one in races:
        said = [OUTCOME_OF[act] for act, claimed in one.said.items() if claimed]
        met = final.get(one.outcome) == one.afterwards and (alike or said == [one.outcome])
        judge.that(
            met,
            "one decision that wins, and pages that say so",
            f"pages that said {' and '.join(said) or 'neither'}, a client told {one.outcome}, then {one.afterwards}",
        )


def redeem_during_approvals(run: Run, kind: Kind, approvals: int = 6) -> list[tuple[str, str]]:
    """Redeem as soon as one of several approvals is answered, the slower ones still on their way.

    Returns:
        For each race, how the request stood at redemption and after every approval had been answered.
    """
    usual = counted(run, kind, "approve").elapsed_s
    return [_redeem_during_approvals(run, start(run, run.client(), kind), approvals, usual) for _ in range(RACES)]


def _redeem_during_approvals(run: Run, device: DeviceAuthorization, approvals: int, usual: float) -> tuple[str, str]:
    who = owner(run)
    choice = deciding(run, who, device, "approve")

    def send(place: int) -> Visit:
        time.sleep(place * usual / 2)  # spread from the first approval until after its redemption
        return who.press(choice)

    with ThreadPoolExecutor(approvals) as pool:
        sent = [pool.submit(send, place) for place in range(approvals)]
        sent[0].result()
        redeemed = _standing(device.poll_at_once())
        for future in sent[1:]:
            future.result()
    return redeemed, poll_again(device)


def judge_one_credential(judge: Judgement, outcomes: Sequence[tuple[str, str]]) -> None:
    """What was redeemed stays redeemed, however many approvals arrive late."""
    if any(redeemed != "approved" for redeemed, _ in outcomes):
        raise Blocked("an approved request was not redeemed", unblock="a deployment that redeems an approved code")
    observed = sorted({afterwards for _, afterwards in outcomes})
    judge.that(observed == ["over"], "a redeemed request that gives nothing more", f"one that is {', '.join(observed)}")


# -- expiry ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A decision page that was opened in time, to be used when its request has expired."""

    device: DeviceAuthorization
    choice: Choice
    signed_in: Visit | None
    """The owner's sign-in by which it was opened."""


@begins_early("UIX-14", "UIX-15")
def opened_early(run: Run) -> Opened:
    """Return a decision page that was opened before its request expired: opened when the run begins."""
    return run.once("a decision page opened early", lambda: _open_early(run))


def _open_early(run: Run) -> Opened:
    who, device = owner(run), start(run, run.client(), MCP)
    choice = deciding(run, who, device, "approve")
    return Opened(device, choice, who.signed_in)


@dataclass(frozen=True)
class Late:
    """An attempt to approve an expired request, and what it led to."""

    device: DeviceAuthorization
    visit: Visit
    same_session: bool = True
    """Whether the session was still in force in which the page was opened."""


def approve_too_late(run: Run) -> Late:
    """Send an approval whose page was opened in time when the request has expired."""
    return run.once("an approval sent too late", lambda: _approve_too_late(run))


def _approve_too_late(run: Run) -> Late:
    opened = opened_early(run)
    same = _expires_in_session(run, opened)
    if not same and run.waiting.moved_by_hand:
        # Others may have moved the clock far beyond this request's expiry, to where the session had ended as well.
        opened = _open_early(run)
        same = _expires_in_session(run, opened)
    return Late(opened.device, owner(run).press(opened.choice), same)


def _expires_in_session(run: Run, opened: Opened) -> bool:
    """Wait until the request has expired; return whether the owner still gets to a decision by the same sign-in."""
    run.waiting.until(opened.device.expires_at + EXPIRY_MARGIN_SECONDS, "an opened decision page to expire")
    who = owner(run)
    who.arrive(start(run, run.client(), MCP))
    return who.signed_in is opened.signed_in


def approve_expired(run: Run, device: DeviceAuthorization) -> Late:
    """Enter the code of a request that has expired, and approve if the pages let the owner."""
    counted(run, device.kind, "approve")
    who = owner(run)
    entered = entered_late(run, device)
    return Late(device, who.decide(entered, words(run, "approve")).end if who.is_decision(entered) else entered)


def entered_late(run: Run, device: DeviceAuthorization) -> Visit:
    """Return what the code of a request that has expired was answered: entered once, as a limit may count it."""
    return run.once(
        f"the entry of an expired code, {device.kind}",
        lambda: owner(run).type_code(device.verification_uri, device.user_code),
    )


def judge_expired(judge: Judgement, run: Run, late: Late) -> None:
    """An expired request gives no token after the attempt to approve it, and the page does not call it approved."""
    told = poll_again(late.device)
    judge.that(told == "over", "an expired request that stays so", f"one that is {told}, after {late.visit.summary}")
    claimed = shape_of(late.visit, late.device.user_code) == counted(run, late.device.kind, "approve").shape
    judge.remark(not claimed, "a page that does not say what it says after an approval", late.visit.summary)


Answered = dict[str, tuple[Shape, float]]
"""What each of several things was answered, and in how many seconds."""

# -- answers that must be alike ----------------------------------------------------------------------------------------


def wrong_code(like: str) -> str:
    """Return a code that nobody issued, of the same letters and punctuation as an issued one."""
    letters = [character for character in like if character.isalnum()]
    made = "".join(drawing.choice(letters) if character.isalnum() else character for character in like)
    return made if made != like else wrong_code(like) if len(set(letters)) > 1 else f"{like}{letters[0]}"


def enter_three(run: Run, expired: DeviceAuthorization) -> Answered:
    """Enter an unknown, an expired and a decided code; return what each was answered, and in how many seconds."""
    prepare(run, MCP)
    denied = start(run, run.client(), MCP)
    decide(run, denied, "deny")
    unknown = wrong_code(denied.user_code)
    who, uri = owner(run), denied.verification_uri
    visits = {
        "unknown": (unknown, who.type_code(uri, unknown)),
        "expired": (expired.user_code, entered_late(run, expired)),
        "decided": (denied.user_code, who.type_code(uri, denied.user_code)),
    }
    return {what: (shape_of(visit, code), _elapsed(visit)) for what, (code, visit) in visits.items()}


def decide_two(run: Run) -> Answered:
    """Approve on a page whose request has expired, and on one whose request was denied meanwhile.

    Raises:
        NotApplicable: no page is still good when its request has expired.
    """
    prepare(run, MCP)
    device = start(run, run.client(), MCP)
    who = owner(run)
    choice = deciding(run, who, device, "approve")
    decide(run, device, "deny")
    denied = who.press(choice)
    expired = approve_too_late(run)
    if not expired.same_session:
        raise NotApplicable("the owner's session ends before a device code does, and with it the pages that are open")
    return {
        "decided": (shape_of(denied, device.user_code), _elapsed(denied)),
        "expired": (shape_of(expired.visit, expired.device.user_code), _elapsed(expired.visit)),
    }


SLOWER_SECONDS = 2.0
"""By how much one answer may be later than another before it counts as a sign: far more than any network's jitter."""


def judge_indistinguishable(judge: Judgement, answered: Answered) -> None:
    """Status, words and coarse timing are the same for all."""
    shapes = {shape for shape, _ in answered.values()}
    told = "; ".join(f"{what}: {_brief(shape)}" for what, (shape, _) in answered.items())
    judge.that(len(shapes) == 1, f"one answer for {' and '.join(answered)} codes", told)
    times = [elapsed for _, elapsed in answered.values()]
    judge.that(
        max(times) - min(times) < SLOWER_SECONDS,
        f"answers within {SLOWER_SECONDS:g} s of each other",
        ", ".join(f"{what} after {elapsed:.2f} s" for what, (_, elapsed) in answered.items()),
    )


def _brief(shape: Shape) -> str:
    text = shape.words if len(shape.words) <= 120 else f"{shape.words[:60]} … {shape.words[-60:]}"
    return f"{' → '.join(map(str, shape.statuses))} {text!r}"
