"""What a setup client is held to at the deployment itself: its screen, and the credential that it keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pdpp_conformance.judgement import Judgement
from pdpp_conformance.setup_at_target import Asking, Credential, Ended
from pdpp_conformance.verdict import Blocked

if TYPE_CHECKING:
    from pdpp_conformance.run import Run

MODE_FOR_OTHERS = 0o077
"""The permission bits that let anybody else read, write or run a file."""


def judge_asks(judge: Judgement, asking: Asking) -> None:
    """Judge that a person can approve by what stands on the screen, and sees that it is waited for."""
    if asking.ended is not None or asking.read is None:
        raise Blocked(
            "the setup client shows no page to approve at"
            + (f", and ended with status {asking.ended}" if asking.ended is not None else ""),
            unblock="a setup client that asks this deployment for a device code",
        )
    wanted = {
        "the user code, besides in a URL": asking.read.user_code is not None,
        "when the code expires": asking.read.tells_expiry,
        "the state of polling": asking.read.tells_state,
    }
    missing = [name for name, shown in wanted.items() if not shown]
    judge.that(
        not missing,
        f"on the screen: the verification URL, {', '.join(wanted)}",
        f"not shown: {', '.join(missing)}" if missing else "all shown",
    )


def judge_connected(judge: Judgement, ended: Ended) -> None:
    """Judge that what the owner approved leads to the end that the client itself calls a success."""
    judge.that(ended.status == 0, "the client ends with status 0 once the owner has approved", _end(ended))


def judge_tells_access(judge: Judgement, run: Run, ended: Ended) -> None:
    """Judge that the screen names what was granted."""
    _require_success(ended)
    names = _granted_streams(run, ended)
    missing = [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", ended.screen)]
    observed = f"not named: {', '.join(missing)}" if missing else f"named: {', '.join(names)}"
    judge.that(not missing, "every stream that was granted, named on the screen", observed)


def judge_tells_place(judge: Judgement, ended: Ended) -> None:
    """Judge that the screen names the credential's file, and that nobody else may read it."""
    _require_success(ended)
    credential = ended.credential
    judge.that(
        credential is not None,
        "a file named on the screen that has the credential in it",
        "no file with an access token is named" if credential is None else "named",
    )
    assert credential is not None
    judge.that(
        not credential.mode & MODE_FOR_OTHERS,
        "a file that only the person may read",
        f"its mode is {credential.mode:04o}",
    )


def judge_shows_no_token(judge: Judgement, ended: Ended) -> None:
    """Judge that no token of the credential was ever written to the screen."""
    tokens = _credential(ended).tokens
    shown = [name for name, token in tokens.items() if token in ended.ever]
    observed = f"shown: {', '.join(shown)}" if shown else f"neither of {len(tokens)}"
    judge.that(not shown, "no token on the screen at any time", observed)


def _granted_streams(run: Run, ended: Ended) -> list[str]:
    """Return what the deployment says that the client's token is good for.

    Raises:
        Blocked: it does not say.
    """
    answer = run.introspect(_credential(ended).members["access_token"])
    details = answer.member("authorization_details")
    entries: list[Mapping[str, Any]] = [one for one in details if isinstance(one, dict)] if _is_list(details) else []
    streams = [stream for entry in entries for stream in entry.get("streams") or [] if isinstance(stream, dict)]
    names = [stream["name"] for stream in streams if isinstance(stream.get("name"), str) and stream["name"] != "*"]
    if not names:
        raise Blocked(
            f"the client's token introspects without the names of streams: {answer.summary}",
            unblock="a setup client that asks for some streams, and introspection that tells them",
        )
    return list(dict.fromkeys(names))


def _require_success(ended: Ended) -> None:
    if ended.status != 0:
        raise Blocked(
            f"the setup client did not come by a credential: {_end(ended)}",
            unblock="a setup client that ends with status 0 once the owner has approved",
        )


def _credential(ended: Ended) -> Credential:
    _require_success(ended)
    if ended.credential is None:
        raise Blocked(
            "no file with an access token is named on the setup client's screen",
            unblock="a setup client that keeps a JSON object with access_token, in a file that it names",
        )
    return ended.credential


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _end(ended: Ended) -> str:
    return "it had to be ended" if ended.status is None else f"it ended with status {ended.status}"
