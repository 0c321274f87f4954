"""Every section that the specification cites exists: in the catalogue and in the features, by the pinned headings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml

from pdpp_conformance.catalogue import Requirement, read_catalogue
from pdpp_conformance.specification import specification_root

ROOT = specification_root()
FEATURES = sorted((ROOT / "features").rglob("*.feature"))


@cache
def headings() -> Mapping[str, Collection[str]]:
    """The sections of each standard that may be cited, by number or by name; none where it is cited as a whole."""
    content = yaml.safe_load((ROOT / "features" / "headings.yaml").read_text(encoding="utf-8"))
    return {standard: tuple(entry.get("sections", ())) for standard, entry in content.items()}


def wrong_in_source(source: str) -> list[str]:
    """What of a row's source is no citation: ``STANDARD §N, §N (remark); …``, or a standard that has no sections."""
    return [
        cited
        for cited in (re.sub(r" \([^()]*\)$", "", part) for part in source.split("; "))
        if not _exists(*cited.partition(" §")[::2])
    ]


def _exists(standard: str, sections: str) -> bool:
    known = headings().get(standard)
    if known is None:
        return False
    return all(section in known for section in sections.split(", §")) if known else not sections


@cache
def _citation() -> re.Pattern[str]:
    standards = "|".join(re.escape(name) for name in sorted(headings(), key=len, reverse=True))
    named = {name for sections in headings().values() for name in sections if not name[0].isdigit()}
    section = "|".join([r"\d+(?:\.\d+)*", *(re.escape(name) for name in sorted(named, key=len, reverse=True))])
    return re.compile(rf"({standards}) (§(?:{section})(?:(?:, and | and |, )§(?:{section}))*)")


def wrong_in_text(text: str) -> list[str]:
    """What of a feature's text is no citation: a § without its standard, or an unknown section or RFC."""
    text = " ".join(text.split())
    wrong = []
    for cited in _citation().finditer(text):
        sections = re.split(r"(?:, and | and |, )?§", cited[2])[1:]
        wrong += [f"{cited[1]} §{section}" for section in sections if section not in headings()[cited[1]]]
    rest = _citation().sub("", text)
    wrong += [rest[max(0, found.start() - 20) : found.end() + 10] for found in re.finditer("§", rest)]
    return wrong + [rfc for rfc in re.findall(r"RFC \d+", text) if rfc not in headings()]


def rows() -> Iterator[Requirement]:
    catalogue = read_catalogue(ROOT / "features" / "catalogue", ROOT / "schemas" / "catalogue.schema.json")
    yield from catalogue.requirements.values()


def test_each_source_of_the_catalogue_exists() -> None:
    """A row's source leads to a section that there is."""
    assert {row.id: wrong_in_source(row.source) for row in rows() if wrong_in_source(row.source)} == {}


@pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.name)
def test_each_citation_of_a_feature_exists(path: Path) -> None:
    """A narrative's citations lead to sections that there are."""
    assert wrong_in_text(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "features" / "standards").glob("*.feature")), ids=lambda path: path.name
)
def test_each_feature_of_the_standards_cites_one(path: Path) -> None:
    """The features beyond the task list say in their narrative which section they come from."""
    narrative = re.split(r"\n\s*(?:Background|Rule|Scenario|@)", path.read_text(encoding="utf-8"))[0]
    assert _citation().search(" ".join(narrative.split()))


@pytest.mark.parametrize(
    "planted",
    [
        "RFC 8628",
        "RFC 8628 §3.6",
        "RFC 8628 §3.2, §3.9",
        "RFC 8628 3.2",
        "RFC 8629 §3.2",
        "MCP 2026-07-28 Authorization §Refreshing",
        "the change §1",
        "RFC 8628 §3.2; somebody's test",
        "RFC 8628 §3.2 and RFC 6749 §5.2",
    ],
)
def test_the_gate_sees_a_wrong_source(planted: str) -> None:
    """Each kind of wrong source is found."""
    assert wrong_in_source(planted)


@pytest.mark.parametrize(
    "innocent",
    [
        "RFC 8628 §3.2",
        "RFC 8628 §3.2, §3.5 (by analogy); RFC 6749 §5.2",
        "MCP 2026-07-28 Authorization §Refresh Tokens",
        "the change",
    ],
)
def test_the_gate_sees_no_other_source(innocent: str) -> None:
    """What is cited as it stands in the table passes."""
    assert wrong_in_source(innocent) == []


@pytest.mark.parametrize(
    "planted", ["as §3.2 says", "(RFC 8628 §3.2, §3.9)", "RFC 8628\n  §3.6", "RFC 99999 says", "MCP §Token Handling"]
)
def test_the_gate_sees_a_wrong_citation(planted: str) -> None:
    """Each kind of wrong citation in prose is found."""
    assert wrong_in_text(planted)


@pytest.mark.parametrize(
    "innocent",
    [
        "(RFC 8628 §3.2,\n  §3.5)",
        "RFC 8628 §5.1, §5.2 and §6.1 and RFC 6749 §10.10 say",
        "RFC 8628 §3.2, RFC 6749 §5.2",
        "MCP 2026-07-28 Authorization §Token Handling, and more",
        "RFC 8628 alone",
    ],
)
def test_the_gate_sees_no_other_citation(innocent: str) -> None:
    """What is cited as it stands in the table passes."""
    assert wrong_in_text(innocent) == []
