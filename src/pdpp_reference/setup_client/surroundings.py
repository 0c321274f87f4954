"""What a setup client is made of, and what it finds around it: time, the network, and where credentials lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pdpp_reference.setup_client.bearer_check import BearerCheck
from pdpp_reference.setup_client.clock import Clock, SystemClock
from pdpp_reference.setup_client.credentials import CredentialStore
from pdpp_reference.setup_client.device_flow import DeviceFlow, Pace
from pdpp_reference.setup_client.discovery import Discovery
from pdpp_reference.setup_client.http import Http, Wrap
from pdpp_reference.setup_client.identity import Identity

if TYPE_CHECKING:
    from pdpp_reference.setup_client.connect import Connection


@dataclass
class Parts:
    """What the client is made of; each can be replaced."""

    http: type[Http] = Http
    discovery: type[Discovery] = Discovery
    identity: type[Identity] = Identity
    flow: type[DeviceFlow] = DeviceFlow
    pace: Callable[[float], Pace] = Pace
    bearer_check: type[BearerCheck] = BearerCheck
    store: type[CredentialStore] = CredentialStore
    connection: type[Connection] | None = None
    """What sets a credential up; None for the client's own."""


@dataclass
class Surroundings:
    """What the client finds around it."""

    folder: Path
    clock: Clock = field(default_factory=SystemClock)
    wrap: Wrap | None = None
    """Puts something between the client and the network."""
    parts: Parts = field(default_factory=Parts)
