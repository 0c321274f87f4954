"""The last block of a run on the terminal: what a person has to act on, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pdpp_conformance.report import summary
from pdpp_conformance.report.findings import BlockedGroup, Finding, Row, blocked, findings, known_deviations
from pdpp_conformance.report.text import counted, duration, one_line, plain, sentence_of

_VALUE_LIMIT = 400
_LIST_LIMIT = 24
_INDENT = 2
_LABEL_WIDTH = 10
_STYLES = {"FAIL": "bold red", "ERROR": "bold magenta", "WARN": "bold yellow", "BLOCKED": "bold blue", "PASS": "green"}
_OUTCOME_STYLES = {"conformant": "bold green", "not_conformant": "bold red"}
_SHORT_VERDICTS = {"ERROR": "error", "NOT_APPLICABLE": "n/a"}


def render_summary(run: Mapping[str, Any], report_dir: Path, console: Console) -> None:
    """Print the run's outcome, its findings, what blocked it, the counts and where the report is.

    Args:
        run: the contents of `run.json`.
        report_dir: the report directory, shown relative to the working directory where it lies below it.
        console: where to print; its width is kept, its colours are never the only signal.
    """
    block = _Block(console, _shown(report_dir))
    block.outcome(run)
    if run["outcome"] == "unreachable":
        block.closing(run)
        return
    for finding in findings(run):
        block.finding(finding, summary.finding_fails(finding, run["fail_on"]))
    block.known_deviations(run)
    block.trouble(run)
    groups = blocked(run)
    if groups:
        block.blocked(groups)
    block.counts(run)
    block.closing(run)


class _Block:
    def __init__(self, console: Console, folder: Path) -> None:
        self._console = console
        self._report = folder / "report.html"

    def outcome(self, run: Mapping[str, Any]) -> None:
        self._console.print(Rule("PDPP conformance", characters="-", style="dim", align="left"))
        word = summary.OUTCOME_WORDS[run["outcome"]].upper()
        bundled = " (the bundled server)" if run["target"]["bundled"] else ""
        self._print(
            Text.assemble(
                (word, _OUTCOME_STYLES.get(run["outcome"], "bold yellow")),
                f"  {self._safe(run['target']['base_url'])}{bundled}",
            )
        )
        if run["outcome"] != "unreachable" or not run["messages"]:
            self._print(Text(self._safe(summary.outcome_sentence(run))))
        for message in run["messages"]:
            self._print(Text(self._safe(message)))

    def finding(self, finding: Finding, fails: bool) -> None:
        self._console.print()
        lead = finding.lead
        ids = _some([row["id"] for row in finding.rows])
        heading = Text.assemble((finding.verdict, _STYLES[finding.verdict]), "  ", (ids, "bold"))
        if finding.others:
            heading.append(f"  one defect, {len(finding.rows)} requirements")
        if not fails:
            heading.append("  does not fail this run")
        self._print(heading)
        self._pairs(
            [
                ("", plain(lead["text"])),
                ("expected", lead["expected"] or "not recorded"),
                ("observed", lead["observed"] or lead["reason"] or "not recorded"),
                ("level", f"{summary.LEVEL_NAMES[summary.level_of(lead)]}, {lead['source']}"),
                *(("and", _same_defect(row)) for row in finding.others),
                ("see", self._places(finding)),
            ]
        )

    def known_deviations(self, run: Mapping[str, Any]) -> None:
        """The red rows that do not fail the run because somebody wrote down why."""
        rows = known_deviations(run)
        if rows:
            self._console.print()
            self._print(Text("Known deviations, which do not fail this run", style="bold"))
            self._pairs(
                [(row["id"], f"{row['deviation']['reason']} (until {row['deviation']['expires']})") for row in rows]
            )

    def trouble(self, run: Mapping[str, Any]) -> None:
        """The harness's own errors, and what the run left on the target."""
        errors = [f"{row['id']}: {row['reason']}" for row in run["requirements"] if row["verdict"] == "ERROR"]
        faults = [*(sentence_of(fault) for fault in run["faults"]), *errors]
        for heading, lines in (
            ("Errors of the harness itself, which say nothing about the target", faults),
            ("Left on the target, could not be removed", [sentence_of(item) for item in run["residue"]]),
        ):
            if lines:
                self._console.print()
                self._print(Text(heading, style="bold"))
                self._pairs([("", line) for line in lines])

    def blocked(self, groups: list[BlockedGroup]) -> None:
        self._console.print()
        self._print(Text("Could not be judged", style=_STYLES["BLOCKED"]))
        for group in groups:
            lines = [("", _some([row["id"] for row in group.rows])), ("reason", group.reason)]
            if group.unblock:
                lines.append(("unblock", group.unblock))
            self._pairs(lines)

    def counts(self, run: Mapping[str, Any]) -> None:
        levels = summary.counts_by_level(run)
        if not levels:
            return
        self._console.print()
        table = Table(box=None, padding=(0, 0, 0, 2), pad_edge=False, header_style="dim")
        table.add_column("")
        verdicts = list(next(iter(levels.values())))
        for verdict in verdicts:
            table.add_column(_SHORT_VERDICTS.get(verdict, summary.VERDICT_WORDS[verdict]), justify="right")
        for level, counts in levels.items():
            cells = (Text(str(n), style=_STYLES.get(verdict, "")) if n else "." for verdict, n in counts.items())
            table.add_row(summary.LEVEL_SHORT_NAMES[level], *cells)
        self._console.print(table, highlight=False)

    def closing(self, run: Mapping[str, Any]) -> None:
        self._console.print()
        waited = f", {duration(run['waited_s'])} of it waiting" if run["waited_s"] else ""
        tasks = "; ".join(
            f"{len(ids)} {summary.VERDICT_WORDS[verdict]}" + ("" if verdict == "PASS" else f" ({', '.join(ids)})")
            for verdict, ids in summary.task_summary(run["tasks"])
        )
        requests = run.get("requests")
        asked = "" if requests is None or run["target"]["bundled"] else f"; {counted(requests['made'], 'request')}"
        took = ("took", f"{duration(run['duration_s'])}{waited}{asked}")
        self._pairs([("tasks", tasks), took] if tasks else [took])
        # A path is copied or clicked, so it is never broken into lines.
        label = f"{'':{_INDENT}}{'report':{_LABEL_WIDTH}}"
        path = Text.assemble((label, "dim"), self._safe(str(self._report)))
        self._console.print(path, highlight=False, soft_wrap=True)

    def _places(self, finding: Finding) -> str:
        place = f"{self._report.name}#{finding.anchor}"
        if not finding.exchanges:
            return place
        word = "exchange" if len(finding.exchanges) == 1 else "exchanges"
        return f"{word} {_some([str(number) for number in finding.exchanges])}; {place}"

    def _pairs(self, pairs: list[tuple[str, str]]) -> None:
        """Labelled values with a hanging indent; a value without a label is a line of its own."""
        for label, value in pairs:
            indent = _INDENT + (_LABEL_WIDTH if label else 0)
            self._print(Text(self._safe(value)), Text(f"{'':{_INDENT}}{label}".ljust(indent), "dim"))

    def _print(self, text: Text, margin: Text | None = None) -> None:
        """The text wrapped to the console's width, its first line after the margin, the others below it."""
        margin = margin or Text()
        for line in text.wrap(self._console, max(20, self._console.width - len(margin)), overflow="fold"):
            line.rstrip()
            self._console.print(margin + line, highlight=False)
            margin = Text(" " * len(margin))

    def _safe(self, value: str) -> str:
        """One line without control characters, in characters that the terminal's encoding has."""
        line = one_line(value, _VALUE_LIMIT)
        encoding = self._console.encoding
        return line.encode(encoding, "backslashreplace").decode(encoding)


def _some(items: list[str]) -> str:
    """The items, or the first of them and how many there are besides."""
    more = f" and {len(items) - _LIST_LIMIT} more" if len(items) > _LIST_LIMIT else ""
    return ", ".join(items[:_LIST_LIMIT]) + more


def _same_defect(row: Row) -> str:
    said = f"{row['id']} {plain(row['text'])}"
    return f"{said} Observed: {row['observed']}" if row["observed"] else said


def _shown(folder: Path) -> Path:
    relative = os.path.relpath(folder)
    return folder if relative.startswith("..") else Path(relative)
