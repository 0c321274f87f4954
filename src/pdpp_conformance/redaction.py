"""Secrets, replaced by value wherever they occur, and a scan that proves that none is left.

A secret is whatever the harness saw or sent that opens something: tokens, codes, passwords, cookies, CSRF values. Equal
secrets get equal labels (``⟨device_code:1⟩``), so that the evidence still tells which is which.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import lxml.html
from ahocorasick_rs import BytesAhoCorasick, MatchKind

from pdpp_conformance.urls import parts_of
from pdpp_conformance.words import Words

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

IDENTIFIERS = ("client_id", "grant_id", "grant_package_id")
"""Members of JSON under which a server names something: public, and no secret for having been tried as a bearer."""

_SHORT = 64
"""Characters up to which a text is likely to come again."""

_PERCENT_ENCODED = re.compile(r"%[0-9A-F]{2}")
_LABEL = re.compile("⟨[a-z_]+:[0-9]+⟩".encode())
_MAY_HIDE = re.compile("hidden|csrf", re.IGNORECASE)
_TAGS_OF_SHALLOW_PAGE = 120
"""What lies more than 255 elements deep libxml2 forgets: no page of so few tags, though each may imply another."""

_CODE_SEPARATOR = re.compile(r"[\s-]+")


class Redactor:
    """Knows every secret of a run and replaces it, in whatever spelling it occurs.

    Devices that poll beside the scenarios learn secrets while those are redacted that a scenario learned.
    """

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._identifiers: set[str] = set()
        self._presented: set[str] = set()
        """What was given out by nobody, and only tried: as a code, or as a bearer."""
        self._spellings = Words()
        self._lock = threading.RLock()

    @property
    def labels(self) -> Mapping[str, str]:
        """The label of each secret registered so far, by the secret."""
        return self._labels

    @property
    def secrets(self) -> Iterable[str]:
        """Every secret registered so far."""
        return self._labels.keys()

    def register(self, secret: str, word: str) -> None:
        """Remember ``secret``: from now on it is written as ``⟨word:n⟩``. A very short one is not replaced."""
        if len(secret) < SHORTEST_SECRET:
            return
        with self._lock:
            if secret not in self._labels:
                self._counts[word] = self._counts.get(word, 0) + 1
                self.register_as(secret, f"⟨{word}:{self._counts[word]}⟩")

    def register_as(self, secret: str, label: str) -> None:
        """Remember ``secret`` under a label that somebody else gave it; the label that it had gives way."""
        with self._lock:
            before = self._labels.get(secret)
            self._labels[secret] = label
            for spelling in spellings_of(secret, label):
                self._spellings.add(spelling, label, in_place_of=before)

    def register_from_form(self, body: str, *, given_out: bool = False) -> None:
        """Remember the secrets among form-encoded parameters.

        Args:
            given_out: by the deployment, rather than sent to it.
        """
        for name, value in parse_qsl(body, keep_blank_values=False):
            if name in SECRET_PARAMETERS:
                (self.register if given_out else self._register_presented)(value, SECRET_PARAMETERS[name])

    def _register_presented(self, value: str, word: str) -> None:
        if value in self._identifiers:
            return
        if value not in self._labels:
            self._presented.add(value)
        self.register(value, word)

    def register_from_url(self, url: str) -> None:
        """Remember the secrets in a URL's query string."""
        self.register_from_form(parts_of(url).query)

    def register_from_json(self, value: Any) -> None:
        """Remember the secrets among a JSON value's members, however deep."""
        if isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, str) and name in SECRET_PARAMETERS and name not in ("code", "token"):
                    self._presented.discard(member)
                    self.register(member, SECRET_PARAMETERS[name])
                elif isinstance(member, str) and name in IDENTIFIERS:
                    self._identifiers.add(member)
                self.register_from_json(member)
        elif isinstance(value, list):
            for member in value:
                self.register_from_json(member)

    def register_from_html(self, markup: str) -> None:
        """Remember the hidden values of forms, which are CSRF tokens and the like."""
        if not _MAY_HIDE.search(markup):
            return
        for value in _hidden_values(markup):
            if _looks_random(value):
                self.register(value, "form_value")

    def register_from_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Remember bearers, basic credentials and cookies."""
        for name, value in headers:
            lowered = name.lower()
            if lowered == "authorization":
                scheme, _, credentials = value.partition(" ")
                word = "basic_credentials" if scheme.lower() == "basic" else "bearer"
                presented = credentials.strip() or value
                self._register_presented(presented, word)
            elif lowered == "set-cookie":
                self._register_cookie(value.partition(";")[0])
            elif lowered == "cookie":
                for cookie in value.split(";"):
                    self._register_cookie(cookie)
            elif lowered == "location":
                self.register_from_form(parts_of(value).query, given_out=True)

    def _register_cookie(self, pair: str) -> None:
        value = pair.partition("=")[2].strip().strip('"')
        if _looks_random(value):
            self.register(value, "cookie")

    def redact(self, text: str) -> str:
        """Return ``text`` with every known secret replaced by its label."""
        pieces: list[str] = []
        done = 0
        for place, spelling, label in self._found_in(text):
            pieces += (text[done:place], label)
            done = place + len(spelling)
        return "".join((*pieces, text[done:]))

    def redact_all(self, value: Any) -> Any:
        """Return a JSON value with every text in it redacted, names of members included."""
        # The names of members, of headers and of actors are the same over and over.
        once = cache(self.redact)

        def written(value: Any) -> Any:
            if isinstance(value, str):
                return once(value) if len(value) <= _SHORT else self.redact(value)
            if isinstance(value, dict):
                return {once(str(name)): written(member) for name, member in value.items()}
            if isinstance(value, list | tuple):
                return [written(member) for member in value]
            return value

        return written(value)

    def labels_in(self, text: str, *, shortest: int = SHORTEST_SECRET) -> list[str]:
        """Return the label of each secret that stands in ``text``, once.

        Args:
            shortest: characters below which a value is taken to stand there by chance, as a plain word is.
        """
        found = (
            label
            for _, spelling, label in self._found_in(text)
            if len(spelling) >= shortest and not (spelling.isalpha() and spelling.islower())
        )
        return list(dict.fromkeys(found))

    def _found_in(self, text: str) -> list[tuple[int, str, str]]:
        """Return where secrets stand, how each is spelt there, and its label."""
        with self._lock:
            return [(place, word, self._spellings.labels[word]) for place, word in self._spellings.found_in(text)]

    def leaks(self, directory: Path) -> list[str]:
        """Scan every file below ``directory`` for every secret, in clear or in base64.

        Returns:
            One line a leak: the file and the secret's label, never the secret.
        """
        needles: dict[bytes, str] = {}
        for secret, label in self._labels.items():
            if secret in self._presented and secret in self._identifiers:
                continue  # somebody tried the id of a grant as a code, before the grant was told of
            for spelling in (*spellings_of(secret, label), *_inside_base64(secret)):
                needles.setdefault(_as_bytes(spelling), label)
        labels = list(needles.values())
        automaton = BytesAhoCorasick(list(needles), matchkind=MatchKind.LeftmostLongest)
        found: list[str] = []
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            # A label is no leak, though a password may be a word that stands in it.
            content = _LABEL.sub(b"", path.read_bytes())
            there = {labels[number] for number, _, _ in automaton.find_matches_as_indexes(content)}
            found += [f"{path.relative_to(directory)}: {label}" for label in sorted(there)]
        return found


def _hidden_values(markup: str) -> list[str]:
    """Return what the hidden fields of forms hold, and what a page's head says of CSRF."""
    if markup.count("<") - markup.count("</") <= _TAGS_OF_SHALLOW_PAGE:
        parser = lxml.html.HTMLParser(encoding="utf-8")
        parser.feed(markup.encode("utf-8", "replace"))
        root = parser.close()
        elements = [] if root is None else root.iter("input", "meta")
        found = [_hidden_value(element.tag, element.get) for element in elements]
    else:
        reader = _StartTags()
        reader.feed(markup)
        found = [_hidden_value(tag, attributes.get) for tag, attributes in reader.found]
    return [value for value in found if value]


def _hidden_value(tag: object, attribute: Callable[[str], str | None]) -> str | None:
    if tag == "input" and (attribute("type") or "").lower() == "hidden":
        return attribute("value")
    if tag == "meta" and "csrf" in (attribute("name") or "").lower():
        return attribute("content")
    return None


class _StartTags(HTMLParser):
    """Reads a page of any depth, and takes its time."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _looks_random(value: str) -> bool:
    """Whether a cookie or hidden value may be a secret: long, and no path, URL or plain word.

    A word is of one case but for its first letter: random letters alone, which do occur, mix the two.
    """
    word = value.isalpha() and value[1:].islower()
    return len(value) >= 16 and not value.startswith(("/", "http://", "https://", "urn:")) and not word


def _as_bytes(text: str) -> bytes:
    """Return ``text`` as UTF-8; JSON can carry halves of surrogate pairs, which are no reason to fall over."""
    return text.encode("utf-8", "surrogatepass")


def spellings_of(secret: str, word: str) -> set[str]:
    """Return every way in which a secret may be written."""
    raw = _as_bytes(secret)
    quoted = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    escaped = html.escape(secret)
    standard = base64.b64encode(raw).decode()
    written = {
        secret,
        *quoted,
        *(_PERCENT_ENCODED.sub(lambda found: found.group().lower(), spelling) for spelling in quoted),
        html.escape(secret, quote=False),
        escaped,
        escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        standard,
        standard.rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    if "user_code" in word:
        plain = _CODE_SEPARATOR.sub("", secret)
        half = len(plain) // 2
        for code in (plain, f"{plain[:half]}-{plain[half:]}", f"{plain[:half]} {plain[half:]}"):
            for typed in (code, code.lower()):
                written |= {typed, quote(_as_bytes(typed)), quote_plus(_as_bytes(typed))}
    return {spelling for spelling in written if len(spelling) >= SHORTEST_SECRET}


def _inside_base64(secret: str) -> set[str]:
    """The stretches of base64 that betray ``secret`` wherever it stands inside longer encoded text."""
    raw = _as_bytes(secret)
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
