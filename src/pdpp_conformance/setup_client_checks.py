"""What setup clients are held to: by what scripted servers saw of them, and by what they said and how they ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

from pdpp_conformance.client_bench.bench import Bench, Played
from pdpp_conformance.client_bench.plays import PLAYS
from pdpp_conformance.client_bench.stage import Received
from pdpp_conformance.client_bench.under_test import ClientUnderTest, CommandClient
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.verdict import Blocked, Conclusion, NotApplicable

if TYPE_CHECKING:
    from pdpp_conformance.run import Run

PLAIN = "a server that does nothing odd"
"""The play that a client has to come through before others tell anything."""
_MEETS = re.compile(r"^the setup client meets ")
TOLERANCE_SECONDS = 0.05
"""What two clocks may differ in where the client's time is the machine's."""
DEFAULT_INTERVAL_SECONDS = 5.0
"""RFC 8628 §3.2, where the server tells none."""
MOST_ATTEMPTS = 5
"""How often a client may ask for more scope before its retries count as unbounded."""
ENDING_SECONDS = 120.0
"""How long after the codes' expiry a client may take to end."""


def played(run: Run, name: str) -> Played:
    """Return what was seen of a play.

    Raises:
        NotApplicable: no setup client is to be judged.
        Blocked: the play takes longer than the run may wait.
    """
    bench = _bench_of(run)
    if name not in bench.plays:
        raise Blocked(
            f"the setup client's time is the machine's, and this takes {PLAYS[name].seconds:.0f} s",
            unblock=f"--max-wait {PLAYS[name].seconds:.0f}, or a command with {{clock}} in it",
        )
    return bench.play(name)


def begin_playing(run: Run, steps: Iterable[str]) -> None:
    """Let the plays begin, beside what is judged meanwhile, that are named in the steps of the run's scenarios."""
    named = {_MEETS.sub("", step) for step in steps}
    with suppress(Conclusion):  # the scenario that asks will tell
        _bench_of(run).begin(named | {PLAIN})


def _bench_of(run: Run) -> Bench:
    run.rests_beyond("what the setup client did")
    return run.once("the bench of the setup client", lambda: _bench(run))


def _bench(run: Run) -> Bench:
    client = client_under_test(run)
    in_time = {name: play for name, play in PLAYS.items() if client.in_bench_time or play.seconds <= run.max_wait}
    bench = Bench(client, run.recorder, in_time)
    run.at_end(bench.stop)
    return bench


def client_under_test(run: Run) -> ClientUnderTest:
    """Return the setup client that is judged.

    Raises:
        NotApplicable: there is none.
    """
    return run.once("the setup client under test", lambda: _client(run))


def _client(run: Run) -> ClientUnderTest:
    if run.target.setup_client is not None:
        return CommandClient(run.target.setup_client)
    if run.bundled is None:
        raise NotApplicable("no setup client is judged: the target file names none (setup_client.command)")
    bundled = run.bundled.setup_client()
    run.at_end(bundled.stop)
    return bundled


def require_connected(play: Played) -> None:
    """Make sure that the client comes to its credential where nothing is odd.

    Raises:
        Blocked: it does not.
    """
    if not play.connected:
        raise Blocked(
            f"the setup client does not come by a credential at a server that does nothing odd: {_ended(play)}",
            unblock="a setup client that ends with status 0 once it has its credential",
        )


def judge_connected(judge: Judgement, play: Played) -> None:
    """Judge that the client came to its credential."""
    _rest(judge, play)
    judge.that(play.connected, "the client ends with status 0, connected", _ended(play))


# -- polling (RFC 8628 §3.5) -------------------------------------------------------------------------------------------


def judge_interval(judge: Judgement, play: Played, seconds: float) -> None:
    """Judge that no two polls lie closer together than the interval."""
    waits = _waits(_polls(judge, play, 3))
    closest = min(waits)
    judge.that(closest >= seconds - TOLERANCE_SECONDS, f"at least {seconds:g} s between two polls", f"{closest:.2f} s")


def judge_slow_down(judge: Judgement, play: Played, step: float) -> None:
    """Judge that each slow_down lengthens every later wait."""
    polls = _polls(judge, play, 4)
    needed, problems, told = play.script.interval or DEFAULT_INTERVAL_SECONDS, [], []
    for poll, following in pairwise(polls):
        needed += step if poll.answered == "400 slow_down" else 0
        wait = following.at - poll.at
        told.append(f"{wait:.0f}")
        if wait < needed - TOLERANCE_SECONDS:
            problems.append(f"{wait:.2f} s where it is {needed:g} s")
    observed = "; ".join(problems) or f"waits of {', '.join(told)} s"
    judge.that(not problems, "every wait as long as the interval and all slow_down so far demand", observed)


def judge_stops(judge: Judgement, play: Played) -> None:
    """Judge that the last poll is the one that was refused."""
    polls = _polls(judge, play, 2)
    refused = next((number for number, poll in enumerate(polls) if _is_final(poll)), None)
    if refused is None:
        raise Blocked("the client gave up before it was refused", unblock="a setup client that polls until an answer")
    code = polls[refused].form.get("device_code")
    after = sum(poll.form.get("device_code") == code for poll in polls[refused + 1 :])
    judge.that(after == 0, f"no poll after {polls[refused].answered}", f"{after} more polls" if after else "none")


def judge_tells_refusal(judge: Judgement, play: Played) -> None:
    """Judge that the client ends, and says that it has nothing."""
    _rest(judge, play)
    seen = play.last
    told = bool(seen.output.strip()) and seen.status not in (0, None)
    judge.at_most_warn(told, "the client tells the person, and ends with a status that is not 0", _ended(play))


def judge_backs_off(judge: Judgement, play: Played) -> None:
    """Judge that the client polls less often after the network has failed it."""
    polls = _polls(judge, play, 3)
    interval = play.script.interval or DEFAULT_INTERVAL_SECONDS
    waits = [
        following.at - (poll.gave_up_at if poll.gave_up_at is not None else poll.at)
        for poll, following in pairwise(polls)
        if poll.answered in ("hang", "drop")
    ]
    if not waits:
        raise Blocked(
            "the client did not poll again after the failure", unblock="a client that goes on after one failure"
        )
    told = ", ".join(f"{wait:.1f}" for wait in waits)
    judge.that(
        all(wait > interval + TOLERANCE_SECONDS for wait in waits),
        f"waits longer than the interval of {interval:g} s after a lost connection",
        f"waits of {told} s",
    )
    if any(later <= earlier for earlier, later in pairwise(waits)):
        judge.note("the back-off is not exponential, which is recommended")


def judge_no_restart(judge: Judgement, play: Played) -> None:
    """Judge that the client asked for codes once."""
    _rest(judge, play)
    asked = len(play.at("device authorization"))
    judge.that(asked == 1, "one device authorization request for one command", f"{asked} requests")


# -- what a person sees ------------------------------------------------------------------------------------------------


def judge_shows_codes(judge: Judgement, play: Played) -> None:
    """Judge that the user code and the verification URI are there to be read."""
    _rest(judge, play)
    stage = play.stages[0]
    if not stage.user_codes:
        raise Blocked("the client asked for no codes", unblock="a setup client that performs the device flow")
    shown = stage.user_codes[0] in re.sub(r"\w+://\S+", "", play.last.output)
    judge.that(
        shown, "the user code is displayed, besides in a URL", "displayed" if shown else "not in what the client says"
    )
    textual = re.search(re.escape(stage.verification_uri) + r"(?![?\w])", play.last.output) is not None
    observed = "displayed" if textual else "not in what the client says"
    judge.remark(textual, "the verification URI without the code, as text (recommended)", observed)


def judge_shows_progress(judge: Judgement, play: Played) -> None:
    """Judge that URL, code, expiry and polling state are shown."""
    _rest(judge, play)
    stage, output = play.stages[0], f"{play.last.output}\n{play.last.passing}"
    wanted = {
        "the verification URL": stage.verification_uri in output,
        "the user code": bool(stage.user_codes) and stage.user_codes[0] in re.sub(r"\w+://\S+", "", output),
        "when the code expires": re.search(r"expir\w*", output, re.I) is not None,
        "the state of polling": re.search(r"\bpoll|\bwaiting|\bpending", output, re.I) is not None,
    }
    missing = [name for name, shown in wanted.items() if not shown]
    judge.that(not missing, ", ".join(wanted), f"not shown: {', '.join(missing)}" if missing else "all shown")


def judge_recovery(judge: Judgement, play: Played) -> None:
    """Judge that a person can see how to try again."""
    _rest(judge, play)
    output = play.last.output
    command = any(play.stages[0].url in line for line in output.splitlines()[-6:])
    told = command and re.search(r"\bagain\b|\bretry\b|\brestart\b", output, re.I) is not None
    observed = "told" if told else f"not in its last lines; {_ended(play)}"
    judge.that(told, "the last lines tell how to try again, with the URL", observed)


def judge_ends(judge: Judgement, play: Played) -> None:
    """Judge that the client ended by itself, without success."""
    _rest(judge, play)
    seen, longest = play.last, play.script.expires_in + ENDING_SECONDS
    met = seen.status not in (0, None) and seen.took <= longest
    judge.that(met, f"the client gives up within {longest:.0f} s, not with status 0", _ended(play))


def judge_copyable_url(judge: Judgement, play: Played) -> None:
    """Judge that the URL to approve at can be copied."""
    shown = play.stages[0].verification_uri in play.last.output
    judge.that(shown, "the verification URL as text", "shown" if shown else "not in what the client says")


def judge_no_device_guidance(judge: Judgement, play: Played) -> None:
    """Judge what is recommended where device authorization is not advertised."""
    _rest(judge, play)
    output = play.last.output
    guided = re.search(r"browser|PKCE|authorization code", output, re.I) is not None
    observed = "recommended" if guided else f"not in what it says: {output.strip()[-200:]!r}"
    judge.that(guided, "a browser-capable client with PKCE is recommended", observed)
    judge.that(play.last.status not in (0, None), "the client ends, and not with status 0", _ended(play))


def judge_no_owner_fallback(judge: Judgement, play: Played) -> None:
    """Judge that no owner credential was asked for."""
    _rest(judge, play)
    asked = [request for request in play.received if request.where.startswith("owner's")]
    judge.that(not asked, "no request for an owner's token", f"{len(asked)} requests" if asked else "none")


def judge_opens_no_other(judge: Judgement, play: Played) -> None:
    """Judge that nothing but web pages is opened, or shown to be opened."""
    _rest(judge, play)
    others = [url for url in play.opened if not re.match(r"https?://", url, re.I)]
    stage = play.stages[0]
    shown = stage.verification_uri in play.last.output
    observed = [f"opened {url[:60]!r}" for url in others] + (["shown to be opened"] if shown else [])
    judge.that(not observed, "neither opened nor shown: a URL that is no web page", "; ".join(observed) or "neither")


def judge_no_shell(judge: Judgement, play: Played) -> None:
    """Judge that no shell saw the URL."""
    _rest(judge, play)
    told = "a shell ran it" if play.ran_a_shell else "no shell ran it"
    judge.that(not play.ran_a_shell, "no shell runs what is in the URL", told)


def judge_shows_no_secret(judge: Judgement, play: Played) -> None:
    """Judge that no token and no device code was ever written to the screen."""
    _rest(judge, play)
    given = {
        "a token": [token for stage in play.stages for token in stage.tokens],
        "a device code": [code for stage in play.stages for code in stage.device_codes],
    }
    if not given["a device code"]:
        raise Blocked("the client asked for no codes", unblock="a setup client that performs the device flow")
    ever = "\n".join(text for seen in play.starts for text in (seen.written, seen.output, seen.passing))
    shown = [what for what, secrets in given.items() if any(secret in ever for secret in secrets)]
    observed = f"shown: {', '.join(shown)}" if shown else "neither"
    judge.that(not shown, "neither a token nor a device code on the screen at any time", observed)


# -- discovery ---------------------------------------------------------------------------------------------------------


def judge_order(judge: Judgement, play: Played, kind: str, order: Sequence[str]) -> None:
    """Judge in which order documents of a kind were asked for."""
    _rest(judge, play)
    asked = [request.where.partition(": ")[2] for request in play.at(kind)]
    seen = list(dict.fromkeys(asked))
    judge.that(seen[: len(order)] == list(order), f"first {', then '.join(order)}", ", ".join(seen) or "none")


def judge_right_server(judge: Judgement, play: Played) -> None:
    """Judge that codes were asked for at the authorization server that the resource names."""
    _rest(judge, play)
    right, wrong = len(play.at("device authorization")), len(_decoyed(play))
    judge.that(
        right > 0 and not wrong,
        "codes from the authorization server that the resource metadata names",
        f"{right} requests there, {wrong} to another on its origin",
    )


def judge_unusable(judge: Judgement, play: Played) -> None:
    """Judge that a document that must not be used was not."""
    _rest(judge, play)
    used = [r for where in ("registration", "device authorization", "token") for r in play.at(where)]
    met = not used and play.last.status not in (0, None)
    judge.that(met, "nothing asked of what it names, and no success", f"{_told(used)}; {_ended(play)}")


def judge_untouched(judge: Judgement, play: Played) -> None:
    """Judge that a server without a valid certificate was told nothing."""
    met = not play.received and play.last.status not in (0, None)
    judge.that(met, "no request, and no success", f"{_told(play.received)}; {_ended(play)}")


# -- tokens ------------------------------------------------------------------------------------------------------------


def judge_resource(judge: Judgement, play: Played) -> None:
    """Judge that the device authorization request and every poll name the resource."""
    _rest(judge, play)
    requests = [*play.at("device authorization"), *play.at("token")]
    if not requests:
        raise Blocked("the client asked for no codes", unblock="a setup client that performs the device flow")
    without = [request for request in requests if request.form.get("resource") != play.stages[0].url]
    observed = f"without it, or with another: {_told(without)}" if without else f"in all {len(requests)} requests"
    judge.that(not without, "resource in the device authorization request and in every poll", observed)


def judge_bearer(judge: Judgement, play: Played) -> None:
    """Judge that tokens travel in the header, and never in a URL."""
    _rest(judge, play)
    tokens = play.stages[0].tokens
    in_url = [request for request in play.received if any(token in request.target for token in tokens)]
    judge.that(not in_url, "no token in a URL", _told(in_url) if in_url else "none")
    issued = next(
        (number for number, r in enumerate(play.received) if r.answered == "200" and r.where == "token"), None
    )
    after = [r for r in play.received[issued + 1 :] if r.where == "mcp"] if issued is not None else []
    if not after:
        raise Blocked("the client did not use its token", unblock="a setup client that tries its credential")
    bare = [request for request in after if request.bearer not in tokens]
    judge.that(not bare, "the bearer in the header of every request", _told(bare) if bare else f"{len(after)} requests")


def judge_token_kept_apart(judge: Judgement, play: Played) -> None:
    """Judge that what one server issued is shown to no other."""
    _rest(judge, play)
    strangers = [
        request
        for index, stage in enumerate(play.stages)
        for token in stage.tokens
        for request in play.received
        if request.server != index and request.carries(token)
    ]
    if not any(stage.tokens for stage in play.stages):
        raise Blocked("no token was issued", unblock="a setup client that comes by a credential")
    judge.that(not strangers, "no token at another server", _told(strangers) if strangers else "none")


def judge_keyed_by_issuer(judge: Judgement, play: Played) -> None:
    """Judge that what one issuer gave out is not used at the next."""
    _rest(judge, play)
    first = [r for r in play.received if r.step == 0]
    stage = play.stages[0]
    if not any(r.where == "token" for r in first):
        raise Blocked("no token was issued", unblock="a setup client that comes by a credential")
    given = [*stage.tokens[: 2 * sum(r.answered == "200" and r.where == "token" for r in first)]]
    given += stage.client_ids[: sum(r.where == "registration" for r in first)]
    endpoints = ("registration", "device authorization", "token")
    asked = [request for where in endpoints for request in play.at(where, step=1)]
    if not asked:
        raise Blocked(
            "the client asked nothing of the new issuer", unblock="a setup client that reads the metadata anew"
        )
    reused = [request for request in asked if any(request.carries(value) for value in given)]
    judge.that(
        not reused,
        "the new issuer sees no token and no client identifier of the old one",
        _told(reused) if reused else f"{len(asked)} requests of its own",
    )


def judge_step_up(judge: Judgement, play: Played, scopes: Sequence[str]) -> None:
    """Judge that the client asks again, for what it had asked and what is missing."""
    _rest(judge, play)
    asked = [request.form.get("scope", "").split() for request in play.at("device authorization")]
    united = len(asked) > 1 and set(scopes) <= set(asked[-1])
    told = "; ".join(" ".join(scope) or "none" for scope in asked)
    judge.that(united, f"another request, for the scopes {' '.join(scopes)}", f"scopes asked for: {told or 'nothing'}")


def judge_bounded_step_up(judge: Judgement, play: Played) -> None:
    """Judge that the client does not ask for ever."""
    _rest(judge, play)
    asked = len(play.at("device authorization"))
    met = asked <= MOST_ATTEMPTS and play.last.status is not None
    judge.that(met, f"at most {MOST_ATTEMPTS} requests, and an end", f"{asked} requests; {_ended(play)}")


# -- words -------------------------------------------------------------------------------------------------------------


def _polls(judge: Judgement, play: Played, fewest: int) -> list[Received]:
    _rest(judge, play)
    polls = play.at("token")
    if len(polls) < fewest:
        raise Blocked(
            f"the client polled {len(polls)} times, and {fewest} are needed: {_ended(play)}",
            unblock="a setup client that polls the token endpoint",
        )
    return polls


def _waits(polls: Sequence[Received]) -> list[float]:
    return [following.at - poll.at for poll, following in pairwise(polls)]


def _is_final(poll: Received) -> bool:
    return poll.answered.startswith("400 ") and poll.answered not in ("400 authorization_pending", "400 slow_down")


def _decoyed(play: Played) -> list[Received]:
    return [r for r in play.received if r.where == "decoy" and "/.well-known/" not in r.target]


def _rest(judge: Judgement, play: Played) -> None:
    judge.exchanges += [number for number in play.exchanges if number not in judge.exchanges]


def _told(requests: Sequence[Received]) -> str:
    return ", ".join(dict.fromkeys(f"a request to {request.where}" for request in requests)) or "no request"


def _ended(play: Played) -> str:
    seen = play.last
    last = next((line.strip() for line in reversed(seen.output.splitlines()) if line.strip()), "")
    end = "had to be ended" if seen.status is None else f"status {seen.status}"
    return f"{end} after {seen.took:.0f} s" + (f", {last[:160]!r}" if last else "")
