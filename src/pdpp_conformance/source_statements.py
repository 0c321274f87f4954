"""Whether a decision page states which source is asked for (PDPP wire contract §5, RFC 9396 §3.1).

A source's name turns up in many places that state nothing: in an address, in a menu, in what the client says of itself.
It is stated in the server's own words in the main part of the page, beside the streams or as the source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pdpp_conformance.approver.approver import Page

_NEAR_LINES = 10
"""How far from a stream's name the name of its source still belongs to it."""
_AS_SOURCE = re.compile(r"\b(sources?|connectors?|providers?|accounts?|from|data)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"\S*[/\\]\S*")


def names_of_source(identifier: str) -> Sequence[str]:
    """Return how a page may call a source: its identifier, or the name at the identifier's end, spelt for people."""
    name = identifier.rstrip("/").rsplit("/", 1)[-1]
    return list(dict.fromkeys((identifier, name, re.sub(r"[-_]+", " ", name))))


def states_source(page: Page, identifier: str, streams: Sequence[str]) -> bool:
    """Whether the page states the source of these streams.

    The identifier counts wherever the server writes it out; the name where it stands by itself as a word, at most
    ``_NEAR_LINES`` lines from one of the streams, or with a word that says that it is a source.
    """
    lines = _own_lines(page)
    if any(identifier in _tokens(line) for line in lines):
        return True
    spoken = [_word(name) for name in names_of_source(identifier)[1:]]
    beside = [number for number, line in enumerate(lines) if any(_word(name).search(line) for name in streams)]
    for number, line in enumerate(lines):
        if any(name.search(_ADDRESS.sub(" ", line)) for name in spoken) and (
            _AS_SOURCE.search(line) or any(abs(number - other) <= _NEAR_LINES for other in beside)
        ):
            return True
    return False


def _own_lines(page: Page) -> list[str]:
    """The lines of the page's main part, those that it marks as the client's own words left out."""
    claimed = Counter(line.strip() for line in page.client_claims.splitlines())
    own = []
    for line in page.main_text.splitlines():
        if claimed[line.strip()] > 0:
            claimed[line.strip()] -= 1
        elif line.strip():
            own.append(line)
    return own


def _tokens(line: str) -> list[str]:
    return [token.strip("()[]<>\"'“”‘’,;.:") for token in line.split()]


def _word(name: str) -> re.Pattern[str]:
    spelt = re.escape(name).replace("_", "[_ ]")
    return re.compile(rf"(?<![\w-]){spelt}(?![\w-])", re.IGNORECASE)
