"""What is true of a flow after each act, by the standards: the model that a deployment is held against.

It asks nobody and knows no secret, so that what may be done next depends on the acts alone: the same seed makes the
same acts at any deployment.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Literal

from pdpp_conformance.fuzzing.acts import MCP_KIND, OWNER_KIND, Act

State = Literal["pending", "approved", "denied", "redeemed", "expired"]

STAYING = ("the first client", "the second client")
PASSING = "the passing client"
"""Registered anew in each run that needs it, and removed."""

CLIENTS = (*STAYING, PASSING)
WAITS = ("6", "11", "400", "4000")
"""Seconds: more than an interval, than one that was grown once, most of a code's life, more than an access token's."""

MOST_REQUESTS = 2
INTERVAL_SECONDS = 5.0
CODE_SECONDS = 600.0
TOKEN_SECONDS = 3600.0

Ended = Literal[
    "",
    "its time was over",
    "its code came again",
    "a used refresh token came again",
    "it was exchanged",
    "its refresh token was revoked",
    "it was revoked",
    "its grant was revoked",
    "its client was removed",
]
"""Why a token is good for nothing any more; empty where it still is."""


@dataclass
class Pair:
    """The tokens of one answer."""

    issued_at: float
    access: Ended = ""
    refresh: Ended = ""

    def end(self, access: Ended, refresh: Ended | None = None) -> None:
        """Let both tokens end; what ended before has its reason already."""
        self.access = self.access or access
        self.refresh = self.refresh or (access if refresh is None else refresh)


@dataclass
class Asked:
    """One device authorization."""

    client: str
    kind: str
    started_at: float
    decision: Literal["", "approved", "denied"] = ""
    redeemed: bool = False
    decided_again: bool = False
    """Whether the owner pressed the other button afterwards, on a page that was still open."""
    polled_at: float | None = None
    """When it was polled last while nobody had decided."""
    hasty: bool = False
    """Whether it was polled sooner than the interval allows."""
    pairs: list[Pair] = field(default_factory=list)


Situation = tuple[object, ...]
"""How one request stands, without what nothing depends on: two requests of one situation are answered alike."""


class FlowModel:
    """All requests of one run, and the time in it, in seconds since it began."""

    def __init__(self, *, clock_by_hand: bool = True, refreshes: bool = True, removes: bool = True) -> None:
        self.now = 0.0
        self.asked: dict[int, Asked] = {}
        self.removed = False
        """Whether the passing client was removed."""
        self.grant_ended = False
        self._possible: dict[str, list[Act]] = {}
        self._clock_by_hand = clock_by_hand
        self._refreshes = refreshes
        self._removes = removes

    # -- how things stand --------------------------------------------------------------------------------------------

    def state(self, number: int) -> State:
        """Return the state of a request (RFC 8628 §3.5); what is decided and redeemed, or denied, stays so."""
        one = self.asked[number]
        if one.redeemed:
            return "redeemed"
        if one.decision == "denied":
            return "denied"
        if self.is_past(number):
            return "expired"
        return "approved" if one.decision else "pending"

    def access_ended(self, number: int, place: int = -1) -> Ended:
        """Return why an access token has ended, if it has."""
        pair = self.asked[number].pairs[place]
        if not pair.access and self.now - pair.issued_at >= TOKEN_SECONDS:
            return "its time was over"
        return pair.access

    def is_past(self, number: int) -> bool:
        """Whether the codes of a request are past their time, decided or not."""
        return self.now - self.asked[number].started_at >= CODE_SECONDS

    def is_removed(self, number: int) -> bool:
        """Whether the client of a request was removed."""
        return self.removed and self.asked[number].client == PASSING

    def situation(self, number: int) -> Situation:
        """Return how a request stands: of many tokens the last three count, and polls until it is redeemed."""
        one = self.asked[number]
        polled = not one.redeemed and (one.polled_at is not None, one.hasty)
        places = range(len(one.pairs))[-3:]
        tokens = tuple((self.access_ended(number, place), one.pairs[place].refresh) for place in places)
        return one.kind, self.is_removed(number), self.state(number), one.decision, one.decided_again, polled, tokens

    def situations(self) -> list[Situation]:
        """Return how all requests stand, in order."""
        return [self.situation(number) for number in self.asked]

    def copied(self) -> FlowModel:
        """Return another one in which everything is as it is here."""
        other = copy(self)
        other.asked = {
            number: replace(one, pairs=[replace(pair) for pair in one.pairs]) for number, one in self.asked.items()
        }
        other._possible = {}
        return other

    def after(self, act: Act) -> FlowModel:
        """Return what an act would make of it, and leave it as it is."""
        later = self.copied()
        later.apply(act)
        return later

    # -- what may be done --------------------------------------------------------------------------------------------

    def possible(self, name: str) -> list[Act]:
        """Return every act of that name that can be done now, in order."""
        if name not in self._possible:
            self._possible[name] = [act for act in self._imaginable(name) if self.allows(act)]
        return self._possible[name]

    def _imaginable(self, name: str) -> Iterator[Act]:
        numbers = sorted(self.asked)
        if name == "start":
            for by in CLIENTS:
                for kind in (MCP_KIND, OWNER_KIND):
                    yield Act(name, len(numbers) + 1, by, kind)
        elif name == "wait":
            yield from (Act(name, detail=seconds) for seconds in WAITS)
        elif name == "remove client":
            yield Act(name, by=PASSING)
        else:
            details = {
                "refresh": ("newest", "first"),
                "revoke": ("access", "refresh"),
                "use": ("/mcp", "the owner's REST surface", "/mcp, for a stream that was not granted"),
                "introspect": ("newest", "first"),
            }.get(name, ("",))
            yield from (Act(name, number, detail=detail) for number in numbers for detail in details)

    def allows(self, act: Act) -> bool:
        """Whether an act can be done now: it speaks of what there is."""
        if act.name == "start":
            new = act.request not in self.asked and len(self.asked) < MOST_REQUESTS
            passing = act.by == PASSING
            return new and (not passing or (self._removes and not self.removed))
        if act.name == "wait":
            return self._clock_by_hand
        if act.name == "remove client":
            return not self.removed and any(one.client == PASSING for one in self.asked.values())
        one = self.asked.get(act.request)
        if one is None:
            return False
        if act.name in ("approve", "deny"):
            # A decided code gives no page any more; but the one that it was decided on may still be open.
            other = one.decision != ("approved" if act.name == "approve" else "denied")
            gone = self.is_removed(act.request) or self.is_past(act.request)
            return not gone and other and not one.decided_again
        if act.name in ("poll", "poll as another"):
            return not self.is_removed(act.request)
        return bool(one.pairs) and self._allows_token(act, one)

    def _allows_token(self, act: Act, one: Asked) -> bool:
        if act.name == "refresh":
            is_first = act.detail == "first"
            return self._refreshes and one.kind == MCP_KIND and (not is_first or len(one.pairs) > 1)
        if act.name == "revoke":
            has_refresh = self._refreshes and one.kind == MCP_KIND
            return not self.is_removed(act.request) and (act.detail == "access" or has_refresh)
        if act.name == "end grant":
            return one.kind == MCP_KIND and not self.access_ended(act.request)
        if act.name == "use" and act.detail.startswith("/mcp,"):
            return one.kind == MCP_KIND and not self.access_ended(act.request)
        return act.name != "introspect" or act.detail == "newest" or len(one.pairs) > 1

    # -- what an act makes of it -------------------------------------------------------------------------------------

    def apply(self, act: Act) -> None:
        """Let an act have happened at a deployment that keeps the rules."""
        self._possible.clear()
        if act.name == "start":
            self.asked[act.request] = Asked(act.by, act.detail, self.now)
        elif act.name == "wait":
            self.now += float(act.detail)
        elif act.name == "remove client":
            self.removed = True
            for one in self.asked.values():
                if one.client == PASSING:
                    self._end(one, "its client was removed")
        elif act.request:
            self._apply_to(self.asked[act.request], act)

    def _apply_to(self, one: Asked, act: Act) -> None:
        match act.name:
            case "approve" | "deny":
                if self.state(act.request) == "pending":
                    one.decision = "approved" if act.name == "approve" else "denied"
                else:
                    one.decided_again = True
            case "poll":
                self._poll(one, self.state(act.request))
            case "refresh":
                self._refresh(one, act)
            case "revoke" if act.detail == "refresh":
                if not one.pairs[-1].refresh:
                    self._end(one, "its refresh token was revoked", "it was revoked")
            case "revoke":
                one.pairs[-1].access = self.access_ended(act.request) or "it was revoked"
            case "end grant":
                self.grant_ended = True
                self._end(one, "its grant was revoked")

    def _poll(self, one: Asked, state: State) -> None:
        if state == "pending":
            one.hasty = one.hasty or (one.polled_at is not None and self.now < one.polled_at + INTERVAL_SECONDS)
            one.polled_at = self.now
        elif state == "approved":
            one.redeemed = True
            one.pairs.append(Pair(self.now))
        elif state == "redeemed":
            self._end(one, "its code came again")

    def _refresh(self, one: Asked, act: Act) -> None:
        if act.detail == "first":
            self._end(one, "a used refresh token came again")
        elif not one.pairs[-1].refresh:
            one.pairs[-1].refresh = "it was exchanged"
            one.pairs.append(Pair(self.now))

    def _end(self, one: Asked, access: Ended, refresh: Ended | None = None) -> None:
        for pair in one.pairs:
            if self.now - pair.issued_at >= TOKEN_SECONDS:
                pair.access = pair.access or "its time was over"
            pair.end(access, refresh)
