"""Guessing user codes and the owner's password, up to a bound, and what a deployment does about it (RFC 8628 §5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pdpp_conformance import drawing
from pdpp_conformance.judgement import Judgement
from pdpp_conformance.oauth_client import DeviceAuthorization
from pdpp_conformance.owner_decisions import visitor, wrong_code
from pdpp_conformance.owner_sessions import sign_in_page
from pdpp_conformance.run import Run
from pdpp_conformance.verdict import Blocked
from pdpp_conformance.visitor import Visit, refusal_of
from pdpp_conformance.waiting import SERVER_TRUNCATION_SECONDS

MOST_GUESSES = 30
"""How many wrong values are sent at most; a limit above that keeps nobody from anything within a minute or two."""

SLOWED_SECONDS = 1.0
"""By how much a wrong guess may be answered later than the first before that counts as a limit of its own."""

LIMITS_THAT_JUST_ENDED = 3
"""How often a right value may be taken although the wrong one before it was too many: guesses of earlier scenarios may
be forgotten just then, one after the other."""

LOCKED_OUT_SECONDS = (60.0, 900.0, 3600.0)
"""How long to stay away, in turn, before somebody counts as locked out for good."""


class Guessable(Protocol):
    """A secret that can be tried."""

    def wrong(self) -> Visit:
        """Try a wrong value."""
        ...

    def right(self) -> bool:
        """Try a right value, and tell whether it was taken."""
        ...


@dataclass(frozen=True)
class Guessed:
    """What came of guessing.

    Args:
        what: what was guessed.
        wrong: how many wrong values were sent.
        limit: what the deployment did about it; ``None``: nothing.
        last: the answer that showed it.
        right_afterwards: whether the right value was still taken at once.
    """

    what: Guessable
    wrong: int
    limit: str | None
    last: Visit
    right_afterwards: bool


def require_guessing(run: Run) -> None:
    """See that guessing is allowed here.

    Raises:
        Blocked: it is not, on a deployment that is not the bundled server.
    """
    if run.bundled is None and not run.target.limits.allow_code_guessing:
        raise Blocked(
            "wrong user codes and passwords are not guessed at a deployment that nobody said may be tried",
            unblock="limits.allow_code_guessing: true in the target file",
        )


def _guess(what: Guessable, *, right_between: bool) -> Guessed:
    """Try wrong values until the deployment does something about it, or the bound is reached."""
    first: float | None = None
    taken = 0
    for wrong in range(1, MOST_GUESSES + 1):
        visit = what.wrong()
        elapsed = sum(answer.exchange.elapsed_s for answer in visit.answers)
        first = elapsed if first is None else first
        if visit.last.status == 429:
            taken += (right := what.right())
            if not right or taken > LIMITS_THAT_JUST_ENDED:
                return Guessed(what, wrong, "told to wait", visit, right)
            continue
        if elapsed - first > SLOWED_SECONDS:
            return Guessed(what, wrong, f"answered {elapsed - first:.1f} s later", visit, False)
        if right_between and wrong % 2 == 0 and not what.right():
            return Guessed(what, wrong, "the right value refused", visit, False)
    right = what.right()
    return Guessed(what, MOST_GUESSES, None if right else "the right value refused", visit, right)


def judge_limited(judge: Judgement, guessed: Guessed) -> None:
    """Wrong guesses come to an end, and from then on the right value is refused as well."""
    judge.that(
        guessed.limit is not None and not guessed.right_afterwards,
        f"a limit within {MOST_GUESSES} wrong guesses, during which the right value is refused too",
        f"{guessed.limit or 'no limit'} after {guessed.wrong} wrong guesses, "
        f"the right value {'taken' if guessed.right_afterwards else 'refused'}",
    )
    judge.note(f"the limit took effect with wrong guess {guessed.wrong}: {guessed.limit}")


def judge_ends(judge: Judgement, run: Run, guessed: Guessed) -> None:
    """The limit ends by itself: after a while the right value is taken again."""
    refusal = refusal_of(guessed.last.last)
    said = [refusal.seconds(LOCKED_OUT_SECONDS[0])] if refusal is not None else []
    for seconds in (*said, *LOCKED_OUT_SECONDS):
        run.pause(seconds + SERVER_TRUNCATION_SECONDS, "a limit of wrong guesses to end")
        taken = guessed.what.right()
        if taken:
            break
    judge.that(taken, "the right value taken again after a while", f"{'taken' if taken else 'still refused'}")


# -- what is guessed ---------------------------------------------------------------------------------------------------


class _Codes:
    """User codes, entered in the owner's session, each over a connection of its own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._who = visitor(run, closing=True)
        self._like = self._fresh()
        if not self.right():
            raise Blocked(
                "a right user code led to no decision page", unblock="a verification URI that takes user codes"
            )
        self._who.patience = None  # from now on a limit is what is looked for

    def _fresh(self) -> DeviceAuthorization:
        return self._run.client().start("trusted_owner_agent")

    def _enter(self, code: str) -> Visit:
        page = self._who.sign_in_if_asked(self._who.open(self._like.verification_uri))
        return page if page.page.code_entry is None else self._who.enter(page, code)

    def wrong(self) -> Visit:
        return self._enter(wrong_code(self._like.user_code))

    def right(self) -> bool:
        return self._who.is_decision(self._enter(self._fresh().user_code))


class _Passwords:
    """Passwords, sent with the sign-in form by somebody without a session, each over a connection of its own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._who = visitor(run, can_sign_in=False, actor="somebody who guesses the password", closing=True)
        self._who.patience = None

    def _send(self, password: str) -> Visit:
        page = sign_in_page(self._run, self._who)
        return page if page.page.sign_in is None else self._who.try_password(page, password)

    def wrong(self) -> Visit:
        return self._send(drawing.token_urlsafe(18))

    def right(self) -> bool:
        password = self._run.target.owner_password
        if password is None:
            raise Blocked("the right password is not known", unblock="PDPP_OWNER_PASSWORD")
        answered = self._send(password)
        return answered.page.sign_in is None and answered.last.status < 400


def guess_codes(run: Run, *, right_between: bool = False) -> Guessed:
    """Guess user codes, with a right one after every second wrong one, or without."""
    require_guessing(run)
    return _guess(_Codes(run), right_between=right_between)


def guess_passwords(run: Run) -> Guessed:
    """Guess the owner's password."""
    require_guessing(run)
    return _guess(_Passwords(run), right_between=False)
