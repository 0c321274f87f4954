"""An exchange as a curl line that can be copied into a shell: secrets are variables, everything else is quoted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pdpp_conformance.report.text import INVISIBLE

LONGEST_LINE = 8192
"""Characters of a line; a longer request is no line to copy."""

_LABEL = re.compile(r"⟨([a-z_]+):([0-9]+)⟩")
_OWNER_PASSWORD = "⟨password:1⟩"  # noqa: S105 - its label: the run knows it before any other
_FORM = "application/x-www-form-urlencoded"
_PLAIN_NAME = re.compile(r"[\w.-]+\Z", re.ASCII)
_UNPRINTABLE = re.compile(f"{INVISIBLE.pattern}|\n")
_CURLS_OWN = ("accept-encoding", "connection", "content-length", "host")
"""Headers that curl writes by itself, from the URL and the body."""


def curl_line(exchange: Mapping[str, Any]) -> str | None:
    """Return the command that sends an exchange's request again.

    A secret's label becomes a shell variable: ``$PDPP_OWNER_PASSWORD`` for the owner's password, and for another the
    label's own words, such as ``$DEVICE_CODE_1``.

    Args:
        exchange: a line of ``exchanges.jsonl``, redacted.

    Returns:
        ``None`` where the request is too long for a line, or holds what no argument of a command can.
    """
    request = exchange["request"]
    method, url, body = request["method"], request["url"], request["body"]
    headers = [(name, value) for name, value in request["headers"] if _is_told(name)]
    words = ["curl -gsSi --path-as-is"]
    if method == "HEAD":
        words[0] = "curl -gsSI --path-as-is"
    elif method != ("GET" if body is None else "POST"):
        words.append(f"-X {shlex.quote(method)}")
    words.append(_quoted(url))
    words += [f"-H {_quoted(f'{name}: {value}' if value else f'{name};')}" for name, value in headers]
    if body is not None:
        words += _data(body, headers)
    line = " ".join(words)
    return None if len(line) > LONGEST_LINE or "\x00" in f"{url}{headers}{body}" else line


def _is_told(name: str) -> bool:
    return not name.startswith(":") and name.lower() not in _CURLS_OWN


def _data(body: str, headers: list[tuple[str, str]]) -> list[str]:
    media_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    pairs = _form_pairs(body) if media_type is not None and media_type.startswith(_FORM) else None
    if pairs is not None:
        return [f"--data-urlencode {_quoted(f'{name}={value}')}" for name, value in pairs]
    unasked = [] if media_type is not None else ["-H 'Content-Type:'"]  # else curl would call the body a form
    return [*unasked, f"--data-raw {_quoted(body)}"]


def _form_pairs(body: str) -> list[tuple[str, str]] | None:
    """Return the parameters of a form that curl would encode to the same body; ``None`` where it would not.

    A secret goes through curl's encoding then, as a password has to.
    """
    try:
        pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        return None
    again = urlencode([(name, _LABEL.sub("label", value)) for name, value in pairs])
    alike = again == _LABEL.sub("label", body) and all(_PLAIN_NAME.match(name) for name, _ in pairs)
    return pairs if alike else None


def _quoted(text: str) -> str:
    """Quote ``text`` for the shell, its labels as variables."""
    pieces = []
    done = 0
    for label in _LABEL.finditer(text):
        pieces += [_literal(text[done : label.start()]), f'"${_variable(label)}"']
        done = label.end()
    return "".join((*pieces, _literal(text[done:]))) or "''"


def _variable(label: re.Match[str]) -> str:
    return "PDPP_OWNER_PASSWORD" if label[0] == _OWNER_PASSWORD else f"{label[1].upper()}_{label[2]}"


def _literal(text: str) -> str:
    if not text:
        return ""
    if _UNPRINTABLE.search(text) is None:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _UNPRINTABLE.sub(lambda found: _escape(found[0]), escaped) + "'"


def _escape(character: str) -> str:
    """Write a control character so that the shell makes it again, byte by byte of its UTF-8."""
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
