"""`pdpp serve`: the deployment in the foreground, refused where it would not be safe."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pdpp_reference.app import compose
from pdpp_reference.clock import SystemClock
from pdpp_reference.faults import Fault, UnknownFault, faults_named
from pdpp_reference.logs import configure_logs
from pdpp_reference.server import CannotListen, bind, server_of
from pdpp_reference.settings import Settings, is_loopback_host
from pdpp_reference.shapes import Shape, UnknownShape, create_shaped_app, on_two_origins, settled, shapes_named
from pdpp_reference.storage.store import StorageError


class ServeError(Exception):
    """The server is not started; the message is one sentence with the next step."""


@dataclass(frozen=True)
class ServeOptions:
    """What `pdpp serve` was told. Durations are seconds."""

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    database: str = "sqlite:///pdpp.sqlite3"
    device_code_lifetime: int = Settings.device_code_lifetime
    polling_interval: int = Settings.polling_interval
    access_token_lifetime: int = Settings.access_token_lifetime
    faults: tuple[str, ...] = ()
    """Names of deliberate defects; the conforming server has none."""
    shapes: tuple[str, ...] = ()
    """Names of shapes other than the default; each is a conforming one."""


def serve(options: ServeOptions, say: Callable[[str], None], environment: Mapping[str, str] = os.environ) -> None:
    """Serve until the process is told to stop.

    The owner's password comes from ``PDPP_OWNER_PASSWORD``; a database without an owner gets a fresh one, said once.

    Raises:
        ServeError: the address would expose the server unprotected or cannot be bound, the database cannot be
            opened, a fault does not exist, or others than this machine would see it; or a shape does not exist, or
            needs two origins where one public URL is given.
    """
    faults, shapes = _faults(options), _shapes(options)
    password = environment.get("PDPP_OWNER_PASSWORD") or None
    public_url = _public_url(options, password)
    listening = _listening(options, shapes)
    host = f"[{options.host}]" if ":" in options.host else options.host
    origins = [public_url or f"http://{host}:{bound.getsockname()[1]}" for bound in listening]
    settings = Settings(
        issuer=origins[0],
        resource_origin=origins[-1],
        database_url=options.database,
        owner_password=password,
        introspection_client_id=environment.get("PDPP_INTROSPECTION_CLIENT_ID") or None,
        introspection_client_secret=environment.get("PDPP_INTROSPECTION_CLIENT_SECRET") or None,
        device_code_lifetime=options.device_code_lifetime,
        polling_interval=options.polling_interval,
        access_token_lifetime=options.access_token_lifetime,
    )
    settings = settled(settings, shapes)
    configure_logs(sys.stderr)
    try:
        parts = compose(settings, SystemClock())
    except StorageError as error:
        _close(listening)
        raise ServeError(str(error)) from None
    if not parts.owners.exists():
        password = secrets.token_urlsafe(12)
        parts.owners.set_password(password)
        say(f"owner password, said only this once: {password}")
    server = server_of(create_shaped_app(parts, shapes, faults), settings)
    for shape in shapes:
        say(f"shape: {shape.name}: {shape.what}")
    for fault in faults:
        say(f"DELIBERATELY FAULTY: {fault.name}: {fault.what} Breaks {', '.join(sorted(fault.rows))}.")
    say(f"ready: {origins[-1]}")
    try:
        server.run(sockets=listening)
    finally:
        _close(listening)
        parts.store.close()


def _faults(options: ServeOptions) -> tuple[Fault, ...]:
    try:
        faults = faults_named(options.faults)
    except UnknownFault as error:
        raise ServeError(str(error)) from None
    of_clients = [fault.name for fault in faults if fault.is_the_clients]
    if of_clients:
        raise ServeError(f"{of_clients[0]} is a defect of setup clients; a server cannot have it")
    if faults and (options.public_url is not None or not is_loopback_host(options.host)):
        raise ServeError(
            f"refusing to serve with the fault {faults[0].name} for anybody but this machine; "
            "leave --public-url out and stay on 127.0.0.1"
        )
    return faults


def _shapes(options: ServeOptions) -> tuple[Shape, ...]:
    try:
        shapes = shapes_named(options.shapes)
    except UnknownShape as error:
        raise ServeError(str(error)) from None
    if on_two_origins(shapes) and options.public_url is not None:
        raise ServeError("a shape with two origins has no one --public-url; leave --public-url out")
    return shapes


def _listening(options: ServeOptions, shapes: Sequence[Shape]) -> list[socket.socket]:
    """Return the sockets of the authorization server and, where it has its own, of the resource server."""
    bound: list[socket.socket] = []
    try:
        bound.append(bind(options.host, options.port))
        if on_two_origins(shapes):
            bound.append(bind(options.host, options.port and options.port + 1))
    except CannotListen as error:
        _close(bound)
        raise ServeError(str(error)) from None
    return bound


def _close(bound: Sequence[socket.socket]) -> None:
    for listening in bound:
        listening.close()


def _public_url(options: ServeOptions, password: str | None) -> str | None:
    if options.public_url is None:
        if not is_loopback_host(options.host):
            raise ServeError(
                f"refusing to listen on {options.host}: tokens would cross the network in clear text; put TLS in front "
                "and say --public-url https://… , or stay on 127.0.0.1"
            )
        return None
    parts = urlsplit(options.public_url)
    bare = parts.path in ("", "/") and not parts.query and not parts.fragment and parts.username is None
    if parts.scheme not in ("http", "https") or not parts.hostname or not bare:
        raise ServeError(
            f"--public-url {options.public_url[:200]!r} is no origin; give one such as https://pdpp.example.org"
        )
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        raise ServeError("--public-url is plain http on a network; give the https:// origin that TLS is served on")
    if not is_loopback_host(options.host) and password is None:
        raise ServeError(
            f"refusing to listen on {options.host} without an owner password of your own; set PDPP_OWNER_PASSWORD"
        )
    return f"{parts.scheme}://{parts.netloc}"
