"""What a token is told to be granted, held against what its client asked for and the owner approved (RFC 9396 §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.verdict import Blocked

_Members = Mapping[str, Any]


def judge_as_asked(judge: Judgement, answer: Answer, asked: Sequence[_Members]) -> None:
    """RFC 9396 §7: every entry comes back with what it is for and with every limit that was asked for and approved.

    A server may add what it resolved itself (RFC 9396 §7.1). That it leaves out the client's words for people is no
    fault, and remarked on.
    """
    granted = _objects_in(answer.member("authorization_details"))
    judge.that(len(granted) == len(asked), f"{len(asked)} entries", f"{len(granted)} entries")
    by_source: dict[str, _Members] = {}
    for wanted in asked:
        source = wanted["source"]
        entry = next((entry for entry in granted if entry.get("source") == source), None)
        judge.that(entry is not None, f"an entry for {source['id']}", "told" if entry is not None else "absent")
        by_source[source["id"]] = entry or {}
        _judge_entry(judge, entry or {}, wanted)
    for wanted in asked:
        described = by_source[wanted["source"]["id"]].get("purpose_description")
        judge.remark(
            described == wanted.get("purpose_description"), "the purpose as it was described", "another, or none"
        )


def judge_same_details(judge: Judgement, token: Answer, introspection: Answer) -> None:
    """RFC 9396 §9.2: introspection tells the authorization details of the token response, in whatever order.

    Raises:
        Blocked: one of the answers tells none; that it has to is judged elsewhere.
    """
    told = []
    for what, answer in (("the token response", token), ("introspection", introspection)):
        if answer.member("authorization_details") is None:
            raise Blocked(f"{what} tells no authorization details", unblock="authorization_details as granted")
        told.append(sorted(_objects_in(answer.member("authorization_details")), key=repr))
    judge.equal(told[1], told[0], "the details at introspection")


def _judge_entry(judge: Judgement, entry: _Members, wanted: _Members) -> None:
    for member in ("type", "access_mode", "purpose_code", "retention"):
        if member in wanted:
            judge.equal(entry.get(member), wanted[member], member)
    streams = {stream.get("name"): stream for stream in _objects_in(entry.get("streams"))}
    judge.equal(sorted(map(str, streams)), sorted(stream["name"] for stream in wanted["streams"]), "the streams")
    for stream in wanted["streams"]:
        _judge_stream(judge, streams[stream["name"]], stream)


def _judge_stream(judge: Judgement, granted: _Members, wanted: _Members) -> None:
    name = wanted["name"]
    if "fields" in wanted:
        fields = granted.get("fields")
        told = sorted(map(str, fields)) if isinstance(fields, list) else fields
        judge.equal(told, sorted(wanted["fields"]), f"the fields of {name}")
    if "time_range" in wanted:
        span = granted.get("time_range")
        told = span if isinstance(span, dict) else {}
        for end in ("since", "until"):
            judge.equal(_moment(told.get(end)), _moment(wanted["time_range"].get(end)), f"{end} of {name}")
    if "necessity" in wanted and "necessity" in granted:
        judge.equal(granted["necessity"], wanted["necessity"], "necessity")


def _moment(value: Any) -> Any:
    """Return the time that a text tells, whatever its offset; anything else as it is."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _objects_in(value: Any) -> list[_Members]:
    return [member for member in value if isinstance(member, dict)] if isinstance(value, list) else []
