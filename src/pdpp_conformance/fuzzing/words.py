"""Rules, endpoints and flows in the words of the scenarios."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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

FLOW_RULES: Mapping[str, tuple[str, str]] = {
    "a request that nobody decided gives no bearer": ("CHG-13", "no bearer for a request that is pending"),
    "another client's code gives no bearer": ("POL-05", "invalid_grant for another client's code"),
    "a denied request stays denied": ("POL-08", "access_denied, and no bearer, for a request that is denied"),
    "a request that nobody decided in time gives no bearer": ("CHG-14", "no bearer for a request that is expired"),
    "an approved code past its time gives no bearer": ("POL-10", "no bearer for an approved code past its time"),
    "a code gives one bearer": ("POL-12", "no second bearer for a code"),
    "an approved request gives its bearer": ("POL-11", "200 with a bearer for an approved request"),
    "a pending request is told to be pending": ("POL-07", "authorization_pending or slow_down"),
    "an expired request is told to be expired": ("POL-09", "expired_token or invalid_grant"),
    "a client that has waited is not told to slow down": ("POL-17", "authorization_pending"),
    "a decision stays as it was made": ("UIX-16", "another press on a page that is still open changes nothing"),
    "an owner token is refused at the MCP resource": ("PRO-04", "401 or 403 for an owner token at /mcp"),
    "a client token is refused at the owner's surface": ("PRO-03", "no records for a client token"),
    "a client token reads no stream that was not granted": ("PRO-05", "no records of another stream"),
    "a refresh grants no more than was approved": ("REF-03", "a refresh within the grant"),
    "a code that comes again ends what it gave": ("POL-13", "tokens inactive after that"),
    "a used refresh token ends its family": ("REF-02", "invalid_grant, and tokens inactive after that"),
    "a revoked grant is not refreshed": ("REF-06", "no refresh after that"),
    "a revoked refresh token is not refreshed": ("REV-01", "no refresh after that"),
    "a revoked refresh token takes its access tokens along": ("REV-06", "access tokens inactive after that"),
    "a revoked access token stays inactive": ("REV-05", "an access token inactive after that"),
    "a revoked grant ends its tokens, and no others": ("PRO-06", "its tokens inactive, others active"),
    "the tokens of a removed client are refused": ("RSC-08", "no use of a token whose client is gone"),
    "an expired token is refused at the MCP resource": ("RSC-07", "no use of a token past its time"),
    "introspection tells good tokens from ended ones": ("INT-06", "active for the one, not for the other"),
}
"""What holds of the flow, in the words of the scenarios: the requirement that it belongs to, and what is expected."""

TIMED = frozenset({"CHG-14", "POL-09", "POL-10", "POL-17", "RSC-07"})
"""The requirements of flows that nothing but time puts to the test; where time is real, flows wait for none."""

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

FLOW = "flow"
"""What stands in place of an endpoint's name."""

_SENT = re.compile(r"^(the .+) is sent requests of every form$")
_ACTED = "the parties of a flow act in every order"
_JUDGED = re.compile(r"^(?:it answers each of them|whatever the order,) (.+)$")


def wanted_of(steps: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return what scenarios with these steps want fuzzed, and what they judge of it.

    Args:
        steps: the texts of the steps, those of a scenario one after the other.

    Returns:
        The requirements that are judged, by the name of the operation or :data:`FLOW`.

    Raises:
        KeyError: a step judges by a rule that there is not.
    """
    wanted: dict[str, frozenset[str]] = {}
    where = ""
    for step in steps:
        if step == _ACTED:
            where = FLOW
            wanted.setdefault(where, frozenset())
        elif sent := _SENT.match(step):
            where = ENDPOINTS[sent[1]]
            wanted.setdefault(where, frozenset())
        elif judged := _JUDGED.match(step):
            rules = FLOW_RULES if where == FLOW else RULES
            wanted[where] |= {rules[judged[1]][0]}
    return wanted
