"""`pdpp connect`: from an MCP server's URL to a kept, grant-scoped credential, headless or in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from pdpp_reference.setup_client.bearer_check import Checked
from pdpp_reference.setup_client.browser_flow import WAIT_SECONDS, BrowserFlow
from pdpp_reference.setup_client.clock import Deadline
from pdpp_reference.setup_client.credentials import Credential
from pdpp_reference.setup_client.device_flow import Codes, tell_codes
from pdpp_reference.setup_client.discovery import AuthorizationServer, Resource
from pdpp_reference.setup_client.failures import NoAnswer, Refused, SetupFailure, Usage
from pdpp_reference.setup_client.report import Report, command_line
from pdpp_reference.setup_client.surroundings import Surroundings
from pdpp_reference.setup_client.tokens import Token, told_access

DEFAULT_PURPOSE = "https://pdpp.dev/purpose/personal_ai_assistant"
PREPARATION_SECONDS = 90.0
"""What everything before the codes may take, where no time is given."""
AFTERWARDS_SECONDS = 60.0
"""What is left for checking a credential, where no time is given."""
MOST_STEP_UPS = 2
"""How often more scope is asked for, at most (MCP authorization, step-up)."""

NOT_ADVERTISED = (
    "This deployment does not advertise device authorization for MCP clients.",
    "Use an MCP client that can open a browser on this machine: authorization code with PKCE (pdpp connect --browser "
    "prints the URL, and ends by itself when its time is over).",
    "Owner-agent access is no way around it: /mcp rejects an owner's token by design.",
)


@dataclass(frozen=True)
class ConnectOptions:
    """What the person asked for."""

    url: str
    source: str | None = None
    source_kind: str = "connector"
    streams: tuple[str, ...] = ()
    since: str | None = None
    purpose: str = DEFAULT_PURPOSE
    client_id: str | None = None
    timeout: float | None = None
    browser: bool = False
    """Whether a browser on this machine is used: authorization code instead of device authorization."""
    shown_by: tuple[str, ...] = ()
    """The options that say how it is shown, to be typed again."""

    @property
    def words(self) -> list[str]:
        """The command as it was typed, to be typed again."""
        words = ["pdpp", "connect", self.url]
        words += ["--source", self.source] if self.source is not None else []
        words += ["--source-kind", self.source_kind] if self.source_kind != "connector" else []
        words += [word for name in self.streams for word in ("--stream", name)]
        words += ["--since", self.since] if self.since is not None else []
        words += ["--purpose", self.purpose] if self.purpose != DEFAULT_PURPOSE else []
        words += ["--client-id", self.client_id] if self.client_id is not None else []
        words += ["--timeout", f"{self.timeout:g}"] if self.timeout is not None else []
        words += ["--browser"] if self.browser else []
        return [*words, *self.shown_by]


def concluded(report: Report, words: Sequence[str], work: Callable[[], None]) -> int:
    """Do ``work``; tell a failure with what to do about it, and return the exit status."""
    retry = command_line(words)
    try:
        work()
    except SetupFailure as failure:
        guidance = NOT_ADVERTISED if isinstance(failure, NotAdvertised) else ()
        report.tell(
            "failed",
            reason=failure.reason,
            error=failure.error,
            exit_status=failure.exit_status,
            guidance=guidance,
            retry=retry,
        )
        return failure.exit_status
    except KeyboardInterrupt:
        report.tell("failed", reason="interrupted", error=None, exit_status=130, guidance=(), retry=retry)
        return 130
    except Exception as error:
        reason = f"an error of this program's own ({type(error).__name__}); please report it"
        report.tell("failed", reason=reason, error=None, exit_status=70, guidance=(), retry=retry)
        return 70
    return 0


class NotAdvertised(Refused):
    """There is no device authorization for MCP clients."""


class Connection:
    """One setup."""

    def __init__(self, options: ConnectOptions, surroundings: Surroundings, report: Report) -> None:
        self._options = options
        self._parts = surroundings.parts
        self._clock = surroundings.clock
        self._report = report
        self._store = self._parts.store(surroundings.folder)
        self._deadline = Deadline.after(self._clock, options.timeout or PREPARATION_SECONDS)
        self._http = self._parts.http(self._clock, self._deadline, surroundings.wrap)

    def connect(self) -> None:
        """Discover, authorize, check, keep.

        Raises:
            SetupFailure: there is no credential.
        """
        try:
            self._connect()
        finally:
            self._http.close()

    def _connect(self) -> None:
        discovery = self._parts.discovery(self._http)
        resource = discovery.resource(discovery.mcp_url(self._options.url))
        server = discovery.authorization_server(resource.issuer)
        self._report.tell("resource", resource=resource.identifier, issuer=server.issuer, url=resource.url)
        if not self.may_begin(server):
            raise self.not_advertised(resource)
        details = self.authorization_details(server)
        if self._options.browser:
            self._connect_in_browser(server, resource, details)
            return
        kept = self._store.find(server.issuer, resource.identifier)
        client_id = self._identify(server, None if kept is None else kept.client_id)
        scope = resource.scope
        for step in count():
            token = self._authorize(server, resource, client_id, scope, details)
            checked = self._check(resource, token)
            if not checked.refused:
                self._keep(server, resource, client_id, token)
                return
            united = self.united(scope, checked)
            if not self.steps_up(scope, united, step):
                break
            scope = united
            self._report.tell(
                "step_up", scope=scope, text=f"The server asks for more, and that needs another approval: {scope}"
            )
        raise Refused(
            f"{resource.url} does not accept the token that was issued for it ({checked.status}); it was not kept"
        )

    def may_begin(self, server: AuthorizationServer) -> bool:
        """Whether a client gets a grant-scoped token here in the way that was asked for."""
        return self._options.browser or server.offers_device_authorization()

    def _connect_in_browser(self, server: AuthorizationServer, resource: Resource, details: str | None) -> None:
        flow = BrowserFlow(self._http, self._clock, self._report, server)
        try:
            identity = self._parts.identity(self._http)
            client_id, how = identity.client_id(
                server, given=self._options.client_id, kept=None, redirect_uri=flow.redirect_uri
            )
            self._report.tell("client", client_id=client_id, how=how)
            if self._options.timeout is None:
                self._deadline.ends = self._clock.now() + WAIT_SECONDS
            request = [("resource", resource.identifier)]
            request += [("scope", resource.scope)] if resource.scope else []
            request += [("authorization_details", details)] if details else []
            token = flow.token(client_id, request, self._deadline)
        finally:
            flow.close()
        self._require_resource(resource, token)
        checked = self._check(resource, token)
        if checked.refused:
            raise Refused(
                f"{resource.url} does not accept the token that was issued for it ({checked.status}); it was not kept"
            )
        self._keep(server, resource, client_id, token)

    def _require_resource(self, resource: Resource, token: Token) -> None:
        if token.resource not in (None, resource.identifier):
            raise Refused("the server's token is for another resource; it was not kept")
        if self._options.timeout is None:
            self._deadline.ends = self._clock.now() + AFTERWARDS_SECONDS

    def not_advertised(self, resource: Resource) -> SetupFailure:
        """Return the end of a setup for which there is no device authorization; nothing else is tried."""
        return NotAdvertised(f"{resource.issuer} advertises no device authorization for MCP clients")

    def authorization_details(self, server: AuthorizationServer) -> str | None:
        """Return what to ask for (RFC 9396), as the request carries it; None where the server knows no such thing.

        Raises:
            Usage: nobody said which source.
        """
        kind = server.details_type()
        options = self._options
        if kind is None or (options.browser and options.source is None):
            return None  # in a browser the owner picks
        if options.source is None:
            raise Usage("say which source to read: --source, with its identifier (a URI)")
        since = None if options.since is None else {"since": _moment(options.since)}
        streams: list[dict[str, Any]] = [{"name": name} for name in options.streams or ("*",)]
        if since is not None:
            streams = [{**stream, "time_range": since} for stream in streams]
        entry = {
            "type": kind,
            "source": {"kind": options.source_kind, "id": options.source},
            "purpose_code": options.purpose,
            "access_mode": "continuous",
            "streams": streams,
        }
        return json.dumps([entry])

    def _identify(self, server: AuthorizationServer, kept: str | None) -> str:
        identity = self._parts.identity(self._http)
        client_id, how = identity.client_id(server, given=self._options.client_id, kept=kept)
        self._report.tell("client", client_id=client_id, how=how)
        return client_id

    def _authorize(
        self, server: AuthorizationServer, resource: Resource, client_id: str, scope: str | None, details: str | None
    ) -> Token:
        flow = self._parts.flow(self._http, self._clock, self._report, self._parts.pace, server)
        request = [("client_id", client_id), ("resource", resource.identifier)]
        request += [("scope", scope)] if scope else []
        request += [("authorization_details", details)] if details else []
        codes = flow.begin(request)
        self.show(codes)
        if self._options.timeout is None:
            self._deadline.ends = codes.expires_at
        token = flow.token(codes, [("client_id", client_id), ("resource", resource.identifier)], self._deadline)
        self._require_resource(resource, token)
        return token

    def show(self, codes: Codes) -> None:
        """Tell where to approve."""
        tell_codes(self._report, self._clock, codes)

    def _check(self, resource: Resource, token: Token) -> Checked:
        """Use the token at its resource."""
        try:
            return self._parts.bearer_check(self._http).check(resource, token.access_token)
        except NoAnswer as error:
            self._report.tell("note", text=f"The credential could not be tried: {error.reason}.")
            return Checked(None)

    def united(self, scope: str | None, checked: Checked) -> str | None:
        """Return all scopes asked for so far and those that the resource names now (MCP authorization, step-up)."""
        names = [*(scope or "").split(), *(checked.needs_scope or "").split()]
        return " ".join(dict.fromkeys(names)) or None

    def steps_up(self, scope: str | None, united: str | None, step: int) -> bool:
        """Whether asking once more makes sense."""
        return united != scope and step < MOST_STEP_UPS

    def _keep(self, server: AuthorizationServer, resource: Resource, client_id: str, token: Token) -> None:
        credential = Credential(
            server.issuer,
            resource.identifier,
            resource.url,
            client_id,
            token.access_token,
            token.refresh_token,
            token.expires_at,
            token.scope,
            token.grant_id,
        )
        self._report.tell(
            "granted",
            access=told_access(token.authorization_details),
            grant_id=token.grant_id,
            expires_in=None if token.expires_at is None else round(token.expires_at - self._clock.now()),
            refreshable=token.refresh_token is not None,
        )
        path = self._store.keep(credential)
        self._report.tell(
            "stored", path=str(path), resource=resource.identifier, issuer=server.issuer, use=how_to_use(resource.url)
        )


def connect(options: ConnectOptions, surroundings: Surroundings, report: Report) -> int:
    """Set a credential up; return the exit status (0, 64, 69, 70 or 75)."""
    made = surroundings.parts.connection or Connection
    return concluded(report, options.words, lambda: made(options, surroundings, report).connect())


def how_to_use(mcp_url: str) -> list[str]:
    """Return how MCP clients are told to use the credential; the token is in no command line or file of theirs."""
    proxy = ["pdpp", "mcp-proxy", mcp_url]
    entry = {"mcpServers": {"pdpp": {"command": proxy[0], "args": proxy[1:]}}}
    return [
        command_line(["claude", "mcp", "add", "pdpp", "--", *proxy]),
        command_line(["codex", "mcp", "add", "pdpp", "--", *proxy]),
        json.dumps(entry),
    ]


def _moment(text: str) -> str:
    """Read a date, or a date and time, as RFC 3339 wants it; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Usage("--since is neither a date such as 2026-01-31 nor a date and time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
