"""Defects that befall requests nobody would write by hand, so that only generated ones find them."""

from __future__ import annotations

from pdpp_reference.faults.device_authorization import ENDPOINT as DEVICE_AUTHORIZATION
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.polling import ENDPOINT as TOKEN
from pdpp_reference.faults.traffic import Answered

declared = Declared()

_REVOCATION = "/oauth/revoke"
_PUSHED = "/oauth/par"


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


@declared.altering(TOKEN, "The description repeats a grant type that nobody knows as it came.", "ERR-03")
def grant_type_in_description(answer: Answered) -> None:
    if answer.members.get("error") == "unsupported_grant_type" and not answer.form["grant_type"].isprintable():
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
