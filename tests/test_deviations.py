"""Known deviations: read strictly, applied to red rows alone, and objected to when they are none any more."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pdpp_conformance.catalogue import Requirement
from pdpp_conformance.deviations import Deviation, DeviationsError, apply, read_deviations
from pdpp_conformance.results import RowResult
from pdpp_conformance.verdict import FailOn, Level, Verdict

TODAY = date(2026, 11, 24)


def row(verdict: Verdict, level: Level = Level.MUST, row_id: str = "POL-12") -> RowResult:
    return RowResult(Requirement(row_id, level, "AS", "It holds.", "RFC 8628", "wire", "polling"), verdict, "why")


def entry(row_id: str = "POL-12", expires: date = date(2027, 1, 31)) -> Deviation:
    return Deviation(row_id, "Replays are taken.", "https://issues.example/7", expires)


def written(folder: Path, text: str) -> Path:
    path = folder / "deviations.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_with_its_dates(tmp_path: Path) -> None:
    """An unquoted date is a date, and the entry says it back as text."""
    path = written(tmp_path, "- {id: POL-12, reason: Known., link: 'https://x.example', expires: 2027-01-31}\n")
    (read,) = read_deviations(path)
    assert read.expires == date(2027, 1, 31)
    assert read.to_json() == {"reason": "Known.", "link": "https://x.example", "expires": "2027-01-31"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {id: POL-12, reason: Known., link: x}", "'expires' is a required property"),
        ("- {id: POL-12, reason: Known., link: x, expires: soon}", "'soon' is not a 'date'"),
        ("- {id: pol, reason: Known., link: x, expires: 2027-01-31}", "does not match"),
        ("- {id: POL-12, reason: Known., link: x, expires: 2027-01-31, level: MUST}", "'level' was unexpected"),
        ("known: []", "is not of type 'array'"),
        ("", "is not of type 'array'"),
        ("- [", "not well-formed YAML"),
        ("- &a {id: POL-12, reason: K., link: x, expires: 2027-01-31}\n- *a", "name POL-12 twice"),
    ],
)
def test_an_unusable_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """One sentence says what is wrong with it."""
    with pytest.raises(DeviationsError) as refusal:
        read_deviations(written(tmp_path, text))
    assert told in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is no empty list of deviations."""
    with pytest.raises(DeviationsError, match="cannot be read"):
        read_deviations(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.WARN, Verdict.INFO])
def test_a_red_row_is_accounted_for(verdict: Verdict) -> None:
    """It keeps its verdict, says why it is known, and fails nothing."""
    (marked,), objections = apply([entry()], [row(verdict)], today=TODAY)
    assert (marked.verdict, objections) == (verdict, [])
    assert marked.to_json()["deviation"]["reason"] == "Replays are taken."
    assert not marked.fails(FailOn.ALL)


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.ATTESTED])
def test_a_stale_entry_is_objected_to(verdict: Verdict) -> None:
    """What is met, or does not apply, is no deviation."""
    (marked,), objections = apply([entry()], [row(verdict)], today=TODAY)
    assert marked.deviation is None
    assert "stale" in objections[0]


@pytest.mark.parametrize("verdict", [Verdict.BLOCKED, Verdict.EXCLUDED, Verdict.ERROR])
def test_a_row_without_a_judgement_says_nothing(verdict: Verdict) -> None:
    """An entry is neither used nor stale where the row was not judged."""
    (marked,), objections = apply([entry()], [row(verdict)], today=TODAY)
    assert (marked.deviation, objections) == (None, [])


def test_an_expired_entry_accounts_for_nothing() -> None:
    """The last day counts; the day after, the row fails again."""
    (marked,), objections = apply([entry(expires=TODAY)], [row(Verdict.FAIL)], today=TODAY)
    assert (marked.fails(FailOn.MUST), objections) == (False, [])
    (marked,), objections = apply([entry(expires=date(2026, 11, 23))], [row(Verdict.FAIL)], today=TODAY)
    assert marked.fails(FailOn.MUST)
    assert "expired on 2026-11-23" in objections[0]


def test_an_unknown_entry_is_objected_to() -> None:
    """An entry for a row that does not exist accounts for nothing."""
    _, objections = apply([entry("ZZZ-99")], [row(Verdict.FAIL)], today=TODAY)
    assert "ZZZ-99 is unknown" in objections[0]


@pytest.mark.parametrize("level", list(Level))
def test_what_is_permitted_never_fails(level: Level) -> None:
    """A remark is INFO whatever the row's level; only unmet advice counts, and only where everything does."""
    assert row(Verdict.INFO, level).fails(FailOn.ALL) is (level is Level.ADVISORY)
    assert not row(Verdict.INFO, level).fails(FailOn.DERIVED)
