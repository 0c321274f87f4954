"""The parties of a flow at a deployment: each does its act, and what it was answered is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pdpp_conformance.exchange import Answer, origin_of
from pdpp_conformance.fuzzing.acts import MCP_KIND, Act
from pdpp_conformance.fuzzing.flow_model import PASSING
from pdpp_conformance.html_pages import ticked
from pdpp_conformance.mcp_client import STATELESS_REVISION, McpSession, message_of
from pdpp_conformance.mcp_requests import ask, bearer, is_served
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.owner_decisions import visitor
from pdpp_conformance.reading import Reader
from pdpp_conformance.reading_checks import another_stream, reader
from pdpp_conformance.revisions import revisions_spoken
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Unmet
from pdpp_conformance.visitor import Visit, Visitor

_STAYING = {"the first client": "the client", "the second client": "another client"}
_OUTSIDE = "a query outside the grant"
_VISITOR = "the owner of the flows"


@dataclass(frozen=True)
class Seen:
    """What came of an act."""

    answer: Answer | None = None
    """The last answer; ``None`` where the act is no request."""
    served: bool = False
    """Whether the MCP resource gave a result."""
    paced: bool = False
    """Whether a poll came later than the interval in force demands."""
    asked_for: Sequence[Mapping[str, Any]] = ()
    """The ``authorization_details`` that the request behind it asked for."""

    @property
    def status(self) -> int | None:
        return None if self.answer is None else self.answer.status

    @property
    def error(self) -> str | None:
        return None if self.answer is None else self.answer.error

    @property
    def bearer(self) -> bool:
        """Whether an access token came."""
        return self.answer is not None and self.answer.member("access_token") is not None

    @property
    def active(self) -> bool:
        """Whether the answer says that a token is active (RFC 7662 §2.2)."""
        return self.answer is not None and self.answer.member("active") is True

    @property
    def told(self) -> str:
        """What was seen, in a few words."""
        if self.answer is None:
            return "nothing"
        more = " with a bearer" if self.bearer else ", active" if self.active else ", served" if self.served else ""
        return f"{self.answer.summary}{more}"


@dataclass
class _Held:
    """What a device holds."""

    client: OAuthClient
    device: DeviceAuthorization
    pairs: list[tuple[str, str | None]] = field(default_factory=list, repr=False)
    """Access and refresh token of each answer."""
    grant_id: str | None = None
    page: Visit | None = field(default=None, repr=False)
    """The page on which the owner decided; it stays open."""


@dataclass
class _Owner:
    """The owner, in every run the same."""

    visitor: Visitor
    presses_once: bool = False
    """Whether one press is known to make a decision here: the page behind it is not fetched then."""


class Parties:
    """The parties of one run of a flow; the clients that stay are the same in every run.

    Args:
        number: which run it is; its passing client is registered under that number.
    """

    def __init__(self, run: Run, number: int) -> None:
        self._run = run
        self._number = number
        self._held: dict[int, _Held] = {}

    def do(self, act: Act) -> Seen:
        """Let a party do its act.

        Raises:
            Blocked: it has no way to.
            NoAnswer: nothing answered.
            OffLimits: the deployment leads elsewhere.
        """
        doing: Callable[[Act], Seen] = getattr(self, f"_{act.name.replace(' ', '_')}")
        return doing(act)

    # -- devices and their clients -----------------------------------------------------------------------------------

    def _client(self, name: str) -> OAuthClient:
        return self._run.client(_STAYING.get(name) or f"{PASSING} {self._number}")

    def _start(self, act: Act) -> Seen:
        client = self._client(act.by)
        if act.detail == MCP_KIND:
            device = client.start("grant_scoped_mcp", self._run.one_stream())
        else:
            device = client.start("trusted_owner_agent")
        self._held[act.request] = _Held(client, device)
        return Seen(device.answer)

    def _poll(self, act: Act) -> Seen:
        held = self._held[act.request]
        device = held.device
        last, interval = device.last_polled_at, device.interval
        paced = last is not None and self._run.waiting.now() >= last + interval + 1
        return self._keep(held, device.poll_at_once(), paced=paced)

    def _poll_as_another(self, act: Act) -> Seen:
        held = self._held[act.request]
        first = self._run.client(_STAYING["the first client"])
        other = first if held.client is not first else self._run.client(_STAYING["the second client"])
        return Seen(other.redeem(held.device.device_code))

    def _refresh(self, act: Act) -> Seen:
        held = self._held[act.request]
        token = held.pairs[0 if act.detail == "first" else -1][1]
        if token is None:
            raise Blocked("no refresh token came", unblock="a deployment that issues them")
        return self._keep(held, held.client.refresh(token))

    def _revoke(self, act: Act) -> Seen:
        held = self._held[act.request]
        access, refresh = held.pairs[-1]
        token = access if act.detail == "access" else refresh
        if token is None:
            raise Blocked("no refresh token came", unblock="a deployment that issues them")
        return Seen(held.client.revoke(token))

    def _end_grant(self, act: Act) -> Seen:
        held = self._held[act.request]
        if held.grant_id is None:
            raise Blocked("the token response names no grant", unblock="grant_id in it")
        url = f"{origin_of(self._run.discovery.issuer)}/grants/{quote(held.grant_id, safe='')}/revoke"
        return Seen(self._run.recorder.send("POST", url, actor=held.client.name, bearer=held.pairs[-1][0]))

    def _remove_client(self, act: Act) -> Seen:
        client = self._client(act.by)
        answer = self._run.remove_client(client)
        if answer is not None and answer.status in (401, 403):  # the session is over: so much time has gone by
            self._run.approver.visit(self._held_by(client).device.verification_uri)
            answer = self._run.remove_client(client)
        if answer is None or answer.status not in (200, 204):
            raise Blocked("the client cannot be removed", unblock="an owner who can sign in")
        return Seen(answer)

    def _held_by(self, client: OAuthClient) -> _Held:
        return next(held for held in self._held.values() if held.client is client)

    def _keep(self, held: _Held, answer: Answer, *, paced: bool = False) -> Seen:
        access, refresh = answer.member("access_token"), answer.member("refresh_token")
        if isinstance(access, str):
            before = held.pairs[-1][1] if held.pairs else None
            held.pairs.append((access, refresh if isinstance(refresh, str) else before))
            grant_id = answer.member("grant_id")
            held.grant_id = grant_id if isinstance(grant_id, str) else held.grant_id
        asked_for = self._run.one_stream() if held.device.kind == MCP_KIND else ()
        return Seen(answer, paced=paced, asked_for=asked_for)

    # -- the owner, and time -----------------------------------------------------------------------------------------

    def _approve(self, act: Act) -> Seen:
        return self._decide(act, self._run.target.approver.approve)

    def _deny(self, act: Act) -> Seen:
        return self._decide(act, self._run.target.approver.deny)

    def _decide(self, act: Act, names: Any) -> Seen:
        held = self._held[act.request]
        owner = self._run.once(_VISITOR, self._owner)
        if held.page is None:
            held.page = owner.visitor.arrive(held.device)
        choice = held.page.page.offers(names, links=False)
        if owner.presses_once and choice is not None and choice.form.method == "POST":
            return Seen(owner.visitor.submit(choice.filled(ticked)))
        decided = owner.visitor.decide(held.page, names, signing_in=True)
        owner.presses_once = len(decided.pressed) == 1
        return Seen(decided.end.last)

    def _owner(self) -> _Owner:
        return _Owner(visitor(self._run))

    def _wait(self, act: Act) -> Seen:
        self._run.pause(float(act.detail), "what may come at any time")
        return Seen()

    # -- the resource servers ----------------------------------------------------------------------------------------

    def _introspect(self, act: Act) -> Seen:
        return Seen(self._run.introspect(self._held[act.request].pairs[0 if act.detail == "first" else -1][0]))

    def _use(self, act: Act) -> Seen:
        token = self._held[act.request].pairs[-1][0]
        if act.detail == "/mcp":
            answer = ask(self._run, bearer(token), actor="a client")
            return Seen(answer, served=is_served(answer))
        if act.detail == "the owner's REST surface":
            answer = self._run.rest("/streams", token, actor="a client")
            return Seen(answer, served=answer.status == 200)
        return self._read_outside(token)

    def _read_outside(self, token: str) -> Seen:
        outside = another_stream(self._run)
        arguments: Mapping[str, Any] = self._run.once(_OUTSIDE, lambda: self._reader().query_arguments(outside))
        stateless = STATELESS_REVISION in revisions_spoken(self._run)
        session = McpSession(
            self._run.recorder,
            self._run.discovery.mcp_resource,
            token,
            actor="a client",
            revision=STATELESS_REVISION if stateless else None,
        )
        answer = session.request("tools/call", {"name": "query_records", "arguments": dict(arguments)})
        try:
            result = message_of(answer).get("result") if answer.status == 200 else None
        except Unmet:
            result = None
        return Seen(answer, served=isinstance(result, dict) and not result.get("isError"))

    def _reader(self) -> Reader:
        return reader(self._run, self._run.client_token())
