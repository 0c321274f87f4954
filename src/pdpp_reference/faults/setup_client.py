"""Setup clients that ask too often, believe too much, show too little, or never end (MCP authorization; RFC 8628)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pdpp_reference.faults.fault import Declared
from pdpp_reference.setup_client.bearer_check import BearerCheck, Checked
from pdpp_reference.setup_client.challenge import BearerChallenge
from pdpp_reference.setup_client.clock import Deadline
from pdpp_reference.setup_client.connect import Connection, ConnectOptions
from pdpp_reference.setup_client.credentials import Credential, CredentialStore
from pdpp_reference.setup_client.device_flow import Codes, DeviceFlow, Pace
from pdpp_reference.setup_client.discovery import AuthorizationServer, Discovery, Resource
from pdpp_reference.setup_client.failures import Refused, SetupFailure
from pdpp_reference.setup_client.http import Answer, Http, origin_of
from pdpp_reference.setup_client.report import Report
from pdpp_reference.setup_client.surroundings import Parts, Surroundings
from pdpp_reference.setup_client.tokens import Token

declared = Declared()

_FOR_EVER = 1e9

# -- polling -----------------------------------------------------------------------------------------------------------


class _EverySecond(Pace):
    @property
    def wait(self) -> float:
        return 1.0


@declared.in_client(
    "The client polls every second, whatever it is told.",
    *("POL-23", "POL-24", "POL-26"),
    why="Who keeps to no interval keeps neither to a longer one.",
)
def client_poll_1s(parts: Parts) -> None:
    parts.pace = _EverySecond


class _ImpatientDefault(DeviceFlow):
    def read_codes(self, answer: Answer) -> Codes:
        codes = super().read_codes(answer)
        return codes if "interval" in answer.members else replace(codes, interval=1.0)


@declared.in_client("The client polls every second where no interval is told.", "POL-23")
def client_default_interval_1s(parts: Parts) -> None:
    parts.flow = _ImpatientDefault


class _OneOff(Pace):
    _once = 0.0

    def slow_down(self) -> None:
        self._once = 5.0

    def answered(self) -> None:
        super().answered()
        self._once = 0.0

    @property
    def wait(self) -> float:
        return super().wait + self._once


@declared.in_client("The client waits longer once after slow_down, and then as before.", "POL-24")
def client_one_off_sleep(parts: Parts) -> None:
    parts.pace = _OneOff


class _NeverRefused(DeviceFlow):
    def goes_on(self, answer: Answer, pace: Pace) -> bool:
        super().goes_on(answer, pace)
        return True


@declared.in_client(
    "The client goes on polling whatever the error is.",
    *("POL-25", "CHG-04"),
    why="A client that does not take the owner's no for an end does not tell how to begin again either.",
)
def client_polls_forever(parts: Parts) -> None:
    parts.flow = _NeverRefused


class _Storm(Pace):
    def no_answer(self) -> None:
        """Go on as before."""


@declared.in_client("The client polls as often as before while the network fails.", "POL-26")
def client_retry_storm(parts: Parts) -> None:
    parts.pace = _Storm


class _Restarting(Connection):
    _restarts = 0

    def _authorize(
        self, server: AuthorizationServer, resource: Resource, client_id: str, scope: str | None, details: str | None
    ) -> Token:
        try:
            return super()._authorize(server, resource, client_id, scope, details)
        except Refused:
            self._restarts += 1
            if self._restarts > 2:
                raise
            self._deadline.ends += _FOR_EVER
            return self._authorize(server, resource, client_id, scope, details)


@declared.in_client(
    "The client begins anew by itself when a request was denied or has expired.",
    *("POL-27", "POL-25", "CHG-04"),
    why="Where the second flow works the client tells nothing of the first one's end, nor how to try again.",
)
def client_auto_restart(parts: Parts) -> None:
    parts.connection = _Restarting


# -- what a person sees ------------------------------------------------------------------------------------------------


class _Retold(Report):
    """Passes on what is told, but for what is kept back."""

    def __init__(self, report: Report, events: Sequence[str] = (), facts: Mapping[str, Any] | None = None) -> None:
        self._report = report
        self._events = events
        self._facts = facts or {}

    def tell(self, event: str, **facts: Any) -> None:
        if event not in self._events:
            self._report.tell(event, **{**facts, **{name: self._facts[name] for name in facts if name in self._facts}})

    def waiting(self, until: Deadline, seconds: float, *, state: str, interval: float, code_expires_at: float) -> None:
        if "polling" in self._events:
            until.sleep(seconds)
        else:
            self._report.waiting(until, seconds, state=state, interval=interval, code_expires_at=code_expires_at)


class _HidingCode(Connection):
    def __init__(self, options: ConnectOptions, surroundings: Surroundings, report: Report) -> None:
        super().__init__(options, surroundings, _Retold(report, facts={"user_code": "(in the URL)"}))


@declared.in_client(
    "The client shows the complete verification URL alone, and no user code.",
    *("POL-28", "CHG-04"),
    why="The change's own requirement names the user code among what is shown.",
)
def client_hides_code(parts: Parts) -> None:
    parts.connection = _HidingCode


class _ShowingAnother(DeviceFlow):
    _begun: ClassVar[bool] = False

    def begin(self, request: Sequence[tuple[str, str]]) -> Codes:
        codes = super().begin(request)
        if self._begun:
            return codes
        type(self)._begun = True  # once a command: whoever asks for more scope asks often enough
        return replace(codes, device_code=super().begin(request).device_code)


@declared.in_client(
    "The client shows the user code of another request than the one that it polls for.",
    *("CHG-04", "POL-27"),
    why="The other request is one that nobody asked for.",
)
def client_shows_another_code(parts: Parts) -> None:
    parts.flow = _ShowingAnother


class _SilentAboutPolling(Connection):
    def __init__(self, options: ConnectOptions, surroundings: Surroundings, report: Report) -> None:
        super().__init__(options, surroundings, _Retold(report, events=("polling",)))


@declared.in_client("The client says nothing of its polling.", "CHG-04")
def client_silent_about_polling(parts: Parts) -> None:
    parts.connection = _SilentAboutPolling


class _SilentAboutAccess(Connection):
    def __init__(self, options: ConnectOptions, surroundings: Surroundings, report: Report) -> None:
        super().__init__(options, surroundings, _Retold(report, events=("granted",)))


@declared.in_client("The client does not say what was granted.", "MCL-08")
def client_silent_about_access(parts: Parts) -> None:
    parts.connection = _SilentAboutAccess


class _SilentAboutCredential(Connection):
    def __init__(self, options: ConnectOptions, surroundings: Surroundings, report: Report) -> None:
        super().__init__(options, surroundings, _Retold(report, events=("stored",)))


@declared.in_client("The client does not say where the credential lies.", "MCL-08")
def client_silent_about_credential(parts: Parts) -> None:
    parts.connection = _SilentAboutCredential


class _ForEverybody(CredentialStore):
    def keep(self, credential: Credential) -> Path:
        path = super().keep(credential)
        path.chmod(0o644)
        return path


@declared.in_client("The client keeps its credential where everybody can read it.", "MCL-08")
def client_credential_for_everybody(parts: Parts) -> None:
    parts.store = _ForEverybody


class _ShowingToken(BearerCheck):
    def check(self, resource: Resource, access_token: str) -> Checked:
        sys.stdout.write(f"Trying the token {access_token}\r\x1b[2K")
        return super().check(resource, access_token)


@declared.in_client("The client shows its access token for a moment, and takes it from the screen again.", "MCL-09")
def client_shows_token(parts: Parts) -> None:
    parts.bearer_check = _ShowingToken


class _ShowingDeviceCode(Connection):
    def show(self, codes: Codes) -> None:
        super().show(codes)
        self._report.tell("note", text=f"The device code is {codes.device_code}.")


@declared.in_client("The client shows the device code beside the user code.", "MCL-09")
def client_shows_device_code(parts: Parts) -> None:
    parts.connection = _ShowingDeviceCode


class _WithoutRetry(Connection):
    def connect(self) -> None:
        try:
            super().connect()
        except SetupFailure as failure:
            self._report.tell("note", text=f"Not connected: {failure.reason}.")
            raise SystemExit(failure.exit_status) from None


@declared.in_client(
    "The client says what went wrong, and not how to begin again.",
    *("CHG-04", "CHG-05", "CHG-07"),
    why="What is told at the end is told in one place: the way to try again, and what to use instead.",
)
def client_tells_no_retry(parts: Parts) -> None:
    parts.connection = _WithoutRetry


class _AnythingOpened(DeviceFlow):
    def may_be_opened(self, url: object) -> bool:
        return isinstance(url, str)


@declared.in_client("The client shows whatever URL the server names.", "MCL-07")
def javascript_uri(parts: Parts) -> None:
    parts.flow = _AnythingOpened


class _ThroughShell(Connection):
    def show(self, codes: Codes) -> None:
        super().show(codes)
        os.system(f'xdg-open "{codes.verification_uri_complete}"')  # noqa: S605 - the defect


@declared.in_client("The client hands the verification URL to a shell.", "MCL-07")
def url_through_shell(parts: Parts) -> None:
    parts.connection = _ThroughShell


class _WaitingForEver(DeviceFlow):
    def token(self, codes: Codes, form: Sequence[tuple[str, str]], deadline: Deadline) -> Token:
        deadline.ends += _FOR_EVER
        return super().token(replace(codes, expires_at=codes.expires_at + _FOR_EVER), form, deadline)


@declared.in_client(
    "The client polls without end as long as there is no decision.",
    *("CHG-07", "CHG-04"),
    why="A client that does not end does not tell how to begin again.",
)
def client_waits_for_ever(parts: Parts) -> None:
    parts.flow = _WaitingForEver


class _FallingBack(Connection):
    def not_advertised(self, resource: Resource) -> SetupFailure:
        onboarding = resource.metadata.get("pdpp_owner_agent_onboarding")
        if isinstance(onboarding, dict):
            form = [("client_id", "pdpp_cli")]
            self._http.post_form(onboarding["device_authorization_endpoint"], form)
        return super().not_advertised(resource)


@declared.in_client("The client asks for an owner's token where there is no other.", "CHG-05")
def client_falls_back_to_owner(parts: Parts) -> None:
    parts.connection = _FallingBack


class _Unguided(Connection):
    def not_advertised(self, resource: Resource) -> SetupFailure:
        return Refused("this does not work here")


@declared.in_client("The client does not say what to use where there is no device authorization.", "CHG-05")
def client_without_guidance(parts: Parts) -> None:
    parts.connection = _Unguided


# -- discovery ---------------------------------------------------------------------------------------------------------


class _WithoutResourceMetadata(Discovery):
    def resource(self, mcp_url: str) -> Resource:
        return Resource(mcp_url, mcp_url, origin_of(mcp_url), self._challenge(mcp_url).scope, {})


@declared.in_client(
    "The client takes the MCP server's origin for its authorization server, and reads no resource metadata.",
    *("MCL-01", "MCL-02", "PRM-19"),
    why="Who does not read it finds no issuer that has a path, and sees nothing that is wrong in it.",
)
def skips_prm(parts: Parts) -> None:
    parts.discovery = _WithoutResourceMetadata


class _DeafToChallenge(Discovery):
    def metadata_urls(self, mcp_url: str, challenge: BearerChallenge) -> Sequence[tuple[str, Sequence[str]]]:
        return super().metadata_urls(mcp_url, replace(challenge, resource_metadata=None))


@declared.in_client("The client looks for resource metadata at well-known URLs alone.", "MCL-01")
def challenge_metadata_ignored(parts: Parts) -> None:
    parts.discovery = _DeafToChallenge


class _RootFirst(Discovery):
    def metadata_urls(self, mcp_url: str, challenge: BearerChallenge) -> Sequence[tuple[str, Sequence[str]]]:
        return super().metadata_urls(mcp_url, challenge)[::-1]


@declared.in_client("The client looks for resource metadata at the root first.", "MCL-01")
def root_metadata_first(parts: Parts) -> None:
    parts.discovery = _RootFirst


class _OpenIdFirst(Discovery):
    def server_metadata_urls(self, issuer: str) -> Sequence[str]:
        return super().server_metadata_urls(issuer)[::-1]


@declared.in_client("The client tries the well-known URLs of the issuer in another order.", "MCL-02")
def well_known_reversed(parts: Parts) -> None:
    parts.discovery = _OpenIdFirst


class _AnyIssuer(Discovery):
    def check_issuer(self, issuer: str, document: Mapping[str, Any]) -> None:
        """Take it as it is."""


@declared.in_client(
    "The client takes authorization server metadata with whatever issuer in it.",
    *("MCL-02", "ASM-21"),
    why="Both rows say that the metadata of another issuer is of no use.",
)
def accepts_wrong_issuer(parts: Parts) -> None:
    parts.discovery = _AnyIssuer


class _AnyResource(Discovery):
    def check_identifier(self, identifiers: Sequence[str], document: Mapping[str, Any]) -> None:
        """Take it as it is."""


@declared.in_client("The client takes protected resource metadata with whatever resource in it.", "PRM-19")
def client_accepts_wrong_resource(parts: Parts) -> None:
    parts.discovery = _AnyResource


class _AnyCertificate(Http):
    verifies = False


@declared.in_client("The client takes any certificate.", "PRM-19")
def client_trusts_any_certificate(parts: Parts) -> None:
    parts.http = _AnyCertificate


def _refuse_unknown(members: Mapping[str, Any]) -> None:
    if any(name.startswith("x_") for name in members):
        raise Refused("the document has members that this client does not know")


class _KnownServerMembersOnly(Discovery):
    def check_issuer(self, issuer: str, document: Mapping[str, Any]) -> None:
        super().check_issuer(issuer, document)
        _refuse_unknown(document)


@declared.in_client("The client refuses authorization server metadata with a member that it does not know.", "ASM-21")
def client_refuses_unknown_server_metadata(parts: Parts) -> None:
    parts.discovery = _KnownServerMembersOnly


class _KnownResourceMembersOnly(Discovery):
    def check_identifier(self, identifiers: Sequence[str], document: Mapping[str, Any]) -> None:
        super().check_identifier(identifiers, document)
        _refuse_unknown(document)


@declared.in_client("The client refuses protected resource metadata with a member that it does not know.", "PRM-19")
def client_refuses_unknown_resource_metadata(parts: Parts) -> None:
    parts.discovery = _KnownResourceMembersOnly


# -- tokens ------------------------------------------------------------------------------------------------------------


class _KnownTokenMembersOnly(DeviceFlow):
    def read_token(self, answer: Answer) -> Token:
        _refuse_unknown(answer.members)
        return super().read_token(answer)


@declared.in_client("The client refuses a token response with a member that it does not know.", "TOK-12")
def client_refuses_unknown_token_members(parts: Parts) -> None:
    parts.flow = _KnownTokenMembersOnly


def _without_resource(form: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in form if pair[0] != "resource"]


class _NoResource(DeviceFlow):
    def begin(self, request: Sequence[tuple[str, str]]) -> Codes:
        return super().begin(_without_resource(request))


@declared.in_client("The device authorization request names no resource.", "MCL-03")
def resource_omitted(parts: Parts) -> None:
    parts.flow = _NoResource


class _NoResourceWhenPolling(DeviceFlow):
    def token(self, codes: Codes, form: Sequence[tuple[str, str]], deadline: Deadline) -> Token:
        return super().token(codes, _without_resource(form), deadline)


@declared.in_client("The polls name no resource.", "MCL-03")
def resource_omitted_when_polling(parts: Parts) -> None:
    parts.flow = _NoResourceWhenPolling


class _TokenInUrl(BearerCheck):
    def ask(self, url: str, access_token: str) -> Answer:
        return super().ask(f"{url}?access_token={access_token}", access_token)


@declared.in_client("The client sends its token in the URL, too.", "MCL-04")
def token_in_query(parts: Parts) -> None:
    parts.bearer_check = _TokenInUrl


class _AnyStored(Connection):
    def _connect(self) -> None:
        for credential in self._store.all():
            self._parts.bearer_check(self._http).ask(self._options.url, credential.access_token)
        super()._connect()


@declared.in_client("The client tries every token that it has at every server.", "MCL-05")
def token_reuse_across(parts: Parts) -> None:
    parts.connection = _AnyStored


class _ByResourceAlone(CredentialStore):
    def key(self, issuer: str, resource: str, kind: str) -> str:
        return super().key("", resource, kind)


@declared.in_client("The client keeps its credentials by resource, whoever issued them.", "MCL-05")
def credentials_not_keyed_by_issuer(parts: Parts) -> None:
    parts.store = _ByResourceAlone


class _Redirected(BearerCheck):
    def ask(self, url: str, access_token: str) -> Answer:
        answer = super().ask(url, access_token)
        return super().ask(answer.headers["location"], access_token) if answer.status == 307 else answer


@declared.in_client("The client follows a redirect with its token.", "MCL-05")
def token_follows_redirect(parts: Parts) -> None:
    parts.bearer_check = _Redirected


class _WithoutLimit(Connection):
    def steps_up(self, scope: str | None, united: str | None, step: int) -> bool:
        return united != scope


@declared.in_client("The client asks for more scope as often as it is told to.", "MCL-06")
def no_retry_limit(parts: Parts) -> None:
    parts.connection = _WithoutLimit


class _NoStepUp(Connection):
    def steps_up(self, scope: str | None, united: str | None, step: int) -> bool:
        return False


@declared.in_client("The client does not ask for more scope.", "MCL-06")
def no_step_up(parts: Parts) -> None:
    parts.connection = _NoStepUp


class _NewScopeAlone(Connection):
    def united(self, scope: str | None, checked: Checked) -> str | None:
        return checked.needs_scope


@declared.in_client("The client asks for the scope that is missing, and no more for what it had.", "MCL-06")
def step_up_drops_scope(parts: Parts) -> None:
    parts.connection = _NewScopeAlone
