"""`report.html`: one self-contained page for the person who has to act on a run.

Every text comes from outside. Jinja2 escapes all of it, `printable` makes control characters visible first, nothing is
marked safe, and the page forbids itself scripts and every source but its own folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pdpp_conformance.report import summary, text
from pdpp_conformance.report.curl import curl_line
from pdpp_conformance.report.findings import RED, Row, blocked, findings, known_deviations

BODY_LIMIT = 4096
"""Characters of a body that the page shows at most; the whole stands in `exchanges.jsonl`."""

_BRIEF_LIMIT = 140
_ERROR_LIMIT = 4096
_PAGE_BUDGET = 8 * 1024 * 1024
"""Characters that the bodies of a page may add up to; a large run shows less of each body that no red row cites."""

_SMALLEST_BODY = 256


@dataclass(frozen=True)
class _Message:
    """A request or a response, as text."""

    text: str
    left_out: str | None


@dataclass(frozen=True)
class _Exchange:
    number: int
    data: Mapping[str, Any]
    path: str
    answer: str
    request: _Message
    response: _Message | None
    curl: str | None


@dataclass(frozen=True)
class _Attachment:
    data: Mapping[str, Any]
    href: str | None
    is_image: bool


@dataclass(frozen=True)
class _Scenario:
    anchor: str
    data: Mapping[str, Any]
    rows: list[Row]
    failed_step: Mapping[str, Any] | None
    exchanges: list[_Exchange]
    elsewhere: list[int]
    attachments: list[_Attachment]

    @property
    def needs_attention(self) -> bool:
        return self.data["verdict"] in (*RED, "ERROR")


@dataclass(frozen=True)
class _Feature:
    path: str
    title: str
    doc: str | None
    scenarios: list[_Scenario]
    counts: list[tuple[str, int]]


def write_html(run: Mapping[str, Any], exchanges: Sequence[Mapping[str, Any]], directory: Path) -> Path:
    """Write `report.html` into the report directory.

    Args:
        run: the contents of `run.json`, valid by `schemas/run.schema.json`.
        exchanges: the lines of `exchanges.jsonl`, redacted, valid by `schemas/exchange.schema.json`.
        directory: the report directory; attachments are linked relative to it.

    Raises:
        OSError: the page could not be written.
    """
    found = findings(run)
    recorded = {exchange["number"] for exchange in exchanges}
    scenarios, outside = _scenarios(run, _exchanges(run, exchanges))
    by_id = {scenario.data["id"]: scenario for scenario in scenarios}
    page = (
        _environment()
        .get_template("report.html")
        .render(
            run=run,
            s=summary,
            outcome_sentence=summary.outcome_sentence(run),
            findings=found,
            finding_of={row["id"]: finding for finding in found for row in finding.rows},
            failing=[finding for finding in found if summary.finding_fails(finding, run["fail_on"])],
            blocked=blocked(run),
            known_deviations=known_deviations(run),
            errors=[row for row in run["requirements"] if row["verdict"] == "ERROR"],
            remarks=[row for row in run["requirements"] if row["verdict"] == "INFO"],
            levels=summary.counts_by_level(run),
            subjects=_subjects(run["requirements"]),
            features=_features(scenarios),
            scenarios=by_id,
            outside=outside,
            recorded=recorded,
            exchange_count=len(exchanges),
        )
    )
    path = directory / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Output of macros is already escaped; everything else passes here before it is escaped.
        finalize=lambda value: text.printable(value) if type(value) is str else value,
    )
    environment.filters |= {
        "brief": lambda value: text.one_line(value, _BRIEF_LIMIT),
        "counted": text.counted,
        "duration": text.duration,
        "error": lambda value: text.shorten(value, _ERROR_LIMIT),
        "inline": text.inline,
        "moment": text.moment,
        "sentence": text.sentence_of,
    }
    return environment


def _subjects(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["subject"], []).append(row)
    return [(_title(subject), group) for subject, group in groups.items()]


def _title(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def _features(scenarios: Iterable[_Scenario]) -> list[_Feature]:
    groups: dict[str, list[_Scenario]] = {}
    for scenario in scenarios:
        groups.setdefault(scenario.data["feature"], []).append(scenario)
    features = []
    for title, group in groups.items():
        verdicts = [scenario.data["verdict"] for scenario in group]
        counts = [(verdict, verdicts.count(verdict)) for verdict in summary.VERDICTS if verdict in verdicts]
        doc = next((scenario.data["doc"] for scenario in group if scenario.data["doc"]), None)
        path = str(group[0].data["id"]).partition("::")[0]
        features.append(_Feature(path, title, doc, group, counts))
    return features


def _scenarios(run: Mapping[str, Any], exchanges: Mapping[int, _Exchange]) -> tuple[list[_Scenario], list[_Exchange]]:
    """The scenarios, each with the exchanges it sent itself, and the exchanges that no scenario sent."""
    sent: dict[str | None, list[_Exchange]] = {}
    for exchange in exchanges.values():
        sent.setdefault(exchange.data["scenario"], []).append(exchange)
    rows: dict[str, list[Row]] = {}
    for row in run["requirements"]:
        for scenario_id in row["scenarios"]:
            rows.setdefault(scenario_id, []).append(row)

    scenarios = []
    for index, data in enumerate(run["scenarios"], start=1):
        own = sent.pop(data["id"], [])
        own_numbers = {exchange.number for exchange in own}
        scenarios.append(
            _Scenario(
                anchor=f"scenario-{index}",
                data=data,
                rows=rows.get(data["id"], []),
                failed_step=next((step for step in data["steps"] if step["status"] == "failed"), None),
                exchanges=own,
                elsewhere=[number for number in data["exchanges"] if number not in own_numbers],
                attachments=[_attachment(attachment) for attachment in data["attachments"]],
            )
        )
    outside = sorted((exchange for group in sent.values() for exchange in group), key=lambda exchange: exchange.number)
    return scenarios, outside


def _attachment(data: Mapping[str, Any]) -> _Attachment:
    path = PurePosixPath(data["path"])
    inside = not path.is_absolute() and ".." not in path.parts
    # Quoting the colon keeps any scheme from being one.
    href = "./" + quote(str(path), safe="/", errors="replace") if inside else None
    return _Attachment(data, href, str(data["media_type"]).startswith("image/"))


def _exchanges(run: Mapping[str, Any], exchanges: Sequence[Mapping[str, Any]]) -> dict[int, _Exchange]:
    cited = {number for row in run["requirements"] if row["verdict"] in RED for number in row["exchanges"]}
    rest = max(1, len(exchanges) - len(cited))
    limit = max(_SMALLEST_BODY, min(BODY_LIMIT, _PAGE_BUDGET // (2 * rest)))
    return {
        exchange["number"]: _exchange(exchange, BODY_LIMIT if exchange["number"] in cited else limit)
        for exchange in sorted(exchanges, key=lambda exchange: int(exchange["number"]))
    }


def _exchange(data: Mapping[str, Any], limit: int) -> _Exchange:
    request, response = data["request"], data["response"]
    return _Exchange(
        number=data["number"],
        data=data,
        path=_path(request["url"]),
        answer=_status(response["status"]) if response else "no response",
        request=_message(f"{request['method']} {request['url']}", request, limit, None),
        response=response and _message(_status(response["status"]), response, limit, response),
        curl=curl_line(data),
    )


def _path(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return text.shorten(url, 120)
    return text.shorten(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", 120)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _message(first_line: str, message: Mapping[str, Any], limit: int, received: Mapping[str, Any] | None) -> _Message:
    lines = [first_line, *(f"{name}: {value}" for name, value in message["headers"])]
    head = "\n".join(text.shorten(line, BODY_LIMIT) for line in lines)
    body: str = message["body"] or ""
    left_out = None
    if len(body) > limit:
        left_out = f"The first {limit:,} of {len(body):,} characters of the body; the rest is in exchanges.jsonl."
    if received and received["truncated"]:
        left_out = f"{left_out or ''} The target sent {received['body_bytes']:,} bytes; not all were recorded.".strip()
    return _Message(f"{head}\n\n{body[:limit]}" if body else head, left_out)
