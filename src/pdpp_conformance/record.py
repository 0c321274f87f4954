"""The record of a run, as `pdpp judge` reads it: its exchanges, and `evidence.json`, what else the verdicts rest on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema

from pdpp_conformance.deviations import Deviation
from pdpp_conformance.exchange import Recorder
from pdpp_conformance.specification import load_schema
from pdpp_conformance.stand_ins import forms_of
from pdpp_conformance.target import ApproverWords, ClientToUse, Credentials, Limits, Target
from pdpp_conformance.testimony import Testimony

EXCHANGES = "exchanges.jsonl"
EVIDENCE = "evidence.json"
SCHEMA = "pdpp-conformance/evidence/1"
MOST_BYTES = 512 * 1024 * 1024

_STAND_IN_PASSWORD = "stand-in-for-the-owners-password"  # noqa: S105 - nobody's
_STAND_IN_SECRET = "stand-in-for-the-introspection-secret"  # noqa: S105 - nobody's


class RecordError(Exception):
    """The record cannot be judged; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Record:
    """A run's record."""

    exchanges: Sequence[Mapping[str, Any]]
    """The lines of ``exchanges.jsonl``, redacted."""
    evidence: Mapping[str, Any]
    requirements: Sequence[Mapping[str, Any]] | None
    """The rows of ``run.json``, where it is there."""
    concluded: Sequence[Mapping[str, Any]] = ()
    """How its scenarios ended."""

    @property
    def scenarios(self) -> Mapping[str, Mapping[str, Any]]:
        """What is told of each scenario of the run, by its id, in the order in which they ran."""
        return {scenario["id"]: scenario for scenario in self.evidence["scenarios"]}

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """The known deviations that the run was given."""
        entries = self.evidence["known_deviations"]
        return tuple(Deviation(**{**entry, "expires": date.fromisoformat(entry["expires"])}) for entry in entries)

    @property
    def altered(self) -> list[int]:
        """The numbers of the exchanges that are not as they were recorded, or are missing; none without digests."""
        digests: Mapping[str, str] = self.evidence["digests"]
        if not digests:
            return []
        there = {str(exchange["number"]): digest_of(exchange) for exchange in self.exchanges}
        return sorted(int(number) for number in {*digests, *there} if digests.get(number) != there.get(number))

    @property
    def target(self) -> Target:
        """The target as the run had it, with stand-ins for its secrets."""
        told = self.evidence["target"]
        introspection = told["introspection_client_id"]
        lists = {name: tuple(value) for name, value in told["approver"].items() if name != "kind"}
        details = told["authorization_details"]
        return Target(
            **{name: told[name] for name in _PLAIN_TARGET},
            owner_password=_STAND_IN_PASSWORD if told["owner_password_given"] else None,
            introspection=None if introspection is None else Credentials(introspection, _STAND_IN_SECRET),
            client=ClientToUse(**told["client"]),
            authorization_details=None if details is None else tuple(details),
            approver=ApproverWords(kind=told["approver"]["kind"], **lists),
            limits=Limits(**told["limits"]),
        )


_PLAIN_TARGET = (
    "base_url",
    "authorization_server",
    "mcp_url",
    "profile",
    "owner_username",
    "stream_outside_the_grant",
    "mcp_revision",
    "attestations",
)


def evidence_of(
    target: Target,
    testimony: Testimony,
    exchanges: Sequence[Mapping[str, Any]],
    recorder: Recorder,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what ``evidence.json`` tells.

    Args:
        exchanges: as they are written, redacted.
        about: the run: its seed, catalogue, scenarios and the like.
    """
    told = {name: getattr(target, name) for name in _PLAIN_TARGET}
    told |= {
        "owner_password_given": target.owner_password is not None,
        "introspection_client_id": None if target.introspection is None else target.introspection.identifier,
        "client": asdict(target.client),
        "authorization_details": target.authorization_details,
        "approver": asdict(target.approver),
        "limits": asdict(target.limits),
    }
    return {
        "schema": SCHEMA,
        **recorder.redactor.redact_all({**about, "target": told, "testimony": testimony.to_json()}),
        "observed": list(recorder.observed),
        "beside": {str(number): what for number, what in recorder.beside.items()},
        "forms": forms_of(recorder.redactor.labels),
        "digests": {str(exchange["number"]): digest_of(exchange) for exchange in exchanges},
    }


def digest_of(exchange: Mapping[str, Any]) -> str:
    """Return the digest of an exchange as it is written."""
    text = json.dumps(exchange, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def read_record(path: Path) -> Record:
    """Read the record in a report folder; the path of its ``exchanges.jsonl`` will do.

    Raises:
        RecordError: it is not there, or it is none.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / EXCHANGES if path.is_dir() else path
    lines = _read(file).splitlines()
    exchanges = [_parsed(line, f"line {number} of {file.name}") for number, line in enumerate(lines, 1) if line]
    validator = jsonschema.Draft202012Validator(load_schema("exchange"))
    for exchange in exchanges:
        problem = jsonschema.exceptions.best_match(validator.iter_errors(exchange))
        if problem is not None:
            where = f"exchange {exchange.get('number', '?')}" if isinstance(exchange, dict) else "a line"
            raise RecordError(
                f"{where} of {file} is none ({problem.json_path}); judge a report folder as a run left it"
            )
    evidence = _parsed(_read(folder / EVIDENCE), EVIDENCE)
    problem = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(load_schema("evidence")).iter_errors(evidence)
    )
    if problem is not None:
        raise RecordError(
            f"{folder / EVIDENCE} does not fit its schema ({problem.json_path}); judge a folder of this version"
        )
    run_file = folder / "run.json"
    run = _parsed(_read(run_file), "run.json") if run_file.is_file() else None
    rows = run.get("requirements") if isinstance(run, dict) else None
    ended = run.get("scenarios") if isinstance(run, dict) else None
    return Record(
        exchanges,
        evidence,
        rows if isinstance(rows, list) else None,
        [one for one in ended if isinstance(one, dict)] if isinstance(ended, list) else [],
    )


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RecordError(f"{path} is larger than a record can be ({MOST_BYTES} bytes); judge another")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path} cannot be read ({type(error).__name__}); give the report folder of a run, which holds "
            f"{EXCHANGES} and {EVIDENCE}"
        ) from None


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RecordError(f"{what} is no JSON; judge a report folder as a run left it") from None
