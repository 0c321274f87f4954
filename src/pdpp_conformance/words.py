"""Finds any of many words in a text, in a time that does not grow with their number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ahocorasick_rs import AhoCorasick, MatchKind

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


FEW = 64
"""Words for which it is always worth while to be looked for by themselves."""


class Words:
    """Words to look for, more of them all the time.

    Building the automaton takes time for each of its words. The latest have one of their own, so that not every word
    that is added lets all be built anew.
    """

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        """What each word stands for."""
        self._known = _Finder(())
        self._latest = _Finder(())
        self._added: list[str] = []

    def add(self, word: str, label: str, *, in_place_of: str | None = None) -> None:
        """Add a word; the label that it got first stays, but for one."""
        if self.labels.get(word, in_place_of) != in_place_of:
            return
        if word not in self.labels:
            self._added.append(word)
        self.labels[word] = label

    def found_in(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the places where words stand, in order and none inside another: the longest that begins first."""
        if self._added:
            latest = (*self._latest.words, *self._added)
            if len(latest) > max(FEW, len(self._known.words) // 4):
                self._bring_together()
            else:
                self._latest = _Finder(latest)
            self._added = []
        text = _without_halves(text)
        found = sorted((*self._known.places(text), *self._latest.places(text)))
        if any(end > begin for (_, end, _), (begin, _, _) in pairwise(found)):
            self._bring_together()  # which of two that overlap counts, only one automaton knows
            found = list(self._known.places(text))
        for begin, _, word in found:
            yield begin, word

    def _bring_together(self) -> None:
        self._known, self._latest = _Finder(tuple(self.labels)), _Finder(())


class _Finder:
    """Finds some words that stay as they are."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        whole = [_without_halves(word) for word in words]
        self._automaton = AhoCorasick(whole, matchkind=MatchKind.LeftmostLongest)

    def places(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield where words begin and end, and the words."""
        for number, begin, end in self._automaton.find_matches_as_indexes(text):
            yield begin, end, self.words[number]


def _without_halves(text: str) -> str:
    """Return ``text`` with a replacement character for each half of a surrogate pair, which is no character."""
    return text if text.isascii() else _HALF_A_PAIR.sub("\ufffd", text)
