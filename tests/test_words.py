"""Words looked for while more are added are found as by a single automaton."""

from __future__ import annotations

from ahocorasick_rs import AhoCorasick, MatchKind
from hypothesis import given
from hypothesis import strategies as st

from pdpp_conformance.words import FEW, Words

FEW_LETTERS = st.text("ab", min_size=2, max_size=8)
"""Of two letters, so that words begin with, end with and stand inside each other."""


@given(st.lists(st.tuples(st.lists(FEW_LETTERS, max_size=FEW), st.text("ab", max_size=60)), max_size=5))
def test_the_latest_words_are_found_as_all_others(steps: list[tuple[list[str], str]]) -> None:
    words = Words()
    for added, text in steps:
        for word in added:
            words.add(word, f"⟨{word}:1⟩")
        together = list(words.labels)
        single = AhoCorasick(together, matchkind=MatchKind.LeftmostLongest)
        assert list(words.found_in(text)) == [
            (begin, together[number]) for number, begin, _ in single.find_matches_as_indexes(text)
        ]
