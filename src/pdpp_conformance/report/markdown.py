"""A run in a page of Markdown, for the summary of a build: what a person has to act on, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pdpp_conformance.report import summary
from pdpp_conformance.report.findings import blocked, findings, known_deviations
from pdpp_conformance.report.text import duration, one_line, plain, sentence_of

_MOST_CHARACTERS = 300
_MOST_ROWS = 40
_MOST_IDS = 24

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#+!|~:@.&$^])")
"""What begins markup, a link, a mention or an entity somewhere in GitHub's Markdown."""


def markdown_of(run: Mapping[str, Any]) -> str:
    """Return the page.

    Nothing of it but its own structure means anything in Markdown or HTML: what the target said is text.

    Args:
        run: the contents of `run.json`.
    """
    return "\n".join(_lines(run)) + "\n"


def _lines(run: Mapping[str, Any]) -> Iterator[str]:
    yield f"## PDPP conformance: {summary.OUTCOME_WORDS[run['outcome']].lower()}"
    yield ""
    yield f"{text_of(run['target']['base_url'])}: {text_of(summary.outcome_sentence(run))}"
    for message in run["messages"][:_MOST_ROWS]:
        yield f"- {text_of(message)}"
    if run["outcome"] == "unreachable":
        return
    yield from _table(
        "Findings",
        ("verdict", "requirements", "what", "expected", "observed"),
        [
            (
                finding.verdict + ("" if summary.finding_fails(finding, run["fail_on"]) else ", does not fail the run"),
                _some([row["id"] for row in finding.rows]),
                plain(finding.lead["text"]),
                finding.lead["expected"] or "",
                finding.lead["observed"] or finding.lead["reason"] or "",
            )
            for finding in findings(run)
        ],
    )
    yield from _table(
        "Known deviations",
        ("requirement", "reason", "until"),
        [(row["id"], row["deviation"]["reason"], row["deviation"]["expires"]) for row in known_deviations(run)],
    )
    yield from _table("Left on the target", ("what",), [(sentence_of(left),) for left in run["residue"]])
    yield from _table("Errors of the harness", ("what",), [(sentence_of(fault),) for fault in run["faults"]])
    yield from _table(
        "Could not be judged",
        ("requirements", "reason", "unblock"),
        [(_some([row["id"] for row in group.rows]), group.reason, group.unblock or "") for group in blocked(run)],
    )
    levels = summary.counts_by_level(run)
    if levels:
        verdicts = list(next(iter(levels.values())))
        yield from _table(
            "Requirements",
            ("level", *(summary.VERDICT_WORDS[verdict] for verdict in verdicts)),
            [
                (summary.LEVEL_SHORT_NAMES[level], *(str(counts[verdict]) for verdict in verdicts))
                for level, counts in levels.items()
            ],
        )
    yield ""
    yield f"Took {duration(run['duration_s'])}, {duration(run['waited_s'])} of it waiting."


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield from ("", f"### {title}", "", _row(columns), _row(["---"] * len(columns)))
    for row in rows[:_MOST_ROWS]:
        yield _row([text_of(cell) for cell in row])
    if len(rows) > _MOST_ROWS:
        yield from ("", f"… and {len(rows) - _MOST_ROWS} more; the report has them all.")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
    return ", ".join(ids[:_MOST_IDS]) + more


def text_of(value: str) -> str:
    """Return foreign text on one line, bounded, so that Markdown shows it as it is: no markup, no link, no mention."""
    return _PUNCTUATION.sub(r"\\\1", one_line(str(value), _MOST_CHARACTERS))
