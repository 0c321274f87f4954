"""User codes as people type them (RFC 8628 §6.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.owner_decisions import owner
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked, NotApplicable
from pdpp_conformance.visitor import Visit

_SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "without its punctuation": lambda code: "".join(character for character in code if character.isalnum()),
    "with spaces for its punctuation": lambda code: "".join(
        character if character.isalnum() else " " for character in code
    ),
    "in lower case": str.lower,
    "with stray spaces": lambda code: f" {code[:2]} {code[2:]} ",
}


def enter_as(run: Run, device: DeviceAuthorization, spelling: str) -> Visit:
    """Enter a user code in one of the spellings of people, after it was taken as the device shows it.

    Raises:
        NotApplicable: the spelling is the code's own.
        Blocked: the code as the device shows it leads to no decision page.
    """
    typed = _SPELLINGS[spelling](device.user_code)
    if typed == device.user_code:
        raise NotApplicable(f"this deployment's user codes are the same {spelling}")
    who = owner(run)
    if not who.is_decision(who.type_code(device.verification_uri, device.user_code)):
        raise Blocked("the user code, typed as shown, led to no decision page", unblock="a page that takes it")
    return who.type_code(device.verification_uri, typed)


def judge_led_to_decision(judge: Judgement, run: Run, visit: Visit) -> None:
    """The code was taken."""
    judge.that(owner(run).is_decision(visit), "the decision page", visit.summary)
