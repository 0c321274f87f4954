"""Tokens that nobody issued: close to a live one, and never it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdpp_conformance.forged_tokens import lookalike, variation

TOKENS = st.text(alphabet=string.ascii_letters + string.digits + "-._~+/", min_size=8, max_size=200).filter(
    lambda token: any(character.isalnum() for character in token[:-1])
)


@given(TOKENS)
def test_a_variation_differs_in_one_place_that_is_not_the_last(token: str) -> None:
    """The last character of a text in base64 may stand for the same bytes as another."""
    varied = variation(token)
    differing = [place for place, pair in enumerate(zip(token, varied, strict=True)) if pair[0] != pair[1]]
    assert len(differing) == 1
    assert differing[0] < len(token) - 1


@given(TOKENS)
def test_a_lookalike_has_the_same_look_and_no_letter_in_place(token: str) -> None:
    """Every letter and digit gives way to another of its kind, everything else stays."""
    for was, is_now in zip(token, lookalike(token), strict=True):
        assert (was == is_now) == (not was.isalnum())
        for kind in (str.islower, str.isupper, str.isdigit):
            assert kind(was) == kind(is_now)


@pytest.mark.parametrize("token", ["eyJh.eyJi.c2ln", "pdpp_at_0123456789"])
def test_separators_stay(token: str) -> None:
    """A lookalike of a JWT is cut into the same parts."""
    assert [len(part) for part in lookalike(token).split(".")] == [len(part) for part in token.split(".")]
