"""A kept case, tried again with the values that the deployment has now, and judged by the same rules."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pdpp_conformance.bounded_http import BoundedClient
from pdpp_conformance.exchange import Answer
from pdpp_conformance.fuzzing.case import Case
from pdpp_conformance.fuzzing.conduct import Broken, broken_by
from pdpp_conformance.fuzzing.description import operations_of
from pdpp_conformance.fuzzing.flows import done_again
from pdpp_conformance.fuzzing.request import GeneratedRequest
from pdpp_conformance.fuzzing.sending import Unsendable, send_filled, values_of
from pdpp_conformance.journal import Journal
from pdpp_conformance.run import Run
from pdpp_conformance.target import Target
from pdpp_conformance.verdict import Blocked

_VALUES = "values of the placeholders"


@dataclass(frozen=True)
class Replayed:
    """What came of it this time."""

    answer: Answer | None
    """To a request."""
    broken: Sequence[Broken]
    done: str = "no answer"
    """What was done, where no one answer tells."""

    @property
    def told(self) -> str:
        """It in a few words."""
        return self.answer.summary if self.answer is not None else self.done

    def breaks(self, requirement: str) -> Broken | None:
        """Return how it broke a requirement; ``None`` where it kept it."""
        return next((broken for broken in self.broken if broken.requirement == requirement), None)


def send_again(run: Run, sent: GeneratedRequest) -> Replayed:
    """Send a generated request at a run's deployment.

    It goes out byte for byte, past the recorder, so that no record holds it.

    Raises:
        Blocked: the deployment has no such endpoint, or HTTP no way to write the request.
        OffLimits: the endpoint is not at an origin under test.
    """
    run.rests_beyond("a generated request and its answer")
    operation = next((one for one in operations_of(run.discovery) if one.name == sent.operation), None)
    if operation is None:
        raise Blocked(f"the metadata advertises no {sent.operation} endpoint", unblock="metadata that names it")
    values = run.once(_VALUES, lambda: values_of(run))
    client = BoundedClient(authorities=run.recorder.authorities)
    try:
        answer = send_filled(client, run, operation, sent, values)
    except Unsendable:
        raise Blocked("HTTP has no way to write the request", unblock="a case that a run wrote") from None
    finally:
        client.close()
    if answer is not None and sent.operation == "registration":
        run.cleanup.came_to_be("client", answer, name="a replayed client")
    elif answer is not None and sent.operation == "token":
        run.cleanup.came_to_be("token", answer, client_id=values.get("client_id", ""))
    return Replayed(answer, broken_by(sent, answer, values))


def try_again(run: Run, case: Case) -> Replayed:
    """Try a kept case again at a run's deployment.

    Raises:
        Blocked, OffLimits: it cannot be tried.
    """
    if case.request is not None:
        return send_again(run, case.request)
    found = done_again(run, case.acts, case.requirement)
    if found is None:
        return Replayed(None, [], f"{len(case.acts)} acts in their order")
    judged = found.judged
    return Replayed(None, [Broken(judged.requirement, judged.expected, judged.observed)])


def replay(case: Case, target: Target) -> Replayed:
    """Try a kept case again; what that makes on the deployment is removed.

    Raises:
        Unreachable, Blocked, OffLimits: it cannot be tried.
    """
    with tempfile.TemporaryDirectory(prefix="pdpp-replay-") as folder:
        journal = None
        if target.base_url is not None:
            journal = Journal.begin(Path(folder), {"base_url": target.base_url, "approver": target.approver.kind})
        run = Run(target, Path(folder), lambda _line: None, journal)
        try:
            run.open()
            return try_again(run, case)
        finally:
            run.close()


def read_table(operation: str, rows: Sequence[Sequence[str]]) -> GeneratedRequest:
    """Read a request from a scenario's table of parts and values, as :func:`case.scenario_of` writes it.

    Raises:
        Blocked: it is none.
    """
    parts: dict[str, str] = {}
    headers: list[tuple[str, str]] = []
    try:
        for part, cell in rows[1:]:
            value = json.loads(f'"{cell}"')
            if part in ("method", "path", "body", "body_latin1"):
                parts[part] = value
            else:
                headers.append((part, value))
        written: Mapping[str, object] = {
            "operation": operation, "generator": "scenario", "path": "", "headers": headers, **parts
        }  # fmt: skip
        return GeneratedRequest.from_json(written)
    except (ValueError, KeyError, TypeError):
        raise Blocked("the table is no request", unblock="the rows as the case file has them") from None
