"""Answers of the authorization server, judged by their form (RFC 6749 §5.1, §5.2; RFC 8628 §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import jsonschema
import pytest

from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.wire_description import wire_schema


def answer_of(request: pytest.FixtureRequest) -> Answer:
    """Return the answer that the scenario is about: a token endpoint's, or a device authorization endpoint's."""
    try:
        answer: Answer = request.getfixturevalue("answer")
    except pytest.FixtureLookupError:
        answer = request.getfixturevalue("device_answer").answer
    return answer


def judge_refusal(judge: Judgement, answer: Answer, codes: Sequence[str]) -> None:
    """A refusal in the form of RFC 6749 §5.2; ``invalid_client`` may come with 401."""
    statuses = (400, 401) if "invalid_client" in codes else (400,)
    judge.error(answer, codes, statuses=statuses)


def judge_ok_json(judge: Judgement, answer: Answer) -> None:
    """200 and ``application/json``."""
    observed = f"{answer.summary} {answer.media_type or 'without content type'}"
    judge.that(answer.status == 200 and answer.media_type == "application/json", "200 application/json", observed)


def judge_schema(judge: Judgement, answer: Answer, what: str) -> None:
    """The body fits its schema in ``schemas/openapi.yaml``, whatever the status."""
    schema = wire_schema(what)
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(answer.json()))
    observed = "it fits" if problem is None else f"{problem.json_path}: {problem.message}"[:200]
    judge.that(problem is None, f"a {what}", f"{answer.status}, {observed}")


def judge_no_store(judge: Judgement, answer: Answer) -> None:
    """``Cache-Control`` holds ``no-store``."""
    value = answer.header("cache-control") or ""
    directives = {directive.strip().lower() for directive in value.split(",")}
    judge.that("no-store" in directives, "Cache-Control: no-store", f"Cache-Control: {value or 'absent'}")
