"""Challenges as RFC 9110 writes them, and as it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdpp_conformance.challenges import (
    Challenge,
    MalformedChallenge,
    Parameter,
    parse_challenges,
    resource_metadata_of,
)


def challenge(scheme: str, **parameters: str) -> Challenge:
    return Challenge(scheme, tuple(Parameter(name, value) for name, value in parameters.items()))


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("Bearer", [challenge("Bearer")]),
        ("Bearer ", [challenge("Bearer")]),
        ("Bearer realm=apps", [challenge("Bearer", realm="apps")]),
        ('Bearer realm="a, b=c"', [challenge("Bearer", realm="a, b=c")]),
        (r'Bearer realm="a \"b\" \\"', [challenge("Bearer", realm=r'a "b" \ '.rstrip())]),
        ('Bearer realm=""', [challenge("Bearer", realm="")]),
        ('Bearer realm = "a" ,, scope\t=\t"b c",', [challenge("Bearer", realm="a", scope="b c")]),
        ("Negotiate YWJj==", [Challenge("Negotiate", token68="YWJj==")]),
        ("Bearer realm=", [Challenge("Bearer", token68="realm=")]),
        ("Negotiate a=", [Challenge("Negotiate", token68="a=")]),
        ("Negotiate abc , Bearer a=b", [Challenge("Negotiate", token68="abc"), challenge("Bearer", a="b")]),
        ("Negotiate, Bearer a=b", [challenge("Negotiate"), challenge("Bearer", a="b")]),
        ("Bearer a=b, Negotiate", [challenge("Bearer", a="b"), challenge("Negotiate")]),
        ("Bearer a=b, Negotiate c=", [challenge("Bearer", a="b"), Challenge("Negotiate", token68="c=")]),
        (
            'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            [challenge("Basic", realm="simple"), challenge("Newauth", realm="apps", type="1", title='Login to "apps"')],
        ),
    ],
)
def test_what_the_grammar_allows(field: str, expected: list[Challenge]) -> None:
    """Schemes, parameters, quoted strings and token68 are told apart, whatever commas stand among them."""
    assert parse_challenges([field]) == expected


@pytest.mark.parametrize(
    "field",
    [
        "=",
        '"Bearer"',
        'Bearer realm="open',
        'Bearer realm="a\x00b"',
        'Bearer realm="open\\',
        "Bearer a=b c=d",
        'Bearer a="b"c',
        "Bearer a=b; c=d",
        "Bearer a=b, =c",
        "Bearer realm@home",
        "Bearer a=ö",
        "Bearer\trealm=a",
        "realm=a",
    ],
)
def test_what_it_does_not(field: str) -> None:
    """A field that breaks the grammar is refused, and never half read."""
    with pytest.raises(MalformedChallenge, match=r"expected .* at character"):
        parse_challenges([field])


def test_several_fields() -> None:
    """Each field is a list of its own, and a parameter never reaches over into the next."""
    found = parse_challenges(['Bearer error="a", error="b"', "DPoP algs=ES256"])
    assert [one.scheme for one in found] == ["Bearer", "DPoP"]
    assert found[0].all("ERROR") == ["a", "b"]
    assert found[0].get("Error") == "a"
    assert found[0].get("algs") is None
    assert found[0].is_of("bearer")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ([], None),
        (["Bearer"], None),
        (['Bearer realm="broken'], None),
        (['Basic realm="resource_metadata=\\"https://a.example\\""'], None),
        (["DPoP resource_metadata=x", 'bearer Resource_Metadata="https://a.example/b"'], "https://a.example/b"),
        (['DPoP algs="ES256", resource_metadata="https://a.example/b"'], "https://a.example/b"),
    ],
)
def test_where_the_metadata_is(fields: list[str], named: str | None) -> None:
    """The parameter is found in a challenge of any scheme, a bearer's first, and never inside another value."""
    assert resource_metadata_of(fields) == named


@given(st.text(alphabet=st.sampled_from('Bearer a=",\\\t;é\x01'), max_size=30))
def test_any_text_is_read_or_refused(field: str) -> None:
    """Whatever a server sends, there are challenges or one kind of error."""
    try:
        parse_challenges([field])
    except MalformedChallenge:
        return
