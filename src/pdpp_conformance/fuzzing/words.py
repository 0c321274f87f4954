"""Rules and endpoints in the words of the scenarios."""

from __future__ import annotations

from collections.abc import Mapping

RULES: Mapping[str, tuple[str, str]] = {
    "with no fault of its own": ("ERR-01", "400, or the status that the error code has; never 5xx"),
    "with a JSON object where it refuses": ("ERR-02", "a JSON object with a string error"),
    "in the characters that an error may hold": ("ERR-03", "the characters of RFC 6749 §5.2"),
    "without a secret or a stack trace in its errors": ("ERR-06", "neither a secret of the request nor a stack trace"),
    "with the time to come again where it says to come later": ("ERR-07", "Retry-After beside 429 or 503"),
    "with errors that no cache keeps": ("ERR-08", "Cache-Control: no-store"),
    "with no header that a parameter made": ("ERR-09", "no header out of a parameter"),
    "with neither 5xx, stack trace nor page": ("DAR-22", "never a 5xx, a stack trace or HTML"),
    "with no codes for a client that is named twice": ("DAR-11", "invalid_request for a repeated client_id"),
    "with no codes for another method": ("DAR-02", "no codes for another method"),
    "with a refusal of what is named twice": ("POL-19", "invalid_request for a repeated parameter"),
    "with no token for another client's code": ("POL-05", "no token for a code of another client"),
    "with no token for a code that it never gave": ("POL-06", "no token for an unknown code or a user code"),
    "with no token for a denied code": ("POL-08", "no token for a denied code"),
    "with no second token for a redeemed code": ("POL-12", "no token for a redeemed code"),
    "with no token before the approval": ("CHG-13", "no token for a code that nobody decided"),
}
"""What an endpoint does, in the words of the scenarios: the requirement that it belongs to, and what is expected."""

ENDPOINTS: Mapping[str, str] = {
    "the token endpoint": "token",
    "the device authorization endpoint": "device authorization",
    "the registration endpoint": "registration",
    "the pushed authorization request endpoint": "pushed authorization request",
    "the introspection endpoint": "introspection",
    "the revocation endpoint": "revocation",
    "the endpoint that revokes a grant": "revocation of a grant",
}
"""The operations of schemas/openapi.yaml, in the words of the scenarios."""
