"""The MCP tools that read beside ``query_records``: each is bounded by the grant as that one is (wire contract §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdpp_conformance.judgement import Judgement
from pdpp_conformance.mcp_client import ToolResult
from pdpp_conformance.oauth_client import TokenResponse
from pdpp_conformance.reading import Reader, Record, distinctive_values, leaves, records_of, texts_in, told
from pdpp_conformance.reading_checks import Narrow, another_stream, read_another, reader
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable

_IDENTIFIERS = ("_id", "id", "record_id")

Asked = Mapping[str, ToolResult]
"""What came of asking each tool; those that take other arguments than are known here are left out."""


def ask_for_another_stream(run: Run, token: TokenResponse, read: ToolResult) -> Asked:
    """Ask every other tool for a stream that was not granted, by what a record of the granted one is called.

    Raises:
        NotApplicable: none of the tools answers for the granted stream when it is asked so.
    """
    granted, another = run.offer().first_stream()[1].name, another_stream(run)
    record = _first_record(read)
    field = _field_of(record)
    roles: Mapping[str, Mapping[str, Any]] = {
        "aggregate": {"function": "count"},
        "search": {"text": field},
        "fetch": {"record": _identifier(record)},
        "read_record_field": {"record": _identifier(record), "field": field},
    }

    def asking_for(tool: str, stream: str) -> Mapping[str, Any]:
        return {**roles[tool], "stream": stream, "streams": [stream]}

    asking = {tool: (asking_for(tool, granted), asking_for(tool, another)) for tool in roles}
    return _asked(reader(run, token), asking)


def ask_for_left_out_field(narrow: Narrow, read: ToolResult) -> Asked:
    """Ask every other tool for the field that was left out, of a record and of all of them.

    Raises:
        NotApplicable: none of the tools answers for a granted field when it is asked so.
    """
    record = _first_record(read)
    roles = {"stream": narrow.stream, "record": _identifier(record), "function": "count"}

    def asking_for(field: str) -> Mapping[str, Any]:
        return {**roles, "field": field, "group": field}

    asking = (asking_for(_field_of(record)), asking_for(narrow.left_out))
    grouping = tuple({role: value for role, value in one.items() if role != "field"} for one in asking)
    return _asked(
        narrow.reader, {"aggregate": (grouping[0], grouping[1]), "fetch": asking, "read_record_field": asking}
    )


@dataclass(frozen=True)
class Fetched:
    """What came of asking for a record of another stream by its identifier, and the texts that stand in it alone."""

    asked: Asked
    texts: frozenset[str]


def ask_for_foreign_record(run: Run, narrow: Reader, read: ToolResult) -> Fetched:
    """Ask for a record of another stream by its identifier, as if it belonged to the granted one.

    Raises:
        Blocked: the other stream cannot be read under a grant of its own either.
        NotApplicable: none of the tools answers for a record of the granted stream, or the other one has no text that
            would be recognized.
    """
    _, _, another = read_another(run)
    granted, own, foreign = run.offer().first_stream()[1].name, _first_record(read), _first_record(another)
    texts = distinctive_values([foreign]) - texts_in(read.structured) - {_identifier(foreign)}
    if not texts:
        raise NotApplicable("no text of another stream's record would be recognized")

    def asking_for(record: Record) -> Mapping[str, Any]:
        return {"stream": granted, "record": _identifier(record), "field": _field_of(record)}

    asking = (asking_for(own), asking_for(foreign))
    found = _asked(narrow, {"fetch": asking, "read_record_field": asking}, needed="record")
    return Fetched(found, frozenset(texts))


def judge_foreign_record_untold(judge: Judgement, fetched: Fetched) -> None:
    """No tool tells a text of that record."""
    judge.note(f"asked: {', '.join(fetched.asked)}")
    for tool, result in fetched.asked.items():
        leaked = told(result.everything, set(fetched.texts))
        judge.that(not leaked, f"{tool} to tell nothing of another stream's record", f"texts of it told: {len(leaked)}")


def count(reader: Reader, stream: str) -> int:
    """Count the records of a stream with ``aggregate``.

    Raises:
        NotApplicable: the tool is not offered with arguments that are known here, or tells no one number.
    """
    arguments = reader.arguments("aggregate", {"stream": stream, "function": "count"}, needed="stream")
    if arguments is None:
        raise NotApplicable("no tool aggregate is offered with arguments that are known here")
    result = reader.session.call("aggregate", arguments)
    numbers = [value for _, value in leaves(result.structured) if isinstance(value, int | float)]
    if result.is_error or len(numbers) != 1:
        raise NotApplicable("the tool aggregate, asked to count a stream, tells no one number")
    return int(numbers[0])


def judge_all_refuse(judge: Judgement, asked: Asked) -> None:
    """Each refuses: a tool result with ``isError``."""
    judge.note(f"asked: {', '.join(asked)}")
    for tool, result in asked.items():
        observed = f"isError with {result.error_code}" if result.is_error else "a result"
        judge.that(result.is_error, f"{tool} to refuse another stream", observed)


def judge_field_untold(judge: Judgement, narrow: Narrow, asked: Asked) -> None:
    """None tells a value of the field that was left out, or has it in a record; a refusal is well."""
    others = {value for record in narrow.everything for name, value in leaves(record) if name != narrow.left_out}
    secrets = distinctive_values(narrow.everything, narrow.left_out) - {v for v in others if isinstance(v, str)}
    judge.note(f"asked: {', '.join(asked)}")
    for tool, result in asked.items():
        leaked = told(result.everything, secrets)
        named = any(name == narrow.left_out for name, _ in leaves(result.structured)) and not result.is_error
        observed = f"{len(leaked)} of its values{', and a member of its name' if named else ''}"
        judge.that(not leaked and not named, f"{tool} to tell nothing of {narrow.left_out}", observed)


def judge_counts(judge: Judgement, run: Run, narrow: Narrow) -> None:
    """A count tells the records within the granted time, and not how many there are."""
    whole = count(reader(run, run.client_token()), narrow.stream)
    within = count(narrow.reader, narrow.stream)
    judge.that(0 < within < whole, f"fewer than all {whole} records counted", f"{within} counted")


def _asked(
    reader: Reader, asking: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]], *, needed: str = "stream"
) -> Asked:
    """Ask each tool for what was granted, and those that answer for what was not."""
    found: dict[str, ToolResult] = {}
    for tool, (granted, beyond) in asking.items():
        control = reader.arguments(tool, granted, needed=needed)
        arguments = reader.arguments(tool, beyond, needed=needed)
        if control is not None and arguments is not None and not reader.session.call(tool, control).is_error:
            found[tool] = reader.session.call(tool, arguments)
    if not found:
        raise NotApplicable(f"none of {', '.join(asking)} answers when it is asked with arguments that are known here")
    return found


def _first_record(read: ToolResult) -> Record:
    records: Sequence[Record] = records_of(read)
    if not records:
        raise Blocked("the granted stream gave no record", unblock="authorization_details for a stream with records")
    return records[0]


def _identifier(record: Record) -> str:
    """Return what a record is asked for by: its identifier, or where it shows none the first text in it."""
    named = [str(record[name]) for name in _IDENTIFIERS if name in record]
    return (named or [str(value) for _, value in leaves(record)])[0]


def _field_of(record: Record) -> str:
    """Return the name of a field of a record that is not its identifier, where it has one."""
    names = [name for name, _ in leaves(record)]
    return next((name for name in names if name not in _IDENTIFIERS), names[0])
