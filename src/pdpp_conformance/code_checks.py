"""Device and user codes, judged by a sample of what the deployment issues (RFC 8628 §5.1, §5.2, §6.1)."""

from __future__ import annotations

import hashlib
import json
import math
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pdpp_conformance.code_statistics import bound_of, confusable_pairs, signature_of
from pdpp_conformance.device_requests import any_kind, ask_for_codes
from pdpp_conformance.exchange import Answer
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization, OAuthClient
from pdpp_conformance.page_checks import require_complete_uri
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, Conclusion, Excluded

SAMPLE_BUNDLED = 40
SAMPLE_ELSEWHERE = 12
"""Enough for each finding to be due to chance on fewer than one of a million correct servers, and no burden."""

BITS = {"must": 128, "should": 160}
"""RFC 6749 §10.10: what a credential that nobody types holds."""

BURST_ELSEWHERE = 30
RFC_ATTEMPTS = 5
"""The attempts of RFC 8628 §5.1's example."""
INFEASIBLE_BITS = 32
GUESSABLE_BITS = 16
"""With ``RFC_ATTEMPTS`` attempts, codes below this are guessed more than once in 65,536, however strict the limit."""

_LIFETIME_BAND = (60, 1800)
_SEPARATORS = re.compile(r"[\s\-–·_.]+")
_THROTTLED = (429, 503)


@dataclass(frozen=True)
class Sample:
    """Answers to equal device authorization requests, one after the other."""

    answers: tuple[Answer, ...]
    throttled: Answer | None
    """The answer that ended it before its time, where the deployment had had enough."""

    @property
    def device_codes(self) -> list[str]:
        return _texts(self.answers, "device_code")

    @property
    def user_codes(self) -> list[str]:
        return _texts(self.answers, "user_code")


def _texts(answers: Sequence[Answer], member: str) -> list[str]:
    values = [answer.member(member) for answer in answers if answer.status in (200, 201)]
    return [value for value in values if isinstance(value, str) and value]


def take_sample(run: Run) -> Sample:
    """Ask for device codes as often as the sample is large; stop where the deployment limits it."""
    return _ask_repeatedly(run, SAMPLE_ELSEWHERE if run.bundled is None else SAMPLE_BUNDLED)


def _ask_repeatedly(run: Run, times: int) -> Sample:
    answers: list[Answer] = []
    for _ in range(times):
        answer = ask_for_codes(run, run.client()).answer
        if answer.status in _THROTTLED:
            return Sample(tuple(answers), answer)
        answers.append(answer)
    return Sample(tuple(answers), None)


def require(codes: Sequence[str], what: str) -> Sequence[str]:
    """Return the codes if there are enough of them to say something.

    Raises:
        Blocked: there are not.
    """
    if len(codes) < SAMPLE_ELSEWHERE:
        raise Blocked(
            f"a sample of {len(codes)} {what}s says too little, {SAMPLE_ELSEWHERE} are needed",
            unblock=f"a deployment that gives {SAMPLE_ELSEWHERE} device authorizations in a row",
        )
    return codes


def plain(code: str) -> str:
    """Return a code without separators, in capitals."""
    return _SEPARATORS.sub("", code).upper()


# -- the sample --------------------------------------------------------------------------------------------------------


def judge_fresh(judge: Judgement, sample: Sample) -> None:
    """RFC 8628 §3.2: no device code occurs twice."""
    codes = require(sample.device_codes, "device code")
    judge.that(
        len(set(codes)) == len(codes),
        "a fresh device code for every request",
        f"{len(set(codes))} distinct of N = {len(codes)}",
    )


def judge_unguessable(judge: Judgement, sample: Sample, demand: str) -> None:
    """RFC 6749 §10.10: the bound leaves as many bits as a credential ``must`` or ``should`` have; no code repeats."""
    bits = BITS[demand]
    bound = bound_of(require(sample.device_codes, "device code"))
    met = bound.bits >= bits and bound.distinct == bound.sample
    judge.that(met, f"room for {bits} bits in a device code", bound.told)


def judge_user_code_bound(judge: Judgement, sample: Sample) -> None:
    """RFC 8628 §5.1: guessing a user code within the attempts of its lifetime is infeasible.

    Raises:
        Blocked: it depends on how many attempts the deployment admits, which the sample does not tell.
    """
    bound = bound_of([code.upper() for code in require(sample.user_codes, "user code")])
    left = bound.bits - math.log2(RFC_ATTEMPTS)
    if GUESSABLE_BITS <= left < INFEASIBLE_BITS:
        raise Blocked(
            f"a user code holds {bound.told}: whether guessing is infeasible depends on how many wrong codes are "
            "admitted in its lifetime, which a sample does not tell",
            unblock="attestations.DRS-10 in the target file: how many wrong codes are admitted in a code's lifetime",
        )
    observed = f"{left:.1f} bits after the {RFC_ATTEMPTS} attempts of RFC 8628 §5.1's example; {bound.told}"
    judge.that(left >= INFEASIBLE_BITS, f"{INFEASIBLE_BITS} bits left after the attempts admitted", observed)


def judge_user_codes_differ(judge: Judgement, sample: Sample) -> None:
    """RFC 8628 §3.3: a user code identifies one session; codes that differ in case or separators alone do not."""
    codes = [plain(code) for code in require(sample.user_codes, "user code")]
    judge.that(
        len(set(codes)) == len(codes),
        "another user code for every live request",
        f"{len(set(codes))} distinct of N = {len(codes)}",
    )


def judge_no_confusable(judge: Judgement, sample: Sample) -> None:
    """RFC 8628 §6.1: no two characters that people take for each other."""
    codes = require(sample.user_codes, "user code")
    pairs = confusable_pairs(codes)
    seen = "".join(sorted(set("".join(codes))))
    judge.that(
        not pairs,
        "no characters that are taken for each other",
        f"{', '.join(f'{pair[0]} and {pair[1]}' for pair in pairs) or 'none'} among {len(seen)} characters, "
        f"N = {len(codes)}",
    )


def judge_underived(judge: Judgement, sample: Sample) -> None:
    """The device code holds neither the user code nor a digest of it, nor the other way round."""
    require(sample.device_codes, "device code")
    derived = [
        answer.number
        for answer in sample.answers
        if (device_code := answer.member("device_code"))
        and (user_code := answer.member("user_code"))
        and isinstance(device_code, str)
        and isinstance(user_code, str)
        and _derived(device_code, user_code)
    ]
    judge.that(
        not derived,
        "device codes that are not made from user codes",
        f"{len(derived)} of N = {len(sample.answers)} are the user code, hold it, or are its digest",
    )


def _derived(device_code: str, user_code: str) -> bool:
    code, typed = plain(device_code), plain(user_code)
    if typed in code or code in typed:
        return True
    for spelling in {user_code, typed, typed.lower(), user_code.lower()}:
        for algorithm in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(algorithm, spelling.encode(), usedforsecurity=False).digest()
            written = {digest.hex(), b64encode(digest).decode(), urlsafe_b64encode(digest).decode()}
            if any(device_code.lower() in text.lower() or text.rstrip("=") in device_code for text in written):
                return True
    return False


def judge_limited(judge: Judgement, run: Run, sample: Sample) -> None:
    """RFC 10027 §6.1.11: where issuance is limited, the limit is told as RFC 6585 §4 says.

    Raises:
        Blocked: the run may not send a burst of requests.
        Excluded: no limit showed.
    """
    number = len(sample.answers)
    if sample.throttled is None and run.bundled is None:
        if not run.target.limits.allow_code_guessing:
            raise Blocked(
                f"{number} device authorizations in a row were not limited, and more would be a burst of requests",
                unblock="limits.allow_code_guessing: true in the target file",
            )
        number += BURST_ELSEWHERE
        sample = _ask_repeatedly(run, BURST_ELSEWHERE)
    if sample.throttled is None:
        raise Excluded(
            f"no limit showed within {number} device authorizations in a row; "
            "to look for a higher one would be an attack on the deployment"
        )
    answer = sample.throttled
    retry_after = answer.header("retry-after")
    judge.that(
        answer.status == 429 and retry_after is not None,
        "429 with Retry-After",
        f"{answer.summary}, Retry-After {retry_after or 'absent'}, after {number} device authorizations in a row",
    )


# -- one answer --------------------------------------------------------------------------------------------------------


def repeated_members(body: bytes) -> list[str]:
    """Return the names of the members that occur more than once at the top of a JSON object.

    Raises:
        ValueError: it is not JSON.
    """
    repeated: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        # Called for the innermost objects first, so that what is noted last is the outermost one's.
        names = [name for name, _ in pairs]
        repeated[:] = sorted({name for name in names if names.count(name) > 1})
        return dict(pairs)

    json.loads(body, object_pairs_hook=note)
    return repeated


def judge_no_repeated_member(judge: Judgement, answer: Answer) -> None:
    """RFC 6749 §3.2, RFC 8628 §3.1: a parameter of the response occurs once."""
    answer.json_object()
    repeated = repeated_members(answer.body)
    judge.that(not repeated, "each member once", f"more than once: {', '.join(repeated) or 'none'}")


def judge_plain_uri(judge: Judgement, device: DeviceAuthorization) -> None:
    """RFC 8628 §3.3: the URI that people type does not hold the code; its length is reported."""
    uri = device.verification_uri
    held = plain(device.user_code) in plain(uri)
    observed = f"{len(uri)} characters, {'with' if held else 'without'} the user code"
    judge.that(not held, "a verification URI without the user code", observed)


def judge_lifetime_band(judge: Judgement, device: DeviceAuthorization) -> None:
    """RFC 8628 §5.4, RFC 10027 §6.1.2: long enough to use, short enough to limit phishing."""
    shortest, longest = _LIFETIME_BAND
    seconds = device.expires_in
    judge.that(shortest <= seconds <= longest, f"a lifetime of {shortest} to {longest} s", f"{seconds:g} s")


def judge_complete_uri(judge: Judgement, run: Run, device: DeviceAuthorization) -> None:
    """RFC 8628 §3.2, §3.3.1: the complete URI leads to the decision on this request and gives nothing away."""
    require_complete_uri(device)
    uri = device.verification_uri_complete or ""
    carries_secret = plain(device.device_code) in plain(uri)
    judge.that(not carries_secret, "a complete URI without the device code", "the device code stands in it")
    try:
        page = run.approver.read(device, complete=True)
    except Blocked:
        run.approver.read(device)  # where the owner gets nowhere by typing the code either, nothing can be said
        judge.that(False, "the page that asks for the decision", "another page, or none")
        return
    code = plain(device.user_code)
    shown, carries_code = code in plain(page.text), code in plain(uri)
    others = _codes_like(device.user_code, page.text) - {code}
    if not shown and not carries_code and not others:
        raise Blocked(
            "the complete URI carries something else than the user code, and the page does not show the user code, so "
            "that it cannot be told whose request it is about",
            unblock="a decision page that shows the user code (RFC 8628 §3.3.1)",
        )
    met = shown or (carries_code and not others)
    judge.that(met, "the decision on this request", f"the page {page.title!r} about {'this' if met else 'another'} one")


def _codes_like(user_code: str, text: str) -> set[str]:
    """Return what in a text looks like this user code; nothing where any word would."""
    if plain(user_code) == user_code.upper():
        return set()
    kinds = {True: r"\d", False: "[A-Za-z]"}
    shape = "".join(kinds[letter.isdigit()] if letter.isalnum() else re.escape(letter) for letter in user_code)
    return {plain(found) for found in re.findall(rf"(?<!\w){shape}(?!\w)", text)}


# -- several requests of one client ------------------------------------------------------------------------------------


def start_at_once(run: Run, client: OAuthClient, times: int) -> list[DeviceAuthorization]:
    """Start several device authorizations of one client at the same moment."""
    kind = any_kind(run)
    details = run.one_stream() if kind == "grant_scoped_mcp" else ()
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: client.start(kind, details), range(times)))


def judge_all_pending(judge: Judgement, devices: Sequence[DeviceAuthorization]) -> None:
    """Each of the device codes waits for the owner."""
    told = [device.poll_at_once().summary for device in devices]
    pending = [summary for summary in told if summary.endswith(("authorization_pending", "slow_down"))]
    judge.that(
        len(pending) == len(devices),
        f"authorization_pending or slow_down for each of {len(devices)} device codes",
        ", ".join(sorted(set(told))),
    )


# -- tokens ------------------------------------------------------------------------------------------------------------


def judge_tokens_unguessable(judge: Judgement, run: Run) -> None:
    """RFC 6749 §10.10: the bound on an access token leaves at least 128 bits; of a JWT its signature counts."""
    tokens = issued_tokens(run)
    if not tokens:
        raise Blocked("no access token came of the run", unblock="a deployment that issues one")
    signatures = [signature_of(token) for token in tokens]
    signed = [signature for signature in signatures if signature is not None]
    opaque = [token for token, signature in zip(tokens, signatures, strict=True) if signature is None]
    for what, sample in (("the signature of a JWT", signed), ("an access token", opaque)):
        if sample:
            bound = bound_of(sample)
            judge.that(
                bound.bits >= BITS["must"] and bound.distinct == bound.sample,
                f"room for 128 bits in {what}",
                bound.told,
            )


def issued_tokens(run: Run) -> list[str]:
    """Return the access tokens that the token endpoint issued in this run, in order."""
    endpoint = run.discovery.endpoint("token_endpoint")
    tokens: list[str] = []
    for exchange in run.recorder.exchanges:
        if exchange.url != endpoint or exchange.status != 200:
            continue
        try:
            members = json.loads(exchange.response_body or "")
        except (ValueError, RecursionError):
            continue
        token = members.get("access_token") if isinstance(members, dict) else None
        if isinstance(token, str) and token:
            tokens.append(token)
    return tokens


def require_tokens(run: Run) -> None:
    """See to it that the run has come by an access token, of whichever kind."""
    for come_by in (run.client_token, run.owner_token):
        try:
            come_by()
        except Conclusion:
            continue
