"""A recorded run judged again offline: as it was judged, and after an edit never with the pass of what was edited."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from pdpp_conformance.judging_again import judge_again
from pdpp_conformance.record import RecordError, read_record
from pdpp_conformance.specification import load_schema
from tests.whole_runs import run_specification

Json = dict[str, Any]

SELECTION = (
    "features/2_metadata_honesty/2_1_authorization_server_metadata.feature",
    "features/3_device_authorization/3_4_rfc8628_errors.feature",
    "features/5_verification/5_3_negative_smoke.feature",
    "features/standards/device_codes.feature",
    "features/standards/fuzzing.feature::A token request that is nothing but NUL",
)
JUDGED_SECONDS = 180


@dataclass(frozen=True)
class Judged:
    """What judging a record again came to."""

    rows: Mapping[str, Json]
    in_part: Mapping[str, Json]
    text: str
    only_live: list[str]
    differing: list[str]


def _judge(folder: Path, pipe: Any) -> None:
    try:
        judged = judge_again(folder)
        rows, in_part = ({row["id"]: dict(row) for row in some} for some in (judged.by_wire, judged.in_part))
        pipe.send(Judged(rows, in_part, judged.to_text(), judged.only_live, judged.differing))
    except RecordError as error:
        pipe.send(str(error))


def judged(folder: Path) -> Judged:
    """Judge a record in a process of its own: a run changes what is global."""
    context = get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_judge, args=(folder, theirs))
    process.start()
    theirs.close()
    assert ours.poll(JUDGED_SECONDS), "it was not judged in time"
    answer = ours.recv()
    process.join()
    assert isinstance(answer, Judged), answer
    return answer


def record(folder: Path, *arguments: str) -> Path:
    """Record a run of the bundled server; return its report folder."""
    report = folder / "recorded"
    assert run_specification(report, [*arguments, "--seed", "11", "--fuzz-examples", "0"]) == 0
    return report


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conforming run, the owner deciding by form."""
    return record(tmp_path_factory.mktemp("form"), "--approver", "http", *SELECTION)


@pytest.fixture(scope="module")
def as_recorded(recorded: Path) -> Judged:
    """That run judged again, as it was recorded."""
    return judged(recorded)


def requirements(folder: Path) -> dict[str, Json]:
    run = json.loads((folder / "run.json").read_text("utf-8"))
    return {row["id"]: row for row in run["requirements"]}


class TestAsRecorded:
    def test_the_same_rows_byte_for_byte(self, recorded: Path, as_recorded: Judged) -> None:
        """Every row that rests on exchanges alone is judged again as it was: verdict, words, exchanges."""
        assert as_recorded.differing == []
        told = {**requirements(recorded), **as_recorded.in_part}
        judged = [row for name, row in told.items() if name in {*as_recorded.rows, *as_recorded.in_part}]
        assert as_recorded.text == json.dumps(judged, ensure_ascii=False, indent=1)
        passed = [row for row in as_recorded.rows.values() if row["verdict"] == "PASS"]
        assert len(passed) >= 50
        assert all(row["exchanges"] for row in passed)

    def test_what_a_record_cannot_tell_is_said(self, recorded: Path, as_recorded: Judged) -> None:
        """What rests on the secrets themselves, or on another program, is no row by wire, and is named."""
        rows = requirements(recorded)
        judged_live = {row for row, told in rows.items() if told["scenarios"]}
        assert {"DRS-09", "DRS-10"} <= set(as_recorded.only_live)
        assert set(as_recorded.only_live) == judged_live - {*as_recorded.rows, *as_recorded.in_part}

    def test_a_row_is_judged_by_the_scenarios_that_are_held(self, recorded: Path, as_recorded: Judged) -> None:
        """One scenario that can only be judged live leaves the others of its row to the record, and is named."""
        judged, told = as_recorded.in_part["DRS-15"], requirements(recorded)["DRS-15"]
        assert len(judged["scenarios"]) == len(told["scenarios"]) - 1
        assert (judged["verdict"], judged["reason"]) == (told["verdict"], told["reason"])
        (left_out,) = set(told["scenarios"]) - set(judged["scenarios"])
        assert judged["note"].endswith(f"without what can only be judged live: {left_out}")

    def test_nothing_is_sent(self, recorded: Path) -> None:
        """Where the deployment was nobody is asked anything: the record answers, or nothing does."""
        run = json.loads((recorded / "run.json").read_text("utf-8"))
        port = urlsplit(run["target"]["base_url"]).port
        with socket.create_server(("127.0.0.1", port)) as listening:
            again = judged(recorded)
            listening.settimeout(0.1)
            with pytest.raises(TimeoutError):
                listening.accept()
        assert again.differing == []
        assert "ERR-01" in again.only_live

    def test_the_evidence_fits_its_schema(self, recorded: Path) -> None:
        evidence = json.loads((recorded / "evidence.json").read_text("utf-8"))
        Draft202012Validator(load_schema("evidence")).validate(evidence)
        assert not any("password" in label or "secret" in label for label in evidence["forms"])

    def test_with_the_owner_at_a_browser(self, tmp_path: Path) -> None:
        """What the owner's pages showed is part of the record, so that what depends on a decision is judged again."""
        folder = record(tmp_path, "features/3_device_authorization/3_4_rfc8628_errors.feature")
        again = judged(folder)
        assert again.differing == []
        assert {"POL-07", "POL-08", "POL-12"} <= set(again.rows)

    def test_on_the_command_line(self, recorded: Path, as_recorded: Judged) -> None:
        """`pdpp judge` prints the rows, says what they are held against, and ends with 0."""
        command = [str(Path(sys.executable).parent / "pdpp"), "judge", str(recorded / "exchanges.jsonl")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=JUDGED_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{as_recorded.text}\n"
        judged = len(as_recorded.rows) + len(as_recorded.in_part)
        assert f"{judged} rows judged from the record: identical to run.json" in done.stderr
        assert f"{len(as_recorded.only_live)} rows can only be judged live" in done.stderr


# -- edited records ----------------------------------------------------------------------------------------------------

Change = Callable[[Json], object]


def status(number: int) -> Change:
    return lambda line: line["response"].update(status=number)


def body(old: str, new: str) -> Change:
    def change(line: Json) -> None:
        assert old in line["response"]["body"]
        line["response"]["body"] = line["response"]["body"].replace(old, new)

    return change


def no_header(name: str) -> Change:
    def change(line: Json) -> None:
        headers = line["response"]["headers"]
        line["response"]["headers"] = [header for header in headers if header[0].lower() != name]
        assert len(line["response"]["headers"]) == len(headers) - 1

    return change


def header_too_many(line: Json) -> None:
    line["response"]["headers"].append(["x-edited", "1"])


def another_client(line: Json) -> None:
    line["request"]["body"] = re.sub("client_id=.", "client_id=_", line["request"]["body"])


def missing(line: Json) -> None:
    line.clear()


def twice(line: Json) -> None:
    line["again"] = True


def byte_of_answer(line: Json) -> None:
    line["response"]["body"] = (line["response"]["body"] or "")[:-1] + "~"


def byte_of_request(line: Json) -> None:
    line["request"]["url"] += "~"


def header_less(line: Json) -> None:
    line["response"]["headers"].pop()


ANY_EDIT: tuple[Change, ...] = (byte_of_answer, byte_of_request, header_less, header_too_many, status(299), missing)
"""What may be done to any exchange."""


@dataclass(frozen=True)
class Edit:
    """One edit, of the last exchange that a row rests on and whose response says something."""

    row: str
    says: str
    change: Change
    verdict: str


_APPROVE = 'value="approve"'

EDITS = {
    "a status": Edit("POL-07", "authorization_pending", status(500), "FAIL"),
    "the status of a refusal": Edit("CHG-02", "permission_error", status(200), "FAIL"),
    "a byte of an error": Edit("POL-08", "access_denied", body("access_denied", "access_denies"), "FAIL"),
    "a byte of the metadata": Edit("ASM-14", '"S256"', body('"S256"', '"S257"'), "FAIL"),
    "a byte of an owner's page": Edit("POL-11", _APPROVE, body(_APPROVE, 'value="approvf"'), "BLOCKED"),
    "a header": Edit("POL-01", "unsupported_grant_type", no_header("content-type"), "FAIL"),
    "a byte of a request": Edit("POL-02", "invalid_request", another_client, "BLOCKED"),
    "a missing exchange": Edit("POL-12", "invalid_grant", missing, "BLOCKED"),
    "an exchange too many": Edit("POL-03", "invalid_request", twice, "BLOCKED"),
}
"""What the judgement itself has to see, each in a scenario of its own."""

SEALED_EDITS = {
    "a byte that no check looks at": Edit("POL-07", "authorization_pending", header_too_many, "BLOCKED"),
    "a byte of a request": EDITS["a byte of a request"],
    "a missing exchange": EDITS["a missing exchange"],
}
"""What the digests show, whether a check looks at it or not."""


def judged_after(
    edits: Iterable[Edit], recorded: Path, rows: Mapping[str, Json], folder: Path, *, sealed: bool
) -> Judged:
    """Judge a copy of a record after edits, with its digests or without."""
    lines = list(_lines(recorded))
    for edit in edits:
        assert rows[edit.row]["verdict"] == "PASS"
        edit.change(line_of(edit, lines, rows))
    return _judged_copy(recorded, folder, lines, sealed=sealed)


def line_of(edit: Edit, lines: list[Json], rows: Mapping[str, Json]) -> Json:
    """Return the exchange that is edited."""
    numbers = rows[edit.row]["exchanges"]
    resting = [line for line in lines if line.get("number") in numbers and line["response"] is not None]
    return next(line for line in reversed(resting) if edit.says in (line["response"]["body"] or ""))


def _judged_copy(recorded: Path, folder: Path, lines: list[Json], *, sealed: bool) -> Judged:
    folder.mkdir()
    shutil.copy(recorded / "run.json", folder)
    evidence = json.loads((recorded / "evidence.json").read_text("utf-8"))
    (folder / "evidence.json").write_text(json.dumps(evidence if sealed else {**evidence, "digests": {}}), "utf-8")
    kept = [line for line in lines if line]
    again = [{**line, "number": len(lines) + place} for place, line in enumerate(kept, 1) if line.pop("again", False)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [*kept, *again])
    (folder / "exchanges.jsonl").write_text(text, "utf-8")
    return judged(folder)


def _lines(folder: Path) -> Iterator[Json]:
    yield from (json.loads(line) for line in (folder / "exchanges.jsonl").read_text("utf-8").splitlines())


@pytest.fixture(scope="module")
def edited(recorded: Path, as_recorded: Judged, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The record judged after every edit, without the digests that would show them."""
    folder = tmp_path_factory.mktemp("edited") / "record"
    return judged_after(EDITS.values(), recorded, as_recorded.rows, folder, sealed=False)


@pytest.fixture(scope="module")
def edited_under_seal(recorded: Path, as_recorded: Judged, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """The record judged after edits that its digests show."""
    folder = tmp_path_factory.mktemp("sealed") / "record"
    return judged_after(SEALED_EDITS.values(), recorded, as_recorded.rows, folder, sealed=True)


class TestEdited:
    @pytest.mark.parametrize("name", EDITS)
    def test_the_judgement_sees_it(self, name: str, edited: Judged) -> None:
        """What is not as specified any more, or not as it was asked for, is not called so any more."""
        edit = EDITS[name]
        assert edited.rows[edit.row]["verdict"] == edit.verdict, edited.rows[edit.row]
        assert edit.row in edited.differing

    def test_and_nothing_else(self, recorded: Path, edited: Judged, as_recorded: Judged) -> None:
        """Rows that rest on no edited exchange are as they were, or miss what a scenario before them shared."""
        lines = list(_lines(recorded))
        touched = {line_of(edit, lines, as_recorded.rows)["number"] for edit in EDITS.values()}
        untouched = [row for row, told in as_recorded.rows.items() if not touched & set(told["exchanges"])]
        assert len(untouched) > 20
        changed = [row for row in untouched if edited.rows[row]["verdict"] != as_recorded.rows[row]["verdict"]]
        assert {edited.rows[row]["verdict"] for row in changed} <= {"BLOCKED"}
        assert len(changed) < len(untouched) / 4

    @pytest.mark.parametrize("name", SEALED_EDITS)
    def test_the_digests_show_it(self, name: str, edited_under_seal: Judged) -> None:
        """Whoever changed a byte that no check looks at may have changed others: the row is not judged."""
        edit = SEALED_EDITS[name]
        told = edited_under_seal.rows[edit.row]
        assert told["verdict"] == edit.verdict, told
        assert edit.row in edited_under_seal.differing

    def test_the_seal_is_told(self, edited_under_seal: Judged) -> None:
        assert "altered after the run" in edited_under_seal.rows["POL-07"]["reason"]

    @pytest.mark.parametrize("turn", [0, 3])
    def test_whatever_was_edited(self, turn: int, recorded: Path, as_recorded: Judged, tmp_path: Path) -> None:
        """The last answer of every row is edited, of each in another way from turn to turn: none of them passes."""
        lines = list(_lines(recorded))
        by_number = {line["number"]: line for line in lines if line["scenario"] and line["response"]}
        passed = {row: told for row, told in as_recorded.rows.items() if told["verdict"] == "PASS"}
        last = {row: max(by_number.keys() & set(told["exchanges"]), default=0) for row, told in passed.items()}
        touched = sorted(set(last.values()) - {0})
        for place, number in enumerate(touched):
            ANY_EDIT[(place + turn) % len(ANY_EDIT)](by_number[number])
        again = _judged_copy(recorded, tmp_path / "record", lines, sealed=True)
        resting = [row for row, number in last.items() if number]
        assert len(resting) > 30
        verdicts = {row: again.rows[row]["verdict"] for row in resting}
        assert {
            row: verdict for row, verdict in verdicts.items() if verdict not in ("FAIL", "WARN", "INFO", "BLOCKED")
        } == {}

    def test_every_answer_matters(self, recorded: Path, as_recorded: Judged, tmp_path: Path) -> None:
        """With every status turned into a failure of the server no row passes that rested on one."""
        lines = list(_lines(recorded))
        turned = [line for line in lines if line["scenario"] is not None and line["response"] is not None]
        for line in turned:
            line["response"]["status"] = 599
        again = _judged_copy(recorded, tmp_path / "record", lines, sealed=False)
        numbers = {line["number"] for line in turned}
        resting = [row for row, told in as_recorded.rows.items() if numbers & set(told["exchanges"])]
        assert len(resting) > 30
        assert [row for row in resting if again.rows[row]["verdict"] == "PASS"] == []


# -- what is no record -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "exchanges.jsonl cannot be read (FileNotFoundError)"),
        ({"exchanges.jsonl": ""}, "evidence.json cannot be read (FileNotFoundError)"),
        ({"exchanges.jsonl": "{]"}, "line 1 of exchanges.jsonl is no JSON"),
        ({"exchanges.jsonl": "{}"}, "exchange ? of "),
        ({"exchanges.jsonl": "", "evidence.json": "{}"}, "evidence.json does not fit its schema"),
        ({"exchanges.jsonl": b"\xff", "evidence.json": "{}"}, "cannot be read (UnicodeDecodeError)"),
    ],
)
def test_what_is_no_record(files: dict[str, str | bytes], told: str, tmp_path: Path) -> None:
    """One sentence says what is wrong, and what to give instead."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecordError) as error:
        read_record(tmp_path)
    assert told in str(error.value)
