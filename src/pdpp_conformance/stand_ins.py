"""Values that stand for redacted secrets, so that a record can be judged again without them.

A record tells of a secret its label, and of most a form: how long it is, and what kinds of characters it holds. A
stand-in has that form and nothing else of the secret. Passwords and client secrets, which people choose, have none.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from pdpp_conformance.redaction import Redactor, spellings_of

LABEL = re.compile(r"⟨([a-z_]+):([0-9]+)⟩")

_CHOSEN_BY_PEOPLE = frozenset({"password", "client_secret", "basic_credentials"})
_KINDS = (("A", string.ascii_uppercase), ("a", string.ascii_lowercase), ("0", string.digits))
_DEFAULT_FORM = {"length": 32, "characters": "Aa0"}
_TYPED = "user_code"
_LONGEST = 8192


def forms_of(labels: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the form of each secret that may be told, by its label.

    Args:
        labels: the label of each secret, by the secret.
    """
    forms = {}
    for secret, label in labels.items():
        word = label.strip("⟨⟩").partition(":")[0]
        if word not in _CHOSEN_BY_PEOPLE:
            forms[label] = _form_of(secret, word)
    return forms


def _form_of(secret: str, word: str) -> dict[str, Any]:
    kinds = "".join(kind for kind, letters in _KINDS if any(character in letters for character in secret))
    others = "".join(sorted({character for character in secret if not (character.isascii() and character.isalnum())}))
    form: dict[str, Any] = {"length": len(secret), "characters": kinds + others}
    if word == _TYPED:
        # How a code is grouped says nothing of which it is.
        form["grouping"] = "".join("x" if character.isalnum() else character for character in secret)
    return form


class StandIns:
    """The stand-ins of one record, made when first met.

    Args:
        redactor: learns each of them under the label of the secret that it stands for.
        forms: as :func:`forms_of` told them.
    """

    def __init__(self, redactor: Redactor, forms: Mapping[str, Mapping[str, Any]]) -> None:
        self._redactor = redactor
        self._forms = forms
        self._values: dict[str, str] = {}
        self._spellings: dict[tuple[str, str], str] = {}
        """Patterns that match any spelling of a value."""

    def bind(self, label: str, value: str) -> str:
        """Let ``value`` stand for the secret of that label from now on."""
        self._values[label] = value
        self._redactor.register_as(value, label)
        return value

    def put_into(self, text: str) -> str:
        """Return a redacted text with a stand-in in place of each label."""
        return LABEL.sub(lambda label: self._value(label[0], label[1]), text)

    def put_into_all(self, value: Any) -> Any:
        """Return a redacted JSON value with a stand-in in place of each label."""
        if isinstance(value, str):
            return self.put_into(value)
        if isinstance(value, dict):
            return {name: self.put_into_all(member) for name, member in value.items()}
        return [self.put_into_all(member) for member in value] if isinstance(value, list) else value

    def agree(self, recorded: str, sent: str) -> dict[str, str] | None:
        """Compare a redacted text with one that is to be the same but for secrets.

        Returns:
            ``None`` where they differ; else the values that labels without a stand-in came to have, by label.
        """
        found: dict[str, str] = {}
        match = re.fullmatch("".join(self._patterns(recorded, found)), sent, re.DOTALL)
        return None if match is None else {label: _plain(match[group]) for label, group in found.items()}

    def _patterns(self, recorded: str, found: dict[str, str]) -> Iterator[str]:
        done = 0
        for label in LABEL.finditer(recorded):
            yield re.escape(recorded[done : label.start()])
            done = label.end()
            if label[0] in self._values:
                yield self._any_spelling(label[0], label[1])
            elif label[0] in found:
                yield f"(?P={found[label[0]]})"
            else:
                found[label[0]] = f"new{len(found)}"
                yield f"(?P<{found[label[0]]}>.+?)"
        yield re.escape(recorded[done:])

    def _any_spelling(self, label: str, word: str) -> str:
        value = self._values[label]
        if (value, word) not in self._spellings:
            written = sorted(spellings_of(value, word), key=len, reverse=True)
            self._spellings[value, word] = f"(?:{'|'.join(map(re.escape, written))})"
        return self._spellings[value, word]

    def _value(self, label: str, word: str) -> str:
        value = self._values.get(label)
        return self.bind(label, _made(label, word, self._forms.get(label, _DEFAULT_FORM))) if value is None else value


def _plain(value: str) -> str:
    return unquote_plus(value) if "%" in value else value


def _made(label: str, word: str, form: Mapping[str, Any]) -> str:
    told = str(form.get("characters", "Aa0"))
    letters = "".join(letters for kind, letters in _KINDS if kind in told) or string.ascii_letters
    others = "".join(character for character in told if not character.isalnum())
    characters = _drawn(label, letters)
    if word == _TYPED:
        grouping = str(form.get("grouping", "xxxxxxxx"))[:_LONGEST]
        return "".join(next(characters) if place == "x" else place for place in grouping)
    length = max(4, min(int(form.get("length", 32)), _LONGEST))
    value = [next(characters) for _ in range(length)]
    for place, character in enumerate(others[: length // 2 - 1]):
        value[2 * place + 1] = character  # never at an end, where it could be taken for something of the text around
    for place, (kind, kind_letters) in enumerate(_KINDS):
        if kind in told and length > 2 * (len(others) + place) + 2:
            value[2 * (len(others) + place)] = next(_drawn(f"{label}{kind}", kind_letters))
    return "".join(value)


def _drawn(seed: str, letters: str) -> Iterator[str]:
    for block in range(_LONGEST):
        for byte in hashlib.sha256(f"{seed} {block}".encode()).digest():
            yield letters[byte % len(letters)]
