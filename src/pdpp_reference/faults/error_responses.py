"""Errors that are not what RFC 6749 §5.2 says, that repeat secrets, or that come for the wrong reason.

Most of them befall a request with nothing in it, so that no other row's refusals are touched.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from pdpp_reference.faults.device_authorization import ENDPOINT as DEVICE_AUTHORIZATION
from pdpp_reference.faults.fault import Declared
from pdpp_reference.faults.polling import ENDPOINT as TOKEN
from pdpp_reference.faults.traffic import AlteredAnswers, Answered

_ENDPOINTS = (TOKEN, DEVICE_AUTHORIZATION, "/oauth/par", "/oauth/revoke", "/oauth/register")

declared = Declared()


def _everywhere(what: str, *rows: str, why: str | None = None) -> Callable[[Callable[[Answered], None]], None]:
    """Declare a function that spoils the answers of all these endpoints."""

    def declare(change: Callable[[Answered], None]) -> None:
        def wrap(app: ASGIApp) -> ASGIApp:
            for path in _ENDPOINTS:
                app = AlteredAnswers(app, path, change)
            return app

        declared.wrapping(what, *rows, why=why, name=change.__name__)(wrap)

    return declare


def _is_empty(answer: Answered) -> bool:
    return answer.method == "POST" and not answer.request_body and "error" in answer.members


@declared.altering(TOKEN, "A request with nothing in it is answered with 200 and an error.", "ERR-01")
def error_200(answer: Answered) -> None:
    if _is_empty(answer):
        answer.status = 200


@declared.altering("/oauth/par", "An unknown client that shows no credentials is the server's own fault.", "ERR-01")
def unknown_client_is_500(answer: Answered) -> None:
    if answer.members.get("error") == "invalid_client" and "authorization" not in answer.request_headers:
        answer.status = 500


@_everywhere(
    "A request with nothing in it is answered with a page.",
    "ERR-02",
    "DAR-19",
    "DAR-17",
    why="The device authorization endpoint answers so, too, also to a client id in the request URI alone.",
)
def html_error(answer: Answered) -> None:
    if _is_empty(answer):
        answer.body = b"<!doctype html><title>Error</title><p>Something is missing."
        answer.headers["content-type"] = "text/html; charset=utf-8"


@declared.altering("/oauth/revoke", "An error is an object in an object.", "ERR-02")
def nested_error(answer: Answered) -> None:
    if "error" in answer.members:
        answer.members = {"error": {"code": answer.members["error"]}}


@declared.altering("/oauth/revoke", "The description quotes what was sent.", "ERR-03")
def quote_in_description(answer: Answered) -> None:
    if "error" in answer.members:
        answer.update(error_description=f'"{answer.form.get("client_id", "")}" is not known')


@declared.altering(TOKEN, "The description is written in typographic characters.", "ERR-03")
def unicode_description(answer: Answered) -> None:
    if _is_empty(answer):
        answer.update(error_description="the “grant_type” is missing…")


@_everywhere("Credentials that fail are refused without a challenge.", "ERR-04")
def no_challenge_401(answer: Answered) -> None:
    if answer.status == 401:
        del answer.headers["www-authenticate"]


@declared.altering(TOKEN, "Credentials that fail are refused with 400.", "ERR-04")
def failed_authorization_is_400(answer: Answered) -> None:
    if answer.status == 401:
        answer.status = 400


@declared.altering(TOKEN, "A request with nothing in it gets an error code of the server's own.", "ERR-05")
def custom_error_code(answer: Answered) -> None:
    if _is_empty(answer):
        answer.update(error="parameters_missing")


@declared.altering(TOKEN, "A refresh token that is not good is told to be an expired device code.", "ERR-05")
def expired_token_for_refresh(answer: Answered) -> None:
    if answer.form.get("refresh_token", "").startswith("no-such") and "error" in answer.members:
        answer.update(error="expired_token")


@declared.altering(
    TOKEN,
    "The description repeats the device code.",
    "ERR-06",
    "POL-22",
    "ERR-03",
    why="Codes of three kinds get three descriptions then, and the odd characters of one come back.",
)
def echo_device_code(answer: Answered) -> None:
    if answer.members.get("error") == "invalid_grant" and "device_code" in answer.form:
        answer.update(error_description=f"{answer.form['device_code']} is not good")


@declared.altering("/oauth/register", "What cannot be read is repeated.", "ERR-06")
def echo_registration(answer: Answered) -> None:
    if answer.status == 400:
        answer.update(received=answer.request_body.decode("utf-8", "replace"))


@declared.altering("/oauth/register", "What cannot be read is answered with a stack trace.", "ERR-06")
def trace_in_error(answer: Answered) -> None:
    if answer.status == 400:
        answer.update(detail='Traceback (most recent call last):\n  File "app.py", line 1, in register')


@_everywhere("A cache may keep errors.", "ERR-08")
def cacheable_errors(answer: Answered) -> None:
    if "error" in answer.members:
        del answer.headers["cache-control"]


def _limiting() -> Callable[[Answered], None]:
    asked = 0

    def limit_without_retry_after(answer: Answered) -> None:
        nonlocal asked
        if "device_code" in answer.members:
            asked += 1
            if asked % 5 == 0:
                answer.status = 429
                answer.members = {"error": "temporarily_unavailable"}

    return limit_without_retry_after


declared.altering(
    DEVICE_AUTHORIZATION,
    "Every twenty-fourth request is one too many, and nothing says when to try again.",
    "ERR-07",
    "DAR-20",
    why="It is the limit on device authorization requests that says too little.",
)(_limiting())
