"""Malformed requests to the authorization server's endpoints, and what was answered, kept for the rows on errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pdpp_conformance import drawing
from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.exchange import Answer, NoAnswer
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Conclusion, NotApplicable

ENDPOINTS: Mapping[str, str] = {
    "the token endpoint": "token_endpoint",
    "the device authorization endpoint": "device_authorization_endpoint",
    "the registration endpoint": "registration_endpoint",
    "the pushed authorization request endpoint": "pushed_authorization_request_endpoint",
    "the revocation endpoint": "revocation_endpoint",
}
"""The endpoints whose errors RFC 6749 §5.2 shapes, and where the metadata names them."""

NOTHING = "nothing at all"
_ODD = 'ü"\\\n\x7f€'
"""Characters that no error may hold (RFC 6749 §5.2), for servers that echo what they do not understand."""

Form = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Sent:
    """A malformed request and its answer."""

    what: str
    answer: Answer | None
    problem: str | None = None
    """Why there is no answer, where there is none."""
    planted: tuple[str, ...] = ()
    """Secrets that stood in the request."""

    @property
    def is_error(self) -> bool:
        """Whether it was answered with an error, in whatever form."""
        return self.answer is not None and (self.answer.status >= 400 or self.answer.member("error") is not None)

    @property
    def is_throttled(self) -> bool:
        """Whether the deployment had had enough, which is no error of the request."""
        return self.answer is not None and self.answer.status in (429, 503) and bool(self.answer.header("retry-after"))


class MalformedRequests:
    """The answers to malformed requests, asked for once a run and endpoint."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def at(self, endpoint: str) -> tuple[Sent, ...]:
        """Return what an endpoint answered to malformed requests.

        Raises:
            NotApplicable: the metadata does not advertise it.
        """
        return self._run.once(f"malformed requests to {endpoint}", lambda: self._send_all(endpoint))

    def _send_all(self, endpoint: str) -> tuple[Sent, ...]:
        url = endpoint_url(self._run, endpoint)
        return tuple(_send(self._run, url, what, body) for what, body in _requests(self._run, endpoint))

    def everywhere(self) -> list[Sent]:
        """Return what all advertised endpoints answered."""
        answers: list[Sent] = []
        for endpoint in ENDPOINTS:
            try:
                answers += self.at(endpoint)
            except NotApplicable:
                continue
        return answers

    def with_secrets(self) -> tuple[Sent, ...]:
        """Return what was answered to requests that carry secrets, in their places and in others."""
        return self._run.once("requests that carry secrets", lambda: tuple(_with_secrets(self._run)))


def endpoint_url(run: Run, endpoint: str) -> str:
    """Return an endpoint's URL.

    Raises:
        NotApplicable: the metadata does not advertise it.
    """
    url = run.discovery.endpoint(ENDPOINTS[endpoint])
    if url is None:
        raise NotApplicable(f"the metadata advertises no {ENDPOINTS[endpoint]}")
    return url


def _send(run: Run, url: str, what: str, body: Form | str, planted: Sequence[str] = ()) -> Sent:
    try:
        if isinstance(body, str):
            headers = {"Content-Type": "application/json"}
            answer = run.recorder.send("POST", url, actor="a client", headers=headers, content=body.encode())
        else:
            answer = run.recorder.send("POST", url, actor="a client", form=body)
    except NoAnswer as error:
        return Sent(what, None, error.observed, tuple(planted))
    return Sent(what, answer, planted=tuple(planted))


def _requests(run: Run, endpoint: str) -> Iterator[tuple[str, Form | str]]:
    """Yield requests that none may take, by what is wrong with them."""
    if endpoint == "the registration endpoint":
        # Nothing here may be taken for a client's metadata: what is registered by mistake would stay.
        yield NOTHING, ""
        yield "no JSON", '{"client_name": "' + _ODD
        yield "an array", json.dumps([_ODD])
        return
    yield NOTHING, []
    yield "a client id with odd characters", [("client_id", f"nobody{_ODD}"), *_FILLING[endpoint]]
    known = _known_client(run)
    if known is None:
        return
    client = ("client_id", known)
    if endpoint == "the token endpoint":
        yield "a grant type with odd characters", [("grant_type", f"no-such{_ODD}"), client]
        yield "a device code with odd characters", [*_FILLING[endpoint], ("device_code", f"no-such{_ODD}"), client]
        yield (
            "an unknown authorization code",
            [("grant_type", "authorization_code"), ("code", "no-such-code"), ("code_verifier", "v" * 43), client],
        )
        yield "an unknown refresh token", [("grant_type", "refresh_token"), ("refresh_token", "no-such-token"), client]
    elif endpoint == "the device authorization endpoint":
        yield "authorization details with odd characters", [client, ("authorization_details", _ODD)]
    elif endpoint == "the pushed authorization request endpoint":
        yield "a request URI, which cannot be pushed", [client, ("request_uri", f"urn:no-such:{_ODD}")]
    else:
        yield "no token", [client]


_FILLING: Mapping[str, Form] = {
    "the token endpoint": [("grant_type", DEVICE_CODE_GRANT)],
    "the device authorization endpoint": [],
    "the pushed authorization request endpoint": [("response_type", "code")],
    "the revocation endpoint": [("token", "no-such-token")],
}


def _known_client(run: Run) -> str | None:
    try:
        return run.client().client_id
    except Conclusion:
        return None


def _with_secrets(run: Run) -> Iterator[Sent]:
    """Send secrets that open nothing, under the names of secrets, in requests that are to be refused."""

    def secret(word: str) -> str:
        value = f"planted{drawing.token_hex(12)}"
        run.redactor.register(value, word)
        return value

    device_code, refresh_token, client_secret, token = map(
        secret, ("device_code", "refresh_token", "client_secret", "token")
    )
    client = ("client_id", _known_client(run) or "nobody")
    plans: Sequence[tuple[str, str, Form | str, Sequence[str]]] = (
        (
            "an unknown device code",
            "the token endpoint",
            [("grant_type", DEVICE_CODE_GRANT), ("device_code", device_code), client],
            [device_code],
        ),
        (
            "a device code as a refresh token",
            "the token endpoint",
            [("grant_type", "refresh_token"), ("refresh_token", device_code), client],
            [device_code],
        ),
        (
            "an unknown refresh token, with a client secret",
            "the token endpoint",
            [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh_token),
                client,
                ("client_secret", client_secret),
            ],
            [refresh_token, client_secret],
        ),
        (
            "a client secret of an unknown client",
            "the device authorization endpoint",
            [("client_id", "nobody"), ("client_secret", client_secret)],
            [client_secret],
        ),
        (
            "a device code and tokens where none belong, by an unknown client",
            "the device authorization endpoint",
            [
                ("client_id", "nobody"),
                ("device_code", device_code),
                ("access_token", token),
                ("refresh_token", refresh_token),
            ],
            [device_code, token, refresh_token],
        ),
        (
            "a client secret of an unknown client",
            "the pushed authorization request endpoint",
            [("client_id", "nobody"), ("client_secret", client_secret), ("response_type", "code")],
            [client_secret],
        ),
        (
            "a token of an unknown client",
            "the revocation endpoint",
            [("client_id", "nobody"), ("token", token)],
            [token],
        ),
        (
            "JSON that breaks off behind a client secret",
            "the registration endpoint",
            f'{{"client_secret": "{client_secret}", "software_statement": "{token}"',
            [client_secret, token],
        ),
    )
    for what, endpoint, body, planted in plans:
        url = run.discovery.endpoint(ENDPOINTS[endpoint])
        if url is not None:
            yield _send(run, url, f"{what}, at {endpoint}", body, planted)
