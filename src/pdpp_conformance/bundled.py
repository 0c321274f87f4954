"""The bundled reference server, started for a run without a URL: the one place that knows `pdpp_reference`."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from argon2 import PasswordHasher

from pdpp_conformance.client_bench.terminal import Shown
from pdpp_conformance.document_host import HOST, LOOPBACK, DocumentHost
from pdpp_conformance.own_process import start_module
from pdpp_conformance.target import Credentials, Target
from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.client_id_metadata_document import Address, is_public, resolve
from pdpp_reference.clock import MovableClock
from pdpp_reference.logs import configure_logs
from pdpp_reference.sample_data import load_catalogue
from pdpp_reference.server import LoopbackServer
from pdpp_reference.shapes import shapes_named

FAULTS_VARIABLE = "PDPP_BUNDLED_FAULTS"
"""The environment variable that names deliberate defects of the bundled server, separated by commas."""

SHAPES_VARIABLE = "PDPP_BUNDLED_SHAPE"
"""The environment variable that names shapes of the bundled server other than the default, separated by commas."""

BENCHED = "pdpp.benched"
"""The module that runs the bundled server's setup client."""

_CLIENT_START_SECONDS = 120.0


_QUICK = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)


class BundledServer:
    """The reference server on a free loopback port, with a database on disk and a clock that can be moved.

    Raises:
        UnknownFault: ``PDPP_BUNDLED_FAULTS`` names a defect that does not exist.
        UnknownShape: ``PDPP_BUNDLED_SHAPE`` names a shape that does not exist.
    """

    begins_with: ClassVar[Path | None] = None
    """An SQLite file to begin with a copy of; without it the database is made, which takes its time."""

    def __init__(self, owner_password: str, introspection: Credentials) -> None:
        self._introspection = introspection
        self._clock = MovableClock()
        self._authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # of the public authorities none is needed
        self.documents = DocumentHost(self._authorities)
        """Where client metadata documents can be published that the server finds; for every other host it is guarded
        as any deployment is."""
        self._folder = tempfile.TemporaryDirectory(prefix="pdpp-bundled-")
        self._database = Path(self._folder.name) / "pdpp.sqlite3"
        self._log_path = Path(self._folder.name) / "server.log"
        self._log = self._log_path.open("w", encoding="utf-8")
        if self.begins_with is not None:
            shutil.copyfile(self.begins_with, self._database)
        self._give_logs_back = configure_logs(self._log)
        self._server = self._make(owner_password)

    def _make(self, owner_password: str | None, port: int = 0, resource_port: int = 0) -> LoopbackServer:
        return LoopbackServer(
            database_url=f"sqlite:///{self._database}",
            database_survives_power_loss=False,  # it ends with the run
            clock=self._clock,
            adjust=self._adjust,
            faults=_listed(FAULTS_VARIABLE),
            shapes=_listed(SHAPES_VARIABLE),
            port=port,
            resource_port=resource_port,
            owner_password=owner_password,
            introspection_client_id=self._introspection.identifier,
            introspection_client_secret=self._introspection.secret,
        )

    def _adjust(self, parts: Collaborators) -> None:
        """Stand in for the public name service, the public network and the certification authorities, for one host.

        The owner's password is drawn for this run alone: there is nothing to guess that hashing would have to delay.
        """
        parts.password_hasher = _QUICK
        parts.document_resolver = _resolve
        parts.document_addresses = _may_be_connected_to
        parts.document_authorities = self._authorities

    @property
    def base_url(self) -> str:
        """Where it listens; the same before and after a restart."""
        return self._server.base_url

    @property
    def repository(self) -> Path:
        """The folder whose documents it serves."""
        return self._server.parts.library.root

    @property
    def issuer(self) -> str:
        """The authorization server, which may be on an origin of its own."""
        return self._server.settings.issuer

    def start(self) -> None:
        """Start serving; return when it answers."""
        self._server.start()

    def restart(self) -> None:
        """Stop the server, and start another on the same database and port: what was only in memory is gone."""
        self._server.stop()
        # The database knows the owner.
        self._server = self._make(None, self._server.port, self._server.resource_port)
        self._server.start()

    def setup_client(self) -> BundledSetupClient:
        """Return the server's own setup client, with the defects that the bundled deployment is to have; stop it."""
        return BundledSetupClient(_listed(FAULTS_VARIABLE))

    def log_text(self) -> str:
        """Return all that it has logged so far."""
        self._log.flush()
        return self._log_path.read_text(encoding="utf-8")

    def now(self) -> float:
        """Return the server's time, in seconds."""
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        """Move the server's clock forward."""
        self._clock.advance(seconds)

    def stop(self) -> None:
        """Stop serving and remove the database."""
        self._server.stop()
        self.documents.stop()
        self._give_logs_back()
        self._log.close()
        self._folder.cleanup()


class BundledSetupClient:
    """`pdpp connect`, each time in a process of its own, forked from one that has imported everything.

    Args:
        faults: names of deliberate defects; those of servers are none of the client's.
    """

    in_bench_time = True

    def __init__(self, faults: Sequence[str]) -> None:
        self._process = start_module(BENCHED, *(word for name in faults for word in ("--fault", name)))
        self._started = 0
        self._statuses: dict[int, int] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, name="bundled-setup-client", daemon=True)
        self._reader.start()

    def start(self, url: str, clock: str | None, environment: Mapping[str, str], shown: Shown) -> BundledCommand:
        """Start the command with an MCP server's URL, in the time of ``clock``."""
        if not self._ready.wait(_CLIENT_START_SECONDS):
            raise RuntimeError("the bundled setup client did not start")
        with self._lock:
            self._started += 1
            identifier = self._started
        source = load_catalogue().sources[0]
        arguments = ["connect", url, "--source", source.id, "--stream", source.streams[0].name]
        self.say(
            {
                "id": identifier,
                "arguments": arguments,
                "environment": dict(environment),
                "clock": clock,
                "terminal" if shown.is_terminal else "output": str(shown.path),
            }
        )
        return BundledCommand(self, identifier)

    def say(self, asked: Mapping[str, object]) -> None:
        """Ask for something in a line."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()

    def status(self, identifier: int) -> int | None:
        """Return the exit status of a command; None while it runs."""
        if identifier not in self._statuses and self._process.poll() is not None:
            raise RuntimeError("the process that the bundled setup client is forked from has ended")
        return self._statuses.get(identifier)

    def stop(self) -> None:
        """End every command, and what they were forked from."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "ready" in told:
                self._ready.set()
            else:
                self._statuses[told["id"]] = told["status"]


class BundledCommand:
    """One start of the bundled setup client."""

    def __init__(self, client: BundledSetupClient, identifier: int) -> None:
        self._client = client
        self._identifier = identifier

    def status(self) -> int | None:
        return self._client.status(self._identifier)

    def kill(self) -> None:
        self._client.say({"kill": self._identifier})


def _resolve(host: str, port: int) -> Sequence[str]:
    return [LOOPBACK] if host == HOST else resolve(host, port)


def _may_be_connected_to(host: str, address: Address) -> bool:
    return (host == HOST and str(address) == LOOPBACK) or is_public(address)


def described(target: Target) -> Target:
    """Return the target as an operator of a deployment of the bundled server's shape would describe it.

    Raises:
        UnknownShape: ``PDPP_BUNDLED_SHAPE`` names a shape that does not exist.
    """
    for shape in shapes_named(_listed(SHAPES_VARIABLE)):
        if not shape.introspection_told:
            target = replace(target, introspection=None)
        if shape.owner_username is not None:
            target = replace(target, owner_username=shape.owner_username)
    return target


def _listed(variable: str) -> list[str]:
    return [name for name in os.environ.get(variable, "").split(",") if name]
