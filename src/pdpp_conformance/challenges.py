"""Challenges of ``WWW-Authenticate`` fields, read by the grammar of RFC 9110 §11.

::

    WWW-Authenticate = #challenge                                         §11.6.1
    challenge        = auth-scheme [ 1*SP ( token68 / #auth-param ) ]     §11.3
    auth-param       = token BWS "=" BWS ( token / quoted-string )        §11.2
    token68          = 1*( ALPHA / DIGIT / "-._~+/" ) *"="                §11.2

Commas part challenges and parameters alike: what follows one is a parameter if it is a token with "=" behind it, and
else begins the next challenge. A parameter that occurs twice is kept twice, for others to judge.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

_ALPHANUMERIC = string.ascii_letters + string.digits
_TOKEN = frozenset(_ALPHANUMERIC + "!#$%&'*+-.^_`|~")
"""RFC 9110 §5.6.2: tchar."""
_TOKEN68 = frozenset(_ALPHANUMERIC + "-._~+/")
_VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))
_TEXT = _VISIBLE | frozenset(" \t") | frozenset(map(chr, range(0x80, 0x100)))
"""What a quoted pair may quote (RFC 9110 §5.6.4); a quoted string takes all of it but its own two marks."""


class MalformedChallenge(ValueError):
    """The field does not follow the grammar; the message says where, and what stands there."""


class Parameter(NamedTuple):
    """One ``auth-param``, its value unquoted."""

    name: str
    value: str


@dataclass(frozen=True)
class Challenge:
    """One challenge: a scheme with parameters, or with a ``token68``, or bare."""

    scheme: str
    parameters: tuple[Parameter, ...] = ()
    token68: str | None = None

    def is_of(self, scheme: str) -> bool:
        """Whether this is a challenge of ``scheme``; schemes have no case (RFC 9110 §11.1)."""
        return self.scheme.lower() == scheme.lower()

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter, in order; names have no case (RFC 9110 §11.2)."""
        return [parameter.value for parameter in self.parameters if parameter.name.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the first value of a parameter; ``None`` where it is absent."""
        return next(iter(self.all(name)), None)


def parse_challenges(fields: Iterable[str]) -> list[Challenge]:
    """Read the challenges of a response, from one field or several.

    Raises:
        MalformedChallenge: a field does not follow the grammar.
    """
    return [challenge for field in fields for challenge in _Reader(field).challenges()]


def resource_metadata_of(fields: Iterable[str]) -> str | None:
    """Return the ``resource_metadata`` (RFC 9728 §5.1) that a response's challenges name; ``None`` where none does."""
    try:
        challenges = parse_challenges(fields)
    except MalformedChallenge:
        return None
    bearers_first = sorted(challenges, key=lambda challenge: not challenge.is_of("bearer"))
    return next((named for challenge in bearers_first if (named := challenge.get("resource_metadata"))), None)


class _Reader:
    """Reads one field from left to right."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._at = 0

    def challenges(self) -> list[Challenge]:
        found: list[Challenge] = []
        self._skip_commas()
        while self._next:
            found.append(self._challenge())
            self._end_of_element()
            self._skip_commas()
        return found

    @property
    def _next(self) -> str:
        """The character that comes next; empty at the end."""
        return self._field[self._at : self._at + 1]

    def _challenge(self) -> Challenge:
        scheme = self._run(_TOKEN, "an auth-scheme")
        spaces = self._skip(" ")
        if not spaces or not self._next or self._next == ",":
            return Challenge(scheme)
        token68 = self._token68()
        if token68 is not None:
            return Challenge(scheme, token68=token68)
        return Challenge(scheme, tuple(self._parameters()))

    def _token68(self) -> str | None:
        """Read a ``token68`` if one stands here, whole, and move on."""
        end = self._at
        while self._field[end : end + 1] in _TOKEN68:
            end += 1
        while self._field[end : end + 1] == "=":
            end += 1
        behind = self._field[end:].lstrip(" \t")
        if end == self._at or (behind and not behind.startswith(",")):
            return None
        token68, self._at = self._field[self._at : end], end
        return token68

    def _parameters(self) -> list[Parameter]:
        found = [self._parameter()]
        while True:
            before = self._at
            self._end_of_element()
            self._skip_commas()
            if not self._at_parameter():
                self._at = before
                return found
            found.append(self._parameter())

    def _at_parameter(self) -> bool:
        """Whether a token with "=" behind it comes next."""
        before = self._at
        while self._next in _TOKEN:
            self._at += 1
        named = self._at > before
        self._skip(" \t")
        here = named and self._next == "="
        self._at = before
        return here

    def _parameter(self) -> Parameter:
        name = self._run(_TOKEN, "the name of an auth-param")
        self._skip(" \t")
        if self._next != "=":
            raise self._malformed(f'"=" after {name[:40]}')
        self._at += 1
        self._skip(" \t")
        value = self._quoted() if self._next == '"' else self._run(_TOKEN, f"a value of {name[:40]}")
        return Parameter(name, value)

    def _quoted(self) -> str:
        """Read a quoted string (RFC 9110 §5.6.4)."""
        self._at += 1
        read: list[str] = []
        while self._next != '"':
            if self._next == "\\":
                self._at += 1
            if self._next not in _TEXT:
                raise self._malformed("the end of a quoted string")
            read.append(self._next)
            self._at += 1
        self._at += 1
        return "".join(read)

    def _run(self, characters: frozenset[str], what: str) -> str:
        start = self._at
        while self._next in characters:
            self._at += 1
        if self._at == start:
            raise self._malformed(what)
        return self._field[start : self._at]

    def _skip(self, characters: str) -> int:
        start = self._at
        while self._next and self._next in characters:
            self._at += 1
        return self._at - start

    def _skip_commas(self) -> None:
        """Step over what parts list elements; empty ones count for nothing (RFC 9110 §5.6.1.2)."""
        self._skip(" \t,")

    def _end_of_element(self) -> None:
        self._skip(" \t")
        if self._next and self._next != ",":
            raise self._malformed("a comma or the end")

    def _malformed(self, expected: str) -> MalformedChallenge:
        found = repr(self._next) if self._next else "the end"
        return MalformedChallenge(f"expected {expected} at character {self._at + 1}, found {found}")
