"""The device authorization grant as a client performs it (RFC 8628)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdpp_reference.settings import DEVICE_CODE_GRANT
from pdpp_reference.setup_client.clock import Clock, Deadline
from pdpp_reference.setup_client.discovery import AuthorizationServer
from pdpp_reference.setup_client.failures import CodeExpired, NoAnswer, Refused, TimedOut
from pdpp_reference.setup_client.http import Answer, Http, is_usable, printable
from pdpp_reference.setup_client.report import Report
from pdpp_reference.setup_client.tokens import Token, read_token

DEFAULT_INTERVAL_SECONDS = 5.0
"""Where the server names none (RFC 8628 §3.2)."""

SLOW_DOWN_SECONDS = 5.0
DEFAULT_LIFETIME_SECONDS = 600.0


@dataclass(frozen=True)
class Codes:
    """What the device authorization endpoint answered (RFC 8628 §3.2)."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_at: float
    interval: float


def tell_codes(report: Report, clock: Clock, codes: Codes) -> None:
    """Tell the person where to approve, and with which code."""
    report.tell(
        "code",
        verification_uri=codes.verification_uri,
        verification_uri_complete=codes.verification_uri_complete,
        user_code=codes.user_code,
        expires_in=round(codes.expires_at - clock.now()),
        interval=codes.interval,
    )


@dataclass
class Pace:
    """When to poll next (RFC 8628 §3.5)."""

    interval: float
    """Seconds between two polls; every ``slow_down`` lengthens it for good."""
    unanswered: int = 0
    """How many polls in a row came to nothing."""

    def slow_down(self) -> None:
        """Take a ``slow_down``."""
        self.unanswered = 0
        self.interval += SLOW_DOWN_SECONDS

    def no_answer(self) -> None:
        """Take a poll that the network lost: wait twice as long each time."""
        self.unanswered += 1

    def answered(self) -> None:
        """Take an answer that says to go on."""
        self.unanswered = 0

    @property
    def wait(self) -> float:
        """Seconds to wait before the next poll."""
        return self.interval * float(2 ** min(self.unanswered, 10))


class DeviceFlow:
    """One client's device authorization at one server.

    Args:
        pace: makes the pace for an interval.
    """

    def __init__(
        self, http: Http, clock: Clock, report: Report, pace: Callable[[float], Pace], server: AuthorizationServer
    ) -> None:
        self._http = http
        self._clock = clock
        self._report = report
        self._pace = pace
        self._server = server

    def begin(self, request: Sequence[tuple[str, str]]) -> Codes:
        """Ask for codes (RFC 8628 §3.1).

        Raises:
            Refused: the server refuses, or its answer cannot be used.
            NoAnswer: it cannot be reached.
        """
        endpoint = self._server.endpoint("device_authorization_endpoint")
        assert endpoint is not None
        answer = self._http.patiently(self._http.post_form, endpoint, request)
        if answer.status != 200:
            raise Refused(f"the server refuses the request: {_told(answer)}", error=answer.error)
        return self.read_codes(answer)

    def read_codes(self, answer: Answer) -> Codes:
        """Read the codes; what a person is asked to open has to be a web page."""
        members = answer.members
        device_code, user_code = members.get("device_code"), members.get("user_code")
        if not (isinstance(device_code, str) and device_code and isinstance(user_code, str) and user_code):
            raise Refused("the server's answer has no codes in it")
        verification_uri = members.get("verification_uri")
        if not self.may_be_opened(verification_uri):
            raise Refused("the verification URL that the server names is no web page that may be opened")
        complete = members.get("verification_uri_complete")
        lifetime = _seconds(members.get("expires_in"), DEFAULT_LIFETIME_SECONDS)
        return Codes(
            device_code,
            printable(user_code, 40),
            str(verification_uri),
            complete if self.may_be_opened(complete) else None,
            expires_at=self._clock.now() + lifetime,
            interval=_seconds(members.get("interval"), DEFAULT_INTERVAL_SECONDS),
        )

    def may_be_opened(self, url: object) -> bool:
        """Whether a URL of the server's may be shown to a person, or handed to a browser."""
        return is_usable(url)

    def token(self, codes: Codes, form: Sequence[tuple[str, str]], deadline: Deadline) -> Token:
        """Poll until there is a token (RFC 8628 §3.4, §3.5).

        Args:
            form: parameters of every poll besides the grant type and the code.
            deadline: when to stop, besides the codes' own expiry.

        Raises:
            Refused: the answer is any error but the two that say to go on.
            CodeExpired: the codes expired while nobody decided.
            TimedOut: the deadline came first, or the server said nothing of use until the codes expired.
        """
        endpoint = self._server.endpoint("token_endpoint")
        if endpoint is None:
            raise Refused(f"the metadata of {self._server.issuer} names no token endpoint")
        pace = self._pace(codes.interval)
        state = "waiting for approval"
        poll = [("grant_type", DEVICE_CODE_GRANT), ("device_code", codes.device_code), *form]
        until = Deadline(self._clock, min(deadline.ends, codes.expires_at))
        while True:
            self._wait(pace, state, codes, until, deadline)
            try:
                answer = self._http.post_form(endpoint, poll)
            except NoAnswer as error:
                pace.no_answer()
                state = f"no answer, asking less often: {error.reason}"
                continue
            if answer.is_of_the_network:
                pace.no_answer()
                state = f"no answer, asking less often: the server says {answer.summary}"
            elif answer.status == 200:
                return self.read_token(answer)
            elif not self.goes_on(answer, pace):
                raise refusal(answer)
            else:
                state = "waiting for approval" + (
                    ", the server asked to slow down" if answer.error == "slow_down" else ""
                )

    def read_token(self, answer: Answer) -> Token:
        """Read the token response."""
        return read_token(answer, self._clock.now())

    def goes_on(self, answer: Answer, pace: Pace) -> bool:
        """Take an error response; return whether polling goes on."""
        if answer.error == "authorization_pending":
            pace.answered()
        elif answer.error == "slow_down":
            pace.slow_down()
        else:
            return False
        return True

    def _wait(self, pace: Pace, state: str, codes: Codes, until: Deadline, deadline: Deadline) -> None:
        try:
            self._report.waiting(
                until, pace.wait, state=state, interval=pace.interval, code_expires_at=codes.expires_at
            )
        except TimedOut:
            if deadline.ends < codes.expires_at:
                raise TimedOut("nobody approved in the time that was given") from None
            if state == "waiting for approval":
                raise CodeExpired("nobody approved before the code expired", error="expired_token") from None
            raise TimedOut(f"the code's time is over, and the last word was: {state}") from None


_REFUSALS: Mapping[str, str] = {
    "access_denied": "the owner denied the request",
    "expired_token": "the code expired before it was approved",
    "invalid_client": "the server does not know this client",
    "invalid_grant": "the server does not know this device code, or it was used before",
    "invalid_target": "the server does not give tokens for this resource",
}


def refusal(answer: Answer) -> Refused:
    """Return what an error response of the token endpoint means to a person."""
    known = _REFUSALS.get(answer.error or "")
    kind = CodeExpired if answer.error == "expired_token" else Refused
    return kind(known or f"the server ends it: {_told(answer)}", error=answer.error)


def _told(answer: Answer) -> str:
    description = answer.members.get("error_description")
    return f"{answer.summary}, {printable(description)}" if isinstance(description, str) else answer.summary


def _seconds(value: Any, otherwise: float) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e7
    return float(value) if usable else otherwise
