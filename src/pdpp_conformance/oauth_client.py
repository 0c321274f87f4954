"""A public OAuth client at the deployment: asks for device codes, polls, refreshes, revokes (RFC 8628, RFC 6749)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeGuard

from pdpp_conformance.discovery import DEVICE_CODE_GRANT, Discovery
from pdpp_conformance.exchange import Answer, Recorder
from pdpp_conformance.verdict import Blocked, NotApplicable
from pdpp_conformance.waiting import SERVER_TRUNCATION_SECONDS, Waiting

DEFAULT_INTERVAL_SECONDS = 5
"""RFC 8628 §3.2: the interval where the response names none."""

DEFAULT_TOKEN_LIFETIME_SECONDS = 3600.0

Kind = Literal["grant_scoped_mcp", "trusted_owner_agent"]
Parameters = Iterable[tuple[str, str]]


class ShownRequest(Protocol):
    """A device authorization, as far as the owner sees it."""

    @property
    def user_code(self) -> str: ...

    @property
    def verification_uri(self) -> str: ...

    @property
    def verification_uri_complete(self) -> str | None: ...


class DeviceRequest(ShownRequest, Protocol):
    """What the owner goes by who decides a device's request."""

    @property
    def kind(self) -> Kind: ...

    @property
    def expires_at(self) -> float:
        """When it expires, on the clock that the target is judged by."""
        ...


@dataclass
class DeviceAuthorization:
    """What a device got for its request (RFC 8628 §3.2), and how it has polled since."""

    client: OAuthClient
    kind: Kind
    answer: Answer
    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    verification_uri: str = field(repr=False)
    verification_uri_complete: str | None = field(repr=False)
    expires_in: float
    requested_at: float
    interval: float = field(init=False)
    """The interval in force, in seconds: the one that was told, and 5 more for each ``slow_down``."""
    last_polled_at: float | None = None
    redeemed: Answer | None = field(default=None, repr=False)
    """The answer that held the tokens, once the code was redeemed."""

    def __post_init__(self) -> None:
        self.interval = self.told_interval

    @property
    def told_interval(self) -> float:
        """The interval of the response, in seconds, whatever ``slow_down`` has made of it; 5 where there is none."""
        told = self.answer.member("interval")
        return float(told) if _is_number(told) else float(DEFAULT_INTERVAL_SECONDS)

    @property
    def expires_at(self) -> float:
        """When the codes expire, on the clock that the target is judged by."""
        return self.requested_at + self.expires_in

    def poll(self, parameters: Parameters = ()) -> Answer:
        """Poll as RFC 8628 §3.5 asks: not before the interval in force has passed since the last poll.

        There is nothing to wait for before the first poll, nor for codes that have expired; if such a poll is told to
        slow down all the same, which is permitted, it is repeated once.
        """
        if self.last_polled_at is None or self.client.waiting.now() > self.expires_at:
            return self.poll_decided(parameters)
        self._wait_for_interval()
        return self.poll_at_once(parameters)

    def poll_decided(self, parameters: Parameters = ()) -> Answer:
        """Poll for a code that is decided or redeemed: no interval to wait for, as only a pending one is throttled.

        A server that asks to slow down all the same is obeyed, and asked again.
        """
        answer = self.poll_at_once(parameters)
        if answer.error == "slow_down":
            self._wait_for_interval()
            answer = self.poll_at_once(parameters)
        return answer

    def _wait_for_interval(self) -> None:
        assert self.last_polled_at is not None
        due = self.last_polled_at + self.interval + SERVER_TRUNCATION_SECONDS
        self.client.waiting.until(due, "the interval between two polls")

    def poll_at_once(self, parameters: Parameters = ()) -> Answer:
        """Poll now, however soon that is; ``slow_down`` grows the interval in force by 5 seconds."""
        answer = self.client.redeem(self.device_code, parameters)
        self.last_polled_at = self.client.waiting.now()
        if answer.error == "slow_down":
            self.interval += 5
        if answer.member("access_token") is not None and self.redeemed is None:
            self.redeemed = answer
        return answer


@dataclass(frozen=True)
class TokenResponse:
    """A successful token response (RFC 6749 §5.1), as far as the harness uses it."""

    answer: Answer
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    members: Mapping[str, Any] = field(repr=False)

    @property
    def lifetime(self) -> float:
        """``expires_in`` in seconds; an hour where it tells none."""
        told: Any = self.members.get("expires_in")
        return float(told) if _is_number(told) else DEFAULT_TOKEN_LIFETIME_SECONDS


class OAuthClient:
    """One public client, known to the deployment by its client id."""

    def __init__(
        self,
        client_id: str,
        *,
        name: str,
        recorder: Recorder,
        discovery: Discovery,
        waiting: Waiting,
        scope: str | None = None,
    ) -> None:
        self.client_id = client_id
        self.name = name
        self.waiting = waiting
        self._recorder = recorder
        self._discovery = discovery
        self._scope = scope

    def on_clock(self, waiting: Waiting) -> OAuthClient:
        """Return the same client, waiting on another clock."""
        other = copy.copy(self)
        other.waiting = waiting
        return other

    def endpoint(self, name: str) -> str:
        """Return an endpoint's URL.

        Raises:
            Blocked: the metadata does not advertise it.
        """
        url = self._discovery.endpoint(name)
        if url is None:
            raise Blocked(
                f"the authorization server metadata advertises no {name}", unblock=f"metadata that names its {name}"
            )
        return url

    def ask(
        self,
        parameters: Parameters,
        *,
        query: str = "",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a device authorization request with just these parameters (RFC 8628 §3.1)."""
        parameters = self._without_extensions(parameters)
        url = self.endpoint("device_authorization_endpoint") + query
        if method != "POST":
            return self._recorder.send(method, url, actor=self.name, headers=headers or {})
        return self._recorder.send(method, url, actor=self.name, form=list(parameters), headers=headers or {})

    def request_parameters(self, kind: Kind, authorization_details: Sequence[Mapping[str, Any]] = ()) -> dict[str, str]:
        """Return the parameters of a well-formed device authorization request of a kind."""
        parameters = {"client_id": self.client_id}
        if self._scope is not None:
            parameters["scope"] = self._scope
        if self._discovery.profile == "rfc8628":
            return parameters  # its requests are all of one kind
        if kind == "grant_scoped_mcp":
            parameters["resource"] = self._discovery.mcp_resource
            parameters["authorization_details"] = json.dumps(list(authorization_details), separators=(",", ":"))
        return parameters

    def read(self, answer: Answer, kind: Kind, requested_at: float) -> DeviceAuthorization:
        """Read a device authorization response.

        Raises:
            Blocked: it is none, so nothing that builds on it can be judged.
        """
        members = answer.member
        device_code, user_code, uri = members("device_code"), members("user_code"), members("verification_uri")
        told = all(isinstance(value, str) and value for value in (device_code, user_code, uri))
        if answer.status not in (200, 201) or not told:
            raise Blocked(
                f"a well-formed device authorization request of kind {kind} was answered {answer.summary}",
                unblock="a deployment that answers it with codes",
            )
        complete, expires_in = members("verification_uri_complete"), members("expires_in")
        return DeviceAuthorization(
            client=self,
            kind=kind,
            answer=answer,
            device_code=device_code,
            user_code=user_code,
            verification_uri=uri,
            verification_uri_complete=complete if isinstance(complete, str) else None,
            expires_in=float(expires_in) if _is_number(expires_in) else 600.0,
            requested_at=requested_at,
        )

    def start(self, kind: Kind, authorization_details: Sequence[Mapping[str, Any]] = ()) -> DeviceAuthorization:
        """Request a device authorization of a kind, well-formed.

        Raises:
            Blocked: the deployment gives no codes for it.
        """
        requested_at = self.waiting.now()
        answer = self.ask(self.request_parameters(kind, authorization_details).items())
        return self.read(answer, kind, requested_at)

    def request_token(self, parameters: Parameters, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a token request with just these parameters (RFC 6749 §3.2)."""
        parameters = self._without_extensions(parameters)
        return self._recorder.send(
            "POST",
            self.endpoint("token_endpoint"),
            actor=self.name,
            form=list(parameters),
            headers=headers or {},
        )

    def _without_extensions(self, parameters: Parameters) -> Parameters:
        """Return the parameters of a request.

        Raises:
            NotApplicable: they are for extensions that the target's profile does not ask for.
        """
        listed = list(parameters)
        extensions = [name for name, _ in listed if name in ("resource", "authorization_details")]
        if extensions and self._discovery.profile == "rfc8628":
            raise NotApplicable(f"the parameter {extensions[0]} is none that the profile rfc8628 asks for")
        return listed

    def redeem(self, device_code: str, parameters: Parameters = ()) -> Answer:
        """Send a token request for a device code (RFC 8628 §3.4); ``resource`` goes with it unless named otherwise."""
        return self.request_token(
            [
                ("grant_type", DEVICE_CODE_GRANT),
                ("device_code", device_code),
                ("client_id", self.client_id),
                *parameters,
            ]
        )

    def refresh(self, refresh_token: str, parameters: Parameters = ()) -> Answer:
        """Send a refresh request (RFC 6749 §6)."""
        return self.request_token(
            [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh_token),
                ("client_id", self.client_id),
                *parameters,
            ]
        )

    def revoke(self, token: str, parameters: Parameters = ()) -> Answer:
        """Send a revocation request (RFC 7009 §2.1)."""
        return self._recorder.send(
            "POST",
            self.endpoint("revocation_endpoint"),
            actor=self.name,
            form=[("token", token), ("client_id", self.client_id), *parameters],
        )


def read_token_response(answer: Answer, what: str = "an approved device code") -> TokenResponse:
    """Read a token response leniently, for what builds on it.

    Args:
        what: what was answered with it.

    Raises:
        Blocked: it holds no access token.
    """
    access_token = answer.member("access_token")
    if answer.status not in (200, 201) or not isinstance(access_token, str) or not access_token:
        raise Blocked(
            f"{what} was answered {answer.summary} and no access token",
            unblock=f"a deployment that answers {what} with a token",
        )
    refresh_token = answer.member("refresh_token")
    return TokenResponse(
        answer=answer,
        access_token=access_token,
        refresh_token=refresh_token if isinstance(refresh_token, str) else None,
        members=answer.json_object(),
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
