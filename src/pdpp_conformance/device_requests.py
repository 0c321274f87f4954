"""Device authorization and token requests as scenarios make them (whole, defective, foreign, parallel), and judged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from pdpp_conformance import drawing
from pdpp_conformance.discovery import DEVICE_CODE_GRANT
from pdpp_conformance.exchange import Answer, is_loopback, origin_of
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.metadata_checks import secure_url
from pdpp_conformance.oauth_client import DeviceAuthorization, Kind, OAuthClient
from pdpp_conformance.run import Run
from pdpp_conformance.variations import AUTHORIZATION_DETAILS, OPTIONAL_PARTS, RESOURCES, one_letter_changed
from pdpp_conformance.verdict import Blocked, NotApplicable

Parameters = list[tuple[str, str]]


@dataclass(frozen=True)
class Requested:
    """A device authorization request's answer, and what is needed to go on from it."""

    client: OAuthClient
    kind: Kind
    answer: Answer
    requested_at: float

    def device(self) -> DeviceAuthorization:
        """Read the answer as a device authorization response.

        Raises:
            Blocked: it is none.
        """
        return self.client.read(self.answer, self.kind, self.requested_at)


def device_of(request: pytest.FixtureRequest) -> DeviceAuthorization:
    """Return the scenario's device authorization: given whole, or read from the answer to its request."""
    try:
        device: DeviceAuthorization = request.getfixturevalue("device")
    except pytest.FixtureLookupError:
        device = request.getfixturevalue("device_answer").device()
    return device


def start(run: Run, client: OAuthClient, kind: Kind) -> DeviceAuthorization:
    """Start a well-formed device authorization of a kind."""
    return client.start(kind, run.one_stream() if kind == "grant_scoped_mcp" else ())


def ask(
    run: Run,
    client: OAuthClient,
    kind: Kind,
    *,
    adding: Iterable[tuple[str, str]] = (),
    replacing: Mapping[str, str] | None = None,
    defect: tuple[str, str] | None = None,
) -> Requested:
    """Send a device authorization request, well-formed but for what is named."""
    details = run.one_stream() if kind == "grant_scoped_mcp" else ()
    parameters = {**client.request_parameters(kind, details), **(replacing or {})}
    requested_at = run.waiting.now()
    answer = client.ask([*_with_defect(parameters, defect), *adding])
    return Requested(client, kind, answer, requested_at)


def any_kind(run: Run) -> Kind:
    """Return a kind of request that the deployment describes; the owner agent's before the other.

    Nothing has to be known of the owner's data for it, so that it can be made where nothing else works.
    """
    described = run.discovery.device_profile_names
    return "grant_scoped_mcp" if described and "trusted_owner_agent" not in described else "trusted_owner_agent"


def ask_for_codes(run: Run, client: OAuthClient, **differences: Any) -> Requested:
    """Send a device authorization request of any kind, well-formed but for ``differences`` (see :func:`ask`)."""
    return ask(run, client, any_kind(run), **differences)


def ask_with_get(run: Run, client: OAuthClient) -> Requested:
    """Ask for owner-agent codes with GET; the parameters stand in the query."""
    return Requested(
        client,
        "trusted_owner_agent",
        client.ask([], method="GET", query=f"?client_id={client.client_id}"),
        run.waiting.now(),
    )


def ask_with_resource(run: Run, client: OAuthClient, difference: str) -> Requested:
    """Ask for the MCP resource spelled with one of the named differences."""
    resource = run.discovery.mcp_resource
    changed = RESOURCES[difference](resource)
    if changed == resource:
        raise NotApplicable(f"the MCP resource {resource} has no spelling with {difference}")
    return ask(run, client, "grant_scoped_mcp", replacing={"resource": changed})


def ask_with_details(run: Run, client: OAuthClient, defect: str) -> Requested:
    """Ask with authorization details that have one of the named defects."""
    text = AUTHORIZATION_DETAILS[defect](run.one_stream()[0])
    return ask(run, client, "grant_scoped_mcp", replacing={"authorization_details": text})


def ask_with_part(run: Run, client: OAuthClient, part: str) -> Requested:
    """Ask with authorization details that have one of the named parts that may be left out.

    Raises:
        Blocked: no stream is known that has a time.
    """
    offer = run.offer()
    source, stream = offer.stream_with_fields_and_time()
    text = OPTIONAL_PARTS[part](offer.entry(source, [{"name": stream.name}]))
    return ask(run, client, "grant_scoped_mcp", replacing={"authorization_details": text})


def another_resource(run: Run) -> str:
    """Return a resource of the same origin that is not the MCP resource."""
    return f"{run.discovery.mcp_resource}/other"


def unknown_client_id() -> str:
    """Return a client id that nobody registered."""
    return f"nobody-{drawing.token_hex(8)}"


def almost_the_device_grant() -> str:
    """Return the device-code URN with its last letter missing."""
    return DEVICE_CODE_GRANT[:-1]


def redeem_with(
    device: DeviceAuthorization,
    *,
    replacing: Mapping[str, str] | None = None,
    defect: tuple[str, str] | None = None,
) -> Answer:
    """Send a token request for the device code, well-formed but for what is named."""
    parameters = {
        "grant_type": DEVICE_CODE_GRANT,
        "device_code": device.device_code,
        "client_id": device.client.client_id,
        **(replacing or {}),
    }
    return device.client.request_token(_with_defect(parameters, defect))


def redeem_without_code(client: OAuthClient, defect: str) -> Answer:
    """Send a token request whose device code is missing or empty."""
    parameters = {"grant_type": DEVICE_CODE_GRANT, "device_code": "", "client_id": client.client_id}
    return client.request_token(_with_defect(parameters, ("device_code", defect)))


def in_place_of_code(device: DeviceAuthorization, what: str) -> str:
    """Return what is sent in place of the device code."""
    code = device.device_code
    substitutes = {
        "a code that nobody issued": drawing.token_urlsafe(32),
        "the user code": device.user_code,
        "the device code with one letter changed": one_letter_changed(code),
        "the device code in capitals": code.upper(),
    }
    if substitutes[what] == code:
        raise NotApplicable(f"{what} is the device code itself here")
    return substitutes[what]


def addition(run: Run, what: str) -> Parameters:
    """Return the parameters that somebody adds to a token request, hoping for another kind of token."""
    other = [{**entry, "access_mode": "continuous", "streams": [{"name": "*"}]} for entry in run.one_stream()]
    additions: dict[str, Parameters] = {
        "another token kind": [
            ("pdpp_token_kind", "owner"),
            ("token_kind", "owner"),
            ("request_kind", "trusted_owner_agent"),
        ],
        "the owner scope": [("scope", "pdpp:owner owner")],
        "the owner-agent profile": [("profile", "trusted_owner_agent")],
        "other authorization details": [("authorization_details", json.dumps(other))],
        "empty authorization details": [("authorization_details", "")],
        "the MCP resource": [("resource", run.discovery.mcp_resource)],
        "authorization details": [("authorization_details", json.dumps(run.one_stream()))],
    }
    return additions[what]


def redeem_in_parallel(device: DeviceAuthorization, times: int) -> list[Answer]:
    """Redeem one device code ``times`` times at the same moment."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: device.client.redeem(device.device_code), range(times)))


def redeem_three_bad_codes(run: Run, device: DeviceAuthorization) -> list[Answer]:
    """Redeem an unknown code, another client's code, and one that was redeemed."""
    foreign = start(run, run.client("another client"), "grant_scoped_mcp")
    return [device.client.redeem(code) for code in (drawing.token_urlsafe(32), foreign.device_code, device.device_code)]


def approve_around_restart(run: Run, device: DeviceAuthorization, moment: str) -> None:
    """Approve a request and restart the server, the restart ``before approval`` or ``after approval``."""
    if moment == "before approval":
        run.restart()
        run.approver.approve(device)
    else:
        run.approver.approve(device)
        run.restart()


# -- judging -----------------------------------------------------------------------------------------------------------


def judge_codes(judge: Judgement, answer: Answer) -> None:
    """RFC 8628 §3.2, whatever the status; where no interval is told it is 5 seconds all the same."""
    missing = [
        name
        for name in ("device_code", "user_code", "verification_uri", "expires_in")
        if answer.member(name) in (None, "")
    ]
    if answer.member("interval") is None:
        judge.note("no interval is told, which means 5 seconds (RFC 8628 §3.2)")
    judge.that(not missing, "all codes", f"{answer.summary}, missing {missing or 'none'}")


def judge_no_code(judge: Judgement, answer: Answer) -> None:
    """No device code and no user code in the answer."""
    found = [name for name in ("device_code", "user_code") if answer.member(name) is not None]
    judge.that(not found, "no code", f"{answer.summary} with {', '.join(found) or 'none'}")


def judge_interval(judge: Judgement, answer: Answer) -> None:
    """RFC 8628 §3.2: ``interval`` is a number of seconds; absent means 5."""
    interval = answer.member("interval")
    met = interval is None or (isinstance(interval, int | float) and not isinstance(interval, bool) and interval > 0)
    judge.that(met, "a positive number or none", repr(interval))


def judge_verification_uri(judge: Judgement, run: Run, answer: Answer) -> None:
    """RFC 8628 §3.2: the end-user verification URI on the authorization server, whose metadata names its origins."""
    uri = answer.member("verification_uri")
    try:
        named = origin_of(uri) if isinstance(uri, str) and urlsplit(uri).hostname else ""
    except ValueError:
        named = ""
    judge.that(bool(named), "verification_uri to be a URL", repr(uri)[:200])
    secure_url(judge, uri, "verification_uri", query=True)
    found = run.discovery
    origins = {origin_of(found.issuer)} | {
        origin_of(url)
        for name in found.authorization_server.content
        if name.endswith("_endpoint") and (url := found.endpoint(name)) is not None
    }
    same = named in origins or (is_loopback(uri) and is_loopback(found.issuer))
    judge.that(same, f"a verification URI on {origin_of(found.issuer)}", repr(uri)[:200])


def judge_still_pending(judge: Judgement, device: DeviceAuthorization) -> None:
    """A refused request changed nothing: the code polls as before."""
    answer = device.poll_at_once()
    met = answer.error in ("authorization_pending", "slow_down")
    judge.that(met, "authorization_pending or slow_down afterwards", answer.summary)


def judge_still_good(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    """A refused request changed nothing: the approved code is still its client's to redeem.

    It is asked for with a resource that was not approved, which leaves it redeemable for the next scenario (RFC 8707
    §2.2); a server that redeems it all the same has shown that it was good. Where resources are nothing that the target
    has to know of, it is redeemed.
    """
    if run.discovery.profile == "rfc8628":
        redeemed = device.poll()
        judge.that(redeemed.member("access_token") is not None, "a token for the rightful client", redeemed.summary)
        return
    answer = device.poll_at_once([("resource", another_resource(run))])
    if answer.error == "slow_down":
        answer = device.poll([("resource", another_resource(run))])
    met = answer.error == "invalid_target" or answer.member("access_token") is not None
    judge.that(met, "invalid_target, or a token, for the rightful client", answer.summary)


def judge_one_winner(judge: Judgement, answers: Sequence[Answer]) -> None:
    """Of parallel redemptions one succeeds, and the others are refused as specified."""
    winners = [answer for answer in answers if answer.member("access_token") is not None]
    refused = [answer for answer in answers if answer.status == 400 and answer.error in ("invalid_grant", "slow_down")]
    judge.that(
        len(winners) == 1 and len(refused) == len(answers) - 1,
        f"one token and {len(answers) - 1} refusals",
        f"{len(winners)} tokens; also {', '.join(sorted({a.summary for a in answers if a not in winners})) or 'none'}",
    )


def judge_alike(judge: Judgement, answers: Sequence[Answer]) -> None:
    """Answers that an attacker must not tell apart: the same status, error and description."""
    shapes = {(answer.status, answer.error, str(answer.member("error_description"))) for answer in answers}
    observed = "; ".join(sorted(f"{status} {error}: {description}" for status, error, description in shapes))
    judge.that(len(shapes) == 1 and answers[0].error == "invalid_grant", "one answer, invalid_grant, for all", observed)


def judge_kind(judge: Judgement, run: Run, answer: Answer, kinds: Sequence[str]) -> None:
    """The token in an answer introspects as one of ``kinds``."""
    token = answer.member("access_token")
    if not isinstance(token, str):
        raise Blocked(f"no token came of it ({answer.summary})", unblock="a redemption that gives a token")
    observed = run.introspect(token).member("pdpp_token_kind")
    judge.that(observed in kinds, f"a token of kind {' or '.join(kinds)}", str(observed))


def judge_not_kind(judge: Judgement, run: Run, answer: Answer, kind: str) -> None:
    """If there is a token in an answer, it is not of ``kind``; without one, the answer is an OAuth error."""
    token = answer.member("access_token")
    if not isinstance(token, str):
        judge.that(
            answer.status in (400, 401) and answer.error is not None,
            "a token of its own kind, or an error",
            answer.summary,
        )
        return
    observed = run.introspect(token).member("pdpp_token_kind")
    judge.that(observed is not None and observed != kind, f"no token of kind {kind}", str(observed))


def _with_defect(parameters: Mapping[str, str], defect: tuple[str, str] | None) -> Parameters:
    name, what = defect or ("", "")
    if what and what != "missing" and name not in parameters:
        raise NotApplicable(f"a well-formed request to this target has no parameter {name}")
    pairs: Parameters = []
    for parameter, value in parameters.items():
        if parameter != name:
            pairs.append((parameter, value))
        elif what == "empty":
            pairs.append((parameter, ""))
        elif what == "repeated":
            pairs += [(parameter, value), (parameter, value)]
    return pairs
