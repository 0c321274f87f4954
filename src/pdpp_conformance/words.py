"""Finds any of many words in a text, in a time that does not grow with their number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ahocorasick_rs import AhoCorasick, MatchKind

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


class Words:
    """Finds any of many words in a text, in a time that does not grow with their number."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        """What each word stands for."""
        self._finder: AhoCorasick | None = None
        self._words: list[str] = []

    def add(self, word: str, label: str, *, in_place_of: str | None = None) -> None:
        """Add a word ; the label that it got first stays, but for one."""
        if self.labels.get(word, in_place_of) != in_place_of:
            return
        if word not in self.labels:
            self._finder = None
        self.labels[word] = label

    def found_in(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the places where words stand, in order and none inside another: the longest that begins first."""
        if self._finder is None:
            self._words = list(self.labels)
            whole = [_without_halves(word) for word in self._words]
            self._finder = AhoCorasick(whole, matchkind=MatchKind.LeftmostLongest)
        for word, begin, _ in self._finder.find_matches_as_indexes(_without_halves(text)):
            yield begin, self._words[word]


def _without_halves(text: str) -> str:
    """Return ``text`` with a replacement character for each half of a surrogate pair, which is no character."""
    return text if text.isascii() else _HALF_A_PAIR.sub("\ufffd", text)
