"""Lets Chromium trust what the harness trusts: it has a certificate store of its own, which a run does not touch."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pdpp_conformance.bounded_http import trusting
from pdpp_conformance.urls import parts_of

_SECONDS = 5.0


def trusting_args(origins: Iterable[str], authorities: Path | None) -> list[str]:
    """Return the flags that make Chromium accept the certificates of https origins that the authorities vouch for.

    Each is fetched and verified here, its host name included, and pinned by its key: no other is accepted instead.
    """
    if authorities is None:
        return []
    context = trusting(authorities)
    pins = [pin for origin in origins if (pin := _pin(origin, context)) is not None]
    return [f"--ignore-certificate-errors-spki-list={','.join(sorted(pins))}"] if pins else []


def _pin(origin: str, context: ssl.SSLContext) -> str | None:
    """Return the hash of the key of an origin's certificate (SPKI, SHA-256); ``None`` where it is not to be trusted."""
    parts = parts_of(origin)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), _SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as connection,
        ):
            presented = connection.getpeercert(binary_form=True)
    except OSError:  # the browser will meet the same, and say so
        return None
    assert presented is not None
    key = x509.load_der_x509_certificate(presented).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()
