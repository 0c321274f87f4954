"""Searching everywhere for what stands only in what was not granted: the tool ``search`` (wire contract §7).

A word is looked for that a wider grant finds. Nothing beyond the narrow grant must come back; and where the tool finds
words as they stand, and nothing like them, a word that stands in nothing granted must not be found at all: that alone
would tell what is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from pdpp_conformance import drawing
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import ToolResult
from pdpp_conformance.reading import (
    MOST_RECORDS,
    Reader,
    Record,
    distinctive_values,
    leaves,
    moment_of,
    records_of,
    texts_in,
    times_by_field,
    told,
)
from pdpp_conformance.reading_checks import Narrow, read_another, reader
from pdpp_conformance.run import Run
from pdpp_conformance.variations import one_letter_changed
from pdpp_conformance.verdict import NotApplicable

_WORD = re.compile(r"[^\W\d_]{4,}")
_WORDS_TRIED = 6
_WORDS_SOUGHT = 2
_GOES_ON = re.compile("cursor|next|more|truncated")
"""In the names of members that tell, with a value, that there are more records."""

_NAMES_A_STREAM = ("stream", "stream_name", "name")

Beyond = Callable[[str, Any], bool]
"""Tells of a member's name and value whether it is of what was not granted."""


@dataclass(frozen=True)
class Searched:
    """What came of looking everywhere for some words.

    Attributes:
        found: the result for each word.
        beyond: which members no result may have.
        hidden: texts that stand only in what was not granted; none where not all that was granted is known.
        most: how much a result tells that finds nothing; ``None`` where a word of these may be found.
    """

    found: Mapping[str, ToolResult]
    beyond: Beyond
    hidden: frozenset[str] = frozenset()
    most: int | None = None


def search_for_another_stream(run: Run, narrow: Reader, read: ToolResult) -> Searched:
    """Look for words of a stream that was not granted.

    Args:
        read: the granted stream, as it was read.

    Raises:
        Blocked: that stream cannot be read under a grant of its own either.
        NotApplicable: nothing to look for, or no tool that looks everywhere.
    """
    name, wide, another = read_another(run)

    def beyond(member: str, value: Any) -> bool:
        return member in _NAMES_A_STREAM and value == name

    return look_everywhere(wide, narrow, read, records_of(another), beyond)


def search_for_left_out_field(run: Run, narrow: Narrow, read: ToolResult) -> Searched:
    """Look for words of a field that was left out.

    Raises:
        NotApplicable: nothing to look for, or no tool that looks everywhere.
    """
    field = narrow.left_out
    values = [{name: value for name, value in leaves(one) if name == field} for one in narrow.everything]
    texts = distinctive_values(values)
    wide = reader(run, run.client_token())
    return look_everywhere(wide, narrow.reader, read, values, lambda member, value: member == field and value in texts)


def search_outside_time(run: Run, narrow: Narrow) -> Searched:
    """Look for a word that stands in records outside the granted time; it may stand in others, too.

    Raises:
        NotApplicable: nothing to look for, or no tool that looks everywhere.
    """
    field, times = times_by_field(narrow.everything, narrow.time_field)
    outside = [one for one, moment in zip(narrow.everything, times, strict=True) if _is_outside(narrow, moment)]

    def beyond(member: str, value: Any) -> bool:
        moment = moment_of(value) if member == field else None
        return moment is not None and _is_outside(narrow, moment)

    wide = reader(run, run.client_token())
    for word in islice(_words_only_in(distinctive_values(outside), ()), _WORDS_TRIED):
        if _leaks(word, _look_for(wide, word), (), beyond):
            return Searched({word: _look_for(narrow.reader, word)}, beyond)
    raise NotApplicable("no search for a word of a record outside the granted time tells that record's time")


def judge_nothing_told(judge: Judgement, searched: Searched, what: str) -> None:
    """No search tells of what was not granted, or finds more than where a word stands nowhere."""
    for word, result in searched.found.items():
        leaked = _leaks(word, result, searched.hidden, searched.beyond)
        judge.that(not leaked, f"a search that tells nothing of {what}", f"members and texts of it told: {leaked}")
        if searched.most is not None:
            judge.that(
                _told_by(result) <= searched.most,
                f"a word that stands only in {what} to be found no more than one that stands nowhere",
                "it is found",
            )


def look_everywhere(
    wide: Reader, narrow: Reader, read: ToolResult, records: Sequence[Record], beyond: Beyond
) -> Searched:
    """Look for words that stand in records of the wider grant, and in nothing of what was read of the narrow one.

    Raises:
        NotApplicable: nothing to look for, or no tool that looks everywhere.
    """
    visible = texts_in(read.structured)
    texts = distinctive_values(records) - visible
    nowhere = drawing.token_hex(8)
    nothing = _told_by(_look_for(wide, nowhere))
    candidates = islice(_words_only_in(texts, visible), _WORDS_TRIED)
    controls = ((word, _look_for(wide, word)) for word in candidates)
    findable = (each for each in controls if _told_by(each[1]) > nothing or _leaks(*each, texts, beyond))
    sought = dict(islice(findable, _WORDS_SOUGHT))
    if not sought:
        raise NotApplicable("no word stands only in what was not granted, and is found where that is granted")
    found = {word: _look_for(narrow, word) for word in sought}
    if not _is_whole(read):  # what was not read may hold the same words
        return Searched(found, beyond)
    word, control = next(iter(sought.items()))
    exact = _told_by(_look_for(wide, one_letter_changed(word))) == nothing < _told_by(control)
    most = _told_by(_look_for(narrow, nowhere)) if exact else None
    return Searched(found, beyond, frozenset(texts), most)


def _words_only_in(texts: Iterable[str], visible: Iterable[str]) -> Iterator[str]:
    """Yield one word each of some texts, prose first: none is the whole of its text, or stands in what is visible."""
    known = "\n".join(visible).casefold()
    for text in sorted(texts, key=lambda text: (" " not in text, text)):
        words = [word for word in _WORD.findall(text) if len(word) < len(text) and word.casefold() not in known]
        if words:
            word = max(words, key=len)
            known += f"\n{word.casefold()}"
            yield word


def _leaks(word: str, result: ToolResult, hidden: Iterable[str], beyond: Beyond) -> int:
    """Count what a result tells of what was not granted, the word aside, which may be repeated."""
    texts = told(result.everything, {text for text in hidden if text not in word})
    return len(texts) + sum(1 for leaf in leaves(result.structured) if beyond(*leaf))


def _told_by(result: ToolResult) -> int:
    return 0 if result.is_error else sum(1 for _ in leaves(result.structured))


def _look_for(reading: Reader, word: str) -> ToolResult:
    arguments = reading.arguments("search", {"text": word}, needed="text")
    if arguments is None:
        raise NotApplicable("no tool search is offered that looks everywhere, with arguments that are known here")
    return reading.session.call("search", arguments)


def _is_whole(read: ToolResult) -> bool:
    goes_on = any(_GOES_ON.search(name) and value for name, value in leaves(read.structured))
    return not goes_on and len(records_of(read)) < MOST_RECORDS


def _is_outside(narrow: Narrow, moment: datetime) -> bool:
    before = narrow.since is not None and moment < narrow.since
    return before or (narrow.until is not None and moment > narrow.until)
