"""Where nothing works, nothing passes: an answer that says nothing, or none at all, is never what was asked for."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conftest import Deployment
from tests.loopback import listening
from tests.vacuous_targets import EmptyObjects, OnlyMetadata
from tests.whole_runs import run_specification

Json = dict[str, Any]

METADATA_PATHS = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
)


def passes(folder: Path, telling: Callable[[Json], bool]) -> dict[str, list[Json]]:
    """Return the rows that pass, each with the exchanges of it that tell something; the run itself went well."""
    run = json.loads((folder / "run.json").read_text("utf-8"))
    assert run["faults"] == []
    assert run["interrupted"] is None
    lines = map(json.loads, (folder / "exchanges.jsonl").read_text("utf-8").splitlines())
    told = {line["number"]: line for line in lines if line["response"] is not None and telling(line)}
    return {
        row["id"]: [told[number] for number in row["exchanges"] if number in told]
        for row in run["requirements"]
        if row["verdict"] == "PASS"
    }


def judge(folder: Path, url: str) -> Path:
    """Run the whole specification against a target, the owner deciding by form; return the report folder."""
    arguments = ["features", "--base-url", url, "--approver", "http", "--max-wait", "1"]
    owner = {
        "PDPP_OWNER_PASSWORD": "the owner's password",
        "PDPP_INTROSPECTION_CLIENT_ID": "resource server",
        "PDPP_INTROSPECTION_CLIENT_SECRET": "a+b%20 c&d=ü",
    }
    report = folder / "report"
    assert run_specification(report, arguments, owner) == 1
    return report


def path_of(line: Json) -> str:
    return str(line["request"]["url"].partition("://")[2].partition("/")[2].partition("?")[0])


def test_metadata_alone(deployment: Deployment, tmp_path: Path) -> None:
    """Of a target that has a deployment's metadata and nothing behind it, only what the documents say passes."""
    documents = {path: deployment.http.get(path).json() for path in METADATA_PATHS}

    class Facade(OnlyMetadata):
        otherwise = EmptyObjects

    with listening(Facade) as url:
        Facade.documents = json.loads(json.dumps(documents).replace(deployment.issuer, url))
        passed = passes(judge(tmp_path, url), lambda line: f"/{path_of(line)}" in METADATA_PATHS)
    assert [row for row, told in passed.items() if not told] == []
    assert {row for row in passed if not row.startswith(("ASM-", "MET-", "PRM-", "PRO-", "CHG-"))} == set()


@contextlib.contextmanager
def without_database(start: Callable[..., Deployment], folder: Path) -> Iterator[Deployment]:
    """The bundled server, whose database is emptied under it."""
    file = folder / "pdpp.sqlite3"
    deployment = start(database_url=f"sqlite:///{file}")
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=10)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in tables:
                connection.execute(f'DROP TABLE "{name}"')
            connection.commit()
        assert tables
        yield deployment
    finally:
        deployment.http.close()
        deployment.server.stop()


def test_without_a_database(start: Callable[..., Deployment], tmp_path: Path) -> None:
    """A server that fails at whatever it is asked is taken for nothing better: its failures pass for no refusal."""
    with without_database(start, tmp_path) as deployment:
        answer = deployment.post("/oauth/device_authorization", client_id="pdpp_cli")
        assert answer.status_code == 500
        passed = passes(judge(tmp_path, deployment.issuer), lambda line: line["response"]["status"] < 500)
    assert [row for row, told in passed.items() if not told] == []
