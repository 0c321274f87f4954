"""Device authorization requests in the forms that RFC 8628 §3.1 asks for, and in others."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pdpp_conformance.device_requests import any_kind, ask, ask_for_codes
from pdpp_conformance.exchange import FORM, Answer, NoAnswer, is_loopback
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import OAuthClient
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable

_UMLAUTS = "Für die Übersicht ✓"


def _parameters(run: Run, client: OAuthClient) -> dict[str, str]:
    kind = any_kind(run)
    return client.request_parameters(kind, run.one_stream() if kind == "grant_scoped_mcp" else ())


def _post(run: Run, client: OAuthClient, content: bytes, media_type: str, *, query: str = "") -> Answer:
    return run.recorder.send(
        "POST",
        client.endpoint("device_authorization_endpoint") + query,
        actor=client.name,
        headers={"Content-Type": media_type},
        content=content,
    )


def ask_in_form(run: Run, client: OAuthClient, how: str) -> Answer:
    """Send a well-formed request in one of the ways of writing a form (RFC 6749 Appendix B).

    Raises:
        NotApplicable: the deployment takes no free text that UTF-8 could stand in.
    """
    parameters = _parameters(run, client)
    if how == "naming its character encoding":
        return _post(run, client, urlencode(parameters).encode(), f"{FORM}; charset=UTF-8")
    if how == "with every letter percent-encoded":
        body = "&".join(f"{_all_encoded(name)}={_all_encoded(value)}" for name, value in parameters.items())
        return _post(run, client, body.encode(), FORM)
    if how == "with text in UTF-8":
        if _ask_for_purpose(run, client, "an overview").member("device_code") is None:
            raise NotApplicable("the deployment takes no purpose_description, the one free text of a request")
        return _ask_for_purpose(run, client, _UMLAUTS)
    return ask_for_codes(run, client).answer


def _all_encoded(text: str) -> str:
    return "".join(f"%{octet:02X}" for octet in text.encode())


def _ask_for_purpose(run: Run, client: OAuthClient, purpose: str) -> Answer:
    details = [{**entry, "purpose_description": purpose} for entry in run.one_stream()]
    text = json.dumps(details, ensure_ascii=False)
    return ask(run, client, "grant_scoped_mcp", replacing={"authorization_details": text}).answer


def judge_accepted(judge: Judgement, answer: Answer) -> None:
    """The request is answered with a device code."""
    met = answer.status == 200 and isinstance(answer.member("device_code"), str)
    judge.that(met, "200 with a device code", answer.summary)


def judge_still_served(judge: Judgement, answer: Answer) -> None:
    """What was sent before has broken nothing: there is a device code, or a limit that was reached (RFC 6585 §4)."""
    met = answer.status == 429 or (answer.status == 200 and isinstance(answer.member("device_code"), str))
    judge.that(met, "200 with a device code, or 429", answer.summary)


def ask_in_body(run: Run, client: OAuthClient, media_type: str) -> Answer:
    """Send the parameters of a well-formed request in a body of another kind."""
    parameters = _parameters(run, client)
    if media_type == "JSON":
        return _post(run, client, json.dumps(parameters).encode(), "application/json")
    if media_type == "multipart":
        parts = "".join(
            f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in parameters.items()
        )
        return _post(run, client, f"{parts}--edge--\r\n".encode(), "multipart/form-data; boundary=edge")
    return _post(run, client, urlencode(parameters).encode(), "text/plain")


def judge_other_body(judge: Judgement, answer: Answer) -> None:
    """Refused as a request without parameters is; JSON may be taken, which is told."""
    is_json = ("Content-Type", "application/json") in answer.exchange.request_headers
    if is_json and answer.status == 200 and answer.member("device_code") is not None:
        judge.that(True, "a refusal, or codes, which are permitted for JSON", answer.summary)
        judge.note("accepts JSON bodies beside forms, which RFC 8628 §3.1 does not speak of")
        return
    judge.error(answer, ["invalid_request", "invalid_client"], statuses=(400, 401, 415))


def ask_with_empty_scope(run: Run, client: OAuthClient) -> tuple[Answer, Answer]:
    """Ask without a scope, and with an empty one."""
    parameters = {name: value for name, value in _parameters(run, client).items() if name != "scope"}
    return client.ask(parameters.items()), client.ask([*parameters.items(), ("scope", "")])


def judge_same_outcome(judge: Judgement, without: Answer, empty: Answer) -> None:
    """RFC 8628 §3.1: an empty parameter counts as omitted, so that both requests come to the same."""
    outcomes = [
        f"{answer.summary}{' with codes' if answer.member('device_code') is not None else ''}"
        for answer in (without, empty)
    ]
    judge.that(outcomes[0] == outcomes[1], f"{outcomes[0]}, as without the parameter", outcomes[1])


def ask_with_lone_empty(client: OAuthClient, parameter: str) -> Answer:
    """Ask with the client id and one empty parameter of the MCP kind."""
    return client.ask([("client_id", client.client_id), (parameter, "")])


def ask_in_uri(run: Run, client: OAuthClient) -> Answer:
    """Send the client's identification in the request URI, and the other parameters in the body."""
    parameters = _parameters(run, client)
    client_id = parameters.pop("client_id")
    return client.ask(parameters.items(), query=f"?client_id={quote(client_id, safe='')}")


def require_codes(run: Run, client: OAuthClient) -> None:
    """The positive control: a well-formed request gets codes.

    Raises:
        Blocked: it does not.
    """
    answer = ask_for_codes(run, client).answer
    if answer.member("device_code") is None:
        raise Blocked(
            f"a well-formed request was answered {answer.summary}, so that a refusal proves nothing",
            unblock="a deployment that gives device codes",
        )


# -- TLS ---------------------------------------------------------------------------------------------------------------


def judge_tls_only(judge: Judgement, run: Run, client: OAuthClient) -> None:
    """RFC 8628 §3.1: the endpoint is served over TLS alone.

    A request with parameters is not sent in clear text; one without any is answered alike where TLS makes no
    difference. Lab exemption: plain http on loopback passes with a note.

    Raises:
        Blocked: what answers in clear text cannot be told from a refusal.
    """
    url = client.endpoint("device_authorization_endpoint")
    if is_loopback(url):
        judge.note("lab exemption: plain http on loopback")
        judge.that(True, "TLS, or this machine's loopback", f"{urlsplit(url).scheme} on loopback")
        return
    judge.that(urlsplit(url).scheme == "https", "an https endpoint", url)
    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(scheme="http", netloc=parts.netloc.removesuffix(":443")))
    try:
        in_clear = run.recorder.send("POST", plain, actor=client.name, headers={"Content-Type": FORM})
    except NoAnswer as error:
        judge.that(True, "a refusal in clear text", error.observed)
        return
    protected = run.recorder.send("POST", url, actor=client.name, headers={"Content-Type": FORM})
    alike = (in_clear.status, in_clear.body) == (protected.status, protected.body) or (
        in_clear.error is not None
        and all(in_clear.member(member) == protected.member(member) for member in ("error", "error_description"))
    )
    reads_parameters = "client" in str(in_clear.member("error_description"))
    if alike and in_clear.error is not None and not reads_parameters:
        raise Blocked(
            f"in clear text an empty request is answered {in_clear.summary}, as over TLS; whether a whole one would "
            "get codes is not tried, for it would go over the network in clear text",
            unblock="a deployment that refuses plain http for what it is, or does not listen",
        )
    judge.that(
        not (alike and reads_parameters) and in_clear.member("device_code") is None,
        "a refusal in clear text, or a redirection to TLS",
        f"{in_clear.summary}, {'which misses a parameter, as over TLS' if alike else 'unlike over TLS'}",
    )
