"""The reports are faithful, safe and bounded views of a run."""

# ruff: noqa: E501 - the sample run is written as tables, a row a line

from __future__ import annotations

import io
import json
import re
import struct
import time
import xml.etree.ElementTree as ET
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from pdpp_conformance import specification
from pdpp_conformance.report import render_summary, write_html, write_junit
from pdpp_conformance.report.findings import blocked, findings
from pdpp_conformance.report.summary import fails_run, level_of, outcome_sentence
from pdpp_conformance.report.text import duration, printable
from pdpp_conformance.specification import load_schema, specification_root

Json = dict[str, Any]

MARKUP = "<script>alert('owned')</script><img src=x onerror=alert(1)>"
CDATA_END = "]]> --> </pre></details></style>"
CONTROLS = "\x00\x07\x1b[31mred\x1b[0m\x1b]8;;http://evil.example\x07 \x9b2J \ufffe \ud800 \u202egpj.exe"
LONG_WORD = "x" * 200
ARABIC = "اسم العميل هو «اختبار»"
HOSTILE = f"{MARKUP} {CDATA_END} {CONTROLS} {LONG_WORD} {ARABIC}"

ROWS: list[tuple[str, str, str, str, str, str]] = [
    ("ASM-01", "MUST", "AS", "authorization_server_metadata", "The issuer in the document is identical to the URL it was found at.", "RFC 8414 §3.3"),
    ("ASM-02", "MUST", "AS", "authorization_server_metadata", "`response_types_supported` is present and not empty.", "RFC 8414 §2"),
    ("ASM-03", "SHOULD", "AS", "authorization_server_metadata", "The document is served with `Content-Type: application/json`.", "RFC 8414 §3.2"),
    ("ASM-04", "ADVISORY", "AS", "authorization_server_metadata", "The document may be cached for a while; say for how long.", "RFC 8414 §3.2"),
    ("PRO-01", "PROFILE", "AS", "grant_scoped_profile", "Both device authorization profiles are advertised, each with its token kind.", "this change"),
    ("PRO-02", "PROFILE", "AS", "grant_scoped_profile", "`required_parameters` names client_id, resource and authorization_details.", "this change"),
    ("PRO-03", "PROFILE", "AS", "grant_scoped_profile", "`resource` alone, without `authorization_details`, never falls back to an owner code.", "this change"),
    ("PRO-04", "PROFILE", "RS", "grant_scoped_profile", "An owner token at `/mcp` gets 403 and the owner-token error.", "this change"),
    ("DRQ-01", "MUST", "AS", "device_authorization_request", "Parameters are accepted form-encoded.", "RFC 8628 §3.1"),
    ("DRQ-02", "MUST", "AS", "device_authorization_request", "A repeated parameter is refused with `invalid_request`.", "RFC 6749 §3.2"),
    ("DRQ-03", "MUST", "AS", "device_authorization_request", "An unknown client is refused with `invalid_client`.", "RFC 8628 §3.1"),
    ("DRS-01", "MUST", "AS", "device_authorization_response", "`device_code`, `user_code`, `verification_uri` and `expires_in` are present.", "RFC 8628 §3.2"),
    ("DRS-02", "MUST", "AS", "device_authorization_response", "The response is not stored: `Cache-Control: no-store`.", "RFC 8628 §3.2"),
    ("DRS-03", "DERIVED", "AS", "device_authorization_response", "Guessing a user code within its lifetime has a chance below 2⁻³².", "RFC 8628 §5.1"),
    ("POL-01", "MUST", "AS", "token_polling", "Serve the grant only for the exact URN; other value → `unsupported_grant_type`.", "RFC 8628 §3.4; RFC 6749 §5.2"),
    ("POL-05", "MUST", "AS", "token_polling", "device_code of another client → `invalid_grant`, no token, no state change.", "RFC 6749 §5.2"),
    ("POL-07", "MUST", "AS", "token_polling", "Undecided → 400 `authorization_pending`.", "RFC 8628 §3.5"),
    ("POL-08", "MUST", "AS", "token_polling", "Denied → 400 `access_denied`, stable on repeat.", "RFC 8628 §3.5"),
    ("POL-09", "MUST", "AS", "token_polling", "Expired → 400 `expired_token`.", "RFC 8628 §3.5"),
    ("POL-10", "MUST", "AS", "token_polling", "An **approved** code past `expires_in` is not redeemable.", "RFC 8628 §3.2"),
    ("POL-12", "DERIVED", "AS", "token_polling", "Second redemption → `invalid_grant`. RFC 8628 is silent; the rule is the authorization-code rule.", "RFC 6749 §4.1.2, §10.5"),
    ("POL-13", "DERIVED", "AS", "token_polling", "Replay revokes what the first redemption issued.", "RFC 6749 §4.1.2, §10.5"),
    ("POL-14", "DERIVED", "AS", "token_polling", "N parallel redemptions of one approved code: exactly one 200.", "RFC 6749 §10.5"),
    ("POL-15", "DERIVED", "AS", "token_polling", "Polling faster than the interval gets `slow_down`, still 400.", "RFC 8628 §3.5"),
    ("POL-23", "MUST", "client", "token_polling", "Waits ≥ interval (5 s if absent) between polls.", "RFC 8628 §3.2, §3.5"),
    ("POL-27", "SHOULD", "client", "token_polling", "Starts (or restarts) a flow only on user action.", "RFC 8628 §3.1, §3.5"),
    ("UI-01", "MUST", "UI", "approval_page", "The page shows the user code to compare.", "RFC 8628 §5.4"),
    ("UI-02", "DERIVED", "UI", "approval_page", "Markup in a client's name is shown as text.", "OAuth 2.1 §7.9"),
    ("UI-03", "SHOULD", "UI", "approval_page", "Approve and deny are of equal prominence.", "RFC 10027 §6"),
    ("UI-04", "MUST", "UI", "approval_page", "A form posted from another origin decides nothing.", "RFC 6749 §10.12"),
    ("BEA-01", "MUST", "RS", "bearer_at_the_mcp_server", "No token → 401 with a challenge that names the metadata.", "RFC 9728 §5.1"),
    ("BEA-02", "MUST", "RS", "bearer_at_the_mcp_server", "A token for another audience is refused.", "MCP 2026-07-28 SEC"),
    ("BEA-03", "SHOULD", "RS", "bearer_at_the_mcp_server", "No `error` code when no token was sent.", "RFC 6750 §3.1"),
    ("REF-01", "MUST", "AS", "refresh", "A replayed refresh token revokes its family.", "OAuth 2.1 §4.3.1"),
    ("REV-01", "MUST", "AS", "revocation", "Revoking an unknown token answers 200.", "RFC 7009 §2.2"),
    ("CDF-01", "SHOULD", "deployer", "cross_device_bcp", "A risk assessment was made before the flow was offered.", "RFC 10027 §3"),
    ("CDF-02", "MUST", "deployer", "cross_device_bcp", "Codes are compared in constant time.", "RFC 10027 §6"),
    ("CHG-02", "MUST", "RS", "the_change", "/mcp rejects a token introspecting as kind owner and points the caller to owner-agent REST.", "the change's own requirement"),
    ("CHG-12", "MUST", "AS", "the_change", "With exactly one of resource and authorization_details missing the request is refused.", "the change's own requirement"),
    ("CHG-13", "MUST", "AS", "the_change", "Polling before approval answers authorization_pending and issues no bearer.", "the change's own requirement"),
    ("CHG-16", "MUST", "UI", "the_change", "The approval page of an owner-agent request says trusted owner-agent onboarding.", "the change's own requirement"),
]  # fmt: skip

WINDOW = {
    "id": "0123456789abcdef", "origin": "https://pdpp.example.org", "operator": "ops@example.org", "host": "ci-7", "pid": 4711, "process_started": 1.7e9,
    "started": "2026-11-23T10:00:00Z", "scope": "post-deploy check", "expected_duration_s": 90, "boundaries": ["no fuzzing"], "report_dir": None,
    "ended": "2026-11-23T10:01:00Z", "outcome": "not_conformant", "residue": ["the client dyn_7f3"], "reason": None, "run": None,
}  # fmt: skip
UNREACHED_WAIT = "needs 305 s of real waiting; --max-wait allows 60 s"
FAILING: dict[str, Json] = {
    "POL-12": {"verdict": "WARN", "expected": "400 invalid_grant on the second redemption", "observed": "200 with a second bearer, ⟨access_token:4⟩"},
    "POL-13": {"verdict": "WARN", "expected": "the first bearer introspects inactive after the replay", "observed": "still active", "same_defect_as": ["POL-12"]},
    "POL-14": {"verdict": "WARN", "expected": "one 200 of 8 parallel redemptions", "observed": "8 of 8 answered 200", "same_defect_as": ["POL-12"]},
    "PRO-04": {"verdict": "FAIL", "expected": "403 permission_error with a next step that names owner-agent REST", "observed": "200; tools/list returned six tools to an owner token"},
    "CHG-02": {"verdict": "FAIL", "expected": "the owner-token error, pointing to owner-agent REST", "observed": "the call was served", "same_defect_as": ["PRO-04"]},
    "DRQ-02": {"verdict": "FAIL", "expected": "400 invalid_request", "observed": f"500, text/html: {HOSTILE}"},
    "UI-03": {"verdict": "WARN", "expected": "two buttons of one size", "observed": "Approve 212 × 44 px, Deny is a link of 38 × 18 px"},
    "ASM-04": {"verdict": "INFO", "expected": "a max-age", "observed": "no Cache-Control"},
    "POL-09": {"verdict": "BLOCKED", "reason": UNREACHED_WAIT, "unblock": "--max-wait 310"},
    "POL-10": {"verdict": "BLOCKED", "reason": UNREACHED_WAIT, "unblock": "--max-wait 310"},
    "REF-01": {"verdict": "BLOCKED", "reason": "no introspection credentials", "unblock": "introspection in the target file, or PDPP_INTROSPECTION_CLIENT_ID and _SECRET"},
    "REV-01": {"verdict": "NOT_APPLICABLE", "reason": "the metadata names no revocation_endpoint"},
    "POL-23": {"verdict": "BLOCKED", "reason": "no setup client to judge", "unblock": None},
    "POL-27": {"verdict": "EXCLUDED", "reason": "what a person did before the flow began cannot be seen from outside"},
    "CDF-01": {"verdict": "ATTESTED", "reason": "risk assessment of 2026-09-01, docs/risk.md"},
    "CDF-02": {"verdict": "EXCLUDED", "reason": "a comparison's timing drowns in the network's"},
    "UI-04": {"verdict": "ERROR", "reason": "playwright: the second browser context closed early"},
    "DRS-01": {"note": "lab exemption: plain http on loopback"},
}  # fmt: skip
CONFORMING: dict[str, Json] = {
    row_id: changes
    for row_id, changes in FAILING.items()
    if changes.get("verdict") in ("NOT_APPLICABLE", "EXCLUDED", "ATTESTED", None)
}

FEATURES: tuple[tuple[str, list[str], list[str]], ...] = (
    ("features/2_metadata_honesty/2_1_authorization_server_metadata.feature", ["2.1"], ["ASM", "PRO-01", "PRO-02"]),
    ("features/3_device_authorization/3_2_request_starts.feature", ["3.2"], ["DRQ", "DRS", "PRO-03", "CHG-12"]),
    ("features/3_device_authorization/3_4_rfc8628_errors.feature", ["3.4"], ["POL", "CHG-13"]),
    ("features/5_verification/5_3_owner_token_rejected.feature", ["3.5", "5.3"], ["PRO-04", "CHG-02", "BEA"]),
    ("features/standards/approval_page.feature", [], ["UI", "CHG-16"]),
)
TASKS = ("1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "3.4", "3.5", "4.1", "4.2", "4.3", "5.1", "5.2", "5.3", "5.4", "5.5")  # fmt: skip
STEPS = {
    "passed": ("passed", "passed", "passed"),
    "failed": ("passed", "passed", "failed"),
    "not_run": ("skipped", "not_run", "not_run"),
}


def sample(*, failing: bool) -> tuple[Json, list[Json]]:
    """A realistic run of 41 requirements and 20 scenarios with some 60 exchanges, hostile strings among them."""
    changes = FAILING if failing else CONFORMING
    requirements = [_requirement(row, changes.get(row[0], {})) for row in ROWS]
    scenarios: list[Json] = []
    exchanges = [_exchange(number, None, "discovery") for number in (1, 2, 3)]
    for feature, tasks, prefixes in FEATURES:
        rows = [row for row in requirements if any(row["id"].startswith(prefix) for prefix in prefixes)]
        rows = [row for row in rows if row["verdict"] not in ("EXCLUDED", "ATTESTED", "NOT_APPLICABLE")]
        for start in range(0, len(rows), 2):
            _scenario(scenarios, exchanges, feature, tasks, rows[start : start + 2])
    exchanges.append(_exchange(len(exchanges) + 1, None, "clean-up"))
    counts = dict.fromkeys(("PASS", "FAIL", "WARN", "INFO", "NOT_APPLICABLE", "BLOCKED", "ATTESTED", "EXCLUDED", "ERROR"), 0)  # fmt: skip
    for row in requirements:
        counts[row["verdict"]] += 1
    run = {
        "schema": "pdpp-conformance/run/1",
        "suite": {"version": "0.1.0", "catalogue_digest": "sha256:" + "3f" * 32},
        "target": {
            "base_url": "https://pdpp.example.org" if failing else "http://127.0.0.1:43121",
            "issuer": "https://as.example.org" if failing else "http://127.0.0.1:43121",
            "mcp_resource": "https://rs.example.org/mcp" if failing else "http://127.0.0.1:43121/mcp",
            "profile": "pdpp",
            "bundled": not failing,
            "approver": "browser",
            "capabilities": {"registration": "dynamic", "revocation": False, "grant_scoped_mcp": True, "kinds": None},
        },
        "started": "2026-11-23T10:00:00Z",
        "ended": "2026-11-23T10:01:14Z",
        "duration_s": 74.2 if failing else 17.2,
        "waited_s": 48.0 if failing else 0,
        "max_wait_s": 60 if failing else None,
        "seed": 1,
        "fail_on": "must",
        "outcome": "not_conformant" if failing else "conformant",
        "exit_status": 1 if failing else 0,
        "interrupted": None,
        "messages": ["The page at /owner/login needed a second click."] if failing else [],
        "faults": ["approver: the second browser context closed early (TargetClosedError)"] if failing else [],
        "window": WINDOW if failing else None,
        "discovery": {
            "documents": [
                {"name": "Authorization server metadata", "url": "https://as.example.org/.well-known/oauth-authorization-server", "status": 200},
                {"name": "Root resource metadata", "url": "https://rs.example.org/.well-known/oauth-protected-resource", "status": None},
            ]
        },
        "counts": counts,
        "tasks": [_task(task, scenarios) for task in TASKS],
        "requirements": requirements,
        "scenarios": scenarios,
        "residue": [{"kind": "client", "id": "dyn_7f3", "reason": "DELETE answered 500"}] if failing else [],
    }  # fmt: skip
    return run, exchanges


def _requirement(row: tuple[str, str, str, str, str, str], changes: Json) -> Json:
    row_id, level, role, subject, text, source = row
    return {
        "id": row_id, "level": level, "role": role, "subject": subject, "text": text, "source": source,
        "verdict": "PASS", "reason": None, "note": None, "unblock": None, "deviation": None, "expected": "as the sentence says",
        "observed": "as expected", "same_defect_as": [], "scenarios": [], "exchanges": [],
    } | ({"expected": None, "observed": None} if "reason" in changes else {}) | changes  # fmt: skip


def _scenario(scenarios: list[Json], exchanges: list[Json], feature: str, tasks: list[str], rows: list[Json]) -> None:
    verdicts = [row["verdict"] for row in rows]
    order = ("FAIL", "ERROR", "WARN", "BLOCKED", "INFO", "PASS")
    verdict = next(verdict for verdict in order if verdict in verdicts)
    name = f"The deployment holds {' and '.join(row['id'] for row in rows)}"
    scenario_id = f"{feature}::{name}"
    numbers = list(range(len(exchanges) + 1, len(exchanges) + 4)) if verdict != "BLOCKED" else []
    exchanges += [_exchange(number, scenario_id, "client") for number in numbers]
    status = {"BLOCKED": "not_run", "PASS": "passed", "INFO": "passed"}.get(verdict, "failed")
    texts = (
        ("Given", "a public client that may use the device grant"),
        ("When", "the client redeems the device code again"),
        ("Then", "the answer is invalid_grant and nothing was issued"),
    )
    error = f"AssertionError: 200 is not 400\n{HOSTILE}" if status == "failed" else None
    steps = [
        {"keyword": keyword, "text": text, "status": done, "error": error if done == "failed" else None}
        for (keyword, text), done in zip(texts, STEPS[status], strict=True)
    ]
    pages = [("Sign-in page", "1-login.png"), ("Decision page", "2-decision.png")] if "approval" in feature else []
    scenarios.append(
        {
            "id": scenario_id, "feature": feature, "name": name, "tags": [row["id"] for row in rows], "task": tasks,
            "doc": "As a maintainer I want the standard's errors,\nso that every client knows what to do next.",
            "verdict": verdict, "reason": rows[0]["reason"], "duration_s": 0.041 * len(scenarios), "waited_s": 0,
            "steps": steps, "exchanges": [*numbers, 1],
            "attachments": [
                {"name": name, "path": f"attachments/{path}", "media_type": "image/png", "caption": f"{name} as the owner saw it"}
                for name, path in pages
            ],
        }
    )  # fmt: skip
    for row in rows:
        row["scenarios"].append(scenario_id)
        row["exchanges"].extend(numbers[-2:])


def _exchange(number: int, scenario: str | None, actor: str) -> Json:
    body = json.dumps({"access_token": "⟨access_token:4⟩", "token_type": "Bearer", "client_name": HOSTILE})
    response = {
        "status": 200 if number % 3 else 400,
        "headers": [["content-type", "application/json"], ["cache-control", "no-store"], ["x-client", HOSTILE]],
        "body": body * (40 if number % 7 == 0 else 1),
        "body_bytes": 90_000,
        "truncated": number % 7 == 0,
    }
    silent = number % 19 == 0
    return {
        "number": number, "scenario": scenario, "actor": actor, "at": "2026-11-23T10:00:03.120Z", "elapsed_s": 0.012,
        "request": {
            "method": "POST", "url": f"https://as.example.org/oauth/token?state={MARKUP}",
            "headers": [["content-type", "application/x-www-form-urlencoded"]],
            "body": "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=⟨device_code:1⟩&client_id=pdpp_cli",
        },
        "response": None if silent else response,
        "error": "ReadTimeout: no answer within 10 s" if silent else None,
    }  # fmt: skip


def _task(task: str, scenarios: list[Json]) -> Json:
    proving = [scenario for scenario in scenarios if task in scenario["task"]]
    verdicts = {scenario["verdict"] for scenario in proving}
    verdict = next((v for v in ("FAIL", "WARN", "BLOCKED", "PASS") if v in verdicts), "NOT_COVERED")
    title = f"What task {task} of the change asks for: metadata is `token-kind` honest about device authorization"
    return {"id": task, "title": title, "verdict": verdict, "scenarios": [scenario["id"] for scenario in proving]}


def write_screenshots(directory: Path) -> None:
    """Two small pictures where the sample's attachments point."""
    (directory / "attachments").mkdir(exist_ok=True)
    for name, shade in (("1-login.png", 0xD8), ("2-decision.png", 0x58)):
        (directory / "attachments" / name).write_bytes(_png(320, 480, shade))


def _png(width: int, height: int, shade: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = (b"\0" + bytes([shade]) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


class Page(HTMLParser):
    """What a browser would make of the report: its elements, ids and links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes.update(values)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"] or "")
        if "href" in values:
            self.links.append(values["href"] or "")
        if "src" in values:
            self.sources.append(values["src"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("failing", [True, False])
def test_the_sample_obeys_the_schemas(failing: bool) -> None:
    run, exchanges = sample(failing=failing)
    for name in ("run", "exchange"):
        Draft202012Validator.check_schema(load_schema(name))
    assert list(Draft202012Validator(load_schema("run")).iter_errors(run)) == []
    validator = Draft202012Validator(load_schema("exchange"))
    assert [error for exchange in exchanges for error in validator.iter_errors(exchange)] == []


def test_the_run_schema_refuses_what_it_does_not_know() -> None:
    validator = Draft202012Validator(load_schema("run"))
    run, _ = sample(failing=True)
    row = run["requirements"][0]
    assert not validator.is_valid(run | {"verdict": "fine"})
    assert not validator.is_valid(run | {"requirements": [row | {"verdict": "NOT_COVERED"}]})
    assert not validator.is_valid(run | {"requirements": [row | {"verdict": "BLOCKED", "reason": None}]})


def test_the_specification_is_found_in_a_checkout() -> None:
    assert (specification_root() / "schemas" / "run.schema.json").is_file()
    with pytest.raises(FileNotFoundError):
        load_schema("nothing")


def test_the_specification_is_found_in_an_installed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specification, "_CHECKOUT", tmp_path)
    monkeypatch.setattr(specification, "_INSTALLED", tmp_path / "_specification")
    with pytest.raises(FileNotFoundError, match="no features/ and schemas/"):
        specification_root()
    for folder in ("features", "schemas"):
        (tmp_path / "_specification" / folder).mkdir(parents=True)
    assert specification_root() == tmp_path / "_specification"


def test_rows_of_one_defect_are_one_finding() -> None:
    run, _ = sample(failing=True)
    assert [(finding.verdict, [row["id"] for row in finding.rows]) for finding in findings(run)] == [
        ("FAIL", ["CHG-02", "PRO-04"]),
        ("FAIL", ["DRQ-02"]),
        ("WARN", ["UI-03"]),
        ("WARN", ["POL-12", "POL-13", "POL-14"]),
    ]


def test_one_defect_is_transitive_but_only_through_red_rows() -> None:
    run, _ = sample(failing=False)
    rows = {row["id"]: row for row in run["requirements"]}
    for row_id, other in (("POL-14", "POL-13"), ("POL-13", "POL-12"), ("BEA-01", "BEA-02"), ("BEA-03", "BEA-02")):
        rows[row_id]["same_defect_as"] = [other, "GONE-01"]
    for row_id in ("POL-12", "POL-13", "POL-14", "BEA-03"):
        rows[row_id]["verdict"] = "WARN"
    rows["BEA-01"]["verdict"] = "FAIL"
    found = [[row["id"] for row in finding.rows] for finding in findings(run)]
    assert found == [["BEA-01"], ["BEA-03"], ["POL-12", "POL-13", "POL-14"]]


def test_blocked_rows_are_grouped_by_what_would_unblock_them() -> None:
    run, _ = sample(failing=True)
    groups = [([row["id"] for row in group.rows], group.unblock) for group in blocked(run)]
    assert groups[0] == (["POL-09", "POL-10"], "--max-wait 310")
    assert len(groups) == 3


def test_levels_are_told_apart_and_decide_what_fails() -> None:
    change = {"id": "CHG-02", "level": "MUST", "verdict": "FAIL"}
    derived = {"id": "POL-12", "level": "DERIVED", "verdict": "WARN"}
    assert (level_of(change), level_of(derived)) == ("CHANGE", "DERIVED")
    assert [fails_run(change, level) for level in ("must", "all")] == [True, True]
    assert [fails_run(derived, level) for level in ("must", "should", "derived", "all")] == [False, False, True, True]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcome": "conformant"}, "judged and met"),
        ({"outcome": "not_conformant"}, "2 findings fail this run: 3 requirements are not met."),
        ({"outcome": "incomplete"}, "4 requirements that must hold could not be judged"),
        ({"outcome": "incomplete", "scenarios": []}, "nothing was judged"),
        ({"outcome": "unreachable"}, "could not be reached"),
        ({"outcome": "interrupted", "interrupted": "SIGTERM"}, "Stopped by SIGTERM after 1 min 14 s"),
    ],
)
def test_every_outcome_is_explained(changes: Json, said: str, tmp_path: Path) -> None:
    run, exchanges = sample(failing=True)
    run |= changes
    assert said in outcome_sentence(run)
    assert said in write_html(run, exchanges, tmp_path).read_text(encoding="utf-8")
    case = ET.parse(write_junit(run, tmp_path)).find(".//testcase[@name='outcome']")  # noqa: S314 - our own file
    assert case is not None
    assert bool(len(case)) == (run["outcome"] != "conformant")


@pytest.mark.parametrize("failing", [True, False])
def test_the_page_is_whole_and_its_links_lead_somewhere(failing: bool, tmp_path: Path) -> None:
    run, exchanges = sample(failing=failing)
    page = Page(write_html(run, exchanges, tmp_path).read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {f"exchange-{exchange['number']}" for exchange in exchanges} <= set(page.ids)
    assert {row["id"] for row in run["requirements"]} <= set(page.ids)


def test_nothing_from_outside_becomes_markup(tmp_path: Path) -> None:
    run, exchanges = sample(failing=True)
    for row in run["requirements"]:
        row |= {"text": HOSTILE, "source": HOSTILE, "note": HOSTILE, "expected": HOSTILE, "observed": HOSTILE}
    for scenario in run["scenarios"]:
        scenario |= {"name": HOSTILE, "doc": HOSTILE, "reason": HOSTILE}
    run["target"] |= {"base_url": f"javascript:{HOSTILE}", "capabilities": {HOSTILE: HOSTILE}}
    run |= {"messages": [HOSTILE], "faults": [{HOSTILE: HOSTILE}], "residue": [HOSTILE], "window": {HOSTILE: [HOSTILE]}}
    run["scenarios"][0]["attachments"] = [
        {"name": HOSTILE, "path": path, "media_type": "image/png", "caption": HOSTILE}
        for path in ("javascript:alert(1)", "../../etc/passwd", "/etc/passwd", "//evil.example/x.png", 'a" onerror="x')
    ]
    html = write_html(run, exchanges, tmp_path).read_text(encoding="utf-8")
    page = Page(html)
    assert page.tags.isdisjoint({"script", "iframe", "object", "form", "base", "link"})
    assert not any(attribute.startswith("on") for attribute in page.attributes)
    assert all(link.startswith(("#", "./")) and ".." not in link for link in page.links)
    assert all(source.startswith("./") for source in page.sources)
    assert "./javascript%3Aalert%281%29" in page.sources
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", html)
    assert "default-src 'none'" in html


def test_findings_come_first_and_say_what_they_are(tmp_path: Path) -> None:
    run, exchanges = sample(failing=True)
    html = write_html(run, exchanges, tmp_path).read_text(encoding="utf-8")
    assert html.index('id="findings"') < html.index('id="blocked"') < html.index('id="tasks"')
    assert "the standard itself is silent, so this is not a violation of it" in html
    assert "one defect, 3 requirements" in html
    assert "8 of 8 answered 200" in html
    assert "--max-wait 310" in html
    assert "lab exemption: plain http on loopback" in html


def test_bodies_are_bounded_and_say_so(tmp_path: Path) -> None:
    run, exchanges = sample(failing=True)
    exchanges[4]["response"] |= {"body": "y" * 65_536, "truncated": True}
    html = write_html(run, exchanges, tmp_path).read_text(encoding="utf-8")
    assert "y" * 4096 in html
    assert "y" * 4097 not in html
    assert "The first 4,096 of 65,536 characters of the body; the rest is in exchanges.jsonl." in html
    assert "The target sent 90,000 bytes; not all were recorded." in html


def test_a_large_run_renders_quickly(tmp_path: Path) -> None:
    run, _ = sample(failing=True)
    scenario = run["scenarios"][0]
    run["scenarios"] = [
        scenario | {"id": f"s{n}", "name": f"Scenario {n}", "exchanges": list(range(10 * n + 1, 10 * n + 11))}
        for n in range(500)
    ]
    exchanges = [_exchange(number, f"s{(number - 1) // 10}", "client") for number in range(1, 5001)]
    for exchange in exchanges:
        if exchange["response"]:
            exchange["response"]["body"] = "é<" * 32_768
    began = time.process_time()
    path = write_html(run, exchanges, tmp_path)
    assert time.process_time() - began < 3
    assert path.stat().st_size < 48 * 1024 * 1024


def test_junit_tells_the_same_verdicts(tmp_path: Path) -> None:
    run, _ = sample(failing=True)
    run["scenarios"][0] |= {"name": HOSTILE, "verdict": "FAIL", "reason": HOSTILE}
    root = ET.parse(write_junit(run, tmp_path)).getroot()  # noqa: S314 - our own file
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["run", *(feature for feature, _, _ in FEATURES)]
    for scenario, case in zip(run["scenarios"], root.findall("testsuite/testcase")[1:], strict=True):
        expected = {"FAIL": "failure", "ERROR": "error", "BLOCKED": "skipped"}.get(scenario["verdict"])
        tags = [child.tag for child in case if child.tag not in ("properties", "system-out")]
        assert tags == ([expected] if expected else [])
        named = {item.get("value") for item in case.findall("properties/property[@name='requirement']")}
        assert named == set(scenario["tags"])
    assert root.get("tests") == str(len(run["scenarios"]) + 1)
    assert "needs 305 s of real waiting" in ET.tostring(root, encoding="unicode")


def test_junit_fails_on_a_warning_that_fails_the_run(tmp_path: Path) -> None:
    run, _ = sample(failing=True)
    warned = sum(scenario["verdict"] == "WARN" for scenario in run["scenarios"])
    before = ET.parse(write_junit(run, tmp_path)).getroot()  # noqa: S314 - our own file
    after = ET.parse(write_junit(run | {"fail_on": "all"}, tmp_path)).getroot()  # noqa: S314 - our own file
    assert int(after.get("failures", "0")) == int(before.get("failures", "0")) + warned


def _terminal(run: Json, directory: Path, **options: Any) -> str:
    output = io.StringIO()
    render_summary(run, directory, Console(file=output, width=80, **options))
    return output.getvalue()


def test_the_terminal_says_what_to_act_on_in_80_columns(tmp_path: Path) -> None:
    run, _ = sample(failing=True)
    said = _terminal(run, tmp_path)
    assert max(map(len, said.splitlines()[:-1])) <= 80
    assert not any(line.endswith(" ") for line in said.splitlines())
    assert "\x1b" not in said
    flat = " ".join(said.split())
    assert "NOT CONFORMANT https://pdpp.example.org" in flat
    assert "WARN POL-12, POL-13, POL-14 one defect, 3 requirements does not fail this run" in flat
    assert "observed the call was served" in flat
    assert "Observed: 200; tools/list returned six tools to an owner token" in flat
    assert "unblock --max-wait 310" in flat
    assert "see exchanges 17, 18; report.html#finding-2" in flat
    assert said.rstrip().endswith(str(tmp_path / "report.html"))
    assert "ASM-01" not in said


def test_the_terminal_is_quiet_about_a_conforming_run(tmp_path: Path) -> None:
    run, _ = sample(failing=False)
    said = _terminal(run, tmp_path)
    assert "CONFORMANT" in said
    assert len(said.splitlines()) < 22
    assert "observed" not in said


def test_the_terminal_cannot_be_steered_by_a_target(tmp_path: Path) -> None:
    run, _ = sample(failing=True)
    run |= {"messages": [HOSTILE], "faults": [HOSTILE]}
    said = _terminal(run, tmp_path, force_terminal=True, color_system="standard")
    assert set(re.findall(r"\x1b(?!\[[\d;]*m)", said)) == set()
    assert "\x1b[31mred" not in said
    assert "\u202e" not in said


def test_the_terminal_survives_an_encoding_without_the_characters(tmp_path: Path) -> None:
    run, _ = sample(failing=True)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    render_summary(run, tmp_path, Console(file=stream, width=80))
    stream.flush()
    assert b"NOT CONFORMANT" in raw.getvalue()


def test_control_characters_become_visible() -> None:
    assert printable("a\r\nb\tc\x1b\x00\x9b\u202e\ud800") == "a\nb\tc\\x1b\\x00\\x9b⟦U+202E⟧\\ud800"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.0002, "1 ms"),
        (0.012, "12 ms"),
        (0.9999, "1.0 s"),
        (17.24, "17.2 s"),
        (59.96, "1 min"),
        (184, "3 min 4 s"),
    ],
)
def test_durations_are_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_known_deviations_are_no_findings(tmp_path: Path) -> None:
    """A red row that somebody accounted for is told apart, and fails nothing, on the terminal and on the page."""
    run, exchanges = sample(failing=True)
    red = next(row for row in run["requirements"] if row["verdict"] == "FAIL")
    red["deviation"] = {"reason": "Known since spring.", "link": "https://issues.example/7", "expires": "2027-01-31"}
    assert red["id"] not in {row["id"] for finding in findings(run) for row in finding.rows}
    assert not fails_run(red, "all")
    page = write_html(run, exchanges, tmp_path).read_text(encoding="utf-8")
    assert "Known since spring." in page
    assert "Known since spring. (until 2027-01-31)" in _terminal(run, tmp_path)
