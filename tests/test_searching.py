"""Searches that servers of other kinds may offer, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast

import pytest

from pdpp_conformance.exchange import Answer, Exchange
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import McpSession, ToolResult
from pdpp_conformance.reading import Reader
from pdpp_conformance.searching import judge_nothing_told, look_everywhere
from pdpp_conformance.verdict import NotApplicable, Unmet

GRANTED = [{"title": "The road from Bergama"}, {"title": "A letter from Lisbon"}]
HIDDEN = [{"place": "Bergamo, upper town"}, {"place": "Lisbon, second floor"}]

Finds = Callable[[str], Sequence[Mapping[str, Any]]]


class Searches:
    """A conversation with a server that offers a search, of the given kind, and nothing else."""

    def __init__(self, finds: Finds, *required: str) -> None:
        self._finds = finds
        self._required = ["query", *required]

    def list_tools(self) -> list[dict[str, Any]]:
        properties: dict[str, Any] = {name: {} for name in self._required}
        return [{"name": "search", "inputSchema": {"properties": properties, "required": self._required}}]

    def call(self, _tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        return told({"query": arguments["query"], "results": list(self._finds(arguments["query"]))})


def told(structured: Mapping[str, Any]) -> ToolResult:
    exchange = Exchange(1, None, "a client", 0.0, "POST", "http://127.0.0.1/mcp", [], None)
    return ToolResult(Answer(exchange, b""), False, structured, "")


def reading(finds: Finds, *required: str) -> Reader:
    return Reader(cast(McpSession, Searches(finds, *required)))


def containing(records: Sequence[Mapping[str, Any]]) -> Finds:
    """Finds a word as it stands, whatever its case."""
    return lambda word: [one for one in records if word.casefold() in "\n".join(one.values()).casefold()]


def nearest(records: Sequence[Mapping[str, Any]]) -> Finds:
    """Finds what is most like a word, and always something."""
    return lambda word: sorted(records, key=lambda one: -len(set(word) & set("".join(one.values()))))[:2]


def resembling(records: Sequence[Mapping[str, Any]]) -> Finds:
    """Finds words that are spelt alike, and nothing else."""

    def finds(word: str) -> list[Mapping[str, Any]]:
        return [one for one in records if get_close_matches(word, " ".join(one.values()).replace(",", "").split())]

    return finds


def counting(records: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]]) -> Finds:
    """Finds in all records, and shows what may be shown."""
    return lambda word: [one if one in shown else {"withheld": True} for one in containing(records)(word)]


def judged(wide: Reader, narrow: Reader, *, goes_on: bool = False) -> None:
    read = told({"records": GRANTED, "next_cursor": "more" if goes_on else None})
    searched = look_everywhere(wide, narrow, read, HIDDEN, lambda name, value: name == "place" and "," in str(value))
    judge_nothing_told(Judgement(), searched, "that field")


EVERYTHING = [*GRANTED, *HIDDEN]


@pytest.mark.parametrize("kind", [containing, nearest, resembling])
def test_search_within_the_grant(kind: Callable[[Sequence[Mapping[str, Any]]], Finds]) -> None:
    """Also of a server whose search finds what is like a word, in what was granted."""
    judged(reading(kind(EVERYTHING)), reading(kind(GRANTED)))


@pytest.mark.parametrize(
    "beyond",
    [containing(EVERYTHING), containing([{"text": one["place"]} for one in HIDDEN]), counting(EVERYTHING, GRANTED)],
)
def test_search_beyond_the_grant(beyond: Finds) -> None:
    """It shows the field, or its text under another name, or that there is something."""
    with pytest.raises(Unmet):
        judged(reading(containing(EVERYTHING)), reading(beyond))


def test_search_beyond_the_grant_for_what_is_like_a_word() -> None:
    """Where it finds something for any word, the text alone tells."""
    with pytest.raises(Unmet):
        judged(reading(nearest(EVERYTHING)), reading(nearest([{"text": one["place"]} for one in HIDDEN])))


def test_search_for_what_was_not_read() -> None:
    """A word may stand in granted records that were not read: to find it there is well, to show the field is not."""
    more = [*GRANTED, {"title": "Bergamo, upper town"}]
    judged(reading(containing([*more, *HIDDEN])), reading(containing(more)), goes_on=True)
    with pytest.raises(Unmet):
        judged(reading(containing([*more, *HIDDEN])), reading(containing([*more, *HIDDEN])), goes_on=True)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (reading(containing(EVERYTHING), "streams"), reading(containing(GRANTED), "streams")),
        (reading(lambda _word: []), reading(lambda _word: [])),
    ],
    ids=["streams have to be named", "finds nothing at all"],
)
def test_search_that_shows_nothing_of_the_grant(wide: Reader, narrow: Reader) -> None:
    with pytest.raises(NotApplicable):
        judged(wide, narrow)
