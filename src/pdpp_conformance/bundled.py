"""The bundled reference server, started for a run without a URL: the one place that knows `pdpp_reference`."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pdpp_conformance.document_host import HOST, LOOPBACK, DocumentHost
from pdpp_conformance.target import Credentials, Target
from pdpp_reference.app import Collaborators
from pdpp_reference.authorization_server.client_id_metadata_document import Address, is_public, resolve
from pdpp_reference.clock import MovableClock
from pdpp_reference.logs import configure_logs
from pdpp_reference.server import LoopbackServer
from pdpp_reference.shapes import shapes_named

FAULTS_VARIABLE = "PDPP_BUNDLED_FAULTS"
"""The environment variable that names deliberate defects of the bundled server, separated by commas."""

SHAPES_VARIABLE = "PDPP_BUNDLED_SHAPE"
"""The environment variable that names shapes of the bundled server other than the default, separated by commas."""


class BundledServer:
    """The reference server on a free loopback port, with a database on disk and a clock that can be moved.

    Raises:
        UnknownFault: ``PDPP_BUNDLED_FAULTS`` names a defect that does not exist.
        UnknownShape: ``PDPP_BUNDLED_SHAPE`` names a shape that does not exist.
    """

    def __init__(self, owner_password: str, introspection: Credentials) -> None:
        self._introspection = introspection
        self._clock = MovableClock()
        self._authorities = ssl.create_default_context()
        self.documents = DocumentHost(self._authorities)
        """Where client metadata documents can be published that the server finds; for every other host it is guarded
        as any deployment is."""
        self._folder = tempfile.TemporaryDirectory(prefix="pdpp-bundled-")
        self._log_path = Path(self._folder.name) / "server.log"
        self._log = self._log_path.open("w", encoding="utf-8")
        configure_logs(self._log)
        self._server = self._make(owner_password)

    def _make(self, owner_password: str | None, port: int = 0, resource_port: int = 0) -> LoopbackServer:
        return LoopbackServer(
            database_url=f"sqlite:///{Path(self._folder.name) / 'pdpp.sqlite3'}",
            clock=self._clock,
            adjust=self._let_find_documents,
            faults=_listed(FAULTS_VARIABLE),
            shapes=_listed(SHAPES_VARIABLE),
            port=port,
            resource_port=resource_port,
            owner_password=owner_password,
            introspection_client_id=self._introspection.identifier,
            introspection_client_secret=self._introspection.secret,
        )

    def _let_find_documents(self, parts: Collaborators) -> None:
        """Stand in for the public name service, the public network and the certification authorities, for one host."""
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

    def start(self) -> None:
        """Start serving; return when it answers."""
        self._server.start()

    def restart(self) -> None:
        """Stop the server, and start another on the same database and port: what was only in memory is gone."""
        self._server.stop()
        # The database knows the owner.
        self._server = self._make(None, self._server.port, self._server.resource_port)
        self._server.start()

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
        self._log.close()
        self._folder.cleanup()


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
