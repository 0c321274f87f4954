"""What a run makes on the target (clients, grants, tokens): known before it is made, removed at the end, or told.

Every request passes :meth:`Cleanup.watch` on its way out, so that no scenario has to remember. A client is removed
with all that it holds; where that cannot be, its grants are revoked, and then its tokens.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote_plus

from pdpp_conformance.discovery import DEVICE_CODE_GRANT, Discovery
from pdpp_conformance.exchange import Answer, Headers, NoAnswer, OffLimits, Recorder
from pdpp_conformance.journal import Entry, Journal
from pdpp_conformance.verdict import Blocked, Conclusion

ACTOR = "the harness, cleaning up"

_GONE = (200, 204)
_MADE = (200, 201, 202)
_DEFAULT_LIFETIME_SECONDS = 3600.0


@dataclass(frozen=True)
class Residue:
    """Something the run made, or may have made, and could not remove."""

    what: str
    why: str
    can_do: str
    """What whoever has it can do with it."""
    expires: str | None
    """When that ends by itself, in RFC 3339; ``None`` where it does not, or nobody knows."""

    def to_json(self) -> dict[str, str | None]:
        return {"what": self.what, "why": self.why, "can_do": self.can_do, "expires": self.expires}

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        until = "" if self.expires is None else f" until {self.expires}"
        return f"left on the target: {self.what}, which {self.can_do}{until} ({self.why})"


class Owner(Protocol):
    """What only the owner, or the resource server, can do for the cleaning up."""

    def session_headers(self) -> Mapping[str, str]:
        """Return the headers of the owner's session; none where the owner cannot sign in."""
        ...

    def end_grant(self, grant_id: str) -> bool:
        """Revoke a grant on the owner's page; return whether that went well."""
        ...

    def end_package(self, package_id: str, grants: int) -> bool:
        """Revoke the grants of a package on the owner's page, so many; return whether that went well."""
        ...

    def is_active(self, token: str) -> bool | None:
        """Return whether a token introspects as active; ``None`` where that cannot be asked."""
        ...


class Memory:
    """A journal that nobody reads: of a run on a server that goes with the run."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self._lock = threading.Lock()

    def about_to(self, kind: str, **facts: Any) -> Entry:
        with self._lock:
            entry = self.entries[len(self.entries) + 1] = Entry(len(self.entries) + 1, kind, facts)
        return entry

    def made(self, entry: Entry, secret: Mapping[str, str], **facts: Any) -> None:
        entry.state, entry.secret = "made", dict(secret)
        entry.facts |= facts

    def nothing_came(self, entry: Entry) -> None:
        entry.state = "nothing"


class Cleanup:
    """Knows what the run made, and removes it.

    Args:
        journal: where it is written down; ``None`` where the server goes with the run.
    """

    def __init__(self, recorder: Recorder, journal: Journal | None) -> None:
        self._recorder = recorder
        self._journal = journal
        self._notes: Journal | Memory = journal or Memory()
        self._discovery: Discovery | None = None
        self._endpoints: dict[str, str] = {}

    def begin(self, discovery: Discovery) -> None:
        """From now on see everything that is made at the deployment's endpoints."""
        self._discovery = discovery
        for kind, name in (("client", "registration_endpoint"), ("token", "token_endpoint")):
            endpoint = discovery.endpoint(name)
            if endpoint is not None:
                self._endpoints[endpoint] = kind
        self._recorder.watch = self.watch

    def registered(self, client_id: str) -> bool:
        """Whether the run itself registered that client."""
        return any(entry.facts.get("client_id") == client_id for entry in self._of("client", "made"))

    def watch(self, method: str, url: str, headers: Headers, body: bytes | None, send: Callable[[], Answer]) -> Answer:
        """Send a request, after writing down what it may make, and write down what it made."""
        kind = self._endpoints.get(url.partition("?")[0]) if method == "POST" else None
        if kind is None:
            return send()
        asked = _members(body)
        if kind == "client":
            about = {"name": _text(asked.get("client_name"))}
        else:
            about = {"client_id": _text(asked.get("client_id")) or _basic_user(headers)}
        entry = self._notes.about_to(kind, **about)
        try:
            answer = send()
        except (Blocked, OffLimits):
            self._notes.nothing_came(entry)  # it was never sent
            raise
        if kind == "client":
            self._registered(entry, answer)
        else:
            self._issued(entry, answer)
        return answer

    def came_to_be(self, kind: str, answer: Answer, **about: str) -> None:
        """Write down what an answer made whose request did not come by :meth:`watch`.

        Args:
            kind: ``client`` or ``token``.
            about: the client's ``name``, or the ``client_id`` that the token is of.
        """
        entry = self._notes.about_to(kind, **about)
        (self._registered if kind == "client" else self._issued)(entry, answer)

    def _registered(self, entry: Entry, answer: Answer) -> None:
        client_id = answer.member("client_id")
        if answer.status not in _MADE or not isinstance(client_id, str) or not client_id:
            self._notes.nothing_came(entry)
            return
        management = {
            name: value
            for name in ("registration_client_uri", "registration_access_token")
            if isinstance(value := answer.member(name), str)
        }
        method = answer.member("token_endpoint_auth_method")
        self._notes.made(entry, management, client_id=client_id, public=method == "none")

    def expect(self, kind: str, **about: str) -> Entry:
        """Write down what a program that is about to be started may make; :meth:`found` tells, or :meth:`nothing_came`.

        Args:
            kind: ``client`` or ``token``.
            about: as for :meth:`came_to_be`.
        """
        return self._notes.about_to(kind, **about)

    def nothing_came(self, entry: Entry) -> None:
        """Write down that what was expected was not made."""
        self._notes.nothing_came(entry)

    def found_client(self, entry: Entry, client_id: str) -> None:
        """Write down as what the client is known that was expected."""
        self._notes.made(entry, {}, client_id=client_id, public=True)

    def found_token(self, entry: Entry, client_id: str, members: Mapping[str, Any]) -> None:
        """Write down the token that was expected, by the members of a token response, and whose it is."""
        self._told_token(entry, members.get, client_id=client_id)

    def _issued(self, entry: Entry, answer: Answer) -> None:
        self._told_token(entry, answer.member)

    def _told_token(self, entry: Entry, member: Callable[[str], Any], **about: str) -> None:
        tokens = {
            name: value
            for name in ("access_token", "refresh_token")
            if isinstance(value := member(name), str) and value
        }
        if not tokens:
            self._notes.nothing_came(entry)
            return
        lifetime: Any = member("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) else _DEFAULT_LIFETIME_SECONDS
        self._notes.made(
            entry,
            tokens,
            grant_id=_text(member("grant_id")),
            package_id=_text(member("grant_package_id")),
            scoped=any(member(name) for name in ("grant_id", "grant_package_id", "authorization_details")),
            grants=len(details) if isinstance(details := member("authorization_details"), list) else 1,
            refreshable="refresh_token" in tokens,
            expires=_moment_in(seconds),
            **about,
        )

    def close(self) -> None:
        """End the journal of a run that made nothing."""
        if self._journal is not None and not self._journal.ended and not self._journal.open_entries:
            self._journal.end()

    # -- removing ----------------------------------------------------------------------------------------------------

    def remove(self, owner: Owner) -> list[Residue]:
        """Remove everything; return what could not be. Once tried, all of it is tried again at the next call."""
        assert self._discovery is not None
        assert self._journal is not None
        residue: list[Residue] = []
        for entry in self._open("client"):
            problem = self._remove_client(entry, owner)
            held = [token for token in self._open("token") if token.facts["client_id"] == entry.facts.get("client_id")]
            if problem is None:
                still = self._first_active(held, owner)
                self._gone(entry)
                if still is None:
                    self._gone(*held)
                else:
                    residue.append(self._left(still, "its client was removed, and it is still active"))
            else:
                residue.append(self._left(entry, problem))
        for client_id in dict.fromkeys(entry.facts["client_id"] for entry in self._open("token")):
            held = [entry for entry in self._open("token") if entry.facts["client_id"] == client_id]
            residue += self._revoke(held, owner)
        self._journal.end()
        return residue

    def _remove_client(self, entry: Entry, owner: Owner) -> str | None:
        """Remove a client; return why that is not possible."""
        client_id = entry.facts.get("client_id")
        if entry.state == "about" or not isinstance(client_id, str):
            return "its registration was not answered, so that nobody knows whether it was registered, and as what"
        ways: list[tuple[str, Mapping[str, str], str | None]] = []
        managed, token = (entry.secret.get(f"registration_{name}") for name in ("client_uri", "access_token"))
        if managed is not None and token is not None:
            ways.append((managed, {}, token))  # RFC 7592 §2.3
        assert self._discovery is not None
        endpoint = self._discovery.endpoint("registration_endpoint")
        session = owner.session_headers() if not ways and endpoint is not None else {}
        if session:
            ways.append((f"{endpoint}/{quote(client_id, safe='')}", session, None))
        problem = "the owner could not sign in, without whom nobody removes a client"
        for url, headers, bearer in ways:
            answer = self._ask("DELETE", url, headers=headers, bearer=bearer)
            if isinstance(answer, str):
                problem = answer
            elif answer.status in _GONE or self._is_unknown(entry):
                return None
            else:
                problem = f"its removal was answered {answer.summary}"
        return problem

    def _is_unknown(self, entry: Entry) -> bool:
        """Whether the deployment knows a public client no more: an unknown code of its would else be invalid_grant."""
        assert self._discovery is not None
        endpoint = self._discovery.endpoint("token_endpoint")
        if endpoint is None or not entry.facts.get("public"):
            return False
        form = {
            "grant_type": DEVICE_CODE_GRANT,
            "device_code": secrets.token_urlsafe(32),
            "client_id": entry.facts["client_id"],
        }
        answer = self._ask("POST", endpoint, form=form)
        return isinstance(answer, Answer) and answer.error == "invalid_client"

    def _revoke(self, held: Sequence[Entry], owner: Owner) -> list[Residue]:
        """End the grants and tokens of one client that stays."""
        residue = []
        grants = dict.fromkeys((entry.facts.get("grant_id"), entry.facts.get("package_id")) for entry in held)
        for grant_id, package_id in grants:
            of_grant = [
                e for e in held if (e.facts.get("grant_id"), e.facts.get("package_id")) == (grant_id, package_id)
            ]
            ended = self._end_grant(grant_id, package_id, of_grant, owner)
            problems = {} if ended else {entry.number: self._revoke_tokens(entry) for entry in of_grant}
            failed = [entry for entry in of_grant if problems.get(entry.number) is not None]
            residue += [self._left(entry, str(problems[entry.number])) for entry in failed]
            rest = [entry for entry in of_grant if entry not in failed]
            still = self._first_active(rest, owner)
            if still is not None:
                residue.append(self._left(still, "its revocation was answered 200, and it is still active"))
            elif rest and not ended and not failed and (grant_id or package_id):
                residue.append(self._left(rest[-1], "its tokens were revoked, and nothing ends the grant itself"))
            self._gone(*(entry for entry in rest if entry.state != "left"))
        return residue

    def _end_grant(self, grant_id: str | None, package_id: str | None, held: Sequence[Entry], owner: Owner) -> bool:
        """Revoke a grant, with its own token or on the owner's page."""
        bearers = [entry.secret["access_token"] for entry in reversed(held) if "access_token" in entry.secret]
        assert self._discovery is not None
        if grant_id is not None and bearers:
            url = self._discovery.grant_revocation_urls(grant_id)[0]
            answer = self._ask("POST", url, bearer=bearers[0])
            if isinstance(answer, Answer) and answer.status in _GONE:
                return True
        try:
            if grant_id is not None:
                return owner.end_grant(grant_id)
            # Only of a package that is in force it is sure whose buttons stand beside its id.
            in_force = package_id is not None and bool(bearers) and owner.is_active(bearers[0])
            return bool(in_force) and owner.end_package(str(package_id), held[-1].facts.get("grants", 0))
        except (Conclusion, OffLimits):
            return False

    def _revoke_tokens(self, entry: Entry) -> str | None:
        """Revoke the tokens of one response (RFC 7009); return why that is not possible."""
        if entry.state == "about":
            return "the token request was not answered, so that nobody knows whether a token was issued"
        if not entry.secret:
            return "the token itself is not known any more, without which nobody can revoke it"
        assert self._discovery is not None
        endpoint = self._discovery.endpoint("revocation_endpoint")
        if endpoint is None:
            return "the metadata advertises no revocation endpoint"
        for name in ("refresh_token", "access_token"):
            if name in entry.secret:
                form = {"token": entry.secret[name], "client_id": entry.facts["client_id"] or ""}
                answer = self._ask("POST", endpoint, form=form)
                if isinstance(answer, str):
                    return answer
                if answer.status != 200:
                    return f"revocation was answered {answer.summary}"
        return None

    def _first_active(self, held: Sequence[Entry], owner: Owner) -> Entry | None:
        """Return an entry whose token is still active: every owner token is asked about, and the last of the others."""
        known = [entry for entry in held if "access_token" in entry.secret]
        sample = [entry for entry in known if not entry.facts.get("scoped")]
        sample += [entry for entry in known if entry.facts.get("scoped")][-1:]
        try:
            return next((entry for entry in sample if owner.is_active(entry.secret["access_token"])), None)
        except (Conclusion, OffLimits):
            return None

    def _ask(self, method: str, url: str, **more: Any) -> Answer | str:
        """Send a request; return its answer, or why there is none."""
        try:
            return self._recorder.send(method, url, actor=ACTOR, **more)
        except (Conclusion, OffLimits) as problem:
            return problem.observed if isinstance(problem, NoAnswer) else str(problem)

    def _gone(self, *entries: Entry) -> None:
        assert self._journal is not None
        for entry in entries:
            self._journal.removed(entry)

    def _left(self, entry: Entry, why: str) -> Residue:
        assert self._journal is not None
        self._journal.left(entry, why)
        return residue_of(entry, why)

    def _open(self, kind: str) -> list[Entry]:
        """What is to be removed yet."""
        return self._of(kind, "about", "made", "left")

    def _of(self, kind: str, *states: str) -> list[Entry]:
        return [entry for entry in list(self._notes.entries.values()) if entry.kind == kind and entry.state in states]


def residue_of(entry: Entry, why: str) -> Residue:
    """Tell what is left, what it can do, and until when."""
    facts = entry.facts
    if entry.kind == "client":
        name = facts.get("name") or "without a name"
        which = f" ({facts['client_id']})" if facts.get("client_id") else ""
        can_do = "can ask the owner for access, and holds whatever it was given"
        if entry.state == "about" or "client_id" not in facts:
            return Residue(f"perhaps a registered client, {name}", why, "can ask the owner for access", None)
        return Residue(f"the registered client {name}{which}", why, can_do, None)
    client = facts.get("client_id") or "a client"
    if "scoped" not in facts:
        return Residue(f"perhaps a token of {client}", why, "opens what the owner had approved", None)
    # How long a refresh token lives, nobody is told.
    refreshable = ", can be refreshed, and so outlives its own end," if facts.get("refreshable") else ""
    if not facts["scoped"]:
        can_do = f"opens everything of the owner's at the REST and control surfaces{refreshable}"
        return Residue(f"an owner token of {client}, bound to no grant", why, can_do, facts.get("expires"))
    grant = facts.get("grant_id") or facts.get("package_id") or "its grant"
    can_do = f"opens what {grant} covers at the MCP resource{refreshable}"
    return Residue(f"a client token of {client}, of {grant}", why, can_do, facts.get("expires"))


def _members(body: bytes | None) -> Mapping[str, Any]:
    """Return the members of a request's body, JSON or form."""
    text = (body or b"").decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return dict(parse_qsl(text))
    return value if isinstance(value, dict) else {}


def _basic_user(headers: Headers) -> str | None:
    """Return the client id of HTTP Basic (RFC 6749 §2.3.1)."""
    for name, value in headers:
        scheme, _, credentials = value.partition(" ")
        if name.lower() == "authorization" and scheme.lower() == "basic":
            try:
                return _text(unquote_plus(base64.b64decode(credentials).decode().partition(":")[0]))
            except ValueError:
                return None
    return None


def _text(value: Any) -> str | None:
    return value[:500] if isinstance(value, str) and value else None


def _moment_in(seconds: float) -> str:
    try:
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        moment = datetime.max.replace(tzinfo=UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
