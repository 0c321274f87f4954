"""A client with a secret, where the deployment offers that, and how it is refused without it (RFC 6749 §2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.run import CLIENT_NAME, REDIRECT_URI, Run
from pdpp_conformance.verdict import Blocked

_NAME = "a client with a secret"
_KNOWN_METHODS = ("client_secret_basic", "client_secret_post")
WRONG_SECRET = "no-such-secret"  # noqa: S105 - it opens nothing


@dataclass(frozen=True)
class ConfidentialClient:
    """A registered client that has to authenticate, and sends what a scenario wants it to."""

    run: Run
    client_id: str
    method: str
    """Its ``token_endpoint_auth_method``."""
    secret: str = field(repr=False)

    def send(self, endpoint: str, parameters: Mapping[str, str], credentials: str) -> Answer:
        """Send a form with the named credentials.

        Args:
            credentials: ``its secret``, ``a wrong secret``, ``no secret``, ``a wrong secret in the header`` or
                ``its secret in header and body``.
        """
        url = self.run.discovery.endpoint(endpoint)
        if url is None:
            raise Blocked(f"the metadata advertises no {endpoint}", unblock=f"metadata that names its {endpoint}")
        secret = WRONG_SECRET if "wrong" in credentials else self.secret
        in_header = "header" in credentials or (self.method == "client_secret_basic" and credentials != "no secret")
        in_body = "body" in credentials or (not in_header and credentials != "no secret")
        form = dict(parameters)
        if in_body or credentials == "no secret":
            form["client_id"] = self.client_id
        if in_body:
            form["client_secret"] = secret
        # RFC 6749 §2.3.1: both are form-encoded before they are joined.
        basic = (quote_plus(self.client_id), quote_plus(secret)) if in_header else None
        return self.run.recorder.send("POST", url, actor=_NAME, form=form, basic=basic)

    def ask(self, credentials: str) -> Answer:
        """Ask for device codes."""
        return self.send("device_authorization_endpoint", {}, credentials)

    def poll(self, device_code: str, credentials: str) -> Answer:
        """Poll."""
        parameters = {"grant_type": DEVICE_CODE_GRANT, "device_code": device_code}
        return self.send("token_endpoint", parameters, credentials)


def register(run: Run) -> ConfidentialClient:
    """Register a client with a secret; it is removed at the end of the run.

    Raises:
        Blocked: the harness cannot come by one.
    """
    listed = run.discovery.authorization_server.content.get("token_endpoint_auth_methods_supported")
    offered = listed if isinstance(listed, list) else ["client_secret_basic"]
    method = next((method for method in _KNOWN_METHODS if method in offered), None)
    if method is None:
        raise Blocked(
            f"a client with a secret is needed, and the metadata offers only {', '.join(map(str, offered))}",
            unblock="client_secret_basic or client_secret_post in the metadata",
        )
    metadata = {
        "client_name": f"{CLIENT_NAME}: {_NAME}",
        "grant_types": [DEVICE_CODE_GRANT],
        "token_endpoint_auth_method": method,
    }
    answer = run.register(metadata, actor=_NAME)
    if answer.status == 400:
        # Some servers want a redirect URI even of a client that will never use one.
        answer = run.register({**metadata, "redirect_uris": [REDIRECT_URI]}, actor=_NAME)
    client_id, secret = answer.member("client_id"), answer.member("client_secret")
    if not isinstance(client_id, str) or not isinstance(secret, str):
        raise Blocked(
            f"registering a client with a secret was answered {answer.summary} and no secret",
            unblock="a registration endpoint that gives client secrets",
        )
    granted = answer.member("token_endpoint_auth_method")
    return ConfidentialClient(run, client_id, granted if granted in _KNOWN_METHODS else method, secret)


def require_served(client: ConfidentialClient) -> Answer:
    """The positive control: with its secret the client gets device codes.

    Raises:
        Blocked: it does not.
    """
    answer = client.ask("its secret")
    if not isinstance(answer.member("device_code"), str):
        raise Blocked(
            f"a client with a secret was answered {answer.summary}, so that a refusal without it proves nothing",
            unblock="a deployment that gives device codes to a client with a secret",
        )
    return answer


def judge_basic_challenge(judge: Judgement, answer: Answer) -> None:
    """RFC 6749 §5.2: 401 ``invalid_client`` with a challenge of the scheme that was used."""
    challenge = answer.header("www-authenticate") or ""
    judge.that(
        answer.status == 401 and answer.error == "invalid_client" and challenge.lower().startswith("basic"),
        "401 invalid_client with a Basic challenge",
        f"{answer.summary}, WWW-Authenticate: {challenge[:100] or 'absent'}",
    )


def judge_still_pending_for(judge: Judgement, client: ConfidentialClient, device_code: str) -> None:
    """With its secret, the client's code polls as before."""
    answer = client.poll(device_code, "its secret")
    met = answer.error in ("authorization_pending", "slow_down")
    judge.that(met, "authorization_pending or slow_down afterwards", answer.summary)
