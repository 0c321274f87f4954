"""Secrets, replaced by value wherever they occur, and a scan that proves that none is left.

A secret is whatever the harness saw or sent that opens something: tokens, codes, passwords, cookies, CSRF values. Equal
secrets get equal labels (``⟨device_code:1⟩``), so that the evidence still tells which is which.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

SHORTEST_SECRET = 4
"""Characters below which a value is too common to be replaced everywhere."""

SECRET_PARAMETERS: Mapping[str, str] = {
    "access_token": "access_token",
    "assertion": "assertion",
    "client_assertion": "client_assertion",
    "client_secret": "client_secret",
    "code": "authorization_code",
    "code_verifier": "code_verifier",
    "device_code": "device_code",
    "id_token": "id_token",
    "password": "password",
    "refresh_token": "refresh_token",
    "registration_access_token": "registration_access_token",
    "token": "token",
    "user_code": "user_code",
}
"""Names under which forms, JSON and query strings carry secrets, and the word each is labelled with."""

_CODE_SEPARATOR = re.compile(r"[\s-]+")


class Redactor:
    """Knows every secret of a run and replaces it, in whatever spelling it occurs."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._pattern: re.Pattern[str] | None = None
        self._spellings: dict[str, str] = {}

    @property
    def secrets(self) -> Iterable[str]:
        """Every secret registered so far."""
        return self._labels.keys()

    def register(self, secret: str, word: str) -> None:
        """Remember ``secret``: from now on it is written as ``⟨word:n⟩``. A very short one is not replaced."""
        if len(secret) < SHORTEST_SECRET or secret in self._labels:
            return
        self._counts[word] = self._counts.get(word, 0) + 1
        label = f"⟨{word}:{self._counts[word]}⟩"
        self._labels[secret] = label
        for spelling in _spellings(secret, word):
            self._spellings.setdefault(spelling, label)
        self._pattern = None

    def register_from_form(self, body: str) -> None:
        """Remember the secrets among form-encoded parameters."""
        for name, value in parse_qsl(body, keep_blank_values=False):
            if name in SECRET_PARAMETERS:
                self.register(value, SECRET_PARAMETERS[name])

    def register_from_url(self, url: str) -> None:
        """Remember the secrets in a URL's query string."""
        self.register_from_form(urlsplit(url).query)

    def register_from_json(self, value: Any) -> None:
        """Remember the secrets among a JSON value's members, however deep."""
        if isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, str) and name in SECRET_PARAMETERS and name not in ("code", "token"):
                    self.register(member, SECRET_PARAMETERS[name])
                self.register_from_json(member)
        elif isinstance(value, list):
            for member in value:
                self.register_from_json(member)

    def register_from_html(self, markup: str) -> None:
        """Remember the hidden values of forms, which are CSRF tokens and the like."""
        reader = _HiddenValues()
        reader.feed(markup)
        for value in reader.values:
            if _looks_random(value):
                self.register(value, "form_value")

    def register_from_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Remember bearers, basic credentials and cookies."""
        for name, value in headers:
            lowered = name.lower()
            if lowered == "authorization":
                scheme, _, credentials = value.partition(" ")
                word = "basic_credentials" if scheme.lower() == "basic" else "bearer"
                self.register(credentials.strip() or value, word)
            elif lowered == "set-cookie":
                self._register_cookie(value.partition(";")[0])
            elif lowered == "cookie":
                for cookie in value.split(";"):
                    self._register_cookie(cookie)
            elif lowered == "location":
                self.register_from_url(value)

    def _register_cookie(self, pair: str) -> None:
        value = pair.partition("=")[2].strip().strip('"')
        if _looks_random(value):
            self.register(value, "cookie")

    def redact(self, text: str) -> str:
        """Return ``text`` with every known secret replaced by its label."""
        if not self._spellings:
            return text
        if self._pattern is None:
            self._pattern = re.compile(_any_of(self._spellings))
        return self._pattern.sub(lambda found: self._spellings[found.group()], text)

    def redact_all(self, value: Any) -> Any:
        """Return a JSON value with every text in it redacted, names of members included."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(str(name)): self.redact_all(member) for name, member in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_all(member) for member in value]
        return value

    def leaks(self, directory: Path) -> list[str]:
        """Scan every file below ``directory`` for every secret, in clear or in base64.

        Returns:
            One line a leak: the file and the secret's label, never the secret.
        """
        needles = {
            spelling: label
            for secret, label in self._labels.items()
            for spelling in (*_spellings(secret, label), *_inside_base64(secret))
        }
        if not needles:
            return []
        pattern = re.compile(_any_of(needles))
        found: list[str] = []
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            # Every byte is a character of Latin-1; secrets are looked for as the bytes of their UTF-8.
            content = path.read_bytes().decode("latin-1")
            labels = {needles[hit] for hit in set(pattern.findall(content))}
            found += [f"{path.relative_to(directory)}: {label}" for label in sorted(labels)]
        return found


class _HiddenValues(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.values: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "input" and (attributes.get("type") or "").lower() == "hidden" and attributes.get("value"):
            self.values.append(attributes["value"] or "")
        if tag == "meta" and "csrf" in (attributes.get("name") or "").lower() and attributes.get("content"):
            self.values.append(attributes["content"] or "")


def _any_of(words: Iterable[str]) -> str:
    """Return a pattern that finds the longest of ``words``, shared beginnings written once: thousands stay fast."""
    trie: dict[str, Any] = {}
    for word in words:
        node = trie
        for character in word:
            node = node.setdefault(character, {})
        node[""] = {}
    return _pattern_of(trie)


def _pattern_of(node: dict[str, Any]) -> str:
    prefix = ""
    while len(node) == 1:
        ((character, node),) = node.items()
        prefix += re.escape(character)
        if character == "":
            return prefix
    ends = "" in node
    branches = [re.escape(character) + _pattern_of(below) for character, below in node.items() if character]
    inner = branches[0] if len(branches) == 1 else "|".join(branches)
    return f"{prefix}(?:{inner})" + ("?" if ends else "")


def _looks_random(value: str) -> bool:
    """Whether a cookie or hidden value may be a secret: long, and no path, URL or plain word."""
    return len(value) >= 16 and not value.startswith(("/", "http://", "https://", "urn:")) and not value.isalpha()


def _spellings(secret: str, word: str) -> set[str]:
    written = {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        base64.b64encode(secret.encode()).decode(),
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    }
    if "user_code" in word:
        plain = _CODE_SEPARATOR.sub("", secret)
        half = len(plain) // 2
        for code in (plain, f"{plain[:half]}-{plain[half:]}", f"{plain[:half]} {plain[half:]}"):
            written |= {code, code.lower(), quote_plus(code)}
    return {spelling for spelling in written if len(spelling) >= SHORTEST_SECRET}


def _inside_base64(secret: str) -> set[str]:
    """The stretches of base64 that betray ``secret`` wherever it stands inside longer encoded text."""
    raw = secret.encode("utf-8")
    stretches: set[str] = set()
    if len(raw) < 8:
        return stretches
    for offset in range(3):
        skipped = (3 - offset) % 3
        whole = raw[skipped : skipped + (len(raw) - skipped) // 3 * 3]
        encoded = base64.b64encode(whole).decode()
        if len(encoded) >= 8:
            stretches |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return stretches
