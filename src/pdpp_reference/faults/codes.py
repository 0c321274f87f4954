"""Device and user codes that can be guessed, are taken for others, or stand where they do not belong (RFC 8628 §5)."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import Connection, delete
from starlette.types import ASGIApp

from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.authorization_requests import AuthorizationRequests, State
from pdpp_reference.authorization_server.consent import show_user_code
from pdpp_reference.authorization_server.device_authorization import DeviceAuthorizationEndpoint
from pdpp_reference.faults.device_authorization import ENDPOINT
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.parts import made_of
from pdpp_reference.faults.traffic import AlteredAnswers, Answered
from pdpp_reference.secrets_at_rest import USER_CODE_ALPHABET
from pdpp_reference.storage.tables import authorization_requests

declared = Declared()


class _OtherCodes(DeviceAuthorizationEndpoint):
    """Draws its codes otherwise."""

    def __init__(
        self,
        parts: Collaborators,
        device_code: Callable[[], str] | None = None,
        user_code: Callable[[], str] | None = None,
    ) -> None:
        super().__init__(*made_of(parts, DeviceAuthorizationEndpoint))
        self._device_code = device_code or super().new_device_code
        self._user_code = user_code or super().new_user_code

    def new_device_code(self) -> str:
        return self._device_code()

    def new_user_code(self) -> str:
        return self._user_code()


def _with_codes(answer: Answered) -> bool:
    return "device_code" in answer.members


_UNGUESSABLE = "What can be guessed has neither the 128 bits that it must have nor the 160 that it should."


# -- device codes ------------------------------------------------------------------------------------------------------


@declared.altering(
    ENDPOINT,
    "Every request is answered with the same device code.",
    "DRS-08",
    "DRS-09",
    "DRS-17",
    why="What never changes is not fresh, and everybody knows it.",
)
def static_device_code(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(device_code="always-the-same-device-code-for-everybody-who-asks")


@declared.replacing("Device codes are counted up.", "DRS-09", "DRS-17", why=_UNGUESSABLE)
def counter_device_code(parts: Collaborators) -> None:
    counter = itertools.count(10**40)
    parts.device_authorization = _OtherCodes(parts, lambda: f"dc_{next(counter)}")


@declared.replacing("Device codes are UUIDs of version 1.", "DRS-09", "DRS-17", why=_UNGUESSABLE)
def uuid1_device_code(parts: Collaborators) -> None:
    parts.device_authorization = _OtherCodes(parts, lambda: str(uuid.uuid1()))


@declared.replacing("Device codes are eight random octets behind a time.", "DRS-09", "DRS-17", why=_UNGUESSABLE)
def padded_device_code(parts: Collaborators) -> None:
    def draw() -> str:
        return f"{parts.clock.now() * 1_000_000:030.0f}-{random.SystemRandom().getrandbits(64):016x}"

    parts.device_authorization = _OtherCodes(parts, draw)


@declared.replacing("Device codes hold 128 bits.", "DRS-17")
def device_code_of_128_bits(parts: Collaborators) -> None:
    parts.device_authorization = _OtherCodes(parts, lambda: random.SystemRandom().randbytes(16).hex())


@declared.replacing(
    "The device code is the user code.",
    "DRS-15",
    "DRS-09",
    "DRS-17",
    "DRS-05",
    why="A code that a person can type is too short for a credential, and it stands in the complete URI.",
)
def device_code_is_user_code(parts: Collaborators) -> None:
    drawn: list[str] = []

    def draw() -> str:
        drawn.append("".join(random.SystemRandom().choices(USER_CODE_ALPHABET, k=8)))
        return show_user_code(drawn[-1])

    parts.device_authorization = _OtherCodes(parts, draw, lambda: drawn[-1])


@declared.replacing("The device code is a digest of the user code.", "DRS-15")
def device_code_from_user_code(parts: Collaborators) -> None:
    drawn: list[str] = []

    def draw() -> str:
        drawn.append("".join(random.SystemRandom().choices(USER_CODE_ALPHABET, k=8)))
        return sha256(show_user_code(drawn[-1]).encode()).hexdigest()

    parts.device_authorization = _OtherCodes(parts, draw, lambda: drawn[-1])


@declared.altering(
    ENDPOINT,
    "The complete URI carries the device code as well.",
    "DRS-15",
    "DRS-05",
    why="What stands in a URL stands in histories and logs.",
)
def device_code_in_complete_uri(answer: Answered) -> None:
    if _with_codes(answer):
        members = answer.members
        uri = f"{members['verification_uri_complete']}&session={members['device_code']}"
        answer.update(verification_uri_complete=uri)


# -- user codes --------------------------------------------------------------------------------------------------------


@declared.replacing("User codes have four letters.", "DRS-10", name="4_letter_code")
def four_letter_code(parts: Collaborators) -> None:
    def draw() -> str:
        return "".join(random.SystemRandom().choices(USER_CODE_ALPHABET, k=4))

    parts.device_authorization = _OtherCodes(parts, user_code=draw)


@declared.altering(ENDPOINT, "User codes are shown in letters of both cases.", "DRS-12")
def mixed_case_code(answer: Answered) -> None:
    if _with_codes(answer):
        either = (str.upper, str.lower)
        shown = "".join(random.SystemRandom().choice(either)(letter) for letter in answer.members["user_code"])
        answer.update(user_code=shown)


IN_A_ROW = 20
"""More device authorization requests than come one directly after another where nobody counts codes."""


@declared.wrapping("Of twenty requests in a row, the last one gets the user code of the first.", "DRS-11")
def user_code_collision(app: ASGIApp) -> ASGIApp:
    in_a_row: list[str] = []

    def change(answer: Answered) -> None:
        if answer.path != ENDPOINT:
            in_a_row.clear()
        elif _with_codes(answer):
            in_a_row.append(answer.members["user_code"])
            if len(in_a_row) == IN_A_ROW:
                answer.update(user_code=in_a_row[0])
                in_a_row.clear()

    return AlteredAnswers(app, None, change)


# -- the answer --------------------------------------------------------------------------------------------------------


@declared.altering(ENDPOINT, "The device code is told twice.", "DRS-04")
def dup_key(answer: Answered) -> None:
    if _with_codes(answer):
        answer.body = b'{"device_code": "another", ' + json.dumps(answer.members).encode()[1:]


@declared.altering(ENDPOINT, "The verification URI holds the user code.", "DRS-07")
def code_in_uri(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(verification_uri=answer.members["verification_uri_complete"])


@declared.altering(ENDPOINT, "The codes live for a day.", "DRS-14")
def one_day_code(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(expires_in=24 * 3600)


@declared.altering(ENDPOINT, "The codes live for half a minute.", "DRS-14")
def half_a_minute_code(answer: Answered) -> None:
    if _with_codes(answer):
        answer.update(expires_in=30)


def _confusing() -> Callable[[Answered], None]:
    before: list[str] = []

    def complete_other_code(answer: Answered) -> None:
        if _with_codes(answer):
            before.append(answer.members["verification_uri_complete"])
            answer.update(verification_uri_complete=before.pop(0) if len(before) > 1 else before[0])

    return complete_other_code


declared.altering(
    ENDPOINT,
    "The complete URI is that of the request before.",
    "DRS-05",
    "UIX-05",
    why="The page that the owner comes to shows, and decides on, another request.",
)(_confusing())


@declared.altering(
    ENDPOINT,
    "The complete URI leads to a page where nothing is decided.",
    "DRS-05",
)
def complete_uri_leads_astray(answer: Answered) -> None:
    if _with_codes(answer):
        members = answer.members
        code = members["user_code"]
        answer.update(verification_uri_complete=f"{members['verification_uri']}/nothing-here?user_code={code}")


# -- other requests ----------------------------------------------------------------------------------------------------


class _OneAtATime(AuthorizationRequests):
    def stage(self, connection: Connection, **request: object) -> str:
        columns = authorization_requests.c
        mine = columns.client_id == request["client_id"], columns.state == State.PENDING.value
        connection.execute(delete(authorization_requests).where(*mine))
        return super().stage(connection, **request)  # type: ignore[arg-type]


@declared.replacing("A new request of a client takes the place of the one that it has pending.", "DAR-21")
def single_slot(parts: Collaborators) -> None:
    parts.requests = _OneAtATime(parts.clock)
