"""The bound on how hard codes are to guess: never too low for a correct server, low for the known bad ones."""

from __future__ import annotations

import base64
import random
import secrets
import uuid
from collections.abc import Callable

import pytest

from pdpp_conformance.code_statistics import bound_of, confusable_pairs, signature_of

DRAW = random.Random(8628)  # noqa: S311 - reproducible
BASE_58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def octets(number: int) -> bytes:
    return DRAW.randbytes(number)


def base_58(number: int) -> str:
    value, text = int.from_bytes(octets(number)), ""
    while value:
        value, digit = divmod(value, 58)
        text = BASE_58[digit] + text
    return text


def base64url(number: int) -> str:
    return base64.urlsafe_b64encode(octets(number)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("bits", "draw"),
    [
        (128, lambda: octets(16).hex()),
        (128, lambda: octets(16).hex().upper()),
        (128, lambda: base64url(16)),
        (128, lambda: base64.b32encode(octets(16)).decode().rstrip("=")),
        (128, lambda: base_58(17)),
        (160, lambda: octets(20).hex()),
        (160, lambda: "dc_" + base64url(20)),
        (256, lambda: base64url(32)),
        (34.5, lambda: "".join(DRAW.choices("BCDFGHJKLMNPQRSTVWXZ", k=8))),
        (29.8, lambda: f"{DRAW.randrange(10**9):09d}"),
    ],
)
@pytest.mark.parametrize("number", [12, 40])
def test_no_correct_server_is_bounded_too_low(bits: float, draw: Callable[[], str], number: int) -> None:
    """Whatever alphabet and length, in samples as small as those of a run against a URL."""
    assert min(bound_of([draw() for _ in range(number)]).bits for _ in range(60)) >= bits


@pytest.mark.parametrize(
    ("most", "draw"),
    [
        (0, lambda _: "the same for everybody"),
        (0, lambda count: f"code-{count:030d}"),
        (0, lambda count: str(count + 95)),
        (0, lambda count: base64.urlsafe_b64encode((2**200 + count * 7919).to_bytes(32)).decode()),
        (0, lambda count: f"{10**30 - count}"),
        (16, lambda _: str(uuid.uuid1())),
        (90, lambda count: f"{0x19ABCDEF0000 + count:012x}-{secrets.token_hex(10)}"),
        (124, lambda _: str(uuid.uuid4())),
        (64, lambda _: base64url(8)[:10] + "A" * 30),
    ],
)
@pytest.mark.parametrize("number", [12, 40])
def test_bad_codes_are_bounded_low(most: float, draw: Callable[[int], str], number: int) -> None:
    """Constants, counters up and down and in any writing, times, and padding hold no bits."""
    assert bound_of([draw(count) for count in range(number)]).bits <= most


def test_what_is_told() -> None:
    """The words name the sample, the alphabet and the finding."""
    told = bound_of([f"{number:06d}" for number in range(20)]).told
    assert "N = 20" in told
    assert "digits (10)" in told
    assert "as a counter's" in told


def test_tokens_too_few_to_tell_apart_are_bounded_by_their_length() -> None:
    """One token alone tells its alphabet and its length."""
    assert bound_of([base64url(32)]).bits == pytest.approx(43 * 6, abs=3)
    assert bound_of([base64url(12)]).bits < 128


def test_confusable_pairs_are_found() -> None:
    """A pair counts where both of it occur."""
    assert confusable_pairs(["AB0", "CDO"]) == ["0O"]
    assert confusable_pairs(["AB0", "CD1"]) == []
    assert confusable_pairs(["l1", "I"]) == ["1I", "1l", "Il"]
    assert confusable_pairs(["Cab", "cAB"]) == ["cC"]


def test_a_jwt_is_known_by_its_header() -> None:
    """Of a JWT the signature counts; three parts alone make none."""
    header = base64.urlsafe_b64encode(b'{"alg":"ES256"}').decode().rstrip("=")
    assert signature_of(f"{header}.e30.c2lnbmF0dXJl") == "c2lnbmF0dXJl"
    assert signature_of("one.two.three") is None
    assert signature_of(base64url(32)) is None
