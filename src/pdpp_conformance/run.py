"""One run: the target, what was discovered of it, and the parties that the scenarios send to it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pdpp_conformance.approver.approver import Approver, NoApprover, Page
from pdpp_conformance.approver.browser import BrowserApprover
from pdpp_conformance.approver.http import HttpApprover
from pdpp_conformance.approver.manual import ManualApprover
from pdpp_conformance.approver.pictures import Pictures
from pdpp_conformance.cleanup import Cleanup, Residue
from pdpp_conformance.data_offer import DataOffer, offer_of_schema, offer_of_target
from pdpp_conformance.discovery import DEVICE_CODE_GRANT, Discovery, discover
from pdpp_conformance.exchange import Answer, OffLimits, Recorder
from pdpp_conformance.mcp_client import McpSession
from pdpp_conformance.oauth_client import DeviceAuthorization, Kind, OAuthClient, TokenResponse, read_token_response
from pdpp_conformance.patience import Patience
from pdpp_conformance.plan import politeness_towards
from pdpp_conformance.polling import Conversations
from pdpp_conformance.record import Record
from pdpp_conformance.redaction import Redactor
from pdpp_conformance.replay import NotRecorded, ReplayedClock, ReplayedOwner, ReplayedRecorder, ReplayedServer
from pdpp_conformance.target import Credentials, Target
from pdpp_conformance.testimony import Testimony, WitnessedClock, take_down
from pdpp_conformance.verdict import Blocked, Conclusion, Excluded, NotApplicable
from pdpp_conformance.waiting import MovedClock, RealClock, Waiting, wait

if TYPE_CHECKING:
    from pdpp_conformance.bundled import BundledServer
    from pdpp_conformance.journal import Journal
    from pdpp_conformance.second_origin import SecondOrigin
    from pdpp_conformance.visitor import Visitor
    from pdpp_conformance.window import Window

T = TypeVar("T")

DEFAULT_MAX_WAIT_SECONDS = 60.0
CLIENT_NAME = "PDPP conformance run"
REDIRECT_URI = "http://127.0.0.1/callback"
"""Where clients of the authorization-code flow are registered to be answered; nobody has to listen there."""

EXPIRY_MARGIN_SECONDS = 2.0
"""How long after ``expires_in`` a code is taken as expired: a second of truncation, and the round trip."""

TOKEN_MARGIN_SECONDS = 30.0
"""How long before its expiry a token is not handed to a scenario any more."""

EXPIRING: Sequence[tuple[str, Kind]] = (
    ("undecided", "grant_scoped_mcp"),
    ("approved", "grant_scoped_mcp"),
    ("undecided", "trusted_owner_agent"),
    ("approved", "trusted_owner_agent"),
)
"""The device authorizations that are started first and judged last."""


@dataclass(frozen=True)
class Early:
    """Something else that has to begin before the first scenario, because it has to expire for some requirements."""

    rows: frozenset[str]
    begin: Callable[[Run], object]


EARLY: list[Early] = []
"""Whoever judges something that has to expire adds it here."""


def begins_early(*rows: str) -> Callable[[Callable[[Run], T]], Callable[[Run], T]]:
    """Let a function be called before the first scenario where one of the requirements is to be judged."""

    def add(begin: Callable[[Run], T]) -> Callable[[Run], T]:
        EARLY.append(Early(frozenset(rows), begin))
        return begin

    return add


@dataclass(frozen=True)
class _Kept:
    """A token that scenarios share, and when; a record is not always judged in the order of time."""

    token: TokenResponse
    since: float
    until: float
    number: int
    """The how manieth making of its name it came of, from 0."""


class Run:
    """Everything that lasts as long as the run. Parties are made when first needed, and reused.

    Args:
        tell: prints one progress line.
        journal: where it is written down what the run makes; ``None`` for the bundled server, which ends with it.
        record: of an earlier run; given to judge that one again, without a deployment.
    """

    def __init__(
        self,
        target: Target,
        report_dir: Path,
        tell: Callable[[str], None],
        journal: Journal | None = None,
        record: Record | None = None,
    ) -> None:
        self.target = target
        self.report_dir = report_dir
        self.redactor = Redactor()
        self.replayed = None if record is None else ReplayedRecorder(self.redactor, record)
        """What answers in place of the deployment, where a record is judged again."""
        self.recorder: Recorder = self.replayed or Recorder(
            self.redactor, politeness=politeness_towards(target), authorities=target.certification_authorities
        )
        self.cleanup = Cleanup(self.recorder, journal)
        self.testimony = Testimony(self.recorder)
        self.bundled: BundledServer | ReplayedServer | None = None
        self._record = record
        self.window: Window | None = None
        """The verification window around the run, where there is one."""
        self.residue: list[Residue] = []
        self.generated: Mapping[str, Any] | None = None
        """What generated requests were sent, and how they were answered, once that is over."""
        self.known_values: set[str] | None = None
        """Recognizable values of the owner's records, once they were read."""
        self._tell = tell
        self._clients: dict[str, OAuthClient] = {}
        self.registered: dict[str, Mapping[str, Any]] = {}
        """The answer to each client's registration, by client id."""
        self._unredeemed: DeviceAuthorization | None = None
        self._redeemed: DeviceAuthorization | None = None
        self._signed_in = False
        self._shared: dict[str, list[_Kept]] = {}
        self._asked_about: dict[str, str] = {}
        """In which part of the run a kept token was last asked about."""
        self._spare: TokenResponse | None = None
        self._made: dict[str, object] = {}
        self._offer: DataOffer | None = None
        self._expiring: dict[tuple[str, Kind], DeviceAuthorization] = {}
        self.second_origin: SecondOrigin | None = None
        """From whose pages the deployment is attacked, once a scenario needed it."""
        self._to_end: list[Callable[[], None]] = []
        self._mcp_sessions: list[McpSession] = []
        self.visitors: list[Visitor] = []
        """Everybody who visited the owner's pages by form, and may have signed in."""
        self.notes: list[str] = []
        """What the operator should know and no requirement tells, a sentence each."""
        self.conversations = Conversations(self)
        self.patience = Patience(self.pause)
        """With the owner's pages, of everybody who visits them by form."""
        self.waiting: Waiting
        self._clock: Waiting
        self.approver: Approver
        self.discovery: Discovery

    # -- beginning and end -------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the bundled server if no URL was given, and read the deployment's metadata.

        Raises:
            Unreachable: there is nothing to judge.
        """
        if self._record is not None:
            self._open_record(self._record)
        elif self.target.base_url is None:
            self._open_bundled()
        else:
            self._clock = RealClock(self.max_wait, self._tell)
            self.waiting = self.clock(self._clock)
            self._make_approver()
        self._register_known_secrets()
        target = self.target
        assert target.base_url is not None
        self.discovery = discover(self.recorder, target, target.base_url)
        self.cleanup.begin(self.discovery)

    def _open_bundled(self) -> None:
        """Start the bundled server; meanwhile the browser starts, which takes as long."""
        self.target = replace(
            self.target,
            owner_password=secrets.token_urlsafe(18),
            introspection=Credentials("conformance-resource-server", secrets.token_urlsafe(24)),
        )
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(_start_bundled, self.target)
            self.target = _described(self.target)
            self._make_approver()
            self.approver.prepare()
            self.bundled = starting.result()
        self.target = replace(self.target, base_url=self.bundled.base_url)
        self.recorder.allow_origin(self.bundled.issuer)
        self._clock = MovedClock(self.bundled.now, self.bundled.advance)
        self.waiting = self.clock(self._clock)

    def _open_record(self, record: Record) -> None:
        """Let the record answer in place of the deployment, the clock and the owner."""
        assert self.replayed is not None
        if record.evidence["bundled"]:
            self.bundled = ReplayedServer(record.evidence["issuer"])
            self.recorder.allow_origin(self.bundled.issuer)
        self._replayed_clock = ReplayedClock(
            record.evidence["testimony"], lambda: self.recorder.part, moved_by_hand=self.bundled is not None
        )
        self.waiting = self._replayed_clock
        if self.target.approver.kind in ("none", "http"):
            self._make_approver()
        else:
            self.approver = ReplayedOwner(self.target.approver.kind, record.evidence["testimony"], self.replayed)

    def clock(self, clock: Waiting) -> Waiting:
        """Return a clock that is taken down, or what was taken down of it."""
        return WitnessedClock(clock, self.testimony) if self._record is None else self._replayed_clock

    def rests_beyond(self, what: str) -> None:
        """Say that what is judged rests on something that no exchange shows: it cannot be judged from a record.

        Raises:
            Blocked: a record is being judged.
        """
        self.testimony.rests_beyond(what)
        if self._record is not None:
            raise NotRecorded(what)

    def _register_known_secrets(self) -> None:
        introspection = self.target.introspection
        for secret, word in (
            (self.target.owner_password, "password"),
            (introspection.secret if introspection else None, "client_secret"),
        ):
            if secret:
                self.redactor.register(secret, word)
            if secret and self.replayed is not None:
                self.replayed.stand_ins.bind(f"⟨{word}:1⟩", secret)

    @property
    def max_wait(self) -> float:
        """How many seconds the run may really wait in all."""
        return max_wait_of(self.target)

    def close(self) -> None:
        """Remove what was created, and end what was started; what cannot be removed is residue."""
        self.recorder.scenario = None
        self.recorder.politeness.begin_cleaning_up()
        self.conversations.stop()
        if self.bundled is None and self._record is None:
            self._end_mcp_sessions()
        try:
            if hasattr(self, "discovery") and self.bundled is None and self._record is None:
                from pdpp_conformance.cleanup_owner import OwnerOfRun

                self.residue = self.cleanup.remove(OwnerOfRun(self))
                self._leave()
        finally:
            self.cleanup.close()
            for end in reversed(self._to_end):
                end()
            if hasattr(self, "approver"):
                self.approver.close()
            self.recorder.close()
            if self.bundled is not None:
                self.bundled.stop()

    def _leave(self) -> None:
        """Let the owner sign out of every session."""
        from pdpp_conformance.owner_departure import leave

        told = leave(self)
        if told is not None:
            self.notes.append(told)

    def _end_mcp_sessions(self) -> None:
        """End the conversations that the MCP resource keeps, while their bearers are good."""
        for session in self._mcp_sessions:
            with suppress(Conclusion, OffLimits):
                session.end()

    def at_end(self, end: Callable[[], None]) -> None:
        """Let ``end`` be called when the run is over: it ends what a scenario started."""
        self._to_end.append(end)

    def _make_approver(self) -> None:
        words = self.target.approver
        if words.kind == "none":
            self.approver = NoApprover(
                "nobody plays the owner (--approver none)", "--approver browser and the owner's password"
            )
        elif words.kind == "http":
            self.approver = HttpApprover(
                words,
                self.recorder,
                self.patience,
                username=self.target.owner_username,
                password=self.target.owner_password,
            )
        elif words.kind == "manual":
            self.approver = ManualApprover(self._tell, lambda: self.waiting)
        else:
            self.approver = BrowserApprover(
                words,
                self.recorder,
                username=self.target.owner_username,
                password=self.target.owner_password,
                pictures=Pictures(self.report_dir / "attachments", self.report_dir),
                # Elsewhere a client that was approved before may be asked about with a press fewer, which would decide.
                reads_on=self.target.profile == "pdpp",
                # What the browser does is taken down as what the owner did, its waits included.
                patience=Patience(lambda seconds, what_for: wait(self._clock, seconds, what_for)),
            )
        if words.kind != "http":
            take_down(self.approver, self.testimony, self.recorder)

    # -- parties -----------------------------------------------------------------------------------------------------

    def client(
        self,
        name: str = "the client",
        *,
        grant_types: Sequence[str] = (DEVICE_CODE_GRANT, "refresh_token"),
        metadata: Mapping[str, Any] | None = None,
    ) -> OAuthClient:
        """Return the client of that name, made known to the deployment at the first call.

        Args:
            metadata: client metadata to register besides, or instead of, the usual; such a client has to be registered.

        Raises:
            Blocked: the deployment offers no way that the harness can use.
        """
        if name not in self._clients:
            self._clients[name] = self._make_client(name, grant_types, metadata)
        return self._clients[name]

    def has_registered(self, client: OAuthClient) -> bool:
        """Whether the run itself registered a client, so that its metadata is known and the client's own."""
        return self.cleanup.registered(client.client_id)

    def owner_token(self) -> TokenResponse:
        """Return the run's one owner token, from a trusted owner-agent device authorization.

        Raises:
            Blocked: the deployment does not issue one.
        """
        return self._kept("owner", self._make_owner_token)

    def _make_owner_token(self) -> TokenResponse:
        device = self.client("the owner agent").start("trusted_owner_agent")
        self.approver.approve(device)
        return read_token_response(device.poll())

    def offer(self) -> DataOffer:
        """Return what there is to ask for: the target file's word, else what the owner's REST surface tells.

        Raises:
            Blocked: neither tells.
            NotApplicable: the target's profile knows of no streams.
        """
        self.needs_pdpp("streams to ask for")
        if self._offer is None:
            if self.target.authorization_details is not None:
                self._offer = offer_of_target(self.target.authorization_details, self.target.stream_outside_the_grant)
            else:
                self._offer = self._offer_from_rest()
        return self._offer

    def one_stream(self) -> list[dict[str, Any]]:
        """Return ``authorization_details`` for the first stream there is to ask for, where there are streams at all."""
        if self.target.profile == "rfc8628":
            return []
        source, stream = self.offer().first_stream()
        return [self.offer().entry(source, [{"name": stream.name}])]

    def two_streams(self) -> list[dict[str, Any]]:
        """Return ``authorization_details`` for two streams of one source.

        Raises:
            Blocked: no source with two streams is known.
        """
        source = self.offer().source_with(2)
        return [self.offer().entry(source, [{"name": stream.name} for stream in source.streams[:2]])]

    def first_of_two_streams(self) -> str:
        """Return the name of the first stream of :meth:`two_streams`."""
        return str(self.two_streams()[0]["streams"][0]["name"])

    def second_stream(self) -> str:
        """Return the name of the second stream of :meth:`two_streams`."""
        return str(self.two_streams()[0]["streams"][1]["name"])

    def two_sources(self) -> list[dict[str, Any]]:
        """Return ``authorization_details`` for a stream of each of two sources.

        Raises:
            Blocked: only one source is known.
        """
        offer = self.offer()
        return [offer.entry(source, [{"name": source.streams[0].name}]) for source in offer.two_sources()]

    def client_token(self) -> TokenResponse:
        """Return the run's one client token for one stream; scenarios that would spoil it get their own."""
        return self.shared_token("client", self.one_stream)

    def package_token(self) -> TokenResponse:
        """Return the run's one client token for a package of two sources."""
        return self.shared_token("package", self.two_sources)

    def narrowed_token(self) -> TokenResponse:
        """Return the run's one client token for two streams of which the owner left out the second."""
        second = [self.second_stream()]
        return self.shared_token("narrowed", self.two_streams, without_streams=second)

    def shared_token(
        self, name: str, details: Callable[[], list[dict[str, Any]]], *, without_streams: Sequence[str] = ()
    ) -> TokenResponse:
        """Return the run's one token of that name, granted for ``details`` at the first call."""
        return self._kept(
            f"shared: {name}", lambda: self.granted(details(), self.client(), without_streams=without_streams)
        )

    def _kept(self, name: str, obtain: Callable[[], TokenResponse]) -> TokenResponse:
        """Return the token of that name; one whose time is over, or nearly so, gives way to another."""
        now = self.waiting.now()
        kept = self._shared.setdefault(name, [])
        held = next((one for one in reversed(kept) if one.since <= now <= one.until), None)
        if held is not None and self._has_ended(name, held.token):
            kept.remove(held)
            held = None
        # From a record several may have to be made in a row: those between were used by nobody whom it can judge.
        while held is None:
            with self.testimony.making(name):
                since = self.waiting.now()
                token = obtain()
            good_for = max(0.0, token.lifetime - min(TOKEN_MARGIN_SECONDS, token.lifetime / 2))
            kept.append(_Kept(token, since, since + good_for, self.testimony.times_made(name) - 1))
            held = kept[-1] if now <= kept[-1].until else None
        self.testimony.using(name, held.number)
        return held.token

    def _has_ended(self, name: str, token: TokenResponse) -> bool:
        """Whether a kept token came to its end together with another, asked once a part of the run.

        PDPP's requests have a grant each. Elsewhere a server may keep one grant for all that a client asked for, and
        end all of its tokens when one is revoked or replayed (RFC 7009 §2.1, RFC 6749 §10.4).
        """
        if self.target.profile == "pdpp" or self._asked_about.get(name) == self.recorder.part:
            return False
        self._asked_about[name] = self.recorder.part
        try:
            return self.introspect(token.access_token).member("active") is False
        except Blocked:
            return False  # nobody can be asked

    def client_of_its_own(self, what_for: str) -> OAuthClient:
        """Return the client of something that has to last, though another client's grants are ended meanwhile.

        Raises:
            Blocked: only one client is known.
        """
        return self.client() if self.target.profile == "pdpp" else self.client(f"the client of {what_for}")

    def pause(self, seconds: float, what_for: str) -> None:
        """Wait on the clock that the target is judged by.

        Raises:
            Blocked: the run may not wait that long.
        """
        wait(self.waiting, seconds, what_for)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` gave at the first call under ``name``: what scenarios share and none of them spoils."""
        if name not in self._made:
            with self.testimony.making(name):
                self._made[name] = make()
        self.testimony.using(name)
        return cast(T, self._made[name])

    def spare_token(self) -> TokenResponse:
        """Return a client token, issued just now, that the scenario may spoil together with its whole grant.

        It comes of a refresh while the grant behind the last one is still good, else of an approval.
        """
        self.testimony.takes("a spare token")
        last, self._spare = self._spare, None
        if last is not None and last.refresh_token is not None:
            with suppress(Conclusion):
                self._spare = self.refreshed(last)
        if self._spare is None:
            self._spare = self.granted(self.one_stream(), self.client())
            self.testimony.leaves("a spare token")
        return self._spare

    def refreshed(self, token: TokenResponse) -> TokenResponse:
        """Let the client refresh, and go on from what it gets.

        Raises:
            Blocked: nothing comes of it.
        """
        assert token.refresh_token is not None
        return self.keep_spare(token, self.client().refresh(token.refresh_token))

    def keep_spare(self, token: TokenResponse, answer: Answer) -> TokenResponse:
        """Read what ``token`` was refreshed to, for the next scenario to go on from.

        Without a new refresh token the old one stays in use (RFC 6749 §6).

        Raises:
            Blocked: there is no access token in the answer.
        """
        fresh = read_token_response(answer, "a refresh")
        self.testimony.leaves("a spare token")
        self._spare = replace(fresh, refresh_token=fresh.refresh_token or token.refresh_token)
        return self._spare

    @property
    def client_kinds(self) -> tuple[str, ...]:
        """The names of the kind ``client``; a package's may be called ``mcp_package`` where the metadata lists it."""
        listed = self.discovery.mcp_resource_metadata.content.get("pdpp_token_kinds_supported")
        package = isinstance(listed, list) and "mcp_package" in listed
        return ("client", "mcp_package") if package else ("client",)

    def decision_page(self, kind: Kind) -> Page:
        """Return the decision page of a request of a kind, as the owner reads it: opened once, nothing decided."""
        return self.once(f"the decision page, {kind}", lambda: self._read_new_decision(kind))

    def _read_new_decision(self, kind: Kind) -> Page:
        return self.read_decision(self.client().start(kind, self._asked_for(kind)))

    def _asked_for(self, kind: Kind) -> Sequence[Mapping[str, Any]]:
        return self.one_stream() if kind == "grant_scoped_mcp" else ()

    def read_decision(self, device: DeviceAuthorization, *, complete: bool = False) -> Page:
        """Return the decision page of a request, nothing decided; a decision of several pages is read whole.

        How many pages a decision takes is seen at the first approvals of its kind, so they come before.
        """
        with suppress(Conclusion):  # where nothing can be approved the first page is all there is to read
            if device.kind == "grant_scoped_mcp":
                self.client_token()
            else:
                self.owner_token()
            if not self.approver.knows_presses(device.kind):
                another = device.client.start(device.kind, self._asked_for(device.kind))
                self.approver.approve(another, on_the_page=True)
        return self.approver.read(device, complete=complete)

    def approved(self, device: DeviceAuthorization) -> DeviceAuthorization:
        """Let the owner approve a request."""
        self.approver.approve(device)
        return device

    def approved_and_waiting(self) -> DeviceAuthorization:
        """Return an approved MCP device authorization that is not redeemed; scenarios that leave it so share it."""
        self.testimony.takes("an approved device authorization")
        held = self._unredeemed
        if held is None or held.redeemed is not None or held.expires_at < self.waiting.now() + 30:
            held = self._unredeemed = self.approved(self.client().start("grant_scoped_mcp", self.one_stream()))
            self.testimony.leaves("an approved device authorization")
        return held

    def stop_sharing(self) -> None:
        """Hand no device on that a scenario may have left otherwise than it found it."""
        self._unredeemed = self._redeemed = None

    def redeemed(self) -> DeviceAuthorization:
        """Return an MCP device authorization whose code was redeemed; scenarios that need no live token share it."""
        self.testimony.takes("a redeemed device authorization")
        if self._redeemed is None:
            self.testimony.leaves("a redeemed device authorization")
            device = self.approved(self.client().start("grant_scoped_mcp", self.one_stream()))
            read_token_response(device.poll())
            self._redeemed = device
        return self._redeemed

    def denied(self, device: DeviceAuthorization) -> DeviceAuthorization:
        """Let the owner deny a request."""
        self.approver.deny(device)
        return device

    def last_token(self, device: DeviceAuthorization) -> TokenResponse:
        """Return the token that a device code was redeemed to.

        Raises:
            Blocked: it was not.
        """
        if device.redeemed is None:
            raise Blocked(
                "the device code was not redeemed", unblock="a deployment that redeems an approved device code"
            )
        return read_token_response(device.redeemed)

    def owner_session(self) -> Sequence[tuple[str, str]]:
        """Return the owner's cookies at the deployment, after the owner signed in for the run's own token."""
        self.owner_token()
        return self.approver.session_cookies()

    def granted(
        self, details: Sequence[Mapping[str, Any]], client: OAuthClient, *, without_streams: Sequence[str] = ()
    ) -> TokenResponse:
        """Let a client ask for ``details``, the owner approve, and the client redeem.

        Raises:
            Blocked: any of it does not work.
        """
        device = client.start("grant_scoped_mcp", details)
        self.approver.approve(device, without_streams=without_streams)
        return read_token_response(device.poll())

    def mcp(self, bearer: str | None, *, actor: str) -> McpSession:
        """Return a conversation with the MCP resource under a bearer.

        Raises:
            NotApplicable: the target's profile has none.
        """
        self.needs_pdpp("an MCP resource")
        session = McpSession(
            self.recorder, self.discovery.mcp_resource, bearer, actor=actor, revision=self.target.mcp_revision
        )
        self._mcp_sessions.append(session)
        return session

    def needs_pdpp(self, what: str) -> None:
        """Let a scenario go on that needs something of PDPP's to see whether a standard's rule is kept.

        Raises:
            NotApplicable: the target's profile does not ask for it.
        """
        if self.target.profile != "pdpp":
            raise NotApplicable(f"this is seen by {what}, which the profile {self.target.profile} does not ask for")

    def rest(self, path: str, bearer: str | None, *, actor: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a path of the owner's REST surface.

        Raises:
            Blocked: the metadata names no query base.
            NotApplicable: the target's profile has none.
        """
        self.needs_pdpp("the owner's REST surface")
        base = self.discovery.query_base
        if base is None:
            raise Blocked(
                "the metadata names no query base for owner tokens",
                unblock="protected resource metadata with pdpp_core_query_base or owner-agent onboarding",
            )
        return self.recorder.send("GET", base + path, actor=actor, bearer=bearer, headers=headers or {})

    def introspect(self, token: str) -> Answer:
        """Introspect a token as the resource server (RFC 7662 §2.1).

        Raises:
            Blocked: there is no endpoint, or no credentials for it.
        """
        url = self.discovery.endpoint("introspection_endpoint")
        if url is None:
            raise Blocked(
                "the metadata advertises no introspection endpoint", unblock="introspection_endpoint in metadata"
            )
        credentials = self.target.introspection
        if credentials is None:
            raise Blocked(
                "introspection needs the resource server's credentials",
                unblock="PDPP_INTROSPECTION_CLIENT_ID and PDPP_INTROSPECTION_CLIENT_SECRET",
            )
        return self.recorder.send(
            "POST",
            url,
            actor="the resource server",
            form={"token": token},
            basic=(credentials.identifier, credentials.secret),
        )

    def restart(self) -> None:
        """Restart the server.

        Raises:
            Excluded: the target is not the bundled server.
        """
        if self.bundled is None:
            raise Excluded("a restart needs control of the server, which a run against a URL does not have")
        self.bundled.restart()

    # -- what takes its time: started first, judged last -------------------------------------------------------------

    def begin_conversations(self) -> None:
        """Let the devices begin that poll beside the run."""
        with suppress(Conclusion, OffLimits):  # the scenario that asks for one will tell
            self.conversations.begin()

    def start_expiring(self, rows: AbstractSet[str]) -> None:
        """Start what has to expire, so that its time runs while other things are judged.

        Args:
            rows: the requirements that are to be judged.
        """
        started: list[Callable[[Run], object]] = [
            partial(Run._expiring_device, state=state, kind=kind) for state, kind in EXPIRING
        ]
        for start in [*started, *(early.begin for early in EARLY if early.rows & rows)]:
            try:
                start(self)
            except (Conclusion, OffLimits):
                continue  # the scenario that needs it will tell

    def expired(self, state: str, kind: Kind) -> DeviceAuthorization:
        """Return a device authorization whose codes have expired, ``undecided`` or ``approved`` before.

        Raises:
            Blocked: the run may not wait that long.
        """
        device = self._expiring_device(state, kind)
        self.waiting.until(device.expires_at + EXPIRY_MARGIN_SECONDS, f"the {state} device code to expire")
        return device

    def _expiring_device(self, state: str, kind: Kind) -> DeviceAuthorization:
        if (state, kind) not in self._expiring:
            device = self._client_of_expiring().start(kind, self._asked_for(kind))
            if state == "approved":
                self.approver.approve(device)
            self._expiring[state, kind] = device
        return self._expiring[state, kind]

    def _client_of_expiring(self) -> OAuthClient:
        try:
            return self.client_of_its_own("codes that expire")
        except Blocked:
            return self.client()

    # -- how the parties are made ------------------------------------------------------------------------------------

    def _make_client(
        self, name: str, grant_types: Sequence[str], metadata: Mapping[str, Any] | None = None
    ) -> OAuthClient:
        wanted = self.target.client
        if metadata is not None and (
            wanted.registration != "dynamic" or self.discovery.endpoint("registration_endpoint") is None
        ):
            raise Blocked(
                f"{name} has to be registered with metadata of its own, and clients cannot be registered here",
                unblock="a registration endpoint, and client.registration: dynamic in the target file",
            )
        if wanted.registration != "dynamic" and wanted.client_id is not None:
            if self._clients and name not in ("the client", "the owner agent"):
                raise Blocked(
                    "the target file names one client, and this needs another",
                    unblock="client.registration: dynamic in the target file",
                )
            return self._client(wanted.client_id, name)
        if self.discovery.endpoint("registration_endpoint") is not None:
            return self._client(self._register(name, grant_types, metadata or {}), name)
        listed = self.discovery.authorization_server.content.get("pdpp_pre_registered_public_clients")
        known = [
            client["client_id"]
            for client in (listed if isinstance(listed, list) else [])
            if isinstance(client, dict) and isinstance(client.get("client_id"), str)
        ]
        free = [
            client_id for client_id in known if client_id not in {made.client_id for made in self._clients.values()}
        ]
        if name in ("the client", "the owner agent") and known:
            return self._client(known[0], name)
        if name == "another client" and free:
            return self._client(free[-1], name)
        raise Blocked(
            f"the deployment offers no way to come by {name}: no client can be registered, "
            f"and {'none of those' if known else 'none'} that the metadata lists will do",
            unblock="client.client_id in the target file" if not known else "a registration endpoint in metadata",
        )

    def _client(self, client_id: str, name: str) -> OAuthClient:
        return OAuthClient(
            client_id,
            name=name,
            recorder=self.recorder,
            discovery=self.discovery,
            waiting=self.waiting,
            scope=self.target.client.scope,
        )

    def register(self, metadata: Any, *, actor: str) -> Answer:
        """Register a client (RFC 7591 §3.1); whatever came to be registered is removed at the end.

        Raises:
            Blocked: no registration endpoint is advertised, or the target file says not to use it.
        """
        endpoint = self.discovery.endpoint("registration_endpoint")
        wanted = self.target.client
        if endpoint is None or (wanted.registration != "dynamic" and wanted.client_id is not None):
            raise Blocked(
                "no clients can be registered: the metadata or the target file says so",
                unblock="registration_endpoint in metadata, and client.registration: dynamic in the target file",
            )
        headers = self.owner_session_headers()
        answer = self.recorder.send("POST", endpoint, actor=actor, json_body=metadata, headers=headers)
        client_id = answer.member("client_id")
        if isinstance(client_id, str) and client_id:
            self.registered[client_id] = answer.json_object()
        return answer

    def _register(self, name: str, grant_types: Sequence[str], added: Mapping[str, Any]) -> str:
        metadata: dict[str, Any] = {
            "client_name": f"{CLIENT_NAME}: {name}",
            "grant_types": list(grant_types),
            "token_endpoint_auth_method": "none",
            **added,
        }
        if "authorization_code" in grant_types:
            metadata |= {"redirect_uris": [REDIRECT_URI], "response_types": ["code"]}
        answer = self.register(metadata, actor=name)
        if answer.error == "invalid_redirect_uri" or (answer.status == 400 and "redirect_uris" not in metadata):
            # Some servers want a redirect URI even of a client that will never use one.
            metadata |= {"redirect_uris": [REDIRECT_URI]}
            answer = self.register(metadata, actor=name)
        if answer.status == 400 and "response_types" not in metadata:
            # Others take the default, code (RFC 7591 §2), and then want its grant type too.
            answer = self.register({**metadata, "redirect_uris": [], "response_types": []}, actor=name)
        client_id = answer.member("client_id")
        if not isinstance(client_id, str):
            raise Blocked(
                f"registering a client was answered {answer.summary}",
                unblock="a registration endpoint that takes a public client, or client.client_id in the target file",
            )
        return client_id

    def owner_session_headers(self) -> dict[str, str]:
        """Return the owner's session, where one is to be had: a client registered in it can be removed in it."""
        if self.approver.kind not in ("browser", "http"):
            return {}
        try:
            self._sign_in_once()
            cookies = self.approver.session_cookies()
        except (Conclusion, OffLimits):
            return {}
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies)} if cookies else {}

    def _sign_in_once(self) -> None:
        """Let the owner sign in at the page that the metadata names, before anything else needs it."""
        url = self.discovery.owner_agent_onboarding.get("owner_approval_url")
        if not self._signed_in and isinstance(url, str) and self.recorder.is_allowed(url):
            self._signed_in = True
            self.approver.visit(url)

    def _offer_from_rest(self) -> DataOffer:
        details_type = self.discovery.authorization_details_type
        if details_type is None:
            raise Blocked(
                "the metadata advertises no authorization_details type",
                unblock="authorization_details to ask for, in the target file",
            )
        bearer = self.owner_token().access_token
        documents = []
        for path in ("/schema", "/streams"):
            try:
                documents.append(self.rest(path, bearer, actor="the owner agent").json())
            except Conclusion:
                continue
        return offer_of_schema(details_type, documents)

    def remove_client(self, client: OAuthClient) -> Answer | None:
        """Remove a client that the run registered, as its owner (PDPP wire contract §3).

        Returns:
            The answer; ``None`` where the owner has no session to do it in.
        """
        headers = self.owner_session_headers()
        if not headers:
            return None
        endpoint = self.discovery.endpoint("registration_endpoint")
        answer = self.recorder.send("DELETE", f"{endpoint}/{client.client_id}", actor="the owner", headers=headers)
        if answer.status in (200, 204):
            self._clients = {name: made for name, made in self._clients.items() if made is not client}
        return answer


def max_wait_of(target: Target) -> float:
    """Return how many seconds a run against a target may really wait in all."""
    given = target.limits.max_wait
    return DEFAULT_MAX_WAIT_SECONDS if given is None else given


def _described(target: Target) -> Target:
    """Return the target as an operator of the bundled server, in the shape it has, would describe it."""
    if "PDPP_BUNDLED_SHAPE" not in os.environ:
        return target  # spares the import, which takes as long as the browser's start
    from pdpp_conformance.bundled import described

    return described(target)


def _start_bundled(target: Target) -> BundledServer:
    from pdpp_conformance.bundled import BundledServer

    assert target.owner_password is not None
    assert target.introspection is not None
    bundled = BundledServer(target.owner_password, target.introspection)
    bundled.start()
    return bundled
