"""Decisions that the owner did not make: forged forms and scripts of other origins, and of other sessions.

RFC 6749 §10.12, RFC 9700 §4.7. Each attack is judged by its outcome: nothing is decided, and the owner still can.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pdpp_conformance.approver.browser import BrowserApprover
from pdpp_conformance.decision_request import (
    Action,
    DecisionRequest,
    catch,
    catch_here,
    send,
    session_bound,
    session_bound_values,
)
from pdpp_conformance.foreign_forms import foreign_forms, page_of_forms
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.patience import TurnedAway
from pdpp_conformance.run import Run
from pdpp_conformance.second_origin import SecondOrigin
from pdpp_conformance.verdict import Blocked, Conclusion, NotApplicable, Unmet

ENCTYPES = {
    "a form": "application/x-www-form-urlencoded",
    "a multipart form": "multipart/form-data",
    "a plain-text form": "text/plain",
}

_SCRIPTS = {
    "JSON": "{mode: 'cors', headers: {'Content-Type': 'application/json'}, body}",
    "JSON that bears no content type": "{mode: 'no-cors', body: new Blob([body])}",
    "JSON that calls itself plain text": "{mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body}",
}
_FETCH = """async ([url, body]) => {
  const how = { method: "POST", credentials: "include", ...%s };
  try { return "answered " + (await fetch(url, how)).status; } catch (error) { return "no answer for the script"; }
}"""


@dataclass
class Besieged:
    """A request that the owner has open and that others try to decide."""

    device: DeviceAuthorization
    approve: DecisionRequest = field(repr=False)
    deny: DecisionRequest = field(repr=False)
    elsewhere: DecisionRequest | None = field(default=None, repr=False)
    """The approval as the same owner's other session would send it."""
    tried: list[str] = field(default_factory=list)
    """What was tried, and how it was answered."""

    @property
    def own(self) -> set[str]:
        """The fields and headers that are this session's own."""
        return set() if self.elsewhere is None else session_bound(self.approve, self.elsewhere)


def owner_at_browser(run: Run) -> BrowserApprover:
    """Return the owner at a browser, whose own doings no record holds.

    Raises:
        Blocked: nobody, or somebody else, plays the owner.
    """
    run.rests_beyond("what the owner's browser did")
    if not isinstance(run.approver, BrowserApprover):
        raise Blocked("this needs the owner at a real browser", unblock="--approver browser and the owner's password")
    return run.approver


def second_origin(run: Run) -> SecondOrigin:
    """Return the harness's second origin, started at the first call."""
    run.rests_beyond("what a page of another origin led to")
    if run.second_origin is None:
        run.second_origin = SecondOrigin()
        run.second_origin.start()
        for host in ("localhost", "127.0.0.1"):
            run.recorder.own_origin(f"http://{host}:{run.second_origin.port}")
        run.at_end(run.second_origin.stop)
    return run.second_origin


def besiege(run: Run, device: DeviceAuthorization, *, in_two_sessions: bool = True) -> Besieged:
    """Open a request as the owner, and in another session of the same owner, up to the button that decides."""
    owner = owner_at_browser(run)
    run.read_decision(device)
    approve, deny = catch_here(owner, "approve"), catch_here(owner, "deny")
    besieged = Besieged(device, approve, deny)
    if in_two_sessions:
        besieged.elsewhere = catch(owner.elsewhere(), device, "approve")
        for request in (approve, besieged.elsewhere):
            for value in session_bound_values(request, besieged.own):
                run.redactor.register(value, "form_value")
    return besieged


# -- the attacks -------------------------------------------------------------------------------------------------------


def send_with(run: Run, besieged: Besieged, token: str) -> None:
    """Send the owner's own forms with no token, a wrong one, or another session's.

    Raises:
        NotApplicable: nothing in the form is the session's own.
    """
    own = besieged.own
    if not own or besieged.elsewhere is None:
        raise NotApplicable(
            "two sessions' decision forms are alike, so there is no form token to leave out; what other origins send "
            "is judged by itself"
        )
    theirs = besieged.elsewhere
    forged: Callable[[DecisionRequest], DecisionRequest] = {
        "no form token": lambda request: request.without(own),
        "a wrong form token": lambda request: request.with_wrong(own),
        "another session's form token": lambda request: request.with_values_of(theirs, own),
    }[token]
    for action, request in _both(besieged):
        answer = send(owner_at_browser(run).session, run.recorder, forged(request))
        besieged.tried.append(f"{action} with {token}: {answer.status}")


def send_from_elsewhere(run: Run, besieged: Besieged) -> None:
    """Send the owner's form, as it is, from another session that is signed in and never entered the code."""
    elsewhere = owner_at_browser(run).elsewhere()
    elsewhere.visit(besieged.device.verification_uri)
    for action, request in _both(besieged):
        answer = send(elsewhere.session, run.recorder, request)
        besieged.tried.append(f"{action} from another session: {answer.status}")


def post_from_other_origins(run: Run, besieged: Besieged, kind: str) -> None:
    """Let pages of other origins, open in the owner's browser, post the decision as a form of some kind."""
    origin = second_origin(run)
    session = owner_at_browser(run).session
    forgeries = _forgeries(besieged)
    origin.page("/forms", page_of_forms([request for _, request in forgeries], ENCTYPES[kind]))
    with session.another_tab() as tab:
        for site, base in origin.sites(besieged.approve.url).items():
            with foreign_forms(session, tab, f"{base}/forms") as forms:
                for number, (action, _) in enumerate(forgeries):
                    besieged.tried.append(f"{action} {site}, as {kind}: {forms.send(number)}")


def script_from_other_origins(run: Run, besieged: Besieged, kind: str) -> None:
    """Let scripts of other origins, running in the owner's browser, send the decision as JSON of some kind."""
    origin = second_origin(run)
    origin.page("/script", "<!doctype html><title>A page of another origin</title><p>Nothing to see.")
    session = owner_at_browser(run).session
    with session.another_tab() as tab:
        for site, base in origin.sites(besieged.approve.url).items():
            session.goto(tab, f"{base}/script")
            for action, request in _forgeries(besieged):
                answered = tab.evaluate(_FETCH % _SCRIPTS[kind], [request.url, request.as_json()])
                besieged.tried.append(f"{action} {site}, as {kind}: {answered}")


def _both(besieged: Besieged) -> Sequence[tuple[Action, DecisionRequest]]:
    return [("approve", besieged.approve), ("deny", besieged.deny)]


def _forgeries(besieged: Besieged) -> Sequence[tuple[str, DecisionRequest]]:
    """What an attacker can put together who does not see the owner's page: no token, or one of another session."""
    own, theirs = besieged.own, besieged.elsewhere
    found = [(f"{action} without a token", request.without(own)) for action, request in _both(besieged)]
    if own and theirs is not None:
        found += [
            (f"{action} with another session's token", request.with_values_of(theirs, own))
            for action, request in _both(besieged)
        ]
    return found


# -- judging -----------------------------------------------------------------------------------------------------------


def judge_nothing_decided(judge: Judgement, run: Run, besieged: Besieged) -> None:
    """Everything that was tried was refused: the request is pending, and the owner decides it on the page as before."""
    told = json.dumps(besieged.tried, ensure_ascii=False)
    if not besieged.tried:
        raise Blocked("nothing was tried", unblock="a decision form that can be sent")
    if any(one.endswith(": 429") for one in besieged.tried):
        raise TurnedAway(f"a limit of attempts answered, and not the form's check: {told}", unblock="a later run")
    answer = besieged.device.poll_at_once()
    judge.that(answer.error == "authorization_pending", "authorization_pending afterwards", f"{answer.summary}: {told}")
    judge.note(f"refused: {told}")
    try:
        run.approver.deny(besieged.device)
    except TurnedAway:
        raise
    except Conclusion as problem:
        raise Unmet("a request that the owner can still decide", str(problem)) from None
    last = besieged.device.poll_at_once()
    # Sooner than the interval a server may say slow_down whatever was decided.
    judge.that(
        last.error in ("access_denied", "slow_down"), "access_denied once the owner denied on the page", last.summary
    )
