"""Polls and redemptions of a device code that end wrongly: RFC 8628 §3.5, RFC 6749 §4.1.2 and §10.5."""

# ruff: noqa: S106  (token kinds and the names of members are no secrets)

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, update

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import (
    AuthorizationRequest,
    AuthorizationRequests,
    Event,
    State,
)
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.consent import normalize_user_code
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint, DeviceCodeGrant
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.errors import OAuthError
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.parts import made_of, put
from pdpp_reference.faults.traffic import Answered, Pairs
from pdpp_reference.http import Form
from pdpp_reference.settings import DEVICE_CODE_GRANT
from pdpp_reference.storage.tables import authorization_requests

ENDPOINT = "/oauth/token"
_FOR_EVER = 10 * 365 * 24 * 3600

declared = Declared()


# -- redeemed, denied, expired -----------------------------------------------------------------------------------------


class _NeverRedeemed(AuthorizationRequests):
    def fire(self, connection: Connection, request_id: str, event: Event, **values: Any) -> bool:
        return event is Event.REDEEM or super().fire(connection, request_id, event, **values)


@declared.replacing(
    "A device code redeems as often as one likes.",
    "POL-12",
    "POL-13",
    "POL-14",
    "POL-22",
    "UIX-16",
    "UIX-30",
    why="Without a redeemed state nothing tells a first redemption from a second, a parallel or a late one.",
)
def replay_ok(parts: Collaborators) -> None:
    put(parts, _NeverRedeemed)


class _NoContainment(Redemption):
    def replayed(self, connection: Connection, request: AuthorizationRequest) -> None:
        """Leave what the first redemption issued in force."""


@declared.replacing("A second redemption is refused, and what the first one issued stays in force.", "POL-13")
def replay_keeps_tokens(parts: Collaborators) -> None:
    put(parts, _NoContainment)


class _Unconditional(AuthorizationRequests):
    def fire(self, connection: Connection, request_id: str, event: Event, **values: Any) -> bool:
        return super().fire(connection, request_id, event, **values) or event is Event.REDEEM


class _CheckThenAct(DeviceCodeGrant):
    """Looks at the state in one transaction and redeems in another."""

    def redeem(self, client: Client, form: Form) -> dict[str, Any]:
        with self._store.transaction() as connection:
            seen = self._requests.by_device_code(connection, form.require("device_code"))
        if seen is None or seen.state is not State.APPROVED or seen.client_id != client.client_id:
            return super().redeem(client, form)
        time.sleep(0.2)
        refused = OAuthError("invalid_grant", "the device code is not good for this client")
        with self._store.transaction() as connection:
            answer = self._redemption.redeem(connection, client, seen, form, refused)
        if isinstance(answer, OAuthError):
            raise answer
        return answer


@declared.replacing("Redemptions at the same moment all succeed.", "POL-14")
def toctou_redeem(parts: Collaborators) -> None:
    parts.redemption = Redemption(_Unconditional(parts.clock), parts.grants, parts.tokens)
    put(parts, _CheckThenAct)


class _DenyIsNoop(AuthorizationRequests):
    def fire(self, connection: Connection, request_id: str, event: Event, **values: Any) -> bool:
        return event is Event.DENY or super().fire(connection, request_id, event, **values)


@declared.replacing(
    "The owner denies, and nothing happens.",
    "POL-08",
    "CHG-14",
    "UIX-16",
    "UIX-28",
    why="The client goes on polling a request that the owner has denied.",
)
def deny_stays_pending(parts: Collaborators) -> None:
    put(parts, _DenyIsNoop)


class _DenyApproves(AuthorizationRequests):
    def fire(self, connection: Connection, request_id: str, event: Event, **values: Any) -> bool:
        happened = Event.APPROVE if event is Event.DENY else event
        return super().fire(connection, request_id, happened, **values)


@declared.replacing(
    "The owner denies, and the request is approved.",
    "UIX-16",
    "UIX-28",
    "POL-08",
    "CHG-14",
    why="The denied request hands out a token.",
)
def deny_approves(parts: Collaborators) -> None:
    put(parts, _DenyApproves)


class _DeniedOnce(DeviceCodeGrant):
    def _poll(
        self, connection: Connection, client: Client, device_code: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        answer = super()._poll(connection, client, device_code, form)
        if isinstance(answer, OAuthError) and answer.error == "access_denied":
            request = self._requests.by_device_code(connection, device_code)
            assert request is not None
            connection.execute(
                update(authorization_requests)
                .where(authorization_requests.c.id == request.id)
                .values(device_code_digest=None)
            )
        return answer


@declared.replacing("Denial is told once, and then the code is forgotten.", "POL-08")
def denied_once(parts: Collaborators) -> None:
    put(parts, _DeniedOnce)


class _ApprovalLastsForEver(AuthorizationRequests):
    def fire(self, connection: Connection, request_id: str, event: Event, **values: Any) -> bool:
        if event is Event.APPROVE:
            values["expires_at"] = self._clock.now() + _FOR_EVER
        return super().fire(connection, request_id, event, **values)


@declared.replacing(
    "An approved code never expires.", "POL-10", "CHG-14", why="CHG-14 includes the approved owner-agent code."
)
def expiry_only_when_pending(parts: Collaborators) -> None:
    put(parts, _ApprovalLastsForEver)


class _LastsForEver(AuthorizationRequests):
    def stage(self, connection: Connection, **request: Any) -> str:
        return super().stage(connection, **{**request, "lifetime": _FOR_EVER})


@declared.replacing(
    "An undecided code is pending for ever.", "POL-09", "POL-10", "CHG-14", why="Nothing expires, decided or not."
)
def expired_still_pending(parts: Collaborators) -> None:
    put(parts, _LastsForEver)


# -- pending, and how fast ---------------------------------------------------------------------------------------------


def _pending_with(status: int, name: str) -> None:
    def change(answer: Answered) -> None:
        if answer.members.get("error") == "authorization_pending":
            answer.status = status

    what = f"A pending request is answered with status {status}."
    rows, why = ("POL-07", "CHG-13", "POL-16", "POL-17", "POL-18"), "All of them look for a pending answer."
    declared.altering(ENDPOINT, what, *rows, why=why, name=name)(change)


_pending_with(200, "pending_200")
_pending_with(202, "pending_202")


@declared.altering(
    ENDPOINT,
    "A pending request is called approved, with no token.",
    "POL-07",
    "CHG-13",
    "POL-01",
    "POL-16",
    "POL-17",
    "POL-18",
    "POL-19",
    "POL-29",
    why="All of them look for a pending answer.",
)
def pending_without_error(answer: Answered) -> None:
    if answer.members.get("error") == "authorization_pending":
        answer.status, answer.members = 200, {"status": "pending"}


@declared.altering(ENDPOINT, "The error that says pending carries a bearer.", "CHG-13")
def bearer_while_pending(answer: Answered) -> None:
    if answer.members.get("error") == "authorization_pending":
        answer.update(access_token="not-yet-but-here", token_type="Bearer")


@declared.altering(ENDPOINT, "The error that tells to slow down carries a bearer.", "CHG-13")
def bearer_with_slow_down(answer: Answered) -> None:
    if answer.members.get("error") == "slow_down":
        answer.update(access_token="too-fast-but-here", token_type="Bearer")


@declared.altering(
    ENDPOINT,
    "The errors that end a flow carry a bearer.",
    "CHG-14",
    "POL-09",
    "POL-10",
    why="No error that ends a flow may carry a bearer.",
)
def bearer_with_final_errors(answer: Answered) -> None:
    if answer.members.get("error") in ("access_denied", "expired_token"):
        answer.update(access_token="nothing-but-here", token_type="Bearer")


@declared.altering(ENDPOINT, "An approved code redeems with 201.", "POL-11")
def redeemed_with_201(answer: Answered) -> None:
    if "access_token" in answer.members:
        answer.status = 201


@declared.altering(ENDPOINT, "Polling too fast ends the flow.", "POL-15")
def fast_poll_denied(answer: Answered) -> None:
    if answer.members.get("error") == "slow_down":
        answer.update(error="access_denied")


@declared.altering(ENDPOINT, "Nobody is ever told to slow down.", "POL-15")
def never_slow_down(answer: Answered) -> None:
    if answer.members.get("error") == "slow_down":
        answer.update(error="authorization_pending")


class _ThrottledFromTheStart(AuthorizationRequests):
    def stage(self, connection: Connection, **request: Any) -> str:
        return super().stage(connection, **request, last_polled_at=self._clock.now())


@declared.replacing("The first poll is told to slow down.", "POL-16")
def first_poll_slow_down(parts: Collaborators) -> None:
    put(parts, _ThrottledFromTheStart)


class _IntervalStays(AuthorizationRequests):
    def note_poll(self, connection: Connection, request: AuthorizationRequest, *, slow_down_by: int) -> bool:
        return super().note_poll(connection, request, slow_down_by=0)


@declared.replacing("The interval stays what it was after slow_down.", "POL-30")
def interval_not_raised(parts: Collaborators) -> None:
    put(parts, _IntervalStays)


class _IntervalDoubles(AuthorizationRequests):
    def note_poll(self, connection: Connection, request: AuthorizationRequest, *, slow_down_by: int) -> bool:
        return super().note_poll(connection, request, slow_down_by=slow_down_by and 600)


@declared.replacing("Once told to slow down, a client is never served again, however well it obeys.", "POL-17")
def slow_down_spiral(parts: Collaborators) -> None:
    put(parts, _IntervalDoubles)


class _PoisonedByOthers(DeviceCodeGrant):
    def _poll(
        self, connection: Connection, client: Client, device_code: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        request = self._requests.by_device_code(connection, device_code)
        if request is not None and request.client_id != client.client_id:
            self._requests.note_poll(connection, request, slow_down_by=5)
        return super()._poll(connection, client, device_code, form)


@declared.replacing("A poll by another client slows the rightful one down.", "POL-18")
def poison_poll(parts: Collaborators) -> None:
    put(parts, _PoisonedByOthers)


class _OneThrottleForAll(DeviceCodeGrant):
    last: float | None = None

    def _pending(self, connection: Connection, request: AuthorizationRequest) -> OAuthError:
        answer = super()._pending(connection, replace(request, last_polled_at=self.last or request.last_polled_at))
        self.last = self._clock.now()
        return answer


@declared.replacing(
    "All device codes share one throttle.",
    "POL-18",
    "CHG-13",
    "POL-16",
    "POL-17",
    why="A device is slowed down by others from its first poll on.",
)
def shared_throttle(parts: Collaborators) -> None:
    put(parts, _OneThrottleForAll)


# -- whose code, and which ---------------------------------------------------------------------------------------------


class _NotBound(DeviceCodeGrant):
    def _poll(
        self, connection: Connection, client: Client, device_code: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        request = self._requests.by_device_code(connection, device_code)
        owner = client if request is None else replace(client, client_id=request.client_id)
        return super()._poll(connection, owner, device_code, form)


@declared.replacing(
    "A device code is good for any client.",
    "POL-05",
    "POL-18",
    "POL-22",
    why="Another client's poll is then taken for the rightful one's.",
)
def code_not_bound(parts: Collaborators) -> None:
    put(parts, _NotBound)


class _ForeignPollAnswered(DeviceCodeGrant):
    answer: OAuthError

    def _poll(
        self, connection: Connection, client: Client, device_code: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        request = self._requests.by_device_code(connection, device_code)
        if request is not None and request.client_id != client.client_id:
            self._noticed(connection, request)
            return self.answer
        return super()._poll(connection, client, device_code, form)

    def _noticed(self, connection: Connection, request: AuthorizationRequest) -> None:
        """What a poll by another client does to the request: nothing."""


class _ForeignIsInvalidClient(_ForeignPollAnswered):
    answer = OAuthError("invalid_client", "the device code is not good for this client")


@declared.replacing(
    "Another client's code is answered with invalid_client.",
    "POL-05",
    "POL-22",
    why="Another error tells that the code exists.",
)
def wrong_error_invalid_client(parts: Collaborators) -> None:
    put(parts, _ForeignIsInvalidClient)


class _ForeignIsTold(_ForeignPollAnswered):
    answer = OAuthError("invalid_grant", "the device code belongs to another client")


@declared.replacing("The answer tells that a code is another client's.", "POL-22")
def not_yours_message(parts: Collaborators) -> None:
    put(parts, _ForeignIsTold)


class _ForeignPollSpends(_ForeignPollAnswered):
    answer = OAuthError("invalid_grant", "the device code is not good for this client")

    def _noticed(self, connection: Connection, request: AuthorizationRequest) -> None:
        self._requests.fire(connection, request.id, Event.REDEEM)


@declared.replacing("A redemption by another client spends the code.", "POL-05")
def foreign_poll_spends_code(parts: Collaborators) -> None:
    put(parts, _ForeignPollSpends)


class _UserCodeRedeems(AuthorizationRequests):
    def by_device_code(self, connection: Connection, device_code: str) -> AuthorizationRequest | None:
        return super().by_device_code(connection, device_code) or self.by_user_code(
            connection, normalize_user_code(device_code)
        )


@declared.replacing("The user code redeems like the device code.", "POL-06")
def user_code_redeems(parts: Collaborators) -> None:
    put(parts, _UserCodeRedeems)


class _CodesKept(DeviceAuthorizationEndpoint):
    """Remembers device codes under a part of them only."""

    def __init__(self, parts: Collaborators, part_of: Callable[[str], str], kept: dict[str, str]) -> None:
        super().__init__(*made_of(parts, DeviceAuthorizationEndpoint))
        self._part_of = part_of
        self._kept = kept

    def _stage(self, client: Client, *request: Any) -> tuple[str, str]:
        device_code, user_code = super()._stage(client, *request)
        self._kept[self._part_of(device_code)] = device_code
        return device_code, user_code


class _CodesCompared(AuthorizationRequests):
    def __init__(self, parts: Collaborators, part_of: Callable[[str], str], kept: dict[str, str]) -> None:
        super().__init__(*made_of(parts, AuthorizationRequests))
        self._part_of = part_of
        self._kept = kept

    def by_device_code(self, connection: Connection, device_code: str) -> AuthorizationRequest | None:
        return super().by_device_code(connection, self._kept.get(self._part_of(device_code), device_code))


def _compared_by(parts: Collaborators, part_of: Callable[[str], str]) -> None:
    kept: dict[str, str] = {}
    parts.requests = _CodesCompared(parts, part_of, kept)
    parts.device_authorization = _CodesKept(parts, part_of, kept)


@declared.replacing("Device codes are compared without regard to case.", "POL-06")
def device_code_case_ignored(parts: Collaborators) -> None:
    _compared_by(parts, str.upper)


@declared.replacing("Only the beginning of a device code is compared.", "POL-06")
def device_code_prefix_ok(parts: Collaborators) -> None:
    _compared_by(parts, lambda code: code[:12])


class _UnknownIsPending(DeviceCodeGrant):
    def _poll(
        self, connection: Connection, client: Client, device_code: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        if self._requests.by_device_code(connection, device_code) is None:
            return OAuthError("authorization_pending", "the owner has not decided yet")
        return super()._poll(connection, client, device_code, form)


@declared.replacing(
    "A code that nobody issued is answered as pending.",
    "POL-06",
    "POL-22",
    why="Unknown codes are then told from foreign ones.",
)
def unknown_code_pending(parts: Collaborators) -> None:
    put(parts, _UnknownIsPending)


# -- the request -------------------------------------------------------------------------------------------------------


@declared.repairing(ENDPOINT, "A grant type that begins like the device grant is the device grant.", "POL-01")
def grant_type_prefix_ok(pairs: Pairs) -> Pairs:
    return [
        (name, DEVICE_CODE_GRANT if name == "grant_type" and value.startswith(DEVICE_CODE_GRANT[:30]) else value)
        for name, value in pairs
    ]


@declared.altering(ENDPOINT, "A poll without a device code ends in an internal error.", "POL-02")
def missing_code_500(answer: Answered) -> None:
    if not answer.form.get("device_code"):
        answer.status, answer.members = 500, {"error": "server_error"}


@declared.altering(ENDPOINT, "A poll that names no client is answered as if it had named the right one.", "POL-03")
def client_id_optional(answer: Answered) -> None:
    if not answer.form.get("client_id"):
        answer.update(error="authorization_pending")


@declared.repairing(ENDPOINT, "Of a parameter that a poll repeats the last one counts.", "POL-19")
def dup_device_code(pairs: Pairs) -> Pairs:
    return list(dict(pairs).items())


@declared.altering(ENDPOINT, "A poll without a grant type is told that the type is not supported.", "POL-29")
def missing_grant_type_unsupported(answer: Answered) -> None:
    if not answer.form.get("grant_type"):
        answer.update(error="unsupported_grant_type")


class _AnyResource(Redemption):
    def redeem(
        self, connection: Connection, client: Client, request: AuthorizationRequest, form: Form, refused: OAuthError
    ) -> dict[str, Any] | OAuthError:
        return super().redeem(connection, client, request, Form([]), refused)


@declared.replacing("A token request may name a resource that was not approved.", "POL-20")
def resource_added_after_approval(parts: Collaborators) -> None:
    put(parts, _AnyResource)


class _WrongResourceSpends(Redemption):
    def redeem(
        self, connection: Connection, client: Client, request: AuthorizationRequest, form: Form, refused: OAuthError
    ) -> dict[str, Any] | OAuthError:
        answer = super().redeem(connection, client, request, form, refused)
        if isinstance(answer, OAuthError) and answer.error == "invalid_target":
            self._requests.fire(connection, request.id, Event.REDEEM)
        return answer


@declared.replacing("A token request for a resource that was not approved spends the code.", "POL-20")
def wrong_resource_spends_code(parts: Collaborators) -> None:
    put(parts, _WrongResourceSpends)
