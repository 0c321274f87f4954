"""Defects that befall requests, and orders of them, that nobody would write by hand: only generated ones find them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, not_, select
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequest, State
from pdpp_reference.authorization_server.clients import Client
from pdpp_reference.authorization_server.device_authorization import DeviceCodeGrant
from pdpp_reference.authorization_server.redemption import Redemption
from pdpp_reference.authorization_server.revocation import RevocationEndpoint
from pdpp_reference.authorization_server.token import RefreshTokenGrant
from pdpp_reference.authorization_server.tokens import Tokens
from pdpp_reference.errors import OAuthError
from pdpp_reference.faults.device_authorization import ENDPOINT as DEVICE_AUTHORIZATION
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.parts import put
from pdpp_reference.faults.polling import ENDPOINT as TOKEN
from pdpp_reference.faults.traffic import Answered
from pdpp_reference.grants.access import AccessToken
from pdpp_reference.http import Form
from pdpp_reference.resource_server.bearer import BearerCheck
from pdpp_reference.storage.tables import tokens

declared = Declared()

_REVOCATION = "/oauth/revoke"
_PUSHED = "/oauth/par"
_A_BEARER = {"access_token": "a-bearer-that-nobody-may-have", "token_type": "Bearer", "expires_in": 3600}


@declared.altering(TOKEN, "A code that comes without its verifier is the server's own fault.", "ERR-01")
def missing_verifier_is_500(answer: Answered) -> None:
    if answer.form.get("grant_type") == "authorization_code" and not answer.form.get("code_verifier"):
        answer.status = 500


@declared.altering(DEVICE_AUTHORIZATION, "A NUL in a parameter makes the server fail.", "DAR-22")
def nul_is_500(answer: Answered) -> None:
    if any("\x00" in value for value in answer.form.values()):
        answer.status = 500


@declared.altering(_PUSHED, "A very long value is answered with a status that no standard has for it.", "ERR-01")
def long_value_is_409(answer: Answered) -> None:
    if any(len(value) > 5_000 for value in answer.form.values()):
        answer.status = 409


@declared.altering(_REVOCATION, "A content type with a long parameter is answered with a page.", "ERR-02")
def page_for_odd_content_type(answer: Answered) -> None:
    if answer.status == 400 and "charset=utf-16" in answer.request_headers.get("content-type", ""):
        answer.body = b"<!doctype html><title>Error</title><p>What charset is that?"
        answer.headers["content-type"] = "text/html; charset=utf-8"


@declared.altering(
    TOKEN, "The description repeats a grant type that nobody knows as it came, beyond ASCII as well.", "ERR-03"
)
def grant_type_in_description(answer: Answered) -> None:
    if answer.members.get("error") == "unsupported_grant_type" and not answer.form["grant_type"].isascii():
        answer.update(error_description=answer.form["grant_type"])


@declared.altering(_REVOCATION, "The description repeats a token that is another client's.", "ERR-06")
def foreign_token_in_error(answer: Answered) -> None:
    if answer.members.get("error") == "invalid_grant":
        answer.update(error_description=f"not yours: {answer.form['token']}")


@declared.altering(TOKEN, "A cache may keep the error of a repeated parameter.", "ERR-08")
def cacheable_repetition(answer: Answered) -> None:
    names = [pair.partition(b"=")[0] for pair in answer.request_body.split(b"&")]
    if answer.status == 400 and names.count(b"nonsense") > 1:
        del answer.headers["cache-control"]


@declared.altering(_PUSHED, "A parameter with a line end in it becomes a header.", "ERR-09")
def parameter_in_header(answer: Answered) -> None:
    for value in answer.form.values():
        for line in value.splitlines()[1:]:
            name, _, rest = line.partition(": ")
            if name.isascii() and name.replace("-", "").isalnum() and rest.isascii() and rest.isprintable():
                answer.headers.append(name, rest)


@declared.altering(TOKEN, "A very long grant type is answered with 429, and without a time to come again.", "ERR-07")
def long_grant_type_is_429(answer: Answered) -> None:
    if len(answer.form.get("grant_type", "")) > 5_000:
        answer.status = 429


@declared.wrapping("A device authorization request by PUT is answered as one by POST.", "DAR-02")
def put_gives_codes(app: ASGIApp) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"], scope["method"]) == (DEVICE_AUTHORIZATION, "PUT"):
            scope = {**scope, "method": "POST"}
        await app(scope, receive, send)

    return serve


class _Redeeming(DeviceCodeGrant):
    """Gives a bearer for what it has to refuse, where ``wrongly`` says so."""

    def wrongly(self, connection: Connection, request: AuthorizationRequest | None, client: Client, form: Form) -> bool:
        raise NotImplementedError

    def _poll(
        self, connection: Connection, client: Client, device_code: str, form: Form
    ) -> dict[str, Any] | OAuthError:
        if self.wrongly(connection, self._requests.by_device_code(connection, device_code), client, form):
            return dict(_A_BEARER)
        return super()._poll(connection, client, device_code, form)


class _DeniedWithResource(_Redeeming):
    def wrongly(self, connection: Connection, request: AuthorizationRequest | None, client: Client, form: Form) -> bool:
        return form.present("resource") and request is not None and request.state is State.DENIED


@declared.replacing("A denied code is redeemed where the request names a resource.", "POL-08")
def denied_code_redeems(parts: Collaborators) -> None:
    put(parts, _DeniedWithResource)


class _ForeignWithResource(_Redeeming):
    def wrongly(self, connection: Connection, request: AuthorizationRequest | None, client: Client, form: Form) -> bool:
        return (
            form.present("resource")
            and request is not None
            and request.state is State.PENDING
            and request.client_id != client.client_id
        )


@declared.replacing("Another client's undecided code is redeemed where the request names a resource.", "POL-05")
def foreign_code_redeems(parts: Collaborators) -> None:
    put(parts, _ForeignWithResource)


class _UnknownWithResource(_Redeeming):
    def wrongly(self, connection: Connection, request: AuthorizationRequest | None, client: Client, form: Form) -> bool:
        return form.present("resource") and request is None


@declared.replacing("An unknown code is redeemed where the request names a resource.", "POL-06")
def unknown_code_redeems(parts: Collaborators) -> None:
    put(parts, _UnknownWithResource)


# -- orders of requests ------------------------------------------------------------------------------------------------


class _HastyAfterOthers(_Redeeming):
    def __init__(self, *ingredients: Any) -> None:
        super().__init__(*ingredients)
        self._polled_by_others: set[str] = set()

    def wrongly(self, connection: Connection, request: AuthorizationRequest | None, client: Client, form: Form) -> bool:
        if request is None:
            return False
        if request.client_id != client.client_id:
            self._polled_by_others.add(request.id)
            return False
        last, interval = request.last_polled_at, request.interval or 0
        too_soon = last is not None and self._clock.now() < last + interval
        return request.state is State.PENDING and too_soon and request.id in self._polled_by_others


@declared.replacing(
    "An undecided code that another client has polled with is redeemed when its own is hasty.", "CHG-13"
)
def hasty_after_others_redeems(parts: Collaborators) -> None:
    put(parts, _HastyAfterOthers)


class _DenialLapses(_Redeeming):
    def wrongly(self, connection: Connection, request: AuthorizationRequest | None, client: Client, form: Form) -> bool:
        return request is not None and request.state is State.DENIED and request.expires_at <= self._clock.now()


@declared.replacing("A denied code is redeemed once its time is over.", "POL-08")
def denial_lapses(parts: Collaborators) -> None:
    put(parts, _DenialLapses)


class _RedeemedAfterRefresh(_Redeeming):
    def wrongly(self, connection: Connection, request: AuthorizationRequest | None, client: Client, form: Form) -> bool:
        if request is None:
            return False
        family = select(tokens.c.digest).where(tokens.c.request_id == request.id, tokens.c.rotated.is_(True))
        refreshed = connection.execute(family.limit(1)).one_or_none() is not None
        return request.state is State.REDEEMED and refreshed and request.client_id == client.client_id


@declared.replacing("A redeemed code is redeemed again once what it gave was refreshed.", "POL-12")
def redeemed_again_after_refresh(parts: Collaborators) -> None:
    put(parts, _RedeemedAfterRefresh)


class _OldFamilySpared(Tokens):
    def revoke_family(self, connection: Connection, request_id: str) -> None:
        """Leave a family as it is that was refreshed twice."""
        used = select(tokens.c.digest).where(tokens.c.request_id == request_id, tokens.c.rotated.is_(True))
        if len(connection.execute(used).all()) < 2:
            super().revoke_family(connection, request_id)


@declared.replacing("A family that was refreshed twice goes on after a used refresh token came again.", "REF-02")
def old_family_refreshes_after_replay(parts: Collaborators) -> None:
    made = _OldFamilySpared(parts.settings, parts.clock, parts.grants)
    parts.refresh_token_grant = RefreshTokenGrant(parts.store, made)


class _EndedOnce(Tokens):
    def revoke_family(self, connection: Connection, request_id: str) -> None:
        """Take a family for ended where a token of it was revoked."""
        revoked = select(tokens.c.digest).where(tokens.c.request_id == request_id, tokens.c.revoked_at.is_not(None))
        if connection.execute(revoked.limit(1)).one_or_none() is None:
            super().revoke_family(connection, request_id)


@declared.replacing("A code that comes again ends nothing where one token of what it gave was revoked.", "POL-13")
def replay_after_revocation_keeps_tokens(parts: Collaborators) -> None:
    made = _EndedOnce(parts.settings, parts.clock, parts.grants)
    parts.redemption = Redemption(parts.requests, parts.grants, made)
    put(parts, DeviceCodeGrant)


class _OnlyTheNewest(Tokens):
    def revoke_family(self, connection: Connection, request_id: str) -> None:
        """Spare the access tokens that a refresh was to replace."""
        family = select(tokens.c.digest).where(tokens.c.request_id == request_id, tokens.c.use == "access")
        newest = family.order_by(tokens.c.issued_at.desc()).limit(1).scalar_subquery()
        spared = tokens.c.use == "access", tokens.c.digest != newest
        self._revoke(connection, and_(tokens.c.request_id == request_id, not_(and_(*spared))))


@declared.replacing("A revoked refresh token takes only the newest access token along.", "REV-06")
def revocation_spares_older_tokens(parts: Collaborators) -> None:
    made = _OnlyTheNewest(parts.settings, parts.clock, parts.grants)
    parts.revocation = RevocationEndpoint(parts.store, parts.clients, made)


class _RememberedOwners(BearerCheck):
    def __init__(self, *ingredients: Any) -> None:
        super().__init__(*ingredients)
        self._refused: dict[str, AccessToken] = {}

    def at_mcp(self, headers: Headers) -> AccessToken:
        presented = headers.get("authorization", "").partition(" ")[2]
        token = self._tokens.active(presented)
        if token is not None and token.kind == "owner":
            self._refused[presented] = token
        elif token is None and presented in self._refused:
            return self._refused[presented]
        return super().at_mcp(headers)


@declared.replacing("An owner token that was refused at /mcp passes there when it has ended.", "PRO-04")
def ended_owner_token_at_mcp(parts: Collaborators) -> None:
    put(parts, _RememberedOwners)
