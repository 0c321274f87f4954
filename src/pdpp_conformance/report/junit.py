"""`junit.xml`: the run for build servers; a test suite is a feature, a test case a scenario.

A build server that reads nothing else must not see green where the run was not: the first suite holds the run's own
outcome as a test case, so that a run without scenarios, or one that left residue, is red here too.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdpp_conformance.report import summary
from pdpp_conformance.report.findings import Row
from pdpp_conformance.report.text import plain, printable, shorten

_DETAIL_LIMIT = 16_384
_MESSAGE_LIMIT = 1_000
_SKIPPED = ("BLOCKED", "NOT_APPLICABLE", "EXCLUDED")


def write_junit(run: Mapping[str, Any], directory: Path) -> Path:
    """Write `junit.xml` into the report directory.

    FAIL is a failure, and so is WARN where `--fail-on` makes one of the scenario's rows fail the run; ERROR is an
    error; BLOCKED, NOT_APPLICABLE and EXCLUDED are skipped, with their reason.

    Raises:
        OSError: the file could not be written.
    """
    rows: dict[str, list[Row]] = {}
    for row in run["requirements"]:
        for scenario_id in row["scenarios"]:
            rows.setdefault(scenario_id, []).append(row)
    features: dict[str, list[Mapping[str, Any]]] = {}
    for scenario in run["scenarios"]:
        features.setdefault(scenario["feature"], []).append(scenario)

    root = ET.Element("testsuites", name="pdpp-conformance", time=_seconds(run["duration_s"]))
    _close(_outcome_suite(root, run), run)
    for feature, scenarios in features.items():
        suite = ET.SubElement(root, "testsuite", name=_clean(feature))
        _properties(suite, _run_properties(run))
        for scenario in scenarios:
            _case(suite, scenario, rows.get(scenario["id"], []), run["fail_on"])
        _close(suite, run)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))

    path = directory / "junit.xml"
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def _outcome_suite(root: ET.Element, run: Mapping[str, Any]) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", name="run")
    _properties(suite, _run_properties(run))
    case = ET.SubElement(suite, "testcase", classname="run", name="outcome", time=_seconds(run["duration_s"]))
    if run["outcome"] != "conformant":
        kind = "failure" if run["outcome"] == "not_conformant" else "error"
        sentences = [summary.outcome_sentence(run), *run["messages"]]
        problem = ET.SubElement(case, kind, type=run["outcome"], message=_clean(sentences[0], _MESSAGE_LIMIT))
        problem.text = _clean("\n".join(sentences))
    return suite


def _run_properties(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    target = run["target"]
    return [
        ("target", target["base_url"]),
        ("issuer", target["issuer"] or ""),
        ("outcome", run["outcome"]),
        ("fail_on", run["fail_on"]),
        ("seed", str(run["seed"])),
        ("catalogue", run["suite"]["catalogue_digest"]),
    ]


def _case(suite: ET.Element, scenario: Mapping[str, Any], rows: list[Row], fail_on: str) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(scenario["feature"]),
        name=_clean(scenario["name"]),
        time=_seconds(scenario["duration_s"]),
    )
    verdict = scenario["verdict"]
    _properties(
        case,
        [
            ("verdict", verdict),
            *(("requirement", row["id"]) for row in rows),
            *(("task", task) for task in scenario["task"]),
        ],
    )
    reason = scenario["reason"] or summary.VERDICT_MEANINGS[verdict]
    message = _clean(reason, _MESSAGE_LIMIT)
    if verdict == "FAIL" or (verdict == "WARN" and any(summary.fails_run(row, fail_on) for row in rows)):
        ET.SubElement(case, "failure", type=verdict, message=message).text = _clean(_details(scenario, rows))
    elif verdict == "ERROR":
        ET.SubElement(case, "error", type=verdict, message=message).text = _clean(_details(scenario, rows))
    elif verdict in _SKIPPED:
        ET.SubElement(case, "skipped", type=verdict, message=f"{verdict}: {message}")
    elif verdict != "PASS":
        ET.SubElement(case, "system-out").text = f"{verdict}: {_clean(_details(scenario, rows) or reason)}"


def _details(scenario: Mapping[str, Any], rows: list[Row]) -> str:
    """What a person needs who sees only the build server: the step that failed and the rows that are not met."""
    lines: list[str] = []
    for step in scenario["steps"]:
        if step["status"] == "failed":
            lines += [f"{step['keyword']} {step['text']}", *([step["error"]] if step["error"] else [])]
    for row in rows:
        if row["verdict"] in ("FAIL", "WARN", "INFO", "ERROR"):
            lines += [
                "",
                f"{row['id']} ({summary.LEVEL_NAMES[summary.level_of(row)]}, {row['source']}): {plain(row['text'])}",
                f"expected: {row['expected'] or 'not recorded'}",
                f"observed: {row['observed'] or row['reason'] or 'not recorded'}",
            ]
            if row["exchanges"]:
                lines.append(f"exchanges: {', '.join(map(str, row['exchanges']))}")
    return "\n".join(lines).strip()


def _properties(parent: ET.Element, pairs: list[tuple[str, str]]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in pairs:
        ET.SubElement(properties, "property", name=name, value=_clean(value))


def _close(suite: ET.Element, run: Mapping[str, Any]) -> None:
    """Set the suite's totals once its cases are in."""
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", _seconds(sum(float(case.get("time", "0")) for case in cases)))
    suite.set("timestamp", _clean(run["started"]))


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _clean(value: str, limit: int = _DETAIL_LIMIT) -> str:
    """Text that XML 1.0 can hold: no control characters, no surrogates; bounded."""
    return shorten(printable(value), limit)
