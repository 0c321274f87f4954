"""What must hold of a flow whatever the order of its acts: properties, each of the requirements that it belongs to.

A property takes the model as it was before an act, the act, and what was seen, and yields what there was to judge of
it, kept or broken. So it is known how often each requirement was put to the test: what was never seen is no pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.fuzzing.acts import MCP_KIND, OWNER_KIND, Act
from pdpp_conformance.fuzzing.flow_model import Ended, FlowModel, State
from pdpp_conformance.fuzzing.parties import Seen


@dataclass(frozen=True)
class Judged:
    """A requirement that an act put to the test."""

    requirement: str
    kept: bool
    expected: str
    observed: str


Property = Callable[[FlowModel, Act, Seen], Iterator[Judged]]

_NO_BEARER: Mapping[State, str] = {"pending": "CHG-13", "denied": "POL-08", "expired": "CHG-14"}
"""Whose rule it is that a request in this state gives no bearer."""

_ERRORS: Mapping[State, tuple[str, frozenset[str]]] = {
    "pending": ("POL-07", frozenset({"authorization_pending", "slow_down"})),
    "denied": ("POL-08", frozenset({"access_denied"})),
    "expired": ("POL-09", frozenset({"expired_token", "invalid_grant"})),
    "redeemed": ("POL-12", frozenset({"invalid_grant"})),
}
"""The errors of RFC 8628 §3.5 that a poll may be answered with, by state. An approved request gives a token."""

_ENDED: Mapping[Ended, str] = {
    "its code came again": "POL-13",
    "a used refresh token came again": "REF-02",
    "it was exchanged": "REF-02",
    "its refresh token was revoked": "REV-06",
    "it was revoked": "REV-05",
    "its grant was revoked": "PRO-06",
    "its client was removed": "RSC-08",
    "its time was over": "INT-06",
}
"""Whose rule it is that such a token is good for nothing."""

_ENDED_REFRESH: Mapping[Ended, str] = {**_ENDED, "it was revoked": "REV-01", "its grant was revoked": "REF-06"}


def no_bearer_without_an_approval(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """A device gets a bearer for a request that the owner approved, and for no other; nobody else gets one ever."""
    if act.name == "poll as another":
        yield _judged("POL-05", not seen.bearer, "no bearer for another client's code", seen)
    if act.name != "poll":
        return
    one, state = model.asked[act.request], model.state(act.request)
    if one.decided_again and one.decision == "denied":
        yield _judged("UIX-16", not seen.bearer, "a denied request that stays denied", seen)
    elif state == "expired" and one.decision:
        yield _judged("POL-10", not seen.bearer, "no bearer for an approved code past its time", seen)
    elif state in _NO_BEARER:
        yield _judged(_NO_BEARER[state], not seen.bearer, f"no bearer for a request that is {state}", seen)


def one_bearer_for_a_code(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """A code is redeemed once, whatever became of what it was redeemed to."""
    if act.name == "poll" and model.state(act.request) == "redeemed":
        yield _judged("POL-12", not seen.bearer, "no second bearer for a code", seen)


def an_owner_token_never_at_mcp(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """An owner token is refused at the MCP resource, however often it is presented there."""
    if act.name == "use" and act.detail == "/mcp" and model.asked[act.request].kind == OWNER_KIND:
        yield _judged("PRO-04", seen.status in (401, 403), "401 or 403 for an owner token at /mcp", seen)


def a_client_token_never_outside_its_grant(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """A client token is of use at the MCP resource alone, for what was granted alone, refreshed or not."""
    if act.name == "use" and model.asked[act.request].kind == MCP_KIND:
        if act.detail == "the owner's REST surface":
            yield _judged("PRO-03", not seen.served, "a client token refused at the owner's surface", seen)
        elif act.detail != "/mcp":
            yield _judged("PRO-05", not seen.served, "a refusal of a stream that was not granted", seen)
    if act.name == "refresh" and seen.bearer:
        yield _judged("REF-03", _within(seen), "a refresh that grants no more than was approved", seen)


def what_is_decided_stays_decided(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """Neither time nor another press on a page that is still open changes an approval."""
    if act.name == "poll" and model.state(act.request) == "approved" and model.asked[act.request].decided_again:
        yield _judged("UIX-16", seen.bearer, "an approved request that stays approved", seen)


def inactive_stays_inactive(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """A token that has ended is good for nothing from then on: not when introspected, nor presented, nor refreshed."""
    place = 0 if act.detail == "first" else -1
    if act.name in ("introspect", "use"):
        why = model.access_ended(act.request, place)
        if why:
            good = seen.active if act.name == "introspect" else seen.served
            yield _judged(_row(why, act), not good, f"an access token good for nothing after {why}", seen)
    if act.name == "refresh":
        why = model.asked[act.request].pairs[place].refresh
        if why:
            yield _judged(_ENDED_REFRESH[why], not seen.bearer, f"no refresh after {why}", seen)


def what_is_good_stays_good(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """Whatever ends, ends alone: a token that nothing has ended is active, and an approved request gives its bearer."""
    if act.name == "introspect" and act.detail == "newest" and not model.access_ended(act.request):
        row = "PRO-06" if model.grant_ended else "INT-06"
        yield _judged(row, seen.active, "an access token active that nothing has ended", seen)
    if act.name == "poll" and model.state(act.request) == "approved" and not model.asked[act.request].decided_again:
        good = seen.bearer and seen.status == 200
        yield _judged("POL-11", good, "200 with a bearer for an approved request", seen)


def errors_fit_the_state(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """A poll is refused as its state demands, whoever else polls; and a client that has waited is served."""
    if act.name == "poll as another":
        yield _judged("POL-05", seen.error == "invalid_grant", "invalid_grant for another client's code", seen)
    if act.name != "poll" or model.state(act.request) not in _ERRORS:
        return
    state = model.state(act.request)
    row, allowed = _ERRORS[state]
    if state == "denied" and model.is_past(act.request):
        allowed |= _ERRORS["expired"][1]
    yield _judged(row, seen.error in allowed, f"{' or '.join(sorted(allowed))} for a request that is {state}", seen)
    if state == "pending" and seen.paced:
        yield _judged("POL-17", seen.error != "slow_down", "authorization_pending for a client that has waited", seen)


PROPERTIES: Sequence[Property] = (
    no_bearer_without_an_approval,
    one_bearer_for_a_code,
    an_owner_token_never_at_mcp,
    a_client_token_never_outside_its_grant,
    what_is_decided_stays_decided,
    inactive_stays_inactive,
    what_is_good_stays_good,
    errors_fit_the_state,
)
"""All of them. Of what one answer breaks the first is told: the others follow from it."""


def judged_in(model: FlowModel, act: Act, seen: Seen) -> Iterator[Judged]:
    """Yield what an act put to the test; nothing where it was answered with "not now"."""
    if seen.answer is not None and seen.status not in (429, 503):
        for holds in PROPERTIES:
            yield from holds(model, act, seen)


def _judged(row: str, kept: bool, expected: str, seen: Seen) -> Judged:
    return Judged(row, kept, expected, seen.told)


def _row(why: Ended, act: Act) -> str:
    expired_at_mcp = why == "its time was over" and act.name == "use"
    return "RSC-07" if expired_at_mcp else _ENDED[why]


def _within(seen: Seen) -> bool:
    """Whether every stream that an answer tells of is one that was asked for."""
    told: Any = None if seen.answer is None else seen.answer.member("authorization_details")
    return told is None or (isinstance(told, list) and _streams(told) <= _streams(seen.asked_for))


def _streams(details: Sequence[Any]) -> set[tuple[str, str]]:
    """Return the streams of entries, with their sources; of what is no entry, something that nobody asks for."""
    found = set()
    for entry in details:
        members = entry if isinstance(entry, dict) else {}
        streams = members.get("streams")
        for stream in streams if isinstance(streams, list) else [None]:
            name = stream.get("name") if isinstance(stream, dict) else None
            found.add((str(members.get("source")), str(name)))
    return found
