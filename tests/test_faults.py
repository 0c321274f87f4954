"""The deliberate defects as a set: named, declared with real requirements, and kept off every network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.testclient import TestClient
from typer.testing import CliRunner

from pdpp.command import app
from pdpp_reference.app import Collaborators, compose
from pdpp_reference.clock import MovableClock
from pdpp_reference.faults import FAULTS, Fault, UnknownFault, create_faulty_app, faults_named
from pdpp_reference.serve import ServeError, ServeOptions, serve
from pdpp_reference.server import LoopbackServer
from pdpp_reference.settings import Settings
from pdpp_reference.storage.store import Store

CATALOGUE = Path(__file__).resolve().parents[1] / "features" / "catalogue"
ORIGIN = "http://127.0.0.1:8080"


def requirements() -> Iterator[dict[str, Any]]:
    for path in sorted(CATALOGUE.glob("*.yaml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in requirements() if "id" in row}


def test_each_fault_names_requirements_of_the_catalogue(known: dict[str, dict[str, Any]]) -> None:
    """No fault claims to break a requirement that does not exist."""
    assert {row for fault in FAULTS.values() for row in fault.rows} <= set(known)


def test_each_fault_is_registered_under_its_own_name_with_a_sentence() -> None:
    """What a fault is called and what it does can be told from the registry alone."""
    assert all(name == fault.name for name, fault in FAULTS.items())
    assert all(fault.what.endswith(".") and fault.what[0].isupper() for fault in FAULTS.values())


def test_no_two_faults_say_the_same() -> None:
    """Each is a defect of its own."""
    said = [fault.what for fault in FAULTS.values()]
    assert len(set(said)) == len(said), sorted({what for what in said if said.count(what) > 1})


def test_a_fault_of_the_catalogue_breaks_a_row_that_it_stands_with(known: dict[str, dict[str, Any]]) -> None:
    """A name that the catalogue gives means the same here."""
    rows_of: dict[str, set[str]] = {}
    for row in known.values():
        for name in row.get("faults") or ():
            rows_of.setdefault(name, set()).add(row["id"])
    astray = {name for name, rows in rows_of.items() if name in FAULTS and not FAULTS[name].rows & rows}
    assert astray == set()


def test_several_requirements_need_a_reason() -> None:
    """A fault that turns several rows red says why."""
    with pytest.raises(ValueError, match="why if several"):
        Fault("two_rows", "Two rows.", frozenset({"POL-12", "POL-13"}))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    settings = Settings(issuer=ORIGIN, resource_origin=ORIGIN)
    parts = compose(settings, MovableClock())  # once: migrating a database is what takes time
    yield parts.store
    parts.store.close()


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_faulty_server_starts_and_serves(name: str, store: Store) -> None:
    """Whatever is wrong with it, it can be made, and it answers without an internal error."""
    parts = Collaborators(Settings(issuer=ORIGIN, resource_origin=ORIGIN), MovableClock(), store)
    with TestClient(create_faulty_app(parts, faults_named([name])), base_url=ORIGIN) as client:
        for path in ("/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp", "/"):
            assert client.get(path).status_code < 500


def test_faults_can_be_combined() -> None:
    """Several defects at a time are all there."""
    server = LoopbackServer(clock=MovableClock(), faults=("no_token_endpoint", "no_response_types"))
    server.start()
    try:
        document = httpx.get(f"{server.base_url}/.well-known/oauth-authorization-server").json()
    finally:
        server.stop()
    assert "token_endpoint" not in document
    assert "response_types_supported" not in document


def test_an_unknown_fault_is_refused_with_the_names_that_come_close() -> None:
    """A misspelt fault never means a conforming server."""
    with pytest.raises(UnknownFault, match="did you mean replay_ok"):
        faults_named(["replay_okay"])
    answer = CliRunner().invoke(app, ["serve", "--fault", "replay_okay", "--database", "sqlite://", "--port", "0"])
    assert answer.exit_code == 64
    assert "did you mean replay_ok" in answer.output


def test_a_defect_of_setup_clients_is_no_servers() -> None:
    """A server cannot have it, and never pretends to."""
    with pytest.raises(ServeError, match="a defect of setup clients"):
        serve(ServeOptions(faults=("client_poll_1s",), database="sqlite://", port=0), print, {})


@pytest.mark.parametrize(
    "elsewhere",
    [{"host": "0.0.0.0", "public_url": "https://pdpp.example.org"}, {"public_url": "https://pdpp.example.org"}],  # noqa: S104
)
def test_faults_stay_on_this_machine(elsewhere: dict[str, str]) -> None:
    """A faulty server is never served to others."""
    with pytest.raises(ServeError, match="anybody but this machine"):
        serve(ServeOptions(faults=("replay_ok",), database="sqlite://", port=0, **elsewhere), print, {})  # type: ignore[arg-type]
