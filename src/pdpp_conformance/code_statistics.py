"""What a sample of codes or tokens tells of how hard they are to guess: an upper bound in bits, never an estimate.

The bound is the number of characters that count times log2 of the alphabet they are from. What the sample shows to be
less counts as what it shows: characters that never change, characters that take few values, and a beginning that goes
up or down from one code to the next, as counters and times do. Each such finding is made only where chance alone would
show it to less than ``CHANCE`` of all correct servers.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CHANCE = 1e-6
"""How improbable a finding has to be on a correct server before it counts."""

_BASE64URL = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"
_BITCOIN = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

ALPHABETS: Sequence[tuple[str, str]] = (
    ("digits", string.digits),
    ("hexadecimal", "0123456789abcdef"),
    ("hexadecimal", "0123456789ABCDEF"),
    ("base 20 (RFC 8628 §6.1)", _CONSONANTS),
    ("base 20 (RFC 8628 §6.1)", _CONSONANTS.lower()),
    ("small letters", string.ascii_lowercase),
    ("capitals", string.ascii_uppercase),
    ("base 32 (Crockford)", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
    ("base 32 (Crockford)", "0123456789abcdefghjkmnpqrstvwxyz"),
    ("base 32", string.ascii_uppercase + "234567"),
    ("base 32", string.ascii_lowercase + "234567"),
    ("small letters and digits", string.ascii_lowercase + string.digits),
    ("capitals and digits", string.ascii_uppercase + string.digits),
    ("letters", string.ascii_letters),
    ("base 58", _BITCOIN),
    ("letters and digits", string.ascii_letters + string.digits),
    ("base 64", _BASE64URL),
    ("base 64", string.ascii_letters + string.digits + "+/"),
    ("unreserved characters", string.ascii_letters + string.digits + "-._~"),
    ("printable characters", "".join(chr(code) for code in range(0x21, 0x7F))),
)
"""The alphabets that codes are written in, smallest first."""

_FEWEST_VALUES = 10
"""The size of the smallest alphabet."""

_CONFUSABLE = ("0O", "1I", "1l", "Il", *(letter + letter.upper() for letter in "ckopsuvwxz"))
"""Pairs that people take for each other; letters that look alike in both cases are among them."""


@dataclass(frozen=True)
class Bound:
    """The most bits that a code can hold, by a sample of it."""

    bits: float
    sample: int
    counted: int
    """How many of a code's characters count."""
    longest: int
    alphabet: str
    size: int
    distinct: int
    findings: tuple[str, ...]

    @property
    def told(self) -> str:
        """The bound with what it rests on, in words."""
        found = f"; {', '.join(self.findings)}" if self.findings else ""
        return (
            f"at most {self.bits:.1f} bits by the bound: N = {self.sample}, {self.distinct} distinct, "
            f"{self.counted} of {self.longest} characters count, {self.alphabet} ({self.size}){found}"
        )


def bound_of(sample: Sequence[str]) -> Bound:
    """Bound what one of ``sample`` can hold; the sample is in the order in which it was issued, and not empty."""
    codes = _aligned([code for code in sample if code])
    longest, shortest = max(map(len, codes), default=0), min(map(len, codes), default=0)
    columns = [[code[place] for code in codes if len(code) > place] for place in range(longest)]
    # Of a few codes it cannot be said that a character never changes.
    few_codes = _FEWEST_VALUES ** (1 - len(codes)) * longest > CHANCE
    alphabet, size = _alphabet([column for column in columns if few_codes or len(set(column)) > 1])
    rising = _ordered_beginning(codes, size)
    bits = [
        0.0 if place < rising else _bits_of(column, size, longest, is_last=place >= shortest - 1)
        for place, column in enumerate(columns)
    ]
    findings = []
    if any(len(set(column)) > 1 for column in columns[:rising]):
        findings.append(f"the first {rising} characters go one way from code to code, as a counter's or a clock's do")
    few = sum(0 < bit < math.log2(size) for bit in bits)
    if few:
        findings.append(f"{few} characters take fewer values than chance would give them")
    if len(set(codes)) < len(codes):
        findings.append("codes repeat")
    return Bound(
        bits=sum(bits),
        sample=len(codes),
        counted=sum(bit > 0 for bit in bits),
        longest=longest,
        alphabet=alphabet,
        size=size,
        distinct=len(set(codes)),
        findings=tuple(findings),
    )


def confusable_pairs(sample: Sequence[str]) -> list[str]:
    """Return the pairs of characters that people take for each other, and of which both occur (RFC 8628 §6.1)."""
    seen = set("".join(sample))
    return [pair for pair in _CONFUSABLE if set(pair) <= seen]


def signature_of(token: str) -> str | None:
    """Return the signature of a token that is a JWT (RFC 7519 §3), which is what cannot be guessed of it."""
    header, _, rest = token.partition(".")
    _, dot, signature = rest.partition(".")
    if not dot or "." in signature or not signature:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        return None
    return signature if isinstance(value, dict) and "alg" in value else None


def _aligned(codes: list[str]) -> list[str]:
    """Write counters of different lengths so that they can be compared: ``9`` before ``10`` becomes ``09``."""
    if len({len(code) for code in codes}) < 2 or not all(code.isascii() and code.isdigit() for code in codes):
        return codes
    return [code.zfill(max(map(len, codes))) for code in codes]


def _alphabet(columns: Sequence[Sequence[str]]) -> tuple[str, int]:
    """Return the largest standard alphabet that the characters seen may well be from.

    The smallest that holds all of them may be too small, for lack of the one or other character in a small sample.
    """
    seen = [character for column in columns for character in column]
    holding = sorted((len(letters), name) for name, letters in ALPHABETS if set(seen) <= set(letters))
    if not seen or not holding:
        return "characters seen", max(len(set(seen)), 1)
    smallest = holding[0][0]
    possible = [pair for pair in holding if len(seen) * math.log(smallest / pair[0]) >= math.log(CHANCE)]
    size, name = possible[-1]
    return name, size


def _bits_of(column: Sequence[str], size: int, columns: int, *, is_last: bool) -> float:
    """Return what a character can hold: log2 of the alphabet, or of the values it takes where those are too few.

    The last character of base 32 or base 64 takes few values on every server, so it has to be the same throughout.
    """
    values = len(set(column))
    if is_last and values > 1:
        return math.log2(size)
    # The chance that as many draws as these take no more values than these, bounded by counting sets of values.
    chance = math.comb(size, values) * (values / size) ** len(column) if values < size else 1.0
    return math.log2(values if chance * columns < CHANCE else size)


def _ordered_beginning(codes: Sequence[str], size: int) -> int:
    """Return how many characters at the beginning go one way from each code to the next."""
    beginning = max(_one_way(codes, order) for order in (ord, _base64_order))
    changing = sum(len({code[place : place + 1] for code in codes}) > 1 for place in range(beginning))
    draws, values = len(codes), max(size, 2) ** changing
    # Sequences that go one way, among all of that length: two directions, in two orders of the characters.
    chance = 4 * math.comb(values + draws - 1, draws) / values**draws
    return beginning if chance < CHANCE else 0


def _base64_order(character: str) -> int:
    place = _BASE64URL.find(character)
    return place if place >= 0 else len(_BASE64URL) + ord(character)


def _one_way(codes: Sequence[str], order: Callable[[str], int]) -> int:
    keys = [[order(character) for character in code] for code in codes]
    return max(_agreeing(keys), _agreeing(keys[::-1]))


def _agreeing(keys: Sequence[list[int]]) -> int:
    """Return the length of the longest beginning by which ``keys`` do not fall."""
    length = max(map(len, keys), default=0)
    for earlier, later in itertools.pairwise(keys):
        while earlier[:length] > later[:length]:
            length -= 1
    return length
