"""What a client token reads at the MCP resource, judged against what was granted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import STATELESS_REVISION, SdkSmoke, ToolResult, sdk_smoke
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.reading import (
    Reader,
    Record,
    distinctive_values,
    field_to_leave_out,
    leaves,
    records_of,
    times_of,
    told,
)
from pdpp_conformance.revisions import revisions_spoken
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable, Unmet

NO_STREAM = "no_such_stream"
"""The name of a stream that no source has."""

_OF_ONE_REQUEST = re.compile(r"\b(?:[a-z]+_)?[0-9A-Za-z-]*\d[0-9A-Za-z-]{7,}\b")
"""Request ids and times, which differ from one refusal to the next."""


@dataclass(frozen=True)
class Narrow:
    """A token for part of a stream, what it was asked for with, and what the whole stream held."""

    reader: Reader
    stream: str
    everything: Sequence[Record]
    token: TokenResponse
    asked: Sequence[Mapping[str, Any]]
    left_out: str = ""
    since: datetime | None = None
    until: datetime | None = None
    time_field: str | None = None


def reader(run: Run, token: TokenResponse) -> Reader:
    """Return a reader for a client token."""
    return Reader(run.mcp(token.access_token, actor="the client"))


def read_granted(run: Run, request: pytest.FixtureRequest) -> ToolResult:
    """Query the stream that the scenario's token was granted."""
    try:
        narrow: Narrow = request.getfixturevalue("narrow")
    except pytest.FixtureLookupError:
        token: TokenResponse = request.getfixturevalue("token")
        return reader(run, token).query(run.offer().first_stream()[1].name)
    return narrow.reader.query(narrow.stream)


def another_stream(run: Run, *granted: str) -> str:
    """Return the name of a stream that exists and was not granted.

    Args:
        granted: the names of those that were; left out, that of the first stream.

    Raises:
        Blocked: none is known.
    """
    granted = granted or (run.offer().first_stream()[1].name,)
    names = [stream.name for source in run.offer().sources for stream in source.streams if stream.name not in granted]
    if not names:
        raise Blocked("no stream outside the grant is known", unblock="outside_the_grant.stream in the target file")
    return names[0]


def read_another(run: Run) -> tuple[str, Reader, ToolResult]:
    """Read a stream that was not granted under a grant of its own; return its name and who read it, too.

    Raises:
        Blocked: it cannot be.
    """
    name = another_stream(run)
    source = next(one for one in run.offer().sources if name in [stream.name for stream in one.streams])
    try:
        token = run.shared_token("another stream", lambda: [run.offer().entry(source, [{"name": name}])])
        wide = reader(run, token)
        return name, wide, wide.query(name)
    except Unmet as why:
        raise Blocked(f"{name} cannot be granted: {why}", unblock="a second stream that a client is granted") from None


def stream_beyond_package(run: Run) -> str:
    """Return the name of a stream that exists and is in none of a package's grants.

    Raises:
        Blocked: none is known.
    """
    return another_stream(run, *(stream["name"] for entry in run.two_sources() for stream in entry["streams"]))


def _whole_stream(run: Run) -> list[Record]:
    """Read the first stream whole, as the run's client token may."""
    result = reader(run, run.client_token()).query(run.offer().first_stream()[1].name)
    records = records_of(result)
    if result.is_error or len(records) < 2:
        raise Blocked(
            "the granted stream gave no two records to compare with",
            unblock="authorization_details for a stream with records",
        )
    return records


def without_a_field(run: Run) -> Narrow:
    """Return a token for a stream with one field left out, and what the whole stream holds."""
    everything = _whole_stream(run)
    source, stream = run.offer().first_stream()
    left_out, kept = field_to_leave_out(everything, keep=(stream.key_field, stream.time_field))
    known = [name for name in kept if not stream.fields or name in stream.fields]
    details = [run.offer().entry(source, [{"name": stream.name, "fields": known}])]
    token = run.shared_token("without a field", lambda: details)
    return Narrow(reader(run, token), stream.name, everything, token, details, left_out=left_out)


def within_part_of_time(run: Run) -> Narrow:
    """Return a token for the middle of a stream's time, or for its later half where it has few times."""
    everything = _whole_stream(run)
    source, stream = run.offer().first_stream()
    since, until = _middle_of(sorted(set(times_of(everything, stream.time_field))))
    span = {"since": _written(since)} | ({} if until is None else {"until": _written(until)})
    details = [run.offer().entry(source, [{"name": stream.name, "time_range": span}])]
    token = run.shared_token("within part of its time", lambda: details)
    narrow = Narrow(reader(run, token), stream.name, everything, token, details, since=since, until=until)
    return replace(narrow, time_field=stream.time_field)


def _middle_of(times: Sequence[datetime]) -> tuple[datetime, datetime | None]:
    """Return the ends of a span of which records lie on both sides; without an end where there are too few."""
    if len(times) < 2:
        raise Blocked(
            "the records of the granted stream all bear one time", unblock="a stream whose records differ in time"
        )
    if len(times) < 4:
        return times[len(times) // 2], None
    return times[len(times) // 4], times[min(3 * len(times) // 4, len(times) - 2)]


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def token_within_limits(run: Run, limits: str) -> Narrow:
    """Return the run's token for a stream within limits, by the words of the feature files."""
    return within_part_of_time(run) if limits == "within part of its time" else without_a_field(run)


def judge_records(judge: Judgement, result: ToolResult) -> None:
    """A result with records in it."""
    records = records_of(result)
    observed = f"{len(records)} records" if not result.is_error else f"a refusal {result.error_code}"
    judge.that(not result.is_error and bool(records), "records", observed)


def judge_refusal(judge: Judgement, run: Run, refusal: ToolResult, request: pytest.FixtureRequest) -> None:
    """A refusal as the contract specifies it, with nothing of the owner in it."""
    try:
        request.getfixturevalue("narrow")
        expected = "field_not_granted"
    except pytest.FixtureLookupError:
        expected = "stream_not_allowed"
    observed = f"isError with {refusal.error_code}" if refusal.is_error else "a result"
    judge.that(refusal.is_error and refusal.error_code == expected, f"isError with {expected}", observed)
    leaked = told(refusal.everything, distinctive_values(_whole_stream(run)))
    judge.that(not leaked, "a refusal that tells nothing of the owner", f"{len(leaked)} of the owner's values in it")


def judge_alike(judge: Judgement, run: Run, refusal: ToolResult, other: ToolResult) -> None:
    """Two refusals that must not tell what exists: the same code and words, the stream's own name aside."""
    judge.that(refusal.is_error and other.is_error, "two refusals", f"{refusal.is_error} and {other.is_error}")
    judge.equal(other.error_code, refusal.error_code, "the code of both refusals")
    told = _told_of(refusal, another_stream(run))
    judge.equal(_told_of(other, NO_STREAM), told, "both refusals in the same words:")


def _told_of(refusal: ToolResult, stream: str) -> str:
    """What a refusal tells, without the stream's name and whatever differs from one request to the next."""
    return _OF_ONE_REQUEST.sub("…", refusal.everything.replace(stream, "…"))


def judge_field_absent(judge: Judgement, narrow: Narrow, result: ToolResult) -> None:
    """Neither the field's name nor any of its recognizable values occurs in the records."""
    records = records_of(result)
    judge.that(bool(records), "records to look at", f"{len(records)} records")
    named = sum(1 for record in records for name, _ in leaves(record) if name == narrow.left_out)
    others = {
        value for record in narrow.everything for name, value in leaves(record) if name != narrow.left_out and value
    }
    values = distinctive_values(narrow.everything, narrow.left_out) - {v for v in others if isinstance(v, str)}
    leaked = told(result.everything, values)
    judge.that(
        not named and not leaked,
        f"no record with {narrow.left_out}",
        f"{named} records name it, {len(leaked)} of its values occur",
    )


def judge_within_time(judge: Judgement, narrow: Narrow, result: ToolResult) -> None:
    """Every record's time is in the granted range, and the control read some that are not, before and after it.

    The contract does not say whether the end belongs to the range, so that a record of just that time may come.
    """
    assert narrow.since is not None
    seen = times_of(narrow.everything, narrow.time_field)
    times = times_of(records_of(result), narrow.time_field)
    _judge_side(judge, f"since {narrow.since:%F}", len(times), *(_before(narrow.since, some) for some in (seen, times)))
    if narrow.until is not None:
        after = (_after(narrow.until, some) for some in (seen, times))
        _judge_side(judge, f"until {narrow.until:%F}", len(times), *after)


def _before(end: datetime, times: Sequence[datetime]) -> int:
    return sum(1 for moment in times if moment < end)


def _after(end: datetime, times: Sequence[datetime]) -> int:
    return sum(1 for moment in times if moment > end)


def _judge_side(judge: Judgement, granted: str, read: int, outside: int, strayed: int) -> None:
    judge.that(outside > 0, "records outside the granted time", f"{outside} seen with a wider grant")
    judge.that(read > 0 and not strayed, f"only records {granted}", f"{strayed} of {read} are not")


def judge_schema(judge: Judgement, run: Run, result: ToolResult) -> None:
    """The schema names the granted stream, and no stream of which the owner granted nothing."""
    granted = run.offer().first_stream()[1].name
    names = {str(value) for name, value in leaves(result.structured) if name in ("name", "stream")}
    others = [stream.name for source in run.offer().sources for stream in source.streams if stream.name != granted]
    if not others:
        raise NotApplicable("no stream outside the grant is known")
    extra = sorted(names.intersection(others))
    judge.that(
        granted in names and not extra, f"{granted} alone", f"{granted if granted in names else 'not it'}, {extra}"
    )


def judge_schema_without_field(judge: Judgement, run: Run, narrow: Narrow) -> None:
    """The schema names a field that was left out less often than where it was granted; words of its own may be alike.

    Raises:
        NotApplicable: it names no fields at all.
    """
    whole, bounded = (
        _times_named(narrow.left_out, one.schema()) for one in (reader(run, run.client_token()), narrow.reader)
    )
    if not whole:
        raise NotApplicable("the schema does not name the fields of a stream")
    judge.that(bounded < whole, f"{narrow.left_out} named less often than {whole} times", f"{bounded} times")


def _times_named(word: str, schema: ToolResult) -> int:
    return sum(1 for name in _words_in(schema.structured) if name == word)


def _words_in(value: Any) -> Iterator[str]:
    """Yield every member name and every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        yield from _words_in(member)


def official_client(run: Run, token: TokenResponse, era: str, *, plain: bool = False) -> SdkSmoke:
    """Let the MCP SDK's own client list the tools and query the granted stream.

    Args:
        plain: ask with the argument named ``stream``, where the tools cannot be asked first.

    Raises:
        NotApplicable: the server does not speak the revision without handshake.
    """
    run.rests_beyond("what the official MCP client made of the answers")
    if era == "stateless" and STATELESS_REVISION not in (spoken := revisions_spoken(run)):
        raise NotApplicable(f"the MCP resource speaks {' and '.join(spoken)}, and not {STATELESS_REVISION}")
    stream = run.offer().first_stream()[1].name
    arguments: dict[str, Any] = {"stream": stream} if plain else reader(run, token).query_arguments(stream)
    return sdk_smoke(
        run.recorder,
        run.discovery.mcp_resource,
        token.access_token,
        mode="legacy" if era == "with the handshake" else STATELESS_REVISION,
        tool="query_records",
        arguments=arguments,
        actor="the official MCP client",
    )


def judge_smoke(judge: Judgement, smoke: SdkSmoke) -> None:
    """The SDK's client has tools and a result.

    Raises:
        Unmet: the SDK stumbled.
    """
    if smoke.problem is not None:
        raise Unmet("a working MCP client", smoke.problem)
    observed = f"{len(smoke.tools)} tools, {'a refusal' if smoke.is_error else 'a result'}, {smoke.protocol_version}"
    judge.that(bool(smoke.tools) and not smoke.is_error, "tools and a result", observed)
