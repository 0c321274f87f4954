"""The bundled server answers what schemas/openapi.yaml says and nothing else, over a recorded run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from pdpp_conformance.wire_description import description, resolved
from tests.whole_runs import run_specification

FEATURES = ("3_device_authorization", "standards/client_registration.feature", "standards/error_responses.feature",
            "standards/introspection.feature", "standards/other_flows.feature", "standards/refresh.feature",
            "standards/revocation.feature")  # fmt: skip
"""Features whose scenarios ask every endpoint, with right and wrong requests."""

OF_HTTP = {"content-type", "content-length", "date"}
"""Headers that every answer has (RFC 9110 §6.6.1, §8.3, §8.6)."""

TRANSPORT = {405, 413, 415, 421}
"""What is answered before an endpoint is asked (RFC 9110 §15.5)."""

Json = Mapping[str, Any]


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """Every exchange with a described operation, of a run that was conformant as far as it went."""
    folder = tmp_path_factory.mktemp("described") / "report"
    arguments = ["--approver", "http", *(f"features/{feature}" for feature in FEATURES)]
    run_specification(folder, arguments)
    lines = (folder / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()
    return [exchange for line in lines if (exchange := json.loads(line))["response"]]


def asked(exchanges: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Yield each exchange with the operation that it asked."""
    for exchange in exchanges:
        path = urlsplit(exchange["request"]["url"]).path
        for described, item in description()["paths"].items():
            matches = described == path or ("{" in described and _fits(path, described))
            if matches and exchange["request"]["method"].lower() in item:
                yield exchange, item[exchange["request"]["method"].lower()]


def _fits(path: str, described: str) -> bool:
    parts, wanted = path.split("/"), described.split("/")
    return len(parts) == len(wanted) and all(
        want.startswith("{") or part == want for part, want in zip(parts, wanted, strict=True)
    )


def test_every_operation_was_asked(exchanges: list[Json]) -> None:
    """So that what follows holds of all of them."""
    described = {operation["operationId"] for item in description()["paths"].values() for operation in item.values()}
    assert {operation["operationId"] for _, operation in asked(exchanges)} == described


def test_no_answer_is_other_than_described(exchanges: list[Json]) -> None:
    """Neither by its status, nor by a header, nor by a member, nor by the form of one."""
    problems = set()
    for exchange, operation in asked(exchanges):
        answer, name = exchange["response"], operation["operationId"]
        responses = {int(status): resolved(response) for status, response in operation["responses"].items()}
        if answer["status"] in TRANSPORT - set(responses):
            continue
        if answer["status"] not in responses:
            problems.add(f"{name}: status {answer['status']}")
            continue
        response = responses[answer["status"]]
        headers = {header.lower(): schema for header, schema in resolved(response.get("headers", {})).items()}
        sent = {header.lower() for header, _ in answer["headers"]}
        problems |= {f"{name} {answer['status']}: header {header}" for header in sent - OF_HTTP - set(headers)}
        missing = {header for header, told in headers.items() if told.get("required")} - sent
        problems |= {f"{name} {answer['status']}: no header {header}" for header in missing}
        problems |= {f"{name} {answer['status']}: {told}" for told in _odd_body(answer, response)}
    assert sorted(problems) == []


def _odd_body(answer: Json, response: Json) -> Iterator[str]:
    content = response.get("content", {}).get("application/json")
    if content is None:
        if answer["body"]:
            yield "a body"
        return
    body = json.loads(answer["body"])
    schema = resolved(content["schema"])
    for problem in jsonschema.Draft202012Validator(schema).iter_errors(body):
        yield f"{problem.json_path}: {problem.message}"[:200]
    members = set().union(*(part.get("properties", {}) for part in schema.get("oneOf", [schema])))
    yield from (f"member {member}" for member in set(body) - members)
