"""Random credentials, and the digests under which they are stored."""

from __future__ import annotations

import hashlib
import secrets

USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 §6.1: no vowels, hence no words; no digits, hence no confusable pairs."""

USER_CODE_LENGTH = 8


def new_credential() -> str:
    """Return a fresh opaque credential of 256 random bits, in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def new_identifier(prefix: str) -> str:
    """Return a fresh public identifier of 120 random bits; it names something and opens nothing."""
    return f"{prefix}{secrets.token_hex(15)}"


def new_user_code() -> str:
    """Return a fresh user code, without its separator (RFC 8628 §6.1)."""
    return "".join(secrets.choice(USER_CODE_ALPHABET) for _ in range(USER_CODE_LENGTH))


def digest(credential: str) -> bytes:
    """Return the SHA-256 digest under which a credential is stored and looked up."""
    return hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()
